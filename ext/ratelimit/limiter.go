// This file asks the buckets before an attempt and tells them how it ended.

package ratelimit

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Limiter limits failed attempts at client secrets and passwords. An attempt
// takes a token from each of its buckets, and gives it back unless it fails. So
// successful attempts cost nothing.
//
// Concurrent attempts do not get around the limit. While the last tokens of a
// bucket are in flight, further attempts wait, first come first served, until
// one of those ends: if it succeeded, the next one proceeds; if all fail, the
// waiting ones are refused. So concurrent guesses get exactly as far as guesses
// one by one, and concurrent successful attempts are never refused, up to
// MaxWaiting.
//
// Set the fields before the first request; LimitAttempts may be called
// concurrently. A Limiter must not be copied.
//
// It counts in the memory of one process. Behind a load balancer, each process
// allows as much again.
type Limiter struct {
	// Secret limits attempts at one client's secret from one address. A client
	// has no bucket for all addresses: a secret is long enough not to be
	// guessed, and a stranger could empty it.
	Secret Limit

	// Secrets limits attempts at the secrets of all clients from one address.
	Secrets Limit

	// Password limits attempts at one user's password from one address.
	Password Limit

	// Passwords limits attempts at the passwords of all users from one address.
	// In the password grant that is the address of the client: anyone who signs
	// in through it can empty this for all of its users, and Password for one
	// of them, unless the client has its own limits. Attempts at the client's
	// secret do not depend on it.
	Passwords Limit

	// User limits attempts at one user's password from anywhere. One address
	// cannot empty it alone, as long as Password holds less and refills no
	// faster. Several can, and then keep the user out until they stop and a
	// token is back; without this limit nothing slows them down.
	User Limit

	// Address returns where a request comes from. An IPv6 address counts as its
	// /64, which one subscriber has, and IPv4 in IPv6 as IPv4. Requests with
	// the zero address share their buckets. Behind a proxy of yours, set it to
	// [Forwarded] or [ForwardedIn]. Nil means the other end of the connection.
	Address func(*http.Request) netip.Addr

	// Username returns one name for all spellings under which the model finds
	// the same user. If it does not, each spelling has its own buckets. Nil
	// ignores case, width, the composition of accents, and outer spaces, which
	// is RFC 8265, section 3.3, and a little more.
	Username func(string) string

	// MaxBuckets bounds the memory. Once that many buckets are in use, new ones
	// share 1024 more of each kind: no failures are forgotten early, and nobody
	// is refused for lack of a bucket. 0 means 100,000.
	MaxBuckets int

	// MaxWaiting is how many attempts may wait at one bucket. Further ones are
	// refused, with a wait of a second. 0 means 1,000; a negative value means
	// that none waits.
	MaxWaiting int

	mu      sync.Mutex
	buckets map[key]bucket // only those that are not full: good clients leave nothing
	swept   time.Time
}

// Limit is a bucket of Burst tokens, which gets one back after each Every. A
// Burst of 0 or less means no limit, an Every of 0 or less a minute.
type Limit struct {
	Burst int
	Every time.Duration
}

// New returns a limiter for people who mistype and for clients with a wrong
// configuration.
func New() *Limiter {
	return &Limiter{
		Secret:    Limit{20, time.Minute},
		Secrets:   Limit{100, 10 * time.Second},
		Password:  Limit{10, 5 * time.Minute},
		Passwords: Limit{100, 10 * time.Second},
		User:      Limit{50, 5 * time.Minute},
	}
}

// LimitAttempts is for [oauth2server.Options.LimitAttempts]. A page that checks
// passwords itself calls it as the server does: it answers 429 if wait > 0, and
// otherwise calls done exactly once, also after a panic, and before it asks for
// another attempt.
//
// It may block until other attempts end. If r's context ends first, it returns
// a wait of a second and counts nothing.
func (l *Limiter) LimitAttempts(
	r *http.Request, a oauth2server.Attempt,
) (done func(failed bool), wait time.Duration) {
	try := &attempt{wanted: l.keys(r, a)}
	l.enter(try)
	if try.answered != nil { // it waits, without the lock
		select {
		case <-try.answered:
		case <-r.Context().Done():
			l.leave(try)
		}
	}
	if try.wait > 0 {
		return nil, try.wait
	}
	return func(failed bool) { l.settle(try, failed) }, 0
}

// settle ends an attempt that was let in. The token of a failure starts to come
// back now, not when the attempt began: otherwise slow attempts and later ones
// could fail together, and be more than the bucket holds.
func (l *Limiter) settle(a *attempt, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.settled { // the page called done twice
		return
	}
	a.settled = true
	now := time.Now()
	for _, k := range a.taken {
		if k.limit == nil {
			continue
		}
		b := l.buckets[k]
		b.underWay--
		if failed {
			b.fail(k.limit, now)
		}
		l.buckets[k] = b
	}
	for _, k := range a.taken {
		if k.limit == nil {
			continue
		}
		l.serve(k, now)
		if b := l.buckets[k]; b.unused(now) {
			delete(l.buckets, k)
		}
	}
}
