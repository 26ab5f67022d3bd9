// This file tests what memory is given back, and when.

package memorymodel

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// The ID of a deleted client stays known for a day.
func TestDeletedClientsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(nil)
		add := func(id string) { require.NoError(t, m.AddClient(&oauth2server.Client{ID: id, Public: true}, "")) }
		remove := func(id string) { require.NoError(t, m.DeleteClient(t.Context(), id)) }
		known := func() (ids []string) {
			for id := range m.clients.Range {
				ids = append(ids, id.(string))
			}
			slices.Sort(ids)
			return ids
		}
		for _, id := range []string{"again", "gone", "later"} {
			add(id)
		}
		remove("again")
		remove("gone")
		time.Sleep(13 * time.Hour)
		add("again")
		remove("again") // a day from now on
		time.Sleep(12 * time.Hour)
		remove("later")
		require.Equal(t, []string{"again", "later"}, known())
		time.Sleep(25 * time.Hour)
		add("last")
		remove("last")
		require.Equal(t, []string{"last"}, known())
	})
}

// A request that was in flight when its client was deleted may have stored
// something after that, which lives longer than the ID is remembered.
func TestNothingOfADeletedClientReachesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(nil)
		for _, id := range []string{"deleted", "other"} {
			require.NoError(t, m.AddClient(&oauth2server.Client{ID: id, Public: true}, ""))
		}
		require.NoError(t, m.DeleteClient(t.Context(), "deleted"))
		later := time.Now().Add(14 * 24 * time.Hour)
		_, err := m.AppendGrant(t.Context(), &oauth2server.GrantEntry{GrantID: "late", Seq: 1, Kind: oauth2server.EntryGrant,
			ClientID: "deleted", UserID: "u", Successor: "s", SuccessorExpiresAt: later, ExpiresAt: later})
		require.NoError(t, err)
		time.Sleep(25 * time.Hour)
		require.NoError(t, m.DeleteClient(t.Context(), "other"))
		require.NoError(t, m.AddClient(&oauth2server.Client{ID: "deleted", Public: true}, ""))
		grants, err := m.UserGrants(t.Context(), "u")
		require.NoError(t, err)
		require.Empty(t, grants)
	})
}

// A log whose entries have all expired reuses its memory, and still finds the
// entries that name a user.
func TestALogThatGoesOnAfterAllExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(nil)
		add := func(seq int, userID string) {
			_, err := m.AppendGrant(t.Context(), &oauth2server.GrantEntry{
				GrantID:   "uses:g",
				Seq:       seq,
				UserID:    userID,
				ExpiresAt: time.Now().Add(time.Hour),
			})
			require.NoError(t, err)
		}
		for seq := range 4 {
			add(1000+seq, "")
		}
		time.Sleep(61 * time.Minute)
		add(100, "u1")
		add(50, "")
		require.Len(t, m.grantsWhere(func(userID, _ []byte) bool { return string(userID) == "u1" }), 1)
	})
}

// A log stays as long as the entry that stays longest, or for ever.
func TestALogStaysAsLongAsItsEntries(t *testing.T) {
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			m := New(nil)
			for _, i := range order {
				entry := &oauth2server.GrantEntry{GrantID: "g", Seq: i + 1}
				if i == 1 {
					entry.ExpiresAt = time.Now().Add(time.Minute)
				}
				_, err := m.AppendGrant(t.Context(), entry)
				require.NoError(t, err)
			}
			time.Sleep(24 * time.Hour)
			for i := range 10_000 {
				_, err := m.AppendGrant(t.Context(), &oauth2server.GrantEntry{GrantID: strconv.Itoa(i), Seq: 1})
				require.NoError(t, err)
			}
			entries, err := m.GrantEntries(t.Context(), "g", 1)
			require.NoError(t, err)
			require.NotEmpty(t, entries)
			require.Equal(t, 1, entries[0].Seq)
		})
	}
}

// A log that is used for a long time does not keep expired entries.
func TestALogForgetsExpiredEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(nil)
		for i := range 5000 {
			time.Sleep(time.Minute)
			seq := (i*2654435761 + 7) % 1000003 // in no order
			_, err := m.AppendGrant(t.Context(), &oauth2server.GrantEntry{GrantID: "uses:g", Seq: seq, UserID: "u1",
				Nonce: fmt.Sprint(i), ExpiresAt: time.Now().Add(time.Hour)})
			require.NoError(t, err)
		}
		s := m.grants.of(keyOf("uses:g"))
		k := keyOf("uses:g")
		log := &s.slots.at(s.find(&k)).record
		require.Less(t, len(log.entries), 300)
		require.True(t, slices.IsSortedFunc(log.entries, func(a, b logged) int { return int(a.seq - b.seq) }))
		require.Less(t, m.texts.size(), 150*300, "the memory of what has expired is used again")
	})
}
