// Package demotest tests the handlers that an example mounts in a router.
package demotest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

// Secret is the secret of the client app.
const Secret = "a-secret-that-nobody-guesses"

// Start serves the handler of newHandler for a [demo.Site] until the test ends.
func Start(t *testing.T, newHandler func(demo.Site) (http.Handler, error)) (server *httptest.Server) {
	server = httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	site, err := demo.NewSite("http://"+server.Listener.Addr().String(), Secret)
	require.NoError(t, err)
	server.Config.Handler, err = newHandler(site)
	require.NoError(t, err)
	server.Start()
	return server
}

// Token returns a token of the client credentials grant.
func Token(t *testing.T, server string, scope ...string) string {
	config := clientcredentials.Config{
		ClientID:     "app",
		ClientSecret: Secret,
		TokenURL:     server + "/token",
		Scopes:       scope,
	}
	token, err := config.Token(t.Context())
	require.NoError(t, err)
	return token.AccessToken
}

// Get sends a GET request with token, unless that is empty.
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

// FaultIsNoWrongPassword checks that page, when the database fails, neither
// asks for the password again nor lets anybody in. The client gets
// server_error, and the log the cause.
func FaultIsNoWrongPassword(t *testing.T, page func(oauth2server.PasswordModel) http.Handler) {
	var log bytes.Buffer
	server := Start(t, func(site demo.Site) (http.Handler, error) {
		srv, err := oauth2server.New(site.Model,
			&oauth2server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			return nil, err
		}
		return srv.Authorize(page(failing{})), nil
	})
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	answer, err := browser.PostForm(server.URL+"/authorize?response_type=code&client_id=app&state=1",
		url.Values{"username": {"andy"}, "password": {"123456"}})
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	location, err := answer.Location()
	require.NoError(t, err)
	require.Equal(t, "server_error", location.Query().Get("error"))
	require.NotContains(t, location.String(), "disk")
	require.Contains(t, log.String(), "the disk is full")
}

type failing struct{}

func (failing) GetUser(
	context.Context, string, string, *oauth2server.Client,
) (*oauth2server.User, error) {
	return nil, errors.New("the disk is full")
}

// Mounted checks that the five lines work in a router: /authorize and /token
// issue tokens, and /api requires one with the scope read.
func Mounted(t *testing.T, newHandler func(demo.Site) (http.Handler, error)) {
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
		{"scope too small", Token(t, server, "write"), 403, `{"error":"insufficient_scope",`,
			`error="insufficient_scope"`},
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

// signIn returns the token that the client app gets when andy signs in.
func signIn(t *testing.T, server string) string {
	config := oauth2.Config{
		ClientID:     "app",
		ClientSecret: Secret,
		RedirectURL:  demo.Site{Base: server}.Callback(),
		Scopes:       []string{"read"},
		Endpoint:     oauth2.Endpoint{AuthURL: server + "/authorize", TokenURL: server + "/token"},
	}
	verifier := oauth2.GenerateVerifier()
	address := config.AuthCodeURL("1", oauth2.S256ChallengeOption(verifier))
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	page, err := browser.Get(address)
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
	require.Equal(t, http.StatusOK, page.StatusCode)
	answer, err := browser.PostForm(address, url.Values{"username": {"andy"}, "password": {"123456"}})
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	location, err := answer.Location()
	require.NoError(t, err)
	token, err := config.Exchange(t.Context(), location.Query().Get("code"),
		oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	return token.AccessToken
}
