package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
)

const (
	app      = "https://app.example"
	metadata = "/.well-known/oauth-authorization-server"
)

func start(t *testing.T) (server string) {
	return demotest.Start(t, func(site demo.Site) (http.Handler, error) { return newHandler(site, app) }).URL
}

// A preflight is the browser's own question, without token and body.
func TestCORS_Preflight(t *testing.T) {
	server := start(t)
	for _, c := range []struct {
		path, origin, method, headers string
		allowed                       bool
	}{
		{"/token", app, "POST", "", true},
		{"/revoke", app, "POST", "", true},
		{metadata, app, "GET", "", true},
		{"/api", app, "GET", "authorization", true},
		{"/api", app, "POST", "authorization,content-type", true},
		{"/api", app, "DELETE", "authorization,x-other", true},
		{"/api", "https://evil.example", "GET", "authorization", false},
		{"/api", "https://app.example.evil.example", "GET", "authorization", false},
		{"/api", "http://app.example", "GET", "authorization", false},
		{"/api", "null", "GET", "authorization", false},
		{"/token", "https://evil.example", "POST", "", false},
		{"/authorize", app, "GET", "", false},
		{"/authorize", app, "POST", "", false},
	} {
		t.Run(c.method+" "+c.path+" from "+c.origin, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, server+c.path, nil)
			require.NoError(t, err)
			r.Header.Set("Origin", c.origin)
			r.Header.Set("Access-Control-Request-Method", c.method)
			if c.headers != "" {
				r.Header.Set("Access-Control-Request-Headers", c.headers)
			}
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Empty(t, res.Header.Get("Access-Control-Allow-Credentials"))
			if !c.allowed {
				require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"))
				return
			}
			require.Equal(t, http.StatusNoContent, res.StatusCode)
			require.Equal(t, c.origin, res.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, c.method, res.Header.Get("Access-Control-Allow-Methods"))
			require.Equal(t, c.headers, res.Header.Get("Access-Control-Allow-Headers"))
		})
	}
}

// browser sends what a script of origin asks for, and keeps the last answer.
type browser struct {
	origin string
	last   http.Header
}

func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Origin", b.origin)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		b.last = res.Header
	}
	return res, err
}

// The app signs somebody in, calls the API and signs out. A script of the app
// can read each answer, and no other can.
func TestCORS_App(t *testing.T) {
	server := start(t)
	for _, c := range []struct{ origin, readable string }{
		{app, app},
		{"https://evil.example", ""},
	} {
		t.Run(c.origin, func(t *testing.T) {
			script := &browser{origin: c.origin}
			client := &http.Client{Transport: script}
			get := func(path, token string) int {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+path, nil)
				require.NoError(t, err)
				if token != "" {
					r.Header.Set("Authorization", "Bearer "+token)
				}
				res, err := client.Do(r)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				return res.StatusCode
			}
			requireReadable := func() {
				t.Helper()
				require.Equal(t, c.readable, script.last.Get("Access-Control-Allow-Origin"))
				// or a cache gives one origin's answer to another
				require.Contains(t, script.last.Values("Vary"), "Origin")
			}
			require.Equal(t, http.StatusOK, get(metadata, ""))
			requireReadable()

			config := oauth2.Config{ClientID: "spa", RedirectURL: app + "/callback", Scopes: []string{"read"},
				Endpoint: oauth2.Endpoint{AuthURL: server + "/authorize", TokenURL: server + "/token",
					AuthStyle: oauth2.AuthStyleInParams}}
			verifier := oauth2.GenerateVerifier()
			code := signIn(t, config.AuthCodeURL("1", oauth2.S256ChallengeOption(verifier)))
			ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
			token, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
			require.NoError(t, err)
			requireReadable()
			_, err = config.Exchange(ctx, "unknown", oauth2.VerifierOption(verifier))
			require.ErrorContains(t, err, "invalid_grant")
			requireReadable()

			require.Equal(t, http.StatusOK, get("/api", token.AccessToken))
			requireReadable()
			res, err := client.PostForm(server+"/revoke", url.Values{"token": {token.RefreshToken},
				"client_id": {"spa"}})
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusOK, res.StatusCode)
			requireReadable()
			require.Equal(t, http.StatusUnauthorized, get("/api", token.AccessToken))
			requireReadable()
			if c.readable != "" {
				require.Contains(t, script.last.Get("Access-Control-Expose-Headers"), "WWW-Authenticate")
			}
		})
	}
}

// signIn is the browser's own navigation. It holds that no script could have read the page.
func signIn(t *testing.T, address string) (code string) {
	foreign := &browser{origin: app}
	res, err := (&http.Client{Transport: foreign}).Get(address)
	require.NoError(t, err)
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(page), "Sign in")
	require.Empty(t, foreign.last.Get("Access-Control-Allow-Origin"))

	navigation := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	answer, err := navigation.Post(address, "application/x-www-form-urlencoded",
		strings.NewReader("username=andy&password=123456"))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	location, err := answer.Location()
	require.NoError(t, err)
	return location.Query().Get("code")
}
