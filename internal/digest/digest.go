// Package digest makes SHA-256 digests of strings without copying them to the
// heap, as a conversion to bytes would.
package digest

import "crypto/sha256"

// most is the longest string for which that works. A verifier has at most as
// many characters, our own tokens and codes have fewer.
const most = 128

// Of returns the digest of s.
func Of(s string) [sha256.Size]byte {
	if len(s) > most {
		return sha256.Sum256([]byte(s))
	}
	var buffer [most]byte
	return sha256.Sum256(buffer[:copy(buffer[:], s)])
}
