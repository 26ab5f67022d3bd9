// This file lists the keys of a map in their order, a page at a time.

package memorymodel

import (
	"iter"
	"slices"
	"sync"
)

// order is the sorted keys of a map. They are sorted on the first listing after
// a change.
type order struct {
	mu     sync.Mutex
	sorted []string // nil: to be sorted
}

// changed must be called after a key was added. One that was removed may stay,
// as callers look up what they get.
func (o *order) changed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sorted = nil
}

// after returns the keys of m that follow key.
func (o *order) after(m *sync.Map, key string) iter.Seq[string] {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sorted == nil {
		o.sorted = []string{}
		for key := range m.Range {
			o.sorted = append(o.sorted, key.(string))
		}
		slices.Sort(o.sorted)
	}
	at, found := slices.BinarySearch(o.sorted, key)
	if found {
		at++
	}
	return slices.Values(o.sorted[at:])
}
