// This file keeps values in blocks, without a pointer to each of them: so the
// garbage collector has little to mark, however much is stored.

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
