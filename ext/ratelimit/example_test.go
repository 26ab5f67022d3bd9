// How a program uses the package.

package ratelimit_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/ratelimit"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const secret = "a-secret-that-nobody-guesses"

// newModel returns a model with a client and a user, whose password costs
// little to try.
func newModel() *memorymodel.Model {
	model := memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost})
	err := errors.Join(
		model.AddClient(&oauth2server.Client{ID: "app", Grants: []string{"client_credentials"}}, secret),
		model.AddUser(&oauth2server.User{ID: "u1"}, "andy", "123456"))
	if err != nil {
		panic(err)
	}
	return model
}

// post returns the status of the answer to a form.
func post(handler http.Handler, from string, form url.Values) int {
	r := httptest.NewRequest("POST", "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code
}

func Example() {
	limiter := ratelimit.New()
	srv, err := oauth2server.New(newModel(), &oauth2server.Options{
		LimitAttempts: limiter.LimitAttempts,
		Logger:        slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}

	wrong := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"wrong"}}
	right := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {secret}}
	count := map[int]int{}
	for range 1000 {
		count[post(srv.Token(nil), "203.0.113.9:4711", wrong)]++
	}
	fmt.Println("guesses:", count)
	fmt.Println("the client, elsewhere:", post(srv.Token(nil), "198.51.100.7:4711", right))
	// Output:
	// guesses: map[400:20 429:980]
	// the client, elsewhere: 200
}

// A sign-in page counts as the server does.
func ExampleLimiter_LimitAttempts() {
	limiter, model := ratelimit.New(), newModel()
	signIn := func(w http.ResponseWriter, r *http.Request) {
		username := r.PostFormValue("username")
		done, wait := limiter.LimitAttempts(r, oauth2server.Attempt{Username: username})
		if wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		failed := false
		defer func() { done(failed) }() // also after a panic
		_, err := model.GetUser(r.Context(), username, r.PostFormValue("password"), nil)
		failed = errors.Is(err, oauth2server.ErrNotFound) // a fault says nothing about the password
		if failed {
			w.WriteHeader(http.StatusForbidden)
		}
	}
	for range 10 {
		post(http.HandlerFunc(signIn), "203.0.113.9:4711", url.Values{"username": {"andy"}, "password": {"wrong"}})
	}
	right := url.Values{"username": {"Andy "}, "password": {"123456"}}
	fmt.Println(post(http.HandlerFunc(signIn), "203.0.113.9:4711", right))
	// Output: 429
}

func ExampleForwarded() {
	address := ratelimit.Forwarded([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")})
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:55555"                                  // a proxy of ours
	r.Header.Add("X-Forwarded-For", "192.0.2.1, [2001:db8::7]:4711") // a stranger wrote the first
	r.Header.Add("X-Forwarded-For", "10.0.0.2")                      // another proxy of ours
	fmt.Println(address(r))
	// Output: 2001:db8::7
}
