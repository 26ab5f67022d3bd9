package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func TestRoutes(t *testing.T) {
	const secret = "a-secret-that-nobody-guesses"
	m := &model{memorymodel.New(nil), func(_ context.Context, username, password string) (string, error) {
		if username != "andy" || password != "123456" {
			return "", oauth2server.ErrNotFound
		}
		return "n1", nil
	}}
	grants := []string{"authorization_code", "password"}
	redirectURIs := []string{"https://app.example/callback"}
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "web", Grants: grants, RedirectURIs: redirectURIs}, secret))
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "phone", Grants: grants,
		RedirectURIs: redirectURIs, Public: true}, ""))
	handler, err := newHandler(m)
	require.NoError(t, err)
	send := func(method, target, bearer string, form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}

	form := url.Values{"grant_type": {"password"}, "username": {"andy"}, "password": {"123456"}, "client_id": {"web"},
		"client_secret": {secret}}
	_, rest, _ := strings.Cut(send("POST", "/user/token", "", form).Body.String(), `"access_token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	require.JSONEq(t, `{"user":"n1"}`, send("GET", "/user/authenticate", token, nil).Body.String())
	require.Equal(t, http.StatusUnauthorized, send("GET", "/user/authenticate", "unknown", nil).Code)

	const request = "/user/authorize?response_type=code&state=1&client_id="
	const pkce = "&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	for _, c := range []struct {
		name, method, client, password string
		status                         int
		location, body                 string
	}{
		{"signs in", "POST", "web", "123456", 303, "https://app.example/callback?code=", ""},
		{"a wrong password", "POST", "web", "wrong", 400, "", "Sorry: access_denied\n"},
		{"a link", "GET", "web", "123456", 400, "", "Sorry: access_denied\n"},
		{"an unknown client", "POST", "nobody", "123456", 400, "", "Sorry: invalid_client\n"},
		{"a public client", "POST", "phone" + pkce, "123456", 303,
			"https://app.example/callback?error=access_denied", ""},
	} {
		w := send(c.method, request+c.client, "", url.Values{"username": {"andy"}, "password": {c.password}})
		require.Equal(t, c.status, w.Code, c.name)
		require.True(t, strings.HasPrefix(w.Header().Get("Location"), c.location), "%s: %s", c.name,
			w.Header().Get("Location"))
		if c.location == "" {
			require.Equal(t, c.body, w.Body.String(), c.name)
		}
	}
}
