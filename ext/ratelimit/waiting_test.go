// Attempts at once.

package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// Guesses at once get exactly as far as guesses one by one, and what is right
// is not refused for what is under way.
func TestABurst(t *testing.T) {
	right, wrong := withSecret("app", secret), withSecret("app", "wrong")
	for _, row := range []struct {
		name    string
		request func(i int) (from string, fields url.Values) // of 100
		atOnce  int                                          // tried before anything ends
		tried   int
		count   map[int]int
		then    int // for what is right
	}{
		{"wrong", func(int) (string, url.Values) { return home, wrong }, 3, 3, map[int]int{400: 3, 429: 97}, 429},
		{"right", func(int) (string, url.Values) { return home, right }, 3, 100, map[int]int{200: 100}, 200},
		{"two are wrong", func(i int) (string, url.Values) {
			if i%50 == 1 {
				return home, wrong
			}
			return home, right
		}, 3, 100, map[int]int{200: 98, 400: 2}, 200},
		{"wrong, of many clients", func(i int) (string, url.Values) {
			return home, withSecret([]string{"app", "web", "tv", "car"}[i%4], "wrong")
		}, 8, 8, map[int]int{400: 8, 429: 92}, 429},
		{"right, of many clients", func(i int) (string, url.Values) {
			return home, withSecret([]string{"app", "web", "tv", "car"}[i%4], secret)
		}, 8, 100, map[int]int{200: 100}, 200},
		{"wrong, from many addresses", func(i int) (string, url.Values) { return from(i % 25), wrong },
			75, 75, map[int]int{400: 75, 429: 25}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				s.model.gate = make(chan struct{})
				var answers tally
				for i := range 100 {
					from, fields := row.request(i)
					go func() { answers.add(s.post(from, "/token", fields)) }()
				}
				synctest.Wait() // all wait, at the gate or before it
				require.Empty(t, answers.count)
				require.EqualValues(t, row.atOnce, s.model.tried.Load())
				s.requireSound()
				close(s.model.gate)
				synctest.Wait()
				require.Equal(t, row.count, answers.count)
				s.requireTried(row.tried)
				require.Equal(t, row.then, s.secret(home, "app", secret))
				s.requireSound()
			})
		})
	}
}

// One user's password is tried from anywhere, as often at once as one by one.
func TestABurstOfPasswords(t *testing.T) {
	for _, row := range []struct {
		name, password string
		tried          int
		count          map[int]int
	}{
		{"wrong", "wrong", 6, map[int]int{400: 6, 429: 94}},
		{"right", "123456", 100, map[int]int{303: 100}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				s.model.gate = make(chan struct{})
				var answers tally
				for i := range 100 {
					go func() { answers.add(s.signIn(from(i), "andy", row.password)) }()
				}
				synctest.Wait()
				require.EqualValues(t, 6, s.model.tried.Load())
				close(s.model.gate)
				synctest.Wait()
				require.Equal(t, row.count, answers.count)
				s.requireTried(row.tried)
			})
		})
	}
}

// What says nothing of the secret is given back to those who wait: faults, and
// panics.
func TestABurstThatEndsInFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.model.gate, s.model.failure = make(chan struct{}), errors.New("the database is down")
		var answers tally
		for range 100 {
			go func() { answers.add(s.secret(home, "app", secret)) }()
		}
		synctest.Wait()
		close(s.model.gate)
		synctest.Wait()
		require.Equal(t, map[int]int{503: 100}, answers.count)
		require.Empty(t, s.limiter.buckets)

		s.model.gate, s.model.failure, s.model.Model = make(chan struct{}), nil, nil // a model that panics
		panics := make(chan any, 100)
		for range 100 {
			go func() {
				defer func() { panics <- recover() }()
				s.secret(home, "app", secret)
			}()
		}
		synctest.Wait()
		close(s.model.gate)
		for range 100 {
			require.NotNil(t, <-panics)
		}
		require.Empty(t, s.limiter.buckets)
	})
}

// The same over a network, with the address of the connection: what an API does
// that introspects each request.
func TestABurstOverHTTP(t *testing.T) {
	for _, row := range []struct {
		name, path, secret string
		tried              int
		count              map[int]int
	}{
		{"wrong", "/token", "wrong", 3, map[int]int{400: 3, 429: 97}},
		{"right", "/token", secret, 100, map[int]int{200: 100}},
		{"introspection", "/introspect", secret, 100, map[int]int{200: 100}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			server := httptest.NewServer(s)
			defer server.Close()
			statuses := make(chan int, 100)
			for range cap(statuses) {
				go func() {
					form := withSecret("app", row.secret)
					form.Set("token", "x")
					res, err := http.PostForm(server.URL+row.path, form)
					if err != nil {
						statuses <- 0
						return
					}
					res.Body.Close()
					statuses <- res.StatusCode
				}()
			}
			count := map[int]int{}
			for range cap(statuses) {
				count[<-statuses]++
			}
			require.Equal(t, row.count, count)
			s.requireTried(row.tried)
		})
	}
}

// ask is a request that takes no model: it returns what the limiter does.
func (s *site) ask(ctx context.Context, from, client string) (done func(bool), wait time.Duration) {
	r := httptest.NewRequestWithContext(ctx, "POST", "/token", nil)
	r.RemoteAddr = from
	return s.limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: client})
}

// take lets n attempts in.
func (s *site) take(n int, from, client string) (done []func(failed bool)) {
	for range n {
		end, wait := s.ask(s.t.Context(), from, client)
		require.Zero(s.t, wait)
		done = append(done, end)
	}
	return done
}

// Those who wait come one after another, and before those who come later,
// though a token has come back meanwhile.
func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		underWay := s.take(3, home, "app")
		underWay[0](true)
		var order []int
		waits := func(i int) {
			go func() {
				done, wait := s.ask(t.Context(), home, "app")
				require.Zero(t, wait)
				order = append(order, i)
				time.Sleep(time.Second)
				done(false)
			}()
			synctest.Wait()
		}
		for i := range 5 {
			waits(i)
		}
		require.Empty(t, order)
		time.Sleep(time.Minute)
		waits(5)
		require.Equal(t, []int{0}, order, "the token that came back is the first's")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5}, order)
		underWay[1](false)
		underWay[2](false)
		s.requireSound()
	})
}

// Nobody else waits meanwhile.
func TestWhoWaitsHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		underWay, before := s.take(3, home, "app"), len(s.limiter.buckets)
		ctx, cancel := context.WithCancel(t.Context())
		for range 100 {
			go s.ask(ctx, home, "app")
		}
		synctest.Wait()
		require.Len(t, s.limiter.buckets, before)
		for i := range 5 { // of the address's eight
			s.take(1, home, fmt.Sprint("client", i))[0](true)
		}
		s.take(1, elsewhere, "app")[0](false)
		cancel()
		synctest.Wait()
		for _, done := range underWay {
			done(false)
		}
		s.requireSound()
	})
}

// A client that hangs up counts nothing, and is in nobody's way.
func TestARequestThatEndsWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.model.gate = make(chan struct{})
		var answers, gone tally
		for range 3 {
			go func() { answers.add(s.secret(home, "app", secret)) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 50 {
			go func() {
				w := s.send(ctx, home, "/token", withSecret("app", "wrong"))
				gone.add(w.Code)
				require.Equal(t, "1", w.Header().Get("Retry-After"))
			}()
			if i == 25 {
				synctest.Wait()
				go func() { answers.add(s.secret(home, "app", secret)) }()
				synctest.Wait()
			}
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		require.Equal(t, map[int]int{429: 50}, gone.count)
		require.Empty(t, answers.count)
		s.requireSound()
		close(s.model.gate)
		synctest.Wait()
		require.Equal(t, map[int]int{200: 4}, answers.count)
		require.Empty(t, s.limiter.buckets)
		s.requireTried(4)
	})
}

// A request that has ended before it is tried may be let in, or not: what
// counts is that it leaves nothing.
func TestARequestThatEndsAsItIsLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for range 500 {
			underWay := s.take(3, home, "app")
			ctx, cancel := context.WithCancel(t.Context())
			for range 5 {
				go func() {
					if done, wait := s.ask(ctx, home, "app"); wait == 0 {
						done(false)
					}
				}()
			}
			synctest.Wait()
			go cancel()
			for _, done := range underWay {
				go done(false)
			}
			synctest.Wait()
			require.Empty(t, s.limiter.buckets)
		}
	})
}

func TestHowManyWait(t *testing.T) {
	for _, row := range []struct{ most, wait int }{{0, 1000}, {5, 5}, {-1, 0}} {
		t.Run(fmt.Sprint(row.most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				s.limiter.MaxWaiting = row.most
				s.model.gate = make(chan struct{})
				var answers, gone tally
				for range 3 {
					go func() { answers.add(s.secret(home, "app", secret)) }()
				}
				synctest.Wait()
				ctx, cancel := context.WithCancel(t.Context())
				for range row.wait { // who go, and make room
					go func() { gone.add(s.send(ctx, home, "/token", withSecret("app", secret)).Code) }()
				}
				synctest.Wait()
				cancel()
				synctest.Wait()
				for range row.wait {
					go func() { answers.add(s.secret(home, "app", secret)) }()
				}
				synctest.Wait()
				require.Empty(t, answers.count)
				require.Equal(t, row.wait, gone.count[429])
				w := s.send(t.Context(), home, "/token", withSecret("app", secret))
				require.Equal(t, 429, w.Code)
				require.Equal(t, "1", w.Header().Get("Retry-After"))
				close(s.model.gate)
				synctest.Wait()
				require.Equal(t, map[int]int{200: 3 + row.wait}, answers.count)
				s.requireTried(3 + row.wait)
			})
		})
	}
}

// A page that tells twice how an attempt ended gets nothing for it.
func TestDoneTwice(t *testing.T) {
	s := newSite(t)
	for _, done := range s.take(3, home, "app") {
		done(true)
		done(false)
		done(true)
	}
	require.Equal(t, 429, s.secret(home, "app", secret))
	s.requireSound()
}
