// Package digest makes SHA-256 digests of strings without copying them to the
// heap. A conversion for [sha256.Sum256] would: to the compiler, its argument
// escapes.
package digest

import (
	"crypto/sha256"
	"hash"
	"sync"
)

// most is the longest string for which that works. Tokens, codes, secrets and
// verifiers are shorter.
const most = 128

// blank is as long as the input that a hash can keep: less than a block.
var blank [sha256.BlockSize - 1]byte

// hasher is a hash with buffers for its input and output.
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
	h.Write(blank[:]) // overwrites the end of the secret, which h keeps
	return h.sum
}
