// What is registered, changed and deleted, told on each model.

package oauth2server_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// registry is what both models have for who administers clients and users.
type registry interface {
	ListClients(ctx context.Context, after string, limit int) ([]*oauth2server.Client, error)
	UpdateClient(ctx context.Context, c *oauth2server.Client) error
	SetClientSecret(ctx context.Context, clientID, secret string) error
	RotateClientSecret(ctx context.Context, clientID, secret string, keep time.Duration) error
	DeleteClient(ctx context.Context, clientID string) error

	AddUserHash(ctx context.Context, u *oauth2server.User, username, hash string) error
	ListUsers(ctx context.Context, after string, limit int) ([]*oauth2server.NamedUser, error)
	UpdateUser(ctx context.Context, u *oauth2server.User, username string) error
	SetPassword(ctx context.Context, userID, password string) error
	DeleteUser(ctx context.Context, userID string) error
}

// storage is a model with nothing in it, and another handle of the same storage,
// which is the same one in memory.
type storage struct {
	target
	registry
	other target
	add   func(c *oauth2server.Client, secret string) error
	user  func(u *oauth2server.User, username, password string) error
}

// onEachEmptyModel runs test on each model, with nothing registered.
func onEachEmptyModel(t *testing.T, test func(t *testing.T, m storage)) {
	t.Run("memorymodel", func(t *testing.T) {
		m := memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost, ExtensionGrants: ownGrants})
		test(t, storage{m, m, m, m.AddClient, m.AddUser})
	})
	t.Run("mongomodel", func(t *testing.T) {
		db, options := mongotest.Database(t), &mongomodel.Options{PasswordCost: bcrypt.MinCost, ExtensionGrants: ownGrants}
		m := mongomodel.New(db, options)
		require.NoError(t, m.EnsureIndexes(t.Context()))
		test(t, storage{m, m, mongomodel.New(db, options),
			func(c *oauth2server.Client, secret string) error { return m.AddClient(t.Context(), c, secret) },
			func(u *oauth2server.User, username, password string) error {
				return m.AddUser(t.Context(), u, username, password)
			}})
	})
}

// holds reports whether a secret is a client's, on each handle.
func (m storage) holds(t testing.TB, id, secret string) bool {
	t.Helper()
	_, err := m.GetClient(t.Context(), id, secret)
	_, other := m.other.GetClient(t.Context(), id, secret)
	require.Equal(t, err, other)
	if err != nil {
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
	}
	return err == nil
}

func TestRegistry_Clients(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		ctx := t.Context()
		const another = "another-client-secret-of-good-length"
		web := &oauth2server.Client{ID: "web", Grants: allGrants, RedirectURIs: []string{callback}, Scope: oauth2server.Scope{"read"},
			AccessTokenLifetime: time.Minute, RefreshTokenLifetime: time.Hour}
		require.NoError(t, m.add(web, secret))
		require.NoError(t, m.add(&oauth2server.Client{ID: "app", Public: true}, ""))
		err := m.add(&oauth2server.Client{ID: "web", Public: true}, "")
		require.ErrorIs(t, err, oauth2server.ErrExists)
		require.ErrorContains(t, err, `"web"`)
		require.True(t, m.holds(t, "web", secret), "the first one is as it was")
		require.True(t, m.holds(t, "app", ""))
		require.False(t, m.holds(t, "app", secret))

		for name, act := range map[string]func() error{
			"add, nil":               func() error { return m.add(nil, secret) },
			"add, unknown grant":     func() error { return m.add(&oauth2server.Client{ID: "x", Grants: []string{"x"}}, secret) },
			"add, no secret":         func() error { return m.add(&oauth2server.Client{ID: "x"}, "") },
			"add, short secret":      func() error { return m.add(&oauth2server.Client{ID: "x"}, "qwerty") },
			"update, nil":            func() error { return m.UpdateClient(ctx, nil) },
			"update, unknown grant":  func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Grants: []string{"x"}}) },
			"update, into public":    func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Public: true}) },
			"update, out of public":  func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "app"}) },
			"secret, none":           func() error { return m.SetClientSecret(ctx, "web", "") },
			"secret, short":          func() error { return m.SetClientSecret(ctx, "web", "qwerty") },
			"secret, newline":        func() error { return m.SetClientSecret(ctx, "web", another+"\n") },
			"secret, of public":      func() error { return m.SetClientSecret(ctx, "app", another) },
			"rotate, of public":      func() error { return m.RotateClientSecret(ctx, "app", another, time.Hour) },
			"rotate, in nanoseconds": func() error { return m.RotateClientSecret(ctx, "web", another, 3600) },
			"rotate, into the past":  func() error { return m.RotateClientSecret(ctx, "web", another, -time.Hour) },
		} {
			require.ErrorIs(t, act(), oauth2server.InvalidArgument, name)
		}
		for name, act := range map[string]func() error{
			"update": func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "x"}) },
			"secret": func() error { return m.SetClientSecret(ctx, "x", another) },
			"rotate": func() error { return m.RotateClientSecret(ctx, "x", another, time.Hour) },
			"delete": func() error { return m.DeleteClient(ctx, "x") },
		} {
			require.ErrorIs(t, act(), oauth2server.ErrNotFound, name)
		}

		web.Scope, web.Grants, web.AccessTokenLifetime = nil, []string{"refresh_token", "exchange"}, 0
		require.NoError(t, m.UpdateClient(ctx, web))
		got, err := m.other.GetClient(ctx, "web", secret)
		require.NoError(t, err)
		require.Equal(t, web, got)
		require.True(t, m.holds(t, "web", secret), "an update leaves the secret")

		require.NoError(t, m.SetClientSecret(ctx, "web", another))
		require.False(t, m.holds(t, "web", secret))
		require.True(t, m.holds(t, "web", another))
	})
}

// A context that has ended is reported as such, and nothing has changed.
func TestRegistry_Cancelled(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		require.NoError(t, m.add(&oauth2server.Client{ID: "web"}, secret))
		require.NoError(t, m.user(&oauth2server.User{ID: "u1"}, "andy", "p"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, act := range map[string]func() error{
			"ListClients":        func() error { _, err := m.ListClients(ctx, "", 0); return err },
			"ListUsers":          func() error { _, err := m.ListUsers(ctx, "", 0); return err },
			"UpdateClient":       func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "web"}) },
			"SetClientSecret":    func() error { return m.SetClientSecret(ctx, "web", secret+"2") },
			"RotateClientSecret": func() error { return m.RotateClientSecret(ctx, "web", secret+"2", time.Hour) },
			"DeleteClient":       func() error { return m.DeleteClient(ctx, "web") },
			"AddUserHash":        func() error { return m.AddUserHash(ctx, &oauth2server.User{ID: "u2"}, "bert", foreignHash) },
			"UpdateUser":         func() error { return m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "bert") },
			"SetPassword":        func() error { return m.SetPassword(ctx, "u1", "another") },
			"DeleteUser":         func() error { return m.DeleteUser(ctx, "u1") },
			"UserByID":           func() error { _, err := m.UserByID(ctx, "u1"); return err },
		} {
			require.ErrorIs(t, act(), context.Canceled, name)
		}
		require.True(t, m.holds(t, "web", secret))
		_, err := m.target.GetUser(t.Context(), "andy", "p", nil)
		require.NoError(t, err)
	})
}

// While a second secret goes on, both are the client's, also over HTTP.
func TestRegistry_TwoSecrets(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		ctx := t.Context()
		first, second, third := secret+"1", secret+"2", secret+"3"
		require.NoError(t, m.add(&oauth2server.Client{ID: "web", Grants: []string{"client_credentials"}}, first))
		s := newSite(t, m.other, nil, nil)
		works := func(secret string) bool {
			status := s.post("/token", "grant_type=client_credentials", "Authorization", basic("web:"+secret)).StatusCode
			require.Equal(t, m.holds(t, "web", secret), status == 200)
			return status == 200
		}
		require.NoError(t, m.RotateClientSecret(ctx, "web", second, time.Hour))
		require.True(t, works(first))
		require.True(t, works(second))
		require.False(t, works(third))
		require.NoError(t, m.RotateClientSecret(ctx, "web", second, time.Hour), "the answer was lost")
		require.True(t, works(first))
		require.NoError(t, m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Grants: []string{"client_credentials"}}))
		require.True(t, works(first))

		require.NoError(t, m.RotateClientSecret(ctx, "web", third, 2*time.Second))
		require.False(t, works(first))
		require.True(t, works(second))
		require.True(t, works(third))
		require.Eventually(t, func() bool { return !works(second) }, 10*time.Second, 50*time.Millisecond)
		require.True(t, works(third))

		require.NoError(t, m.RotateClientSecret(ctx, "web", first, time.Hour))
		require.NoError(t, m.SetClientSecret(ctx, "web", second))
		require.False(t, works(first))
		require.False(t, works(third), "at once: it may be known to somebody")
		require.True(t, works(second))
	})
}

// Of several who rotate at once, each secret is the one before or the current one,
// and the last one that was set is in force.
func TestRegistry_RotatingAtOnce(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		require.NoError(t, m.add(&oauth2server.Client{ID: "web"}, secret))
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := m.RotateClientSecret(t.Context(), "web", secret+fmt.Sprint(i), time.Hour); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		good := 0
		for i := range 4 {
			if m.holds(t, "web", secret+fmt.Sprint(i)) {
				good++
			}
		}
		if _, inMemory := m.target.(*memorymodel.Model); inMemory || !mongotest.IsFerretDB() { // whose updates are not atomic
			require.Equal(t, 2, good)
			require.False(t, m.holds(t, "web", secret))
		}
		require.NotZero(t, good)
	})
}

func TestRegistry_Lists(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		ctx := t.Context()
		page, err := m.ListClients(ctx, "", 10)
		require.NoError(t, err)
		require.Empty(t, page)
		ids := []string{"!", "A", "a", "aa", "b", "~"}
		users := []string{"!", "A", "a", "aa", "b", "\u00e9", "\U0001F98A"}
		for i := range ids {
			id := ids[len(ids)-1-i]
			require.NoError(t, m.add(&oauth2server.Client{ID: id, Public: true, Grants: []string{"password"}}, ""))
		}
		for i, id := range users {
			require.NoError(t, m.user(&oauth2server.User{ID: id}, fmt.Sprint("user", i), "p"))
		}
		require.NoError(t, m.DeleteClient(ctx, "aa"))
		require.NoError(t, m.DeleteUser(ctx, "aa"))
		for _, limit := range []int{1, 2, 3, 5, 6, 100, 0, -1, math.MaxInt} {
			var got, names []string
			for after := ""; ; after = got[len(got)-1] {
				page, err := m.ListClients(ctx, after, limit)
				require.NoError(t, err)
				if len(page) == 0 {
					break
				}
				if limit > 0 {
					require.LessOrEqual(t, len(page), limit)
				}
				for _, c := range page {
					require.Equal(t, &oauth2server.Client{ID: c.ID, Public: true, Grants: []string{"password"}}, withoutEmpty(c))
					got = append(got, c.ID)
				}
			}
			require.Equal(t, []string{"!", "A", "a", "b", "~"}, got, limit)
			got = nil
			for after := ""; ; after = got[len(got)-1] {
				page, err := m.ListUsers(ctx, after, limit)
				require.NoError(t, err)
				if len(page) == 0 {
					break
				}
				for _, u := range page {
					got, names = append(got, u.ID), append(names, u.Username)
				}
			}
			require.Equal(t, []string{"!", "A", "a", "b", "\u00e9", "\U0001F98A"}, got, limit)
			require.Equal(t, []string{"user0", "user1", "user2", "user4", "user5", "user6"}, names)
		}
		require.NoError(t, m.add(&oauth2server.Client{ID: "aa", Public: true}, ""), "and what comes later is in it")
		page, err = m.ListClients(ctx, "a", 1)
		require.NoError(t, err)
		require.Equal(t, "aa", page[0].ID)
		page[0].Grants = append(page[0].Grants, "changed")
		page, err = m.ListClients(ctx, "a", 1)
		require.NoError(t, err)
		require.Empty(t, page[0].Grants)
	})
}

// withoutEmpty makes nil of what is empty, as a storage may not tell them apart.
func withoutEmpty(c *oauth2server.Client) *oauth2server.Client {
	own := *c
	if len(own.RedirectURIs) == 0 {
		own.RedirectURIs = nil
	}
	if len(own.Scope) == 0 {
		own.Scope = nil
	}
	return &own
}

func TestRegistry_ALongList(t *testing.T) {
	m := memorymodel.New(nil)
	const clients = 100_000
	for i := range clients {
		require.NoError(t, m.AddClient(&oauth2server.Client{ID: fmt.Sprint("client", i), Public: true}, ""))
	}
	seen := 0
	for after := ""; ; {
		page, err := m.ListClients(t.Context(), after, 1000)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		seen, after = seen+len(page), page[len(page)-1].ID
	}
	require.Equal(t, clients, seen)
}

func TestRegistry_Users(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		ctx := t.Context()
		signsIn := func(name, password string) string {
			u, err := m.other.(oauth2server.PasswordModel).GetUser(ctx, name, password, nil)
			if err != nil {
				require.ErrorIs(t, err, oauth2server.ErrNotFound)
				return ""
			}
			return u.ID
		}
		require.NoError(t, m.user(&oauth2server.User{ID: "u1"}, "andy", "a password"))
		require.NoError(t, m.user(&oauth2server.User{ID: "u2"}, "zoe\u0308 lee", "pa\u0308ss\u00a0word"))
		require.NoError(t, m.user(&oauth2server.User{ID: "u3"}, "Andy", "a password"), "case is kept, and counts")
		for _, name := range []string{"zoe\u0308 lee", "zo\u00eb lee", "zo\u00eb \uff4cee"} {
			for _, password := range []string{"pa\u0308ss\u00a0word", "p\u00e4ss word"} {
				require.Equal(t, "u2", signsIn(name, password), name)
			}
			require.Empty(t, signsIn(name, "pass word"))
		}
		require.Equal(t, "u1", signsIn("\uff41ndy", "a password"))
		require.Equal(t, "u3", signsIn("Andy", "a password"))
		require.Empty(t, signsIn("an\ndy", "a password"))
		require.Empty(t, signsIn("\xff", "\xff"))

		for name, act := range map[string]func() error{
			"ID":                    func() error { return m.user(&oauth2server.User{ID: "u1"}, "bert", "p") },
			"name":                  func() error { return m.user(&oauth2server.User{ID: "u9"}, "andy", "p") },
			"name, typed wide":      func() error { return m.user(&oauth2server.User{ID: "u9"}, "\uff41ndy", "p") },
			"name, composed":        func() error { return m.user(&oauth2server.User{ID: "u9"}, "zo\u00eb lee", "p") },
			"hash, name":            func() error { return m.AddUserHash(ctx, &oauth2server.User{ID: "u9"}, "andy", foreignHash) },
			"hash, ID":              func() error { return m.AddUserHash(ctx, &oauth2server.User{ID: "u1"}, "bert", foreignHash) },
			"name, by which update": func() error { return existsAlso(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "zo\u00eb lee")) },
		} {
			require.ErrorIs(t, act(), oauth2server.ErrExists, name)
		}
		for name, act := range map[string]func() error{
			"add, nil":          func() error { return m.user(nil, "bert", "p") },
			"add, no password":  func() error { return m.user(&oauth2server.User{ID: "u9"}, "bert", "") },
			"add, two lines":    func() error { return m.user(&oauth2server.User{ID: "u9"}, "bert", "two\nlines") },
			"add, emoji":        func() error { return m.user(&oauth2server.User{ID: "u9"}, "\U0001F98A", "p") },
			"add, of a client":  func() error { return m.user(&oauth2server.User{ID: "client:web"}, "bert", "p") },
			"hash, nil":         func() error { return m.AddUserHash(ctx, nil, "bert", foreignHash) },
			"hash, unknown":     func() error { return m.AddUserHash(ctx, &oauth2server.User{ID: "u9"}, "bert", "5f4dcc3b5aa765d6") },
			"hash, of a client": func() error { return m.AddUserHash(ctx, &oauth2server.User{ID: "client:web"}, "bert", foreignHash) },
			"update, nil":       func() error { return m.UpdateUser(ctx, nil, "bert") },
			"update, no name":   func() error { return m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "") },
			"update, emoji":     func() error { return m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "\U0001F98A") },
			"password, none":    func() error { return m.SetPassword(ctx, "u1", "") },
			"password, bad":     func() error { return m.SetPassword(ctx, "u1", "\xff") },
		} {
			require.ErrorIs(t, act(), oauth2server.InvalidArgument, name)
		}
		for name, act := range map[string]func() error{
			"update":   func() error { return m.UpdateUser(ctx, &oauth2server.User{ID: "u9"}, "bert") },
			"password": func() error { return m.SetPassword(ctx, "u9", "p") },
			"by ID":    func() error { _, err := m.UserByID(ctx, "u9"); return err },
		} {
			require.ErrorIs(t, act(), oauth2server.ErrNotFound, name)
		}

		require.NoError(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "andrew"))
		require.Empty(t, signsIn("andy", "a password"))
		require.Equal(t, "u1", signsIn("andrew", "a password"))
		require.NoError(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "andrew"), "the same name")
		require.NoError(t, m.user(&oauth2server.User{ID: "u4"}, "andy", "p"), "the name is free")
		require.NoError(t, m.SetPassword(ctx, "u1", "another"))
		require.Empty(t, signsIn("andrew", "a password"))
		require.Equal(t, "u1", signsIn("andrew", "another"))

		require.NoError(t, m.DeleteUser(ctx, "u1"))
		require.Empty(t, signsIn("andrew", "another"))
		_, err := m.other.UserByID(ctx, "u1")
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
		require.NoError(t, m.DeleteUser(ctx, "u1"), "who is gone is no error")
		require.NoError(t, m.user(&oauth2server.User{ID: "u1"}, "andrew", "p"))
		require.Equal(t, "u1", signsIn("andrew", "p"))
	})
}

// existsAlso takes an error of FerretDB, which says in its own way that a name is
// taken when it is changed, for ErrExists.
func existsAlso(t *testing.T, err error) error {
	require.Error(t, err)
	if mongotest.IsFerretDB() && !errors.Is(err, oauth2server.ErrExists) {
		require.ErrorContains(t, err, "UNIQUE constraint")
		return oauth2server.ErrExists
	}
	return err
}

// foreignHash is bcrypt's of "pass word", by PHP.
const foreignHash = "$2y$05$WMmKbhSYxUnEth3XcvFr2u21QwqdDhSgxlpuvdmM59a05DmkL/Gwq"

// Users who come with a hash sign in over HTTP, and then have one of ours.
func TestRegistry_Hashes(t *testing.T) {
	hashes := map[string]string{
		"php":    foreignHash,
		"python": "$2b$05$dRyBfYlZ5XCivfXuROxQIeEwrhjyoHyWOyN1JMXOoggg5SddCrAUy",
		"older":  "$2a$05$3PE/BewGTeXwEPpVylcHbemDQcNS8XJZz6NQEEVsCvvOjaCPCh2j6",
		"argon":  "$argon2id$v=19$m=256,t=2,p=2$tyn4Rg7hTx/ObGeLHfUMPA$6T1O3Somw8wS/h+81d138w",
		"scrypt": "$scrypt$ln=4,r=8,p=1$U0FMVFNBTFRTQUxUU0FMVA$2AuX2iG4qfh8yqhCzcsdB/6ILLCjOF8DtM2wh1v5PNk",
	}
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		require.NoError(t, m.add(&oauth2server.Client{ID: "web", Grants: []string{"password"}}, secret+"web"))
		s := newSite(t, m.other, &oauth2server.Options{Grants: allGrants}, nil)
		for name, hash := range hashes {
			require.NoError(t, m.AddUserHash(t.Context(), &oauth2server.User{ID: name}, name, hash))
			signIn := func(password string) int {
				return s.token("web", "grant_type", "password", "username", name, "password", password).StatusCode
			}
			require.Equal(t, 400, signIn("another"), name)
			require.Equal(t, 200, signIn("pass word"), name)
			require.Equal(t, 200, signIn("pass word"), "%s, with the hash that is there now", name)
			require.Equal(t, 400, signIn("another"), name)
			require.Equal(t, 400, signIn(hash), name)
		}
	})
}

// Several who sign in for the first time at once are all let in.
func TestRegistry_RehashAtOnce(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		require.NoError(t, m.AddUserHash(t.Context(), &oauth2server.User{ID: "u1"}, "andy", foreignHash))
		var wg sync.WaitGroup
		var in atomic.Int32
		for range 8 {
			wg.Go(func() {
				if _, err := m.target.GetUser(t.Context(), "andy", "pass word", nil); err == nil {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 8, in.Load())
	})
}
