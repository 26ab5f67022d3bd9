// This file starts Redis servers for the tests.

package redismodel_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// server is a Redis server that a test starts.
type server struct {
	addr   string // host:port, or the path of a socket
	cmd    *exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
}

// start starts a server, on a port of this machine if there is one, else on a
// socket, and ends it with the test. REDIS_SERVER names another program, such as
// valkey-server.
func start(t testing.TB, port int, settings ...string) *server {
	dir, err := os.MkdirTemp("", "redis") // the name of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	program := os.Getenv("REDIS_SERVER")
	if program == "" {
		program = "redis-server"
	}
	s := &server{addr: filepath.Join(dir, "s"), ended: make(chan struct{})}
	if port != 0 {
		s.addr = address(port)
	}
	args := append([]string{"--dir", dir, "--bind", "127.0.0.1", "--port", strconv.Itoa(port),
		"--unixsocket", filepath.Join(dir, "s"), "--save", ""}, settings...)
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	require.NoError(t, s.cmd.Start())
	go func() {
		defer close(s.ended)
		s.cmd.Wait() // the output says why it ended
	}()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("%s: %s", s.addr, &s.output)
		}
	})
	client := s.client(t, nil)
	eventually(t, "the server answers", func() error {
		select {
		case <-s.ended:
			t.Fatalf("the server ended: %s", &s.output)
		default:
		}
		return client.Ping(t.Context()).Err()
	})
	return s
}

// kill ends the server at once: it has no time to write or to replicate.
func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.ended
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
