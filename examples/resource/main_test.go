package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
)

const secret = "the-secret-of-the-api-client"

// newIssuer is the authorization server: the API has the client api there.
func newIssuer(site demo.Site) (http.Handler, error) {
	model := site.Model
	if err := model.AddClient(&oauth2server.Client{ID: "api",
		Grants: []string{"password", "refresh_token"}}, secret); err != nil {
		return nil, err
	}
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Grants: []string{"client_credentials", "password", "refresh_token"},
		MayIntrospect: func(_ context.Context, caller *oauth2server.Client, _ *oauth2server.Token) (bool, error) {
			return caller.ID == "api", nil
		},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/introspect", srv.Introspect())
	mux.Handle("/revoke", srv.Revoke())
	return mux, nil
}

func startAPI(t *testing.T, endpoint, secret string) (address string) {
	handler, err := newHandler(newIntrospection(endpoint, "api", secret))
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/api"
}

func TestResource(t *testing.T) {
	issuer := demotest.Start(t, newIssuer)
	api := startAPI(t, issuer.URL+"/introspect", secret)
	token := demotest.Token(t, issuer.URL)
	requireStatus := func(status int, address, token string) string {
		t.Helper()
		res, body := demotest.Get(t, address, token)
		require.Equal(t, status, res.StatusCode, body)
		return body
	}
	requireStatus(401, api, "")
	requireStatus(401, api, "unknown")
	require.Equal(t, "Hello, user client:app!\n", requireStatus(200, api, token))
	requireStatus(503, startAPI(t, issuer.URL+"/introspect", "not-the-secret-of-the-client"), token)

	// The client of the API may have tokens of its own. Its refresh token is
	// active, and yet it opens nothing.
	config := oauth2.Config{ClientID: "api", ClientSecret: secret,
		Endpoint: oauth2.Endpoint{TokenURL: issuer.URL + "/token"}}
	own, err := config.PasswordCredentialsToken(t.Context(), "andy", "123456")
	require.NoError(t, err)
	require.Equal(t, "Hello, user 1!\n", requireStatus(200, api, own.AccessToken))
	require.Contains(t, post(t, issuer.URL+"/introspect", "api", secret, own.RefreshToken), `"active":true`)
	requireStatus(401, api, own.RefreshToken)

	post(t, issuer.URL+"/revoke", "app", demotest.Secret, token)
	requireStatus(401, api, token)
	requireStatus(200, api, own.AccessToken)
	issuer.Close()
	requireStatus(503, api, own.AccessToken)
}

// post sends token as a client does who asks about it, or ends it.
func post(t *testing.T, address, id, secret, token string) (body string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address,
		strings.NewReader(url.Values{"token": {token}}.Encode()))
	require.NoError(t, err)
	r.SetBasicAuth(id, secret)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, string(data))
	return string(data)
}

// Other servers leave out what is optional, and break in their own ways.
func TestResource_Answers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		answer string
		want   int
	}{
		{"good", 200, `{"active":true,"token_type":"Bearer","sub":"1","client_id":"app","exp":4102444800}`, 200},
		{"type in lower case", 200, `{"active":true,"token_type":"bearer","sub":"1","client_id":"app","exp":4102444800}`, 200},
		{"of another resource", 200, `{"active":true,"token_type":"Bearer","sub":"1","client_id":"app",` +
			`"exp":4102444800,"aud":"https://as.example/mcp"}`, 401},
		{"bound to a key", 200, `{"active":true,"token_type":"DPoP","sub":"1","client_id":"app",` +
			`"exp":4102444800,"cnf":{"jkt":"k"}}`, 401},
		{"bound to a connection", 200, `{"active":true,"token_type":"Bearer","sub":"1","client_id":"app",` +
			`"exp":4102444800,"cnf":{"x5t#S256":"k"}}`, 401},
		{"not active", 200, `{"active":false,"token_type":"Bearer","sub":"1","client_id":"app","exp":4102444800}`, 401},
		{"no type", 200, `{"active":true,"sub":"1","client_id":"app","exp":4102444800}`, 401},
		{"expired", 200, `{"active":true,"token_type":"Bearer","sub":"1","client_id":"app","exp":1}`, 401},
		{"no user", 200, `{"active":true,"token_type":"Bearer","client_id":"app","exp":4102444800}`, 503},
		{"no expiry", 200, `{"active":true,"token_type":"Bearer","sub":"1","client_id":"app"}`, 503},
		{"malformed scope", 200, `{"active":true,"token_type":"Bearer","sub":"1","client_id":"app","exp":4102444800,"scope":"\""}`, 503},
		{"active is a string", 200, `{"active":"true"}`, 503},
		{"no JSON", 200, `<html>`, 503},
		{"cut off", 200, `{"active":true,`, 503},
		{"failure with a good answer", 500,
			`{"active":true,"token_type":"Bearer","sub":"1","client_id":"app","exp":4102444800}`, 503},
		{"no such endpoint", 404, ``, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				io.WriteString(w, c.answer)
			}))
			defer issuer.Close()
			res, body := demotest.Get(t, startAPI(t, issuer.URL, secret), "some-token")
			require.Equal(t, c.want, res.StatusCode, body)
		})
	}
}
