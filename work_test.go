package oauth2server_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// A request reads as much of the logs, and a page of connected apps too, after
// a thousand refreshes as after the first one.
func TestWorkDoesNotGrow(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name           string
		rotated        bool
		reads, entries int64 // per refresh, at most
	}{
		{"rotated", true, 0, 0},
		{"not rotated", false, 1, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			onEachModel(t, func(t *testing.T, target target) {
				refreshes := 1000
				if _, inMemory := target.(*memorymodel.Model); !inMemory { // FerretDB takes a minute for more
					refreshes = oauth2server.GrantPage + 5
				}
				model := count(target)
				s := newSite(t, model, &oauth2server.Options{RefreshRotation: rotation(row.rotated)}, nil)
				last := s.redeem("web", s.code())
				grantID := grantOf(t, target, last)
				presented := last.str("refresh_token")
				model.take()
				for i := range refreshes {
					last = s.mustRefresh(presented)
					if row.rotated {
						presented = last.str("refresh_token")
					}
					reads, entries, _ := model.take()
					require.LessOrEqual(t, reads, row.reads, "refresh %d", i)
					require.LessOrEqual(t, entries, row.entries, "refresh %d", i)
				}

				named, entries := 0, 0
				for from := 1; ; {
					page, err := target.GrantEntries(t.Context(), grantID, from)
					require.NoError(t, err)
					for _, e := range page {
						entries++
						if e.UserID != "" {
							named++
						}
						from = e.Seq + 1
					}
					if len(page) < oauth2server.GrantPage {
						break
					}
				}
				if row.rotated {
					require.Equal(t, refreshes+1, entries)
				} else {
					require.Equal(t, 1, entries)
				}
				require.Equal(t, 1, named,
					"the page of connected apps reads the entries that name the user, and the last ones")
				grants, err := target.UserGrants(t.Context(), "u1")
				require.NoError(t, err)
				require.Len(t, grants, 1)
				require.False(t, grants[0].UsedAt.IsZero())
			})
		})
	}
}

// A sign-in reads none of the marks of earlier revocations, and neither does
// the next revocation.
func TestEarlierRevocationsAreNotRead(t *testing.T) {
	onEachModel(t, func(t *testing.T, target target) {
		model := count(target)
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		hourAgo := int(time.Now().Add(-time.Hour).UnixMilli() / 2000)
		for i := range 2 * oauth2server.GrantPage {
			_, err := target.AppendGrant(t.Context(),
				&oauth2server.GrantEntry{GrantID: "user:u1", Seq: hourAgo + i, Kind: "revoked",
					Nonce: "of another time", ExpiresAt: time.Now().Add(time.Hour)})
			require.NoError(t, err)
		}
		s.requireAlive(s.signIn("web"))
		reads, entries, _ := model.take()
		require.LessOrEqual(t, reads, int64(2))
		require.Zero(t, entries)
		require.NoError(t, oauth2server.RevokeUser(t.Context(), model, "u1", "", func(func(string, error) bool) {}))
		_, entries, _ = model.take()
		require.Zero(t, entries)
	})
}
