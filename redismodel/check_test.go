// This file tests what Check refuses.

package redismodel_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/redismodel"
)

// A server that makes room by forgetting is refused.
func TestCheckEviction(t *testing.T) {
	s := start(t, 0)
	ctx := t.Context()
	client := s.client(t, nil)
	m := redismodel.New(client, nil)
	for _, policy := range []string{"allkeys-lru", "allkeys-lfu", "allkeys-random",
		"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"} {
		require.NoError(t, client.ConfigSet(ctx, "maxmemory-policy", policy).Err())
		require.NoError(t, client.ConfigSet(ctx, "maxmemory", "100mb").Err())
		require.ErrorContains(t, m.Check(ctx), `"`+policy+`"`)
		require.NoError(t, client.ConfigSet(ctx, "maxmemory", "0").Err())
		require.NoError(t, m.Check(ctx), "without a limit, nothing is evicted")
	}
	require.NoError(t, client.ConfigSet(ctx, "maxmemory", "100mb").Err())

	// A user who may not ask cannot know.
	require.NoError(t, client.Do(ctx, "ACL", "SETUSER", "limited", "on", "nopass", "~*", "+@all", "-@dangerous").Err())
	limited := s.client(t, func(o *redis.Options) { o.Username, o.Password = "limited", "any" })
	require.NoError(t, redismodel.New(limited, nil).Check(ctx))
	silent := start(t, 0, "--rename-command", "INFO", "", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	require.NoError(t, redismodel.New(silent.client(t, nil), nil).Check(ctx))

	require.NoError(t, client.ConfigSet(ctx, "maxmemory-policy", "noeviction").Err())
	require.NoError(t, m.Check(ctx))
}

func TestCheckEvictionInACluster(t *testing.T) {
	c := startCluster(t)
	ctx := t.Context()
	m := redismodel.New(c.client(t), nil)
	require.NoError(t, m.Check(ctx))
	one := c.nodes[masters-1]
	require.NoError(t, one.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru").Err())
	require.NoError(t, one.ConfigSet(ctx, "maxmemory", "100mb").Err())
	require.ErrorContains(t, m.Check(ctx), one.Options().Addr)
}

// A client of Sentinel with ReplicaOnly is connected to a replica.
func TestCheckReplica(t *testing.T) {
	p := startPair(t)
	ctx := t.Context()
	m := redismodel.New(p.replica.client(t, nil), nil)
	require.ErrorContains(t, m.Check(ctx), "a replica")
	require.NoError(t, p.replica.client(t, nil).Do(ctx, "REPLICAOF", "NO", "ONE").Err())
	require.NoError(t, m.Check(ctx))
}

// A server that lacks replicas cannot acknowledge what waits for them.
func TestCheckReplicasConnected(t *testing.T) {
	p := startPair(t)
	ctx := t.Context()
	client := p.primary.client(t, nil)
	for replicas, want := range []string{"", "", "WaitReplicas is 2, but 1 replicas are connected"} {
		err := redismodel.New(client, &redismodel.Options{WaitReplicas: replicas}).Check(ctx)
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}
