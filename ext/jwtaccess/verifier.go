// This file checks access tokens in an API that has no access to the model.

package jwtaccess

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/keys"
)

// Keys checks signatures: a [keys.Remote], or the [keys.Ring] of the same
// process. Verify is called concurrently; an error that wraps
// [keys.ErrUnavailable] is a fault, and any other refuses the token.
type Keys interface {
	Verify(ctx context.Context, token, typ string, claims any) error
}

// VerifierOptions are the options of [NewVerifier].
type VerifierOptions struct {
	// Leeway is how far the clocks of server and API may differ. 0: 5 seconds;
	// a minute at most.
	Leeway time.Duration

	// Revoked reports whether a grant was revoked, by a list that the program
	// keeps. It is called for each token with a grant_id, so the server must
	// set [Options.GrantClaim]; tokens without a grant, as those of the client
	// credentials grant, have none. An error is answered with server_error.
	// Nil: a token works until it expires.
	Revoked func(ctx context.Context, grantID string) (bool, error)
}

// Verifier is an [oauth2server.AccessTokenModel] for
// [oauth2server.NewResourceServer] in an API: it finds out what a token says. It
// is safe for concurrent use.
type Verifier struct {
	issuer, audience string
	keys             Keys
	options          VerifierOptions
}

// NewVerifier returns a Verifier of tokens from one issuer for one audience: the
// identifier of a resource, or for tokens without one [Options.Audience], by
// default the issuer. Both must be set. Nil opts mean the zero VerifierOptions.
func NewVerifier(issuer, audience string, set Keys, opts *VerifierOptions) (*Verifier, error) {
	v := &Verifier{issuer: issuer, audience: audience, keys: set}
	if opts != nil {
		v.options = *opts
	}
	if v.options.Leeway == 0 {
		v.options.Leeway = 5 * time.Second
	}
	switch {
	case issuer == "" || audience == "":
		return nil, errors.New("jwtaccess: the issuer and the audience must be set")
	case set == nil:
		return nil, errors.New("jwtaccess: there are no keys")
	case v.options.Leeway < 0 || v.options.Leeway > time.Minute:
		return nil, fmt.Errorf("jwtaccess: a leeway of %v", v.options.Leeway)
	}
	return v, nil
}

// GetAccessToken implements [oauth2server.AccessTokenModel] (RFC 9068, section
// 4). The token that it returns has a Resource if the audience is not the
// issuer, so it is let in by [oauth2server.ResourceServer.For] alone.
func (v *Verifier) GetAccessToken(
	ctx context.Context, accessToken string,
) (*oauth2server.Token, error) {
	var c claims
	if err := v.keys.Verify(ctx, accessToken, Type, &c); err != nil {
		if errors.Is(err, keys.ErrUnavailable) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", oauth2server.ErrNotFound, err)
	}
	now := time.Now()
	expires := time.Unix(c.ExpiresAt, 0).Add(v.options.Leeway)
	scope, err := oauth2server.ParseScope(c.Scope)
	switch latest := now.Add(v.options.Leeway).Unix(); {
	case c.Issuer != v.issuer:
		return nil, refuse("it is from another issuer")
	case !contains(c.Audience, v.audience):
		return nil, refuse("it is for another audience")
	case c.Subject == "" || c.ClientID == "" || c.ID == "":
		return nil, refuse("it lacks sub, client_id or jti")
	case c.ExpiresAt <= 0 || c.IssuedAt > latest || c.NotBefore > latest:
		return nil, refuse("its times are missing, or in the future")
	case err != nil:
		return nil, refuse("its scope is malformed")
	}
	token := &oauth2server.Token{
		AccessToken:          accessToken,
		AccessTokenExpiresAt: expires,
		Scope:                scope,
		Client:               &oauth2server.Client{ID: c.ClientID},
		User:                 &oauth2server.User{ID: c.Subject},
		GrantID:              c.GrantID,
	}
	if v.audience != v.issuer {
		token.Resource = v.audience
	}
	token.Details = c.details()
	if v.options.Revoked != nil && c.GrantID != "" {
		revoked, err := v.options.Revoked(ctx, c.GrantID)
		switch {
		case err != nil:
			return nil, fmt.Errorf("jwtaccess: Revoked: %w", err)
		case revoked:
			return nil, refuse("its grant was revoked")
		}
	}
	return token, nil
}

// details returns what a resource server checks beside the scope, and what the
// API may want to know.
func (c *claims) details() *oauth2server.Details {
	d := &oauth2server.Details{Confirmation: c.Confirmation}
	if c.AuthTime != 0 || c.Context != "" || len(c.Methods) > 0 {
		d.Authentication = &oauth2server.Authentication{Context: c.Context, Methods: c.Methods}
		if c.AuthTime != 0 {
			d.Authentication.Time = time.Unix(c.AuthTime, 0).UTC()
		}
	}
	if d.Authentication == nil && len(d.Confirmation) == 0 {
		return nil
	}
	return d
}

func contains(list []string, wanted string) bool {
	for _, one := range list {
		if one == wanted {
			return true
		}
	}
	return false
}

func refuse(why string) error {
	return fmt.Errorf("%w: the token: %s", oauth2server.ErrNotFound, why)
}
