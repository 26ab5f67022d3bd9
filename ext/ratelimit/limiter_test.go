package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const (
	secret    = "a-secret-that-nobody-guesses"
	home      = "192.0.2.1:1234"
	elsewhere = "192.0.2.2:1234"
)

// counting is a model that counts what is tried, and waits where it is told to.
type counting struct {
	*memorymodel.Model
	tried   atomic.Int32
	gate    chan struct{} // nil: open
	failure error
}

func (m *counting) try() error {
	m.tried.Add(1)
	if m.gate != nil {
		<-m.gate
	}
	return m.failure
}

func (m *counting) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if secret != "" {
		if err := m.try(); err != nil {
			return nil, err
		}
	}
	return m.Model.GetClient(ctx, id, secret)
}

func (m *counting) GetUser(ctx context.Context, username, password string, c *oauth2server.Client) (*oauth2server.User, error) {
	if err := m.try(); err != nil {
		return nil, err
	}
	return m.Model.GetUser(ctx, username, password, c)
}

type site struct {
	t       *testing.T
	limiter *Limiter
	model   *counting
	http.Handler
}

func newHandler(model oauth2server.Model, limiter *Limiter) (http.Handler, error) {
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Grants:        []string{"authorization_code", "client_credentials", "password"},
		LimitAttempts: limiter.LimitAttempts,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(nil)) // who signs in approves; an own page counts as the server does
	mux.Handle("/token", srv.Token(nil))
	return mux, nil
}

// newSite has small buckets.
func newSite(t *testing.T) *site {
	model := &counting{Model: memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost})}
	for _, id := range []string{"app", "web"} {
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, RedirectURIs: []string{"https://client.example/cb"},
			Grants: []string{"authorization_code", "client_credentials", "password"}}, secret))
	}
	for _, name := range []string{"andy", "beth"} {
		require.NoError(t, model.AddUser(&oauth2server.User{ID: name}, name, "123456"))
	}
	limiter := New()
	limiter.Secret.Burst, limiter.Secrets.Burst, limiter.Password.Burst, limiter.Passwords.Burst, limiter.User.Burst = 3, 8, 4, 9, 6
	handler, err := newHandler(model, limiter)
	require.NoError(t, err)
	return &site{t, limiter, model, handler}
}

// post returns the status, and checks that a 429 says when to come again.
func (s *site) post(from, path string, fields url.Values) int {
	r := httptest.NewRequestWithContext(s.t.Context(), "POST", path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code == 429 {
		require.NotEmpty(s.t, w.Header().Get("Retry-After"))
	}
	return w.Code
}

func (s *site) secret(from, client, secret string) int {
	return s.post(from, "/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}})
}

func (s *site) password(from, username, password string) int {
	return s.post(from, "/token", url.Values{"grant_type": {"password"}, "client_id": {"app"}, "client_secret": {secret},
		"username": {username}, "password": {password}})
}

func (s *site) signIn(from, username, password string) int {
	return s.post(from, "/authorize", url.Values{"response_type": {"code"}, "client_id": {"app"}, "state": {"1"},
		"username": {username}, "password": {password}})
}

// requireTried checks how many secrets and passwords the model was asked about since the last time.
func (s *site) requireTried(n int) {
	s.t.Helper()
	require.EqualValues(s.t, n, s.model.tried.Swap(0))
}

func TestWrongSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for range 3 {
			require.Equal(t, 400, s.secret(home, "app", "wrong"))
		}
		s.requireTried(3)
		require.Equal(t, 429, s.secret(home, "app", "wrong"))
		require.Equal(t, 429, s.secret(home, "app", secret), "nothing is tried, so nothing is found out")
		s.requireTried(0)
		require.Equal(t, 200, s.secret(elsewhere, "app", secret))
		require.Equal(t, 200, s.secret(home, "web", secret))

		time.Sleep(time.Minute)
		require.Equal(t, 400, s.secret(home, "app", "wrong"))
		require.Equal(t, 429, s.secret(home, "app", "wrong"), "one a minute")
		time.Sleep(time.Minute)
		require.Equal(t, 200, s.secret(home, "app", secret))
		require.Equal(t, 200, s.secret(home, "app", secret), "what is right costs nothing")
	})
}

func TestManyClientsFromOneAddress(t *testing.T) {
	s := newSite(t)
	for i := range 8 {
		require.Equal(t, 400, s.secret(home, fmt.Sprint("client", i), "wrong"))
	}
	require.Equal(t, 429, s.secret(home, "app", secret))
	require.Equal(t, 200, s.secret(elsewhere, "app", secret))
}

func TestWrongPasswords(t *testing.T) {
	for _, row := range []struct {
		name        string
		try         func(s *site, from, username, password string) int
		right       int
		wrong       int
		clientTried int // the client's secret is tried as well, and is right
	}{
		{"password grant", (*site).password, 200, 400, 1},
		{"signing in without a page", (*site).signIn, 303, 400, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				for range 4 {
					require.Equal(t, row.wrong, row.try(s, home, "andy", "wrong"))
				}
				s.requireTried(4 + 4*row.clientTried)
				require.Equal(t, 429, row.try(s, home, "andy", "123456"))
				s.requireTried(row.clientTried)
				require.Equal(t, row.right, row.try(s, elsewhere, "andy", "123456"))
				require.Equal(t, row.right, row.try(s, home, "beth", "123456"))
				require.Equal(t, 200, s.secret(home, "app", secret), "passwords do not count against the client")

				time.Sleep(s.limiter.Password.Every)
				require.Equal(t, row.wrong, row.try(s, home, "andy", "wrong"))
				require.Equal(t, 429, row.try(s, home, "andy", "123456"))
			})
		})
	}
}

func TestManyUsernamesFromOneAddress(t *testing.T) {
	s := newSite(t)
	for i := range 9 {
		require.Equal(t, 400, s.password(home, fmt.Sprint("user", i), "123456"))
	}
	s.requireTried(18)
	require.Equal(t, 429, s.password(home, "andy", "123456"))
	require.Equal(t, 200, s.password(elsewhere, "andy", "123456"))
}

// A bucket that many addresses have emptied fills up again: the owner waits, and is not locked out.
func TestManyAddressesForOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for i, name := range []string{"andy", "Andy", "ANDY", " andy", "andy ", "aNDY"} {
			require.Equal(t, 400, s.password(from(i), name, "wrong"))
		}
		require.Equal(t, 429, s.password(home, "andy", "123456"))
		require.Equal(t, 200, s.password(home, "beth", "123456"))
		time.Sleep(s.limiter.User.Every)
		require.Equal(t, 200, s.password(home, "andy", "123456"))
	})
}

// With the limits as they come, a day of guesses from one address does not lock the owner out elsewhere.
func TestOneAddressDoesNotKeepAUserOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.limiter = New()
		handler, err := newHandler(s.model, s.limiter)
		require.NoError(t, err)
		s.Handler = handler
		for range 24 * 60 {
			s.signIn(home, "andy", "wrong")
			time.Sleep(time.Minute)
		}
		s.requireTried(10 + (24*60-1)/5)
		require.Equal(t, 303, s.signIn(elsewhere, "andy", "123456"))
	})
}

func TestEachLimitCanBeSwitchedOff(t *testing.T) {
	s := newSite(t)
	s.limiter.Secret.Burst, s.limiter.Secrets.Burst = 0, 0
	for range 20 {
		require.Equal(t, 400, s.secret(home, "app", "wrong"))
	}
	require.Empty(t, s.limiter.buckets)
}

// The longest of the waits counts, and it is exact.
func TestHowLongToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		attempt := func(from, username string) (wait time.Duration) {
			r := httptest.NewRequest("POST", "/token", nil)
			r.RemoteAddr = from
			done, wait := s.limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app", Username: username})
			require.Equal(t, wait > 0, done == nil)
			if done != nil {
				done(true)
			}
			return wait
		}
		for range 3 {
			require.Zero(t, attempt(home, ""))
			time.Sleep(time.Second)
		}
		require.Equal(t, time.Minute-3*time.Second, attempt(home, ""))
		time.Sleep(time.Minute - 3*time.Second - 1)
		require.Equal(t, time.Duration(1), attempt(home, ""))
		time.Sleep(time.Nanosecond)
		require.Zero(t, attempt(home, ""))
		require.Equal(t, time.Minute, attempt(home, ""))

		for i := range 6 {
			require.Zero(t, attempt(from(i), "andy"))
		}
		for i := range 9 {
			require.Zero(t, attempt(home, fmt.Sprint("user", i)))
		}
		require.Equal(t, 5*time.Minute, attempt(home, "andy"), "of 10 seconds for the address and 5 minutes for the user")
		require.Equal(t, 10*time.Second, attempt(home, "beth"))
	})
}

// However slow attempts are, and however they end: in no time do more fail than were in the bucket and came back since.
func TestFailuresAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, random := &Limiter{Secret: Limit{3, time.Minute}}, rand.New(rand.NewPCG(1, 2))
		r := httptest.NewRequest("POST", "/token", nil)
		var underWay []func(bool)
		var failures []time.Time
		for range 20_000 {
			if done, wait := limiter.LimitAttempts(r, oauth2server.Attempt{ClientID: "app"}); wait == 0 {
				underWay = append(underWay, done)
			}
			require.LessOrEqual(t, len(underWay), 3)
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

// Guesses at once are no more than guesses one by one.
func TestABurst(t *testing.T) {
	for _, row := range []struct {
		name, secret string
		status, then int
	}{
		{"wrong", "wrong", 400, 429},
		{"right", secret, 200, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				s.model.gate = make(chan struct{})
				var answers sync.Map
				for i := range 100 {
					go func() { answers.Store(i, s.secret(home, "app", row.secret)) }()
				}
				synctest.Wait() // all are answered or at the gate
				s.requireTried(3)
				close(s.model.gate)
				synctest.Wait()
				count := map[int]int{}
				answers.Range(func(_, status any) bool { count[status.(int)]++; return true })
				require.Equal(t, map[int]int{row.status: 3, 429: 97}, count)
				require.Equal(t, row.then, s.secret(home, "app", secret))
			})
		})
	}
}

// The same over a network, with the address of the connection.
func TestABurstOverHTTP(t *testing.T) {
	s := newSite(t)
	server := httptest.NewServer(s)
	defer server.Close()
	statuses := make(chan int, 100)
	for range cap(statuses) {
		go func() {
			res, err := http.PostForm(server.URL+"/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"wrong"}})
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
	require.Equal(t, map[int]int{400: 3, 429: 97}, count)
	s.requireTried(3)
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

func TestThousandsOfAddressesDoNotHinderOthers(t *testing.T) {
	s := newSite(t)
	for i := range 9_000 {
		require.Equal(t, 400, s.secret(from(i%3_000), "app", "wrong"))
	}
	require.Equal(t, 200, s.secret(home, "app", secret))
}

// from is one of many addresses.
func from(i int) string { return fmt.Sprintf("10.0.%d.%d:1", i/256, i%256) }

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

// A page that tries passwords itself counts as the server does.
func TestAPageOfTheProgram(t *testing.T) {
	s := newSite(t)
	srv, err := oauth2server.New(s.model, nil)
	require.NoError(t, err)
	s.Handler = srv.Authorize(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, failed := oauth2server.AuthorizationRequestFromContext(r.Context()), false
		attempt := oauth2server.Attempt{ClientID: request.Client.ID, Username: r.PostForm.Get("username")}
		done, wait := s.limiter.LimitAttempts(r, attempt)
		if wait > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(math.Ceil(wait.Seconds())))
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		defer func() { done(failed) }()
		user, err := s.model.GetUser(r.Context(), attempt.Username, r.PostForm.Get("password"), request.Client)
		if failed = errors.Is(err, oauth2server.ErrNotFound); failed {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		request.Approve(w, r, oauth2server.Approval{User: user, All: true})
	}))
	for range 4 {
		require.Equal(t, 403, s.signIn(home, "andy", "wrong"))
		require.Equal(t, 303, s.signIn(home, "beth", "123456"))
	}
	require.Equal(t, 429, s.signIn(home, "andy", "123456"))
}
