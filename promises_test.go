package oauth2server_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// These tests check promises of docs/threats.md that belong to no other file.

const wellKnown = "/.well-known/oauth-authorization-server"

// Only the program may allow scripts of other origins: RFC 9700, section 2.6.
func TestNothingIsSharedWithOtherOrigins(t *testing.T) {
	s := newSite(t, newSpy(t), &oauth2server.Options{Issuer: "https://auth.example",
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"}}, nil)
	for _, path := range []string{"/authorize?" + form(authorization()...), "/token", "/revoke",
		"/introspect", "/api", wellKnown} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			r := s.do(s.request(method, path, "", "Origin", "https://app.example",
				"Access-Control-Request-Method", "POST"))
			for name := range r.Header {
				require.False(t, strings.HasPrefix(name, "Access-Control-"), "%s %s: %s", method, path, name)
			}
			if method == "OPTIONS" {
				require.GreaterOrEqual(t, r.StatusCode, 400, path)
			}
		}
	}
}

// Headers that a proxy or a stranger adds change nothing: RFC 9700, section
// 4.13.
func TestForwardedHeadersAreNotRead(t *testing.T) {
	s := newSite(t, newSpy(t), &oauth2server.Options{Issuer: "https://auth.example",
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"}}, nil)
	forged := []string{"Forwarded", "for=127.0.0.1;host=evil.example;proto=https", "X-Forwarded-Host",
		"evil.example", "X-Forwarded-Proto", "https",
		"X-Forwarded-For", "127.0.0.1", "X-Http-Method-Override", "POST", "X-Original-Url",
		"/authorize", "X-User", "u1"}
	body := form(authorization("username", "andy", "password", "andys-password")...)
	requireNoRedirect(t, s.post("/authorize", body, append(forged, "Origin", "https://evil.example")...),
		403, "access_denied")
	requireNoRedirect(t, s.get("/authorize?"+form(authorization()...), forged...), 400, "access_denied")
	requireError(t, s.get("/token", forged...), 405, "invalid_request")
	requireError(t, s.post("/token", "grant_type=client_credentials&client_id=web", forged...), 400, "invalid_client")
	require.Equal(t, s.get(wellKnown).text, s.get(wellKnown, forged...).text)
	require.Equal(t, callback, strings.Split(s.post("/authorize", body, forged...).Header.Get("Location"), "?")[0])
}

// The page's URL contains the client's state: RFC 9700, section 4.2.4.
func TestTheErrorPageLinksNowhere(t *testing.T) {
	s := newSite(t, newSpy(t), nil, nil)
	for _, params := range [][]string{nil, {"client_id", "nobody"}, {"redirect_uri", "https://evil.example/"}} {
		r := s.get("/authorize?"+form(authorization(params...)...), "Accept", "text/html")
		require.Contains(t, r.text, "<h1>")
		require.NotRegexp(t, `(?i)\b(src|href|action|http-equiv|style)=|url\(|//|<(script|form)`, r.text)
	}
}

// Made-up codes and tokens, say from a botnet, cost a look-up and store
// nothing: RFC 6819, section 4.4.1.12.
func TestMadeUpCodesCostALookUp(t *testing.T) {
	bothKinds(t, "made up", func(t *testing.T, model *spy, served oauth2server.Model) {
		s := newSite(t, served, nil, nil)
		long := strings.Repeat("a", 43)
		for _, row := range []struct {
			name   string
			ask    func() reply
			status int
			calls  []string
		}{
			{"code", func() reply { return s.redeem("web", long) }, 400, []string{"GetClient", "GetAuthorizationCode"}},
			{"code, no secret", func() reply {
				return s.post("/token", form("grant_type", "authorization_code", "code", long, "client_id", "web"))
			}, 400, []string{"GetClient"}},
			{"code, a wrong secret", func() reply {
				return s.post("/token", form("grant_type", "authorization_code", "code", long,
					"client_id", "web", "client_secret", "x"))
			}, 400, []string{"GetClient", "GetClient"}},
			{"refresh token", func() reply {
				return s.refresh("web", long)
			}, 400, []string{"GetClient", "GetRefreshToken"}},
			{"access token", func() reply {
				return s.get("/api", "Authorization", "Bearer "+long)
			}, 401, []string{"GetAccessToken"}},
			{"revocation", func() reply {
				return s.revoke("web", long)
			}, 200, []string{"GetClient", "GetRefreshToken", "GetAccessToken"}},
			{"no code at all", func() reply { return s.redeem("web", "ж") }, 400, []string{"GetClient"}},
		} {
			model.calls = nil
			require.Equal(t, row.status, row.ask().StatusCode, row.name)
			require.Equal(t, row.calls, model.calls, row.name)
		}
	})
}

// Random values have no bit that is always the same: RFC 6819, section
// 5.1.4.2.2.
func TestCodesAndTokensAreRandom(t *testing.T) {
	t.Parallel()
	s := newSite(t, newSpy(t), nil, nil)
	bits := map[string][][]byte{}
	for range 100 {
		code := s.code()
		r := s.redeem("web", code)
		for kind, text := range map[string]string{"code": code, "access token": r.str("access_token"),
			"refresh token": r.str("refresh_token")} {
			random, err := base64.RawURLEncoding.DecodeString(text)
			require.NoError(t, err)
			require.Len(t, random, 32)
			bits[kind] = append(bits[kind], random)
		}
	}
	for kind, samples := range bits {
		for i := range 256 {
			set := 0
			for _, random := range samples {
				set += int(random[i/8] >> (i % 8) & 1)
			}
			// 15 and 85 are seven standard deviations away.
			require.True(t, 15 < set && set < 85, "%s: bit %d is set in %d of 100", kind, i, set)
		}
	}
}

// A client's registration decides whether it may refresh: RFC 9700, section
// 4.14.2.
func TestClientsRefreshOnlyIfTheirGrantsSaySo(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		once := oauth2server.Client{ID: "once", RedirectURIs: []string{callback},
			Grants: []string{"authorization_code"}}
		require.NoError(t, addClient(t, model, once, secret+"once"))
		s := newSite(t, model, nil, nil)
		r := s.redeem("once", s.code("client_id", "once"))
		require.Equal(t, 200, s.apiStatus(r.str("access_token")))
		requireError(t, s.refresh("once", r.str("refresh_token")), 400, "unauthorized_client")
	})
}

// More people read logs than may have tokens: RFC 6819, section 4.6.7. Neither
// a log nor an audit has anything that could be used, or what a user typed by
// mistake. At Debug the only exception is a value in place of an ID or a URI.
func TestLogsAndEventsHoldNoSecret(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out,
			&slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants, Logger: logger,
			OnEvent: func(_ *http.Request, e oauth2server.Event) { fmt.Fprintf(&out, "%+v\n", e) },
			LimitAttempts: func(_ *http.Request, a oauth2server.Attempt) (func(bool), time.Duration) {
				if a.Username == "typed-limited" {
					return nil, time.Minute
				}
				return func(bool) {}, 0
			}}, nil)
		state := []string{"state", "hidden-state"}
		code, spare := s.code(append(state, withChallenge(challenge)...)...), s.code(withChallenge(challenge)...)
		first := s.redeem("web", code, "code_verifier", verifier)
		second := s.mustRefresh(first.str("refresh_token"))
		secrets := []string{code, spare, verifier, secret, "andys-password", "hidden-", "typed-"}
		for _, r := range []reply{first, second} {
			secrets = append(secrets, r.str("access_token"), r.str("refresh_token"))
		}
		access, refresh := second.str("access_token"), second.str("refresh_token")
		s.authorize("username", "typed-password", "password", "hidden-password")
		s.authorize("username", "typed-limited")
		s.authorize(append(state, "redirect_uri", "https://client.example/hidden-uri")...)
		s.authorize(append(state, "scope", "hidden-\"scope")...)
		s.token("web", "grant_type", "password", "username", "typed-password", "password", "hidden-password")
		s.token("web", "grant_type", "hidden-grant")
		s.post("/token", form("grant_type", "client_credentials", "client_id", "typed-client",
			"client_secret", "hidden-secret"))
		s.post("/token", "client_secret=hidden-secret%zz")
		s.post("/token", "grant_type=client_credentials", "Authorization", "Basic hidden-basic")
		s.post("/token?"+form("client_secret", secret+"web", "code", spare),
			"grant_type=client_credentials", "Authorization", as("web"))
		s.redeem("web", spare, "code_verifier", strings.Repeat("hidden-verifier", 3))
		s.redeem("other", code, "code_verifier", verifier)
		s.refresh("other", refresh)
		s.refresh("web", refresh, "scope", "write")
		s.revoke("other", access)
		s.introspect("other", access)
		s.get("/api?"+form("access_token", access), "Authorization", "Bearer "+access)
		s.get("/api/write", "Authorization", "Bearer "+access)
		s.get("/api", "Authorization", "Bearer hidden-token")
		s.redeem("web", code, "code_verifier", verifier) // a repeat
		s.refresh("web", refresh)
		s.revoke("web", refresh)
		require.Regexp(t, "code_re(peated|played)", out.String())
		require.Greater(t, strings.Count(out.String(), "Kind:refused"), 15)
		for _, secret := range secrets {
			require.NotContains(t, out.String(), secret)
		}
	})
}
