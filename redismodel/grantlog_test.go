// This file tests how logs and indexes expire, and what a lost reply does.

package redismodel_test

import (
	"context"
	"crypto/rand"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/redismodel"
)

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func newEntry(grantID string, seq int) *oauth2server.GrantEntry {
	return &oauth2server.GrantEntry{GrantID: grantID, Seq: seq, Kind: oauth2server.EntryRotate, Nonce: rand.Text(),
		Time: now(), ExpiresAt: now().Add(time.Hour)}
}

// The key of a log expires an hour after the entry that lives longest.
func TestLogExpiry(t *testing.T) {
	client := start(t, 0).client(t, nil)
	ctx := t.Context()
	const never = -1
	for name, row := range map[string]struct {
		lives []time.Duration // of entries in a row; never: no expiry
		want  time.Duration
	}{
		"one":               {[]time.Duration{time.Hour}, 2 * time.Hour},
		"a longer one":      {[]time.Duration{time.Hour, 9 * time.Hour}, 10 * time.Hour},
		"a shorter one":     {[]time.Duration{9 * time.Hour, time.Hour}, 10 * time.Hour},
		"one for ever":      {[]time.Duration{time.Hour, never}, never},
		"one behind it":     {[]time.Duration{never, time.Hour}, never},
		"all long expired":  {[]time.Duration{-9 * time.Hour}, 0},
		"an expired behind": {[]time.Duration{time.Hour, -9 * time.Hour}, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			m := redismodel.NewGrants(client, o)
			for i, life := range row.lives {
				e := newEntry("grant", i+1)
				e.UserID, e.ClientID = "user", "client"
				e.ExpiresAt = now().Add(life)
				if life == never {
					e.ExpiresAt = time.Time{}
				}
				_, err := m.AppendGrant(ctx, e)
				require.NoError(t, err)
			}
			for _, key := range []string{"log:grant", "grants-of-user:user", "grants-of-client:client"} {
				left, err := client.PTTL(ctx, o.Prefix+key).Result()
				require.NoError(t, err)
				switch row.want {
				case never:
					require.Equal(t, time.Duration(never), left, key)
				case 0:
					require.Equal(t, time.Duration(-2), left, key) // there is no key
				default:
					require.InDelta(t, row.want, left, float64(time.Minute), key)
				}
			}
		})
	}
}

// A log or an index that goes on for ever keeps little of what has expired.
func TestBoundedLog(t *testing.T) {
	client := start(t, 0).client(t, nil)
	ctx := t.Context()
	o := options()
	m := redismodel.NewGrants(client, o)
	const entries = 3000
	for i := range entries {
		e := newEntry("grant", i+1)
		e.UserID, e.ClientID = "user", "client"
		if i > 0 {
			e.ExpiresAt = now().Add(-2 * time.Hour)
		}
		_, err := m.AppendGrant(ctx, e)
		require.NoError(t, err)
	}
	for key, most := range map[string]int64{"log:grant": 100, "grants-of-user:user": 2, "grants-of-client:client": 1} {
		length, err := client.ZCard(ctx, o.Prefix+key).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, length, most, key)
	}
	found, err := m.GrantEntries(ctx, "grant", 1)
	require.NoError(t, err)
	require.Equal(t, 1, found[0].Seq, "an entry that has not expired")
}

// cutter is a connection that loses replies.
type cutter struct {
	net.Conn
	cut *atomic.Int32 // how many replies to lose
}

func (c cutter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.cut.Add(-1) >= 0 {
		c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// cutting returns a client whose replies can be lost.
func cutting(t *testing.T, s *server, retries int) (*redis.Client, *atomic.Int32) {
	cut := new(atomic.Int32)
	return s.client(t, func(o *redis.Options) {
		o.MaxRetries, o.PoolSize = retries, 1
		network, addr := o.Network, o.Addr
		o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return cutter{conn, cut}, err
		}
	}), cut
}

// The connection is lost after the server did what it was asked. The client sends
// it again, or else the caller does.
func TestLostReply(t *testing.T) {
	s := start(t, 0)
	ctx := t.Context()
	client := &oauth2server.Client{ID: "client", Grants: []string{"client_credentials"}}
	user := &oauth2server.User{ID: "user"}
	entry := newEntry(rand.Text(), 1)
	entry.UserID, entry.ClientID = user.ID, client.ID
	secret := rand.Text()
	for _, row := range []struct {
		name  string
		again bool // the caller may repeat it, without ErrExists
		do    func(m *redismodel.Model) error
	}{
		{"append", true, func(m *redismodel.Model) error {
			_, err := m.AppendGrant(ctx, entry)
			return err
		}},
		{"save a token", true, func(m *redismodel.Model) error {
			_, err := m.SaveToken(ctx, &oauth2server.Token{AccessToken: "access", RefreshToken: "refresh"}, nil, nil)
			return err
		}},
		{"save a code", true, func(m *redismodel.Model) error {
			_, err := m.SaveAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "code", GrantID: "g",
				Client: client}, nil, nil)
			return err
		}},
		{"revoke tokens", true, func(m *redismodel.Model) error {
			return m.RevokeAccessTokens(ctx, oauth2server.Digest("access"))
		}},
		{"add a user", false, func(m *redismodel.Model) error { return m.AddUser(ctx, user, "name", "a password") }},
		{"change a user", true, func(m *redismodel.Model) error { return m.UpdateUser(ctx, user, "other") }},
		{"set a password", true, func(m *redismodel.Model) error { return m.SetPassword(ctx, "user", "another one") }},
		{"delete a user", true, func(m *redismodel.Model) error { return m.DeleteUser(ctx, "user") }},
		{"add a client", false, func(m *redismodel.Model) error { return m.AddClient(ctx, client, secret) }},
		{"change a client", true, func(m *redismodel.Model) error { return m.UpdateClient(ctx, client) }},
		{"rotate a secret", true, func(m *redismodel.Model) error {
			return m.RotateClientSecret(ctx, "client", secret, time.Hour)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, replies := range []int32{1, 2, 3} { // some calls read first
				o := options()
				retrying, cut := cutting(t, s, 3)
				m := redismodel.New(retrying, o)
				prepare(t, s, o, row.name, client, user, secret)
				require.NoError(t, m.Check(ctx))
				cut.Store(replies)
				require.NoError(t, row.do(m))

				o = options()
				failing, cut := cutting(t, s, -1)
				m = redismodel.New(failing, o)
				prepare(t, s, o, row.name, client, user, secret)
				require.NoError(t, m.Check(ctx))
				cut.Store(1)
				require.Error(t, row.do(m))
				cut.Store(0)
				if row.again {
					require.NoError(t, row.do(m))
				}
			}
		})
	}
}

// prepare stores what a call changes.
func prepare(
	t *testing.T, s *server, o *redismodel.Options, call string,
	c *oauth2server.Client, u *oauth2server.User, secret string,
) {
	m := redismodel.New(s.client(t, nil), o)
	if call != "add a client" {
		require.NoError(t, m.AddClient(t.Context(), c, secret))
	}
	if call != "add a user" {
		require.NoError(t, m.AddUser(t.Context(), u, "name", "a password"))
	}
}
