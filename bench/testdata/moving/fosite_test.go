package auth

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const secret = "a-secret-that-nobody-guesses"

// oldServer returns the old server, and what knows its clients and tokens.
func oldServer(t *testing.T) (http.Handler, moved) {
	config := &fosite.Config{GlobalSecret: []byte("0123456789abcdef0123456789abcdef"), HashCost: 4}
	store := storage.NewMemoryStore()
	hash, err := config.GetSecretsHasher(t.Context()).Hash(t.Context(), []byte(secret))
	require.NoError(t, err)
	store.Clients["app"] = &fosite.DefaultClient{
		ID:            "app",
		Secret:        hash,
		RedirectURIs:  []string{callback},
		ResponseTypes: []string{"code"},
		GrantTypes:    []string{"authorization_code", "refresh_token"},
		Scopes:        []string{"read", "offline"},
	}
	handler := before(config, store, func(http.ResponseWriter, *http.Request) string { return "u1" })
	return handler, moved{memorymodel.New(nil), store, compose.NewOAuth2HMACStrategy(config),
		config.GetSecretsHasher(t.Context()), time.Now().Add(24 * time.Hour)}
}

func TestMove(t *testing.T) {
	old, m := oldServer(t)
	now, err := after(&m, allowing)
	require.NoError(t, err)
	expired := m
	expired.until = time.Now().Add(-time.Hour)
	late, err := after(&expired, allowing)
	require.NoError(t, err)
	testMove(t, "read offline", old, now, late, func() error { return m.RevokeUser(t.Context(), "u1") })
}

type down struct{ *storage.MemoryStore }

func (down) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errFault
}

func (down) GetRefreshTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errFault
}

func TestFault(t *testing.T) {
	_, m := oldServer(t)
	m.storage = down{}
	requireFault(t, &m)
}

// What was replaced before the switch is refused.
func TestReplacedBefore(t *testing.T) {
	handler, m := oldServer(t)
	now, err := after(&m, allowing)
	require.NoError(t, err)
	old := site{handler, t}
	first := old.signIn("read offline")
	status, second := old.refresh(first.Refresh)
	require.Equal(t, 200, status)
	s := site{now, t}
	status, _ = s.refresh(first.Refresh)
	require.Equal(t, 400, status)
	status, _ = s.refresh(second.Refresh)
	require.Equal(t, 200, status)
}

// The storage is asked for the second half of a token, so the first one must be checked.
func TestHalfAToken(t *testing.T) {
	handler, m := oldServer(t)
	now, err := after(&m, allowing)
	require.NoError(t, err)
	given := site{handler, t}.signIn("read offline")
	half := func(prefix, token string) string {
		_, signature, found := strings.Cut(token, ".")
		require.True(t, found)
		return prefix + strings.Repeat("A", 43) + "." + signature
	}
	s := site{now, t}
	s.requireRefused(half("ory_at_", given.Access))
	status, _ := s.refresh(half("ory_rt_", given.Refresh))
	require.Equal(t, 400, status)
}

// Who is registered anew has no old secret.
func TestSecrets(t *testing.T) {
	_, m := oldServer(t)
	get := func(id, secret string) error {
		_, err := m.GetClient(t.Context(), id, secret)
		return err
	}
	require.NoError(t, get("app", secret))
	require.NoError(t, get("app", ""))
	require.ErrorIs(t, get("app", "wrong"), oauth2server.ErrNotFound)
	require.ErrorIs(t, get("nobody", secret), oauth2server.ErrNotFound)
	again := &oauth2server.Client{ID: "app", Grants: []string{"client_credentials"}}
	require.NoError(t, m.AddClient(again, "another-secret-of-this-client"))
	require.ErrorIs(t, get("app", secret), oauth2server.ErrNotFound)
	require.NoError(t, get("app", "another-secret-of-this-client"))
}

// A lost reply ends the grant at the old server.
func TestSaferThan(t *testing.T) {
	handler, _ := oldServer(t)
	old := site{handler, t}
	given := old.signIn("read offline")
	status, next := old.refresh(given.Refresh)
	require.Equal(t, 200, status)
	status, _ = old.refresh(given.Refresh)
	require.Equal(t, 400, status)
	old.requireRefused(next.Access)
}
