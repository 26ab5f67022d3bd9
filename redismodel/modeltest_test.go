// This file runs the rules for models on a server, and on a cluster.

package redismodel_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/modeltest"
	"github.com/seed-11d18166/oauth2server/redismodel"
)

var prefixes atomic.Int64

// options are those of a model with keys of its own.
func options() *redismodel.Options {
	return &redismodel.Options{PasswordCost: bcrypt.MinCost, Prefix: fmt.Sprintf("t%d:", prefixes.Add(1))}
}

// keys returns the keys with a prefix on one server.
func keys(ctx context.Context, client redis.Cmdable, prefix string) (all []string, err error) {
	scan := client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
	for scan.Next(ctx) {
		all = append(all, scan.Val())
	}
	return all, scan.Err()
}

// dump returns everything that is stored under a prefix on one server.
func dump(ctx context.Context, client redis.Cmdable, prefix string) (string, error) {
	all, err := keys(ctx, client, prefix)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, key := range all {
		kind, err := client.Type(ctx, key).Result()
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&b, key)
		switch kind {
		case "string":
			fmt.Fprintln(&b, client.Get(ctx, key).Val())
		case "hash":
			for field, value := range client.HGetAll(ctx, key).Val() {
				fmt.Fprintln(&b, field, value)
			}
		case "zset":
			fmt.Fprintln(&b, strings.Join(client.ZRange(ctx, key, 0, -1).Val(), "\n"))
		default:
			return "", fmt.Errorf("a key of the type %q", kind)
		}
	}
	return b.String(), nil
}

// dumpAll is dump of each server.
func dumpAll(ctx context.Context, client redis.UniversalClient, prefix string) ([]byte, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		all, err := dump(ctx, client, prefix)
		return []byte(all), err
	}
	var lock sync.Mutex
	var all []byte
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, client *redis.Client) error {
		some, err := dump(ctx, client, prefix)
		lock.Lock()
		defer lock.Unlock()
		all = append(all, some...)
		return err
	})
	return all, err
}

func fixtureOf(
	ctx context.Context, client, peer redis.UniversalClient, o *redismodel.Options,
) (*modeltest.Fixture, error) {
	f, m := modeltest.Sample(), redismodel.New(client, o)
	f.Model, f.Peer = m, redismodel.New(peer, o)
	f.Dump = func(ctx context.Context) ([]byte, error) { return dumpAll(ctx, client, o.Prefix) }
	for _, c := range f.Clients {
		if err := m.AddClient(ctx, c.Client, c.Secret); err != nil {
			return nil, err
		}
	}
	if err := m.AddClient(ctx, f.Public, ""); err != nil {
		return nil, err
	}
	for _, u := range f.Users {
		if err := m.AddUser(ctx, &oauth2server.User{ID: u.ID}, u.Username, u.Password); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func TestModel(t *testing.T) {
	s := start(t, 0)
	client, peer := s.client(t, nil), s.client(t, nil)
	modeltest.Run(t, func(ctx context.Context) (*modeltest.Fixture, error) {
		return fixtureOf(ctx, client, peer, options())
	})
}

// Every write waits for a replica here, and a script whose keys have different
// slots fails.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	client, peer := c.client(t), c.client(t)
	modeltest.Run(t, func(ctx context.Context) (*modeltest.Fixture, error) {
		o := options()
		o.WaitReplicas = 1
		return fixtureOf(ctx, client, peer, o)
	})
	require.False(t, t.Failed())
}
