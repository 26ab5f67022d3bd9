// This file keeps texts: the records of all tables.

package memorymodel

import (
	"math/bits"
	"sync"
)

// A text has a piece of a block. The pieces of a block have one length. When the
// last text has left a block, the block goes, so its memory can be used for
// texts of any length. A text that is too long for a piece has a block of its
// own.
const (
	unit     = 8  // the length of a piece is a multiple of it, in bytes
	longest  = 64 // piece, in units
	perBlock = 16
	allFree  = 1<<perBlock - 1
)

// texts keeps texts. It is safe for concurrent use, also by those who hold the
// lock of a table's shard.
type texts struct{ parts [shards]pieces }

// pieces is a part of texts, with its own lock. The place of a piece is its
// block, times perBlock, plus its index there.
type pieces struct {
	mu     sync.RWMutex
	blocks slab[block]
	open   [longest + 1]place // by length: the first block that has a free piece, or 0
}

type block struct {
	data          []byte
	before, after place  // in the list of its length, while it has a free piece
	free          uint16 // a bit for each piece
}

// text is where a text is kept. A byte before it tells how often it must be
// dropped.
type text struct {
	first uint32 // its place, times shards, plus the part that has it
	size  uint32
}

// release implements [record]: a token and a code are one text.
func (t text) release(from *texts) { from.drop(t) }

// put copies data into the part of k, for so many holders.
func (t *texts) put(k *key, data []byte, holders uint8) text {
	part, size := partOf(k), 1+len(data)
	c := &t.parts[part]
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.take(size)
	piece := c.at(p, size)
	piece[0] = holders
	copy(piece[1:], data)
	return text{uint32(p)*shards + uint32(part), uint32(len(data))}
}

// find returns the part and the place of a text, and how long its piece is.
func (t *texts) find(kept text) (c *pieces, p place, size int) {
	return &t.parts[kept.first%shards], place(kept.first / shards), 1 + int(kept.size)
}

func (t *texts) get(kept text) string {
	c, p, size := t.find(kept)
	c.mu.RLock()
	defer c.mu.RUnlock()
	return string(c.at(p, size)[1:])
}

// appendTo is [texts.get] for a caller that keeps no string.
func (t *texts) appendTo(data []byte, kept text) []byte {
	c, p, size := t.find(kept)
	c.mu.RLock()
	defer c.mu.RUnlock()
	return append(data, c.at(p, size)[1:]...)
}

// drop takes one holder from a text. With the last one, its piece is free.
func (t *texts) drop(kept text) {
	c, p, size := t.find(kept)
	c.mu.Lock()
	defer c.mu.Unlock()
	if holders := &c.at(p, size)[0]; *holders > 1 {
		*holders--
		return
	}
	c.give(p, size)
}

func unitsOf(size int) int { return (size + unit - 1) / unit }

// at returns a piece of size bytes.
func (c *pieces) at(p place, size int) []byte {
	return c.blocks.at(p / perBlock).data[int(p%perBlock)*unitsOf(size)*unit:][:size]
}

// take returns the place of a free piece of size bytes.
func (c *pieces) take(size int) place {
	n := unitsOf(size)
	if n > longest {
		return c.add(size) * perBlock
	}
	if c.open[n] == 0 {
		c.link(c.add(perBlock*n*unit), n)
	}
	at := c.open[n]
	b := c.blocks.at(at)
	index := bits.TrailingZeros16(b.free)
	if b.free &= b.free - 1; b.free == 0 {
		c.unlink(at, n)
	}
	return at*perBlock + place(index)
}

// give takes a piece of size bytes back. A block without others goes, unless it
// is the only one of its length that is open.
func (c *pieces) give(p place, size int) {
	n, at := unitsOf(size), p/perBlock
	if n > longest {
		c.blocks.give(at)
		return
	}
	clear(c.at(p, size))
	b := c.blocks.at(at)
	if b.free == 0 {
		c.link(at, n)
	}
	if b.free |= 1 << (p % perBlock); b.free == allFree && (b.before != 0 || b.after != 0) {
		c.unlink(at, n)
		c.blocks.give(at)
	}
}

// link puts a block first into the list of those of n units that are open.
func (c *pieces) link(at place, n int) {
	b := c.blocks.at(at)
	b.before, b.after = 0, c.open[n]
	if b.after != 0 {
		c.blocks.at(b.after).before = at
	}
	c.open[n] = at
}

func (c *pieces) unlink(at place, n int) {
	b := c.blocks.at(at)
	if b.after != 0 {
		c.blocks.at(b.after).before = b.before
	}
	if b.before != 0 {
		c.blocks.at(b.before).after = b.after
	} else {
		c.open[n] = b.after
	}
}

// add makes a block of size bytes.
func (c *pieces) add(size int) place {
	at := c.blocks.take()
	if at >= 1<<32/shards/perBlock {
		panic("memorymodel: a part has more than 8 million blocks")
	}
	*c.blocks.at(at) = block{data: make([]byte, size), free: allFree}
	return at
}
