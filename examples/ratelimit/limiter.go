package main

import (
	"context"
	"hash/maphash"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-11d18166/oauth2server"
)

// Limiter limits failed attempts at client secrets and passwords. An attempt takes a token from each bucket that is
// concerned, and gives it back unless it fails. So parallel guesses get no further than guesses one by one, and what is
// right costs nothing, as long as no more is under way at once than the bucket holds.
//
// Hand MayAttempt and OnFailedAttempt to the server's options, and put Handler around all of its endpoints. A page that
// tries passwords itself calls the two as the server does: the one before, the other after a wrong password.
// Set the fields before the first request; the methods may be called concurrently.
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
	// client, which may have many users, and it is not what limits the client's own secret.
	Passwords Limit

	// User is for one user's password from anywhere. Whoever has many addresses can keep it empty, and the user out, for
	// as long as they go on and until the next token; without it nothing slows them down.
	User Limit

	// Address says where a request comes from. Behind a proxy the program must find out itself, and believe nobody but
	// its proxy. Requests with the zero address share their buckets. Nil: the other end of the connection.
	Address func(*http.Request) netip.Addr

	// Username returns the same for all spellings under which the model finds the same user. Where it does not, each
	// spelling has buckets of its own. Nil: case and outer spaces do not count.
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

// NewLimiter returns a limiter for people who mistype and for clients with a wrong configuration.
func NewLimiter() *Limiter {
	return &Limiter{
		Secret:    Limit{20, time.Minute},
		Secrets:   Limit{100, 10 * time.Second},
		Password:  Limit{10, time.Minute},
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

type bucket struct {
	key
	tokens   *rate.Limiter
	underWay int
}

// free is what is left if all that is under way fails.
func (b *bucket) free(now time.Time) float64 { return b.tokens.TokensAt(now) - float64(b.underWay) }
func (b *bucket) full(now time.Time) bool    { return b.free(now) >= float64(b.limit.Burst) }

// taken is the buckets from which the attempt took that a request has under way.
type taken struct{ buckets []*bucket }

type takenKey struct{}

// Handler counts the requests to next. It belongs inside of what answers while a handler still runs, as
// [http.TimeoutHandler] does.
func (l *Limiter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &taken{}
		defer l.settle(t, false)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), takenKey{}, t)))
	})
}

// MayAttempt is for [oauth2server.Options.MayAttempt].
func (l *Limiter) MayAttempt(r *http.Request, a oauth2server.Attempt) bool {
	t := takenOf(r)
	l.settle(t, false) // a client's secret was right, or the user's password would not be tried after it
	keys, now := l.keys(r, a), time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	for i, k := range keys {
		keys[i] = l.place(k)
		if b := l.buckets[keys[i]]; b != nil && b.free(now) < 1 {
			return false // nothing is stored: what is refused must not fill the memory
		}
	}
	for _, k := range keys {
		b := l.buckets[k]
		if b == nil {
			b = &bucket{key: k, tokens: rate.NewLimiter(rate.Every(k.limit.Every), k.limit.Burst)}
			l.buckets[k] = b
		}
		b.underWay++
		t.buckets = append(t.buckets, b)
	}
	return true
}

// OnFailedAttempt is for [oauth2server.Options.OnFailedAttempt].
func (l *Limiter) OnFailedAttempt(r *http.Request, _ oauth2server.Attempt) {
	l.settle(takenOf(r), true)
}

// settle ends what a request has under way.
func (l *Limiter) settle(t *taken, failed bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range t.buckets {
		b.underWay--
		if failed {
			b.tokens.AllowN(now, 1)
		} else if b.full(now) {
			delete(l.buckets, b.key)
		}
	}
	t.buckets = nil
}

func takenOf(r *http.Request) *taken {
	t, ok := r.Context().Value(takenKey{}).(*taken)
	if !ok {
		panic("ratelimit: Limiter.Handler is not around this endpoint")
	}
	return t
}

var seed = maphash.MakeSeed() // so that nobody can choose a name that shares somebody's bucket

// keys returns those of the buckets that an attempt is counted in.
func (l *Limiter) keys(r *http.Request, a oauth2server.Attempt) []key {
	address := l.network(r)
	keys := []key{{&l.Secrets, address, 0}, {&l.Secret, address, maphash.String(seed, a.ClientID)}}
	if a.Username != "" {
		username := l.Username
		if username == nil {
			username = func(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
		}
		user := maphash.String(seed, username(a.Username))
		keys = []key{{&l.Passwords, address, 0}, {&l.Password, address, user}, {&l.User, netip.Addr{}, user}}
	}
	return slices.DeleteFunc(keys, func(k key) bool { return k.limit.Burst == 0 })
}

// network is the address, or of IPv6 the /64 in which it lies: one subscriber has all of that.
func (l *Limiter) network(r *http.Request) netip.Addr {
	find := l.Address
	if find == nil {
		find = func(r *http.Request) netip.Addr {
			from, _ := netip.ParseAddrPort(r.RemoteAddr)
			return from.Addr()
		}
	}
	address := find(r).Unmap()
	if address.Is6() {
		return netip.PrefixFrom(address, 64).Masked().Addr() // without a zone
	}
	return address
}

// place returns k, or when there are too many buckets the key of one that k shares.
func (l *Limiter) place(k key) key {
	const shared = 1024
	limit := l.MaxBuckets
	if limit == 0 {
		limit = 100_000
	}
	if l.buckets[k] != nil || len(l.buckets) < limit {
		return k
	}
	return key{limit: k.limit, name: maphash.Comparable(seed, k) % shared}
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
	maps.DeleteFunc(l.buckets, func(_ key, b *bucket) bool { return b.full(now) })
}
