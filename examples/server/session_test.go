package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func TestSessionCookies(t *testing.T) {
	for base, secure := range map[string]bool{"http://127.0.0.1:8080": false, "https://auth.example": true} {
		model, err := openMemory(base)
		require.NoError(t, err)
		handler, err := newApp(base, nil, model, files, nil)
		require.NoError(t, err)
		post := func(path string, pairs ...string) *http.Cookie {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(values(pairs...).Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			cookies := w.Result().Cookies()
			require.Len(t, cookies, 1, path)
			return cookies[0]
		}
		for name, cookie := range map[string]*http.Cookie{
			"session": post("/signin", "username", "andy", "password", "123456"), "client": post("/client/connect")} {
			if secure {
				name = "__Host-" + name
			}
			require.Equal(t, name, cookie.Name)
			require.Equal(t, secure, cookie.Secure)
			require.True(t, cookie.HttpOnly)
			require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
			require.Equal(t, "/", cookie.Path)
			require.Empty(t, cookie.Domain)
			require.Zero(t, cookie.MaxAge)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	sessions := newSessions("session", "https://auth.example", nil)
	require.LessOrEqual(t, sessions.Lifetime, 12*time.Hour)
	require.LessOrEqual(t, sessions.IdleTimeout, time.Hour)
	require.Positive(t, sessions.IdleTimeout)
}

// Who reads the store cannot use what he finds there.
func TestNoCookieIsStored(t *testing.T) {
	base := site(t, nil)
	b := newBrowser(t, base)
	b.connect()
	a := applications[base]
	for name, sessions := range map[string]*scs.SessionManager{"session": a.sessions, "client": a.client.sessions} {
		for _, cookie := range b.Jar.Cookies(b.last.Request.URL) {
			_, found, err := sessions.Store.Find(cookie.Value)
			require.NoError(t, err)
			require.False(t, found, name)
		}
	}
}

// Nobody gets a cookie who is not signed in and asks for nothing, and the endpoints for clients have none.
func TestNoCookieWithoutNeed(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for _, path := range []string{"/", "/signin", "/apps", "/client/", "/spa/", "/static/style.css", "/user/authenticate", "/.well-known/oauth-authorization-server"} {
		require.Empty(t, b.open(path).Header.Values("Set-Cookie"), path)
	}
}

// A session outlives its user, who must be nobody then.
func TestADeletedUserIsNobody(t *testing.T) {
	model := &vanishing{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model }))
	b.connect()
	model.gone = true
	require.Equal(t, "/signin", b.open("/apps").Request.URL.Path)
	require.Equal(t, "/signin", b.post("/client/connect").Request.URL.Path)
	b.says("signin.title")
}

// vanishing is a model whose users are gone at some time.
type vanishing struct {
	*memorymodel.Model
	gone bool
}

func (m *vanishing) UserByID(ctx context.Context, id string) (*oauth2server.User, error) {
	if m.gone {
		return nil, oauth2server.ErrNotFound
	}
	return m.Model.UserByID(ctx, id)
}
