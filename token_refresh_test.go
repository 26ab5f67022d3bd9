package oauth2server_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// timed runs test on a server inside a synctest bubble.
func timed(t *testing.T, opts *oauth2server.Options, test func(t *testing.T, s *site, model *spy)) {
	synctest.Test(t, func(t *testing.T) {
		if opts == nil {
			opts = &oauth2server.Options{}
		}
		opts.Grants = allGrants
		model := newSpy(t)
		test(t, newLocalSite(t, model, opts, nil), model)
	})
}

func (s *site) mustRefresh(token string) reply {
	s.t.Helper()
	r := s.refresh("web", token)
	require.Equal(s.t, 200, r.StatusCode, r.text)
	require.NotEqual(s.t, token, r.str("refresh_token"))
	return r
}

// requireDead checks that no token of a grant works.
func (s *site) requireDead(answers ...reply) {
	s.t.Helper()
	for _, r := range answers {
		require.Equal(s.t, 401, s.apiStatus(r.str("access_token")))
		requireError(s.t, s.refresh("web", r.str("refresh_token")), 400, "invalid_grant")
	}
}

func TestALostReplyLogsNobodyOut(t *testing.T) {
	timed(t, nil, func(t *testing.T, s *site, _ *spy) {
		first := s.signIn("web", "scope", "read write")
		lost := s.mustRefresh(first.str("refresh_token"))
		time.Sleep(59 * time.Second)
		again := s.mustRefresh(first.str("refresh_token"))
		require.Equal(t, lost.str("refresh_token"), again.str("refresh_token"), "within the window, the same successor")
		require.NotEqual(t, lost.str("access_token"), again.str("access_token"))
		require.Equal(t, "read", s.refresh("web", first.str("refresh_token"), "scope", "read").str("scope"))

		time.Sleep(12 * time.Hour)
		morning := s.mustRefresh(first.str("refresh_token"))
		require.NotEqual(t, lost.str("refresh_token"), morning.str("refresh_token"),
			"nobody used it: another takes its place")
		require.Equal(t, 200, s.apiStatus(morning.str("access_token")))
		s.mustRefresh(morning.str("refresh_token"))
		require.Equal(t, morning.str("refresh_token"),
			s.mustRefresh(first.str("refresh_token")).str("refresh_token"), "still in the window, used or not")
	})
}

func TestTheftEndsTheGrant(t *testing.T) {
	for name, steal := range map[string]func(s *site, first reply) []reply{
		"a token whose successor was used": func(s *site, first reply) []reply {
			second := s.mustRefresh(first.str("refresh_token"))
			third := s.mustRefresh(second.str("refresh_token"))
			time.Sleep(61 * time.Second)
			requireError(s.t, s.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
			return []reply{second, third}
		},
		"a token that was superseded": func(s *site, first reply) []reply {
			thiefs := s.mustRefresh(first.str("refresh_token"))
			time.Sleep(61 * time.Second)
			owners := s.mustRefresh(first.str("refresh_token"))
			requireError(s.t, s.refresh("web", thiefs.str("refresh_token")), 400, "invalid_grant")
			return []reply{thiefs, owners}
		},
		"the follower": func(s *site, first reply) []reply {
			second := s.mustRefresh(first.str("refresh_token"))
			time.Sleep(61 * time.Second)
			thiefs := s.mustRefresh(first.str("refresh_token"))
			time.Sleep(time.Hour)
			requireError(s.t, s.refresh("web", second.str("refresh_token")), 400, "invalid_grant")
			return []reply{second, thiefs}
		},
	} {
		t.Run(name, func(t *testing.T) {
			timed(t, nil, func(t *testing.T, s *site, _ *spy) {
				other := s.signIn("web")
				first := s.signIn("web")
				s.requireDead(append(steal(s, first), first)...)
				s.mustRefresh(other.str("refresh_token")) // another grant of the same owner lives on
			})
		})
	}
}

func TestStrictRotation(t *testing.T) {
	timed(t, &oauth2server.Options{RefreshRotation: oauth2server.RotateStrictly}, func(t *testing.T, s *site, _ *spy) {
		first := s.signIn("web")
		second := s.mustRefresh(first.str("refresh_token"))
		requireError(t, s.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
		s.requireDead(first, second)
	})
	timed(t, &oauth2server.Options{RefreshRetryWindow: time.Second}, func(t *testing.T, s *site, _ *spy) {
		first := s.signIn("web")
		second := s.mustRefresh(first.str("refresh_token"))
		time.Sleep(2 * time.Second)
		third := s.mustRefresh(first.str("refresh_token"))
		require.NotEqual(t, second.str("refresh_token"), third.str("refresh_token"), "the window is over")
		requireError(t, s.refresh("web", second.str("refresh_token")), 400, "invalid_grant")
		s.requireDead(first, second, third)
	})
}

func TestParallelRefreshes(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	first := s.signIn("web")
	var mu sync.Mutex
	successors, access, statuses := map[string]int{}, map[string]bool{}, map[int]int{}
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			r := s.refresh("web", first.str("refresh_token"))
			mu.Lock()
			defer mu.Unlock()
			statuses[r.StatusCode]++
			if r.StatusCode == 200 {
				successors[r.str("refresh_token")]++
				access[r.str("access_token")] = true
			} else {
				require.NotEmpty(t, r.Header.Get("Retry-After"))
			}
		})
	}
	wg.Wait()
	require.Equal(t, map[int]int{200: 17, 429: 15}, statuses, "one rotation, sixteen retries")
	require.Len(t, successors, 1)
	require.Len(t, access, 17)
	for token := range successors {
		s.mustRefresh(token)
	}

	timed(t, nil, func(t *testing.T, s *site, _ *spy) {
		first := s.signIn("web")
		for range 1 + 16 {
			s.mustRefresh(first.str("refresh_token"))
		}
		requireError(t, s.refresh("web", first.str("refresh_token")), 429, "invalid_request")
		time.Sleep(61 * time.Second)
		for range 1 + 16 { // each rotation has its own retries
			s.mustRefresh(first.str("refresh_token"))
		}
		requireError(t, s.refresh("web", first.str("refresh_token")), 429, "invalid_request")
	})
}

func TestAGrantEndsAtItsTime(t *testing.T) {
	timed(t, nil, func(t *testing.T, s *site, model *spy) {
		tokens := s.signIn("web")
		for range 8 {
			time.Sleep(10 * 24 * time.Hour)
			tokens = s.mustRefresh(tokens.str("refresh_token"))
		}
		time.Sleep(10*24*time.Hour - 10*time.Minute)
		tokens = s.mustRefresh(tokens.str("refresh_token"))
		require.Equal(t, float64(600), tokens.body["expires_in"], "an access token does not outlive its grant")
		time.Sleep(10 * time.Minute)
		requireError(t, s.refresh("web", tokens.str("refresh_token")), 400, "invalid_grant")
	})
	timed(t, &oauth2server.Options{MaxGrantLifetime: -1}, func(t *testing.T, s *site, _ *spy) {
		tokens := s.signIn("web")
		for range 30 {
			time.Sleep(10 * 24 * time.Hour)
			tokens = s.mustRefresh(tokens.str("refresh_token"))
		}
	})
}

// sweep saves records; each save drops some of those that have expired.
func sweep(t *testing.T, model *spy, saves int) {
	later := time.Now().Add(time.Minute)
	for i := range saves {
		name := fmt.Sprint(time.Now(), i)
		_, err := model.Model.SaveToken(t.Context(), &oauth2server.Token{AccessToken: name, AccessTokenExpiresAt: later,
			RefreshToken: name, RefreshTokenExpiresAt: later}, nil, nil)
		require.NoError(t, err)
		_, err = model.Model.SaveAuthorizationCode(t.Context(),
			&oauth2server.AuthorizationCode{Code: name, ExpiresAt: later}, nil, nil)
		require.NoError(t, err)
		_, err = model.Model.AppendGrant(t.Context(), &oauth2server.GrantEntry{GrantID: name, Seq: 1, ExpiresAt: later})
		require.NoError(t, err)
	}
}

// A spent token stays spent for as long as it could be used, and the log goes
// when nothing needs it.
func TestSpentStaysSpentThroughSweeps(t *testing.T) {
	timed(t, nil, func(t *testing.T, s *site, model *spy) {
		code := s.code()
		first := s.redeem("web", code)
		grant, err := model.GetAccessToken(t.Context(), first.str("access_token"))
		require.NoError(t, err)
		second := s.mustRefresh(first.str("refresh_token"))
		third := s.mustRefresh(second.str("refresh_token"))
		time.Sleep(4 * time.Minute)
		sweep(t, model, 200)
		requireError(t, s.redeem("web", code), 400, "invalid_grant")
		s.requireDead(first, second, third)
		time.Sleep(13 * 24 * time.Hour)
		sweep(t, model, 1000)
		s.requireDead(second, third)

		time.Sleep(30 * 24 * time.Hour)
		sweep(t, model, 3000)
		entries, err := model.GrantEntries(t.Context(), grant.GrantID, 1)
		require.NoError(t, err)
		require.Empty(t, entries)
	})
}

func TestAReplayedCodeEndsTheGrant(t *testing.T) {
	timed(t, nil, func(t *testing.T, s *site, _ *spy) {
		code := s.code("code_challenge", challenge, "code_challenge_method", "S256")
		answer := s.redeem("web", code, "code_verifier", verifier)
		require.Equal(t, 200, answer.StatusCode)
		refreshed := s.mustRefresh(answer.str("refresh_token"))

		// A party that found the code, and nothing else, cannot end anything.
		requireError(t, s.redeem("web", code), 400, "invalid_grant")
		requireError(t, s.redeem("web", code, "code_verifier", challenge), 400, "invalid_grant")
		requireError(t, s.redeem("other", code, "code_verifier", verifier), 400, "invalid_grant")
		requireError(t, s.token("web", "grant_type", "authorization_code", "code", code,
			"code_verifier", verifier), 400, "invalid_grant")
		requireError(t, s.post("/token",
			form("grant_type", "authorization_code", "code", code, "code_verifier", verifier,
				"client_id", "web", "redirect_uri", callback)), 400, "invalid_client")
		// A caller that has the verifier, and is as fast as a page that redeems
		// twice, is only refused.
		time.Sleep(time.Minute)
		requireError(t, s.redeem("web", code, "code_verifier", verifier), 400, "invalid_grant")
		require.Equal(t, 200, s.apiStatus(refreshed.str("access_token")))

		time.Sleep(time.Millisecond)
		requireError(t, s.redeem("web", code, "code_verifier", verifier), 400, "invalid_grant")
		s.requireDead(answer, refreshed)
	})
	for name, options := range map[string]*oauth2server.Options{
		"strict": {RefreshRotation: oauth2server.RotateStrictly}, "no PKCE": {},
		"plain PKCE": {InsecureAllowPlainPKCE: true},
	} {
		timed(t, options, func(t *testing.T, s *site, _ *spy) {
			var asked, proof []string
			switch {
			case options.InsecureAllowPlainPKCE:
				asked, proof = []string{"code_challenge", verifier, "code_challenge_method", "plain"},
					[]string{"code_verifier", verifier}
			case name != "no PKCE":
				asked, proof = withChallenge(challenge), []string{"code_verifier", verifier}
			}
			code := s.code(asked...)
			answer := s.redeem("web", code, proof...)
			require.Equal(t, 200, answer.StatusCode, name)
			requireError(t, s.redeem("web", code, proof...), 400, "invalid_grant")
			s.requireDead(answer)
		})
	}
}

func TestRevokeGrant(t *testing.T) {
	timed(t, nil, func(t *testing.T, s *site, model *spy) {
		grantOf := func(r reply) string {
			token, err := model.GetAccessToken(t.Context(), r.str("access_token"))
			require.NoError(t, err)
			return token.GrantID
		}
		first := s.signIn("web")
		id := grantOf(first)
		second := s.mustRefresh(first.str("refresh_token"))
		for range 2 { // repeating it is no error
			require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, id))
		}
		s.requireDead(first, second)

		// A code that was not redeemed.
		code := s.code()
		stored, err := model.GetAuthorizationCode(t.Context(), code)
		require.NoError(t, err)
		require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, stored.GrantID))
		requireError(t, s.redeem("web", code), 400, "invalid_grant")

		// An implicit token.
		implicit := s.authorize("response_type", "token")
		require.Equal(t, 200, s.apiStatus(implicit.at("access_token")))
		token, err := model.GetAccessToken(t.Context(), implicit.at("access_token"))
		require.NoError(t, err)
		require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, token.GrantID))
		require.Equal(t, 401, s.apiStatus(implicit.at("access_token")))

		// A client's own tokens have no log.
		require.Empty(t, grantOf(s.token("machine", "grant_type", "client_credentials")))

		for _, fails := range []string{"GrantEntries", "AppendGrant", "RevokeAccessTokens"} {
			grant := grantOf(s.signIn("web"))
			model.fails[fails] = errors.New("no storage")
			require.ErrorContains(t, oauth2server.RevokeGrant(t.Context(), model, grant), "no storage")
			delete(model.fails, fails)
			require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, grant))
		}
	})
}

// wrongPlace is a log that returns another place than the one asked for.
type wrongPlace struct{ *spy }

func (m wrongPlace) AppendGrant(_ context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	return &oauth2server.GrantEntry{GrantID: e.GrantID, Seq: e.Seq + 1, Kind: "rotate", Nonce: "another"},
		oauth2server.ErrExists
}

// racing is a log to which another request appends an entry each time a
// revocation tries to.
type racing struct {
	*spy
	grantID  string
	next     int // the place of the next one
	many     int
	appended int // the revocation's
}

func (m *racing) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	m.appended++
	for range m.many {
		token := fmt.Sprint("token ", m.next)
		_, err := m.Model.SaveToken(ctx,
			&oauth2server.Token{AccessToken: token, AccessTokenExpiresAt: time.Now().Add(time.Hour)}, nil, nil)
		if err == nil {
			_, err = m.Model.AppendGrant(ctx,
				&oauth2server.GrantEntry{GrantID: m.grantID, Seq: m.next, Kind: "rotate", ClientID: "web", UserID: "u1",
					AccessToken: oauth2server.Digest(token), AccessTokenExpiresAt: time.Now().Add(time.Hour)})
		}
		if err != nil {
			break
		}
		m.next++
	}
	return m.Model.AppendGrant(ctx, e)
}

// A client that refreshes all the time is always faster than a revocation, and
// must lose all the same.
func TestNobodyOutrunsARevocation(t *testing.T) {
	for _, many := range []int{1, 2, 5, 20, 100} {
		model := &racing{spy: newSpy(t), grantID: "g", next: 1, many: many}
		require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, "g"))
		require.Less(t, model.appended, 4*many+20)
		entries, err := model.Model.GrantEntries(t.Context(), "g", model.next)
		require.NoError(t, err)
		require.Equal(t, model.next, entries[0].Seq)
		require.Equal(t, oauth2server.EntryRevoked, entries[0].Kind, "where the next one would come")
		for place := range model.next {
			_, err := model.Model.GetAccessToken(t.Context(), fmt.Sprint("token ", place))
			require.ErrorIs(t, err, oauth2server.ErrNotFound, "%d of %d", place, model.next)
		}
	}
}

func TestRevokeUser(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	require.NoError(t, model.AddUser(&oauth2server.User{ID: "u2"}, "zoe", "andys-password"))
	tokens, code := s.signIn("web"), s.code()
	others := s.token("web", "grant_type", "password", "username", "zoe", "password", "andys-password")
	machine := s.token("machine", "grant_type", "client_credentials")
	require.NoError(t, model.RevokeUser(t.Context(), "u1"))
	s.requireDead(tokens)
	requireError(t, s.redeem("web", code), 400, "invalid_grant")
	s.mustRefresh(others.str("refresh_token"))
	require.Equal(t, 200, s.apiStatus(machine.str("access_token")))
	require.Equal(t, 200, s.redeem("web", s.code()).StatusCode, "the user may sign in again")

	noRefresh := newSite(t, model, &oauth2server.Options{Grants: []string{"password"}}, nil)
	tokens = noRefresh.signIn("web")
	require.NoError(t, model.RevokeUser(t.Context(), "u1"))
	require.Equal(t, 401, noRefresh.apiStatus(tokens.str("access_token")), "without a refresh token too")

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, model.RevokeUser(cancelled, "u1"), context.Canceled)
}

// A theft has consequences even if the thief hangs up.
func TestHangingUpDoesNotStopARevocation(t *testing.T) {
	model := newSpy(t)
	hangUp := &hangingUp{spy: model}
	s := newLocalSite(t, hangUp, &oauth2server.Options{Grants: allGrants,
		RefreshRotation: oauth2server.RotateStrictly}, nil)
	first := s.signIn("web")
	second := s.mustRefresh(first.str("refresh_token"))
	third := s.mustRefresh(second.str("refresh_token"))
	ctx, cancel := context.WithCancel(t.Context())
	hangUp.cancel = cancel
	r := s.request("POST", "/token",
		form("grant_type", "refresh_token", "refresh_token", first.str("refresh_token")), "Authorization", as("web"))
	s.do(r.WithContext(ctx))
	hangUp.cancel = nil
	s.requireDead(first, second, third)
}

// hangingUp is a model whose client hangs up at the second write to the log.
type hangingUp struct {
	*spy
	cancel context.CancelFunc
	writes int
}

func (m *hangingUp) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if m.cancel != nil {
		if m.writes++; m.writes == 2 {
			m.cancel()
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return m.spy.AppendGrant(ctx, e)
}

// A fault is no verdict: the grant is unchanged, and the client may try again.
func TestFaultsAreNoVerdicts(t *testing.T) {
	for _, fails := range []string{"GetRefreshToken", "SaveToken", "AppendGrant", "GrantEntries"} {
		t.Run(fails, func(t *testing.T) {
			timed(t, nil, func(t *testing.T, s *site, model *spy) {
				first := s.signIn("web")
				second := s.mustRefresh(first.str("refresh_token")) // so that the next one has to read the log
				model.fails[fails] = errors.New("no storage")
				requireError(t, s.refresh("web", first.str("refresh_token")), 503, "server_error")
				delete(model.fails, fails)
				require.Equal(t, second.str("refresh_token"),
					s.mustRefresh(first.str("refresh_token")).str("refresh_token"))
			})
		})
	}
	for _, fails := range []string{"GrantEntries", "AppendGrant", "RevokeAccessTokens"} {
		t.Run("theft and "+fails, func(t *testing.T) {
			timed(t, &oauth2server.Options{RefreshRotation: oauth2server.RotateStrictly},
				func(t *testing.T, s *site, model *spy) {
					first := s.signIn("web")
					second := s.mustRefresh(first.str("refresh_token"))
					model.fails[fails] = errors.New("no storage")
					requireError(t, s.refresh("web", first.str("refresh_token")), 503, "server_error")
					delete(model.fails, fails)
					requireError(t, s.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
					require.Equal(t, 401, s.apiStatus(second.str("access_token")),
						"a caller told that the grant is over can rely on it")
					s.requireDead(first, second)
				})
		})
	}
	timed(t, nil, func(t *testing.T, s *site, model *spy) {
		code := s.code()
		model.fails["AppendGrant"] = errors.New("no storage")
		requireError(t, s.redeem("web", code), 503, "server_error")
		requireError(t, s.redeem("web", code, "code_verifier", verifier), 503, "server_error")
		delete(model.fails, "AppendGrant")
		answer := s.redeem("web", code)
		require.Equal(t, 200, answer.StatusCode, answer.text)
		model.fails["RevokeAccessTokens"] = errors.New("no storage")
		requireError(t, s.redeem("web", code), 503, "server_error")
		delete(model.fails, "RevokeAccessTokens")
		requireError(t, s.redeem("web", code), 400, "invalid_grant")
		s.requireDead(answer)
	})
}

// forgetful is a model that breaks the contract of the log.
type forgetful struct {
	*spy
	token func(*oauth2server.Token)
	entry func(*oauth2server.GrantEntry) *oauth2server.GrantEntry
}

func (m forgetful) GetRefreshToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	found, err := m.spy.GetRefreshToken(ctx, token)
	if err == nil && m.token != nil {
		m.token(found)
	}
	return found, err
}

func (m forgetful) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	saved, err := m.spy.SaveToken(ctx, t, c, u)
	if err == nil && m.token != nil && t.GrantSeq > 1 {
		m.token(saved)
	}
	return saved, err
}

func (m forgetful) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	there, err := m.spy.AppendGrant(ctx, e)
	if m.entry != nil && err != nil {
		there = m.entry(there)
	}
	return there, err
}

func (m forgetful) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	entries, err := m.spy.GrantEntries(ctx, id, from)
	for i := range entries {
		if m.entry != nil {
			entries[i] = m.entry(entries[i])
		}
	}
	return entries, err
}

// lagging is a model that reads an old copy of the log.
type lagging struct{ *spy }

func (lagging) GrantEntries(context.Context, string, int) ([]*oauth2server.GrantEntry, error) {
	return nil, nil
}

// A model that loses data is told from a thief, so that no user is signed out.
func TestAForgetfulModelIsNoThief(t *testing.T) {
	for name, model := range map[string]forgetful{
		"the place": {token: func(t *oauth2server.Token) { t.GrantSeq = 0 }},
		"the grant": {token: func(t *oauth2server.Token) { t.GrantID = "" }},
		"the successor": {token: func(t *oauth2server.Token) {
			if t.AccessToken != "" {
				t.RefreshToken = ""
			}
		}},
		"the entry": {entry: func(*oauth2server.GrantEntry) *oauth2server.GrantEntry { return nil }},
		"the sealed successor": {entry: func(e *oauth2server.GrantEntry) *oauth2server.GrantEntry {
			e.Sealed = nil
			return e
		}},
	} {
		t.Run(name, func(t *testing.T) {
			model.spy = newSpy(t)
			s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
			good := newSite(t, model.spy, &oauth2server.Options{Grants: allGrants}, nil)
			first := good.signIn("web")
			second := good.mustRefresh(first.str("refresh_token"))
			for _, token := range []string{first.str("refresh_token"), second.str("refresh_token")} {
				if r := s.refresh("web", token); r.StatusCode != 200 {
					requireError(t, r, 500, "server_error")
				}
			}
			requireError(t, s.refresh("web", first.str("refresh_token")), 500, "server_error")
			good.mustRefresh(second.str("refresh_token"))
		})
	}
	// A log that does not show the entry at a taken place would be tried for
	// ever.
	empty := lagging{spy: newSpy(t)}
	s := newSite(t, empty, &oauth2server.Options{Grants: allGrants}, nil)
	first := s.signIn("web")
	s.mustRefresh(first.str("refresh_token"))
	requireError(t, s.refresh("web", first.str("refresh_token")), 500, "server_error")
	token, err := empty.GetRefreshToken(t.Context(), first.str("refresh_token"))
	require.NoError(t, err)
	require.NoError(t, oauth2server.RevokeGrant(t.Context(), empty, token.GrantID))
	require.Equal(t, 401, s.apiStatus(first.str("access_token")), "what took the places was seen there")
	lying := wrongPlace{newSpy(t)}
	require.ErrorIs(t, oauth2server.RevokeGrant(t.Context(), lying, "another"), oauth2server.ServerError)

	none := forgetful{spy: newSpy(t), entry: func(*oauth2server.GrantEntry) *oauth2server.GrantEntry { return nil }}
	_, err = none.AppendGrant(t.Context(), &oauth2server.GrantEntry{GrantID: "g", Seq: 1})
	require.NoError(t, err)
	require.ErrorIs(t, oauth2server.RevokeGrant(t.Context(), none, "g"), oauth2server.ServerError)
}

// Refresh tokens from before the model had a log.
func TestTokensWithoutAPlace(t *testing.T) {
	timed(t, nil, func(t *testing.T, _ *site, model *spy) {
		before := newLocalSite(t, plain{spy: model}, &oauth2server.Options{Grants: allGrants}, nil)
		after := newLocalSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		first := before.signIn("web")
		second := after.mustRefresh(first.str("refresh_token"))
		require.Equal(t, second.str("refresh_token"),
			after.mustRefresh(first.str("refresh_token")).str("refresh_token"))
		third := after.mustRefresh(second.str("refresh_token"))
		time.Sleep(time.Hour)
		requireError(t, after.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
		after.requireDead(second, third)
	})
	timed(t, nil, func(t *testing.T, s *site, model *spy) {
		first := s.signIn("web")
		token, err := model.GetRefreshToken(t.Context(), first.str("refresh_token"))
		require.NoError(t, err)
		token.RefreshTokenExpiresAt = time.Time{}
		token.AccessToken = "an access token"
		_, err = model.Model.SaveToken(t.Context(), token, nil, nil)
		require.NoError(t, err)
		s.mustRefresh(first.str("refresh_token"))
		entries, err := model.GrantEntries(t.Context(), token.GrantID, 2)
		require.NoError(t, err)
		require.Greater(t, entries[0].ExpiresAt, time.Now().AddDate(99, 0, 0), "a token that never expires stays used")
	})
}

// Refresh tokens of another library have no grant: the model gives them one
// that stays the same.
func TestTokensWithoutAGrant(t *testing.T) {
	legacy := forgetful{spy: newSpy(t), token: func(t *oauth2server.Token) {
		if t.GrantID == "" {
			t.GrantID = oauth2server.Digest("the old refresh token")
		}
	}}
	_, err := legacy.Model.SaveToken(t.Context(),
		&oauth2server.Token{AccessToken: "old", RefreshToken: "the old refresh token",
			RefreshTokenExpiresAt: time.Now().Add(time.Hour), Client: &oauth2server.Client{ID: "web"},
			User: &oauth2server.User{ID: "u1"}}, nil, nil)
	require.NoError(t, err)
	s := newSite(t, legacy, &oauth2server.Options{Grants: allGrants}, nil)
	second := s.mustRefresh("the old refresh token")
	require.Equal(t, second.str("refresh_token"), s.mustRefresh("the old refresh token").str("refresh_token"))
	s.mustRefresh(second.str("refresh_token"))
}

func TestNothingInTheLogCanBeUsed(t *testing.T) {
	timed(t, nil, func(t *testing.T, s *site, model *spy) {
		code := s.code("code_challenge", challenge, "code_challenge_method", "S256")
		first := s.redeem("web", code, "code_verifier", verifier)
		second := s.mustRefresh(first.str("refresh_token"))
		token, err := model.GetAccessToken(t.Context(), first.str("access_token"))
		require.NoError(t, err)
		entries, err := model.GrantEntries(t.Context(), token.GrantID, 1)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		require.Equal(t, []string{"web", "u1"}, []string{entries[0].ClientID, entries[0].UserID})
		require.Empty(t, entries[1].ClientID+entries[1].UserID, "it repeats no client and no user")
		require.NotEmpty(t, entries[1].Sealed)
		for _, e := range entries {
			record, err := e.MarshalBinary()
			require.NoError(t, err)
			for _, secret := range []string{code, verifier, first.str("access_token"),
				first.str("refresh_token"), second.str("access_token"), second.str("refresh_token")} {
				require.NotContains(t, string(record)+string(e.Sealed)+fmt.Sprint(e), secret)
			}
			for _, digest := range []string{e.Presented, e.AccessToken, e.Successor, e.Nonce} {
				if digest != "" {
					requireError(t, s.refresh("web", digest), 400, "invalid_grant")
					require.Equal(t, 401, s.apiStatus(digest))
				}
			}
		}
	})
}

func TestExtensionGrantsInTheLog(t *testing.T) {
	var grantID string
	var refresh bool
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "ext",
		Grants: []string{"exchange", "refresh_token"}}, secret+"ext"))
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants, ExtensionGrants: map[string]oauth2server.GrantFunc{
		"exchange": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"},
				GrantID: grantID, Refresh: refresh})
		},
	}}, nil)
	exchange := func() reply { return s.token("ext", "grant_type", "exchange") }

	refresh = true
	first := exchange()
	require.Equal(t, 200, first.StatusCode, first.text)
	require.Equal(t, 200, s.refresh("ext", first.str("refresh_token")).StatusCode)
	token, err := model.GetAccessToken(t.Context(), first.str("access_token"))
	require.NoError(t, err)
	grantID = token.GrantID
	requireError(t, exchange(), 500, "server_error") // a grant begins once

	refresh = false
	joined := exchange()
	require.Equal(t, 200, joined.StatusCode, joined.text)
	require.Equal(t, 200, s.apiStatus(joined.str("access_token")))
	require.Equal(t, 200, s.refresh("ext", first.str("refresh_token")).StatusCode)
	model.fails["GrantEntries"] = errors.New("no storage")
	requireError(t, exchange(), 503, "server_error")
	delete(model.fails, "GrantEntries")
	require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, grantID))
	require.Equal(t, 401, s.apiStatus(joined.str("access_token")))
	requireError(t, exchange(), 400, "invalid_grant")
	grantID, refresh = "ended before it began", true
	require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, grantID))
	requireError(t, exchange(), 400, "invalid_grant")
	requireError(t, s.refresh("ext", first.str("refresh_token")), 400, "invalid_grant")
}

func TestOptionsOfTheLog(t *testing.T) {
	for want, opts := range map[string]*oauth2server.Options{
		"needs a model that is a GrantLog": {RefreshRotation: oauth2server.RotateStrictly},
		"the model is no GrantLog":         {RefreshRetryWindow: time.Minute},
		"less than a second":               {RefreshRetryWindow: 60},
		"is less than a second":            {RefreshRetryWindow: -1},
		"there is no 3":                    {RefreshRotation: 3},
		"there is no -1":                   {RefreshRotation: -1},
		"option MaxGrantLifetime":          {MaxGrantLifetime: 90},
	} {
		_, err := oauth2server.New(plain{spy: newSpy(t)}, opts)
		require.ErrorContains(t, err, want)
	}
	both := &oauth2server.Options{RefreshRotation: oauth2server.RotateStrictly, RefreshRetryWindow: time.Minute}
	_, err := oauth2server.New(newSpy(t), both)
	require.ErrorContains(t, err, "RotateStrictly has none")
}

// A place must stay taken for as long as the code or token used for it could be
// used again.
func TestEntriesOutliveWhatTheyMark(t *testing.T) {
	timed(t, nil, func(t *testing.T, long *site, model *spy) {
		brief := newLocalSite(t, model, &oauth2server.Options{Grants: allGrants, AccessTokenLifetime: time.Minute,
			RefreshTokenLifetime: time.Minute, AuthorizationCodeLifetime: 30 * 24 * time.Hour}, nil)
		const margin, day = 24 * time.Hour, 24 * time.Hour
		logOf := func(grantID string) []*oauth2server.GrantEntry {
			entries, err := model.GrantEntries(t.Context(), grantID, 1)
			require.NoError(t, err)
			return entries
		}
		entries := func(r reply) []*oauth2server.GrantEntry {
			token, err := model.GetAccessToken(t.Context(), r.str("access_token"))
			require.NoError(t, err)
			return logOf(token.GrantID)
		}
		codeOf := func(code string) *oauth2server.AuthorizationCode {
			stored, err := model.GetAuthorizationCode(t.Context(), code)
			require.NoError(t, err)
			return stored
		}
		lives := func(e *oauth2server.GrantEntry, atLeast time.Duration) {
			t.Helper()
			most := atLeast
			if e.UserID != "" { // for entries that do not repeat it
				most += 30 * day
			}
			require.GreaterOrEqual(t, time.Until(e.ExpiresAt).Seconds()+1, (atLeast + margin).Seconds())
			require.LessOrEqual(t, time.Until(e.ExpiresAt).Seconds()-1, (most + margin).Seconds())
		}
		code := brief.code()
		redeemed := brief.redeem("web", code)
		lives(entries(redeemed)[0], 30*day) // the code

		first := long.signIn("web")
		lives(entries(first)[0], 14*day) // its successor
		second := brief.refresh("web", first.str("refresh_token"))
		brief.refresh("web", first.str("refresh_token"))
		log := entries(second)
		lives(log[1], 14*day) // the token that was used
		lives(log[2], 14*day)
		require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, log[0].GrantID))
		lives(logOf(log[0].GrantID)[3], 14*day)

		first = brief.signIn("web")
		second = long.refresh("web", first.str("refresh_token"))
		brief.refresh("web", first.str("refresh_token"))
		lives(entries(second)[2], 14*day) // the place belongs to a token that lives this long

		unused := codeOf(brief.code())
		require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, unused.GrantID))
		lives(logOf(unused.GrantID)[0], 365*day)

		wrong := brief.code()
		requireError(t, brief.redeem("web", wrong, "code_verifier", verifier), 400, "invalid_grant")
		burnt := logOf(codeOf(wrong).GrantID)[0]
		require.Equal(t, oauth2server.EntryBurnt, burnt.Kind)
		lives(burnt, 30*day)
		requireError(t, brief.redeem("web", wrong), 400, "invalid_grant")
		require.Len(t, logOf(codeOf(wrong).GrantID), 1, "nothing to revoke")
	})
}

// withoutExpiry is a model whose answer to SaveToken has no expiry.
type withoutExpiry struct{ *spy }

func (m withoutExpiry) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	saved, err := m.spy.SaveToken(ctx, t, c, u)
	if err == nil {
		saved.AccessTokenExpiresAt = time.Time{}
	}
	return saved, err
}

func TestRevocationEndsTokensOfUnknownExpiry(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, withoutExpiry{model}, &oauth2server.Options{Grants: allGrants}, nil)
	answer := s.signIn("web")
	require.Equal(t, 200, s.apiStatus(answer.str("access_token")))
	token, err := model.GetAccessToken(t.Context(), answer.str("access_token"))
	require.NoError(t, err)
	require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, token.GrantID))
	require.Equal(t, 401, s.apiStatus(answer.str("access_token")))
}

// repeating is a model whose driver sends each insert twice, as drivers do when
// a reply is lost.
type repeating struct{ target }

func (m repeating) Unwrap() oauth2server.Model { return m.target }

func (m repeating) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if there, err := m.target.AppendGrant(ctx, e); err != nil {
		return there, err
	}
	return m.target.AppendGrant(ctx, e)
}

func TestOurOwnLostReplyIsNoReplay(t *testing.T) {
	s := newSite(t, repeating{newSpy(t)},
		&oauth2server.Options{Grants: allGrants, RefreshRotation: oauth2server.RotateStrictly}, nil)
	answer := s.redeem("web", s.code())
	require.Equal(t, 200, answer.StatusCode, answer.text)
	s.mustRefresh(s.mustRefresh(answer.str("refresh_token")).str("refresh_token"))
}

// swept is a model whose storage has dropped the first entry of each log, as a
// TTL index may.
type swept struct{ *spy }

func (m swept) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	return m.spy.GrantEntries(ctx, id, max(from, 2))
}

func (m swept) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if e.Seq == 1 {
		return nil, nil
	}
	return m.spy.AppendGrant(ctx, e)
}

// joining mounts a server whose extension grant joins the grant named by the
// parameter grant.
func joining(t *testing.T, served oauth2server.Model, model *spy, opts oauth2server.Options, refresh bool) *site {
	// The client may be registered already.
	model.AddClient(&oauth2server.Client{ID: "ext", Grants: []string{"exchange", "refresh_token"}}, secret+"ext")
	opts.Grants = allGrants
	opts.ExtensionGrants = map[string]oauth2server.GrantFunc{
		"exchange": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"},
				GrantID: g.Param("grant"), Refresh: refresh})
		},
	}
	return newLocalSite(t, served, &opts, nil)
}

func TestJoiningAGrantReadsItsLogFirst(t *testing.T) {
	timed(t, nil, func(t *testing.T, s *site, model *spy) {
		token, err := model.GetAccessToken(t.Context(), s.signIn("web").str("access_token"))
		require.NoError(t, err)
		require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, token.GrantID))
		for _, refresh := range []bool{false, true} {
			r := joining(t, swept{model}, model, oauth2server.Options{}, refresh).token("ext",
				"grant_type", "exchange", "grant", token.GrantID)
			requireError(t, r, 400, "invalid_grant")
		}
	})
	timed(t, nil, func(t *testing.T, _ *site, model *spy) {
		s := joining(t, model, model, oauth2server.Options{MaxGrantLifetime: 2 * time.Hour}, false)
		token, err := model.GetAccessToken(t.Context(), s.signIn("web").str("access_token"))
		require.NoError(t, err)
		join := func() reply { return s.token("ext", "grant_type", "exchange", "grant", token.GrantID) }
		time.Sleep(2*time.Hour - time.Minute)
		require.Equal(t, float64(60), join().body["expires_in"], "what joins ends with the grant")
		time.Sleep(time.Minute)
		requireError(t, join(), 400, "invalid_grant")
	})
}

func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	timed(t, &oauth2server.Options{RefreshRotation: oauth2server.RotateStrictly},
		func(t *testing.T, s *site, model *spy) {
			code := s.code()
			first := s.redeem("web", code)
			s.mustRefresh(first.str("refresh_token"))
			for name, refused := range map[string]func() reply{
				"refresh": func() reply { return s.refresh("web", first.str("refresh_token")) },
				"replay":  func() reply { return s.redeem("web", code) },
			} {
				model.stored()
				requireError(t, refused(), 400, "invalid_grant")
				changes := model.stored()
				require.Contains(t, changes, "SaveToken", name)
				require.Contains(t, changes, "RevokeAccessTokens", name)
				require.Contains(t, changes, "RevokeToken", name)
			}
		})
}

// After the window each use is a rotation, and a loop of rotations is bounded,
// too.
func TestRotationsAreBounded(t *testing.T) {
	timed(t, &oauth2server.Options{RefreshRetryWindow: time.Second}, func(t *testing.T, s *site, _ *spy) {
		first := s.signIn("web")
		for range 1 + 16 {
			s.mustRefresh(first.str("refresh_token"))
			time.Sleep(2 * time.Second)
		}
		requireError(t, s.refresh("web", first.str("refresh_token")), 429, "invalid_request")
		time.Sleep(61 * time.Second)
		s.mustRefresh(first.str("refresh_token"))
	})
}

// neverExpiring is a model whose refresh tokens never expire.
type neverExpiring struct{ *spy }

func (m neverExpiring) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	own := *t
	own.RefreshTokenExpiresAt = time.Time{}
	return m.spy.SaveToken(ctx, &own, c, u)
}

func TestTheLogOfATokenThatNeverExpiresStays(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, neverExpiring{model}, &oauth2server.Options{Grants: allGrants}, nil)
	first := s.signIn("web")
	s.mustRefresh(first.str("refresh_token"))
	token, err := model.GetAccessToken(t.Context(), first.str("access_token"))
	require.NoError(t, err)
	require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, token.GrantID))
	entries, err := model.GrantEntries(t.Context(), token.GrantID, 1)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	for _, e := range entries {
		require.Greater(t, e.ExpiresAt, time.Now().AddDate(99, 0, 0), e.Kind)
	}
}
