// This file starts Redis servers for the tests.

package redismodel_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/internal/servers"
)

// server is a Redis server that a test starts.
type server struct {
	*servers.Server
	addr string // host:port, or the path of a socket
}

// start starts a server, on a port of this machine if there is one, else on a
// socket, and ends it with the test.
func start(t testing.TB, port int, settings ...string) *server {
	if port != 0 {
		settings = append([]string{"--port", strconv.Itoa(port)}, settings...)
	}
	started, err := servers.Redis(t.Context(), func(ctx context.Context, source string) error {
		client := redis.NewClient(&redis.Options{Network: "unix", Addr: source, DialerRetries: 1})
		return errors.Join(client.Ping(ctx).Err(), client.Close())
	}, settings...)
	require.NoError(t, err)
	s := &server{started, started.Source}
	if port != 0 {
		s.addr = address(port)
	}
	t.Cleanup(func() {
		s.Kill()
		require.NoError(t, s.Stop())
		if t.Failed() {
			t.Logf("%s: %s", s.addr, s.Output())
		}
	})
	return s
}

// client returns a client with connections of its own, as another process has.
func (s *server) client(t testing.TB, change func(*redis.Options)) *redis.Client {
	o := &redis.Options{Addr: s.addr, ContextTimeoutEnabled: true}
	if filepath.IsAbs(s.addr) {
		o.Network = "unix"
	}
	if change != nil {
		change(o)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	return client
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// ports returns ports that were free a moment ago.
func ports(t testing.TB, many int) (free []int) {
	for range many {
		l, err := net.Listen("tcp", address(0))
		require.NoError(t, err)
		defer l.Close()
		free = append(free, l.Addr().(*net.TCPAddr).Port)
	}
	return free
}

// eventually tries until there is no error.
func eventually(t testing.TB, what string, try func() error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for err := try(); err != nil; err = try() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
