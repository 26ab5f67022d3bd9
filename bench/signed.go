// This file measures signatures in this process: sign-in with an ID token, and
// the check of an access token that is a JSON Web Token.

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// task is something to measure by turns with others.
type task struct {
	flow, algorithm, name string
	run                   func() error
	times                 []time.Duration // of one, in each turn
	bytes, allocs         uint64          // of one, in the last turn
}

var algorithms = []string{"ES256", "RS256"}

// newSigned returns everything there is to measure, each tried once.
func newSigned() (all []*task, err error) {
	for _, algorithm := range algorithms {
		key, err := peers.NewKey(algorithm)
		if err != nil {
			return nil, err
		}
		for _, p := range peers.Providers(key) {
			handler, err := p.New(peers.Issuer)
			if err != nil {
				return nil, err
			}
			n := newSession(p, peers.Issuer, newLocal(handler), nil)
			err = n.codeFlow()
			if err == nil {
				err = peers.CheckIDToken(key, p, n.sender.body())
			}
			if err != nil {
				return nil, err
			}
			all = append(all, &task{flow: "sign-in", algorithm: algorithm, name: p.Name, run: n.codeFlow})
		}
		token, err := key.AccessToken("at+jwt", nil)
		if err != nil {
			return nil, err
		}
		for _, c := range peers.Checkers {
			check, err := c.New(key)
			if err == nil {
				err = check(token)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			all = append(all, &task{flow: "JWT check", algorithm: algorithm, name: c.Name,
				run: func() error { return check(token) }})
		}
	}
	return all, nil
}

// turn runs the work for a while.
func (s *task) turn(length time.Duration) error {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin, many := time.Now(), 0
	for ; many == 0 || time.Since(begin) < length; many++ {
		if err := s.run(); err != nil {
			return fmt.Errorf("%s, %s: %w", s.flow, s.name, err)
		}
	}
	s.times = append(s.times, time.Since(begin)/time.Duration(many))
	runtime.ReadMemStats(&after)
	s.bytes = (after.TotalAlloc - before.TotalAlloc) / uint64(many)
	s.allocs = (after.Mallocs - before.Mallocs) / uint64(many)
	return nil
}

// takeTurns gives each its turn in each round, in any order.
func takeTurns(ctx context.Context, all []*task, rounds int, length time.Duration) error {
	for range rounds {
		for _, i := range rand.Perm(len(all)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := all[i].turn(length); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureSigned prints medians.
func measureSigned(ctx context.Context, w io.Writer, rounds int, length time.Duration) error {
	all, err := newSigned()
	if err != nil {
		return err
	}
	if err := takeTurns(ctx, all, rounds, length); err != nil {
		return err
	}
	fmt.Fprintf(w, "Signatures, in this process: medians of %d turns of %s.\n\n| | ES256 | RS256 |\n|---|---|---|\n",
		rounds, length)
	for i, s := range all[:len(all)/len(algorithms)] {
		fmt.Fprintf(w, "| %s: %s |", s.flow, s.name)
		for a := range algorithms {
			one := all[i+a*len(all)/len(algorithms)]
			fmt.Fprintf(w, " %s; %d B, %d |",
				middle(slices.Sorted(slices.Values(one.times))).Round(100*time.Nanosecond), one.bytes, one.allocs)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	return nil
}
