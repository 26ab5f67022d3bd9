// The limits, one after another.

package ratelimit

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

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

// A bucket that many addresses have emptied fills up again: the owner waits,
// and is not locked out.
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

// With the limits as they come, a day of guesses from one address does not lock
// the owner out elsewhere.
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
		require.Equal(t, 5*time.Minute, attempt(home, "andy"), "10 seconds for the address, 5 minutes for the user")
		require.Equal(t, 10*time.Second, attempt(home, "beth"))
	})
}

// A page that tries passwords itself counts as the server does.
func TestAPageOfTheProgram(t *testing.T) {
	s := newSite(t)
	srv, err := oauth2server.New(s.model, &oauth2server.Options{Logger: slog.New(slog.DiscardHandler)})
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
