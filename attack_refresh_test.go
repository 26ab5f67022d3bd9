package oauth2server_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// An unauthenticated refresh (CVE-2026-53512): by another client, without a
// secret, with a wrong one, with another scope. The token stays valid, and a
// wider scope gets what was granted.
func TestAttack_RefreshWithoutTheClient(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		token := s.token("web", "grant_type", "authorization_code", "code", s.code("scope", "read"),
			"redirect_uri", callback).str("refresh_token")
		refresh := []string{"grant_type", "refresh_token", "refresh_token", token}
		requireError(t, s.token("other", refresh...), 400, "invalid_grant")
		requireError(t, s.post("/token", form(append(refresh, "client_id", "web")...)), 400, "invalid_client")
		requireError(t, s.post("/token",
			form(append(refresh, "client_id", "web", "client_secret", secret+"other")...)), 400, "invalid_client")
		requireError(t, s.token("web", append(refresh, "scope", "write")...), 400, "invalid_scope")
		wider := s.token("web", append(refresh, "scope", "read write")...)
		require.Equal(t, "read", wider.str("scope"), wider.text)
		require.Equal(t, "read", s.token("web", refresh...).str("scope"))
	})
}

// Families of refresh tokens fork when rotation reads and then writes
// (CVE-2026-53517, CVE-2026-50631). Parallel refreshes are all answered, with
// one refresh token and an access token each, and are one line in the log. With
// RotateStrictly one is answered, and the others show that two parties have the
// token.
func TestAttack_ParallelRefreshes(t *testing.T) {
	const n = 8
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		first := s.redeem("web", s.code("scope", "read"))
		replies := atOnce(n, func() reply { return s.refresh("web", first.str("refresh_token")) })
		require.Len(t, withStatus(200, replies), n)
		refresh, access := map[string]bool{}, map[string]bool{}
		for _, r := range replies {
			refresh[r.str("refresh_token")], access[r.str("access_token")] = true, true
			require.Equal(t, 200, s.apiStatus(r.str("access_token")))
		}
		require.Len(t, refresh, 1)
		require.Len(t, access, n)

		token, err := model.GetAccessToken(t.Context(), first.str("access_token"))
		require.NoError(t, err)
		entries, err := model.GrantEntries(t.Context(), token.GrantID, 1)
		require.NoError(t, err)
		kinds := map[oauth2server.EntryKind]int{}
		for i, e := range entries {
			require.Equal(t, i+1, e.Seq)
			kinds[e.Kind]++
		}
		require.Equal(t, map[oauth2server.EntryKind]int{"grant": 1, "rotate": 1, "retry": n - 1}, kinds)
		s.mustRefresh(replies[0].str("refresh_token"))
	})
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{RefreshRotation: oauth2server.RotateStrictly}, nil)
		first := s.redeem("web", s.code())
		replies := atOnce(n, func() reply { return s.refresh("web", first.str("refresh_token")) })
		answered := withStatus(200, replies)
		require.Len(t, answered, 1)
		require.Len(t, withStatus(400, replies), n-1)
		s.requireDead(first, answered[0])
	})
}
