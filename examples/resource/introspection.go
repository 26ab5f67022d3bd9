// This file finds access tokens by introspection (RFC 7662). It is meant to be
// copied.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// introspection finds access tokens by asking the authorization server (RFC
// 7662). It asks for each request, so a token that was revoked is refused at
// once.
type introspection struct {
	endpoint   string // use https, unless it is on this machine: it gets the token and the secret
	id, secret string // the API's confidential client, which the server's Options.MayIntrospect allows
	client     *http.Client
}

var _ oauth2server.AccessTokenModel = (*introspection)(nil)

func newIntrospection(endpoint, id, secret string) *introspection {
	return &introspection{endpoint, id, secret, &http.Client{Timeout: 5 * time.Second}}
}

// GetAccessToken implements [oauth2server.AccessTokenModel]. An unusable answer
// is a fault: neither a valid token, nor an unknown one, which its client would
// throw away.
func (m *introspection) GetAccessToken(
	ctx context.Context, accessToken string,
) (*oauth2server.Token, error) {
	form := url.Values{"token": {accessToken}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.endpoint,
		strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(m.id), url.QueryEscape(m.secret)) // RFC 6749, section 2.3.1
	response, err := m.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("introspection: %s", response.Status)
	}
	var answer struct {
		Active    bool   `json:"active"`
		Scope     string `json:"scope"`
		ClientID  string `json:"client_id"`
		TokenType string `json:"token_type"`
		Subject   string `json:"sub"`
		Expires   int64  `json:"exp"`

		// What the token is for, and the key that it is bound to: without these
		// the API would let in tokens that are not for it, or were stolen.
		Audience     string            `json:"aud"`
		Confirmation map[string]string `json:"cnf"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	// An active token without a type may be a refresh token, which must not
	// open an API. Other types than Bearer are bound to a key.
	bearer := strings.EqualFold(answer.TokenType, "Bearer")
	if !answer.Active || !bearer && len(answer.Confirmation) == 0 {
		return nil, oauth2server.ErrNotFound
	}
	if answer.Subject == "" || answer.Expires == 0 { // optional in RFC 7662, but this API needs them
		return nil, errors.New("introspection: an answer without sub or exp")
	}
	scope, err := oauth2server.ParseScope(answer.Scope)
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	var details *oauth2server.Details
	if len(answer.Confirmation) > 0 {
		details = &oauth2server.Details{Confirmation: answer.Confirmation}
	}
	return &oauth2server.Token{
		Resource:             answer.Audience,
		Details:              details,
		Scope:                scope,
		AccessTokenExpiresAt: time.Unix(answer.Expires, 0),
		Client:               &oauth2server.Client{ID: answer.ClientID},
		User:                 &oauth2server.User{ID: answer.Subject},
	}, nil
}
