// This file builds FerretDB and runs it as a process.

package mongotest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startTimeout is how long the server may take to print its first line, without
// the build.
const startTimeout = 30 * time.Second

// Server is a FerretDB process for one test. Its methods are not safe for
// concurrent use.
type Server struct {
	dir, addr string
	command   *exec.Cmd
	stdin     io.Closer
	stderr    *bytes.Buffer
}

// Start starts a server that keeps its data in dir. It ends when the test does.
// Unlike [Database], it is always FerretDB, as a test must not kill any other
// server.
func Start(t testing.TB, dir string) *Server {
	t.Helper()
	server, err := start(dir)
	require.NoError(t, err)
	t.Cleanup(server.Kill)
	return server
}

// URI returns the address of the server. It stays the same after Restart.
func (s *Server) URI() string { return "mongodb://" + s.addr + "/" }

// Kill ends the server at once, as a crash would. It may be called twice.
func (s *Server) Kill() {
	s.command.Process.Kill()
	s.command.Wait()
	s.stdin.Close()
}

// Restart starts the server again at the same address, with the data that it
// had.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	require.NoError(t, s.run("127.0.0.1:"+s.addr[strings.LastIndexByte(s.addr, ':')+1:]))
}

func start(dir string) (*Server, error) {
	s := &Server{dir: dir}
	return s, s.run("127.0.0.1:0")
}

func (s *Server) run(addr string) error {
	path, err := built()
	if err != nil {
		return err
	}
	return s.launch(path, addr)
}

// launch starts the program at path. Its file may be busy for a moment, when
// another test binary builds it and the go command writes it to the cache again
// (compare go.dev/issue/22315).
func (s *Server) launch(path, addr string) error {
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(100 * time.Millisecond) {
		err := s.try(path, addr)
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(deadline) {
			return err
		}
	}
}

// try starts the process and reads its first line, the URI.
func (s *Server) try(path, addr string) (err error) {
	args := []string{"-stdin", "-addr", addr}
	if s.dir != "" {
		args = append(args, "-dir", s.dir)
	}
	s.command, s.stderr = exec.Command(path, args...), &bytes.Buffer{}
	s.command.Stderr = s.stderr // not os.Stderr: go test would wait for the process to close it
	if s.stdin, err = s.command.StdinPipe(); err != nil {
		return err
	}
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("mongotest: starting %s: %w", path, err)
	}
	hung := time.AfterFunc(startTimeout, func() { s.command.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	hung.Stop()
	if err == nil {
		var uri *url.URL
		if uri, err = url.Parse(strings.TrimSpace(line)); err == nil {
			s.addr = uri.Host
			return nil
		}
	}
	s.Kill()
	return fmt.Errorf("mongotest: the server said %q and then %w: %s", line, err, s.stderr)
}

// built builds the server and returns its path. It is in the build cache, so
// only the first build takes long.
var built = sync.OnceValues(func() (string, error) {
	tools, err := toolsFolder()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "tool", "-n", "ferretdb")
	command.Dir = tools
	// The tools may need a newer Go than the one that tests the library.
	command.Env = append(os.Environ(), "GOTOOLCHAIN=auto", "PWD="+tools)
	path, err := command.Output()
	if err == nil {
		return strings.TrimSpace(string(path)), nil
	}
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	return "", fmt.Errorf(
		"mongotest: building tools/ferretdb (or set %s to the URI of a server): %w", Variable, err)
})

// toolsFolder finds the tools module, in a folder above that of the test.
func toolsFolder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		tools := filepath.Join(dir, "tools")
		if _, err := os.Stat(filepath.Join(tools, "ferretdb")); err == nil {
			return tools, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("mongotest: there is no folder tools/ferretdb above the test; "+
				"set %s to the URI of a server", Variable)
		}
		dir = parent
	}
}
