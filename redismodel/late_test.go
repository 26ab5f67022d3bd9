// This file tests what a command does that arrives late: the client has sent it
// again by another connection, and what it stored was removed since.

package redismodel_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/redismodel"
)

// A copy of an insert revives nothing. The pair of insertion and removal comes
// twice, as an ID may be used again.
func TestLateInsert(t *testing.T) {
	s := start(t, 0)
	ctx := t.Context()
	var access, refresh, code string // others for each round
	alike := &oauth2server.Client{ID: "client", Grants: []string{"client_credentials"}}
	for name, row := range map[string]struct {
		insert, remove, find func(*redismodel.Model) error
	}{
		"access token": {
			func(m *redismodel.Model) error { return saved(m.SaveToken(ctx, lasting(access), nil, nil)) },
			func(m *redismodel.Model) error { return m.RevokeAccessTokens(ctx, oauth2server.Digest(access)) },
			func(m *redismodel.Model) error { return saved(m.GetAccessToken(ctx, access)) },
		},
		"refresh token": {
			func(m *redismodel.Model) error {
				return saved(m.SaveToken(ctx, &oauth2server.Token{RefreshToken: refresh}, nil, nil))
			},
			func(m *redismodel.Model) error {
				return m.RevokeToken(ctx, &oauth2server.Token{RefreshToken: refresh})
			},
			func(m *redismodel.Model) error { return saved(m.GetRefreshToken(ctx, refresh)) },
		},
		"code": {
			func(m *redismodel.Model) error {
				return saved(m.SaveAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: code}, nil, nil))
			},
			func(m *redismodel.Model) error {
				return m.RevokeAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: code})
			},
			func(m *redismodel.Model) error { return saved(m.GetAuthorizationCode(ctx, code)) },
		},
		"client": {
			func(m *redismodel.Model) error { return m.AddClient(ctx, alike, rand.Text()) },
			func(m *redismodel.Model) error { return m.DeleteClient(ctx, "client") },
			func(m *redismodel.Model) error { return saved(m.GetClient(ctx, "client", "")) },
		},
		"user": {
			func(m *redismodel.Model) error {
				return m.AddUserHash(ctx, &oauth2server.User{ID: "user"}, "name", hashed)
			},
			func(m *redismodel.Model) error { return m.DeleteUser(ctx, "user") },
			func(m *redismodel.Model) error { return saved(m.UserByID(ctx, "user")) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var sent trips
			recorded, plain := s.client(t, nil), s.client(t, nil)
			recorded.AddHook(&sent)
			m := redismodel.New(recorded, options())
			require.NoError(t, m.Check(ctx)) // so that it is connected
			var inserts [][][]any
			for range 2 {
				access, refresh, code = rand.Text(), rand.Text(), rand.Text()
				sent.take()
				require.NoError(t, row.insert(m))
				inserts = append(inserts, sent.take()...)
				require.NoError(t, row.find(m))
				require.NoError(t, row.remove(m))
				for _, trip := range inserts {
					for _, args := range trip {
						if err := plain.Do(ctx, args...).Err(); err != nil {
							require.ErrorIs(t, err, redis.Nil)
						}
					}
				}
				require.ErrorIs(t, row.find(m), oauth2server.ErrNotFound)
			}
		})
	}
}

func saved[T any](_ T, err error) error { return err }

// What stays of a revoked token takes part in nothing, and expires when the token
// would have, or after an hour.
func TestRevokedTokensExpire(t *testing.T) {
	client := start(t, 0).client(t, nil)
	ctx := t.Context()
	o := options()
	m := redismodel.New(client, o)
	for _, row := range []struct {
		token *oauth2server.Token
		want  time.Duration
	}{
		{lasting("an hour"), 2 * time.Hour},
		{&oauth2server.Token{AccessToken: "for ever"}, time.Hour},
	} {
		_, err := m.SaveToken(ctx, row.token, nil, nil)
		require.NoError(t, err)
		for _, want := range []error{nil, oauth2server.ErrNotFound} {
			require.ErrorIs(t, m.RevokeAccessToken(ctx, row.token.AccessToken), want)
			key := o.Prefix + "access:" + oauth2server.Digest(row.token.AccessToken)
			left, err := client.PTTL(ctx, key).Result()
			require.NoError(t, err)
			require.InDelta(t, row.want, left, float64(time.Minute))
			require.Empty(t, client.Get(ctx, key).Val())
		}
		_, err = m.SaveToken(ctx, row.token, nil, nil)
		require.ErrorIs(t, err, oauth2server.ErrExists)
	}
	require.ErrorIs(t, m.RevokeAccessToken(ctx, "unknown"), oauth2server.ErrNotFound)
	all, err := keys(ctx, client, o.Prefix)
	require.NoError(t, err)
	require.Len(t, all, 2)
}

// What is known of deleted clients and users is forgotten after a day.
func TestDeletedAreForgotten(t *testing.T) {
	client := start(t, 0).client(t, nil)
	ctx := t.Context()
	o := options()
	m := redismodel.New(client, o)
	for range 2 {
		require.NoError(t, m.AddClient(ctx, clientNamed("client"), rand.Text()))
		require.NoError(t, m.AddUserHash(ctx, &oauth2server.User{ID: "user"}, "name", hashed))
		lives, err := client.PTTL(ctx, o.Prefix+"client:client").Result()
		require.NoError(t, err)
		require.EqualValues(t, -1, lives)
		require.NoError(t, m.DeleteClient(ctx, "client"))
		require.NoError(t, m.DeleteUser(ctx, "user"))
	}
	for _, key := range []string{"client:client", "{users}:deleted:user"} {
		left, err := client.PTTL(ctx, o.Prefix+key).Result()
		require.NoError(t, err)
		require.InDelta(t, 24*time.Hour, left, float64(time.Minute), key)
	}
	all, err := keys(ctx, client, o.Prefix)
	require.NoError(t, err)
	for _, key := range all {
		left, err := client.PTTL(ctx, key).Result()
		require.NoError(t, err)
		require.Positive(t, left, key)
	}
}
