package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

const (
	clientID     = "123456"
	clientSecret = "qwerty"
)

// demoClient is the other side: an application that wants a token. It speaks to the server over HTTP only, and would
// work the same from another machine.
type demoClient struct {
	base   string
	config oauth2.Config
	pages  *template.Template
}

func newDemoClient(base string, pages *template.Template) *demoClient {
	return &demoClient{base, oauth2.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		RedirectURL:  base + "/",
		Scopes:       []string{"read"},
		Endpoint: oauth2.Endpoint{AuthURL: base + "/authorize", TokenURL: base + "/user/token",
			AuthStyle: oauth2.AuthStyleInHeader},
	}, pages}
}

// The cookies tie the answer to the browser that asked.
const (
	stateCookie    = "demo_state"
	verifierCookie = "demo_verifier"
)

// connect sends the browser to the server with a fresh state and PKCE challenge.
func (c *demoClient) connect(w http.ResponseWriter, r *http.Request) {
	if "http://"+r.Host != c.base { // the cookies would be another host's
		http.Redirect(w, r, c.base+"/connect", http.StatusFound)
		return
	}
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	for name, value := range map[string]string{stateCookie: state, verifierCookie: verifier} {
		http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: 600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	http.Redirect(w, r, c.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)), http.StatusFound)
}

// step is one thing that the client did, and what came of it.
type step struct{ Title, Request, Answer string }

type homePage struct {
	Steps []step
	Error string
}

// home is the start page, and where the answer of the server arrives.
func (c *demoClient) home(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var page homePage
	switch {
	case query.Has("error"):
		page.Error = query.Get("error") + ": " + query.Get("error_description")
	case query.Has("code"):
		state, verifier := takeCookie(w, r, stateCookie), takeCookie(w, r, verifierCookie)
		if state == "" || state != query.Get("state") {
			page.Error = "this answer was not asked for in this browser; connect again"
			break
		}
		if query.Get("iss") != c.base { // RFC 9207
			page.Error = "this answer is another server's"
			break
		}
		var err error
		if page.Steps, err = c.useCode(r.Context(), query, verifier); err != nil {
			page.Error = err.Error()
		}
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'") // its button signs people in
	w.Header().Set("X-Frame-Options", "DENY")
	render(w, c.pages, "home.html", page)
}

func takeCookie(w http.ResponseWriter, r *http.Request, name string) string {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1})
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// useCode exchanges the code, calls the API, refreshes, and calls it again.
func (c *demoClient) useCode(ctx context.Context, query url.Values, verifier string) (steps []step, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	steps = append(steps, step{"The server sent a code", "GET /?" + query.Encode(), ""})
	token, err := c.config.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return steps, err
	}
	steps = append(steps, step{"The client exchanged it for a token", "POST /user/token\nAuthorization: Basic …\n\n" + url.Values{
		"grant_type": {"authorization_code"}, "code": {query.Get("code")}, "redirect_uri": {c.config.RedirectURL},
		"code_verifier": {verifier}}.Encode(), show(token)})
	answer, err := c.callAPI(ctx, token)
	if err != nil {
		return steps, err
	}
	steps = append(steps, step{"and used the token", "GET /user/authenticate\nAuthorization: " + token.Type() + " " + token.AccessToken, answer})
	refreshed, err := c.config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		return steps, err
	}
	steps = append(steps, step{"When it grows old, the client refreshes it", "POST /user/token\nAuthorization: Basic …\n\n" +
		url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}.Encode(), show(refreshed)})
	if answer, err = c.callAPI(ctx, refreshed); err != nil {
		return steps, err
	}
	return append(steps, step{"and goes on", "GET /user/authenticate\nAuthorization: " + refreshed.Type() + " " + refreshed.AccessToken, answer}), nil
}

func (c *demoClient) callAPI(ctx context.Context, token *oauth2.Token) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/user/authenticate", nil)
	if err != nil {
		return "", err
	}
	token.SetAuthHeader(request)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the API answered %s: %s", response.Status, body)
	}
	return indent(json.RawMessage(body)), nil
}

func show(token *oauth2.Token) string {
	return indent(map[string]any{"access_token": token.AccessToken, "token_type": token.TokenType, "refresh_token": token.RefreshToken,
		"expires_in": int(time.Until(token.Expiry).Round(time.Second).Seconds()), "scope": token.Extra("scope")})
}

func indent(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}
