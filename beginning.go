// This file records when a sign-in or a code began, so that a later revocation
// ends what comes of it.

package oauth2server

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// beginning is when something began. Within a process, beginnings are counted,
// so their order is exact. Between processes only clocks can be compared, and
// they differ.
type beginning struct {
	at      int64   // milliseconds since 1970
	process [6]byte // a random ID of the process
	count   uint32  // counts within the process, and may wrap
}

var (
	thisProcess     = func() (id [6]byte) { rand.Read(id[:]); return id }()
	thisProcessText = base64.RawURLEncoding.EncodeToString(thisProcess[:])
	begun           atomic.Uint32
)

// beginNow returns the beginning of what starts now. Call it before looking at
// anything that a later revocation may end.
func beginNow() beginning {
	return beginning{time.Now().UnixMilli(), thisProcess, begun.Add(1)}
}

// mayPrecede reports whether b may be earlier than other, by clocks that differ
// by skew at most. Counts are compared within the hour, as they wrap.
func (b beginning) mayPrecede(other beginning, skew time.Duration) bool {
	apart := b.at - other.at
	if b.process == other.process && max(apart, -apart) < time.Hour.Milliseconds() {
		return int32(b.count-other.count) < 0
	}
	return b.at <= other.at+skew.Milliseconds()
}

// An ID of a beginning is 44 characters of base64url: time, process, count, and
// 136 random bits.
const (
	beginningBytes = 33
	beginningText  = 44
)

// newID returns an ID that nobody can guess and that contains b.
func (b beginning) newID() string {
	var id [beginningBytes]byte
	var text [beginningText]byte
	binary.BigEndian.PutUint64(id[:8], uint64(b.at)<<16)
	copy(id[6:12], b.process[:])
	binary.BigEndian.PutUint32(id[12:16], b.count)
	rand.Read(id[16:])
	base64.RawURLEncoding.Encode(text[:], id[:])
	return string(text[:])
}

// beginningOf reads what newID wrote. For any other ID it returns the zero
// beginning, which precedes all others.
func beginningOf(id string) (b beginning) {
	var data [beginningBytes]byte
	if len(id) != beginningText {
		return b
	}
	if n, err := base64.RawURLEncoding.Decode(data[:], []byte(id)); err != nil || n != beginningBytes {
		return b
	}
	b.at = int64(binary.BigEndian.Uint64(data[:8]) >> 16)
	copy(b.process[:], data[6:12])
	b.count = binary.BigEndian.Uint32(data[12:16])
	return b
}

// newNonce returns a nonce for a log entry: the ID of this process, whose clock
// the attempt uses, and 96 random bits, which tell attempts apart.
func newNonce() string {
	var text [nonceText]byte
	return string(appendNonce(text[:0]))
}

const nonceText = 24

func appendNonce(text []byte) []byte {
	var nonce [18]byte
	copy(nonce[:6], thisProcess[:])
	rand.Read(nonce[6:])
	return base64.RawURLEncoding.AppendEncode(text, nonce[:])
}
