package oidc

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func TestBackChannelLogout(t *testing.T) {
	ring, err := keys.New(t.Context(), keys.Development())
	require.NoError(t, err)
	told := make(chan string, 10)
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.PostFormValue("logout_token")
		w.WriteHeader(status)
	}))
	defer server.Close()
	provider := func(options Options) *Provider {
		options.JWKS, options.BackChannelLogoutURI = "/jwks", func(c *oauth2server.Client) string {
			if c.ID == "quiet" {
				return ""
			}
			return server.URL + "/" + c.ID
		}
		p := New(ring, options)
		_, err := oauth2server.New(memorymodel.New(nil), &oauth2server.Options{Issuer: "https://as.example",
			Extensions: []oauth2server.Extension{p}, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return p
	}
	user := &oauth2server.User{ID: "u1"}
	web, quiet := &oauth2server.Client{ID: "web"}, &oauth2server.Client{ID: "quiet"}

	// The client's address is on loopback: it is not reached.
	require.ErrorContains(t, provider(Options{}).NotifyLogout(t.Context(), user, "s1", web), `client "web"`)
	require.Empty(t, told)

	p := provider(Options{InsecureAllowLoopback: true})
	for _, session := range []string{"s1", ""} {
		require.NoError(t, p.NotifyLogout(t.Context(), user, session, web, quiet))
		require.Len(t, told, 1)
		token := <-told
		var claims map[string]any
		require.Error(t, ring.Verify(t.Context(), token, "", &claims), "it is no ID token")
		require.NoError(t, ring.Verify(t.Context(), token, "logout+jwt", &claims))
		require.NotEmpty(t, claims["jti"])
		require.InDelta(t, time.Now().Add(2*time.Minute).Unix(), claims["exp"], 2)
		for _, changes := range []string{"jti", "iat", "exp"} {
			delete(claims, changes)
		}
		want := map[string]any{"iss": "https://as.example", "aud": "web", "sub": "u1",
			"events": map[string]any{logoutEvent: map[string]any{}}}
		if session != "" {
			want["sid"] = sessionFor("web", session)
		}
		require.Equal(t, want, claims)
	}
	status = http.StatusBadRequest
	require.ErrorContains(t, p.NotifyLogout(t.Context(), user, "s1", web), "it answered 400")
}
