// This file tests a cluster whose servers change roles, or whose slots move.

package redismodel_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/redismodel"
)

const (
	masters = 3
	slots   = 16384
)

// cluster has three servers, and then a replica of each.
type cluster struct{ nodes []*redis.Client }

func startCluster(t testing.TB) *cluster {
	c := new(cluster)
	ctx := t.Context()
	free := ports(t, 4*masters)
	bus := free[2*masters:]
	for i, port := range free[:2*masters] {
		s := start(t, port, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus[i]),
			"--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0",
			"--cluster-allow-replica-migration", "no")
		c.nodes = append(c.nodes, s.client(t, nil))
	}
	for i, node := range c.nodes {
		require.NoError(t, node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		require.NoError(t, node.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", free[0], bus[0]).Err())
	}
	for i, node := range c.nodes[:masters] {
		require.NoError(t, node.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err())
	}
	for i, node := range c.nodes[masters:] {
		id, err := c.nodes[i].Do(ctx, "CLUSTER", "MYID").Text()
		require.NoError(t, err)
		eventually(t, "a replica", func() error { return node.ClusterReplicate(ctx, id).Err() })
	}
	c.isWhole(t)
	return c
}

// isWhole waits until all servers know that all slots are served, and have their
// replicas.
func (c *cluster) isWhole(t testing.TB) {
	ctx := t.Context()
	for i, node := range c.nodes {
		eventually(t, "the cluster is whole", func() error {
			info, err := node.ClusterInfo(ctx).Result()
			known, _ := node.ClusterNodes(ctx).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") ||
				strings.Count(known, "slave") != masters) {
				err = errors.New(info + known)
			}
			if i < masters && err == nil {
				err = replicated(node.Do(ctx, "INFO", "replication").Text())
			}
			return err
		})
	}
}

// replicated returns an error unless a server has a replica that follows.
func replicated(info string, err error) error {
	if err == nil && !strings.Contains(info, "state=online") {
		err = errors.New(info)
	}
	return err
}

func (c *cluster) client(t testing.TB) *redis.ClusterClient {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{c.nodes[0].Options().Addr}, ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { client.Close() })
	return client
}

// A write goes to the server that has its key, even after another took over.
func TestClusterFailover(t *testing.T) {
	c := startCluster(t)
	ctx := t.Context()
	o := options()
	o.WaitReplicas = 1
	m := redismodel.New(c.client(t), o)
	var acknowledged []string
	write := func(many int) {
		for range many {
			e := newEntry(rand.Text(), 1)
			if _, err := m.AppendGrant(ctx, e); err == nil {
				acknowledged = append(acknowledged, e.GrantID)
			} else {
				t.Logf("not acknowledged: %v", err)
			}
		}
	}
	write(50)
	require.Len(t, acknowledged, 50)
	for _, replica := range c.nodes[masters:] {
		require.NoError(t, replica.ClusterFailover(ctx).Err())
		write(20)
	}
	for _, node := range c.nodes[masters:] {
		eventually(t, "the takeover", func() error {
			role, err := node.Do(ctx, "ROLE").Slice()
			if err == nil && role[0] != "master" {
				err = fmt.Errorf("%v", role)
			}
			return err
		})
	}
	before := len(acknowledged)
	write(50)
	require.Len(t, acknowledged, before+50, "the client does not follow")
	for _, id := range acknowledged {
		entries, err := m.GrantEntries(ctx, id, 1)
		require.NoError(t, err)
		require.Len(t, entries, 1, "an acknowledged entry is lost")
	}
	t.Logf("%d of 160 appends were acknowledged while three servers handed over, none is lost", len(acknowledged))
}

// move is the move of some slots of one server to another, which is begun.
type move struct {
	from, to    *redis.Client
	first, last int
}

// beginMove begins to move a slot, and up to a thousand beside it, which is enough
// that many keys are concerned.
func (c *cluster) beginMove(t testing.TB, slot int64) *move {
	owner := int(slot) * masters / slots
	first := max(int(slot)-500, owner*slots/masters)
	m := &move{c.nodes[owner], c.nodes[(owner+1)%masters], first, min(first+1000, (owner+1)*slots/masters-1)}
	m.setSlots(t, m.to, "IMPORTING", m.from)
	m.setSlots(t, m.from, "MIGRATING", m.to)
	return m
}

func (m *move) setSlots(t testing.TB, at *redis.Client, state string, other *redis.Client) {
	ctx := t.Context()
	id, err := other.Do(ctx, "CLUSTER", "MYID").Text()
	require.NoError(t, err)
	pipe := at.Pipeline()
	for slot := m.first; slot <= m.last; slot++ {
		pipe.Do(ctx, "CLUSTER", "SETSLOT", slot, state, id)
	}
	_, err = pipe.Exec(ctx)
	require.NoError(t, err)
}

// end moves the keys and then the slots.
func (m *move) end(t testing.TB) {
	ctx := t.Context()
	host, port, err := net.SplitHostPort(m.to.Options().Addr)
	require.NoError(t, err)
	for slot := m.first; slot <= m.last; slot++ {
		keys, err := m.from.ClusterGetKeysInSlot(ctx, slot, 1000).Result()
		require.NoError(t, err)
		for _, key := range keys {
			require.NoError(t, m.from.Migrate(ctx, host, port, key, 0, time.Minute).Err())
		}
	}
	m.setSlots(t, m.to, "NODE", m.to)
	m.setSlots(t, m.from, "NODE", m.to)
}

// While slots move, what is new is on the server that gets them.
func TestSlotsMove(t *testing.T) {
	c := startCluster(t)
	ctx := t.Context()
	o := options()
	o.WaitReplicas = 1
	m := redismodel.New(c.client(t), o)
	require.NoError(t, m.AddUser(ctx, &oauth2server.User{ID: "user"}, "name", "a password"))
	require.NoError(t, m.AddUserHash(ctx, &oauth2server.User{ID: "third"}, "third", hashed))
	old := seed(t, m, 30)
	slot, err := c.nodes[0].ClusterKeySlot(ctx, "{users}").Result()
	require.NoError(t, err)
	moving := c.beginMove(t, slot)
	revoke := func(tokens []string) {
		for _, token := range tokens {
			_, err := m.GetAccessToken(ctx, token)
			require.NoError(t, err)
			require.NoError(t, m.RevokeAccessTokens(ctx, oauth2server.Digest(token)))
			_, err = m.GetAccessToken(ctx, token)
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
		}
	}
	work := func() {
		revoke(seed(t, m, 30))
		for i := range 30 {
			id, secret := rand.Text(), rand.Text()
			require.NoError(t, m.AddClient(ctx, clientNamed(id), secret))
			_, err := m.GetClient(ctx, id, secret)
			require.NoError(t, err)
			e := newEntry(rand.Text(), 1)
			e.UserID, e.ClientID = "user of a grant", id
			_, err = m.AppendGrant(ctx, e)
			require.NoError(t, err)
			_, err = m.AppendGrant(ctx, newEntry(e.GrantID, 1))
			require.ErrorIs(t, err, oauth2server.ErrExists)
			require.NoError(t, m.RevokeClient(ctx, id))
			require.NoError(t, m.DeleteClient(ctx, id), i)
		}
		require.NoError(t, m.SetPassword(ctx, "user", "another password"))
		require.NoError(t, m.RevokeUser(ctx, "user of a grant"))
	}
	revoke(old[:10])
	work()
	revoke(old[10:20])
	another := &oauth2server.User{ID: "another"}
	// A server that moves a slot refuses commands whose keys are not all there.
	require.ErrorContains(t, m.AddUserHash(ctx, another, "another", hashed), "TRYAGAIN")
	require.ErrorContains(t, m.DeleteUser(ctx, "third"), "TRYAGAIN")
	moving.end(t)
	c.isWhole(t)
	revoke(old[20:])
	require.NoError(t, m.AddUserHash(ctx, another, "another", hashed))
	require.NoError(t, m.DeleteUser(ctx, "third"))
	work()
}
