// Registration, change and deletion of clients, on each model.

package oauth2server_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// registry is the administration of clients and users, which both models have.
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

// storage is an empty model and another handle of the same storage, which is
// the same model in memory.
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
		test(t, storage{target: m, registry: m, other: m, add: m.AddClient, user: m.AddUser})
	})
	t.Run("mongomodel", func(t *testing.T) {
		needsMongoDB(t)
		db := mongotest.Database(t)
		options := &mongomodel.Options{PasswordCost: bcrypt.MinCost, ExtensionGrants: ownGrants}
		m := mongomodel.New(db, options)
		require.NoError(t, m.EnsureIndexes(t.Context()))
		test(t, storage{
			target:   m,
			registry: m,
			other:    mongomodel.New(db, options),
			add:      func(c *oauth2server.Client, secret string) error { return m.AddClient(t.Context(), c, secret) },
			user: func(u *oauth2server.User, username, password string) error {
				return m.AddUser(t.Context(), u, username, password)
			},
		})
	})
}

// holds reports whether a secret is the client's, through each handle.
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
		web := &oauth2server.Client{
			ID:                   "web",
			Grants:               allGrants,
			RedirectURIs:         []string{callback},
			Scope:                oauth2server.Scope{"read"},
			AccessTokenLifetime:  time.Minute,
			RefreshTokenLifetime: time.Hour,
		}
		unknown := []string{"x"}
		require.NoError(t, m.add(web, secret))
		require.NoError(t, m.add(&oauth2server.Client{ID: "app", Public: true}, ""))
		err := m.add(&oauth2server.Client{ID: "web", Public: true}, "")
		require.ErrorIs(t, err, oauth2server.ErrExists)
		require.ErrorContains(t, err, `"web"`)
		require.True(t, m.holds(t, "web", secret), "the first one is as it was")
		require.True(t, m.holds(t, "app", ""))
		require.False(t, m.holds(t, "app", secret))

		for name, act := range map[string]func() error{
			"add, nil": func() error { return m.add(nil, secret) },
			"add, unknown grant": func() error {
				return m.add(&oauth2server.Client{ID: "x", Grants: unknown}, secret)
			},
			"add, no secret":    func() error { return m.add(&oauth2server.Client{ID: "x"}, "") },
			"add, short secret": func() error { return m.add(&oauth2server.Client{ID: "x"}, "qwerty") },
			"update, nil":       func() error { return m.UpdateClient(ctx, nil) },
			"update, unknown grant": func() error {
				return m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Grants: unknown})
			},
			"update, into public":    func() error { return m.UpdateClient(ctx, &publicWeb) },
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

// A context that has ended is reported as such, and nothing changes.
func TestRegistry_Cancelled(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		require.NoError(t, m.add(&oauth2server.Client{ID: "web"}, secret))
		require.NoError(t, m.user(&oauth2server.User{ID: "u1"}, "andy", "p"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		u2 := &oauth2server.User{ID: "u2"}
		for name, act := range map[string]func() error{
			"ListClients":        func() error { _, err := m.ListClients(ctx, "", 0); return err },
			"ListUsers":          func() error { _, err := m.ListUsers(ctx, "", 0); return err },
			"UpdateClient":       func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "web"}) },
			"SetClientSecret":    func() error { return m.SetClientSecret(ctx, "web", secret+"2") },
			"RotateClientSecret": func() error { return m.RotateClientSecret(ctx, "web", secret+"2", time.Hour) },
			"DeleteClient":       func() error { return m.DeleteClient(ctx, "web") },
			"AddUserHash":        func() error { return m.AddUserHash(ctx, u2, "bert", foreignHash) },
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

// While a second secret is valid, both authenticate the client, over HTTP too.
func TestRegistry_TwoSecrets(t *testing.T) {
	onEachEmptyModel(t, func(t *testing.T, m storage) {
		ctx := t.Context()
		first, second, third := secret+"1", secret+"2", secret+"3"
		require.NoError(t, m.add(&oauth2server.Client{ID: "web", Grants: []string{"client_credentials"}}, first))
		s := newSite(t, m.other, nil, nil)
		works := func(secret string) bool {
			r := s.post("/token", "grant_type=client_credentials", "Authorization", basic("web:"+secret))
			return r.StatusCode == 200
		}
		require.NoError(t, m.RotateClientSecret(ctx, "web", second, time.Hour))
		require.True(t, works(first))
		require.True(t, works(second))
		require.False(t, works(third))
		require.NoError(t, m.RotateClientSecret(ctx, "web", second, time.Hour), "the answer was lost")
		require.True(t, works(first))
		require.NoError(t, m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Grants: []string{"client_credentials"}}))
		require.True(t, works(first))

		require.NoError(t, m.RotateClientSecret(ctx, "web", third, time.Hour))
		require.False(t, works(first))
		require.True(t, works(second))
		require.True(t, works(third))
		require.NoError(t, m.RotateClientSecret(ctx, "web", first, time.Second))
		require.NoError(t, m.RotateClientSecret(ctx, "web", third, time.Second))
		if !testing.Short() { // until the old secret ends, a second of real time later
			poll := time.Tick(20 * time.Millisecond)
			for begin := time.Now(); works(first); <-poll {
				require.Less(t, time.Since(begin), time.Minute)
			}
		}
		require.True(t, works(third))

		require.NoError(t, m.RotateClientSecret(ctx, "web", first, time.Hour))
		require.NoError(t, m.SetClientSecret(ctx, "web", second))
		require.False(t, works(first))
		require.False(t, works(third), "at once: somebody else may know it")
		require.True(t, works(second))
	})
}

// When several rotate at once, each secret is the previous or the current one,
// and the last one set is in force.
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
		// FerretDB's updates are not atomic.
		if _, inMemory := m.target.(*memorymodel.Model); inMemory || !mongotest.IsFerretDB() {
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
					want := &oauth2server.Client{ID: c.ID, Public: true, Grants: []string{"password"}}
					require.Equal(t, want, withoutEmpty(c))
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

// withoutEmpty turns empty lists into nil, as a storage may not tell them
// apart.
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
	clients := 100_000
	if testing.Short() {
		clients = 10_000
	}
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
