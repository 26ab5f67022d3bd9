// This file makes ID tokens.

package oidc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// ExtendToken implements [oauth2server.TokenExtender]: it answers with an ID
// token, if an owner approved the scope openid (OpenID Connect Core 1.0, section
// 3.1.3.3). After a refresh it has the auth_time and the nonce of the sign-in:
// section 12.2 allows the nonce, though it advises against it, and there are
// clients that insist on it.
func (p *Provider) ExtendToken(
	ctx context.Context, client *oauth2server.Client, token *oauth2server.Token,
) (map[string]any, error) {
	keep, found, err := keptOf(token)
	if err != nil || !found {
		return nil, err
	}
	signed, err := p.idToken(ctx, client, token, keep)
	if err != nil {
		return nil, err
	}
	return map[string]any{"id_token": signed}, nil
}

// keptOf returns what the provider keeps with a token that an owner approved
// with the scope openid. It reports false for all others, such as those of the
// client credentials grant.
func keptOf(token *oauth2server.Token) (keep *kept, found bool, err error) {
	if !token.Scope.Contains("openid") {
		return nil, false, nil
	}
	keep = new(kept)
	found, err = token.Details.Get(name, keep)
	return keep, found, err
}

// idToken returns the ID token that goes with an access token (OpenID Connect
// Core 1.0, section 2).
func (p *Provider) idToken(
	ctx context.Context, client *oauth2server.Client, token *oauth2server.Token, keep *kept,
) (string, error) {
	subject, err := p.subject(token.User, client)
	if err != nil {
		return "", fmt.Errorf("oidc: Subject: %w", err)
	}
	claims := map[string]any{}
	if len(keep.Claims.IDToken) > 0 {
		// The claims of scopes are for UserInfo. The ID token has only those
		// that were asked for it by name (section 5.4 and 5.5).
		known, err := p.claimsOf(ctx, token.User, client)
		if err != nil {
			return "", err
		}
		maps.Copy(claims, p.asked(known, keep.Claims.IDToken, token.Scope))
	}
	now := time.Now()
	claims["iss"], claims["sub"], claims["aud"], claims["azp"] = p.server.Issuer(), subject, client.ID, client.ID
	claims["iat"], claims["exp"] = now.Unix(), now.Add(p.options.IDTokenLifetime).Unix()
	if keep.Nonce != "" {
		claims["nonce"] = keep.Nonce
	}
	if a := token.Details.Authentication; a != nil {
		if !a.Time.IsZero() {
			claims["auth_time"] = a.Time.Unix()
		}
		if a.Context != "" {
			claims["acr"] = a.Context
		}
		if a.Session != "" {
			claims["sid"] = sessionFor(client.ID, a.Session)
		}
		if len(a.Methods) > 0 {
			claims["amr"] = a.Methods
		}
	}
	return p.ring.SignFor(ctx, "JWT", func(algorithm string) any {
		claims["at_hash"] = halfHash(algorithm, token.AccessToken)
		return claims
	})
}

// sessionFor returns what a client knows a session by: the session itself may be
// what is in the browser's cookie, and two clients must not compare it.
func sessionFor(clientID, session string) string {
	sum := sha256.Sum256([]byte("sid\x00" + clientID + "\x00" + session))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// halfHash returns the left half of a token's hash, by the hash function of the
// algorithm (OpenID Connect Core 1.0, section 3.1.3.6).
func halfHash(algorithm, token string) string {
	if algorithm == "EdDSA" {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// claimsOf returns what the program knows of a user, but for the claims that the
// provider itself makes.
func (p *Provider) claimsOf(
	ctx context.Context, user *oauth2server.User, client *oauth2server.Client,
) (map[string]any, error) {
	if p.options.Claims == nil {
		return map[string]any{}, nil
	}
	known, err := p.options.Claims(ctx, user, client)
	if err != nil {
		return nil, fmt.Errorf("oidc: Claims: %w", err)
	}
	own := maps.Clone(known)
	maps.DeleteFunc(own, func(claim string, value any) bool {
		return value == nil || slices.Contains(protocolClaims, claim)
	})
	return own, nil
}

// asked returns the claims that a client asked for by name, as far as it may have
// them. One that has another value than it asked for is left out (section
// 5.5.1).
func (p *Provider) asked(
	known map[string]any, by map[string]*claimRequest, granted oauth2server.Scope,
) map[string]any {
	some := map[string]any{}
	for claim, how := range by {
		value, ok := known[claim]
		if !ok || how != nil && !how.fits(value) || !p.options.ClaimsByName && !p.allows(granted, claim) {
			continue
		}
		some[claim] = value
	}
	return some
}

// allows reports whether one of the granted scopes has a claim.
func (p *Provider) allows(granted oauth2server.Scope, claim string) bool {
	return slices.ContainsFunc(granted, func(scope string) bool {
		return slices.Contains(p.scopes[scope], claim)
	})
}

// fits reports whether a value is one that was asked for.
func (r *claimRequest) fits(value any) bool {
	if r.Value == nil && len(r.Values) == 0 {
		return true
	}
	text, err := json.Marshal(value)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(r.wanted(), func(one any) bool {
		other, err := json.Marshal(one)
		return err == nil && bytes.Equal(text, other)
	})
}

// wanted returns the values that were asked for.
func (r *claimRequest) wanted() []any {
	if r == nil {
		return nil
	}
	if r.Value != nil {
		return append([]any{r.Value}, r.Values...)
	}
	return r.Values
}

var errNoUser = errors.New("oidc: the token is not one that an owner approved for openid")
