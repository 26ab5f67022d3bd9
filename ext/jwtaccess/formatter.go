// Package jwtaccess makes access tokens that an API can check by itself: JSON
// Web Tokens by RFC 9068. They are still known to the model, so introspection
// and revocation go on working.
//
//	ring, err := keys.New(ctx, source)
//	srv, err := oauth2server.New(model, &oauth2server.Options{
//		Issuer:     "https://as.example",
//		Extensions: []oauth2server.Extension{jwtaccess.New(ring, nil)},
//	})
//	mux.Handle("/jwks", ring)
//
// An API in another process checks them with [NewVerifier]. It asks nobody for
// each request, so a token that was revoked works there until it expires; see
// [VerifierOptions.Revoked].
package jwtaccess

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/internal/jose"
)

// Type is the type of the tokens (RFC 9068, section 2.1).
const Type = "at+jwt"

// Formatter makes the access tokens of a server. [New] makes one. It is an
// [oauth2server.TokenFormatter], and safe for concurrent use.
type Formatter struct {
	ring    *keys.Ring
	options Options
	issuer  string
}

// Options are the options of [New].
type Options struct {
	// For reports whether the tokens of a client are JSON Web Tokens. Nil: those
	// of all clients are.
	For func(*oauth2server.Client) bool

	// Audience is the audience of tokens without a resource. Empty: the issuer.
	Audience string

	// Subject returns the claim sub for a user of a client, as that of package
	// oidc does. Nil: the user's ID. An API that needs the ID cannot use others.
	Subject func(user *oauth2server.User, client *oauth2server.Client) (string, error)

	// GrantClaim adds the claim grant_id, so that an API can look a grant up in
	// a list of those that were revoked: see [VerifierOptions.Revoked].
	GrantClaim bool
}

// New returns a Formatter that signs with the keys of ring. Nil opts mean the
// zero Options.
func New(ring *keys.Ring, opts *Options) *Formatter {
	f := &Formatter{ring: ring}
	if opts != nil {
		f.options = *opts
	}
	return f
}

// ExtensionName implements [oauth2server.Extension].
func (f *Formatter) ExtensionName() string { return "jwtaccess" }

// Attach implements [oauth2server.Attacher].
func (f *Formatter) Attach(s *oauth2server.Server) error {
	switch {
	case f.ring == nil:
		return errors.New("there are no keys")
	case s.Issuer() == "":
		return errors.New("it needs the option Issuer")
	}
	f.issuer = s.Issuer()
	return nil
}

// claims are those of RFC 9068, section 2.2, and cnf (RFC 7800).
type claims struct {
	Issuer       string            `json:"iss"`
	Subject      string            `json:"sub"`
	Audience     jose.Audience     `json:"aud"`
	ExpiresAt    int64             `json:"exp"`
	IssuedAt     int64             `json:"iat"`
	NotBefore    int64             `json:"nbf,omitempty"`
	ID           string            `json:"jti"`
	ClientID     string            `json:"client_id"`
	Scope        string            `json:"scope,omitempty"`
	AuthTime     int64             `json:"auth_time,omitempty"`
	Context      string            `json:"acr,omitempty"`
	Methods      []string          `json:"amr,omitempty"`
	Confirmation map[string]string `json:"cnf,omitempty"`
	GrantID      string            `json:"grant_id,omitempty"`
}

// FormatToken implements [oauth2server.TokenFormatter]. The audience is the
// token's resource, or that of the options if it has none.
func (f *Formatter) FormatToken(
	ctx context.Context, client *oauth2server.Client, token *oauth2server.Token,
) (string, error) {
	switch {
	case f.options.For != nil && !f.options.For(client):
		return "", nil
	case token.AccessTokenExpiresAt.IsZero():
		return "", errors.New("an access token without an expiry cannot be a JSON Web Token")
	}
	subject := token.User.ID
	if f.options.Subject != nil {
		var err error
		if subject, err = f.options.Subject(token.User, client); err != nil {
			return "", err
		}
	}
	c := claims{
		Issuer:    f.issuer,
		Subject:   subject,
		Audience:  jose.Audience{cmp.Or(f.options.Audience, f.issuer)},
		ExpiresAt: token.AccessTokenExpiresAt.Unix(),
		IssuedAt:  time.Now().Unix(),
		ID:        rand.Text(),
		ClientID:  client.ID,
		Scope:     token.Scope.String(),
	}
	if token.Resource != "" {
		c.Audience = jose.Audience{token.Resource}
	}
	if f.options.GrantClaim {
		c.GrantID = token.GrantID
	}
	if d := token.Details; d != nil {
		c.Confirmation = d.Confirmation
		if a := d.Authentication; a != nil {
			c.Context, c.Methods = a.Context, a.Methods
			if !a.Time.IsZero() {
				c.AuthTime = a.Time.Unix()
			}
		}
	}
	return f.ring.Sign(ctx, Type, c)
}
