package oauth2server_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// Tests named TestAttack_ try the attacks that succeeded against other servers.
// They run with the zero Options, over HTTP, on each model of this repository.
// Each comment names the public report or the rule.

// target is either model, with every interface.
type target interface {
	store
	oauth2server.AccessTokenRevoker
	oauth2server.PasswordModel
	oauth2server.ClientCredentialsModel
	RevokeUser(ctx context.Context, userID string) error
	RevokeUserClient(ctx context.Context, userID, clientID string) error
	UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error)
	UserByID(ctx context.Context, userID string) (*oauth2server.User, error)
}

var (
	_ target = (*memorymodel.Model)(nil)
	_ target = (*mongomodel.Model)(nil)
)

// addClient registers another client.
func addClient(t testing.TB, model target, c oauth2server.Client, secret string) error {
	switch model := model.(type) {
	case *memorymodel.Model:
		return model.AddClient(&c, secret)
	case *mongomodel.Model:
		return model.AddClient(context.Background(), &c, secret)
	}
	t.Fatalf("there is no AddClient of %T", model)
	return nil
}

func addUser(t testing.TB, model target, id, username, password string) error {
	switch model := model.(type) {
	case *memorymodel.Model:
		return model.AddUser(&oauth2server.User{ID: id}, username, password)
	case *mongomodel.Model:
		return model.AddUser(context.Background(), &oauth2server.User{ID: id}, username, password)
	}
	t.Fatalf("there is no AddUser of %T", model)
	return nil
}

// onEachModel runs test on each model, with the clients and the user of
// [register]. With -short, only on the one in memory.
func onEachModel(t *testing.T, test func(t *testing.T, model target)) {
	t.Run("memorymodel", func(t *testing.T) { test(t, newMemory(t)) })
	if testing.Short() {
		return
	}
	t.Run("mongomodel", func(t *testing.T) { test(t, newMongo(t)) })
}

// needsMongoDB skips what runs on a MongoDB server when the tests are short, as
// that server takes seconds to start. The race detector does get it.
func needsMongoDB(t testing.TB) {
	t.Helper()
	if testing.Short() && !underRace {
		t.Skip("-short leaves out what needs a MongoDB server")
	}
}

func newMongo(t testing.TB) *mongomodel.Model {
	needsMongoDB(t)
	ctx := context.Background()
	model := mongomodel.New(mongotest.Database(t),
		&mongomodel.Options{PasswordCost: bcrypt.MinCost, ExtensionGrants: ownGrants})
	require.NoError(t, model.EnsureIndexes(ctx))
	register(t,
		func(c *oauth2server.Client, secret string) error { return model.AddClient(ctx, c, secret) },
		func(u *oauth2server.User, name, password string) error { return model.AddUser(ctx, u, name, password) })
	return model
}

// atOnce sends the same request n times at once.
func atOnce[T any](n int, send func() T) []T {
	replies := make([]T, n)
	var wg sync.WaitGroup
	for i := range replies {
		wg.Go(func() { replies[i] = send() })
	}
	wg.Wait()
	return replies
}

// withStatus returns the replies with that status.
func withStatus(status int, replies []reply) (some []reply) {
	for _, r := range replies {
		if r.StatusCode == status {
			some = append(some, r)
		}
	}
	return some
}

// withChallenge holds the parameters that PKCE adds to an authorization
// request.
func withChallenge(challenge string) []string {
	return []string{"code_challenge", challenge, "code_challenge_method", "S256"}
}
