package mongomodel_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// What a server acknowledged before it was killed is there when it is back; what it did not may be repeated.
func TestAServerThatIsKilled(t *testing.T) {
	ctx := t.Context()
	server := mongotest.Start(t, t.TempDir())
	connect := func(timeout time.Duration) *mongomodel.Model {
		client := mongotest.Connect(t, server.URI(), options.Client().SetTimeout(timeout))
		return mongomodel.New(client.Database("auth"), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	}
	db := mongotest.Connect(t, server.URI()).Database("auth")
	m := newModel(t, db)
	s := newSite(t, m)
	first := s.signIn(t)
	code, ended := s.authorize(t), s.signIn(t)
	require.NoError(t, oauth2server.RevokeGrant(ctx, m, grantOf(t, m, ended.Token)))
	second := s.refresh(ctx, first.Token)
	require.Equal(t, http.StatusOK, second.status)

	server.Kill()
	unreachable := connect(100 * time.Millisecond)
	down := newSite(t, unreachable)
	require.Equal(t, http.StatusServiceUnavailable, down.refresh(ctx, second.Token).status)
	require.Equal(t, http.StatusServiceUnavailable, down.exchange(ctx, code).status)
	_, err := unreachable.GetClient(ctx, "web", "")
	require.Error(t, err)
	require.False(t, errors.Is(err, oauth2server.ErrNotFound))

	server.Restart(t)
	up := newSite(t, connect(time.Minute))
	require.True(t, up.works(first.Access))
	require.True(t, up.works(second.Access))
	require.Equal(t, second.Token, up.refresh(ctx, first.Token).Token, "the same successor")
	require.Equal(t, http.StatusOK, up.refresh(ctx, second.Token).status)
	require.Equal(t, http.StatusOK, up.exchange(ctx, code).status)
	require.False(t, up.works(ended.Access))
	require.Equal(t, "invalid_grant", up.refresh(ctx, ended.Token).Error)
}
