// This file measures what features of this project cost in this process: the
// code flow with one of them on, beside the code flow without.

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// newFeatures returns the code flow with each feature, tried once. The first
// one has none.
func newFeatures() (all []*task, err error) {
	key, err := peers.NewKey("ES256")
	if err != nil {
		return nil, err
	}
	features, err := peers.Features(key)
	if err != nil {
		return nil, err
	}
	for _, f := range features {
		handler, err := f.New(peers.Issuer)
		if err != nil {
			return nil, err
		}
		n := newSession(f.Peer, peers.Issuer, newLocal(handler), nil)
		if err = n.codeFlow(); err == nil {
			err = f.Used(n.sender.body())
		}
		if err != nil {
			return nil, err
		}
		all = append(all, &task{flow: "code flow", name: f.Name, run: n.codeFlow})
	}
	return all, nil
}

// measureFeatures prints medians, and how much more each feature takes than
// none.
func measureFeatures(ctx context.Context, w io.Writer, rounds int, length time.Duration) error {
	all, err := newFeatures()
	if err != nil {
		return err
	}
	if err := takeTurns(ctx, all, rounds, length); err != nil {
		return err
	}
	fmt.Fprintf(w, "The code flow with a feature of this project, in this process: medians of %d turns of %s, and "+
		"of the\ndifferences to plain in the same round.\n\n| | time | more | bytes | more | allocations | more |\n"+
		"|---|---|---|---|---|---|---|\n", rounds, length)
	plain := all[0]
	for _, one := range all {
		var more []time.Duration
		for round, time := range one.times {
			more = append(more, time-plain.times[round])
		}
		slices.Sort(more)
		fmt.Fprintf(w, "| %s | %s | %s | %d | %d | %d | %d |\n", one.name,
			middle(slices.Sorted(slices.Values(one.times))).Round(100*time.Nanosecond),
			middle(more).Round(100*time.Nanosecond),
			one.bytes, int64(one.bytes)-int64(plain.bytes), one.allocs, int64(one.allocs)-int64(plain.allocs))
	}
	fmt.Fprintln(w)
	return nil
}
