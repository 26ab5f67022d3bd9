// This file asks the buckets before an attempt and tells them how it ended.

package ratelimit

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Limiter limits failed attempts at client secrets and passwords. An
// attempt takes a token from each bucket that concerns it, and gives it back
// unless it fails. So what is right costs nothing.
//
// Attempts at once are no way around the limit. While the last tokens of a
// bucket are under way, a further attempt waits, first come first served,
// until one of them ends: if that was right, it is next; if all of them fail,
// it is refused. So parallel guesses get exactly as far as guesses one by one,
// and parallel attempts that are right are never refused, up to MaxWaiting.
//
// Set the fields before the first request; LimitAttempts may be called
// concurrently. A Limiter must not be copied.
//
// It counts in the memory of one process. Behind a balancer each process
// allows as much again.
type Limiter struct {
	// Secret is for one client's secret from one address. A client has no
	// bucket for all addresses: a secret is long enough not to be guessed,
	// and a stranger could empty it.
	Secret Limit

	// Secrets is for the secrets of all clients from one address.
	Secrets Limit

	// Password is for one user's password from one address.
	Password Limit

	// Passwords is for the passwords of all users from one address. In the
	// password grant that is the address of a client: whoever signs in
	// through it can empty this for all of its users, and Password for one of
	// them, unless the client has limits itself. The client's own secret does
	// not depend on it.
	Passwords Limit

	// User is for one user's password from anywhere. One address cannot empty
	// it alone, as long as Password holds less and refills no faster. Several
	// can, and keep the user out for as long as they go on and until the next
	// token; without it nothing slows them down.
	User Limit

	// Address returns where a request comes from. An IPv6 address counts as
	// its /64, which one subscriber has, and IPv4 in IPv6 as IPv4. Requests
	// with the zero address share their buckets. Behind a proxy of its own a
	// program sets [Forwarded] or [ForwardedIn]. Nil: the other end of the
	// connection.
	Address func(*http.Request) netip.Addr

	// Username returns the same for all spellings under which the model finds
	// the same user. Where it does not, each spelling has buckets of its own.
	// Nil: case, width, accents that are composed or not, and outer spaces do
	// not count, as in RFC 8265, section 3.3, and somewhat beyond.
	Username func(string) string

	// MaxBuckets bounds the memory. Once that many buckets are in use,
	// newcomers share 1024 more of each kind: nobody's failures are forgotten
	// early, and nobody is refused for the lack of a bucket. 0: 100,000.
	MaxBuckets int

	// MaxWaiting is how many attempts may wait at one bucket. Those beyond it
	// are refused and told to come again in a second. 0: 1,000; negative: none
	// waits.
	MaxWaiting int

	mu      sync.Mutex
	buckets map[key]bucket // those that are not full: good clients leave nothing
	swept   time.Time
}

// Limit is a bucket of Burst tokens, to which one is added after each Every.
// Burst 0 or less: there is no limit. Every 0 or less: a minute.
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

// LimitAttempts is for [oauth2server.Options.LimitAttempts]. A page that tries
// passwords itself calls it as the server does: it answers 429 if wait > 0,
// and otherwise calls done exactly once, also after a panic, and before it
// asks for another attempt.
//
// It may block until other attempts end, or until r's context does: then it
// returns a wait of a second, and counts nothing.
func (l *Limiter) LimitAttempts(r *http.Request, a oauth2server.Attempt) (done func(failed bool), wait time.Duration) {
	try := &attempt{wanted: l.keys(r, a)}
	l.enter(try)
	if try.answered != nil { // it waits, and no lock is held
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

// settle ends an attempt that was let in. The token of a failure is on its way
// back from now on, not from when the attempt began: otherwise slow attempts
// and later ones could fail at once, and be more than the bucket holds.
func (l *Limiter) settle(a *attempt, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.settled { // a page that calls done twice
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
