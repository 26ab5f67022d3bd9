// This file lets the peers take turns and prints the result.

package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// table has the results.
type table struct {
	turns  map[string]map[string][]turn // by peer and flow
	memory map[string]int64
	local  map[string]map[string]inProcess
	heap   map[string]int64
	stored int
	notes  []string
}

func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// measureWire lets the peers take turns at each flow. Each flow gets new
// servers, as they keep what they issue.
func (t *table) measureWire(
	ctx context.Context, o options, chosen []peers.Peer, work []flow, nodeDir string,
) error {
	t.turns, t.memory, t.stored = map[string]map[string][]turn{}, map[string]int64{}, o.stored
	for _, f := range work {
		if err := t.measureFlow(ctx, o, chosen, f, nodeDir); err != nil {
			return err
		}
	}
	return nil
}

// measureFlow restarts the first peer in each round: it has about as many turns
// in one round as another has in all, and what it keeps must not slow it down.
func (t *table) measureFlow(
	ctx context.Context, o options, chosen []peers.Peer, f flow, nodeDir string,
) error {
	var others []*loader
	for _, p := range chosen[1:] {
		l, err := t.open(ctx, o, p, nodeDir)
		if err != nil {
			return err
		}
		defer l.close()
		others = append(others, l)
	}
	for round := range o.rounds + 1 {
		if round == 1 { // the first round warms the others up
			for _, p := range chosen {
				delete(t.turns[p.Name], f.name)
			}
		}
		base, err := t.open(ctx, o, chosen[0], nodeDir)
		if err != nil {
			return err
		}
		if _, err = base.run(ctx, f, o.turn); err == nil { // to warm up
			err = t.round(ctx, f, base, others, o.turn)
		}
		base.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// open starts a peer, checks it at the gate, and connects clients.
func (t *table) open(ctx context.Context, o options, p peers.Peer, nodeDir string) (*loader, error) {
	s, err := start(ctx, p, o.stored, nodeDir)
	if err != nil {
		return nil, err
	}
	if err = gate(p, s.base); err != nil {
		err = fmt.Errorf("%s does not do the work: %w", p.Name, err)
	}
	if err == nil {
		t.memory[p.Name], err = s.memory()
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return newLoader(s, 1000)
}

// turn is the result of one turn of a peer. Machines have better and worse
// times, so it is compared with the turns of the first peer just before and
// after; the more those two differ, the less it means.
type turn struct {
	chunk
	ratio, drift float64
}

func newTurn(c, before, after chunk) turn {
	both := before.perSecond + after.perSecond
	return turn{c, 2 * c.perSecond / both, math.Abs(before.perSecond-after.perSecond) / both}
}

// steadiest returns the half of the turns in which the machine changed least,
// whatever the peer did.
func steadiest(all []turn) []turn {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b turn) int { return cmp.Compare(a.drift, b.drift) })
	return all[:(len(all)+1)/2]
}

// round gives each peer a turn at a flow: base first, then the others in random
// order, with base after each.
func (t *table) round(
	ctx context.Context, f flow, base *loader, others []*loader, length time.Duration,
) error {
	others = slices.Clone(others)
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	before, err := base.run(ctx, f, length)
	if err != nil {
		return err
	}
	t.add(base.server.peer, f, newTurn(before, before, before))
	for _, l := range others {
		c, err := l.run(ctx, f, length)
		if err != nil {
			return err
		}
		after, err := base.run(ctx, f, length)
		if err != nil {
			return err
		}
		t.add(l.server.peer, f, newTurn(c, before, after))
		t.add(base.server.peer, f, newTurn(after, before, after))
		before = after
	}
	return nil
}

func (t *table) add(p peers.Peer, f flow, one turn) {
	if t.turns[p.Name] == nil {
		t.turns[p.Name] = map[string][]turn{}
	}
	t.turns[p.Name][f.name] = append(t.turns[p.Name][f.name], one)
}

func (t *table) measureLocal(ctx context.Context, o options, chosen []peers.Peer, work []flow) error {
	testing.Init() // for the flag below
	if err := flag.Set("test.benchtime", (2 * o.turn).String()); err != nil {
		return err
	}
	t.local, t.heap = map[string]map[string]inProcess{}, map[string]int64{}
	for _, p := range chosen {
		if p.New == nil {
			continue
		}
		t.local[p.Name] = map[string]inProcess{}
		for _, f := range work {
			if err := ctx.Err(); err != nil {
				return err
			}
			m, err := measureLocal(p, f, 1000)
			if err != nil {
				return err
			}
			t.local[p.Name][f.name] = m
		}
		var err error
		if t.heap[p.Name], err = heapPerToken(p, 100_000); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) print(w io.Writer, rounds int, chosen []peers.Peer, work []flow) {
	if t.turns != nil {
		where := "server and client on a processor each"
		if os.Getenv(moved) == "" {
			where = "SERVER AND CLIENT SHARE THE PROCESSORS, as there is no taskset, or one " +
				"processor alone"
		}
		fmt.Fprintf(w, "Over HTTP, %d connections, %s, %d tokens stored: ratio to what %s did "+
			"just before and\n", connections, where, t.stored, chosen[0].Name)
		fmt.Fprintf(w, "after (median, middle half, least and most); medians of requests or "+
			"flows per second, of p99, and of the server's processor time for\neach. Of %d "+
			"rounds, the half in which %s was steadiest.\n\n", rounds, chosen[0].Name)
		for _, f := range work {
			fmt.Fprintf(w, "| %s | ratio | half of them | all | per second | p99 | processor "+
				"|\n|---|---|---|---|---|---|---|\n", f.name)
			for _, p := range chosen {
				mine := steadiest(t.turns[p.Name][f.name])
				ratio := sorted(mine, func(o turn) float64 { return o.ratio })
				fmt.Fprintf(w, "| %s | %.2f | %.2f to %.2f | %.2f to %.2f | %.0f | %s | %s |\n", p.Name,
					middle(ratio), quantile(ratio, 0.25), quantile(ratio, 0.75), ratio[0],
					ratio[len(ratio)-1],
					middle(sorted(mine, func(o turn) float64 { return o.perSecond })),
					middle(sorted(mine, func(o turn) time.Duration { return o.p99 })).Round(
						10*time.Microsecond),
					middle(sorted(mine, func(o turn) time.Duration { return o.cpu })).Round(
						100*time.Nanosecond))
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "| resident memory with %d tokens | MB |\n|---|---|\n", t.stored)
		for _, p := range chosen {
			fmt.Fprintf(w, "| %s | %d |\n", p.Name, t.memory[p.Name]>>20)
		}
		fmt.Fprintln(w)
	}
	if t.local != nil {
		fmt.Fprintf(w, "In this process, the handlers alone: time, bytes and allocations of "+
			"each; bytes of the heap for each stored access token.\n\n| |")
		for _, f := range work {
			fmt.Fprintf(w, " %s |", f.name)
		}
		fmt.Fprintf(w, " heap |\n|---|")
		for range work {
			fmt.Fprint(w, "---|")
		}
		fmt.Fprint(w, "---|\n")
		for _, p := range chosen {
			if p.New == nil {
				continue
			}
			fmt.Fprintf(w, "| %s |", p.Name)
			for _, f := range work {
				m := t.local[p.Name][f.name]
				fmt.Fprintf(w, " %s; %d B, %d |",
					time.Duration(m.nanoseconds).Round(10*time.Nanosecond), m.bytes, m.allocs)
			}
			fmt.Fprintf(w, " %d B |\n", t.heap[p.Name])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "What is not equal:")
	for _, p := range chosen {
		for _, text := range p.Unequal {
			fmt.Fprintf(w, "- %s: %s.\n", p.Name, text)
		}
	}
	for _, text := range t.notes {
		fmt.Fprintf(w, "- %s\n", text)
	}
}

func sorted[N float64 | time.Duration](all []turn, of func(turn) N) []N {
	values := make([]N, 0, len(all))
	for _, one := range all {
		values = append(values, of(one))
	}
	slices.Sort(values)
	return values
}

// quantile returns the q-quantile: the least for 0, the most for 1,
// interpolated between two values.
func quantile[N float64 | time.Duration](sorted []N, q float64) N {
	whole, part := math.Modf(q * float64(len(sorted)-1))
	low, high := sorted[int(whole)], sorted[min(int(whole)+1, len(sorted)-1)]
	return low + N(part*float64(high-low))
}

func middle[N float64 | time.Duration](sorted []N) N { return quantile(sorted, 0.5) }
