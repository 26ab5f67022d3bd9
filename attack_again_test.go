package oauth2server_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// inherited holds what a user has of the client web when it is deleted.
type inherited struct {
	access, refresh, spent, code, withoutPKCE, byPassword, machine string
}

func (s *site) inherit() inherited {
	tokens := s.redeem("web", s.code(withChallenge(challenge)...), "code_verifier", verifier)
	require.Equal(s.t, 200, tokens.StatusCode, tokens.text)
	next := s.refresh("web", tokens.str("refresh_token"))
	return inherited{
		access:      next.str("access_token"),
		refresh:     next.str("refresh_token"),
		spent:       tokens.str("refresh_token"),
		code:        s.code(withChallenge(challenge)...),
		withoutPKCE: s.code(),
		byPassword:  s.signIn("web").str("refresh_token"),
		machine:     s.token("web", "grant_type", "client_credentials").str("access_token"),
	}
}

// requireOver checks that none of it works for the new client web, with or
// without a secret.
func (s *site) requireOver(had inherited) {
	s.t.Helper()
	send := func(params ...string) {
		s.t.Helper()
		public := s.post("/token", form(append(params, "client_id", "web")...))
		require.GreaterOrEqual(s.t, public.StatusCode, 400, public.text)
		require.NotContains(s.t, public.body, "access_token")
		secretly := s.token("web", params...)
		require.GreaterOrEqual(s.t, secretly.StatusCode, 400, secretly.text)
		require.NotContains(s.t, secretly.body, "access_token")
	}
	for _, token := range []string{had.refresh, had.spent, had.byPassword} {
		send("grant_type", "refresh_token", "refresh_token", token)
	}
	for _, code := range []string{had.code, had.withoutPKCE} {
		send("grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier)
		send("grant_type", "authorization_code", "code", code, "redirect_uri", callback)
	}
	if had.access != "" {
		require.Equal(s.t, 401, s.apiStatus(had.access))
	}
}

// publicWeb is a public client that reuses the ID web. Having no secret, anyone
// can use it.
var publicWeb = oauth2server.Client{ID: "web", Public: true, Grants: publicGrants, RedirectURIs: []string{callback}}

// A client that is deleted and added again as public, without a secret,
// inherits nothing of the old one.
func TestAttack_ClientIDUsedAgain(t *testing.T) {
	t.Parallel()
	onEachModel(t, func(t *testing.T, model target) {
		ctx := t.Context()
		opts := &oauth2server.Options{Grants: allGrants, InsecureApprovePublicClients: true,
			PublicClientGrants: publicGrants}
		s := newSite(t, model, opts, nil)
		other := s.signIn("other")
		had := s.inherit()
		require.NoError(t, model.(registry).DeleteClient(ctx, "web"))
		s.requireOver(had)
		require.Equal(t, 200, s.apiStatus(had.machine), "as documented: until it expires")
		_, err := model.GetClient(ctx, "web", "")
		require.ErrorIs(t, err, oauth2server.ErrNotFound)

		// A code saved after the deletion, by a request that was in flight.
		const late = "late"
		_, err = model.SaveAuthorizationCode(ctx, &oauth2server.AuthorizationCode{
			Code:                late,
			ExpiresAt:           time.Now().Add(time.Hour),
			RedirectURI:         callback,
			Client:              &oauth2server.Client{ID: "web"},
			User:                &oauth2server.User{ID: "u1"},
			CodeChallenge:       challenge,
			CodeChallengeMethod: "S256",
			GrantID:             "grant of a late code",
		}, nil, nil)
		require.NoError(t, err)

		require.NoError(t, addClient(t, model, publicWeb, ""))
		s.requireOver(had)
		s.requireOver(inherited{code: late, withoutPKCE: late})
		grants, err := model.UserGrants(ctx, "u1")
		require.NoError(t, err)
		require.Len(t, grants, 1)
		require.Equal(t, "other", grants[0].ClientID)

		// The new client works, and other clients are untouched.
		r := s.post("/token", form("grant_type", "authorization_code", "client_id", "web", "redirect_uri", callback,
			"code", s.code(withChallenge(challenge)...), "code_verifier", verifier))
		require.Equal(t, 200, r.StatusCode, r.text)
		require.Equal(t, 200, s.apiStatus(r.str("access_token")))
		r = s.post("/token", form("grant_type", "refresh_token", "client_id", "web",
			"refresh_token", r.str("refresh_token")))
		require.Equal(t, 200, r.StatusCode, r.text)
		require.Equal(t, 200, s.apiStatus(other.str("access_token")))
		require.Equal(t, 200, s.refresh("other", other.str("refresh_token")).StatusCode)
		require.ErrorIs(t, addClient(t, model, publicWeb, ""), oauth2server.ErrExists)

		require.NoError(t, model.(registry).DeleteClient(ctx, "web"))
		require.NoError(t, model.(registry).DeleteClient(ctx, "web"), "once more is no error")
		require.Equal(t, 401, s.apiStatus(r.str("access_token")))
		require.ErrorIs(t, model.(registry).UpdateClient(ctx, &publicWeb), oauth2server.ErrNotFound)
		require.ErrorIs(t, model.(registry).SetClientSecret(ctx, "web", secret), oauth2server.ErrNotFound)
	})
}

// When several register a free ID at once, one gets it.
func TestAttack_ClientIDTakenAtOnce(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		require.NoError(t, model.(registry).DeleteClient(t.Context(), "web"))
		var wg sync.WaitGroup
		var added atomic.Int32
		for range 8 {
			wg.Go(func() {
				switch err := addClient(t, model, publicWeb, ""); {
				case err == nil:
					added.Add(1)
				case !errors.Is(err, oauth2server.ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, added.Load())
	})
}

// stopped repeats deletion until it succeeds, each time on a new model whose
// context ends one command later (or a few, once it revokes grants). check
// receives what existed before and where the deletion stopped.
func stopped(t *testing.T, deletion func(ctx context.Context, m *mongomodel.Model) error,
	check func(s *site, m *mongomodel.Model, had inherited, stop int)) {
	if testing.Short() {
		t.Skip("-short leaves out the dozens of databases that this takes")
	}
	for stop := 1; ; stop += 1 + stop/8 {
		ctx, cancel := context.WithCancel(t.Context())
		var commands atomic.Int32
		commands.Store(-1 << 20)
		monitor := &event.CommandMonitor{Started: func(context.Context, *event.CommandStartedEvent) {
			if commands.Add(1) == int32(stop) {
				cancel()
			}
		}}
		db := mongotest.Database(t, options.Client().SetMonitor(monitor))
		model := mongomodel.New(db, &mongomodel.Options{PasswordCost: bcrypt.MinCost})
		require.NoError(t, model.EnsureIndexes(t.Context()))
		register(t,
			func(c *oauth2server.Client, secret string) error { return model.AddClient(t.Context(), c, secret) },
			func(u *oauth2server.User, name, password string) error {
				return model.AddUser(t.Context(), u, name, password)
			})
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants, PublicClientGrants: publicGrants}, nil)
		had := s.inherit()
		commands.Store(0)
		err := deletion(ctx, model)
		cancel()
		commands.Store(-1 << 20)
		if err == nil {
			require.Greater(t, stop, 10, "there are as many commands as that")
			return
		}
		require.ErrorIs(t, err, context.Canceled)
		check(s, model, had, stop)
	}
}

// A deletion may stop at any of its commands: the client is gone or there,
// nothing of it is inherited, and the deletion can be repeated.
func TestAttack_ClientHalfDeleted(t *testing.T) {
	t.Parallel()
	deletion := func(ctx context.Context, m *mongomodel.Model) error { return m.DeleteClient(ctx, "web") }
	stopped(t, deletion, func(s *site, m *mongomodel.Model, had inherited, stop int) {
		if _, err := m.GetClient(t.Context(), "web", ""); err == nil {
			require.LessOrEqual(t, stop, 3, "only before it is deleted is the client there")
			require.Equal(t, http.StatusOK, s.refresh("web", had.refresh).StatusCode)
			return
		}
		if stop%2 == 0 {
			require.NoError(t, deletion(t.Context(), m))
		}
		require.NoError(t, m.AddClient(t.Context(), &publicWeb, ""))
		s.requireOver(had)
	})
}

// A user whose deletion stopped half-way cannot sign in, and the ID stays taken
// until everything has ended.
func TestAttack_UserHalfDeleted(t *testing.T) {
	t.Parallel()
	deletion := func(ctx context.Context, m *mongomodel.Model) error { return m.DeleteUser(ctx, "u1") }
	again := func(m *mongomodel.Model) error {
		return m.AddUser(t.Context(), &oauth2server.User{ID: "u1"}, "andrea", "another password")
	}
	stopped(t, deletion, func(s *site, m *mongomodel.Model, had inherited, stop int) {
		if _, err := m.UserByID(t.Context(), "u1"); err == nil {
			require.Equal(t, 1, stop, "only before it is marked is the user there")
			return
		}
		requireError(t, s.token("web", "grant_type", "password",
			"username", "andy", "password", "andys-password"), 400, "invalid_grant")
		if err := again(m); err != nil { // nil: all was done, only the reply was lost
			require.ErrorIs(t, err, oauth2server.ErrExists)
			require.NoError(t, deletion(t.Context(), m))
			require.NoError(t, again(m))
		}
		s.requireOver(had)
	})
}

// A deleted user whose ID is used again leaves nothing to the new owner of the
// ID. The ID stays taken until everything has ended.
func TestAttack_UserIDUsedAgain(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		had := s.inherit()
		require.NoError(t, model.(registry).DeleteUser(t.Context(), "u1"))
		s.requireOver(had)
		requireError(t, s.token("web", "grant_type", "password",
			"username", "andy", "password", "andys-password"), 400, "invalid_grant")
		addUser := func() error {
			u := &oauth2server.User{ID: "u1"}
			if m, ok := model.(*mongomodel.Model); ok {
				return m.AddUser(t.Context(), u, "andrea", "another password")
			}
			return model.(interface {
				AddUser(*oauth2server.User, string, string) error
			}).AddUser(u, "andrea", "another password")
		}
		require.NoError(t, addUser())
		s.requireOver(had)
	})
}
