// This file loads a server with clients, and times them.

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// connections is the number of concurrent clients.
const connections = 16

// loader has the clients of one server, each with a kept connection.
type loader struct {
	server   *process
	sessions []*session

	tokens []string // of all sessions
	fresh  time.Time
}

// lifetime is how long tokens are used. It is shorter than in any of the
// servers.
const lifetime = 2 * time.Minute

// newLoader connects to a server. It ends the server if that fails; close ends
// it later.
func newLoader(s *process, tokens int) (*loader, error) {
	l := &loader{server: s}
	addr := strings.TrimPrefix(s.base, "http://")
	l.tokens = make([]string, tokens)
	for i := range connections {
		c, err := dial(addr)
		if err != nil {
			l.close()
			return nil, err
		}
		n := newSession(s.peer, s.base, c, l.tokens)
		n.next = i * tokens / connections
		l.sessions = append(l.sessions, n)
	}
	if err := errors.Join(l.renew(), s.freeze()); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// close ends the connections and the server.
func (l *loader) close() {
	for _, n := range l.sessions {
		n.sender.(*wire).conn.Close()
	}
	l.server.stop()
}

// renew replaces the tokens if they could expire.
func (l *loader) renew() error {
	if time.Since(l.fresh) < lifetime {
		return nil
	}
	issued, err := issue(l.server.peer, l.server.base, l.sessions[0].sender, len(l.tokens))
	copy(l.tokens, issued)
	l.fresh = time.Now()
	return err
}

// chunk is the result of one run.
type chunk struct {
	perSecond float64
	p99       time.Duration
	cpu       time.Duration // per run of the flow
}

// run repeats a flow on all connections for that long.
func (l *loader) run(ctx context.Context, f flow, length time.Duration) (done chunk, err error) {
	if err := errors.Join(ctx.Err(), l.server.thaw()); err != nil {
		return chunk{}, err
	}
	defer func() { err = errors.Join(err, l.server.freeze()) }()
	if err := l.renew(); err != nil {
		return chunk{}, err
	}
	before, err := l.server.cpu()
	if err != nil {
		return chunk{}, err
	}
	var (
		group     sync.WaitGroup
		took      = make([][]time.Duration, len(l.sessions))
		errs      = make([]error, len(l.sessions))
		begin     = time.Now()
		end       = begin.Add(length)
		latencies []time.Duration
	)
	for i, n := range l.sessions {
		group.Go(func() {
			for last := time.Now(); len(took[i]) == 0 || last.Before(end); {
				if errs[i] = f.run(n); errs[i] != nil {
					return
				}
				now := time.Now()
				took[i] = append(took[i], now.Sub(last))
				last = now
			}
		})
	}
	group.Wait()
	whole := time.Since(begin)
	for i, err := range errs {
		if err != nil {
			return chunk{}, fmt.Errorf("%s, %s: %w", l.server.peer.Name, f.name, err)
		}
		latencies = append(latencies, took[i]...)
	}
	after, err := l.server.cpu()
	if err != nil {
		return chunk{}, err
	}
	slices.Sort(latencies)
	many := len(latencies)
	return chunk{float64(many) / whole.Seconds(), latencies[many*99/100],
		(after - before) / time.Duration(many)}, nil
}
