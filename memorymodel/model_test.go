package memorymodel

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/filled"
)

const secret = "a-client-secret-of-good-length"

func newModel() *Model { return New(&Options{PasswordCost: bcrypt.MinCost}) }

func TestWhatIsSavedComesBack(t *testing.T) {
	ctx, m := t.Context(), newModel()
	var token oauth2server.Token
	filled.Struct(&token)
	saved, err := m.SaveToken(ctx, &token, token.Client, token.User)
	require.NoError(t, err)
	require.Equal(t, &token, saved)

	access, err := m.GetAccessToken(ctx, token.AccessToken)
	require.NoError(t, err)
	access.RefreshToken = token.RefreshToken
	require.Equal(t, &token, access)
	refresh, err := m.GetRefreshToken(ctx, token.RefreshToken)
	require.NoError(t, err)
	refresh.AccessToken = token.AccessToken
	require.Equal(t, &token, refresh)

	var code oauth2server.AuthorizationCode
	filled.Struct(&code)
	savedCode, err := m.SaveAuthorizationCode(ctx, &code, code.Client, code.User)
	require.NoError(t, err)
	require.Equal(t, &code, savedCode)
	found, err := m.GetAuthorizationCode(ctx, code.Code)
	require.NoError(t, err)
	require.Equal(t, &code, found)
}

// One of the two tokens may be saved alone.
func TestOneTokenAlone(t *testing.T) {
	ctx, m := t.Context(), newModel()
	for _, token := range []oauth2server.Token{{RefreshToken: "r"}, {RefreshToken: "s"}, {AccessToken: "a"}} {
		_, err := m.SaveToken(ctx, &token, nil, nil)
		require.NoError(t, err)
	}
	for _, text := range []string{"r", "s"} {
		_, err := m.GetRefreshToken(ctx, text)
		require.NoError(t, err)
	}
	_, err := m.GetAccessToken(ctx, "a")
	require.NoError(t, err)
	_, err = m.GetAccessToken(ctx, "")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	_, err = m.GetRefreshToken(ctx, "")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
}

func TestNothingIsStoredInClear(t *testing.T) {
	ctx, m := t.Context(), newModel()
	var token oauth2server.Token
	var code oauth2server.AuthorizationCode
	filled.Struct(&token)
	filled.Struct(&code)
	_, err := m.SaveToken(ctx, &token, token.Client, token.User)
	require.NoError(t, err)
	_, err = m.SaveAuthorizationCode(ctx, &code, code.Client, code.User)
	require.NoError(t, err)
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "web"}, secret))
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u1"}, "andy", "a password"))
	everything := ""
	for _, table := range []*table[text]{&m.access, &m.refresh, &m.codes} {
		table.all(func(s *shard[text], stored *text) {
			everything += s.texts.get(*stored) + fmt.Sprintf("%#v", s)
		})
	}
	known, _ := m.clients.Load("web")
	someone, _ := m.users.Load("andy")
	everything += fmt.Sprintf("%#v %#v %s", *known.(*client), *someone.(*user), someone.(*user).hash)
	require.Contains(t, everything, token.GrantID)
	for _, secret := range []string{token.AccessToken, token.RefreshToken, code.Code, secret, "a password"} {
		require.NotContains(t, everything, secret)
	}
}

func TestValuesAreTheCallersOwn(t *testing.T) {
	ctx, m := t.Context(), newModel()
	client := &oauth2server.Client{ID: "web", RedirectURIs: []string{"https://a.example"},
		Grants: []string{"password"}, Scope: oauth2server.Scope{"read"}}
	require.NoError(t, m.AddClient(client, secret))
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u1"}, "andy", "a password"))
	var token oauth2server.Token
	var code oauth2server.AuthorizationCode
	filled.Struct(&token)
	filled.Struct(&code)
	token.Extra["list"] = []any{"a", map[string]any{"b": []string{"c"}}}
	saved, err := m.SaveToken(ctx, &token, token.Client, token.User)
	require.NoError(t, err)
	require.Equal(t, []any{"a", map[string]any{"b": []any{"c"}}}, saved.Extra["list"],
		"what is returned is what is stored")
	_, err = m.SaveAuthorizationCode(ctx, &code, code.Client, code.User)
	require.NoError(t, err)

	for range 2 { // the second time finds what the first one changed, if that reached the store
		c, err := m.GetClient(ctx, "web", "")
		require.NoError(t, err)
		require.Equal(t, "https://a.example", c.RedirectURIs[0])
		require.Equal(t, "password", c.Grants[0])
		require.Equal(t, "read", c.Scope[0])
		c.RedirectURIs[0], c.Grants[0], c.Scope[0] = "x", "x", "x"
		client.RedirectURIs[0] = "x"

		u, err := m.GetUser(ctx, "andy", "a password", nil)
		require.NoError(t, err)
		require.Equal(t, "u1", u.ID)
		u.ID = "x"

		a, err := m.GetAccessToken(ctx, "value of AccessToken.")
		require.NoError(t, err)
		require.Equal(t, "read", a.Scope[0])
		require.Equal(t, "read", a.GrantScope[0])
		require.Equal(t, "acme", a.Extra["tenant"])
		require.Equal(t, "web", a.Client.ID)
		require.Equal(t, "u1", a.User.ID)
		list := a.Extra["list"].([]any)
		deep := list[1].(map[string]any)["b"].([]any)
		require.Equal(t, "a", list[0])
		require.Equal(t, "c", deep[0])
		list[0], deep[0] = "x", "x"
		a.Scope[0], a.GrantScope[0], a.Extra["tenant"], a.Client.ID, a.User.ID = "x", "x", "x", "x", "x"
		token.Scope[0], token.Extra["tenant"], token.User.ID = "x", "x", "x"
		saved.Extra["list"].([]any)[0], saved.Extra["tenant"] = "x", "x"

		g, err := m.GetAuthorizationCode(ctx, "value of Code.")
		require.NoError(t, err)
		require.Equal(t, "read", g.Scope[0])
		require.Equal(t, "u1", g.User.ID)
		g.Scope[0], g.User.ID, g.Client.ID = "x", "x", "x"
	}
}

func TestARefreshTokenAlone(t *testing.T) {
	ctx, m := t.Context(), newModel()
	for _, text := range []string{"r1", "r2"} {
		_, err := m.SaveToken(ctx, &oauth2server.Token{RefreshToken: text,
			User: &oauth2server.User{ID: text}}, nil, nil)
		require.NoError(t, err)
	}
	for _, text := range []string{"r1", "r2"} {
		found, err := m.GetRefreshToken(ctx, text)
		require.NoError(t, err)
		require.Equal(t, text, found.User.ID)
	}
	_, err := m.GetAccessToken(ctx, "")
	require.ErrorIs(t, err, oauth2server.ErrNotFound,
		"the access token that there is none of is not found by its absence")
	_, err = m.GetRefreshToken(ctx, "")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
}

func TestNothingFound(t *testing.T) {
	ctx, m := t.Context(), newModel()
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "web"}, secret))
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "app", Public: true}, ""))
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u1"}, "andy", "a password"))
	long := strings.Repeat("x", 100)
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u2"}, "long", long+"1"))
	attempts := map[string]func(context.Context) error{
		"unknown client": func(ctx context.Context) error {
			_,
				err := m.GetClient(ctx, "nobody", "")
			return err
		},
		"unknown client, with secret": func(ctx context.Context) error {
			_,
				err := m.GetClient(ctx, "nobody", secret)
			return err
		},
		"wrong secret": func(ctx context.Context) error {
			_,
				err := m.GetClient(ctx, "web", secret+"x")
			return err
		},
		"secret of a public client": func(ctx context.Context) error {
			_,
				err := m.GetClient(ctx, "app", secret)
			return err
		},
		"unknown user": func(ctx context.Context) error {
			_,
				err := m.GetUser(ctx, "nobody", "a password", nil)
			return err
		},
		"wrong password": func(ctx context.Context) error {
			_,
				err := m.GetUser(ctx, "andy", "b password", nil)
			return err
		},
		"password that differs late": func(ctx context.Context) error {
			_,
				err := m.GetUser(ctx, "long", long+"2", nil)
			return err
		},
		"access token": func(ctx context.Context) error {
			_,
				err := m.GetAccessToken(ctx, "x")
			return err
		},
		"refresh token": func(ctx context.Context) error {
			_,
				err := m.GetRefreshToken(ctx, "x")
			return err
		},
		"code": func(ctx context.Context) error {
			_,
				err := m.GetAuthorizationCode(ctx, "x")
			return err
		},
		"code to revoke": func(ctx context.Context) error {
			return m.RevokeAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "x"})
		},
		"token to revoke": func(ctx context.Context) error {
			return m.RevokeToken(ctx,
				&oauth2server.Token{RefreshToken: "x"})
		},
		"access token to revoke": func(ctx context.Context) error { return m.RevokeAccessToken(ctx, "x") },
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for name, attempt := range attempts {
		require.ErrorIs(t, attempt(ctx), oauth2server.ErrNotFound, name)
		require.ErrorIs(t, attempt(cancelled), context.Canceled, name)
	}
	_, err := m.SaveToken(cancelled, &oauth2server.Token{}, nil, nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.SaveAuthorizationCode(cancelled, &oauth2server.AuthorizationCode{}, nil, nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.GetUserFromClient(cancelled, &oauth2server.Client{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.GetUser(ctx, "long", long+"1", nil)
	require.NoError(t, err)
}

func TestGatesLetOneThrough(t *testing.T) {
	ctx, m := t.Context(), newModel()
	issue(t, m, "a", time.Now().Add(time.Hour))
	_, err := m.SaveAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "c",
		ExpiresAt: time.Now().Add(time.Hour)}, nil, nil)
	require.NoError(t, err)
	for name, gate := range map[string]func() error{
		"code":    func() error { return m.RevokeAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "c"}) },
		"refresh": func() error { return m.RevokeToken(ctx, &oauth2server.Token{RefreshToken: "refresh a"}) },
		"access":  func() error { return m.RevokeAccessToken(ctx, "a") },
	} {
		var through atomic.Int32
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if gate() == nil {
					through.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, through.Load(), name)
	}
}

// issue stores an access token and, with a name of its own, a refresh token,
// which live equally long.
func issue(t testing.TB, m *Model, token string, expires time.Time) {
	_, err := m.SaveToken(context.Background(), &oauth2server.Token{AccessToken: token, AccessTokenExpiresAt: expires,
		RefreshToken: "refresh " + token, RefreshTokenExpiresAt: expires}, nil, nil)
	require.NoError(t, err)
}

func TestExpiredEntriesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		for i := range 1000 {
			issue(t, m, "brief"+strconv.Itoa(i), time.Now().Add(time.Minute))
		}
		issue(t, m, "long", time.Now().Add(24*time.Hour))
		issue(t, m, "again", time.Now().Add(time.Minute))
		issue(t, m, "again", time.Now().Add(24*time.Hour))
		_, err := m.SaveToken(t.Context(), &oauth2server.Token{AccessToken: "forever",
			RefreshToken: "forever"}, nil, nil)
		require.NoError(t, err)
		_, err = m.GetAccessToken(t.Context(), "brief1")
		require.NoError(t, err)
		time.Sleep(time.Hour)
		for i := range 1000 {
			issue(t, m, "next"+strconv.Itoa(i), time.Now().Add(time.Minute))
		}
		require.Equal(t, 1000+3, count(&m.access), "as many saves drop them all, wherever they are")
		require.Equal(t, 1000+3, count(&m.refresh))
		for _, token := range []string{"long", "again", "forever"} {
			_, err := m.GetAccessToken(t.Context(), token)
			require.NoError(t, err, token)
		}

		time.Sleep(365 * 24 * time.Hour)
		for i := range 2000 {
			issue(t, m, "late"+strconv.Itoa(i), time.Now().Add(time.Minute))
		}
		require.Equal(t, 2000+1, count(&m.access))
		for i := range m.access.parts {
			require.LessOrEqual(t, len(m.access.parts[i].due), 1)
		}
	})
}

func count(t *table[text]) (many int) {
	t.all(func(*shard[text], *text) { many++ })
	return many
}

// A record that has already expired when it is saved is swept all the same.
func TestExpiredAtBirth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		issue(t, m, "past", time.Now().Add(-time.Hour))
		time.Sleep(time.Hour)
		for i := range 1000 {
			issue(t, m, strconv.Itoa(i), time.Now().Add(time.Hour))
		}
		require.Equal(t, 1000, count(&m.access))
	})
}

func TestAMillionTokens(t *testing.T) {
	m := newModel()
	expires := time.Now().Add(time.Hour)
	client, user := &oauth2server.Client{ID: "web"}, &oauth2server.User{ID: "u1"}
	require.NoError(t, m.AddClient(client, secret))
	const tokens = 1_000_000
	before := heap()
	for i := range tokens {
		_, err := m.SaveToken(context.Background(), &oauth2server.Token{AccessToken: strconv.Itoa(i),
			AccessTokenExpiresAt: expires,
			Client:               client, User: user, Scope: oauth2server.Scope{"read"}}, client, user)
		if err != nil {
			t.Fatal(err)
		}
	}
	perToken := (heap() - before) / tokens
	t.Logf("%d bytes for each of %d tokens", perToken, tokens)
	require.Less(t, perToken, uint64(130))
	_, err := m.GetAccessToken(t.Context(), "999999")
	require.NoError(t, err)
}

// A stored string must not be a part of a request's: it would keep the whole
// request in memory, with the secret in it.
func TestNoRequestIsKept(t *testing.T) {
	for name, change := range map[string]func(token *oauth2server.Token, part string){
		"user": func(token *oauth2server.Token, part string) {
			token.User, token.GrantID = &oauth2server.User{ID: part}, "g"
		},
		"client":     func(token *oauth2server.Token, part string) { token.Client = &oauth2server.Client{ID: part} },
		"scope":      func(token *oauth2server.Token, part string) { token.Scope = oauth2server.Scope{part} },
		"extra":      func(token *oauth2server.Token, part string) { token.Extra = map[string]any{"a": part} },
		"extra name": func(token *oauth2server.Token, part string) { token.Extra = map[string]any{part: 1} },
		"extra list": func(token *oauth2server.Token,
			part string) {
			token.Extra = map[string]any{"a": []string{part}}
		},
		"extra deep": func(token *oauth2server.Token, part string) { token.Extra = map[string]any{"a": []any{part}} },
	} {
		t.Run(name, func(t *testing.T) {
			const tokens, request = 100, 64 << 10
			m := newModel()
			before := heap()
			for i := range tokens {
				body := strings.Repeat("x", request) + strconv.Itoa(i)
				token := &oauth2server.Token{AccessToken: strconv.Itoa(i),
					AccessTokenExpiresAt: time.Now().Add(time.Hour)}
				change(token, body[request:])
				_, err := m.SaveToken(t.Context(), token, token.Client, token.User)
				require.NoError(t, err)
			}
			require.Less(t, int64(heap()-before), int64(tokens*request/4))
			runtime.KeepAlive(m)
		})
	}
}

// An expiry at Unix time 0 is not the zero time, which means never.
func TestTheBeginningOfTime(t *testing.T) {
	m := newModel()
	_, err := m.SaveToken(t.Context(), &oauth2server.Token{RefreshToken: "r", RefreshTokenExpiresAt: time.Unix(0, 0)},
		nil, nil)
	require.NoError(t, err)
	token, err := m.GetRefreshToken(t.Context(), "r")
	require.NoError(t, err)
	require.False(t, token.RefreshTokenExpiresAt.IsZero())
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func BenchmarkGetAccessToken(b *testing.B) {
	for _, tokens := range []int{10_000, 1_000_000} {
		b.Run(strconv.Itoa(tokens), func(b *testing.B) {
			m, expires := newModel(), time.Now().Add(time.Hour)
			names := make([]string, tokens)
			for i := range names {
				names[i] = strconv.Itoa(i)
				issue(b, m, names[i], expires)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if _, err := m.GetAccessToken(context.Background(), names[i*7919%tokens]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestRevokeAccessTokensTakesAnyText(t *testing.T) {
	m := newModel()
	issue(t, m, "a", time.Now().Add(time.Hour))
	digest := oauth2server.Digest("a")
	require.NoError(t, m.RevokeAccessTokens(t.Context(), "", "x", digest+"A", digest+digest, "no digest!"))
	_, err := m.GetAccessToken(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, m.RevokeAccessTokens(t.Context(), digest))
	_, err = m.GetAccessToken(t.Context(), "a")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
}

// Expired records also go where little is saved.
func TestATrickleIsSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		for i := range 365 * 24 {
			time.Sleep(time.Hour)
			issue(t, m, strconv.Itoa(i), time.Now().Add(time.Hour))
		}
		require.Less(t, count(&m.access), 2*savesPerSweep*shards)
	})
}

// The strings of a token stay as they are, however long they are and whatever
// happens to the store and to other tokens.
func TestStringsOfATokenStay(t *testing.T) {
	m := newModel()
	var tokens []*oauth2server.Token
	var want []string
	for n := range 200 {
		user := strings.Repeat(string(rune('a'+n%26)), n+1)
		_, err := m.SaveToken(t.Context(),
			&oauth2server.Token{AccessToken: "a", User: &oauth2server.User{ID: user}}, nil, nil)
		require.NoError(t, err)
		token, err := m.GetAccessToken(t.Context(), "a")
		require.NoError(t, err)
		tokens, want = append(tokens, token), append(want, user)
		require.NoError(t, m.RevokeAccessToken(t.Context(), "a"))
	}
	runtime.GC()
	for i, token := range tokens {
		require.Equal(t, want[i], token.User.ID)
	}
}
