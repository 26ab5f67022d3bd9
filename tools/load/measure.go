// This file lets a flow and its bare commands take turns, and times them.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"runtime/pprof"
	"slices"
	"sync"
	"time"
)

// times counts durations in buckets that are at most a sixteenth wide.
type times struct {
	buckets [61 * 16]int
	many    int
}

func (t *times) add(d time.Duration) {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-5, 0)
	t.buckets[shift*16+int(v>>shift)]++
	t.many++
}

func (t *times) merge(other *times) {
	for i, n := range other.buckets {
		t.buckets[i] += n
	}
	t.many += other.many
}

// percentile returns the middle of the bucket that p percent are in or below.
func (t *times) percentile(p int) time.Duration {
	before := 0
	for i, n := range t.buckets {
		if before += n; n > 0 && before*100 >= t.many*p {
			if i < 32 {
				return time.Duration(i)
			}
			shift := i/16 - 1
			return time.Duration((i%16+16)<<shift + 1<<shift/2)
		}
	}
	return 0
}

// side is a flow or its bare commands: what each client repeats.
type side struct {
	name    string
	clients []func(context.Context) error

	times times
	spent time.Duration
	errs  int
	first error
}

// turn runs a side for length, and at most that many times. It returns how many
// runs succeeded per second.
func (s *side) turn(ctx context.Context, length time.Duration, most int) float64 {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		many  int
		begin = time.Now()
		share = (most + len(s.clients) - 1) / len(s.clients)
	)
	for _, run := range s.clients {
		group.Go(func() {
			defer pprof.SetGoroutineLabels(ctx)
			pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("side", s.name)))
			var own times
			var errs int
			var first error
			for last := begin; own.many+errs < share && ctx.Err() == nil && last.Sub(begin) < length; {
				err := run(ctx)
				now := time.Now()
				if err == nil {
					own.add(now.Sub(last))
				} else if errs++; first == nil {
					first = err
				}
				last = now
			}
			mu.Lock()
			defer mu.Unlock()
			s.times.merge(&own)
			s.errs += errs
			many += own.many
			if s.first == nil {
				s.first = first
			}
		})
	}
	group.Wait()
	spent := time.Since(begin)
	s.spent += spent
	return float64(many) / spent.Seconds()
}

func (s *side) perSecond() float64 { return float64(s.times.many) / s.spent.Seconds() }

// bounds end a measurement after a time or a number of runs, whichever comes
// first.
type bounds struct {
	length, turn time.Duration
	most         int
}

// result is a line of the table.
type result struct {
	storage, flow string
	commands      int // round trips
	ratios        []float64
	whole, bare   side

	// settle is called after the first turns: a database that planned its
	// statements while tables were empty plans them anew. nil: nothing to do.
	settle func(context.Context) error
}

// ratio returns the median of the turns, and the bounds of the middle half.
func (r *result) ratio() (low, median, high float64) {
	if len(r.ratios) == 0 {
		return 0, 0, 0
	}
	sorted := slices.Sorted(slices.Values(r.ratios))
	return sorted[len(sorted)/4], sorted[len(sorted)/2], sorted[len(sorted)*3/4]
}

// measure lets both sides take turns. Which side begins changes each time, as the
// second may find more in caches.
func (r *result) measure(ctx context.Context, b bounds, progress io.Writer) error {
	sides := []*side{&r.whole}
	if len(r.bare.clients) > 0 {
		sides = append(sides, &r.bare)
	}
	for _, s := range sides { // prepares statements, and fills caches
		s.turn(ctx, b.turn, b.most)
		if s.first != nil && s.times.many == 0 {
			return fmt.Errorf("%s, %s, %s: %w", r.storage, r.flow, s.name, s.first)
		}
		*s = side{name: s.name, clients: s.clients}
	}
	if r.settle != nil {
		if err := r.settle(ctx); err != nil {
			return fmt.Errorf("%s, %s: %w", r.storage, r.flow, err)
		}
	}
	for round := 0; r.whole.spent < b.length && r.whole.times.many+r.whole.errs < b.most && ctx.Err() == nil; round++ {
		if len(sides) == 1 {
			sides[0].turn(ctx, b.turn, b.most)
		} else {
			var rate [2]float64
			for i := range sides {
				i = (i + round) % 2
				rate[i] = sides[i].turn(ctx, b.turn, b.most-sides[i].times.many-sides[i].errs)
			}
			r.ratios = append(r.ratios, rate[0]/rate[1])
		}
		beside := ""
		if len(r.ratios) > 0 {
			_, median, _ := r.ratio()
			beside = fmt.Sprintf(", bare commands %.0f/s, ratio %.2f", r.bare.perSecond(), median)
		}
		fmt.Fprintf(progress, "%s, %s, %v of %v: %.0f/s%s, p99 %s, %d errors\n", r.storage, r.flow,
			r.whole.spent.Round(time.Second/10), b.length, r.whole.perSecond(), beside,
			short(r.whole.times.percentile(99)), r.whole.errs+r.bare.errs)
	}
	return errors.Join(ctx.Err())
}

// heading is that of the table.
const heading = `| storage | flow | round trips | ratio to the bare commands | flows/s | p50 | p99 | bare/s | bare p99 | errors |
|---|---|---|---|---|---|---|---|---|---|
`

func (r *result) print(out io.Writer) {
	ratio, bare, bare99 := "–", "–", "–"
	if len(r.ratios) > 0 {
		low, median, high := r.ratio()
		ratio = fmt.Sprintf("%.2f (%.2f–%.2f)", median, low, high)
		bare, bare99 = fmt.Sprintf("%.0f", r.bare.perSecond()), short(r.bare.times.percentile(99))
	}
	fmt.Fprintf(out, "| %s | %s | %d | %s | %.0f | %s | %s | %s | %s | %d |\n", r.storage, r.flow, r.commands, ratio,
		r.whole.perSecond(), short(r.whole.times.percentile(50)), short(r.whole.times.percentile(99)), bare, bare99,
		r.whole.errs+r.bare.errs)
	for _, s := range []*side{&r.whole, &r.bare} {
		if s.first != nil {
			fmt.Fprintf(out, "\nThe first error of %s, %s, %s: %v\n\n", r.storage, r.flow, s.name, s.first)
		}
	}
}

// short is a duration with two or three digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
