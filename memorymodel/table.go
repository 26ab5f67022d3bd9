// This file stores records by their digest and drops them after they expire.

package memorymodel

import (
	"math"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

const (
	// width is that of a period. What expires in a period is dropped after its
	// end, by a save that sweeps the shard.
	width = 10 * time.Minute

	// One of a few saves sweeps. It drops more than they add, so that it keeps
	// up. Empty periods cost little, and with few saves there are many of them.
	savesPerSweep   = 4
	dropsPerSweep   = 4 * savesPerSweep
	periodsPerSweep = 1024 * savesPerSweep

	// shards is how many parts a table has, each with its own lock, so that
	// processors rarely contend for one.
	shards = 32
)

// record is what a table stores: where its texts are.
type record interface{ release(*texts) }

// table is a map whose entries expire.
type table[T record] struct{ parts [shards]shard[T] }

// shard is a part of a table. Each entry is in the list of the period in which
// it expires, and one of a few saves looks into the lists that are due. So
// nothing is searched or sorted, and no goroutine is needed.
type shard[T record] struct {
	mu       sync.RWMutex
	index    index
	slots    slab[slot[T]]
	texts    *texts             // of the records; nil until there is one
	attached map[place]attached // of the few slots that have something attached
	swept    period             // those before are swept
	saves    int                // since the last sweep

	// due has the first place of each list, except for the list that was used
	// last: that is for the period last and begins at first, as the next save
	// usually needs it.
	due   map[period]place
	last  period
	first place
}

// slot is an entry of a table. It changes only under the lock of its shard.
type slot[T record] struct {
	key           key
	before, after place // in the list of its period
	expires       period
	record        T
}

// attached is what is not kept as text. It is never changed.
type attached struct {
	extra   map[string]any // canonical
	details *oauth2server.Details
}

// of returns the shard of k. Keys are digests, so they spread evenly.
func (t *table[T]) of(k key) *shard[T] { return &t.parts[partOf(&k)] }

func partOf(k *key) int { return int(k[0] % shards) }

// remove is the single-use gate: of concurrent callers, one gets true.
func (t *table[T]) remove(k key) bool {
	s := t.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(&k)
	if p != 0 {
		s.drop(p)
	}
	return p != 0
}

// all calls visit for all records, one shard at a time, with its lock held.
// Records that are added or removed meanwhile may be missing or not.
func (t *table[T]) all(visit func(*shard[T], *T)) {
	for i := range t.parts {
		t.parts[i].all(visit)
	}
}

func (s *shard[T]) all(visit func(*shard[T], *T)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.index.elements {
		if e.place != 0 {
			visit(s, &s.slots.at(e.place).record)
		}
	}
}

// find returns the place of k, or 0. The caller holds the lock.
func (s *shard[T]) find(k *key) place {
	if s.index.taken == 0 {
		return 0
	}
	hash := hashOf(k)
	for at := s.index.home(hash); ; at = s.index.next(at) {
		e := s.index.elements[at]
		if e.place == 0 || e.hash == hash && s.slots.at(e.place).key == *k {
			return e.place
		}
	}
}

// add makes a record for k, instead of an earlier one. Its texts are in all.
// The caller holds the lock, and has swept.
func (s *shard[T]) add(all *texts, k *key, expires period) place {
	if s.due == nil {
		s.texts, s.due, s.swept = all, make(map[period]place), periodOf(time.Now().UnixMilli())
	}
	if old := s.find(k); old != 0 {
		s.drop(old)
	}
	p := s.slots.take()
	s.index.insert(hashOf(k), p)
	e := s.slots.at(p)
	e.key, e.expires = *k, expires
	s.link(p, e)
	return p
}

// drop removes a record. The caller holds the lock.
func (s *shard[T]) drop(p place) {
	e := s.slots.at(p)
	s.unlink(p, e)
	s.index.remove(hashOf(&e.key), p)
	delete(s.attached, p)
	e.record.release(s.texts)
	s.slots.give(p)
}

// prolong changes when a record expires. The caller holds the lock.
func (s *shard[T]) prolong(p place, expires period) {
	e := s.slots.at(p)
	if expires != e.expires {
		s.unlink(p, e)
		e.expires = expires
		s.link(p, e)
	}
}

// period is a stretch of time, counted from 1970. 0 is never.
type period int32

// periodOf returns the period that ms is in, in milliseconds since 1970; 0,
// which means never, for 0.
func periodOf(ms int64) period {
	if ms == 0 {
		return 0
	}
	return period(min(max(ms/width.Milliseconds(), 1), math.MaxInt32))
}

// list returns where the list of a period begins. A period that is swept
// already shares the list that is swept next, as no earlier one is looked at
// again.
func (s *shard[T]) list(expires period) *place {
	if p := max(expires, s.swept); p != s.last {
		if s.first != 0 {
			s.due[s.last] = s.first
		}
		s.last, s.first = p, s.due[p]
		delete(s.due, p)
	}
	return &s.first
}

// link puts a record into the list of its period.
func (s *shard[T]) link(p place, e *slot[T]) {
	if e.expires == 0 {
		return
	}
	first := s.list(e.expires)
	e.before, e.after = 0, *first
	if e.after != 0 {
		s.slots.at(e.after).before = p
	}
	*first = p
}

func (s *shard[T]) unlink(p place, e *slot[T]) {
	if e.expires == 0 {
		return
	}
	if e.after != 0 {
		s.slots.at(e.after).before = e.before
	}
	if e.before != 0 {
		s.slots.at(e.before).after = e.after
	} else {
		*s.list(e.expires) = e.after
	}
}

// sweep drops some of what has expired. The caller holds the lock, and saves
// something.
func (s *shard[T]) sweep() {
	if s.saves++; s.saves < savesPerSweep {
		return
	}
	s.saves = 0
	current := periodOf(time.Now().UnixMilli())
	if len(s.due) == 0 && s.first == 0 {
		s.swept = current
	}
	for drops, periods := 0, 0; drops < dropsPerSweep && periods < periodsPerSweep && s.swept < current; {
		if p := *s.list(s.swept); p != 0 {
			s.drop(p)
			drops++
		} else {
			s.swept++
			periods++
		}
	}
}
