package oauth2server_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// A token of one kind where another is expected (CVE-2026-101023): an access
// token as refresh token, a refresh token as bearer token, a code as either.
// Each is refused there and stays valid.
func TestAttack_TokenOfAnotherKind(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		tokens := s.redeem("web", s.code("scope", "read"))
		access, refresh, code := tokens.str("access_token"), tokens.str("refresh_token"), s.code()
		machines := s.token("web", "grant_type", "client_credentials").str("access_token")
		implicit := s.authorize("response_type", "token").at("access_token")
		for kind, it := range map[string]string{"access": access, "machine's": machines,
			"implicit": implicit, "refresh": refresh, "code": code} {
			require.NotEmpty(t, it, kind)
			if kind != "code" {
				requireError(t, s.redeem("web", it), 400, "invalid_grant")
			}
			if kind != "refresh" {
				requireError(t, s.refresh("web", it), 400, "invalid_grant")
			}
			if kind == "refresh" || kind == "code" {
				require.Equal(t, 401, s.apiStatus(it), kind)
				require.Equal(t, 401, s.post("/api", form("access_token", it)).StatusCode, kind)
			}
		}
		// A code is neither, and a hint does not change the kind.
		for _, hint := range []string{"access_token", "refresh_token"} {
			requireInactive(t, s.introspect("web", code, "token_type_hint", hint))
			require.Equal(t, 200, s.revoke("web", code, "token_type_hint", hint).StatusCode)
			require.NotContains(t, s.introspect("web", refresh, "token_type_hint", hint).body,
				"token_type", "it is no bearer token")
		}
		for _, it := range []string{access, machines, implicit} {
			require.Equal(t, 200, s.apiStatus(it))
		}
		s.mustRefresh(refresh)
		require.Equal(t, 200, s.redeem("web", code).StatusCode)
	})
}

// Two methods of client authentication, or two identities, in one request
// (doorkeeper 5.9.5, zitadel/oidc#858): a server that reads only one of them
// takes the request for another client's. Code and token stay valid.
func TestAttack_TwoIdentities(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		code, token := s.code(), s.redeem("web", s.code()).str("refresh_token")
		for _, request := range [][]string{
			{"grant_type", "client_credentials"},
			{"grant_type", "refresh_token", "refresh_token", token},
			{"grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier},
		} {
			for _, row := range []struct {
				name, basic string
				body        []string
			}{
				{"another's id", as("web"), []string{"client_id", "other"}},
				{"another's id and secret", as("other"), []string{"client_id", "web", "client_secret", secret + "web"}},
				{"its own again", as("web"), []string{"client_id", "web", "client_secret", secret + "web"}},
				{"a secret alone", as("web"), []string{"client_secret", secret + "web"}},
				{"junk", as("web"), []string{"client_secret", "junk"}},
				{"a public client's id", as("web"), []string{"client_id", "app"}},
				{"a public client by Basic", basic("app:"),
					[]string{"client_id", "web", "client_secret", secret + "web"}},
				{"a public client by Basic, an id", basic("app:"), []string{"client_id", "web"}},
				{"a wrong secret by Basic", basic("web:junk"),
					[]string{"client_id", "web", "client_secret", secret + "web"}},
				{"broken Basic", "Basic !", []string{"client_id", "web", "client_secret", secret + "web"}},
				{"the id twice", as("web"), []string{"client_id", "web", "client_id", "other"}},
				{"two secrets", "", []string{"client_id", "web", "client_secret", secret + "web",
					"client_secret", "junk"}},
			} {
				var headers []string
				if row.basic != "" {
					headers = []string{"Authorization", row.basic}
				}
				r := s.post("/token", form(append(row.body, request...)...), headers...)
				require.Equal(t, "invalid_request", r.str("error"), "%s, %s: %s", request[1], row.name, r.text)
				requireError(t, r, 400, "invalid_request")
			}
			r := s.post("/token?client_id=other", form(request...), "Authorization", as("web"))
			requireError(t, r, 400, "invalid_request")
		}
		s.mustRefresh(token)
		require.Equal(t, 200, s.redeem("web", code).StatusCode)
	})
}

// A public client skips the page because its user has a token already
// (CVE-2023-34246, doorkeeper#1589): anyone can pose as a public client, so its
// user is asked each time, even where a confidential client's is not.
func TestAttack_PublicClientSkipsConsent(t *testing.T) {
	signedIn := &oauth2server.Options{AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
		return &oauth2server.User{ID: "u1"}, nil
	}}
	remembering := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		request.Approve(w, r, oauth2server.Approval{User: request.User, All: true})
	})
	const local = "http://127.0.0.1:4711/cb"
	query := "/authorize?" +
		form(authorization(append(withChallenge(challenge), "client_id", "app", "redirect_uri", local)...)...)
	onEachModel(t, func(t *testing.T, model target) {
		asks := newConsentSite(t, model, signedIn)
		code := asks.post(query, form("username", "u1", "all", "1")).at("code")
		tokens := asks.post("/token",
			form("grant_type", "authorization_code", "client_id", "app", "code", code, "redirect_uri", local,
				"code_verifier", verifier))
		require.Equal(t, 200, asks.apiStatus(tokens.str("access_token")), "there is a token")

		r := asks.get(query)
		require.Equal(t, 200, r.StatusCode, "asked again")
		require.Contains(t, r.text, "app wants")
		for _, s := range []*site{newSite(t, model, signedIn, remembering), newSite(t, model, signedIn, nil)} {
			r := s.get(query)
			require.Equal(t, "access_denied", r.at("error"), r.text)
			require.Empty(t, r.at("code"))
			require.NotEmpty(t, s.get("/authorize?"+form(authorization()...)).at("code"),
				"a confidential client has proven who it is")
		}
		r = newSite(t, model, signedIn, nil).post(query,
			form("username", "andy", "password", "andys-password", "allowed", "true"))
		require.Equal(t, "access_denied", r.at("error"), "nobody was asked: %s", r.text)
	})
}
