// This file is the OpenID Connect of the demo client: it learns who the user
// is, and signs them out.

package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const signedOutPath = "/client/signed-out"

// identity is who signed in to the client.
type identity struct {
	Subject  string
	Name     string
	Username string
	IDToken  string // to sign them out with
}

// Shown returns what the page calls the user.
func (i *identity) Shown() string { return cmp.Or(i.Name, i.Username, i.Subject) }

// discovered returns a function that asks the server where its endpoints and
// keys are, until it gets an answer.
func (c *demoClient) discovered() func() (*oidc.Provider, error) {
	var mu sync.Mutex
	var provider *oidc.Provider
	return func() (*oidc.Provider, error) {
		mu.Lock()
		defer mu.Unlock()
		if provider != nil {
			return provider, nil
		}
		quiet := watched(c.transport, "", func(exchange) {})
		ctx := oidc.ClientContext(context.Background(), quiet) // the keys are fetched later, too
		found, err := oidc.NewProvider(ctx, c.base)
		if err == nil {
			provider = found
		}
		return found, err
	}
}

// signIn sends the browser to the server like [demoClient.connect], and asks who
// the user is. The nonce ties the ID token to this browser.
func (c *demoClient) signIn(w http.ResponseWriter, r *http.Request) {
	c.send(w, r, pending{State: rand.Text(), Verifier: oauth2.GenerateVerifier(), Nonce: rand.Text()})
}

// identify checks the ID token that came with an access token, and asks for the
// name of its user.
func (c *demoClient) identify(
	ctx context.Context, known *connection, token *oauth2.Token, nonce string,
) (*identity, error) {
	provider, err := c.provider()
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	verifier := provider.Verifier(&oidc.Config{ClientID: c.config.ClientID})
	checked, err := verifier.Verify(ctx, raw) // signature, iss, aud and exp
	if err != nil {
		return nil, err
	}
	if checked.Nonce != nonce {
		return nil, errors.New("the ID token is of another sign-in: nonce")
	}
	if err := checked.VerifyAccessToken(token.AccessToken); err != nil {
		return nil, err
	}
	var claims json.RawMessage
	if err := checked.Claims(&claims); err != nil {
		return nil, err
	}
	known.add(exchange{Title: "step.identity", Request: cut(indent(claims))})

	info, err := provider.UserInfo(c.watched(ctx, known, "step.userinfo"), oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, err
	}
	if info.Subject != checked.Subject { // OpenID Connect Core 1.0, section 5.3.2
		return nil, fmt.Errorf("the server tells of the user %q, not of %q", info.Subject, checked.Subject)
	}
	var names struct {
		Name     string `json:"name"`
		Username string `json:"preferred_username"`
	}
	if err := info.Claims(&names); err != nil {
		return nil, err
	}
	return &identity{
		Subject:  checked.Subject,
		Name:     names.Name,
		Username: names.Username,
		IDToken:  raw,
	}, nil
}

// sessionLeaving is the key of the state of a sign-out in a session.
const sessionLeaving = "leaving"

// signOut signs the user out of the client, and then of the server (OpenID
// Connect RP-Initiated Logout 1.0).
func (c *demoClient) signOut(w http.ResponseWriter, r *http.Request) {
	known := c.load(r.Context())
	if known.Who == nil {
		c.show(w, r, known, "client.unconnected")
		return
	}
	var endpoints struct {
		EndSession string `json:"end_session_endpoint"`
	}
	provider, err := c.provider()
	if err == nil {
		err = provider.Claims(&endpoints)
	}
	if err != nil {
		c.show(w, r, known, known.failed(err))
		return
	}
	state := rand.Text()
	address := endpoints.EndSession + "?" + url.Values{
		"id_token_hint":            {known.Who.IDToken},
		"post_logout_redirect_uri": {c.base + signedOutPath},
		"state":                    {state},
	}.Encode()
	known.Token, known.Who = nil, nil
	known.add(exchange{Title: "step.signout", Request: cut("303 See Other\nLocation: " + breakQuery(address))})
	if err := c.save(r.Context(), known, "client.left"); err != nil {
		c.pages.fault(w, r, err)
		return
	}
	c.sessions.Put(r.Context(), sessionLeaving, state)
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// signedOut is where the server sends people afterwards. Anybody can send them
// here, so it believes nothing without the state.
func (c *demoClient) signedOut(w http.ResponseWriter, r *http.Request) {
	known, state := c.load(r.Context()), c.sessions.GetString(r.Context(), sessionLeaving)
	if state == "" || r.URL.Query().Get("state") != state {
		c.show(w, r, known, "client.unasked")
		return
	}
	c.sessions.Remove(r.Context(), sessionLeaving)
	known.add(exchange{Title: "step.signedout", Request: cut("GET " + breakQuery(r.URL.RequestURI()))})
	c.show(w, r, known, "client.signedout")
}
