// Package demotest tests handlers that an example mounts into somebody's router.
package demotest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// Secret is that of the client app.
const Secret = "a-secret-that-nobody-guesses"

// Start serves what newHandler returns over [demo.Model] until the test ends.
func Start(t *testing.T, newHandler func(*memorymodel.Model) (http.Handler, error)) (server *httptest.Server) {
	model, err := demo.Model(Secret)
	require.NoError(t, err)
	handler, err := newHandler(model)
	require.NoError(t, err)
	server = httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// Token is a token that server issues to the client app for itself.
func Token(t *testing.T, server string, scope ...string) string {
	config := clientcredentials.Config{ClientID: "app", ClientSecret: Secret, TokenURL: server + "/token", Scopes: scope}
	token, err := config.Token(t.Context())
	require.NoError(t, err)
	return token.AccessToken
}

// Get sends token, unless it is empty, to a URL.
func Get(t *testing.T, address, token string) (*http.Response, string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// Mounted holds that the five lines work in somebody's router: /authorize and /token issue, and /api greets whoever has a
// token with the scope read.
func Mounted(t *testing.T, newHandler func(*memorymodel.Model) (http.Handler, error)) {
	server := Start(t, newHandler).URL
	for _, c := range []struct {
		name, token string
		status      int
		body        string
		challenge   string
	}{
		{"token", Token(t, server, "read"), 200, "Hello, user client:app!\n", ""},
		{"token of the code flow", signIn(t, server), 200, "Hello, user 1!\n", ""},
		{"no token", "", 401, "Unauthorized\n", `Bearer realm="Service", scope="read"`},
		{"unknown token", "unknown", 401, `{"error":"invalid_token",`, `error="invalid_token"`},
		{"scope too small", Token(t, server, "write"), 403, `{"error":"insufficient_scope",`, `error="insufficient_scope"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, body := Get(t, server+"/api", c.token)
			require.Equal(t, c.status, res.StatusCode)
			require.True(t, strings.HasPrefix(body, c.body), body)
			require.Contains(t, res.Header.Get("WWW-Authenticate"), c.challenge)
		})
	}
	t.Run("methods are the handlers' business", func(t *testing.T) {
		for _, path := range []string{"/authorize", "/token"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server+path, nil)
			require.NoError(t, err)
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
			require.Contains(t, res.Header.Get("Allow"), http.MethodPost)
		}
	})
}

// signIn returns the token that andy lets the client app have.
func signIn(t *testing.T, server string) string {
	config := oauth2.Config{ClientID: "app", ClientSecret: Secret, RedirectURL: demo.Callback, Scopes: []string{"read"},
		Endpoint: oauth2.Endpoint{AuthURL: server + "/authorize", TokenURL: server + "/token"}}
	verifier := oauth2.GenerateVerifier()
	address := config.AuthCodeURL("1", oauth2.S256ChallengeOption(verifier))
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, err := browser.Get(address)
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
	require.Equal(t, http.StatusOK, page.StatusCode)
	answer, err := browser.PostForm(address, url.Values{"username": {"andy"}, "password": {"123456"}})
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	location, err := answer.Location()
	require.NoError(t, err)
	token, err := config.Exchange(t.Context(), location.Query().Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	return token.AccessToken
}
