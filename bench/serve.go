// This file runs a peer as a process on a processor of its own.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// The processor of the servers, and that of the program that loads them.
const (
	serverProcessor = "0"
	loaderProcessor = "1"
)

// serve serves a peer with stored tokens in its storage. It runs until its
// standard input ends, at the latest when its parent process does.
func serve(name string, stored int) error {
	p, ok := peers.Find(name)
	if !ok || p.New == nil {
		return fmt.Errorf("there is no peer %q in Go", name)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // some log what they refuse at the gate
	handler, err := p.New(base)
	if err != nil {
		return err
	}
	if err := newSession(p, base, newLocal(handler), nil).fill(stored); err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(base)
	return http.Serve(listener, handler)
}

// process is a running peer, on its own processor.
type process struct {
	peer  peers.Peer
	base  string
	cmd   *exec.Cmd
	stdin io.Closer
}

// start starts a peer as a process, which ends at the latest with ctx. nodeDir
// has the packages for node.
func start(ctx context.Context, p peers.Peer, stored int, nodeDir string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{self, "-serve", p.Name, "-stored", strconv.Itoa(stored)}
	if p.New == nil {
		args = []string{"node", filepath.Join(nodeDir, "server.js"), "0", strconv.Itoa(stored)}
	}
	if taskset, err := exec.LookPath("taskset"); err == nil && os.Getenv(moved) != "" {
		args = append([]string{taskset, "-c", serverProcessor}, args...)
	}
	s := &process{peer: p, cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	s.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	s.cmd.Stderr = os.Stderr
	// A stopped process does not notice the end of its input.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if s.base = strings.TrimSpace(line); err != nil || !strings.HasPrefix(s.base, "http://") {
		s.stop()
		return nil, fmt.Errorf("%s did not start: %q %w", p.Name, line, err)
	}
	if err := s.isApart(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// isApart returns an error if the server should have its own processor and does
// not.
func (s *process) isApart() error {
	if os.Getenv(moved) == "" {
		return nil
	}
	mine, err := processStatus("self", "Cpus_allowed_list")
	if err != nil {
		return err
	}
	its, err := processStatus(strconv.Itoa(s.cmd.Process.Pid), "Cpus_allowed_list")
	if err == nil && (mine != loaderProcessor || its != serverProcessor) {
		err = fmt.Errorf("%s is on processor %s, who loads it on %s", s.peer.Name, its, mine)
	}
	return err
}

// freeze stops a server whose turn is over, so that its garbage collection does
// not slow the next one. thaw continues it.
func (s *process) freeze() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *process) thaw() error   { return s.cmd.Process.Signal(syscall.SIGCONT) }

func (s *process) stop() {
	s.thaw() // fails if it has ended, which is fine
	s.stdin.Close()
	gone := time.AfterFunc(5*time.Second, func() { s.cmd.Process.Kill() })
	s.cmd.Wait() // its error may report that it was killed
	gone.Stop()
}

// cpu returns the processor time that the process has used.
func (s *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const user, system, perSecond = 11, 12, 100 // proc_pid_stat(5), utime and stime
	var ticks int64
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / perSecond, nil
}

// memory returns the resident set, in bytes.
func (s *process) memory() (int64, error) {
	resident, err := processStatus(strconv.Itoa(s.cmd.Process.Pid), "VmRSS")
	if err != nil {
		return 0, err
	}
	kilobytes, err := strconv.ParseInt(strings.TrimSuffix(resident, " kB"), 10, 64)
	return kilobytes << 10, err
}

// processStatus returns a line of a process's status (proc_pid_status(5)).
func processStatus(pid, name string) (string, error) {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(string(status), "\n"+name+":")
	if !found {
		return "", fmt.Errorf("/proc/%s/status has no %s", pid, name)
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line), nil
}
