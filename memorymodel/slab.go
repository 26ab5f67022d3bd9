// This file keeps values and texts in blocks, without a pointer to each of
// them: so the garbage collector has little to mark, however much is stored.

package memorymodel

// place is where a slab keeps a value. 0 is no place.
type place uint32

// inBlock is how many values a block has: few, as there are many slabs.
const inBlock = 32

// slab is values in places. A value never moves. Places are used again, so
// memory that was once needed is kept.
type slab[T any] struct {
	blocks []*[inBlock]T
	used   place
	free   []place
}

func (s *slab[T]) at(p place) *T { return &s.blocks[(p-1)/inBlock][(p-1)%inBlock] }

// take returns the place of a new zero value.
func (s *slab[T]) take() place {
	if last := len(s.free) - 1; last >= 0 {
		p := s.free[last]
		s.free = s.free[:last]
		return p
	}
	if int(s.used) == len(s.blocks)*inBlock {
		s.blocks = append(s.blocks, new([inBlock]T))
	}
	s.used++
	return s.used
}

// give takes a place back.
func (s *slab[T]) give(p place) {
	var zero T
	*s.at(p) = zero
	s.free = append(s.free, p)
}

// texts keeps texts, each in a chain of cells.
type texts struct{ cells slab[cell] }

type cell struct {
	next place // 0: this is the last one
	part [44]byte
}

// text is where a text is kept.
type text struct {
	first place
	size  uint32
}

// release implements [record]: a token and a code are one text.
func (t text) release(from *texts) { from.drop(t) }

// put copies data.
func (t *texts) put(data []byte) text {
	kept := text{size: uint32(len(data))}
	for next := &kept.first; len(data) > 0; {
		*next = t.cells.take()
		c := t.cells.at(*next)
		data = data[copy(c.part[:], data):]
		next = &c.next
	}
	return kept
}

func (t *texts) get(from text) string {
	var buffer [enough]byte
	return string(t.appendTo(buffer[:0], from))
}

// appendTo is [texts.get] for a caller that keeps no string.
func (t *texts) appendTo(data []byte, from text) []byte {
	for p, rest := from.first, int(from.size); p != 0; {
		c := t.cells.at(p)
		data = append(data, c.part[:min(rest, len(c.part))]...)
		p, rest = c.next, rest-len(c.part)
	}
	return data
}

func (t *texts) drop(from text) {
	for p := from.first; p != 0; {
		next := t.cells.at(p).next
		t.cells.give(p)
		p = next
	}
}
