package oauth2server_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// shiftedClock is a model whose clock is ahead by the given time: it stores and
// returns records with their times moved. So time passes in a test that cannot
// wait.
type shiftedClock struct {
	target
	by time.Duration
}

func (m *shiftedClock) Unwrap() oauth2server.Model { return m.target }

// move returns a copy with its times moved.
func move[T any](own *T, by time.Duration, times ...*time.Time) *T {
	for _, at := range times {
		if !at.IsZero() {
			*at = at.Add(by)
		}
	}
	return own
}

func moveToken(t oauth2server.Token, by time.Duration) *oauth2server.Token {
	return move(&t, by, &t.AccessTokenExpiresAt, &t.RefreshTokenExpiresAt, &t.GrantExpiresAt, &t.GrantPace)
}

func moveCode(c oauth2server.AuthorizationCode, by time.Duration) *oauth2server.AuthorizationCode {
	return move(&c, by, &c.ExpiresAt)
}

func moveEntry(e oauth2server.GrantEntry, by time.Duration) *oauth2server.GrantEntry {
	return move(&e, by, &e.Time, &e.ExpiresAt, &e.AccessTokenExpiresAt, &e.SuccessorExpiresAt,
		&e.GrantExpiresAt, &e.Pace)
}

func (m *shiftedClock) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	saved, err := m.target.SaveToken(ctx, moveToken(*t, m.by), c, u)
	if err != nil {
		return nil, err
	}
	return moveToken(*saved, -m.by), nil
}

func (m *shiftedClock) GetAccessToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	found, err := m.target.GetAccessToken(ctx, token)
	if err != nil {
		return nil, err
	}
	return moveToken(*found, -m.by), nil
}

func (m *shiftedClock) GetRefreshToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	found, err := m.target.GetRefreshToken(ctx, token)
	if err != nil {
		return nil, err
	}
	return moveToken(*found, -m.by), nil
}

func (m *shiftedClock) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	saved, err := m.target.SaveAuthorizationCode(ctx, moveCode(*code, m.by), c, u)
	if err != nil {
		return nil, err
	}
	return moveCode(*saved, -m.by), nil
}

func (m *shiftedClock) GetAuthorizationCode(ctx context.Context, code string) (*oauth2server.AuthorizationCode, error) {
	found, err := m.target.GetAuthorizationCode(ctx, code)
	if err != nil {
		return nil, err
	}
	return moveCode(*found, -m.by), nil
}

func (m *shiftedClock) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	there, err := m.target.AppendGrant(ctx, moveEntry(*e, m.by))
	if there != nil {
		there = moveEntry(*there, -m.by)
	}
	return there, err
}

func (m *shiftedClock) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	entries, err := m.target.GrantEntries(ctx, id, from)
	for i, e := range entries {
		entries[i] = moveEntry(*e, -m.by)
	}
	return entries, err
}

// grantOf returns the ID of an answer's grant.
func grantOf(t testing.TB, model target, r reply) string {
	t.Helper()
	token, err := model.GetAccessToken(t.Context(), r.str("access_token"))
	require.NoError(t, err)
	return token.GrantID
}

// requireAlive checks that the tokens of a grant work, and returns the next
// ones.
func (s *site) requireAlive(r reply) reply {
	s.t.Helper()
	require.Equal(s.t, 200, s.apiStatus(r.str("access_token")))
	return s.mustRefresh(r.str("refresh_token"))
}

// A client ends another client's grant by trying its code or token
// (wrong-client denial of service).
func TestAttack_WrongClientEndsNothing(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		code, spentCode := s.code(), s.code()
		owner := s.redeem("web", spentCode)
		next := s.mustRefresh(owner.str("refresh_token"))
		for _, params := range [][]string{
			{"grant_type", "authorization_code", "redirect_uri", callback, "code", code},
			{"grant_type", "authorization_code", "redirect_uri", callback, "code", spentCode},
			{"grant_type", "refresh_token", "refresh_token", owner.str("refresh_token")},
			{"grant_type", "refresh_token", "refresh_token", next.str("refresh_token")},
		} {
			for range 2 { // a second attempt finds what the first one left
				requireError(t, s.token("other", params...), 400, "invalid_grant")
				requireError(t, s.post("/token",
					form(append(params, "client_id", "app", "code_verifier", verifier)...)), 400, "invalid_grant")
				requireError(t, s.post("/token",
					form(append(params, "client_id", "nobody", "client_secret", secret)...)), 400, "invalid_client")
			}
		}
		s.requireAlive(s.redeem("web", code))
		s.requireAlive(next)
	})
}

// An attacker who finds a code in a log, but has neither the secret nor the
// verifier, ends the owner's grant (replay as a weapon).
func TestAttack_ReplayAsAWeapon(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		clock := &shiftedClock{target: model}
		s := newSite(t, clock, nil, nil)
		code := s.code("code_challenge", challenge, "code_challenge_method", "S256")
		owner := s.redeem("web", code, "code_verifier", verifier)
		replay := []string{"grant_type", "authorization_code", "code", code}
		proof := []string{"redirect_uri", callback, "code_verifier", verifier}
		for _, row := range []struct {
			name string
			r    reply
			code string
		}{
			{"no client", s.post("/token", form(append(replay, proof...)...)), "invalid_client"},
			{"no secret", s.post("/token", form(append(append(replay, proof...), "client_id", "web")...)),
				"invalid_client"},
			{"a wrong secret", s.post("/token",
				form(append(append(replay, proof...), "client_id", "web", "client_secret", secret)...)),
				"invalid_client"},
			{"another client", s.token("other", append(replay, proof...)...), "invalid_grant"},
			{"a public client", s.post("/token", form(append(append(replay, proof...), "client_id", "app")...)),
				"invalid_grant"},
			{"no verifier", s.redeem("web", code), "invalid_grant"},
			{"a wrong verifier", s.redeem("web", code, "code_verifier", challenge), "invalid_grant"},
			{"no redirect_uri", s.token("web", append(replay, "code_verifier", verifier)...), "invalid_grant"},
			{"a wrong redirect_uri", s.token("web",
				append(replay, "code_verifier", verifier, "redirect_uri", callback+"2")...), "invalid_grant"},
		} {
			require.Equal(t, row.code, row.r.str("error"), row.name)
			require.Equal(t, 400, row.r.StatusCode, row.name)
			require.Equal(t, 200, s.apiStatus(owner.str("access_token")), row.name)
		}
		next := s.requireAlive(owner)
		clock.by += time.Minute + time.Second
		requireError(t, s.token("web", append(replay, proof...)...), 400, "invalid_grant")
		s.requireDead(owner, next)
	})
}

// A thief presents each refresh token that the owner has just spent (the
// follower). As long as the thief is as fast as a retry, nothing shows. Once
// the thief is late, the grant is dead within two refreshes of the owner.
func TestAttack_Follower(t *testing.T) {
	t.Parallel()
	onEachModel(t, func(t *testing.T, model target) {
		for _, row := range []struct {
			name    string
			inStep  int  // how often the thief follows at once before being late
			ownerOn bool // the owner has refreshed again when the thief comes
		}{
			{"late at once", 0, false},
			{"late after the owner went on", 0, true},
			{"late after some time in step", 3, false},
			{"late after some time in step, and the owner went on", 3, true},
		} {
			t.Run(row.name, func(t *testing.T) {
				clock := &shiftedClock{target: model}
				s := newSite(t, clock, nil, nil)
				owner := s.redeem("web", s.code())
				delivered := []reply{owner}
				refresh := func(token string) reply {
					r := s.refresh("web", token)
					if r.StatusCode == 200 {
						delivered = append(delivered, r)
					} else {
						requireError(t, r, 400, "invalid_grant")
					}
					return r
				}
				for range row.inStep {
					spent := owner.str("refresh_token")
					owner = refresh(spent)
					require.Equal(t, owner.str("refresh_token"), refresh(spent).str("refresh_token"))
				}
				spent := owner.str("refresh_token")
				owner = refresh(spent)
				if row.ownerOn {
					owner = refresh(owner.str("refresh_token"))
				}
				clock.by += time.Minute + time.Second
				refresh(spent)
				for range 2 {
					clock.by += time.Minute + time.Second
					if next := refresh(owner.str("refresh_token")); next.StatusCode == 200 {
						owner = next
					}
				}
				require.Less(t, clock.by, time.Hour, "the access tokens have not expired")
				s.requireDead(delivered...)
			})
		}
	})
}

// A client in a loop makes access tokens without end (retry loop inside the
// window). It is told to wait, and loses nothing.
func TestAttack_RetryLoop(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		clock := &shiftedClock{target: model}
		s := newSite(t, clock, nil, nil)
		first := s.redeem("web", s.code())
		second := s.mustRefresh(first.str("refresh_token"))
		for range 16 {
			require.Equal(t, second.str("refresh_token"),
				s.mustRefresh(first.str("refresh_token")).str("refresh_token"))
		}
		for range 3 {
			r := s.refresh("web", first.str("refresh_token"))
			requireError(t, r, 429, "invalid_request")
			require.Equal(t, "60", r.Header.Get("Retry-After"))
		}
		entries, err := model.GrantEntries(t.Context(), grantOf(t, model, first), 1)
		require.NoError(t, err)
		require.Len(t, entries, 1+1+16)
		clock.by += time.Minute + time.Second
		s.requireAlive(s.mustRefresh(first.str("refresh_token")))
	})
}

// A grant that is refreshed again and again never ends (endless grant).
func TestAttack_EndlessGrant(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		const day, end = 24 * time.Hour, 90 * 24 * time.Hour
		clock := &shiftedClock{target: model}
		s := newSite(t, clock, nil, nil)
		tokens := s.redeem("web", s.code())
		for clock.by+13*day < end {
			clock.by += 13 * day
			tokens = s.mustRefresh(tokens.str("refresh_token"))
		}
		clock.by = end - 10*time.Minute
		tokens = s.mustRefresh(tokens.str("refresh_token"))
		require.LessOrEqual(t, tokens.body["expires_in"], 600.0, "no token outlives the grant")
		clock.by = end
		s.requireDead(tokens)
	})
}

// The marker of a spent token is swept before the token expires (sweep, then
// present).
func TestAttack_SweepThenPresent(t *testing.T) {
	t.Parallel()
	const lifetime = 14 * 24 * time.Hour
	for _, row := range []struct {
		name   string
		grants []string
		// spend uses a credential up. It returns a function that presents it
		// again, and the tokens delivered on the way.
		spend func(s *site, model target) (present func() reply, delivered []reply)
	}{
		{"a redeemed code", nil, func(s *site, _ target) (func() reply, []reply) {
			code := s.code()
			return func() reply { return s.redeem("web", code) }, []reply{s.redeem("web", code)}
		}},
		{"a redeemed code, without refresh tokens", []string{"authorization_code"},
			func(s *site, _ target) (func() reply, []reply) {
				code := s.code()
				require.Equal(s.t, 200, s.redeem("web", code).StatusCode)
				return func() reply { return s.redeem("web", code) }, nil
			}},
		{"a burnt code", nil, func(s *site, _ target) (func() reply, []reply) {
			code := s.code()
			requireError(s.t, s.redeem("web", code, "code_verifier", verifier), 400, "invalid_grant")
			return func() reply { return s.redeem("web", code) }, nil
		}},
		{"a refresh token", nil, func(s *site, _ target) (func() reply, []reply) {
			first := s.redeem("web", s.code())
			second := s.mustRefresh(first.str("refresh_token"))
			third := s.mustRefresh(second.str("refresh_token"))
			return func() reply { return s.refresh("web", first.str("refresh_token")) }, []reply{second, third}
		}},
		{"a revoked grant", nil, func(s *site, model target) (func() reply, []reply) {
			first := s.redeem("web", s.code())
			require.NoError(s.t, oauth2server.RevokeGrant(s.t.Context(), model, grantOf(s.t, model, first)))
			return func() reply { return s.refresh("web", first.str("refresh_token")) }, []reply{first}
		}},
		{"a code that was revoked before it was redeemed", nil, func(s *site, model target) (func() reply, []reply) {
			code := s.code()
			stored, err := model.GetAuthorizationCode(s.t.Context(), code)
			require.NoError(s.t, err)
			require.NoError(s.t, oauth2server.RevokeGrant(s.t.Context(), model, stored.GrantID))
			return func() reply { return s.redeem("web", code) }, nil
		}},
	} {
		options := oauth2server.Options{AuthorizationCodeLifetime: lifetime, Grants: row.grants}
		check := func(s *site, model target, passAndSweep func(time.Duration)) {
			present, delivered := row.spend(s, model)
			passAndSweep(lifetime - time.Hour)
			requireError(s.t, present(), 400, "invalid_grant")
			s.requireDead(delivered...)
			requireError(s.t, present(), 400, "invalid_grant")
		}
		t.Run("memorymodel/"+row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				model := newMemory(t)
				check(newLocalSite(t, model, &options, nil), model, func(d time.Duration) {
					time.Sleep(d)
					sweep(t, &spy{Model: model}, 500)
				})
			})
		})
		t.Run("mongomodel/"+row.name, func(t *testing.T) {
			model := newMongo(t)
			clock := &shiftedClock{target: model, by: time.Hour - lifetime} // so that the sweep happens now
			check(newSite(t, clock, &options, nil), clock, func(d time.Duration) {
				clock.by += d
				_, err := model.DeleteExpired(t.Context())
				require.NoError(t, err)
			})
		})
	}
}

// An attacker with a dump of the storage opens the sealed successor (dump opens
// the sealed successor).
func TestAttack_DumpOpensTheSealedSuccessor(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		first := s.redeem("web", s.code())
		second := s.mustRefresh(first.str("refresh_token"))
		third := s.mustRefresh(second.str("refresh_token"))
		id := grantOf(t, model, first)
		entries, err := model.GrantEntries(t.Context(), id, 1)
		require.NoError(t, err)
		sealed := slices.DeleteFunc(slices.Clone(entries), func(e *oauth2server.GrantEntry) bool {
			return e.Sealed == nil
		})
		require.Len(t, sealed, 2)
		// opens tries what internal/seal does, and what it might do by mistake.
		opens := func(e *oauth2server.GrantEntry, with string) bool {
			for _, label := range []string{"oauth2server successor pad", "oauth2server refresh successor", ""} {
				for _, more := range []string{e.Successor, e.Nonce, id, ""} {
					var opened []byte
					for counter := byte(1); len(opened) < len(e.Sealed)-1; counter++ {
						part := sha256.Sum256([]byte("\x00\x00\x00" + string(counter) + with + label + more))
						opened = append(opened, part[:]...)
					}
					opened = opened[:subtle.XORBytes(opened, opened, e.Sealed[1:])]
					if oauth2server.Digest(string(opened)) == e.Successor {
						return true
					}
				}
			}
			return false
		}
		dump := []string{"", id}
		sharedRecorder.notSecret(id)
		for _, e := range entries {
			dump = append(dump, e.Presented, e.AccessToken, e.Successor, e.Nonce, e.ClientID, e.UserID,
				string(e.Sealed))
		}
		for _, text := range slices.Clone(dump) {
			dump = append(dump, oauth2server.Digest(text))
		}
		for _, text := range dump {
			for _, e := range sealed {
				require.False(t, opens(e, text), text)
			}
			if text != "" {
				require.NotEqual(t, 200, s.refresh("web", text).StatusCode)
				require.NotEqual(t, 200, s.redeem("web", text).StatusCode)
				require.Contains(t, []int{400, 401}, s.post("/api", form("access_token", text)).StatusCode)
			}
		}
		require.True(t, opens(sealed[0], first.str("refresh_token")),
			"the presented token opens it, so the test knows how it is sealed")
		s.requireAlive(third)
	})
}

// A user signs out with a refresh token that is spent and has expired since,
// say on a phone that was off for weeks: the grant ends all the same. Only its
// client can do that.
func TestAttack_SignOutWithAnExpiredToken(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		clock := &shiftedClock{target: model}
		s := newSite(t, clock, nil, nil)
		first := s.redeem("web", s.code())
		clock.by = 10 * 24 * time.Hour
		last := s.mustRefresh(first.str("refresh_token"))
		clock.by = 15 * 24 * time.Hour // the first token has expired
		requireError(t, s.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
		requireError(t, s.revoke("other", first.str("refresh_token")), 400, "unauthorized_client")
		last = s.mustRefresh(last.str("refresh_token"))
		require.Equal(t, 200, s.revoke("web", first.str("refresh_token")).StatusCode)
		s.requireDead(last)
	})
}
