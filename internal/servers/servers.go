// Package servers starts database servers for tests and measurements. Each
// listens on a socket in a temporary folder, where it also has its files.
package servers

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a database server that was started. Its methods are not safe for
// concurrent use.
type Server struct {
	// Source is what a driver connects to: a URI of PostgreSQL, a data source
	// name of MariaDB, the path of the socket of Redis.
	Source string

	dir     string
	account *syscall.SysProcAttr
	process *os.Process
	end     syscall.Signal
	output  bytes.Buffer
	ended   chan struct{} // closed when the process has ended, by err
	err     error
	killed  bool // by Kill
}

// Answers returns nil if a server answers at its source. It comes from the
// caller, as this package imports no drivers.
type Answers func(ctx context.Context, source string) error

// SQL returns an [Answers] that asks by a driver of database/sql.
func SQL(driver string) Answers {
	return func(ctx context.Context, source string) error {
		db, err := sql.Open(driver, source)
		if err != nil {
			return err
		}
		defer db.Close()
		return db.PingContext(ctx)
	}
}

// startTimeout is how long a server may take until it answers.
const startTimeout = time.Minute

// newServer makes the folder of a server. If the caller is root, the server runs
// under account, which then owns the folder: some servers refuse to run as root.
func newServer(account string, end syscall.Signal) (*Server, error) {
	// The name of a socket must be short.
	dir, err := os.MkdirTemp("", "db")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, end: end}
	if account == "" || os.Geteuid() != 0 {
		return s, nil
	}
	if err := s.belongTo(account); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) belongTo(account string) error {
	u, err := user.Lookup(account)
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.account = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return os.Chown(s.dir, int(uid), int(gid))
}

// socket is the path of the socket, where the server lets one choose it.
func (s *Server) socket() string { return filepath.Join(s.dir, "s") }

func (s *Server) command(program string, args ...string) (*exec.Cmd, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = s.dir, s.account, &s.output, &s.output
	return cmd, nil
}

// find finds a program: in PATH, or where Debian keeps those of PostgreSQL.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if len(found) == 0 {
		return "", fmt.Errorf("servers: %w", err)
	}
	return slices.Max(found), nil
}

// prepare runs a program that makes the server's files.
func (s *Server) prepare(program string, args ...string) error {
	cmd, err := s.command(program, args...)
	if err == nil {
		err = cmd.Run()
	}
	if err != nil {
		return fmt.Errorf("servers: %s: %w: %s", program, err, s.Output())
	}
	return nil
}

// start starts the server and waits until it answers.
func (s *Server) start(ctx context.Context, answers Answers, program string, args ...string) error {
	cmd, err := s.command(program, args...)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	s.process, s.ended = cmd.Process, make(chan struct{})
	go func() {
		defer close(s.ended)
		s.err = cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for err = answers(ctx, s.Source); err != nil; err = answers(ctx, s.Source) {
		select {
		case <-tick.C:
			continue
		case <-s.ended:
			err = s.err
		case <-ctx.Done():
			s.Kill()
		}
		return fmt.Errorf("servers: %s does not answer: %w: %s", program, err, s.Output())
	}
	return nil
}

// Output returns what the server has printed. Call it after the server has ended,
// as the server writes to it until then.
func (s *Server) Output() string { return s.output.String() }

// Kill ends the server at once: it has no time to write or to replicate.
func (s *Server) Kill() {
	s.killed = true
	s.signal(syscall.SIGKILL)
}

func (s *Server) signal(sig os.Signal) {
	if s.process != nil {
		s.process.Signal(sig) // it may have ended by itself
		<-s.ended
	}
}

// Stop ends the server and removes its folder. The errors are how the server
// ended, if it did not end well and [Server.Kill] did not end it, and why the
// folder is still there.
func (s *Server) Stop() error {
	s.signal(s.end)
	err := os.RemoveAll(s.dir)
	if !s.killed {
		err = errors.Join(s.err, err)
	}
	return err
}

// PostgreSQL starts a server with a user "postgres", and returns when it answers.
// Settings are such as "fsync=off". It is an error if the server is not
// installed, or does not answer within a minute or until ctx ends.
func PostgreSQL(ctx context.Context, answers Answers, settings ...string) (*Server, error) {
	s, err := newServer("postgres", syscall.SIGINT)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	s.Source = "postgres:///postgres?" + url.Values{"host": {s.dir}, "user": {"postgres"}}.Encode()
	args := []string{"-D", data, "-k", s.dir}
	for _, setting := range append([]string{"listen_addresses=", "max_connections=200"}, settings...) {
		args = append(args, "-c", setting)
	}
	err = s.prepare("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	return s.orStop(err, func() error { return s.start(ctx, answers, "postgres", args...) })
}

// MariaDB is [PostgreSQL] for MariaDB, with a user "root" and a database "mysql".
// Settings are such as "--innodb-buffer-pool-size=128M".
func MariaDB(ctx context.Context, answers Answers, settings ...string) (*Server, error) {
	s, err := newServer("mysql", syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	s.Source = fmt.Sprintf("root@unix(%s)/mysql", s.socket())
	args := append([]string{"--no-defaults", "--datadir=" + data, "--socket=" + s.socket(), "--skip-networking",
		"--pid-file=" + filepath.Join(s.dir, "pid"), "--max-connections=200"}, settings...)
	err = s.prepare("mariadb-install-db", "--no-defaults", "--datadir="+data,
		"--auth-root-authentication-method=normal", "--skip-test-db")
	return s.orStop(err, func() error { return s.start(ctx, answers, "mariadbd", args...) })
}

// Redis is [PostgreSQL] for a Redis server without persistence. Settings are such
// as "--appendonly", "yes"; with "--port", "7000" it also listens on that port of
// 127.0.0.1. REDIS_SERVER names another program, such as valkey-server.
func Redis(ctx context.Context, answers Answers, settings ...string) (*Server, error) {
	s, err := newServer("", syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	s.Source = s.socket()
	program := os.Getenv("REDIS_SERVER")
	if program == "" {
		program = "redis-server"
	}
	args := append([]string{"--dir", s.dir, "--bind", "127.0.0.1", "--port", "0", "--unixsocket", s.Source,
		"--save", ""}, settings...)
	return s.orStop(nil, func() error { return s.start(ctx, answers, program, args...) })
}

// PgBouncer is [PostgreSQL] for a pooler in transaction mode before a server of
// that function. Settings are such as "default_pool_size = 5".
func PgBouncer(ctx context.Context, answers Answers, before *Server, settings ...string) (*Server, error) {
	s, err := newServer("postgres", syscall.SIGINT)
	if err != nil {
		return nil, err
	}
	lines := append([]string{"[databases]", "postgres = host=" + before.dir + " user=postgres", "[pgbouncer]",
		"pool_mode = transaction", "auth_type = any", "listen_addr =", "listen_port = 6432",
		"unix_socket_dir = " + s.dir}, settings...)
	file := filepath.Join(s.dir, "settings")
	err = os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
	s.Source = "postgres:///postgres?" + url.Values{"host": {s.dir}, "port": {"6432"}, "user": {"postgres"}}.Encode()
	return s.orStop(err, func() error { return s.start(ctx, answers, "pgbouncer", file) })
}

// orStop calls goOn, unless there is an error already. After an error it ends the
// server and removes its folder.
func (s *Server) orStop(err error, goOn func() error) (*Server, error) {
	if err == nil {
		err = goOn()
	}
	if err != nil {
		s.Kill()
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}
