// This file keeps texts: the records of all tables.

package memorymodel

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

const (
	// unit is of what the length of a piece is a multiple, in bytes.
	unit = 8

	// mostUnits is the longest piece. A longer text has a block of its own.
	mostUnits = 64

	// blockUnits is how long a block is that has many pieces.
	blockUnits = 512
)

// texts keeps texts, each in a piece of memory. Pieces are cut from blocks and
// used again, but never joined. It is safe for concurrent use, also by those
// who hold the lock of a table's shard.
type texts struct{ parts [shards]pieces }

// pieces is a part of texts, with its own lock. A place counts units.
type pieces struct {
	mu     sync.RWMutex
	blocks [][]byte
	gone   []place // of the blocks of long texts that were dropped

	// The newest block is free from next to end.
	next, end place

	// free has the first free piece of each length in units. Its first bytes
	// are the place of the next one. The bit n-1 of lengths: there is one of n.
	free    [mostUnits + 1]place
	lengths uint64
}

// text is where a text is kept. Before it is a byte for how often it must be
// dropped.
type text struct {
	first uint32 // its place, times shards, plus the part that has it
	size  uint32
}

// release implements [record]: a token and a code are one text.
func (t text) release(from *texts) { from.drop(t) }

// put copies data into the part of k, for so many holders.
func (t *texts) put(k *key, data []byte, holders uint8) text {
	part := partOf(k)
	c := &t.parts[part]
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.take(1 + len(data))
	piece := c.at(p, 1+len(data))
	piece[0] = holders
	copy(piece[1:], data)
	return text{uint32(p)*shards + uint32(part), uint32(len(data))}
}

// find returns the part and the place of a text.
func (t *texts) find(kept text) (*pieces, place) {
	return &t.parts[kept.first%shards], place(kept.first / shards)
}

func (t *texts) get(kept text) string {
	c, p := t.find(kept)
	c.mu.RLock()
	defer c.mu.RUnlock()
	return string(c.at(p, 1+int(kept.size))[1:])
}

// appendTo is [texts.get] for a caller that keeps no string.
func (t *texts) appendTo(data []byte, kept text) []byte {
	c, p := t.find(kept)
	c.mu.RLock()
	defer c.mu.RUnlock()
	return append(data, c.at(p, 1+int(kept.size))[1:]...)
}

// drop takes one holder from a text. With the last one, its memory is free.
func (t *texts) drop(kept text) {
	c, p := t.find(kept)
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 1 + int(kept.size)
	if holders := &c.at(p, 1)[0]; *holders > 1 {
		*holders--
		return
	}
	c.give(p, size)
}

func (c *pieces) at(p place, size int) []byte {
	return c.blocks[p/blockUnits][p%blockUnits*unit:][:size]
}

func unitsFor(size int) int { return (size + unit - 1) / unit }

// take returns the place of a piece of size bytes.
func (c *pieces) take(size int) place {
	n := unitsFor(size)
	if n > mostUnits {
		return c.add(make([]byte, size))
	}
	if fit := c.lengths >> (n - 1); fit != 0 { // cut it from the shortest that is long enough
		most := n + bits.TrailingZeros64(fit)
		p := c.free[most]
		if c.free[most] = place(binary.LittleEndian.Uint32(c.at(p, unit))); c.free[most] == 0 {
			c.lengths &^= 1 << (most - 1)
		}
		c.keep(p+place(n), most-n)
		return p
	}
	if int(c.end-c.next) < n {
		c.keep(c.next, int(c.end-c.next))
		c.next = c.add(make([]byte, blockUnits*unit))
		c.end = c.next + blockUnits
	}
	p := c.next
	c.next += place(n)
	return p
}

// give takes a piece of size bytes back.
func (c *pieces) give(p place, size int) {
	if n := unitsFor(size); n <= mostUnits {
		c.keep(p, n)
	} else {
		c.blocks[p/blockUnits] = nil
		c.gone = append(c.gone, p)
	}
}

// keep keeps a free piece of n units.
func (c *pieces) keep(p place, n int) {
	if n == 0 {
		return
	}
	piece := c.at(p, n*unit)
	clear(piece)
	binary.LittleEndian.PutUint32(piece, uint32(c.free[n]))
	c.free[n] = p
	c.lengths |= 1 << (n - 1)
}

// add returns the place of a new block.
func (c *pieces) add(block []byte) place {
	if last := len(c.gone) - 1; last >= 0 {
		p := c.gone[last]
		c.gone = c.gone[:last]
		c.blocks[p/blockUnits] = block
		return p
	}
	if len(c.blocks) == 0 {
		c.blocks = append(c.blocks, nil) // 0 is no place
	}
	if len(c.blocks) >= 1<<32/shards/blockUnits {
		panic("memorymodel: more than 34 GB are stored")
	}
	c.blocks = append(c.blocks, block)
	return place(len(c.blocks)-1) * blockUnits
}
