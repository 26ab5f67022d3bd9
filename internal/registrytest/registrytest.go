// Package registrytest tests how a model registers, changes and deletes clients
// and users.
package registrytest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// Model is what a model with clients and users has, but for AddClient and AddUser.
type Model interface {
	oauth2server.Model
	oauth2server.PasswordModel

	ListClients(ctx context.Context, after string, limit int) ([]*oauth2server.Client, error)
	UpdateClient(ctx context.Context, c *oauth2server.Client) error
	SetClientSecret(ctx context.Context, clientID, secret string) error
	RotateClientSecret(ctx context.Context, clientID, secret string, keep time.Duration) error
	DeleteClient(ctx context.Context, clientID string) error

	AddUserHash(ctx context.Context, u *oauth2server.User, username, hash string) error
	UserByID(ctx context.Context, userID string) (*oauth2server.User, error)
	ListUsers(ctx context.Context, after string, limit int) ([]*oauth2server.NamedUser, error)
	UpdateUser(ctx context.Context, u *oauth2server.User, username string) error
	SetPassword(ctx context.Context, userID, password string) error
	DeleteUser(ctx context.Context, userID string) error
}

// Fixture is a model with nothing registered. Its ExtensionGrants have
// [ExtensionGrant].
type Fixture struct {
	Model

	// Peer is another handle of the same storage, or Model again.
	Peer Model

	AddClient func(c *oauth2server.Client, secret string) error
	AddUser   func(u *oauth2server.User, username, password string) error

	// NotAtomic: updates are not atomic, and one by a name that is taken fails
	// with an error of the storage.
	NotAtomic bool
}

// ExtensionGrant is a grant that a client gets.
const ExtensionGrant = "exchange"

// Tests are all tests, by name. Each needs a fixture of its own.
var Tests = map[string]func(*testing.T, Fixture){
	"clients":          Clients,
	"cancelled":        Cancelled,
	"two secrets":      TwoSecrets,
	"rotating at once": RotatingAtOnce,
	"lists":            Lists,
	"users":            Users,
	"hashes":           Hashes,
	"rehash at once":   RehashAtOnce,
}

const (
	secret   = "a-client-secret-of-good-length"
	callback = "https://client.example/cb"
)

var builtIn = []string{"authorization_code", "refresh_token", "client_credentials", "password", "implicit"}

// holds reports whether a secret is the client's, through each handle.
func (m Fixture) holds(t testing.TB, id, secret string) bool {
	t.Helper()
	_, err := m.GetClient(t.Context(), id, secret)
	_, other := m.Peer.GetClient(t.Context(), id, secret)
	require.Equal(t, err, other)
	if err != nil {
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
	}
	return err == nil
}

// taken requires an error for a name that another user has, and returns it as
// ErrExists.
func (m Fixture) taken(t testing.TB, err error) error {
	require.Error(t, err)
	if m.NotAtomic && !errors.Is(err, oauth2server.ErrExists) {
		require.ErrorContains(t, err, "UNIQUE constraint")
		return oauth2server.ErrExists
	}
	return err
}

// tokenEndpoint returns a function that posts a form, as names and values, by the
// client "web" with a secret, and returns the status of the answer.
func tokenEndpoint(t testing.TB, m Model) func(secret string, form ...string) int {
	srv, err := oauth2server.New(m, &oauth2server.Options{Grants: []string{"client_credentials", "password"},
		Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	endpoint := srv.Token(nil)
	return func(secret string, form ...string) int {
		values := url.Values{}
		for i := 0; i < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("web", secret)
		w := httptest.NewRecorder()
		endpoint.ServeHTTP(w, r)
		return w.Code
	}
}
