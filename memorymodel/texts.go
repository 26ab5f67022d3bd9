// This file keeps texts: the records of all tables.

package memorymodel

import "sync"

// texts keeps texts, each in a chain of cells. It is safe for concurrent use,
// also by those who hold the lock of a table's shard.
type texts struct{ parts [shards]cells }

// cells is a part of texts, with its own lock.
type cells struct {
	mu sync.RWMutex
	slab[cell]
}

type cell struct {
	next    place // 0: this is the last one
	holders uint8 // how often the text must be dropped; in its first cell
	part    [43]byte
}

// text is where a text is kept.
type text struct {
	first uint32 // the place of the first cell, times shards, plus the part that has it
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
	first := c.take()
	if first >= 1<<32/shards {
		panic("memorymodel: more than 100 GB are stored")
	}
	size := len(data)
	for at := c.at(first); ; at = c.at(at.next) {
		data = data[copy(at.part[:], data):]
		if len(data) == 0 {
			break
		}
		at.next = c.take()
	}
	c.at(first).holders = holders
	return text{uint32(first)*shards + uint32(part), uint32(size)}
}

// find returns the part and the place of a text.
func (t *texts) find(kept text) (*cells, place) {
	return &t.parts[kept.first%shards], place(kept.first / shards)
}

func (t *texts) get(kept text) string {
	var buffer [enough]byte
	return string(t.appendTo(buffer[:0], kept))
}

// appendTo is [texts.get] for a caller that keeps no string.
func (t *texts) appendTo(data []byte, kept text) []byte {
	c, p := t.find(kept)
	c.mu.RLock()
	defer c.mu.RUnlock()
	for rest := int(kept.size); rest > 0; {
		at := c.at(p)
		data = append(data, at.part[:min(rest, len(at.part))]...)
		p, rest = at.next, rest-len(at.part)
	}
	return data
}

// drop takes one holder from a text. With the last one, its cells are free.
func (t *texts) drop(kept text) {
	c, p := t.find(kept)
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.at(p); first.holders > 1 {
		first.holders--
		return
	}
	for p != 0 {
		next := c.at(p).next
		c.give(p)
		p = next
	}
}
