package mongomodel_test

import (
	"context"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/extratest"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

// Whatever Extra may hold comes back exactly; what it may not hold is refused,
// and nothing is stored.
func FuzzExtra(f *testing.F) {
	for _, seed := range extratest.Seeds() {
		f.Add(seed)
	}
	db := mongotest.Database(f)
	m := newModel(f, db)
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx := context.Background()
		attributes, ok := extratest.Make(data)
		// The same bytes give the same token: it is no error to save it again.
		token := &oauth2server.Token{AccessToken: "a" + hex.EncodeToString(data),
			RefreshToken:         "r" + hex.EncodeToString(data),
			AccessTokenExpiresAt: time.Date(2131, 1, 1, 0, 0, 0, 0, time.UTC), Client: &oauth2server.Client{ID: "web"},
			User: &oauth2server.User{ID: "u1"}, Extra: attributes}
		_, err := m.SaveToken(ctx, token, token.Client, token.User)
		access, noAccess := m.GetAccessToken(ctx, token.AccessToken)
		refresh, noRefresh := m.GetRefreshToken(ctx, token.RefreshToken)
		if !ok {
			require.ErrorContains(t, err, "Extra[")
			require.ErrorIs(t, noAccess, oauth2server.ErrNotFound)
			require.ErrorIs(t, noRefresh, oauth2server.ErrNotFound)
			return
		}
		require.NoError(t, err)
		require.NoError(t, noAccess)
		require.NoError(t, noRefresh)
		require.Equal(t, attributes, access.Extra)
		require.Equal(t, attributes, refresh.Extra)
	})
}
