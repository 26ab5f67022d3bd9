// Command bench compares this project with its peers: over HTTP, one server
// after the other in short turns, and in this process. Each must pass a gate
// first, so that all do the same work.
//
//	go run -C bench . [-rounds 13] [-turn 500ms] [-stored 100000]
//		[-peers floor,oauth2server] [-flows refresh] [-local=false] [-wire=false] [-signed=false]
//		[-features=false]
//
// It takes about ten minutes, sends to loopback only, and needs node and npm
// for node-oauth2-server; without them that peer is left out, as the table
// notes. It reports ratios to the floor just before and after.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

func main() {
	var o options
	flag.StringVar(&o.serve, "serve", "", "serve the peer of this `name`, for the command itself")
	flag.IntVar(&o.stored, "stored", 100_000, "how many access tokens are stored before")
	flag.IntVar(&o.rounds, "rounds", 13, "how often each flow has its turn at each peer")
	flag.DurationVar(&o.turn, "turn", 500*time.Millisecond, "how long a turn is; in this process, twice as long")
	flag.StringVar(&o.peers, "peers", "", "the `names` of some, with commas, the first being "+
		"what the others are held against; all without it: "+listed(peers.All, peerName))
	flag.StringVar(&o.flows, "flows", "",
		"the `names` of some, with commas; all without it: "+listed(flows, flowName))
	flag.BoolVar(&o.local, "local", true, "measure the handlers in this process")
	flag.BoolVar(&o.wire, "wire", true, "measure servers over HTTP")
	flag.BoolVar(&o.signed, "signed", true, "measure signatures in this process: sign-in, JWT check")
	flag.BoolVar(&o.features, "features", true, "measure what features of this project cost, in this process")
	flag.Parse()
	if err := run(o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// shortestTurn is the unit of processor time (proc_pid_stat(5)).
const shortestTurn = 10 * time.Millisecond

type options struct {
	serve          string
	stored, rounds int
	turn           time.Duration
	peers, flows   string
	local, wire    bool
	signed         bool
	features       bool
}

func run(o options, args []string) error {
	if o.serve != "" {
		return serve(o.serve, o.stored)
	}
	// Frozen servers must end too.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := measure(ctx, o, args)
	if ctx.Err() != nil {
		return errors.New("interrupted") // whatever else failed because of it
	}
	return err
}

func measure(ctx context.Context, o options, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q: names with a space need quotes", args[0])
	}
	if o.rounds < 1 || o.turn < shortestTurn || o.stored < 0 || !o.wire && !o.local && !o.signed && !o.features {
		return fmt.Errorf("there is nothing to measure: rounds must be at least 1, turn %s, "+
			"stored 0, and wire, local, signed or features true", shortestTurn)
	}
	if err := moveToOwnProcessor(); err != nil {
		return err
	}
	chosen, err := choose(peers.All, o.peers, peerName)
	if err != nil {
		return err
	}
	work, err := choose(flows, o.flows, flowName)
	if err != nil {
		return err
	}
	var t table
	if !o.wire {
		chosen = slices.DeleteFunc(chosen, inNode)
	}
	nodeDir, err := installNode(ctx, chosen)
	if err != nil {
		t.note("%s is left out: %v", peers.Node.Name, err)
		if chosen = slices.DeleteFunc(chosen, inNode); len(chosen) == 0 {
			return err
		}
	} else if nodeDir != "" {
		defer os.RemoveAll(nodeDir)
	}
	if o.wire {
		if err := t.measureWire(ctx, o, chosen, work, nodeDir); err != nil {
			return err
		}
	}
	if o.local {
		if err := t.measureLocal(ctx, o, chosen, work); err != nil {
			return err
		}
	}
	if o.wire || o.local {
		t.print(os.Stdout, o.rounds, chosen, work)
	}
	if o.signed {
		if err := measureSigned(ctx, os.Stdout, o.rounds, o.turn); err != nil {
			return err
		}
	}
	if o.features {
		return measureFeatures(ctx, os.Stdout, o.rounds, o.turn)
	}
	return nil
}

// moved is the environment variable that is set once this program has its own
// processor. It sees no other then.
const moved = "BENCH_MOVED"

// moveToOwnProcessor restarts this program on a processor that no server uses.
func moveToOwnProcessor() error {
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 || os.Getenv(moved) != "" {
		return nil // then stay where it is
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(taskset,
		append([]string{taskset, "-c", loaderProcessor, self}, os.Args[1:]...),
		append(os.Environ(), moved+"=1"))
}

func peerName(p peers.Peer) string { return p.Name }
func flowName(f flow) string       { return f.name }
func inNode(p peers.Peer) bool     { return p.New == nil }

// listed returns the names of all, in the format of choose.
func listed[T any](all []T, nameOf func(T) string) string {
	var list []string
	for _, one := range all {
		list = append(list, nameOf(one))
	}
	return strings.Join(list, ",")
}

// choose returns the elements with these names, or all if names is empty.
func choose[T any](all []T, names string, nameOf func(T) string) (chosen []T, err error) {
	if names == "" {
		return slices.Clone(all), nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(t T) bool { return nameOf(t) == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no %q among %s", name, listed(all, nameOf))
		}
		if slices.ContainsFunc(chosen, func(t T) bool { return nameOf(t) == name }) {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// installNode installs what node/package-lock.json pins, if one of the peers
// needs it, in a new directory.
func installNode(ctx context.Context, chosen []peers.Peer) (dir string, err error) {
	if !slices.ContainsFunc(chosen, inNode) {
		return "", nil
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", err
		}
	}
	if dir, err = os.MkdirTemp("", "bench-node"); err != nil {
		return "", err
	}
	err = os.CopyFS(dir, os.DirFS("node"))
	if err == nil {
		npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		npm.Dir = dir
		if output, failed := npm.CombinedOutput(); failed != nil {
			err = fmt.Errorf("npm: %w: %s", failed, output)
		}
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return filepath.Clean(dir), nil
}
