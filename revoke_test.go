package oauth2server_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func (s *site) revoke(client, token string, params ...string) reply {
	s.t.Helper()
	return s.post("/revoke", form(append([]string{"token", token}, params...)...), "Authorization", as(client))
}

func (s *site) introspect(client, token string, params ...string) reply {
	s.t.Helper()
	return s.post("/introspect", form(append([]string{"token", token}, params...)...), "Authorization", as(client))
}

// publicOptions let a public client sign a user in without a page.
func publicOptions() *oauth2server.Options {
	return &oauth2server.Options{Grants: allGrants, PublicClientGrants: []string{"password", "refresh_token"}}
}

func (s *site) signInPublic() reply {
	s.t.Helper()
	r := s.post("/token", form("grant_type", "password", "client_id", "app", "username", "andy",
		"password", "andys-password"))
	require.Equal(s.t, 200, r.StatusCode, r.text)
	return r
}

func TestRevoke(t *testing.T) {
	s := newSite(t, newSpy(t), publicOptions(), nil)
	requireGone := func(r reply) {
		t.Helper()
		require.Equal(t, 200, r.StatusCode, r.text)
		require.Empty(t, r.text)
		require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	}
	for _, hint := range []string{"", "refresh_token", "access_token", "something else"} {
		first := s.signIn("web")
		requireGone(s.revoke("web", first.str("access_token"), "token_type_hint", hint))
		require.Equal(t, 401, s.apiStatus(first.str("access_token")))
		second := s.mustRefresh(first.str("refresh_token")) // an access token ends alone
		requireGone(s.revoke("web", second.str("refresh_token"), "token_type_hint", hint))
		s.requireDead(first, second)
		requireGone(s.revoke("web", second.str("refresh_token"), "token_type_hint", hint)) // again
		requireGone(s.revoke("web", "unknown", "token_type_hint", hint))
		requireGone(s.revoke("web", "what no token can be: é", "token_type_hint", hint))
	}
	first := s.signIn("web")
	second := s.mustRefresh(first.str("refresh_token"))
	requireGone(s.revoke("web", first.str("refresh_token"))) // one that was used
	s.requireDead(first, second)

	app := s.signInPublic()
	requireGone(s.post("/revoke", form("client_id", "app", "token", app.str("refresh_token"))))
	require.Equal(t, 401, s.apiStatus(app.str("access_token")))

	machine := s.token("machine", "grant_type", "client_credentials").str("access_token")
	requireGone(s.revoke("machine", machine))
	require.Equal(t, 401, s.apiStatus(machine))
}

func TestTheHintOrdersTheSearch(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	tokens := s.signIn("web")
	for _, test := range []struct {
		token, hint string
		want        []string
	}{
		{tokens.str("access_token"), "access_token", []string{"GetClient", "GetAccessToken"}},
		{tokens.str("access_token"), "", []string{"GetClient", "GetRefreshToken", "GetAccessToken"}},
		{tokens.str("refresh_token"), "", []string{"GetClient", "GetRefreshToken", "GrantEntries"}},
		{tokens.str("refresh_token"), "access_token",
			[]string{"GetClient", "GetAccessToken", "GetRefreshToken", "GrantEntries"}},
		{"no token: é", "", []string{"GetClient"}},
		{"no access token", "", []string{"GetClient", "GetRefreshToken"}}, // it has spaces
	} {
		model.calls = nil
		s.introspect("web", test.token, "token_type_hint", test.hint)
		require.Equal(t, test.want, model.calls)
	}
}

func TestRevokeRefuses(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, publicOptions(), nil)
	tokens, app := s.signIn("web"), s.signInPublic()
	access, refresh := tokens.str("access_token"), tokens.str("refresh_token")
	model.stored()
	for _, test := range []struct {
		name   string
		r      reply
		status int
		code   string
	}{
		{"no token", s.revoke("web", ""), 400, "invalid_request"},
		{"two tokens", s.revoke("web", access, "token", refresh), 400, "invalid_request"},
		{"nobody", s.post("/revoke", form("token", access)), 400, "invalid_client"},
		{"no secret", s.post("/revoke", form("client_id", "web", "token", access)), 400, "invalid_client"},
		{"no secret, and a grant type", s.post("/revoke",
			form("client_id", "web", "grant_type", "refresh_token", "token", access)), 400, "invalid_client"},
		{"wrong secret", s.post("/revoke", form("client_id", "web", "client_secret", "wrong", "token", access)),
			400, "invalid_client"},
		{"public with a secret", s.post("/revoke",
			form("client_id", "app", "client_secret", "x", "token", app.str("refresh_token"))), 400, "invalid_client"},
		{"another client's access token", s.revoke("other", access), 400, "unauthorized_client"},
		{"another client's refresh token", s.revoke("other", refresh), 400, "unauthorized_client"},
		{"a public client's refresh token", s.revoke("other", app.str("refresh_token")), 400, "unauthorized_client"},
		{"by a public client", s.post("/revoke", form("client_id", "app", "token", refresh)), 400,
			"unauthorized_client"},
		{"token in the URL", s.post("/revoke?token="+access, form("token", access), "Authorization", as("web")),
			400, "invalid_request"},
		{"GET", s.get("/revoke?token=" + access), 405, "invalid_request"},
		{"no form", s.do(s.request("POST", "/revoke", "")), 400, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) { requireError(t, test.r, test.status, test.code) })
	}
	require.Empty(t, model.stored())
	require.Equal(t, 200, s.apiStatus(access))
	s.mustRefresh(refresh)
	require.Equal(t, http.StatusOK, s.apiStatus(app.str("access_token")))

	for _, fails := range []string{"GetClient", "GetRefreshToken", "GetAccessToken", "GrantEntries",
		"AppendGrant", "RevokeAccessTokens"} {
		tokens := s.signIn("web")
		model.fails[fails] = errors.New("no storage")
		presented := "refresh_token"
		if fails == "GetAccessToken" {
			presented = "access_token"
		}
		requireError(t, s.revoke("web", tokens.str(presented)), 503, "server_error")
		delete(model.fails, fails)
		require.Equal(t, 200, s.revoke("web", tokens.str("refresh_token")).StatusCode)
		s.requireDead(tokens)
	}
}

func TestRevokeWithoutALog(t *testing.T) {
	model := newSpy(t)
	var a audit
	s := newSite(t, plain{spy: model}, &oauth2server.Options{Grants: allGrants, OnEvent: a.note}, nil)
	tokens := s.signIn("web")
	a.take(t)
	require.Equal(t, 200, s.revoke("web", tokens.str("refresh_token")).StatusCode)
	require.Equal(t, oauth2server.Event{Kind: "revoked", Endpoint: "revoke", ClientID: "web", UserID: "u1"},
		a.take(t), "the grant is not over")
	requireError(t, s.refresh("web", tokens.str("refresh_token")), 400, "invalid_grant")
	require.Equal(t, 200, s.apiStatus(tokens.str("access_token")), "it ends alone")
	require.Equal(t, 200, s.revoke("web", tokens.str("access_token")).StatusCode)
	require.Equal(t, 401, s.apiStatus(tokens.str("access_token")))

	for _, fails := range []string{"RevokeToken", "RevokeAccessToken"} {
		tokens := s.signIn("web")
		model.fails[fails] = errors.New("no storage")
		presented := map[string]string{"RevokeToken": "refresh_token", "RevokeAccessToken": "access_token"}[fails]
		requireError(t, s.revoke("web", tokens.str(presented)), 503, "server_error")
		model.fails[fails] = oauth2server.ErrNotFound // another request was faster
		require.Equal(t, 200, s.revoke("web", tokens.str(presented)).StatusCode)
		delete(model.fails, fails)
	}

	s = newSite(t, withoutRevocation{spy: model}, &oauth2server.Options{Grants: allGrants}, nil)
	tokens = s.signIn("web")
	requireError(t, s.revoke("web", tokens.str("access_token")), 400, "unsupported_token_type")
	require.Equal(t, 200, s.revoke("web", "unknown").StatusCode)
	require.Equal(t, 200, s.revoke("web", tokens.str("refresh_token")).StatusCode)
}

// withoutRevocation is a plain model whose access tokens cannot be revoked.
type withoutRevocation struct {
	*spy
	oauth2server.GrantLog
	oauth2server.AccessTokenRevoker
}

// An error that a model chose is no "not found": an answer of 200, or of not
// active, would be false.
func TestAModelsRefusalIsNoUnknownToken(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	for _, test := range []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"come back later", &oauth2server.Error{Code: oauth2server.InvalidRequest, Status: 429}, 429,
			"invalid_request"},
		{"not this client", oauth2server.AccessDenied, 400, "access_denied"},
		{"the program is wrong", oauth2server.InvalidArgument, 500, "server_error"},
		{"what cannot be sent", &oauth2server.Error{}, 500, "server_error"},
	} {
		for kind, look := range map[string]string{"access_token": "GetAccessToken",
			"refresh_token": "GetRefreshToken"} {
			t.Run(test.name+", "+kind, func(t *testing.T) {
				tokens := s.signIn("web")
				model.fails[look] = test.err
				revoked, introspected := s.revoke("web", tokens.str(kind)), s.introspect("web", tokens.str(kind))
				delete(model.fails, look)
				require.Equal(t, 200, s.apiStatus(tokens.str("access_token")))
				requireError(t, revoked, test.status, test.code)
				requireError(t, introspected, test.status, test.code)
			})
		}
	}
	tokens := s.signIn("web")
	for _, gone := range []error{oauth2server.InvalidGrant, oauth2server.InvalidToken} { // both count as unknown
		model.fails["GetRefreshToken"] = gone
		require.Equal(t, 200, s.revoke("web", tokens.str("refresh_token")).StatusCode)
		requireInactive(t, s.introspect("web", tokens.str("refresh_token")))
	}
}

// issuing is a model without GetAccessToken, as for a separate resource server:
// a method that is promoted from two fields counts as none.
type issuing struct {
	*spy
	SecondLookup
}

// SecondLookup has that method a second time.
type SecondLookup struct{}

func (SecondLookup) GetAccessToken(context.Context, string) (*oauth2server.Token, error) {
	return nil, nil
}

// The server cannot find the owner of an access token that it cannot look up.
// So it cannot revoke the token, and must not claim that it did (RFC 7009,
// section 2.2.1).
func TestRevokeWhereAccessTokensAreNotLookedUp(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, issuing{spy: model}, &oauth2server.Options{Grants: allGrants}, nil)
	tokens := s.signIn("web")
	for _, hint := range []string{"", "access_token", "something else"} {
		requireError(t, s.revoke("web", tokens.str("access_token"), "token_type_hint", hint), 400,
			"unsupported_token_type")
	}
	require.Equal(t, 200, s.revoke("web", "unknown", "token_type_hint", "refresh_token").StatusCode)
	require.Equal(t, 200, s.revoke("web", tokens.str("refresh_token")).StatusCode)
	_, err := model.GetAccessToken(t.Context(), tokens.str("access_token"))
	require.ErrorIs(t, err, oauth2server.ErrNotFound, "it ends with its grant")
}
