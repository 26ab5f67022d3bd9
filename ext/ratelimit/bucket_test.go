// What is counted, and what is kept of it.

package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// requireSound checks what makes it impossible to wait for nothing, and to get
// more than the buckets hold.
func requireSound(t *testing.T, l *Limiter) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for k, b := range l.buckets {
		require.GreaterOrEqual(t, b.underWay, 0)
		require.LessOrEqual(t, b.underWay, k.limit.Burst)
		require.LessOrEqual(t, b.wait(k.limit, b.underWay-1, now), time.Duration(0), "all that is under way may fail")
		if len(b.waiting) > 0 {
			require.Positive(t, b.underWay, "somebody waits for nothing")
		}
		for _, a := range b.waiting {
			require.Equal(t, k, a.queue)
		}
	}
}

// However slow attempts are, and however they end: in no time do more fail than
// were in the bucket and came back since.
func TestFailuresAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, random := &Limiter{Secret: Limit{3, time.Minute}}, rand.New(rand.NewPCG(1, 2))
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(gone, "POST", "/token", nil) // waits for nothing
		var underWay []func(bool)
		var failures []time.Time
		for range 20_000 {
			if done, wait := limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app"}); wait == 0 {
				underWay = append(underWay, done)
			}
			require.LessOrEqual(t, len(underWay), 3)
			requireSound(t, limiter)
			for random.IntN(2) == 0 && len(underWay) > 0 {
				failed := random.IntN(3) > 0
				underWay[0](failed)
				underWay = underWay[1:]
				if failed {
					failures = append(failures, time.Now())
				}
			}
			time.Sleep(time.Duration(random.IntN(60)) * time.Second)
		}
		require.Greater(t, len(failures), 5000)
		for i, first := range failures {
			for j := i + 3; j < min(i+20, len(failures)); j++ {
				require.LessOrEqual(t, j-i+1, 3+int(failures[j].Sub(first)/time.Minute))
			}
		}
		for _, done := range underWay {
			done(false)
		}
		time.Sleep(time.Hour)
		limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "other"})
		require.Len(t, limiter.buckets, 1, "nothing stays taken")
	})
}

// Whatever attempts do: all are answered, nothing is left, and no bucket gives
// more than it has.
func TestAnyOrder(t *testing.T) {
	for run := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			limiter := &Limiter{
				Secret:     Limit{2, time.Minute},
				Secrets:    Limit{4, 30 * time.Second},
				Password:   Limit{2, time.Minute},
				Passwords:  Limit{3, 20 * time.Second},
				User:       Limit{3, time.Minute},
				MaxWaiting: 20,
				MaxBuckets: 6 * int(run%2),
			}
			var answered atomic.Int32
			for i := range uint64(400) {
				random := rand.New(rand.NewPCG(run, i))
				go func() {
					time.Sleep(time.Duration(random.IntN(600)) * time.Second)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(40))*time.Second)
					defer cancel()
					r := httptest.NewRequestWithContext(ctx, "POST", "/token", nil)
					r.RemoteAddr = from(random.IntN(3))
					a := oauth2server.Attempt{ClientID: fmt.Sprint("client", random.IntN(3))}
					if random.IntN(2) == 0 {
						a.Username = fmt.Sprint("user", random.IntN(2))
					}
					if done, wait := limiter.LimitAttempts(r, a); wait == 0 {
						time.Sleep(time.Duration(random.IntN(20)) * time.Second)
						done(random.IntN(3) == 0)
					}
					answered.Add(1)
				}()
			}
			for range 700 {
				time.Sleep(time.Second)
				synctest.Wait()
				requireSound(t, limiter)
			}
			require.EqualValues(t, 400, answered.Load())
			time.Sleep(time.Hour)
			limiter.mu.Lock()
			defer limiter.mu.Unlock()
			limiter.sweep(time.Now())
			require.Empty(t, limiter.buckets)
		})
	}
}

func TestLimitsWithoutSense(t *testing.T) {
	for _, row := range []struct {
		limit Limit
		wait  time.Duration // after two failures
	}{
		{Limit{Burst: 0, Every: time.Minute}, 0},
		{Limit{Burst: -1, Every: time.Minute}, 0},
		{Limit{Burst: 2}, time.Minute},
		{Limit{Burst: 2, Every: -1}, time.Minute},
		{Limit{Burst: 2, Every: math.MaxInt64}, math.MaxInt64 / 2},
		{Limit{Burst: 3, Every: math.MaxInt64}, 0},
		{Limit{Burst: math.MaxInt, Every: math.MaxInt64}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			limiter := &Limiter{Secret: row.limit}
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/token", nil)
			for range 2 {
				done, wait := limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app"})
				require.Zero(t, wait, row.limit)
				done(true)
			}
			_, wait := limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app"})
			require.Equal(t, row.wait, wait, row.limit)
		})
	}
}

func TestWhatIsNoFailureLeavesNothing(t *testing.T) {
	s := newSite(t)
	for range 20 {
		require.Equal(t, 200, s.password(home, "andy", "123456"))
	}
	s.model.failure = errors.New("the database is down")
	for range 20 {
		require.Equal(t, 503, s.password(home, "andy", "wrong"))
	}
	s.model.Model, s.model.failure = nil, nil // a model that panics
	require.Panics(t, func() { s.secret(home, "app", secret) })
	require.Empty(t, s.limiter.buckets)
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.limiter.MaxBuckets = 10
		for range 3 {
			s.secret(home, "app", "wrong")
		}
		refused := 0
		for i := range 10_000 {
			if s.secret(from(i), "app", "wrong") == 429 {
				refused++
			}
			if i == 20 {
				require.Zero(t, refused, "newcomers are not refused for the lack of a bucket")
				require.Equal(t, 429, s.secret(home, "app", secret), "nobody's failures are forgotten")
			}
		}
		require.LessOrEqual(t, len(s.limiter.buckets), 10+5*1024)
		require.Greater(t, refused, 5000, "those who share buckets are limited")
		time.Sleep(time.Hour)
		require.Equal(t, 200, s.secret(home, "app", secret))
		require.Empty(t, s.limiter.buckets, "what has filled up is removed")
	})
}

// What has filled up is looked for once a minute, not for each request.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.limiter.Secret.Every, s.limiter.Secrets.Every = time.Second, time.Second
		require.Equal(t, 400, s.secret(home, "app", "wrong"))
		time.Sleep(59 * time.Second)
		require.Equal(t, 200, s.secret(elsewhere, "app", secret))
		require.Len(t, s.limiter.buckets, 2)
		time.Sleep(time.Second)
		require.Equal(t, 200, s.secret(elsewhere, "app", secret))
		require.Empty(t, s.limiter.buckets)
	})
}

// What newcomers share is not what those without an address share.
func TestNewcomersShareWithNewcomers(t *testing.T) {
	limiter := &Limiter{Secrets: Limit{3, time.Minute}, MaxBuckets: -1}
	none := key{limit: &limiter.Secrets, address: netip.Addr{}}
	shared := map[key]bool{}
	for i := range 20_000 {
		address := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		shared[limiter.stored(key{limit: &limiter.Secrets, address: address})] = true
	}
	require.Len(t, shared, 1024)
	require.NotContains(t, shared, none)
}

func TestThousandsOfAddressesDoNotHinderOthers(t *testing.T) {
	s := newSite(t)
	for i := range 9_000 {
		require.Equal(t, 400, s.secret(from(i%3_000), "app", "wrong"))
	}
	require.Equal(t, 200, s.secret(home, "app", secret))
}

// What is refused takes no memory: it costs its sender nothing.
func TestRefusedAttemptsTakeNoMemory(t *testing.T) {
	s := newSite(t)
	for i := range 6 {
		require.Equal(t, 400, s.signIn(from(i), "andy", "wrong"))
	}
	before := len(s.limiter.buckets)
	for i := range 100 {
		require.Equal(t, 429, s.signIn(from(10+i), "andy", "wrong"))
	}
	require.Len(t, s.limiter.buckets, before)
}
