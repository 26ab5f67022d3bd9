package auth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func TestHostBehindAProxy(t *testing.T) {
	model := memorymodel.New(nil)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "web", Grants: []string{"authorization_code"},
		RedirectURIs: []string{"https://app.example/callback"}}, "a-secret-that-nobody-guesses"))
	require.NoError(t, model.AddUser(&oauth2server.User{ID: "u1"}, "andy", "123456"))
	srv, err := oauth2server.New(model, newOptions())
	require.NoError(t, err)
	server := newServer(srv.Authorize(nil))
	form := url.Values{"username": {"andy"}, "password": {"123456"}}.Encode()
	for _, c := range []struct {
		name, host, origin, site string
		status                   int
	}{
		{"as it came", "auth.example", issuer, "", 303},
		{"with the default port", "auth.example:443", issuer, "", 303},
		{"that of the machine", "127.0.0.1:8080", issuer, "", 303},
		{"that of the machine, by its own name", "127.0.0.1:8080", "http://127.0.0.1:8081", "", 403},
		{"that of the machine, and a browser that says more", "127.0.0.1:8080", issuer, "same-origin", 303},
		{"another site", "auth.example", "https://evil.example", "", 403},
		{"another site, and a browser that says more", "auth.example", "https://evil.example", "cross-site", 403},
	} {
		r := httptest.NewRequest("POST", "/authorize?response_type=code&client_id=web&state=1", strings.NewReader(form))
		r.Host = c.host
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", c.origin)
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, c.name)
		if c.status == http.StatusSeeOther {
			require.Contains(t, w.Header().Get("Location"), "iss="+url.QueryEscape(issuer), c.name)
		}
	}
}

// net/http leaves out a cookie that is malformed, and browsers one with this prefix that is not Secure.
func TestSessionCookie(t *testing.T) {
	w := httptest.NewRecorder()
	setSession(w, "id")
	require.Equal(t, "__Host-session=id; Path=/; HttpOnly; Secure; SameSite=Lax", w.Header().Get("Set-Cookie"))
}

// The address that the proxy adds is the client's, and a header that it does not write is not read.
func TestLimiterBehindAProxy(t *testing.T) {
	r := httptest.NewRequest("POST", "/token", nil)
	r.Header.Set("X-Forwarded-For", "192.0.2.1, 198.51.100.7:4711")
	r.Header.Set("Forwarded", "for=192.0.2.2")
	r.RemoteAddr = "127.0.0.1:55555"
	require.Equal(t, "198.51.100.7", newLimiter().Address(r).String())
	r.RemoteAddr = "203.0.113.9:55555"
	require.Equal(t, "203.0.113.9", newLimiter().Address(r).String())
}
