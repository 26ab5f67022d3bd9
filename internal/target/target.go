// This file mounts everything.

package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/clientmetadata"
	"github.com/seed-11d18166/oauth2server/ext/formpost"
	"github.com/seed-11d18166/oauth2server/ext/jwtaccess"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
	"github.com/seed-11d18166/oauth2server/ext/registration"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// audience is that of access tokens for which no resource was asked.
const audience = "https://api.example"

// target is the server and what it serves.
type target struct {
	model    *memorymodel.Model
	provider *oidc.Provider
	ring     *keys.Ring
	sessions sessions
	keys     rotating
	logger   *slog.Logger
}

// newTarget returns a handler with everything at once, whose issuer is base.
// loopback lets it tell clients on loopback that the user signed out.
func newTarget(
	base string, clients []client, algorithm string, loopback bool, logger *slog.Logger,
) (http.Handler, error) {
	t := &target{
		model:  memorymodel.New(&memorymodel.Options{InsecureAllowShortSecrets: true}),
		keys:   rotating{algorithm: algorithm},
		logger: logger,
	}
	if err := t.keys.rotate(); err != nil {
		return nil, err
	}
	ring, err := keys.New(context.Background(), t.keys.all)
	if err != nil {
		return nil, err
	}
	t.ring = ring
	if err := t.model.AddUser(&oauth2server.User{ID: "andy"}, "andy", "123456"); err != nil {
		return nil, err
	}
	for _, c := range clients {
		if err := register(t.model, c); err != nil {
			return nil, err
		}
	}
	t.provider = oidc.New(ring, oidc.Options{
		Claims: claimsOf, ClaimsByName: true, UserInfo: "/userinfo", JWKS: "/jwks", EndSession: "/logout",
		Session:   t.sessions.id,
		ACRValues: []string{"password"},
		PostLogoutRedirectURIs: func(c *oauth2server.Client) []string {
			own, _ := c.Data.(client)
			return own.PostLogoutRedirectURIs
		},
		BackChannelLogoutURI: func(c *oauth2server.Client) string {
			own, _ := c.Data.(client)
			return own.BackChannelLogoutURI
		},
		InsecureAllowLoopback: loopback,
	})
	key := make([]byte, 32)
	rand.Read(key) // it never fails
	registering := registration.Sealed(key, nil)
	srv, err := oauth2server.New(t.model, &oauth2server.Options{
		Issuer: base,
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/token", Revocation: "/revoke",
			Introspection: "/introspect"},
		Resources:       []oauth2server.Resource{{URL: "/resource"}},
		ScopesSupported: oauth2server.Scope{"read", "write"},
		AllowedOrigins:  []string{"*"},
		Extensions: []oauth2server.Extension{t.provider, formpost.Mode{},
			jwtaccess.New(ring, &jwtaccess.Options{Audience: audience}),
			registering, clientmetadata.New(&clientmetadata.Options{AllowLoopback: loopback, Logger: logger})},
		MayIntrospect: func(_ context.Context, caller *oauth2server.Client, _ *oauth2server.Token) (bool, error) {
			own, _ := caller.Data.(client)
			return own.MayIntrospect, nil
		},
		Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	verifier, err := jwtaccess.NewVerifier(base, audience, ring, nil)
	if err != nil {
		return nil, err
	}
	local, err := oauth2server.NewResourceServer(verifier, &oauth2server.ResourceOptions{
		Resources: []oauth2server.Resource{{URL: audience}},
		Logger:    logger,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(http.HandlerFunc(t.page)))
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/revoke", srv.Revoke())
	mux.Handle("/introspect", srv.Introspect())
	mux.Handle("/register", registering.Handler())
	mux.Handle("/userinfo", t.provider.UserInfo())
	mux.Handle("/jwks", ring)
	mux.Handle("/logout", t.provider.EndSession(http.HandlerFunc(t.logout)))
	mux.Handle(srv.MetadataPath(), srv.Metadata())
	mux.Handle(t.provider.DiscoveryPath(), srv.Metadata())
	mux.Handle("GET /api", srv.Authenticate("read")(http.HandlerFunc(who)))
	mux.Handle("GET /local", local.For(audience).Authenticate("read")(http.HandlerFunc(who)))
	mux.Handle("GET /resource", srv.For("/resource").Authenticate()(http.HandlerFunc(who)))
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, r *http.Request) {
		err := t.keys.rotate()
		if err == nil {
			err = ring.Reload(r.Context())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux, nil
}

// who answers with the user and the scope of the token.
func who(w http.ResponseWriter, r *http.Request) {
	token := oauth2server.TokenFromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"user": token.User.ID, "scope": token.Scope.String(),
		"client": token.Client.ID})
}

// claimsOf is what the program knows of its only user.
func claimsOf(
	_ context.Context, user *oauth2server.User, _ *oauth2server.Client,
) (map[string]any, error) {
	return map[string]any{
		"name": "Andy Ash", "given_name": "Andy", "family_name": "Ash", "preferred_username": user.ID,
		"locale": "en", "zoneinfo": "Europe/Berlin", "updated_at": 1_700_000_000,
		"email": "andy@example.com", "email_verified": true,
		"phone_number": "+49 30 1234567", "phone_number_verified": false,
		"address": map[string]any{"country": "DE", "locality": "Berlin"},
	}, nil
}

// rotating are keys that a test tool replaces. All of them stay published.
type rotating struct {
	algorithm string

	mu   sync.Mutex
	made []keys.Key
}

func (r *rotating) all(context.Context) ([]keys.Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]keys.Key{}, r.made...), nil
}

// rotate makes a key that signs from now on.
func (r *rotating) rotate() error {
	var signer crypto.Signer
	var err error
	switch r.algorithm {
	case "ES256":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case "RS256", "PS256":
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("there is no algorithm %q", r.algorithm)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = append(r.made, keys.Key{Signer: signer, Algorithm: r.algorithm, SignsFrom: time.Now()})
	return nil
}
