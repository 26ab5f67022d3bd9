// This file compares client secrets with their digests.

package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/digest"
)

// Digest stands for a client's secret. Secrets are random, so no salt is
// needed. The zero value belongs to no secret.
type Digest [sha256.Size]byte

// DigestOf returns the digest of a secret.
func DigestOf(secret string) Digest { return digest.Of(secret) }

var urlSafe = strings.NewReplacer("+", "-", "/", "_")

// ParseDigest reads the output of String, and other usual encodings of SHA-256:
// base64 of either alphabet, with or without padding, and hexadecimal.
func ParseDigest(text string) (d Digest, ok bool) {
	var decoded []byte
	var err error
	if len(text) == hex.EncodedLen(len(d)) {
		decoded, err = hex.DecodeString(text)
	} else {
		text = urlSafe.Replace(strings.TrimSuffix(text, "="))
		decoded, err = base64.RawURLEncoding.Strict().DecodeString(text)
	}
	if err != nil || len(decoded) != len(d) {
		return d, false
	}
	return Digest(decoded), true
}

// String returns the digest in base64url.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// Secrets has the digests of a client's secret and of the one before it. The
// zero value is for a client without a secret.
type Secrets struct {
	Current, Former Digest

	// FormerUntil is when Former expires. Zero means that there is none.
	FormerUntil time.Time
}

// Replaced returns the secrets after a change: the current one stays valid for
// keep. With keep, a repeated call changes nothing: the answer to the first may
// have been lost.
func (s Secrets) Replaced(by Digest, keep time.Duration) Secrets {
	if by == s.Current && keep > 0 {
		return s
	}
	replaced := Secrets{Current: by}
	if keep > 0 {
		replaced.Former, replaced.FormerUntil = s.Current,
			time.Now().Add(keep).UTC().Truncate(time.Millisecond)
	}
	return replaced
}

// Matches reports whether secret is one of them, in constant time. The empty
// secret never matches. For an unknown client, call it on the zero Secrets, so
// that it takes as long as for a known one.
func (s Secrets) Matches(secret string) bool {
	presented := DigestOf(secret)
	former := !s.FormerUntil.IsZero() && time.Now().Before(s.FormerUntil)
	matches := 0
	for _, known := range []struct {
		Digest
		valid bool
	}{{s.Current, true}, {s.Former, former}} {
		same := subtle.ConstantTimeCompare(presented[:], known.Digest[:])
		if known.valid {
			matches |= same
		}
	}
	return matches == 1 && secret != ""
}
