// Command load measures models through the handlers of a server, without a
// network in between, and in the same run the bare commands that the models
// send.
//
//	go run -C tools/load . -storage postgres,redis -stored 1000000 -for 10s -clients 16 -flows refresh
//
// It starts PostgreSQL (with fsync), MariaDB and Redis in temporary folders; they
// must be installed. MongoDB is the server that
// OAUTH2SERVER_MONGODB_URI names.
//
// A flow and its bare commands take turns of length -turn, each with all
// clients and a connection for each. The ratio compares the flows per second of
// two turns next to each other; the table has the median, and the middle half.
// The stored tokens are access tokens, which all clients save at once by
// SaveToken. For speed, a database/sql driver of this command gathers the
// model's inserts into statements of many rows, and PostgreSQL and SQLite do
// not wait for the disk meanwhile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	storages, flows string
	stored, clients int
	bounds          bounds
	noFloor         bool
	profile         string
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var s settings
	var names [2][]string
	for _, known := range storages {
		names[0] = append(names[0], known.name)
	}
	for _, known := range flows {
		names[1] = append(names[1], known.name)
	}
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&s.storages, "storage", "memory", "some of "+strings.Join(names[0], ","))
	flags.StringVar(&s.flows, "flows", strings.Join(names[1], ","), "some of these")
	flags.IntVar(&s.stored, "stored", 100_000, "tokens that are stored before")
	flags.IntVar(&s.clients, "clients", 16, "how many run at a time")
	flags.DurationVar(&s.bounds.length, "for", 10*time.Second, "how long each flow runs, and its bare commands as long")
	flags.DurationVar(&s.bounds.turn, "turn", 200*time.Millisecond, "how long they do so in turn")
	flags.IntVar(&s.bounds.most, "most", 10_000_000, "how often a flow runs at most")
	flags.BoolVar(&s.noFloor, "alone", false, "leave out the bare commands, as for a profile")
	flags.StringVar(&s.profile, "cpuprofile", "", "`file` for a profile; the label side is flow or bare")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case min(s.stored, s.clients, s.bounds.most) < 1 || min(s.bounds.length, s.bounds.turn) <= 0:
		return errors.New("numbers and times must be above zero")
	}
	for i, list := range []string{s.storages, s.flows} {
		for name := range strings.SplitSeq(list, ",") {
			if !slices.Contains(names[i], name) {
				return fmt.Errorf("%q is not among %s", name, strings.Join(names[i], ", "))
			}
		}
	}
	if s.profile != "" {
		file, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return s.all(ctx, out, progress)
}

func (s *settings) all(ctx context.Context, out, progress io.Writer) error {
	fmt.Fprintf(out, "%d tokens stored, %d clients, %v for each flow\n\n%s", s.stored, s.clients, s.bounds.length, heading)
	for _, known := range storages {
		if !slices.Contains(strings.Split(s.storages, ","), known.name) {
			continue
		}
		store, err := known.open(ctx, s.clients)
		if err != nil {
			return fmt.Errorf("%s: %w", known.name, err)
		}
		done, err := s.measure(ctx, known.name, store, progress)
		for _, r := range done {
			r.print(out)
		}
		if err := errors.Join(err, store.close()); err != nil {
			return fmt.Errorf("%s: %w", known.name, err)
		}
	}
	return nil
}

// sampled is how many of the stored tokens are presented.
const sampled = 100_000

func storedToken(i int) string { return "stored-token-" + strconv.Itoa(i) }

// measure fills an empty storage, and measures the flows on it.
func (s *settings) measure(
	ctx context.Context, name string, store *storage, progress io.Writer,
) (results []*result, err error) {
	if err := s.fill(ctx, name, store, progress); err != nil {
		return nil, err
	}
	var headers [][]string
	var digests []string
	for range min(s.stored, sampled) {
		token := storedToken(rand.IntN(s.stored))
		headers = append(headers, []string{"Bearer " + token})
		digests = append(digests, oauth2server.Digest(token))
	}
	server, err := newEndpoints(store.model)
	if err != nil {
		return nil, err
	}
	for _, f := range flows {
		if !slices.Contains(strings.Split(s.flows, ","), f.name) {
			continue
		}
		r := &result{storage: name, flow: f.name, whole: side{name: "flow"}, bare: side{name: "bare"},
			settle: store.filled}
		for range s.clients {
			c, err := newCaller(ctx, server, headers)
			if err != nil {
				return results, err
			}
			r.whole.clients = append(r.whole.clients, func(context.Context) error { return f.run(c) })
		}
		if store.recorded != nil {
			sent, err := record(ctx, store, f.run, headers)
			if err != nil {
				return results, err
			}
			r.commands = len(sent)
			for range s.clients {
				bare, err := store.bare(ctx, sent, &place{stored: digests, refresh: digests[0]})
				if err != nil {
					return results, err
				}
				r.bare.clients = append(r.bare.clients, bare)
			}
			if s.noFloor {
				r.bare.clients = nil
			}
		}
		if err := r.measure(ctx, s.bounds, progress); err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}

// record returns what a flow sends when it runs for the third time, as the first
// runs may prepare statements.
func record(ctx context.Context, store *storage, flow func(*caller) error, headers [][]string) ([]trip, error) {
	server, err := newEndpoints(store.recorded)
	if err != nil {
		return nil, err
	}
	c, err := newCaller(ctx, server, headers)
	if err != nil {
		return nil, err
	}
	for range 3 {
		store.sent()
		if err := flow(c); err != nil {
			return nil, err
		}
	}
	return store.sent(), nil
}

// fill stores the client and the tokens.
func (s *settings) fill(ctx context.Context, name string, store *storage, progress io.Writer) error {
	if err := store.addClient(ctx, client, secret); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	var taken atomic.Int64
	begin := time.Now()
	for range s.clients {
		group.Go(func() {
			for i := int(taken.Add(1)) - 1; i < s.stored && ctx.Err() == nil; i = int(taken.Add(1)) - 1 {
				user := users[i%len(users)]
				token := &oauth2server.Token{AccessToken: storedToken(i), AccessTokenExpiresAt: begin.Add(24 * time.Hour),
					Scope: client.Scope, Client: client, User: user}
				if _, err := store.filling.SaveToken(ctx, token, client, user); err != nil {
					cancel(err)
				}
				if (i+1)%100_000 == 0 {
					fmt.Fprintf(progress, "%s: %d of %d tokens stored after %v\n", name, i+1, s.stored,
						time.Since(begin).Round(time.Second))
				}
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if store.filled != nil {
		return store.filled(ctx)
	}
	return nil
}
