//go:build postgres

// This file tests the model on PostgreSQL.

package main

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// The test starts a server of its own.
func TestPostgreSQL(t *testing.T) { testDatabase(t, postgreSQL(t)) }

// postgreSQL starts a server that ends with the test, and returns a database of
// it.
func postgreSQL(t *testing.T) database {
	t.Helper()
	// Not t.TempDir: the server's user could not enter it, and the name of a
	// socket must be short.
	dir, err := os.MkdirTemp("", "pg")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	data := filepath.Join(dir, "data")
	asServerUser := serverUser(t, dir)

	output, err := os.Create(filepath.Join(dir, "output"))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, output.Close())
		if t.Failed() {
			said, _ := os.ReadFile(output.Name())
			t.Logf("the server's output:\n%s", said)
		}
	})
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(binary(t, name), args...)
		cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = dir, asServerUser, output, output
		return cmd
	}
	initdb := command("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
		"--locale=C", "--no-sync")
	require.NoError(t, initdb.Run(), "initdb")
	server := command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c",
		"max_connections=200")
	require.NoError(t, server.Start())
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // "fast": it drops the connections that are left
		require.NoError(t, <-ended, "postgres")
	})

	source := "postgres:///postgres?" + url.Values{"host": {dir}, "user": {"postgres"}}.Encode()
	awaitServer(t, source, ended)
	return func(t *testing.T) storage {
		m := open(t, "pgx", source, sqlmodel.PostgreSQL)
		m.shop.db.SetMaxOpenConns(32) // of the server's 200: an application must set some bound
		return m
	}
}

// awaitServer returns when the server answers.
func awaitServer(t *testing.T, source string, ended chan error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := openShop(ctx, "pgx", source)
		if err == nil {
			require.NoError(t, s.db.Close())
			return
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			t.Fatalf("postgres ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("postgres does not answer: %v", err)
		}
	}
}

// serverUser returns how to start the server's programs, which refuse to run as
// root: under the account that their package made, which then owns dir.
func serverUser(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	require.NoError(t, err, "as root, the server needs a user postgres")
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// binary finds a program of the server in PATH, or the newest where Debian
// keeps them.
func binary(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	require.NoError(t, err)
	require.NotEmpty(t, found, "%s is not installed: apt-get install postgresql", name)
	return slices.Max(found)
}
