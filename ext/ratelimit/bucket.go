// This file counts: which buckets an attempt concerns and what is in them.

package ratelimit

import (
	"cmp"
	"hash/maphash"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// key names a bucket; the zero key names none. It has hashes in place of
// names: those are a stranger's, of any length, and may be a password.
type key struct {
	limit   *Limit
	address netip.Addr
	name    uint64
}

// bucket counts by the generic cell rate algorithm: the time at which it is
// full again determines how many tokens it has. The zero bucket is full.
// Attempts in flight are counted separately: a token that is taken and given
// back could have come back by itself meanwhile.
type bucket struct {
	full     time.Time
	underWay int
	waiting  []*attempt // in the order of their arrival
}

// every returns l.Every, bounded so that the time of a whole bucket fits into a
// Duration.
func (l *Limit) every() time.Duration {
	if l.Every <= 0 {
		return time.Minute
	}
	return min(l.Every, math.MaxInt64/time.Duration(l.Burst))
}

// wait returns how long it takes until there is a token, if failing attempts
// fail first. Zero or less means that there is one now.
func (b *bucket) wait(l *Limit, failing int, now time.Time) time.Duration {
	return max(b.full.Sub(now), 0) - time.Duration(l.Burst-1-failing)*l.every()
}

// empty reports whether failures have used up all tokens.
func (b *bucket) empty(l *Limit, now time.Time) bool { return b.wait(l, 0, now) > 0 }

// crowded reports whether there are tokens, and all of them are in flight.
func (b *bucket) crowded(l *Limit, now time.Time) bool {
	return !b.empty(l, now) && b.wait(l, b.underWay, now) > 0
}

// fail takes a token for good.
func (b *bucket) fail(l *Limit, now time.Time) {
	if b.full.Before(now) {
		b.full = now
	}
	b.full = b.full.Add(l.every())
}

// unused reports whether b is as good as the zero bucket. Without attempts in
// flight, none waits.
func (b *bucket) unused(now time.Time) bool {
	return b.underWay == 0 && !b.full.After(now)
}

// seed keeps strangers from choosing a name that shares another user's bucket.
var seed = maphash.MakeSeed()

// keys returns the keys of the buckets that an attempt is counted in.
func (l *Limiter) keys(r *http.Request, a oauth2server.Attempt) (wanted [3]key) {
	find, spelling := l.Address, l.Username
	if find == nil {
		find = peer
	}
	if spelling == nil {
		spelling = fold
	}
	address := network(find(r))
	if a.Username == "" {
		client := maphash.String(seed, a.ClientID)
		wanted = [3]key{{&l.Secrets, address, 0}, {&l.Secret, address, client}}
	} else {
		user := maphash.String(seed, spelling(a.Username))
		wanted = [3]key{{&l.Passwords, address, 0}, {&l.Password, address, user},
			{&l.User, netip.Addr{}, user}}
	}
	for i, k := range wanted {
		if k.limit != nil && k.limit.Burst <= 0 {
			wanted[i] = key{}
		}
	}
	return wanted
}

// stored returns k or, if there are too many buckets, the key of a shared one.
func (l *Limiter) stored(k key) key {
	const shared = 1024
	if len(l.buckets) < cmp.Or(l.MaxBuckets, 100_000) {
		return k
	}
	if _, own := l.buckets[k]; own {
		return k
	}
	return key{limit: k.limit, name: 1 + maphash.Comparable(seed, k)%shared}
}

// sweep removes buckets that are full again, at most once a minute, so that a
// stranger who adds buckets does not slow every request down.
func (l *Limiter) sweep(now time.Time) {
	if l.buckets == nil {
		l.buckets = map[key]bucket{}
	}
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	maps.DeleteFunc(l.buckets, func(_ key, b bucket) bool { return b.unused(now) })
}
