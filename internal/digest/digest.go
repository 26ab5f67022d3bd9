// Package digest makes SHA-256 digests of strings without copying them to the
// heap, which [sha256.Sum256] does: its argument may end up anywhere, to the
// compiler.
package digest

import (
	"crypto/sha256"
	"hash"
	"sync"
)

// most is how long a string may be for that. Tokens, codes, secrets and
// verifiers are shorter.
const most = 128

// blank is as much as a hash keeps of its input: less than a block.
var blank [sha256.BlockSize - 1]byte

// hasher is a hash, and where its input and output are meanwhile.
type hasher struct {
	hash.Hash
	in  [most]byte
	sum [sha256.Size]byte
}

var hashers = sync.Pool{New: func() any { return &hasher{Hash: sha256.New()} }}

// Of returns the digest of s.
func Of(s string) [sha256.Size]byte {
	if len(s) > most {
		return sha256.Sum256([]byte(s))
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	return h.of(s)
}

func (h *hasher) of(s string) [sha256.Size]byte {
	in := h.in[:copy(h.in[:], s)]
	h.Reset()
	h.Write(in) // never fails
	clear(in)   // it was a secret
	h.Sum(h.sum[:0])
	h.Reset()
	h.Write(blank[:]) // as it keeps what it was given last
	return h.sum
}
