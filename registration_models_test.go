// Registration, change and deletion of clients and users, on each model that
// needs no driver.

package oauth2server_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/internal/registrytest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

func TestRegistry_Clients(t *testing.T)        { onEachEmptyModel(t, registrytest.Clients) }
func TestRegistry_Cancelled(t *testing.T)      { onEachEmptyModel(t, registrytest.Cancelled) }
func TestRegistry_TwoSecrets(t *testing.T)     { onEachEmptyModel(t, registrytest.TwoSecrets) }
func TestRegistry_RotatingAtOnce(t *testing.T) { onEachEmptyModel(t, registrytest.RotatingAtOnce) }
func TestRegistry_Lists(t *testing.T)          { onEachEmptyModel(t, registrytest.Lists) }
func TestRegistry_Users(t *testing.T)          { onEachEmptyModel(t, registrytest.Users) }
func TestRegistry_Hashes(t *testing.T)         { onEachEmptyModel(t, registrytest.Hashes) }
func TestRegistry_RehashAtOnce(t *testing.T)   { onEachEmptyModel(t, registrytest.RehashAtOnce) }

// registry is the administration of clients and users, which these models have.
type registry = registrytest.Model

// onEachEmptyModel runs test on each model, with nothing registered.
func onEachEmptyModel(t *testing.T, test func(t *testing.T, m registrytest.Fixture)) {
	own := []string{registrytest.ExtensionGrant}
	t.Run("memorymodel", func(t *testing.T) {
		m := memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost, ExtensionGrants: own})
		test(t, registrytest.Fixture{Model: m, Peer: m, AddClient: m.AddClient, AddUser: m.AddUser})
	})
	t.Run("mongomodel", func(t *testing.T) {
		needsMongoDB(t)
		db := mongotest.Database(t)
		options := &mongomodel.Options{PasswordCost: bcrypt.MinCost, ExtensionGrants: own}
		m := mongomodel.New(db, options)
		require.NoError(t, m.EnsureIndexes(t.Context()))
		test(t, registrytest.Fixture{
			Model:     m,
			Peer:      mongomodel.New(db, options),
			AddClient: func(c *oauth2server.Client, secret string) error { return m.AddClient(t.Context(), c, secret) },
			AddUser: func(u *oauth2server.User, username, password string) error {
				return m.AddUser(t.Context(), u, username, password)
			},
			NotAtomic: mongotest.IsFerretDB(),
		})
	})
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
