package oauth2server_test

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// Revocation by a client that does not own the token, and revocation that does
// nothing (CVE-2026-115472, CVE-2018-1000211, CVE-2016-6582): own and foreign
// tokens, public and confidential clients, current and used tokens.
func TestAttack_RevocationByTheWrongClient(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, publicOptions(), nil)
		public := func(token string) reply { return s.post("/revoke", form("client_id", "app", "token", token)) }
		refreshPublic := func(token string) reply {
			return s.post("/token", form("grant_type", "refresh_token", "client_id", "app", "refresh_token", token))
		}
		for _, kind := range []string{"access_token", "refresh_token"} {
			web, app := s.signIn("web"), s.signInPublic()
			for _, r := range []reply{s.revoke("other", web.str(kind)), s.revoke("web", app.str(kind)),
				public(web.str(kind)),
				s.post("/revoke", form("client_id", "web", "token", web.str(kind))),
				s.post("/revoke", form("token", app.str(kind)))} {
				require.Equal(t, 400, r.StatusCode, r.text)
			}
			require.Equal(t, 200, s.apiStatus(web.str("access_token")))
			require.Equal(t, 200, s.apiStatus(app.str("access_token")))

			require.Equal(t, 200, s.revoke("web", web.str(kind)).StatusCode)
			require.Equal(t, 200, public(app.str(kind)).StatusCode)
			require.Equal(t, 401, s.apiStatus(web.str("access_token")))
			require.Equal(t, 401, s.apiStatus(app.str("access_token")))
			alive := kind == "access_token" // the grant
			require.Equal(t, alive, s.refresh("web", web.str("refresh_token")).StatusCode == 200)
			require.Equal(t, alive, refreshPublic(app.str("refresh_token")).StatusCode == 200)
		}
		web, app := s.signIn("web"), s.signInPublic()
		nextWeb, nextApp := s.mustRefresh(web.str("refresh_token")), refreshPublic(app.str("refresh_token"))
		require.Equal(t, 200, s.revoke("web", web.str("refresh_token")).StatusCode)
		require.Equal(t, 200, public(app.str("refresh_token")).StatusCode)
		s.requireDead(web, nextWeb)
		require.Equal(t, 401, s.apiStatus(nextApp.str("access_token")))
		requireError(t, refreshPublic(nextApp.str("refresh_token")), 400, "invalid_grant")
	})
}

// A revoked token is introspected as active (CVE-2026-68481): revoked by the
// client, by the program, by a replay.
func TestAttack_RevokedTokensAreInactive(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		for name, end := range map[string]func(r reply){
			"by the client":  func(r reply) { s.revoke("web", r.str("refresh_token")) },
			"by the program": func(reply) { require.NoError(t, model.RevokeUser(t.Context(), "u1")) },
		} {
			tokens := s.signIn("web")
			for _, kind := range []string{"access_token", "refresh_token"} {
				require.Equal(t, true, s.introspect("web", tokens.str(kind)).body["active"])
			}
			end(tokens)
			for _, kind := range []string{"access_token", "refresh_token"} {
				require.Equal(t, map[string]any{"active": false},
					s.introspect("web", tokens.str(kind)).body, "%s, %s", kind, name)
			}
		}
		code := s.code()
		tokens := s.redeem("web", code)
		s.redeem("web", code)
		requireInactive(t, s.introspect("web", tokens.str("access_token")))
		requireInactive(t, s.introspect("web", tokens.str("refresh_token")))
		tokens = s.signIn("web")
		s.revoke("web", tokens.str("access_token"))
		requireInactive(t, s.introspect("web", tokens.str("access_token")))
	})
}

// Introspection by anyone (CVE-2026-50623): anonymous and public callers are
// refused, and an unrelated client learns nothing.
func TestAttack_IntrospectionByAnybody(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, publicOptions(), nil)
		tokens, app := s.signIn("web"), s.signInPublic()
		for _, presented := range []string{tokens.str("access_token"), tokens.str("refresh_token"),
			app.str("access_token"), "unknown"} {
			requireError(t, s.post("/introspect", form("token", presented)), 401, "invalid_client")
			requireError(t, s.post("/introspect", form("token", presented, "client_id", "app")), 401, "invalid_client")
			requireError(t, s.post("/introspect", form("token", presented),
				"Authorization", "Bearer "+tokens.str("access_token")), 401, "invalid_client")
			requireError(t, s.post("/introspect",
				form("token", presented, "client_id", "web", "client_secret", secret+"other")), 401, "invalid_client")
			requireInactive(t, s.introspect("other", presented))
		}
	})
}

// failing is a target whose method named in to fails.
type failing struct {
	target
	to string
}

func (m *failing) Unwrap() oauth2server.Model { return m.target }

func (m *failing) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	if m.to == "RevokeAccessTokens" {
		return errors.New("no storage")
	}
	return m.target.RevokeAccessTokens(ctx, digests...)
}

func (m *failing) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if m.to == "AppendGrant" && e.Kind == "revoked" {
		return nil, errors.New("no storage")
	}
	return m.target.AppendGrant(ctx, e)
}

// A storage fault during revocation goes unnoticed (CVE-2020-15222,
// CVE-2020-15223): the answer is 5xx, never 200.
func TestAttack_FaultsWhileRevoking(t *testing.T) {
	onEachModel(t, func(t *testing.T, inner target) {
		model := &failing{target: inner}
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		for _, test := range []struct{ token, fails string }{
			{"access_token", "RevokeAccessTokens"}, {"refresh_token", "RevokeAccessTokens"},
			{"refresh_token", "AppendGrant"},
		} {
			tokens := s.signIn("web")
			model.to = test.fails
			requireError(t, s.revoke("web", tokens.str(test.token)), 503, "server_error")
			model.to = ""
			require.Equal(t, 200, s.apiStatus(tokens.str("access_token")))
			require.Equal(t, 200, s.revoke("web", tokens.str(test.token)).StatusCode)
			require.Equal(t, 401, s.apiStatus(tokens.str("access_token")))

			code := s.code() // a replay has to revoke, too
			tokens = s.redeem("web", code)
			model.to = test.fails
			requireError(t, s.redeem("web", code), 503, "server_error")
			model.to = ""
			requireError(t, s.redeem("web", code), 400, "invalid_grant")
			s.requireDead(tokens)
		}
	})
}

// A client that lost a reply cannot sign out (sign-out with a spent token): the
// used token ends the grant, even while a refresh is held at any of its
// operations.
func TestAttack_SignOutWithASpentToken(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		first := s.signIn("web")
		lost := s.mustRefresh(first.str("refresh_token"))
		require.Equal(t, 200, s.revoke("web", first.str("refresh_token")).StatusCode)
		s.requireDead(first, lost)

		h := newPausingSite(t, model)
		for place, reached := 0, true; reached; place++ {
			first := h.redeem("web", h.code())
			lost := h.mustRefresh(first.str("refresh_token"))
			var late reply
			signOut := func() { require.Equal(t, 200, h.revoke("web", first.str("refresh_token")).StatusCode) }
			reached = h.hold(place, signOut, done,
				h.tokenRequest(&late, "grant_type", "refresh_token", "refresh_token", lost.str("refresh_token")))
			require.True(t, reached || place > 2, "a refresh has three operations or more")
			h.requireDead(first, lost)
			if late.StatusCode == 200 {
				h.requireDead(late)
			}
		}
	})
}

// A client of two servers takes the answer of one for the other's (RFC 9700,
// section 4.4, mix-up): each answer names its issuer, errors included.
func TestAttack_MixUp(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		const issuer = "https://auth.example/tenant"
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants, Issuer: issuer}, nil)
		for name, r := range map[string]reply{
			"code":                s.authorize(),
			"implicit":            s.authorize("response_type", "token"),
			"denied":              s.authorize("allowed", "false"),
			"no state":            s.authorize("state", ""),
			"wrong response type": s.authorize("response_type", "id"),
			"registered query":    s.authorize("client_id", "query", "redirect_uri", callback+"?tenant=7"),
		} {
			location, err := url.Parse(r.Header.Get("Location"))
			require.NoError(t, err)
			answer := location.Query()
			if location.Fragment != "" {
				answer, err = url.ParseQuery(location.Fragment)
				require.NoError(t, err)
			}
			require.Equal(t, []string{issuer}, answer["iss"], name)
			require.True(t, answer.Has("code") || answer.Has("access_token") || answer.Has("error"), name)
		}
		require.Empty(t, newSite(t, model, nil, nil).authorize().at("iss"), "no issuer, no iss")
	})
}
