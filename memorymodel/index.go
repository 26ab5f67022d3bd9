// This file finds the place of a key: a hash table with open addressing, which
// keeps no keys. A built-in map would keep each key once more, and
// read more memory to find it.

package memorymodel

import (
	"encoding/binary"
	"math/rand/v2"
)

// index has the places of keys by their hash. A search goes on from where the
// hash belongs until it finds a free element.
type index struct {
	elements []element // a power of two, at most three quarters of them taken
	taken    int
}

type element struct {
	hash  uint32
	place place // 0: free
}

// factor is secret, so that nobody can look for keys with the same hash.
var factor = rand.Uint64() | 1

// hashOf needs keys that are digests.
func hashOf(k *key) uint32 { return uint32(binary.LittleEndian.Uint64(k[8:]) * factor >> 32) }

// home is where a hash belongs.
func (x *index) home(hash uint32) int { return int(hash) & (len(x.elements) - 1) }

func (x *index) next(at int) int { return (at + 1) & (len(x.elements) - 1) }

func (x *index) insert(hash uint32, p place) {
	if 4*x.taken >= 3*len(x.elements) {
		x.grow()
	}
	at := x.home(hash)
	for x.elements[at].place != 0 {
		at = x.next(at)
	}
	x.elements[at] = element{hash, p}
	x.taken++
}

func (x *index) grow() {
	old := x.elements
	x.elements, x.taken = make([]element, max(8, 2*len(old))), 0
	for _, e := range old {
		if e.place != 0 {
			x.insert(e.hash, e.place)
		}
	}
}

// remove takes p out, and closes the gap with those that a search would no
// longer find behind it.
func (x *index) remove(hash uint32, p place) {
	gap := x.home(hash)
	for x.elements[gap].place != p {
		gap = x.next(gap)
	}
	for at := x.next(gap); x.elements[at].place != 0; at = x.next(at) {
		mask := len(x.elements) - 1
		if (at-x.home(x.elements[at].hash))&mask >= (at-gap)&mask {
			x.elements[gap] = x.elements[at]
			gap = at
		}
	}
	x.elements[gap] = element{}
	x.taken--
}
