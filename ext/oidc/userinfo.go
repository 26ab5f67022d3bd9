// This file answers clients that ask who the user of an access token is.

package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/seed-11d18166/oauth2server"
)

// UserInfo returns the UserInfo endpoint (OpenID Connect Core 1.0, section 5.3).
// It takes GET and POST, with an access token for the scope openid, whatever
// resource that is for. The answer has the claims of the scopes that the owner
// granted, and those that the client asked for by the parameter claims. A client
// that accepts application/jwt gets them signed.
func (p *Provider) UserInfo() http.Handler {
	return p.server.AllowOrigins(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			w.Header().Set("Allow", "GET, POST")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		token, err := p.server.ForAny().AuthenticateRequest(r, "openid")
		if err != nil {
			p.server.WriteError(w, r, err)
			return
		}
		claims, client, err := p.userInfo(r, token)
		if err != nil {
			p.server.WriteError(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !acceptsJWT(r) {
			text, err := json.Marshal(claims)
			if err != nil {
				p.server.WriteError(w, r, fmt.Errorf("oidc: a claim has no JSON form: %w", err))
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write(text) // an error means that the client hung up
			return
		}
		claims["iss"], claims["aud"] = p.server.Issuer(), client.ID
		// Not the type of an ID token, as one must not pass for the other.
		signed, err := p.ring.Sign(r.Context(), "userinfo+jwt", claims)
		if err != nil {
			p.server.WriteError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/jwt")
		w.Write([]byte(signed))
	}))
}

// userInfo returns the claims for a token, and the client that it is of.
func (p *Provider) userInfo(
	r *http.Request, token *oauth2server.Token,
) (map[string]any, *oauth2server.Client, error) {
	keep, found, err := keptOf(token)
	switch {
	case err != nil:
		return nil, nil, err
	case !found:
		return nil, nil, &oauth2server.Error{Code: oauth2server.InsufficientScope, Reason: "oidc_no_user",
			Err:         errNoUser,
			Description: "Insufficient scope: no owner approved openid for this token"}
	}
	client, err := p.server.Client(r.Context(), token.Client.ID)
	if errors.Is(err, oauth2server.ErrNotFound) {
		return nil, nil, oauth2server.ErrNotFound // invalid_token
	}
	if err != nil {
		return nil, nil, err
	}
	known, err := p.claimsOf(r.Context(), token.User, client)
	if errors.Is(err, oauth2server.ErrNotFound) {
		return nil, nil, oauth2server.ErrNotFound // the user is gone
	}
	if err != nil {
		return nil, nil, err
	}
	subject, err := p.subject(token.User, client)
	if err != nil {
		return nil, nil, err
	}
	claims := map[string]any{}
	for _, scope := range token.Scope {
		for _, claim := range p.scopes[scope] {
			if value, ok := known[claim]; ok {
				claims[claim] = value
			}
		}
	}
	maps.Copy(claims, p.asked(known, keep.Claims.UserInfo, token.Scope))
	claims["sub"] = subject
	return claims, client, nil
}

// acceptsJWT reports whether a request asks for a signed answer rather than for
// one in JSON (RFC 9110, section 12.5.1).
func acceptsJWT(r *http.Request) bool {
	weights := map[string]float64{}
	for accepted := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		kind, parameters, err := mime.ParseMediaType(accepted)
		if err != nil {
			continue
		}
		weight, err := strconv.ParseFloat(parameters["q"], 64)
		if err != nil {
			weight = 1
		}
		weights[kind] = weight
	}
	return weights["application/jwt"] > weights["application/json"]
}
