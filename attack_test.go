package oauth2server_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// The tests whose names begin with TestAttack are what servers of this kind have fallen to, tried on this one with the
// zero Options, over HTTP, on each model that comes with it. Each names the public report or the rule in its comment.

// target is a model with everything, whichever it is.
type target interface {
	store
	oauth2server.AccessTokenRevoker
	oauth2server.PasswordModel
	oauth2server.ClientCredentialsModel
	RevokeUser(ctx context.Context, userID string) error
}

var (
	_ target = (*memorymodel.Model)(nil)
	_ target = (*mongomodel.Model)(nil)
)

// onEachModel runs test with the clients and the user of [register] in the model.
func onEachModel(t *testing.T, test func(t *testing.T, model target)) {
	t.Run("memorymodel", func(t *testing.T) { test(t, newMemory(t)) })
	t.Run("mongomodel", func(t *testing.T) { test(t, newMongo(t)) })
}

func newMongo(t testing.TB) *mongomodel.Model {
	ctx := context.Background()
	model := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	require.NoError(t, model.EnsureIndexes(ctx))
	register(t,
		func(c *oauth2server.Client, secret string) error { return model.AddClient(ctx, c, secret) },
		func(u *oauth2server.User, name, password string) error { return model.AddUser(ctx, u, name, password) })
	return model
}

// An unauthenticated refresh (CVE-2026-53512): by another client, without a secret, with a wrong one, with a wider scope.
// The token is unharmed.
func TestAttack_RefreshWithoutTheClient(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		token := s.token("web", "grant_type", "authorization_code", "code", s.code("scope", "read"), "redirect_uri", callback).str("refresh_token")
		refresh := []string{"grant_type", "refresh_token", "refresh_token", token}
		requireError(t, s.token("other", refresh...), 400, "invalid_grant")
		requireError(t, s.post("/token", form(append(refresh, "client_id", "web")...)), 400, "invalid_client")
		requireError(t, s.post("/token", form(append(refresh, "client_id", "web", "client_secret", secret+"other")...)), 400, "invalid_client")
		requireError(t, s.token("web", append(refresh, "scope", "read write")...), 400, "invalid_scope")
		require.Equal(t, 200, s.token("web", refresh...).StatusCode)
	})
}
