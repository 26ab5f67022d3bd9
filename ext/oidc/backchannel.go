// This file tells clients that a user signed out.

package oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// logoutLifetime is how long a logout token may be used (OpenID Connect
// Back-Channel Logout 1.0, section 2.4).
const logoutLifetime = 2 * time.Minute

// logoutEvent is the member of events that makes a token a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// NotifyLogout tells clients that a user signed out of a session, or, if
// session is empty, out of all sessions (OpenID Connect Back-Channel Logout
// 1.0). The program calls it when it has ended the session; clients without a
// [Options.BackChannelLogoutURI] are left out. All are told at the same time,
// in five seconds at most, and only at public addresses. The error names those
// that could not be told; they may be told again. NotifyLogout waits for all of
// them, so a handler may call it in a goroutine of its own, with a context that
// outlives the request.
func (p *Provider) NotifyLogout(
	ctx context.Context, user *oauth2server.User, session string, clients ...*oauth2server.Client,
) error {
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	for i, client := range clients {
		if p.options.BackChannelLogoutURI == nil {
			break
		}
		address := p.options.BackChannelLogoutURI(client)
		if address == "" {
			continue
		}
		wg.Go(func() {
			if err := p.notify(ctx, user, session, client, address); err != nil {
				errs[i] = fmt.Errorf("oidc: client %q: %w", client.ID, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// notify posts a logout token to a client.
func (p *Provider) notify(
	ctx context.Context, user *oauth2server.User, session string, client *oauth2server.Client, address string,
) error {
	subject, err := p.subject(user, client)
	if err != nil {
		return err
	}
	now := time.Now()
	claims := map[string]any{
		"iss": p.server.Issuer(), "aud": client.ID, "sub": subject, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(logoutLifetime).Unix(),
		"events": map[string]any{logoutEvent: struct{}{}},
	}
	if session != "" {
		claims["sid"] = sessionFor(client.ID, session)
	}
	// No nonce: with one, it could pass for an ID token.
	token, err := p.ring.Sign(ctx, "logout+jwt", claims)
	if err != nil {
		return err
	}
	status, err := p.fetch.PostForm(ctx, address, url.Values{"logout_token": {token}})
	switch {
	case err != nil:
		return err
	case status != http.StatusOK && status != http.StatusNoContent:
		return fmt.Errorf("it answered %d", status)
	}
	return nil
}
