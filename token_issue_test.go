package oauth2server_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// dropping is a storage that has dropped expired entries.
type dropping struct{ *spy }

func (m dropping) Unwrap() oauth2server.Model { return m.spy }

func (m dropping) GrantEntries(ctx context.Context, id string, from int) (live []*oauth2server.GrantEntry, err error) {
	for {
		entries, err := m.spy.GrantEntries(ctx, id, from)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			from = e.Seq + 1
			if e.ExpiresAt.After(time.Now()) && len(live) < oauth2server.GrantPage {
				live = append(live, e)
			}
		}
		if len(entries) < oauth2server.GrantPage || len(live) == oauth2server.GrantPage {
			return live, nil
		}
	}
}

// entries returns a log without expired entries.
func (m dropping) entries(t testing.TB, logID string) (all []*oauth2server.GrantEntry) {
	for from := 0; ; {
		page, err := m.GrantEntries(t.Context(), logID, from)
		require.NoError(t, err)
		if all = append(all, page...); len(page) < oauth2server.GrantPage {
			return all
		}
		from = page[len(page)-1].Seq + 1
	}
}

// listed reports whether the logs of a grant name the user, as a query of the
// storage would.
func (m dropping) listed(t *testing.T, grantID, userID string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, log := range []string{grantID, "uses:" + grantID} {
			for _, e := range m.entries(t, log) {
				if e.UserID == userID && !yield(log, nil) {
					return
				}
			}
		}
	}
}

// exchange is a grant that exchanges a live token for another one of the same
// grant. It carries only the grant's ID, as programs do.
func exchange(model oauth2server.AccessTokenModel) oauth2server.GrantFunc {
	return func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
		subject, err := model.GetAccessToken(ctx, g.Param("subject_token"))
		if err != nil {
			return nil, err
		}
		if !subject.AccessTokenExpiresAt.After(time.Now()) {
			return nil, oauth2server.InvalidGrant
		}
		return g.Issue(ctx, oauth2server.Issuance{User: subject.User, GrantID: subject.GrantID,
			Scope: oauth2server.Scope{"read"}})
	}
}

// newExchange returns a site where the clients web and phone exchange tokens.
func newExchange(t *testing.T, options oauth2server.Options) (*site, dropping) {
	model := dropping{newSpy(t)}
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone", Grants: []string{"exchange"}}, secret+"phone"))
	require.NoError(t, model.UpdateClient(t.Context(), &oauth2server.Client{ID: "web", RedirectURIs: []string{callback},
		Grants: append([]string{"exchange"}, allGrants...)}))
	options.ExtensionGrants = map[string]oauth2server.GrantFunc{"exchange": exchange(model)}
	return newLocalSite(t, model, &options, nil), model
}

// Tokens that join a grant outlive its line. They still end when the grant
// must, and the user can find and end them until then.
func TestJoinsAfterTheLineHasExpired(t *testing.T) {
	const day = 24 * time.Hour
	for _, client := range []string{"web", "phone"} {
		for _, limit := range []time.Duration{90 * day, -1} {
			synctest.Test(t, func(t *testing.T) {
				s, model := newExchange(t, oauth2server.Options{AccessTokenLifetime: 3 * day,
					RefreshTokenLifetime: 3 * day, MaxGrantLifetime: limit})
				began := time.Now()
				first := s.redeem("web", s.code("scope", "read write"))
				access := first.str("access_token")
				grantID := grantOf(t, model, first)
				for time.Since(began) < 120*day {
					time.Sleep(day)
					requireListed(t, model, grantID)
					r := s.token(client, "grant_type", "exchange", "subject_token", access)
					if r.StatusCode != http.StatusOK {
						requireError(t, r, 400, "invalid_grant")
						break
					}
					access = r.str("access_token")
					requireListed(t, model, grantID)
				}
				if limit > 0 {
					require.LessOrEqual(t, time.Since(began), limit+day)
					require.GreaterOrEqual(t, time.Since(began), limit-day)
					return
				}
				require.Empty(t, model.entries(t, grantID), "the line should have expired: it proves nothing otherwise")
				require.Equal(t, 200, s.apiStatus(access))
				require.NoError(t, oauth2server.RevokeUser(t.Context(), model, "u1", "",
					model.listed(t, grantID, "u1")))
				require.Equal(t, 401, s.apiStatus(access))
			})
		}
	}
}

// requireListed checks that the user can find a grant.
func requireListed(t *testing.T, model dropping, grantID string) {
	t.Helper()
	for range model.listed(t, grantID, "u1") {
		return
	}
	require.Fail(t, "the user cannot find the grant", "%v", time.Now())
}

// A page of connected apps reads each entry that names its user. Joins of a
// client name the user once in two hours, however many there are.
func TestJoinsOfAClientAreNamedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, model := newExchange(t, oauth2server.Options{})
		first, began := s.redeem("web", s.code()), time.Now()
		grantID := grantOf(t, model, first)
		for range 300 {
			time.Sleep(time.Second)
			r := s.token("phone", "grant_type", "exchange", "subject_token", first.str("access_token"))
			require.Equal(t, 200, r.StatusCode, r.text)
		}
		named := 0
		uses := model.entries(t, "uses:"+grantID)
		for _, e := range uses {
			if e.UserID != "" {
				require.Equal(t, "phone", e.ClientID)
				named++
			}
		}
		require.Len(t, uses, 300)
		require.Equal(t, 1, named)
		require.Equal(t, map[string]oauth2server.Scope{"web": nil, "phone": {"read"}}, granted(t, model, "u1"))

		// As long as one of those tokens lives, the page shows the client.
		time.Sleep(50 * time.Minute)
		late := s.token("phone", "grant_type", "exchange",
			"subject_token", first.str("access_token")).str("access_token")
		for range 7 {
			grants, err := model.UserGrants(t.Context(), "u1")
			require.NoError(t, err)
			for _, g := range grants {
				if g.ClientID == "web" {
					require.WithinDuration(t, began, g.UsedAt, time.Millisecond, "a use by phone is no use by web")
				}
			}
			time.Sleep(10 * time.Minute)
			if s.apiStatus(late) == 200 {
				require.Contains(t, granted(t, model, "u1"), "phone")
			}
		}
	})
}

// A page of connected apps reads the last entry of a log: it has the latest
// use, or nearly, and the page shows the grant as long as a token lives.
func TestTheLastUseIsTheLastEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := dropping{newSpy(t)}
		s := newLocalSite(t, model, &oauth2server.Options{RefreshRotation: oauth2server.RotateNever,
			RefreshTokenLifetime: 24 * time.Hour}, nil)
		first := s.redeem("web", s.code())
		pauses := []time.Duration{0, time.Millisecond, 500 * time.Millisecond, 0, 0, 9 * time.Second, 0,
			11 * time.Minute}
		latest := ""
		for i := range 200 {
			time.Sleep(pauses[i%len(pauses)])
			latest = s.mustRefresh(first.str("refresh_token")).str("access_token")
			grants, err := model.UserGrants(t.Context(), "u1")
			require.NoError(t, err)
			require.Len(t, grants, 1)
			require.WithinDuration(t, time.Now(), grants[0].UsedAt, 7100*time.Millisecond)
		}
		time.Sleep(24*time.Hour - 200/8*(11*time.Minute+10*time.Second)) // the refresh token is about to expire
		for s.mustRefresh(first.str("refresh_token")); s.refresh("web",
			first.str("refresh_token")).StatusCode == 200; time.Sleep(time.Second) {
			latest = s.mustRefresh(first.str("refresh_token")).str("access_token")
		}
		for time.Sleep(time.Hour - time.Minute); s.apiStatus(latest) == 200; time.Sleep(time.Second) {
			require.Len(t, granted(t, model, "u1"), 1)
		}
		time.Sleep(10 * time.Second)
		require.Empty(t, granted(t, model, "u1"))
	})
}

// Issue with Refresh begins a grant, so the user can end it, even if the client
// gets no refresh token.
func TestIssueBeginsAGrant(t *testing.T) {
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone", Grants: []string{"echo"}}, secret+"phone"))
	id := ""
	s := newSite(t, model, &oauth2server.Options{ExtensionGrants: map[string]oauth2server.GrantFunc{
		"echo": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"}, GrantID: id, Refresh: true})
		},
	}}, nil)
	for _, id = range []string{"", "of-the-program"} {
		r := s.token("phone", "grant_type", "echo")
		require.Equal(t, 200, r.StatusCode, r.text)
		require.Empty(t, r.str("refresh_token"))
		require.Len(t, granted(t, model, "u1"), 1)
		if id != "" {
			requireError(t, s.token("phone", "grant_type", "echo"), 500, "server_error") // it exists already
		}
		require.NoError(t, model.RevokeUser(t.Context(), "u1"))
		require.Equal(t, 401, s.apiStatus(r.str("access_token")))
	}
}

// A program can shorten a grant that it begins or joins, but not lengthen it.
func TestIssueKeepsTheEndOfAGrant(t *testing.T) {
	synctest.Test(t, testIssueKeepsTheEndOfAGrant)
}

func testIssueKeepsTheEndOfAGrant(t *testing.T) {
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone", Grants: []string{"echo"}}, secret+"phone"))
	var asked oauth2server.Issuance
	s := newLocalSite(t, model, &oauth2server.Options{MaxGrantLifetime: time.Hour, AccessTokenLifetime: 24 * time.Hour,
		ExtensionGrants: map[string]oauth2server.GrantFunc{
			"echo": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
				asked.User = &oauth2server.User{ID: "u1"}
				return g.Issue(ctx, asked)
			},
		}}, nil)
	first := s.redeem("web", s.code())
	joined := grantOf(t, model, first)
	time.Sleep(time.Hour / 2)
	for _, c := range []struct {
		name    string
		grantID string
		asked   time.Duration
		want    time.Duration
	}{
		{"begin, longer", "", 20 * time.Hour, time.Hour},
		{"begin, shorter", "", time.Minute, time.Minute},
		{"join, longer", joined, 20 * time.Hour, time.Hour / 2},
		{"join, shorter", joined, time.Minute, time.Minute},
		{"join, not named", joined, 0, time.Hour / 2},
		{"join what is not there, longer", "nowhere", 20 * time.Hour, time.Hour},
	} {
		asked = oauth2server.Issuance{GrantID: c.grantID, Refresh: c.grantID == ""}
		if c.asked != 0 {
			asked.GrantExpiresAt = time.Now().Add(c.asked)
		}
		r := s.token("phone", "grant_type", "echo")
		require.Equal(t, 200, r.StatusCode, "%s: %s", c.name, r.text)
		require.InDelta(t, c.want.Seconds(), r.body["expires_in"], 2, c.name)
	}
	for _, grantID := range []string{"", joined} {
		asked = oauth2server.Issuance{GrantID: grantID, GrantExpiresAt: time.Now().Add(-time.Second),
			Refresh: grantID == ""}
		requireError(t, s.token("phone", "grant_type", "echo"), 400, "invalid_grant")
	}
}

// A program's own end of a grant holds where the server sets none, and that of
// a token that is in no grant is an end too.
func TestTheProgramsOwnEndOfAGrant(t *testing.T) {
	for _, limit := range []time.Duration{time.Hour, -1} {
		synctest.Test(t, func(t *testing.T) {
			model := newSpy(t)
			require.NoError(t, model.UpdateClient(t.Context(), &oauth2server.Client{ID: "web",
				Grants: []string{"echo", "refresh_token"}}))
			var asked oauth2server.Issuance
			s := newLocalSite(t, model, &oauth2server.Options{MaxGrantLifetime: limit,
				AccessTokenLifetime: 20 * time.Minute,
				ExtensionGrants: map[string]oauth2server.GrantFunc{
					"echo": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
						asked.User = &oauth2server.User{ID: "u1"}
						return g.Issue(ctx, asked)
					},
				}}, nil)
			end := time.Now().Add(30 * time.Minute)
			asked = oauth2server.Issuance{Refresh: true, GrantExpiresAt: end}
			r := s.token("web", "grant_type", "echo")
			require.EqualValues(t, 1200, r.body["expires_in"], r.text)
			grantID := grantOf(t, model, r)
			time.Sleep(20 * time.Minute)
			r = s.mustRefresh(r.str("refresh_token"))
			require.EqualValues(t, 600, r.body["expires_in"])
			asked = oauth2server.Issuance{GrantID: grantID}
			require.EqualValues(t, 600, s.token("web", "grant_type", "echo").body["expires_in"])
			time.Sleep(10 * time.Minute)
			requireError(t, s.refresh("web", r.str("refresh_token")), 400, "invalid_grant")
			requireError(t, s.token("web", "grant_type", "echo"), 400, "invalid_grant")

			asked = oauth2server.Issuance{GrantExpiresAt: time.Now().Add(time.Minute)}
			require.EqualValues(t, 60, s.token("web", "grant_type", "echo").body["expires_in"])
			for _, refresh := range []bool{true, false} {
				asked = oauth2server.Issuance{GrantExpiresAt: time.Now(), Refresh: refresh}
				requireError(t, s.token("web", "grant_type", "echo"), 400, "invalid_grant")
			}
		})
	}
}

// A grant that was revoked stays over, also when none of its entries is left.
func TestAGrantStaysRevoked(t *testing.T) {
	for limit, sleep := range map[time.Duration]time.Duration{-1: 360 * 24 * time.Hour,
		90 * 24 * time.Hour: 89 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			model := dropping{newSpy(t)}
			require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone", Grants: []string{"echo"}},
				secret+"phone"))
			asked := oauth2server.Issuance{GrantID: "of-the-program", Refresh: true}
			s := newLocalSite(t, model, &oauth2server.Options{MaxGrantLifetime: limit,
				ExtensionGrants: map[string]oauth2server.GrantFunc{
					"echo": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
						asked.User = &oauth2server.User{ID: "u1"}
						return g.Issue(ctx, asked)
					},
				}}, nil)
			require.Equal(t, 200, s.token("phone", "grant_type", "echo").StatusCode)
			require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, "of-the-program"))
			time.Sleep(sleep)
			for _, asked.Refresh = range []bool{false, true} {
				requireError(t, s.token("phone", "grant_type", "echo"), 400, "invalid_grant")
			}
		})
	}
}

// A grant that others have joined cannot begin: two users would share it.
func TestAGrantThatWasJoinedCannotBegin(t *testing.T) {
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone", Grants: []string{"echo"}}, secret+"phone"))
	asked := oauth2server.Issuance{GrantID: "of-the-program", User: &oauth2server.User{ID: "u1"}}
	s := newSite(t, model, &oauth2server.Options{ExtensionGrants: map[string]oauth2server.GrantFunc{
		"echo": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return g.Issue(ctx, asked)
		},
	}}, nil)
	require.Equal(t, 200, s.token("phone", "grant_type", "echo").StatusCode)
	asked.User, asked.Refresh = &oauth2server.User{ID: "u2"}, true
	requireError(t, s.token("phone", "grant_type", "echo"), 500, "server_error")
}

// A caller revokes in a loop. A user who signs in afterwards does not cause all
// that to be read, and can sign in again soon.
func TestAttack_RevokingInALoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := count(newMemory(t))
		s := newLocalSite(t, model, nil, nil)
		nothing := func(func(string, error) bool) {}
		early := s.code()
		revocations := 3000
		if testing.Short() {
			revocations = 1000 // still more than may be read
		}
		for i := range revocations {
			time.Sleep(time.Millisecond)
			require.NoError(t, oauth2server.RevokeUser(t.Context(), model, "u1", fmt.Sprint("client-", i%3), nothing))
		}
		requireError(t, s.redeem("web", early), 400, "invalid_grant")
		time.Sleep(10 * time.Second)
		model.take()
		require.Equal(t, 200, s.redeem("web", s.code()).StatusCode)
		_, entries, _ := model.take()
		require.Less(t, entries, int64(600))

		// A revocation for some clients still ends the grants of those.
		code := s.code()
		require.NoError(t, oauth2server.RevokeUser(t.Context(), model, "u1", "web", nothing))
		requireError(t, s.redeem("web", code), 400, "invalid_grant")
	})
}

// A revocation that does not concern a grant may be so close that a request
// cannot tell. It refuses its own token then, and the grant goes on.
func TestJoiningEndsNoHealthyGrant(t *testing.T) {
	for name, revoke := range map[string]func(t *testing.T, model dropping, nothing iter.Seq2[string, error]){
		"of the client, on another machine": func(t *testing.T, model dropping, nothing iter.Seq2[string, error]) {
			there := otherMachine{&shiftedClock{target: model}}
			require.NoError(t, oauth2server.RevokeUser(t.Context(), there, "u1", "phone", nothing))
		},
		"of other clients, too many to read": func(t *testing.T, model dropping, nothing iter.Seq2[string, error]) {
			for i := range 600 {
				require.NoError(t, oauth2server.RevokeUser(t.Context(), model, "u1", fmt.Sprint("client-", i), nothing))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, model := newExchange(t, oauth2server.Options{})
				first := s.redeem("web", s.code("scope", "read write"))
				joining := []string{"grant_type", "exchange", "subject_token", first.str("access_token")}
				revoke(t, model, func(func(string, error) bool) {})
				requireError(t, s.token("phone", joining...), 400, "invalid_grant")
				time.Sleep(11 * time.Second)
				require.Equal(t, 200, s.token("phone", joining...).StatusCode)
				require.Equal(t, 200, s.apiStatus(first.str("access_token")))
				require.Equal(t, 200, s.refresh("web", first.str("refresh_token")).StatusCode)
			})
		})
	}
}

// A grant with a long line has ended. Presenting an early token of it does not
// make the server read that line.
func TestAttack_EarlyTokensOfAnEndedGrant(t *testing.T) {
	t.Parallel()
	model := count(newMemory(t))
	s := newSite(t, model, nil, nil)
	first := s.redeem("web", s.code())
	last, _ := s.refreshUntilRefused(first, 500)
	require.Equal(t, 200, s.post("/revoke", form("token", last.str("refresh_token")),
		"Authorization", as("web")).StatusCode)
	for range 3 {
		model.take()
		requireError(t, s.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
		_, entries, _ := model.take()
		require.LessOrEqual(t, entries, int64(oauth2server.GrantPage+8))
	}
}

func TestExpiresInIsNeverLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLocalSite(t, newMemory(t), &oauth2server.Options{MaxGrantLifetime: 2 * time.Second,
			AccessTokenLifetime: 2 * time.Second, RefreshTokenLifetime: 2 * time.Second}, nil)
		r := s.redeem("web", s.code())
		require.EqualValues(t, 2, r.body["expires_in"])
		time.Sleep(1700 * time.Millisecond)
		require.EqualValues(t, 1, s.mustRefresh(r.str("refresh_token")).body["expires_in"])
	})
}

func TestLifetimesThatClashWithTheServers(t *testing.T) {
	model := newMemory(t)
	for id, lifetime := range map[string]time.Duration{"long": 60 * 24 * time.Hour, "short": time.Minute} {
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, Grants: allGrants,
			RedirectURIs:        []string{callback},
			AccessTokenLifetime: lifetime}, secret+id))
	}
	options, log := logged(oauth2server.Options{Grants: allGrants})
	s := newSite(t, model, options, nil)
	for range 3 {
		for _, client := range []string{"short", "long", "web"} {
			r := s.token(client, "grant_type", "password", "username", "andy", "password", "andys-password")
			require.Equal(t, 200, r.StatusCode, r.text)
		}
	}
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
	require.Contains(t, log.String(), "client=long")
	require.Contains(t, log.String(), "RefreshTokenLifetime")
}
