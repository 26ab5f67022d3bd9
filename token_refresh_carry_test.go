package oauth2server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// rotation is the option that decides whether refresh tokens are replaced.
func rotation(rotate bool) oauth2server.RefreshRotation {
	if rotate {
		return oauth2server.RotateWithRetry
	}
	return oauth2server.RotateNever
}

// tenanted is an extension grant whose token has its own attributes.
func tenanted(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
	return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"}, Scope: oauth2server.Scope{"read"},
		Extra:   map[string]any{"tenant": "acme", "seats": int64(1) << 60, "since": time.Unix(1, 0).UTC()},
		Refresh: true})
}

// Extra of an extension grant is in every later token, and in its answer.
func TestExtraGoesOn(t *testing.T) {
	for _, rotate := range []bool{true, false} {
		onEachModel(t, func(t *testing.T, model target) {
			require.NoError(t, addClient(t, model,
				oauth2server.Client{ID: "phone", Grants: []string{"tell", "refresh_token"}}, secret+"phone"))
			options := oauth2server.Options{ExtensionGrants: map[string]oauth2server.GrantFunc{"tell": tenanted},
				RefreshRotation: rotation(rotate), AllowExtendedTokenAttributes: true}
			s := newSite(t, model, &options, nil)
			first := s.token("phone", "grant_type", "tell")
			require.Equal(t, 200, first.StatusCode, first.text)
			token := first.str("refresh_token")
			for i := range 4 {
				r := s.refresh("phone", token)
				if i == 1 { // as if the reply to it was lost
					r = s.refresh("phone", token)
				}
				require.Equal(t, 200, r.StatusCode, r.text)
				require.Equal(t, "acme", r.str("tenant"), r.text)
				require.Contains(t, r.text, fmt.Sprintf(`"seats":%d`, int64(1)<<60))
				stored, err := model.GetAccessToken(t.Context(), r.str("access_token"))
				require.NoError(t, err)
				require.Equal(t, map[string]any{"tenant": "acme", "seats": int64(1) << 60,
					"since": time.Unix(1, 0).UTC()}, stored.Extra)
				if rotate {
					token = r.str("refresh_token")
				}
			}
		})
	}
}

// A right that was removed does not come back with a refresh; one that was
// suspended does.
func TestAScopeIsAskedForAgain(t *testing.T) {
	rights := []string{"read", "write"}
	var fails error
	model := scoped{newSpy(t),
		func(_ *oauth2server.User, asked oauth2server.Scope) (granted oauth2server.Scope, err error) {
			for _, token := range asked {
				if slices.Contains(rights, token) {
					granted = append(granted, token)
				}
			}
			return granted, fails
		}}
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	code := s.code("scope", "read write")
	rights = []string{"read"}
	r := s.redeem("web", code)
	require.Equal(t, "read", r.str("scope"), "the user lost the right while the code was under way: %s", r.text)

	rights = []string{"read", "write"}
	r = s.signIn("web", "scope", "read write")
	for _, row := range []struct {
		rights []string
		asked  string
		want   string
	}{
		{[]string{"read", "write"}, "", "read write"},
		{[]string{"read"}, "", "read"},
		{[]string{"read"}, "read write", "read"},
		{[]string{"read", "write"}, "", "read write"},
		{[]string{"read", "write", "admin"}, "read admin", "read"},
		{[]string{"read", "write"}, "write", "write"},
		{[]string{"read", "write"}, "", "read write"},
	} {
		rights = row.rights
		params := []string{}
		if row.asked != "" {
			params = []string{"scope", row.asked}
		}
		r = s.refresh("web", r.str("refresh_token"), params...)
		require.Equal(t, 200, r.StatusCode, "%+v: %s", row, r.text)
		require.Equal(t, row.want, r.str("scope"), "%+v", row)
		stored, err := model.GetAccessToken(t.Context(), r.str("access_token"))
		require.NoError(t, err)
		require.Equal(t, row.want, stored.Scope.String())
	}

	// No scope is left: the refresh is refused, and the grant goes on, as the
	// right may come back.
	rights = nil
	requireError(t, s.refresh("web", r.str("refresh_token")), 400, "invalid_scope")
	rights, fails = []string{"read"}, errors.New("the directory is down")
	requireError(t, s.refresh("web", r.str("refresh_token")), 503, "server_error")
	fails = nil
	r = s.refresh("web", r.str("refresh_token"))
	require.Equal(t, "read", r.str("scope"), r.text)
	requireError(t, s.refresh("web", r.str("refresh_token"), "scope", "admin"), 400, "invalid_scope")
}

// A client whose limit was narrowed keeps the scope that is within both,
// whatever it asks for. One that asks for more than the owner granted gets what
// was granted (RFC 6749, sections 3.3 and 6).
func TestScopeOfARefreshIsCutBothWays(t *testing.T) {
	for _, row := range []struct {
		granted, limit, asked string
		want                  string // the scope, or the error
	}{
		{"a b", "", "", "a b"},
		{"a b", "", "a b", "a b"},
		{"a b", "", "b", "b"},
		{"a b", "", "a c", "a"},
		{"a b", "", "c", "invalid_scope"},
		{"a b", "a", "", "a"},
		{"a b", "a", "a b", "a"},
		{"a b", "a", "b", "invalid_scope"},
		{"a b", "a c", "a b c", "a"},
		{"a b", "c", "", "invalid_scope"},
		{"", "", "", ""},
	} {
		model := newSpy(t)
		client := &oauth2server.Client{ID: "shrinking", Grants: []string{"password", "refresh_token"}}
		require.NoError(t, model.AddClient(client, secret+"shrinking"))
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		scopeOf := func(text string) []string {
			if text == "" {
				return nil
			}
			return []string{"scope", text}
		}
		first := s.signIn("shrinking", scopeOf(row.granted)...)
		client.Scope = strings.Fields(row.limit)
		require.NoError(t, model.UpdateClient(t.Context(), client))
		model.stored()
		r := s.refresh("shrinking", first.str("refresh_token"), scopeOf(row.asked)...)
		if row.want == "invalid_scope" {
			requireError(t, r, 400, "invalid_scope")
			require.Empty(t, model.stored(), "%+v", row)
			continue
		}
		require.Equal(t, 200, r.StatusCode, "%+v: %s", row, r.text)
		require.Equal(t, row.want, r.str("scope"), "%+v", row)
	}
}

// checking is a model that knows whether its users may still act.
type checking struct {
	*spy
	err error
}

func (m *checking) CheckUser(_ context.Context, user *oauth2server.User, client *oauth2server.Client) error {
	if user.ID != "u1" || client.ID != "web" {
		return fmt.Errorf("asked about %q at %q", user.ID, client.ID)
	}
	return m.err
}

func TestUserChecker(t *testing.T) {
	for _, row := range []struct {
		name   string
		err    error
		status int
		code   string
		ends   bool // the grant
	}{
		{"may act", nil, 200, "", false},
		{"gone", oauth2server.ErrNotFound, 400, "invalid_grant", true},
		{"gone, wrapped", fmt.Errorf("account 7: %w", oauth2server.ErrNotFound), 400, "invalid_grant", true},
		{"a fault", errors.New("down"), 503, "server_error", false},
		{"cancelled", context.DeadlineExceeded, 503, "server_error", false},
		{"an error of its own", &oauth2server.Error{Code: oauth2server.InvalidGrant,
			Description: "terms not accepted"}, 400, "invalid_grant", false},
	} {
		model := &checking{newSpy(t), nil}
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		first, code := s.signIn("web"), s.code()
		model.err = row.err
		model.stored()
		refreshed, redeemed := s.refresh("web", first.str("refresh_token")), s.redeem("web", code)
		if row.status != 200 && !row.ends {
			require.Empty(t, model.stored(), row.name)
		}
		model.err = nil
		for _, r := range []reply{refreshed, redeemed} {
			require.Equal(t, row.status, r.StatusCode, "%s: %s", row.name, r.text)
			require.Equal(t, row.code, r.str("error"), row.name)
		}
		if row.ends {
			s.requireDead(first)
			requireError(t, s.redeem("web", code), 400, "invalid_grant")
			continue
		}
		require.Equal(t, 200, s.apiStatus(first.str("access_token")), row.name)
		require.Equal(t, 200, s.refresh("web", first.str("refresh_token")).StatusCode, row.name)
		if row.status != 200 {
			require.Equal(t, 200, s.redeem("web", code).StatusCode, row.name)
		}
	}
}

// A storage that fails while the grant of a deleted user ends gives no verdict:
// the next request ends it.
func TestAUserWhoIsGoneWhileTheStorageFails(t *testing.T) {
	model := &checking{newSpy(t), oauth2server.ErrNotFound}
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	first := s.signIn("web")
	model.fails["AppendGrant"] = errors.New("down")
	requireError(t, s.refresh("web", first.str("refresh_token")), 503, "server_error")
	delete(model.fails, "AppendGrant")
	requireError(t, s.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
	model.err = nil
	s.requireDead(first)
}

// No refresh token for a client that may not use it.
func TestNoRefreshTokenForAClientWithoutTheGrant(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		require.NoError(t, addClient(t, model, oauth2server.Client{ID: "once", RedirectURIs: []string{callback},
			Grants: []string{"authorization_code", "password", "tell"}}, secret+"once"))
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants,
			ExtensionGrants: map[string]oauth2server.GrantFunc{"tell": tenanted}}, nil)
		code := s.code("client_id", "once")
		for name, r := range map[string]reply{
			"code":      s.redeem("once", code),
			"password":  s.token("once", "grant_type", "password", "username", "andy", "password", "andys-password"),
			"extension": s.token("once", "grant_type", "tell"),
		} {
			require.Equal(t, 200, r.StatusCode, "%s: %s", name, r.text)
			require.NotContains(t, r.body, "refresh_token", name)
			require.Equal(t, 200, s.apiStatus(r.str("access_token")), name)
		}
	})
}

// Tokens that do not expire, by an option whose name makes that clear.
func TestEternalAccessTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newSpy(t)
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: "brief", Grants: allGrants[:4],
			RedirectURIs:        []string{callback},
			AccessTokenLifetime: time.Minute}, secret+"brief"))
		s := newLocalSite(t, model, &oauth2server.Options{Grants: allGrants,
			InsecureEternalAccessTokens: true, MaxGrantLifetime: -1}, nil)
		r, brief := s.signIn("web"), s.signIn("brief")
		require.NotContains(t, r.body, "expires_in")
		require.Equal(t, float64(60), brief.body["expires_in"])
		machine := s.token("machine", "grant_type", "client_credentials")
		time.Sleep(50 * 365 * 24 * time.Hour)
		for _, token := range []string{r.str("access_token"), machine.str("access_token")} {
			require.Equal(t, 200, s.apiStatus(token))
			about := s.post("/introspect", form("token", token),
				"Authorization", as(map[bool]string{true: "web", false: "machine"}[token == r.str("access_token")]))
			require.Equal(t, true, about.body["active"])
			require.NotContains(t, about.body, "exp")
		}
		require.Equal(t, 401, s.apiStatus(brief.str("access_token")))

		// They end when they are revoked, however late.
		require.NoError(t, model.RevokeUser(t.Context(), "u1"))
		require.Equal(t, 401, s.apiStatus(r.str("access_token")))
		require.Equal(t, 200, s.apiStatus(machine.str("access_token")), "it belongs to no user")
		requireError(t, newLocalSite(t, model, nil, nil).get("/api",
			"Authorization", "Bearer "+machine.str("access_token")), 500, "server_error")
	})
}

func TestNewWarnsOfLifetimesThatAreCut(t *testing.T) {
	for _, row := range []struct {
		options oauth2server.Options
		want    []string
	}{
		{oauth2server.Options{}, nil},
		{oauth2server.Options{AccessTokenLifetime: 15 * 24 * time.Hour},
			[]string{"AccessTokenLifetime (360h0m0s) is longer than RefreshTokenLifetime (336h0m0s)"}},
		{oauth2server.Options{MaxGrantLifetime: time.Minute}, []string{"AccessTokenLifetime", "RefreshTokenLifetime"}},
		{oauth2server.Options{RefreshTokenLifetime: 48 * time.Hour, MaxGrantLifetime: 24 * time.Hour},
			[]string{"RefreshTokenLifetime"}},
		{oauth2server.Options{InsecureEternalAccessTokens: true, MaxGrantLifetime: -1}, nil},
		{oauth2server.Options{InsecureEternalAccessTokens: true},
			[]string{"InsecureEternalAccessTokens and MaxGrantLifetime"}},
		{oauth2server.Options{MaxGrantLifetime: -1, RefreshTokenLifetime: 1e6 * time.Hour,
			AccessTokenLifetime: 1e6 * time.Hour}, nil},
	} {
		options, log := logged(row.options)
		_, err := oauth2server.New(newSpy(t), options)
		require.NoError(t, err)
		require.Equal(t, len(row.want), strings.Count(log.String(), "level=WARN"), "%s", log)
		for _, want := range row.want {
			require.Contains(t, log.String(), "oauth2server: "+want)
		}
	}
}
