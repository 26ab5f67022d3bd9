package oauth2server_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// granted is an entry of a user's page of connected applications.
func granted(t testing.TB, model target, userID string) map[string]oauth2server.Scope {
	t.Helper()
	grants, err := model.UserGrants(context.Background(), userID)
	require.NoError(t, err)
	shown := map[string]oauth2server.Scope{}
	for _, g := range grants {
		require.Equal(t, userID, g.UserID)
		require.NotContains(t, shown, g.ClientID)
		shown[g.ClientID] = g.Scope
	}
	return shown
}

// nextMillisecond waits until stored times, which have milliseconds, are later
// than any before.
func nextMillisecond() {
	for last := time.Now().UnixMilli(); time.Now().UnixMilli() == last; {
		runtime.Gosched()
	}
}

func TestUserGrants(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		require.Empty(t, granted(t, model, "u1"))
		s.token("machine", "grant_type", "client_credentials")
		s.code()
		require.Equal(t, 400, s.redeem("web", s.code(), "redirect_uri", "https://wrong.example/").StatusCode)
		require.Empty(t, granted(t, model, "u1"), "nothing was issued for anybody")

		web := s.mustRefresh(s.signIn("web", "scope", "read write").str("refresh_token"))
		narrowed := s.refresh("web", web.str("refresh_token"), "scope", "read")
		require.Equal(t, 200, narrowed.StatusCode)
		nextMillisecond()
		app := s.signIn("other", "scope", "")
		require.Equal(t, map[string]oauth2server.Scope{"web": {"read", "write"}, "other": nil}, granted(t, model, "u1"))
		require.Empty(t, granted(t, model, "u2"))
		require.Empty(t, granted(t, model, ""))

		grants, err := model.UserGrants(t.Context(), "u1")
		require.NoError(t, err)
		require.Equal(t, "other", grants[0].ClientID, "used last")
		for _, g := range grants {
			require.WithinDuration(t, time.Now(), g.UsedAt, time.Minute)
			require.WithinDuration(t, time.Now().AddDate(0, 0, 14), g.ExpiresAt, time.Minute)
		}

		code := s.code()
		for range 2 {
			require.NoError(t, model.RevokeUserClient(t.Context(), "u1", "web"))
			s.requireDead(web, narrowed)
			requireError(t, s.redeem("web", code), 400, "invalid_grant")
			require.Equal(t, map[string]oauth2server.Scope{"other": nil}, granted(t, model, "u1"))
		}
		for _, nobody := range [][2]string{{"u1", ""}, {"", "other"}, {"u2", "other"}, {"", ""}} {
			require.NoError(t, model.RevokeUserClient(t.Context(), nobody[0], nobody[1]))
		}
		require.Equal(t, 200, s.apiStatus(app.str("access_token")))
		require.Equal(t, 200, s.apiStatus(s.signIn("web").str("access_token")), "it may ask again")

		require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, grants[0].ID))
		require.Equal(t, 401, s.apiStatus(app.str("access_token")))

		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = model.UserGrants(cancelled, "u1")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, model.RevokeUserClient(cancelled, "u1", "web"), context.Canceled)
	})
}

// A service gets its own tokens under a grant of the app that calls it. The
// user sees both, and ends both by either.
func TestGrantsThatOthersJoined(t *testing.T) {
	for _, end := range []string{"web", "backend"} {
		onEachModel(t, func(t *testing.T, model target) {
			require.NoError(t, addClient(t, model,
				oauth2server.Client{ID: "backend", Grants: []string{"exchange"}}, secret+"backend"))
			s := newSite(t, model, &oauth2server.Options{Grants: allGrants,
				ExtensionGrants: map[string]oauth2server.GrantFunc{
					"exchange": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
						subject, err := model.GetAccessToken(ctx, g.Param("subject_token"))
						if err != nil {
							return nil, err
						}
						return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: g.Param("for")},
							Scope: oauth2server.Scope{"read"}, GrantID: subject.GrantID})
					},
				}}, nil)
			web := s.signIn("web", "scope", "read write")
			exchange := func(user string) reply {
				return s.token("backend", "grant_type", "exchange",
					"subject_token", web.str("access_token"), "for", user)
			}
			requireError(t, exchange("u2"), 500, "server_error") // no user could end it
			backend := exchange("u1")
			require.Equal(t, 200, backend.StatusCode, backend.text)
			require.Equal(t, map[string]oauth2server.Scope{"web": {"read", "write"}, "backend": {"read"}},
				granted(t, model, "u1"))
			require.Empty(t, granted(t, model, "u2"))

			require.NoError(t, model.RevokeUserClient(t.Context(), "u1", end))
			s.requireDead(web)
			require.Equal(t, 401, s.apiStatus(backend.str("access_token")))
			require.Empty(t, granted(t, model, "u1"))
		})
	}
}

// An application that need not ask again gets a code while its grant is being
// ended; that code must not be its way back in. examples/server checks once
// more after approving. Here the two checks come between any two steps of the
// ending.
func TestACodeBesideTheEndOfItsGrant(t *testing.T) {
	t.Parallel()
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		step := 5 // a database takes too long for all of them
		if _, inMemory := model.(*memorymodel.Model); inMemory {
			step = 1
		}
		for first, last := 1, 1; ; {
			client := fmt.Sprintf("app-%d-%d", first, last) // it has no other grants
			user, name := fmt.Sprint("u-", first), fmt.Sprint("andy-", first)
			if last == first {
				require.NoError(t, addUser(t, model, user, name, "a-password"))
			}
			asks := []string{"scope", "read", "username", name, "password", "a-password"}
			require.NoError(t, addClient(t, model,
				oauth2server.Client{ID: client, RedirectURIs: []string{callback}, Grants: allGrants}, secret+client))
			remembered := func() bool { return granted(t, model, user)[client] != nil }
			tokens, code := s.token(client, append(asks, "grant_type", "password")...), ""
			look := func() {
				if code = ""; remembered() {
					code = s.code(append(asks, "client_id", client)...)
				}
			}
			lookAgain := func() {
				if code != "" && !remembered() {
					require.NoError(t, model.RevokeUserClient(t.Context(), user, client))
				}
			}
			steps := &steppedContext{Context: t.Context(), at: map[int]func(){first: look}}
			if last == first {
				steps.at[first] = func() { look(); lookAgain() }
			} else {
				steps.at[last] = lookAgain
			}
			require.NoError(t, model.RevokeUserClient(steps, user, client))
			over := int(steps.steps.Load())
			if last > over && first <= over {
				lookAgain()
			}
			require.Equal(t, 401, s.apiStatus(tokens.str("access_token")))
			if code != "" {
				requireError(t, s.redeem(client, code), 400, "invalid_grant")
			}
			switch {
			case first > over:
				require.Greater(t, over, 3)
				return
			case last > over:
				first += step
				last = first
			default:
				last += step
			}
		}
	})
}

// steppedContext runs a function at the n-th call of Err, which the code under
// test makes before each step.
type steppedContext struct {
	context.Context
	at    map[int]func()
	steps atomic.Int32
}

func (c *steppedContext) Err() error {
	if do := c.at[int(c.steps.Add(1))]; do != nil {
		do()
	}
	return c.Context.Err()
}

func TestUserByID(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		user, err := model.UserByID(t.Context(), "u1")
		require.NoError(t, err)
		require.Equal(t, "u1", user.ID)
		for _, nobody := range []string{"u2", "andy", ""} {
			_, err = model.UserByID(t.Context(), nobody)
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = model.UserByID(cancelled, "u1")
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestAGrantIsShownWhileSomethingOfItWorks(t *testing.T) {
	timed(t, nil, func(t *testing.T, s *site, model *spy) {
		tokens := s.signIn("web")
		time.Sleep(13 * 24 * time.Hour)
		used := time.Now()
		s.mustRefresh(tokens.str("refresh_token"))
		time.Sleep(13 * 24 * time.Hour)
		grants, err := model.UserGrants(t.Context(), "u1")
		require.NoError(t, err)
		require.Len(t, grants, 1)
		require.WithinDuration(t, used, grants[0].UsedAt, time.Second)
		require.WithinDuration(t, used.AddDate(0, 0, 14), grants[0].ExpiresAt, time.Second)
		time.Sleep(25 * time.Hour)
		require.Empty(t, granted(t, model.Model, "u1"))
	})
	timed(t, &oauth2server.Options{RefreshTokenLifetime: time.Hour, AccessTokenLifetime: 2 * time.Hour},
		func(t *testing.T, s *site, model *spy) {
			s.signIn("web")
			time.Sleep(90 * time.Minute)
			require.Contains(t, granted(t, model.Model, "u1"), "web", "the access token works")
			time.Sleep(time.Hour)
			require.Empty(t, granted(t, model.Model, "u1"))
		})
}

func TestLiveGrants(t *testing.T) {
	now := time.Now()
	issued := func(id string, seq int, access, successor time.Time) *oauth2server.GrantEntry {
		return &oauth2server.GrantEntry{GrantID: id, Seq: seq, Kind: "rotate", ClientID: "c",
			UserID: "u", Scope: oauth2server.Scope{"read"},
			Time: now.Add(time.Duration(seq) * time.Second), AccessToken: "a",
			AccessTokenExpiresAt: access, Successor: "s", SuccessorExpiresAt: successor}
	}
	past, soon, later := now.Add(-time.Minute), now.Add(time.Minute), now.Add(time.Hour)
	over := &oauth2server.GrantEntry{GrantID: "over", Seq: 3, Kind: "revoked", ClientID: "c", UserID: "u"}
	entries := []*oauth2server.GrantEntry{
		over, issued("over", 1, soon, later), // in any order
		issued("expired", 1, past, past),
		issued("a", 2, past, soon), issued("a", 1, soon, later), // a lifetime was shortened
		issued("forever", 9, past, time.Time{}),
		{GrantID: "burnt", Seq: 1, Kind: "burnt"}, {GrantID: "unknown", Seq: 1, Kind: "revoked"},
	}
	live := oauth2server.LiveGrants(entries)
	require.Equal(t, []*oauth2server.Grant{
		{ID: "forever", ClientID: "c", UserID: "u", Scope: oauth2server.Scope{"read"},
			UsedAt: now.Add(9 * time.Second)},
		{ID: "a", ClientID: "c", UserID: "u", Scope: oauth2server.Scope{"read"},
			UsedAt: now.Add(2 * time.Second), ExpiresAt: later},
	}, live)
	live[0].Scope[0] = "admin"
	require.Equal(t, oauth2server.Scope{"read"}, entries[5].Scope, "the result is the caller's own")
	require.Empty(t, oauth2server.LiveGrants(nil))
}

// A refresh token of another server has no log. Once it was used here, its owner
// sees the grant and can end it, whenever the old token would have expired.
func TestARefreshTokenOfAnotherServerIsSeen(t *testing.T) {
	for _, rotation := range []oauth2server.RefreshRotation{oauth2server.RotateWithRetry, oauth2server.RotateNever} {
		for name, lives := range map[string]time.Duration{"a moment": time.Minute, "a year": 365 * 24 * time.Hour} {
			onEachModel(t, func(t *testing.T, model target) {
				s := newSite(t, model, &oauth2server.Options{Grants: allGrants, RefreshRotation: rotation}, nil)
				token := &oauth2server.Token{RefreshToken: "a-refresh-token-of-another-server", GrantID: "moved",
					RefreshTokenExpiresAt: time.Now().Add(lives).UTC().Truncate(time.Millisecond),
					Scope:                 oauth2server.Scope{"read"},
					Client:                &oauth2server.Client{ID: "web"}, User: &oauth2server.User{ID: "u1"}}
				_, err := model.SaveToken(t.Context(), token, token.Client, token.User)
				require.NoError(t, err)

				next := s.refresh("web", token.RefreshToken)
				require.Equal(t, 200, next.StatusCode)
				require.Equal(t, map[string]oauth2server.Scope{"web": {"read"}}, granted(t, model, "u1"), name)
				require.NoError(t, model.RevokeUser(t.Context(), "u1"))
				last := token.RefreshToken
				if rotation == oauth2server.RotateWithRetry {
					last = next.str("refresh_token")
				}
				requireError(t, s.refresh("web", last), 400, "invalid_grant")
				_, err = model.GetAccessToken(t.Context(), next.str("access_token"))
				require.ErrorIs(t, err, oauth2server.ErrNotFound)
			})
		}
	}
}
