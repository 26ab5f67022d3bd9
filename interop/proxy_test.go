//go:build proxy

package interop

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/seed-11d18166/oauth2server"
)

// gate is oauth2-proxy in front of an upstream that answers with what it was
// told, and a browser.
type gate struct {
	t        *testing.T
	url      string
	provider *provider
	browser  *http.Client
	secret   string // of its client, which is called gate
}

// newGate builds oauth2-proxy and starts it as a process of its own.
func newGate(t *testing.T) *gate {
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "oauth2proxy", "-o", dir+"/", "tool")
	build.Env = append(os.Environ(), "GOWORK=off")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)

	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(upstream.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())

	g := &gate{t: t, url: "http://" + address, secret: rand.Text()}
	g.provider = newProvider(t, withPath, "RS256", func(p *provider) {
		openDesk(p)
		p.goodbyes = []string{g.url + "/bye"}
		p.options.Resources = []oauth2server.Resource{{URL: "https://api.example"}}
		require.NoError(t, p.model.AddClient(&oauth2server.Client{ID: "gate",
			RedirectURIs: []string{g.url + "/oauth2/callback"},
			Grants:       []string{"authorization_code", "refresh_token", "client_credentials"}}, g.secret))
	})
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	g.browser = &http.Client{Jar: jar, Transport: g.provider.Client().Transport}

	log := new(bytes.Buffer) // read when the process has ended
	command := exec.Command(filepath.Join(dir, "oauth2-proxy"),
		"--provider=oidc", "--oidc-issuer-url="+g.provider.issuer, "--provider-ca-file="+caFile(t, g.provider.Server),
		"--client-id=gate", "--client-secret="+g.secret, "--redirect-url="+g.url+"/oauth2/callback",
		"--code-challenge-method=S256", "--insecure-oidc-skip-nonce=false",
		"--http-address="+address, "--upstream="+upstream.URL, "--email-domain=*", "--skip-provider-button",
		"--cookie-secret="+rand.Text()[:16], "--cookie-secure=false", "--cookie-refresh=1s", "--pass-access-token",
		"--whitelist-domain=127.0.0.1:*",
		"--skip-jwt-bearer-tokens", "--bearer-token-login-fallback=false", "--oidc-extra-audience="+g.provider.issuer)
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			t.Logf("%s", log)
		}
	})
	require.Eventually(t, func() bool {
		res, err := http.Get(g.url + "/ping")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond)
	return g
}

// read returns the address that a request ended at, and the page.
func (g *gate) read(res *http.Response, err error) (*url.URL, string) {
	g.t.Helper()
	require.NoError(g.t, err)
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	require.NoError(g.t, err)
	return res.Request.URL, string(page)
}

// headers reads what the upstream was told.
func (g *gate) headers(page string) http.Header {
	g.t.Helper()
	told := http.Header{}
	require.NoError(g.t, json.Unmarshal([]byte(page), &told), page)
	return told
}

// bearer sends a token in the place of a session.
func (g *gate) bearer(token string) (status int, page string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), "GET", g.url, nil)
	require.NoError(g.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(g.t, err)
	_, page = g.read(res, nil)
	return res.StatusCode, page
}

// oauth2-proxy signs in, tells the upstream who the user is, refreshes its
// session while another key begins to sign, lets JWT access tokens for its
// audience in, and signs out.
func TestOAuth2Proxy(t *testing.T) {
	g := newGate(t)
	at, page := g.read(g.browser.Get(g.url + "/a?b=c"))
	require.Contains(t, page, "Sign in")
	require.NotEmpty(t, at.Query().Get("code_challenge"))
	require.NotEmpty(t, at.Query().Get("nonce"))
	at, page = g.read(g.browser.PostForm(at.String(), url.Values{"username": {"andy"}, "password": {"123456"}}))
	require.Equal(t, g.url+"/a?b=c", at.String())
	first := g.headers(page)
	require.Equal(t, "andy", first.Get("X-Forwarded-User"))
	require.Equal(t, "andy@example.com", first.Get("X-Forwarded-Email"))

	g.provider.rotate()
	var refreshed http.Header
	require.Eventually(t, func() bool {
		_, page := g.read(g.browser.Get(g.url))
		refreshed = g.headers(page)
		return refreshed.Get("X-Forwarded-Access-Token") != first.Get("X-Forwarded-Access-Token")
	}, 20*time.Second, 50*time.Millisecond, "its session is refreshed after a second")
	require.NotEqual(t, keyOf(t, first.Get("X-Forwarded-Access-Token")),
		keyOf(t, refreshed.Get("X-Forwarded-Access-Token")))
	require.Equal(t, "andy", refreshed.Get("X-Forwarded-User"))
	require.Equal(t, "andy@example.com", refreshed.Get("X-Forwarded-Email"))

	status, page := g.bearer(refreshed.Get("X-Forwarded-Access-Token"))
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "andy", g.headers(page).Get("X-Forwarded-User"))
	config := clientcredentials.Config{ClientID: "gate", ClientSecret: g.secret, TokenURL: g.provider.issuer + "/token"}
	for resource, want := range map[string]int{"": http.StatusOK, "https://api.example": http.StatusForbidden} {
		config.EndpointParams = nil
		if resource != "" {
			config.EndpointParams = url.Values{"resource": {resource}}
		}
		token, err := config.Token(context.WithValue(t.Context(), oauth2.HTTPClient, g.provider.Client()))
		require.NoError(t, err)
		status, _ = g.bearer(token.AccessToken)
		require.Equal(t, want, status, resource)
	}

	end := g.provider.issuer + "/logout?id_token_hint={id_token}&post_logout_redirect_uri=" + url.QueryEscape(g.url+"/bye")
	at, page = g.read(g.browser.Get(g.url + "/oauth2/sign_out?rd=" + url.QueryEscape(end)))
	require.Equal(t, g.provider.issuer+"/authorize", at.Scheme+"://"+at.Host+at.Path, page)
	require.Contains(t, page, "Sign in", "neither has a session")
}
