package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+path,
				strings.NewReader(values(pairs...).Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			cookies := w.Result().Cookies()
			require.Len(t, cookies, 1, path)
			return cookies[0]
		}
		for name, cookie := range map[string]*http.Cookie{
			"session": post("/signin", "username", "andy", "password", "123456"), "pending": post("/client/connect")} {
			if secure {
				name = "__Host-" + name
			}
			require.Equal(t, name, cookie.Name)
			require.Equal(t, secure, cookie.Secure)
			require.True(t, cookie.HttpOnly)
			require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
			require.Equal(t, "/", cookie.Path)
			require.Empty(t, cookie.Domain)
			require.Equal(t, map[bool]int{true: pendingTime}[strings.HasSuffix(name, "pending")], cookie.MaxAge)
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

// Nobody gets a cookie who is not signed in and asks for nothing, and the
// endpoints for clients have none.
func TestNoCookieWithoutNeed(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for _, path := range []string{"/", "/signin", "/apps", "/client/", "/spa/", "/static/style.css",
		"/user/authenticate", "/.well-known/oauth-authorization-server", jwksPath, userInfoPath, logoutPath,
		signedOutPath} {
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

// A user who signs in more often than that is signed out where they did so first, and
// nobody else is.
func TestSignInsOfOneUserAreBounded(t *testing.T) {
	base := site(t, withBeth(t))
	beth := newBrowser(t, base)
	beth.post("/signin", "next", "/apps", "username", "beth", "password", "abcdef")
	var browsers []*browser
	for i := range maxSignIns + 2 {
		b := newBrowser(t, base)
		b.post("/signin", "next", "/apps", "username", "andy", "password", "123456")
		require.Equal(t, "/apps", b.last.Request.URL.Path)
		if i == 5 {
			b.post("/signout") // makes place
		} else {
			browsers = append(browsers, b)
		}
	}
	for i, b := range append(browsers, beth) {
		want := "/apps"
		if i == 0 {
			want = "/signin"
		}
		require.Equal(t, want, b.open("/apps").Request.URL.Path, i)
	}
}

// Whoever signs in at once in many browsers has no more of them.
func TestSignInsAtOnce(t *testing.T) {
	s := newSignIns()
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			_, err := s.add(signIn{UserID: "1"}, fmt.Sprint(i), time.Now().Add(time.Hour))
			require.NoError(t, err)
		})
	}
	group.Wait()
	require.Len(t, kept(t, s.Store), maxSignIns+1)
}

// The key of a session is the one that scs stores it by, or ending a sign-in would leave it there.
func TestSessionKeys(t *testing.T) {
	base := site(t, nil)
	b := newBrowser(t, base)
	b.connect()
	a := applications[base]
	for _, cookie := range b.Jar.Cookies(b.last.Request.URL) {
		if cookie.Name == "session" {
			_, found, err := a.sessions.Store.Find(oauth2server.Digest(cookie.Value))
			require.NoError(t, err)
			require.True(t, found)
		}
	}
	for key := range kept(t, a.sessions.Store) {
		_, found, err := a.signIns.Find(key)
		require.NoError(t, err)
		require.True(t, found)
	}
}

func TestBoundedStore(t *testing.T) {
	s := newBoundedStore(2)
	later := time.Now().Add(time.Hour)
	for _, key := range []string{"a", "b", "a", "c"} {
		require.NoError(t, s.Commit(key, []byte(key), later))
	}
	has := func(key string) bool {
		_, found, err := s.Find(key)
		require.NoError(t, err)
		return found
	}
	require.Equal(t, []bool{true, false, true}, []bool{has("a"), has("b"), has("c")}, "b was saved longest ago")
	require.NoError(t, s.Delete("c"))
	require.NoError(t, s.Delete("nothing"))
	require.NoError(t, s.Commit("d", nil, later))
	require.Equal(t, []bool{true, false, true}, []bool{has("a"), has("c"), has("d")}, "what was deleted takes no place")
}
