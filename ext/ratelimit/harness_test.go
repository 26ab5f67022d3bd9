// A server with small buckets, which the tests of this package ask.

package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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

func (m *counting) GetUser(
	ctx context.Context, username, password string, c *oauth2server.Client,
) (*oauth2server.User, error) {
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
		Logger:        slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(nil)) // whoever signs in approves
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/introspect", srv.Introspect())
	return mux, nil
}

// newSite has small buckets.
func newSite(t *testing.T) *site {
	model := &counting{Model: memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost})}
	for _, id := range []string{"app", "web", "tv", "car"} {
		require.NoError(t, model.AddClient(&oauth2server.Client{
			ID:           id,
			RedirectURIs: []string{"https://client.example/cb"},
			Grants:       []string{"authorization_code", "client_credentials", "password"},
		}, secret))
	}
	for _, name := range []string{"andy", "beth"} {
		require.NoError(t, model.AddUser(&oauth2server.User{ID: name}, name, "123456"))
	}
	limiter := New()
	limiter.Secret.Burst, limiter.Secrets.Burst = 3, 8
	limiter.Password.Burst, limiter.Passwords.Burst, limiter.User.Burst = 4, 9, 6
	handler, err := newHandler(model, limiter)
	require.NoError(t, err)
	return &site{t, limiter, model, handler}
}

// send returns the answer, and checks that a 429 says when to come again.
func (s *site) send(
	ctx context.Context, from, path string, fields url.Values, header ...string,
) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "POST", path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code == http.StatusTooManyRequests {
		require.NotEmpty(s.t, w.Header().Get("Retry-After"))
	}
	return w
}

func (s *site) post(from, path string, fields url.Values) int {
	return s.send(s.t.Context(), from, path, fields).Code
}

// withSecret is a request that tries a client's secret.
func withSecret(client, secret string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
}

func (s *site) secret(from, client, secret string) int {
	return s.post(from, "/token", withSecret(client, secret))
}

func (s *site) password(from, username, password string) int {
	return s.post(from, "/token", url.Values{"grant_type": {"password"}, "client_id": {"app"},
		"client_secret": {secret}, "username": {username}, "password": {password}})
}

func (s *site) signIn(from, username, password string) int {
	return s.post(from, "/authorize", url.Values{"response_type": {"code"}, "client_id": {"app"}, "state": {"1"},
		"username": {username}, "password": {password}})
}

// requireTried checks how many secrets and passwords the model was asked about
// since the last time.
func (s *site) requireTried(n int) {
	s.t.Helper()
	require.EqualValues(s.t, n, s.model.tried.Swap(0))
}

// requireSound checks what makes it impossible to wait for nothing, and to get
// more than the buckets hold.
func (s *site) requireSound() {
	s.t.Helper()
	requireSound(s.t, s.limiter)
}

// tally counts statuses, concurrently.
type tally struct {
	mu    sync.Mutex
	count map[int]int
}

func (c *tally) add(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[int]int{}
	}
	c.count[status]++
}

// from is one of many addresses.
func from(i int) string { return fmt.Sprintf("10.0.%d.%d:1", i/256, i%256) }
