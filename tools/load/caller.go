// This file has a client that calls a server in this process.

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-11d18166/oauth2server"
)

const (
	clientID  = "web"
	secret    = "a secret that is long enough to be one"
	callback  = "https://client.example/cb"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B

	redemption = "grant_type=authorization_code&code_verifier=" + verifier +
		"&redirect_uri=https%3A%2F%2Fclient.example%2Fcb&code="
	refreshing = "grant_type=refresh_token&refresh_token="
)

var client = &oauth2server.Client{ID: clientID, RedirectURIs: []string{callback}, Scope: oauth2server.Scope{"read"},
	Grants: []string{"authorization_code", "client_credentials", "refresh_token"}}

// users are many, as an index by user would be a single page if there were one.
var users = func() []*oauth2server.User {
	all := make([]*oauth2server.User, 10_000)
	for i := range all {
		all[i] = &oauth2server.User{ID: "user-" + strconv.Itoa(i)}
	}
	return all
}()

func anyUser() *oauth2server.User { return users[rand.IntN(len(users))] }

// flows are what a caller does.
var flows = []struct {
	name string
	run  func(*caller) error
}{
	{"authenticate", (*caller).authenticate},
	{"code", (*caller).codeFlow},
	{"refresh", (*caller).refresh},
	{"client", (*caller).clientCredentials},
}

// endpoints are called without a mux.
type endpoints struct{ authorize, token, api http.Handler }

func newEndpoints(m oauth2server.Model) (endpoints, error) {
	server, err := oauth2server.New(m, &oauth2server.Options{Logger: slog.New(slog.DiscardHandler),
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) { return anyUser(), nil }})
	if err != nil {
		return endpoints{}, err
	}
	api := server.Authenticate("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return endpoints{server.Authorize(nil), server.Token(nil), api}, nil
}

// caller calls a server again and again. To allocate little, it is itself the
// body of its requests and the writer of their responses.
type caller struct {
	server                           endpoints
	authorization, token, api        http.Request
	form                             bytes.Reader
	machine, redeeming, refreshToken []byte
	refreshed                        int
	tokens                           [][]string // headers with stored tokens

	header http.Header
	status int
	body   []byte
}

func newCaller(ctx context.Context, server endpoints, tokens [][]string) (*caller, error) {
	c := &caller{server: server, tokens: tokens, header: http.Header{}, redeeming: []byte(redemption),
		machine: []byte("grant_type=client_credentials&scope=read")}
	c.authorization = *httptest.NewRequestWithContext(ctx, http.MethodGet, "/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "state": {"a-state"}, "scope": {"read"},
		"redirect_uri": {callback}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}.Encode(), nil)
	c.token = *httptest.NewRequestWithContext(ctx, http.MethodPost, "/token", nil)
	c.token.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c.token.SetBasicAuth(clientID, url.QueryEscape(secret))
	c.api = *httptest.NewRequestWithContext(ctx, http.MethodGet, "/api", nil)
	return c, c.codeFlow()
}

func (c *caller) Header() http.Header         { return c.header }
func (c *caller) WriteHeader(status int)      { c.status = status }
func (c *caller) Write(b []byte) (int, error) { c.body = append(c.body, b...); return len(b), nil }
func (c *caller) Close() error                { return nil }
func (c *caller) Read(b []byte) (int, error)  { return c.form.Read(b) }

func (c *caller) send(to http.Handler, r *http.Request, wanted int) error {
	clear(c.header)
	c.status, c.body = http.StatusOK, c.body[:0]
	to.ServeHTTP(c, r)
	if c.status != wanted {
		return fmt.Errorf("%s: status %d: %s", r.URL.Path, c.status, c.body)
	}
	return nil
}

func (c *caller) post(form []byte) error {
	c.form.Reset(form)
	c.token.Body = c
	return c.send(c.server.token, &c.token, http.StatusOK)
}

func (c *caller) clientCredentials() error { return c.post(c.machine) }

func (c *caller) authenticate() error {
	c.api.Header["Authorization"] = c.tokens[rand.IntN(len(c.tokens))]
	return c.send(c.server.api, &c.api, http.StatusOK)
}

func (c *caller) codeFlow() error {
	if err := c.send(c.server.authorize, &c.authorization, http.StatusFound); err != nil {
		return err
	}
	_, code, found := strings.Cut(c.header.Get("Location"), "?code=")
	code, _, ended := strings.Cut(code, "&")
	if !found || !ended {
		return fmt.Errorf("no code: %s", c.header.Get("Location"))
	}
	c.redeeming = append(c.redeeming[:len(redemption)], code...)
	if err := c.post(c.redeeming); err != nil {
		return err
	}
	return c.keepRefreshToken()
}

// perGrant is how often a grant is refreshed: as often as in a month, if access
// tokens live for an hour.
const perGrant = 720

// refresh goes on with the last refresh token. After an error it starts a new
// grant.
func (c *caller) refresh() error {
	if c.refreshed++; c.refreshed%perGrant == 0 {
		return c.codeFlow()
	}
	err := c.post(c.refreshToken)
	if err == nil {
		err = c.keepRefreshToken()
	}
	if err != nil {
		c.refreshed = perGrant - 1
	}
	return err
}

func (c *caller) keepRefreshToken() error {
	_, token, found := bytes.Cut(c.body, []byte(`"refresh_token":"`))
	token, _, ended := bytes.Cut(token, []byte(`"`))
	if !found || !ended {
		return fmt.Errorf("no refresh token: %s", c.body)
	}
	c.refreshToken = append(append(c.refreshToken[:0], refreshing...), token...)
	return nil
}
