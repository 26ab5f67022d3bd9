//go:build servers

// This file starts PostgreSQL and MariaDB, and runs the tests on them.

package drivertest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
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

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// process is a database server that the test starts. It listens on a socket in
// its own directory only.
type process struct {
	dir     string
	account *syscall.SysProcAttr
	output  bytes.Buffer
	ended   chan error
}

// newProcess makes the directory of a server, which belongs to the account that
// its package made: some servers refuse to run as root.
func newProcess(t testing.TB, account string) *process {
	// Not t.TempDir: the account could not enter it, and the name of a socket
	// must be short.
	dir, err := os.MkdirTemp("", "sql")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	p := &process{dir: dir, ended: make(chan error, 1)}
	if os.Geteuid() != 0 {
		return p
	}
	u, err := user.Lookup(account)
	require.NoError(t, err)
	uid, err := strconv.Atoi(u.Uid)
	require.NoError(t, err)
	gid, err := strconv.Atoi(u.Gid)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, uid, gid))
	p.account = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return p
}

func (p *process) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = p.dir, p.account, &p.output, &p.output
	return cmd
}

// start starts the server, waits until it answers, and ends it with the test.
func (p *process) start(t testing.TB, end syscall.Signal, s server, program string, args ...string) {
	cmd := p.command(program, args...)
	require.NoError(t, cmd.Start())
	go func() { p.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(end)
		if err := <-p.ended; err != nil || t.Failed() {
			t.Logf("%s: %v\n%s", program, err, &p.output)
		}
	})
	db, err := sql.Open(s.driver, s.source)
	require.NoError(t, err)
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for err = db.PingContext(ctx); err != nil; err = db.PingContext(ctx) {
		select {
		case <-tick.C:
		case ended := <-p.ended:
			p.ended <- ended
			t.Fatalf("%s ended: %v\n%s", program, ended, &p.output)
		case <-ctx.Done():
			t.Fatalf("%s does not answer: %v", program, err)
		}
	}
}

// program finds a program of a server: in PATH, or where Debian keeps those of
// PostgreSQL.
func program(t testing.TB, name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	require.NoError(t, err)
	require.NotEmpty(t, found, "%s is not installed", name)
	return slices.Max(found)
}

// postgreSQL starts a server. Settings are such as
// "default_transaction_isolation=serializable".
func postgreSQL(t testing.TB, settings ...string) server {
	p := newProcess(t, "postgres")
	data := filepath.Join(p.dir, "data")
	require.NoError(t, p.command(program(t, "initdb"), "-D", data, "-U", "postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync").Run(), "%s", &p.output)
	args := []string{"-D", data, "-k", p.dir}
	for _, setting := range append([]string{"listen_addresses=", "fsync=off", "max_connections=200"}, settings...) {
		args = append(args, "-c", setting)
	}
	s := server{"PostgreSQL by pgx", "pgx", sqlmodel.PostgreSQL,
		"postgres:///postgres?" + url.Values{"host": {p.dir}, "user": {"postgres"}}.Encode()}
	p.start(t, syscall.SIGINT, s, program(t, "postgres"), args...)
	return s
}

// mariaDB starts a server.
func mariaDB(t testing.TB, settings ...string) server {
	p := newProcess(t, "mysql")
	data := filepath.Join(p.dir, "data")
	require.NoError(t, p.command(program(t, "mariadb-install-db"), "--no-defaults", "--datadir="+data,
		"--auth-root-authentication-method=normal", "--skip-test-db").Run(), "%s", &p.output)
	socket := filepath.Join(p.dir, "s")
	args := append([]string{"--no-defaults", "--datadir=" + data, "--socket=" + socket, "--skip-networking",
		"--pid-file=" + filepath.Join(p.dir, "pid"), "--innodb-flush-log-at-trx-commit=0",
		"--innodb-buffer-pool-size=128M", "--max-connections=200"}, settings...)
	s := server{"MariaDB", "mysql", sqlmodel.MariaDB, fmt.Sprintf("root@unix(%s)/mysql", socket)}
	p.start(t, syscall.SIGTERM, s, program(t, "mariadbd"), args...)
	db := s.open(t)
	// The worst collation that there is: it is blind to case and to spaces at
	// the end.
	_, err := db.ExecContext(t.Context(), "CREATE DATABASE app CHARACTER SET latin1 COLLATE latin1_general_ci")
	require.NoError(t, err)
	s.source = fmt.Sprintf("root@unix(%s)/app", socket)
	return s
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	s := postgreSQL(t)
	t.Run("pgx", func(t *testing.T) {
		testModel(t, s)
		testHazards(t, s)
	})
	t.Run("pq", func(t *testing.T) {
		s := s
		s.driver = "postgres"
		testModel(t, s)
		testHazards(t, s)
	})
	t.Run("serializable", func(t *testing.T) {
		s := s
		s.source += "&default_transaction_isolation=serializable"
		testModel(t, s)
		testHazards(t, s)
	})
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	s := mariaDB(t)
	for _, parameters := range []string{
		"",
		"?clientFoundRows=true&interpolateParams=true&loc=Asia%2FTokyo&parseTime=true&time_zone=%27%2B09%3A00%27",
		"?tx_isolation=%27SERIALIZABLE%27&sql_mode=%27%27&charset=latin1",
	} {
		t.Run(parameters, func(t *testing.T) {
			s := s
			s.source += parameters
			testModel(t, s)
			testHazards(t, s)
		})
	}
}
