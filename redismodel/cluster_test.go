// This file tests a cluster whose servers change roles.

package redismodel_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

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
			"--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
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
	return c
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
