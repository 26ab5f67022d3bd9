package mongomodel_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/seed-11d18166/oauth2server"
)

func TestALogIsInOrder(t *testing.T) {
	ctx := t.Context()
	_, m := start(t)
	for _, seq := range []int{1, 2, 10, 9, 11, 100, 1_000_000_000} {
		require.NoError(t, second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g", Seq: seq,
			Nonce: fmt.Sprint(seq)})))
	}
	for from, want := range map[int][]int{
		math.MinInt: {1, 2, 9, 10, 11, 100, 1_000_000_000}, 0: {1, 2, 9, 10, 11, 100, 1_000_000_000},
		2: {2, 9, 10, 11, 100, 1_000_000_000}, 10: {10, 11, 100, 1_000_000_000}, 101: {1_000_000_000},
		1_000_000_001: nil,
	} {
		entries, err := m.GrantEntries(ctx, "g", from)
		require.NoError(t, err)
		var got []int
		for _, e := range entries {
			got = append(got, e.Seq)
			require.Equal(t, fmt.Sprint(e.Seq), e.Nonce)
		}
		require.Equal(t, want, got, from)
	}
	for _, seq := range []int{-1, 10_000_000_000} {
		require.ErrorContains(t, second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g",
			Seq: seq})), "out of range")
	}
}

// A log is read page by page.
func TestALongLog(t *testing.T) {
	_, m := start(t)
	for seq := 1; seq <= 250; seq++ {
		require.NoError(t, second(m.AppendGrant(t.Context(), &oauth2server.GrantEntry{GrantID: "g", Seq: seq})))
	}
	next := 1
	for _, page := range []int{oauth2server.GrantPage, oauth2server.GrantPage, 50, 0} {
		entries, err := m.GrantEntries(t.Context(), "g", next)
		require.NoError(t, err)
		require.Len(t, entries, page)
		for _, e := range entries {
			require.Equal(t, next, e.Seq)
			next++
		}
	}
}

// The model stores grant IDs as they are, whatever is in them.
func TestLogsAreApart(t *testing.T) {
	ctx := t.Context()
	_, m := start(t)
	ids := []string{"a", "a:", "a:0000000001", "a:0000000001:0000000001", "a;", "a:0", "", ":", "$gte", "ä", "A"}
	for _, id := range ids {
		for seq := 1; seq <= 2; seq++ {
			require.NoError(t, second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: id, Seq: seq})), id)
		}
	}
	for _, id := range ids {
		entries, err := m.GrantEntries(ctx, id, 1)
		require.NoError(t, err)
		require.Len(t, entries, 2, id)
		for i, e := range entries {
			require.Equal(t, id, e.GrantID)
			require.Equal(t, i+1, e.Seq)
		}
	}
}

func TestAPlaceIsTakenOnce(t *testing.T) {
	ctx := t.Context()
	_, m := start(t)
	first := &oauth2server.GrantEntry{GrantID: "g", Seq: 1, Kind: "grant", Nonce: "first"}
	require.NoError(t, second(m.AppendGrant(ctx, first)))
	require.NoError(t, second(m.AppendGrant(ctx, first)), "the reply was lost")

	there, err := m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g", Seq: 1, Kind: "revoked", Nonce: "second"})
	require.ErrorIs(t, err, oauth2server.ErrExists)
	require.Equal(t, first, there)
	nameless := &oauth2server.GrantEntry{GrantID: "nameless", Seq: 1}
	require.NoError(t, second(m.AppendGrant(ctx, nameless)))
	require.ErrorIs(t, second(m.AppendGrant(ctx, nameless)), oauth2server.ErrExists, "no nonce is nobody's own")

	nonces := make(chan string, 16)
	for i := range cap(nonces) {
		nonces <- fmt.Sprint(i)
	}
	through, err := race(cap(nonces), func() error {
		return second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g", Seq: 2, Nonce: <-nonces}))
	}, oauth2server.ErrExists)
	require.NoError(t, err)
	require.Equal(t, 1, through)
}

func TestRevokeAccessTokens(t *testing.T) {
	ctx := t.Context()
	_, m := start(t)
	var digests []string
	for _, token := range []string{"a", "b", "c"} {
		require.NoError(t, second(m.SaveToken(ctx, &oauth2server.Token{AccessToken: token}, nil, nil)))
		digests = append(digests, oauth2server.Digest(token))
	}
	require.NoError(t, m.RevokeAccessTokens(ctx))
	require.NoError(t, m.RevokeAccessTokens(ctx, "no digest", digests[0], digests[1], digests[0]))
	for token, want := range map[string]error{"a": oauth2server.ErrNotFound, "b": oauth2server.ErrNotFound, "c": nil} {
		require.ErrorIs(t, second(m.GetAccessToken(ctx, token)), want, token)
	}
}

func TestRevokeUser(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	s := newSite(t, m)
	require.NoError(t, m.AddUser(ctx, &oauth2server.User{ID: "u2"}, "bert", "a password"))
	others := s.token(ctx, "grant_type", "password", "username", "bert", "password", "a password")
	machine := s.token(ctx, "grant_type", "client_credentials")
	code, byCode := s.authorize(t), s.signIn(t)
	byPassword := s.token(ctx, "grant_type", "password", "username", "andy", "password", "a password")
	refreshed := s.refresh(ctx, byPassword.Token)
	older := s.token(ctx, "grant_type", "password", "username", "andy", "password", "a password")
	client, err := m.GetClient(ctx, "web", "")
	require.NoError(t, err)
	client.RefreshTokenLifetime = 100 * 24 * time.Hour
	require.NoError(t, m.UpdateClient(ctx, client))
	older = s.refresh(ctx, older.Token)
	// As if the TTL index had dropped the first entry of a grant that refreshes keep alive.
	gone, err := db.Collection(prefix+"grants").DeleteOne(ctx,
		bson.D{{Key: "_id", Value: grantOf(t, m, older.Token) + ":0000000001"}})
	require.NoError(t, err)
	require.EqualValues(t, 1, gone.DeletedCount)
	for _, token := range []string{others.Access, machine.Access, byCode.Access, byPassword.Access,
		refreshed.Access, older.Access} {
		require.True(t, s.works(token))
	}

	for range 2 {
		require.NoError(t, m.RevokeUser(ctx, "u1"))
		for _, token := range []string{byCode.Access, byPassword.Access, refreshed.Access} {
			require.False(t, s.works(token))
		}
		for _, token := range []string{byCode.Token, byPassword.Token, refreshed.Token, older.Token} {
			require.Equal(t, "invalid_grant", s.refresh(ctx, token).Error)
		}
		require.Equal(t, "invalid_grant", s.exchange(ctx, code).Error)
		require.True(t, s.works(others.Access))
		require.True(t, s.works(machine.Access))
	}
	require.NotEmpty(t, s.refresh(ctx, others.Token).Token)
	require.NotEmpty(t, s.signIn(t).Token, "he may sign in again")

	require.NoError(t, m.DeleteUser(ctx, "u2"))
	require.False(t, s.works(others.Access))
	require.Equal(t, "invalid_grant", s.token(ctx, "grant_type", "password", "username", "bert", "password",
		"a password").Error)
	require.NoError(t, m.DeleteUser(ctx, "u2"))
}

func grantOf(t testing.TB, m oauth2server.RefreshTokenModel, refreshToken string) string {
	t.Helper()
	token, err := m.GetRefreshToken(context.Background(), refreshToken)
	require.NoError(t, err)
	return token.GrantID
}
