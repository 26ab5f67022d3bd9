// This file checks that a server does the work that it is measured for.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// What a client of the code flow sends (RFC 7636, appendix B).
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// gate returns nil if a server does the work: it accepts the tokens that it
// issues, and refuses what must be refused.
func gate(p peers.Peer, base string) error {
	g := &visitor{
		peer: p,
		base: base,
		http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}
	machine := g.token(p.Machine, "grant_type", "client_credentials", "scope", machineScope(p))
	g.want("client credentials", machine.status, 200)
	if p.API == "/api" { // an API at another path checks no scope
		g.want("the API with that token", g.api(machine.access), 200)
		g.want("the API with a token of another scope",
			g.api(g.token(p.Machine, "grant_type", "client_credentials").access), 403)
	}
	g.refused("the wrong secret",
		g.token(peers.Client{ID: p.Machine.ID, Secret: p.Machine.Secret + "x"}, "grant_type",
			"client_credentials"))
	g.refused("no secret", g.token(peers.Client{ID: p.Machine.ID}, "grant_type", "client_credentials"))
	g.refused("an unknown client",
		g.token(peers.Client{ID: "nobody", Secret: p.Machine.Secret}, "grant_type", "client_credentials"))
	g.want("the API without a token", g.api(""), 401)
	g.want("the API with an unknown token", g.api("dW5rbm93bg"), 401)

	query := authorizeQuery(p, p.App)
	code := func() string { return g.authorize(query).Get("code") }
	redeem := func(client peers.Client, code, verifier string) answer {
		return g.token(client, "grant_type", "authorization_code", "code", code, "redirect_uri",
			peers.Callback, "code_verifier", verifier)
	}
	granted := g.authorize(query)
	g.want("state", granted.Get("state"), "a-state-of-some-length")
	first := redeem(p.App, granted.Get("code"), verifier)
	g.want("the code flow", first.status, 200)
	g.want("the API with a token of the code flow", g.api(first.access), 200)
	g.refused("the code once more", redeem(p.App, granted.Get("code"), verifier))
	g.refused("a wrong verifier", redeem(p.App, code(), strings.Repeat("x", 43)))
	g.refused("no verifier", redeem(p.App, code(), ""))
	impostors := []struct {
		who    string
		client peers.Client
	}{{"of another client", p.Other},
		{"with the wrong secret", peers.Client{ID: p.App.ID, Secret: p.App.Secret + "x"}},
		{"without a secret", peers.Client{ID: p.App.ID}}}
	for _, i := range impostors {
		g.refused("the code "+i.who, redeem(i.client, code(), verifier))
	}
	g.want("the other client's own code",
		redeem(p.Other, g.authorize(authorizeQuery(p, p.Other)).Get("code"), verifier).status, 200)
	g.refused("a made-up code", redeem(p.App, "made-up", verifier))
	if granted := g.authorize(strings.Replace(query, "callback", "elsewhere", 1)); granted.Get("code") != "" {
		g.errs = append(g.errs, errors.New("a code for another redirection URI"))
	}

	owner := redeem(p.App, code(), verifier)
	g.want("the code flow, again", owner.status, 200)
	refreshAs := func(client peers.Client, token string) answer {
		return g.token(client, "grant_type", "refresh_token", "refresh_token", token)
	}
	refresh := func(token string) answer { return refreshAs(p.App, token) }
	for _, i := range impostors {
		answered := refreshAs(i.client, owner.refresh)
		if !p.AnybodyRefreshes {
			g.refused("the refresh token "+i.who, answered)
			continue
		}
		g.want("the refresh token "+i.who, answered.status, 200)
		owner = answered
	}
	second := refresh(owner.refresh)
	g.want("refresh", second.status, 200)
	g.want("the API with a refreshed token", g.api(second.access), 200)
	if second.refresh == owner.refresh || second.refresh == "" {
		g.errs = append(g.errs, errors.New("refresh tokens are not rotated"))
	}
	// An immediate repetition gets the same successor (ours), or nothing.
	if again := refresh(owner.refresh); again.status == 200 && again.refresh != second.refresh {
		g.errs = append(g.errs, errors.New("a refresh token that was used gives another one"))
	}
	g.refused("a made-up refresh token", refresh("made-up"))
	g.refused("an access token as a refresh token", refresh(second.access))
	return errors.Join(g.errs...)
}

// authorizeQuery returns the authorization request of a client.
func authorizeQuery(p peers.Peer, client peers.Client) string {
	query := url.Values{"response_type": {"code"}, "client_id": {client.ID},
		"redirect_uri": {peers.Callback}, "scope": {p.Scope},
		"state": {"a-state-of-some-length"}, "code_challenge": {challenge},
		"code_challenge_method": {"S256"}}
	if p.Nonce != "" {
		query.Set("nonce", p.Nonce)
	}
	if p.Resource != "" {
		query.Set("resource", p.Resource)
	}
	return query.Encode()
}

func machineScope(p peers.Peer) string {
	if p.API == "/api" {
		return peers.Scope
	}
	return ""
}

// visitor is a client that collects the mistakes of a server.
type visitor struct {
	peer peers.Peer
	base string
	http *http.Client
	errs []error
}

func (g *visitor) want(what string, got, want any) {
	if got != want {
		g.errs = append(g.errs, fmt.Errorf("%s: %v, want %v", what, got, want))
	}
}

func (g *visitor) refused(what string, a answer) {
	if a.status < 400 || a.access != "" { // some tell an unknown client 500
		g.errs = append(g.errs, fmt.Errorf("%s: status %d", what, a.status))
	}
}

// answer is an answer of a token endpoint.
type answer struct {
	status          int
	access, refresh string
}

func (g *visitor) do(r *http.Request, err error) (*http.Response, []byte) {
	var body []byte
	var res *http.Response
	if err == nil {
		res, err = g.http.Do(r)
	}
	if err == nil {
		body, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err != nil {
		g.errs = append(g.errs, err)
		return &http.Response{Header: http.Header{}}, nil
	}
	return res, body
}

// token asks for a token. Parameters without a value are left out.
func (g *visitor) token(c peers.Client, pairs ...string) answer {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			form.Set(pairs[i], pairs[i+1])
		}
	}
	r, err := http.NewRequest(http.MethodPost, g.base+g.peer.Token, strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	}
	res, body := g.do(r, err)
	var document struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &document); err != nil {
			g.errs = append(g.errs, err)
		}
	}
	return answer{res.StatusCode, document.Access, document.Refresh}
}

// authorize follows the redirects within the server, and returns the parameters
// of the one to the client.
func (g *visitor) authorize(query string) url.Values {
	address := g.base + g.peer.Authorize + "?" + query
	for range 5 {
		r, err := http.NewRequest(http.MethodGet, address, nil)
		res, _ := g.do(r, err)
		location := res.Header.Get("Location")
		if location == "" {
			return nil
		}
		if strings.HasPrefix(location, "/") {
			location = g.base + location
		}
		if !strings.HasPrefix(location, g.base) {
			u, err := url.Parse(location)
			if err != nil || !strings.HasPrefix(location, peers.Callback+"?") {
				return nil
			}
			return u.Query()
		}
		address = location
	}
	return nil
}

// api returns the status of the API.
func (g *visitor) api(token string) int {
	r, err := http.NewRequest(http.MethodGet, g.base+g.peer.API, nil)
	if err == nil && token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, _ := g.do(r, err)
	return res.StatusCode
}
