// This file stores records by their digest and drops them after they expire.

package memorymodel

import (
	"iter"
	"sync"
	"time"
)

const (
	// period is the width of a bucket: how long an entry may stay after its
	// expiry.
	period = 10 * time.Minute

	// dropsPerSave and periodsPerSave bound the sweep that each save does: it
	// drops more than the save adds, so that it keeps up. Empty periods cost
	// little, and with few saves there are many of them.
	dropsPerSave   = 4
	periodsPerSave = 1024

	// shards is how many parts a table has, each with its own lock, so that
	// processors rarely contend for one.
	shards = 64
)

// record is something that expires, in milliseconds since 1970; 0: never. It
// must not change once it is in a table. Only a grant does, under the lock of
// its shard.
type record interface{ expires() int64 }

// table is a map whose entries expire.
type table[T record] struct{ parts [shards]shard[T] }

// shard is a part of a table. Its keys are in buckets by the period of their
// expiry, and each put looks into the buckets that are due. So nothing is
// searched or sorted, and no goroutine is needed.
type shard[T record] struct {
	mu      sync.RWMutex
	entries map[key]T
	due     map[int64]*bucket // by period
	swept   int64             // earlier periods are swept
}

// bucket has keys whose records expire in the same period, and the bucket that
// was full before it. A slice would be copied again and again as it grows.
type bucket struct {
	before *bucket
	many   int
	keys   [31]key // with the rest 1008 bytes, so that 1024 are allocated
}

// of returns the shard of k. Keys are digests, so they spread evenly.
func (t *table[T]) of(k key) *shard[T] { return &t.parts[k[0]%shards] }

// get returns the record of k. It is shared and must not be changed.
func (t *table[T]) get(k key) (T, bool) {
	s := t.of(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.entries[k]
	return found, ok
}

func (t *table[T]) put(k key, value T, now time.Time) {
	s := t.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(k, value, now)
}

// remove is the single-use gate: of concurrent callers, one gets true.
func (t *table[T]) remove(k key) bool {
	s := t.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.entries[k]
	delete(s.entries, k)
	return ok
}

// all returns all records, one shard at a time. Records that are added or
// removed meanwhile may be missing or not.
func (t *table[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range t.parts {
			if !t.parts[i].yield(yield) {
				return
			}
		}
	}
}

func (s *shard[T]) yield(yield func(T) bool) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, value := range s.entries {
		if !yield(value) {
			return false
		}
	}
	return true
}

func periodOf(ms int64) int64 { return ms / period.Milliseconds() }

// put stores value until it expires, and drops some of what expired before now.
// The caller holds the lock.
func (s *shard[T]) put(k key, value T, now time.Time) {
	if s.entries == nil {
		s.entries, s.due = make(map[key]T), make(map[int64]*bucket)
	}
	s.sweep(periodOf(now.UnixMilli()))
	s.entries[k] = value
	if at := value.expires(); at != 0 {
		s.mark(s.bucketOf(at), k)
	}
}

// mark puts a key into the bucket of a period.
func (s *shard[T]) mark(period int64, k key) {
	b := s.due[period]
	if b == nil || b.many == len(b.keys) {
		b = &bucket{before: b}
		s.due[period] = b
	}
	b.keys[b.many] = k
	b.many++
}

// bucketOf returns the bucket for an expiry, never one that is swept already:
// nothing would look there again.
func (s *shard[T]) bucketOf(expires int64) int64 { return max(periodOf(expires), s.swept) }

func (s *shard[T]) sweep(current int64) {
	if len(s.due) == 0 {
		s.swept = current
	}
	for drops, periods := 0, 0; drops < dropsPerSave && periods < periodsPerSave && s.swept < current; {
		b := s.due[s.swept]
		if b != nil && b.many == 0 {
			b = b.before
			s.due[s.swept] = b
		}
		if b == nil {
			delete(s.due, s.swept)
			s.swept++
			periods++
			continue
		}
		b.many--
		last := b.keys[b.many]
		// Unless it was saved again since, for longer.
		if e, ok := s.entries[last]; ok && e.expires() != 0 && s.bucketOf(e.expires()) <= s.swept {
			delete(s.entries, last)
		}
		drops++
	}
}
