// Package ratelimit limits failed attempts at client secrets and passwords.
package ratelimit

import (
	"cmp"
	"hash/maphash"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Limiter limits failed attempts at client secrets and passwords. An attempt takes a token from each bucket that is
// concerned, and gives it back unless it fails. So parallel guesses get no further than guesses one by one, and what is
// right costs nothing, as long as no more is under way at once than the bucket holds.
//
// Set the fields before the first request; LimitAttempts may be called concurrently.
//
// It counts in the memory of one process. Behind a balancer each process allows as much again.
type Limiter struct {
	// Secret is for one client's secret from one address. A client has no bucket for all addresses: a secret is long
	// enough not to be guessed, and a stranger could empty it.
	Secret Limit

	// Secrets is for the secrets of all clients from one address.
	Secrets Limit

	// Password is for one user's password from one address.
	Password Limit

	// Passwords is for the passwords of all users from one address. In the password grant that is the address of a
	// client: whoever signs in through it can empty this for all of its users, and Password for one of them, unless the
	// client has limits itself. The client's own secret does not depend on it.
	Passwords Limit

	// User is for one user's password from anywhere. One address cannot empty it alone, as long as Password holds less
	// and refills no faster. Several can, and keep the user out for as long as they go on and until the next token;
	// without it nothing slows them down.
	User Limit

	// Address says where a request comes from. Behind a proxy of its own a program sets [Forwarded]. Requests with the
	// zero address share their buckets. Nil: the other end of the connection.
	Address func(*http.Request) netip.Addr

	// Username returns the same for all spellings under which the model finds the same user. Where it does not, each
	// spelling has buckets of its own. Nil: case, width, accents that are composed or not, and outer spaces do not count,
	// as in RFC 8265, section 3.3, and somewhat beyond.
	Username func(string) string

	// MaxBuckets bounds the memory. Once somebody has touched as many, newcomers share 1024 more of each kind: nobody's
	// failures are forgotten early, and nobody is refused for the lack of a bucket. 0: 100,000.
	MaxBuckets int

	mu      sync.Mutex
	buckets map[key]*bucket // those that are not full: what good clients leave is nothing
	swept   time.Time
}

// Limit is a bucket of Burst tokens, to which one is added after each Every. Without Burst everything passes.
type Limit struct {
	Burst int
	Every time.Duration
}

// New returns a limiter for people who mistype and for clients with a wrong configuration.
func New() *Limiter {
	return &Limiter{
		Secret:    Limit{20, time.Minute},
		Secrets:   Limit{100, 10 * time.Second},
		Password:  Limit{10, 5 * time.Minute},
		Passwords: Limit{100, 10 * time.Second},
		User:      Limit{50, 5 * time.Minute},
	}
}

// key names a bucket. It has digests for names: those are a stranger's, of any length, and may be a password.
type key struct {
	limit   *Limit
	address netip.Addr
	name    uint64
}

// bucket counts by the generic cell rate algorithm: the time at which it is full again says how many tokens it has.
// Attempts under way are counted apart: a token that is taken and given back could by then have come back by itself.
type bucket struct {
	key
	full     time.Time
	underWay int
}

// wait returns how long it takes until there is a token, should all that is under way fail. None or negative: there is
// one.
func (b *bucket) wait(now time.Time) time.Duration {
	return max(b.full.Sub(now), 0) - time.Duration(b.limit.Burst-1-b.underWay)*b.limit.Every
}

// fail takes a token for good.
func (b *bucket) fail(now time.Time) {
	if b.full.Before(now) {
		b.full = now
	}
	b.full = b.full.Add(b.limit.Every)
}

func (b *bucket) unused(now time.Time) bool {
	return b.underWay == 0 && !b.full.After(now)
}

// LimitAttempts is for [oauth2server.Options.LimitAttempts]. A page that tries passwords itself calls it as the server
// does: it answers 429 if it must wait, and otherwise calls done exactly once, also after a panic.
func (l *Limiter) LimitAttempts(r *http.Request, a oauth2server.Attempt) (done func(failed bool), wait time.Duration) {
	keys := l.keys(r, a)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.sweep(now)
	var concerned []*bucket
	for _, k := range keys {
		b := l.bucket(k)
		concerned, wait = append(concerned, b), max(wait, b.wait(now))
	}
	if wait > 0 {
		return nil, wait // nothing is stored: what is refused must not fill the memory
	}
	for _, b := range concerned {
		b.underWay++
		l.buckets[b.key] = b
	}
	return func(failed bool) { l.settle(concerned, failed) }, 0
}

// settle ends an attempt. The token of a failure is on its way back from now on, not from when the attempt began: slow
// attempts and later ones could otherwise fail at once, and be more than the bucket holds.
func (l *Limiter) settle(concerned []*bucket, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, b := range concerned {
		b.underWay--
		if failed {
			b.fail(now)
		}
		if b.unused(now) {
			delete(l.buckets, b.key)
		}
	}
}

var seed = maphash.MakeSeed() // so that nobody can choose a name that shares somebody's bucket

// keys returns those of the buckets that an attempt is counted in.
func (l *Limiter) keys(r *http.Request, a oauth2server.Attempt) []key {
	find := l.Address
	if find == nil {
		find = peer
	}
	address := network(find(r))
	keys := []key{{&l.Secrets, address, 0}, {&l.Secret, address, maphash.String(seed, a.ClientID)}}
	if a.Username != "" {
		username := l.Username
		if username == nil {
			username = fold
		}
		user := maphash.String(seed, username(a.Username))
		keys = []key{{&l.Passwords, address, 0}, {&l.Password, address, user}, {&l.User, netip.Addr{}, user}}
	}
	return slices.DeleteFunc(keys, func(k key) bool { return k.limit.Burst == 0 })
}

// bucket returns that of k, or when there are too many the one that k shares. A new one is not stored yet.
func (l *Limiter) bucket(k key) *bucket {
	const shared = 1024
	if b := l.buckets[k]; b != nil {
		return b
	}
	if len(l.buckets) >= cmp.Or(l.MaxBuckets, 100_000) {
		k = key{limit: k.limit, name: maphash.Comparable(seed, k) % shared}
		if b := l.buckets[k]; b != nil {
			return b
		}
	}
	return &bucket{key: k}
}

// sweep removes what has filled up again, once a minute: who adds buckets must not make every request pay for all.
func (l *Limiter) sweep(now time.Time) {
	if l.buckets == nil {
		l.buckets = map[key]*bucket{}
	}
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	maps.DeleteFunc(l.buckets, func(_ key, b *bucket) bool { return b.unused(now) })
}
