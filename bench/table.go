package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// table is what was measured.
type table struct {
	chunks map[string]map[string][]chunk // by peer and flow, a chunk for each round
	memory map[string]int64
	local  map[string]map[string]inProcess
	heap   map[string]int64
	stored int
	notes  []string
}

func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// measureWire lets the peers take turns at each flow, in another order each round.
func (t *table) measureWire(o options, chosen []peers.Peer, work []flow, nodeDir string) error {
	t.chunks, t.memory, t.stored = map[string]map[string][]chunk{}, map[string]int64{}, o.stored
	var loaders []*loader
	for _, p := range chosen {
		s, err := start(p, o.stored, nodeDir)
		if err != nil {
			return err
		}
		defer s.stop()
		if err := gate(p, s.base); err != nil {
			return fmt.Errorf("%s does not do the work: %w", p.Name, err)
		}
		if t.memory[p.Name], err = s.memory(); err != nil {
			return err
		}
		l, err := newLoader(s, 1000)
		if err != nil {
			return err
		}
		t.chunks[p.Name] = map[string][]chunk{}
		loaders = append(loaders, l)
	}
	for round := range o.rounds + 1 { // the first one is to warm up
		for _, f := range work {
			for i := range loaders {
				l := loaders[(i+round)%len(loaders)]
				c, err := l.run(f, o.turn)
				if err != nil {
					return err
				}
				if round > 0 {
					t.chunks[l.server.peer.Name][f.name] = append(t.chunks[l.server.peer.Name][f.name], c)
				}
			}
		}
	}
	return nil
}

func (t *table) measureLocal(chosen []peers.Peer, work []flow) error {
	t.local, t.heap = map[string]map[string]inProcess{}, map[string]int64{}
	for _, p := range chosen {
		if p.New == nil {
			continue
		}
		t.local[p.Name] = map[string]inProcess{}
		for _, f := range work {
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

func (t *table) print(w io.Writer, chosen []peers.Peer, work []flow) {
	base := chosen[0].Name
	if t.chunks != nil {
		fmt.Fprintf(w, "Over HTTP, %d connections, server and client on a processor each, %d tokens stored: ratio to %s in the same round\n", connections, t.stored, base)
		fmt.Fprintf(w, "(median, least and most), requests or flows per second (median), p99, processor time of the server for each.\n\n")
		for _, f := range work {
			fmt.Fprintf(w, "| %s | ratio | least to most | per second | p99 | processor |\n|---|---|---|---|---|---|\n", f.name)
			for _, p := range chosen {
				mine, floor := t.chunks[p.Name][f.name], t.chunks[base][f.name]
				var ratios []float64
				for i := range mine {
					ratios = append(ratios, mine[i].perSecond/floor[i].perSecond)
				}
				slices.Sort(ratios)
				fmt.Fprintf(w, "| %s | %.2f | %.2f to %.2f | %.0f | %s | %s |\n", p.Name, middle(ratios), ratios[0], ratios[len(ratios)-1],
					median(mine, func(c chunk) float64 { return c.perSecond }),
					time.Duration(median(mine, func(c chunk) time.Duration { return c.p99 })).Round(10*time.Microsecond),
					time.Duration(median(mine, func(c chunk) time.Duration { return c.cpu })).Round(100*time.Nanosecond))
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
		fmt.Fprintf(w, "In this process, the handlers alone: time, bytes and allocations of each; bytes of the heap for each stored access token.\n\n| |")
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
				fmt.Fprintf(w, " %s; %d B, %d |", time.Duration(m.nanoseconds).Round(10*time.Nanosecond), m.bytes, m.allocs)
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

func median[T any, N float64 | time.Duration](all []T, of func(T) N) N {
	var values []N
	for _, one := range all {
		values = append(values, of(one))
	}
	slices.Sort(values)
	return middle(values)
}

func middle[N float64 | time.Duration](sorted []N) N {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}
