package oauth2server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// requireInactive checks that the answer tells nothing else.
func requireInactive(t *testing.T, r reply) {
	t.Helper()
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, map[string]any{"active": false}, r.body)
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
}

func TestIntrospect(t *testing.T) {
	options := publicOptions()
	options.Issuer = "https://auth.example"
	timed(t, options, func(t *testing.T, s *site, _ *spy) {
		began := time.Now().Unix()
		for _, hint := range []string{"", "refresh_token", "access_token", "something else"} {
			first := s.signIn("web", "scope", "read write")
			requireEqual := func(presented string, members map[string]any) {
				t.Helper()
				r := s.introspect("web", presented, "token_type_hint", hint)
				require.Equal(t, 200, r.StatusCode, r.text)
				require.Equal(t, members, r.body)
				require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
			}
			known := map[string]any{"active": true, "client_id": "web", "sub": "u1",
				"iss": "https://auth.example", "scope": "read write"}
			with := func(more map[string]any) map[string]any {
				for name, value := range known {
					if _, set := more[name]; !set {
						more[name] = value
					}
				}
				return more
			}
			requireEqual(first.str("access_token"),
				with(map[string]any{"token_type": "Bearer", "exp": float64(began + 3600)}))
			requireEqual(first.str("refresh_token"), with(map[string]any{"exp": float64(began + 14*24*3600)}))

			narrow := s.refresh("web", first.str("refresh_token"), "scope", "read")
			requireInactive(t, s.introspect("web", first.str("refresh_token"), "token_type_hint", hint)) // used
			requireEqual(narrow.str("access_token"),
				with(map[string]any{"token_type": "Bearer", "exp": float64(began + 3600), "scope": "read"}))
			requireEqual(narrow.str("refresh_token"), with(map[string]any{"exp": float64(began + 14*24*3600)}))
			s.mustRefresh(first.str("refresh_token")) // a retry leaves the successor as it is
			requireEqual(narrow.str("refresh_token"), with(map[string]any{"exp": float64(began + 14*24*3600)}))

			require.Equal(t, 200, s.revoke("web", narrow.str("refresh_token")).StatusCode)
			for _, r := range []reply{first, narrow} {
				requireInactive(t, s.introspect("web", r.str("access_token"), "token_type_hint", hint))
				requireInactive(t, s.introspect("web", r.str("refresh_token"), "token_type_hint", hint))
			}
			requireInactive(t, s.introspect("web", "unknown", "token_type_hint", hint))
			requireInactive(t, s.introspect("web", "what no token can be: é", "token_type_hint", hint))
		}

		// A token whose place another one took, while no client claimed it.
		first := s.signIn("web")
		lost := s.mustRefresh(first.str("refresh_token"))
		time.Sleep(2 * time.Minute)
		s.mustRefresh(first.str("refresh_token"))
		requireInactive(t, s.introspect("web", lost.str("refresh_token")))

		tokens := s.signIn("web")
		time.Sleep(time.Hour)
		requireInactive(t, s.introspect("web", tokens.str("access_token")))
		time.Sleep(14 * 24 * time.Hour)
		requireInactive(t, s.introspect("web", tokens.str("refresh_token")))
	})
}

func TestIntrospectTellsAClientOfItsOwn(t *testing.T) {
	model := newSpy(t)
	options := publicOptions()
	s := newSite(t, model, options, nil)
	tokens, app := s.signIn("web"), s.signInPublic()
	require.Equal(t, true, s.introspect("web", tokens.str("access_token")).body["active"])
	for _, presented := range []string{tokens.str("access_token"), tokens.str("refresh_token"),
		app.str("access_token"), app.str("refresh_token")} {
		requireInactive(t, s.introspect("other", presented))
	}

	fault := error(nil)
	options.MayIntrospect = func(_ context.Context, caller *oauth2server.Client, token *oauth2server.Token) (
		bool, error) {
		return caller.ID == "machine" && token.User.ID == "u1" && token.Client.ID == "web", fault
	}
	var log bytes.Buffer
	options.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s = newSite(t, model, options, nil)
	require.Equal(t, "web", s.introspect("machine", tokens.str("access_token")).str("client_id"))
	require.NotContains(t, log.String(), "not shown")
	requireInactive(t, s.introspect("other", tokens.str("access_token")))
	require.Contains(t, log.String(),
		`level=INFO msg="oauth2server: not shown" endpoint=introspect client=other token_of=web`)
	requireInactive(t, s.introspect("machine", app.str("access_token")))
	requireInactive(t, s.introspect("machine", tokens.str("refresh_token"))) // not the caller's tokens
	fault = errors.New("no policy")
	requireError(t, s.introspect("machine", tokens.str("access_token")), 503, "server_error")
	require.Equal(t, 200, s.introspect("web", tokens.str("access_token")).StatusCode, "its own")
}

func TestIntrospectRefuses(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, publicOptions(), nil)
	tokens, app := s.signIn("web"), s.signInPublic()
	access := tokens.str("access_token")
	for _, test := range []struct {
		name   string
		r      reply
		status int
		code   string
	}{
		{"no token", s.introspect("web", ""), 400, "invalid_request"},
		{"two tokens", s.introspect("web", access, "token", "b"), 400, "invalid_request"},
		{"nobody", s.post("/introspect", form("token", access)), 401, "invalid_client"},
		{"a bearer", s.post("/introspect", form("token", access), "Authorization", "Bearer "+access),
			401, "invalid_client"},
		{"no secret", s.post("/introspect", form("client_id", "web", "token", access)), 401, "invalid_client"},
		{"wrong secret", s.post("/introspect",
			form("client_id", "web", "client_secret", "wrong", "token", access)), 401, "invalid_client"},
		{"public", s.post("/introspect", form("client_id", "app", "token", app.str("access_token"))),
			401, "invalid_client"},
		{"public with a secret", s.post("/introspect",
			form("client_id", "app", "client_secret", "x", "token", app.str("access_token"))), 401, "invalid_client"},
		{"token in the URL", s.post("/introspect?token="+access, form("token", access),
			"Authorization", as("web")), 400, "invalid_request"},
		{"GET", s.get("/introspect?token=" + access), 405, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			requireError(t, test.r, test.status, test.code)
			if test.status == 401 {
				require.Equal(t, `Basic realm="Service"`, test.r.Header.Get("WWW-Authenticate"))
			}
		})
	}
	for _, fails := range []string{"GetClient", "GetRefreshToken", "GetAccessToken", "GrantEntries"} {
		model.fails[fails] = errors.New("no storage")
		presented := tokens.str("refresh_token")
		if fails == "GetAccessToken" {
			presented = access
		}
		requireError(t, s.introspect("web", presented), 503, "server_error")
		delete(model.fails, fails)
	}
}

func TestIntrospectWithoutALog(t *testing.T) {
	s := newSite(t, plain{spy: newSpy(t)}, &oauth2server.Options{Grants: allGrants}, nil)
	tokens := s.signIn("web")
	require.Equal(t, true, s.introspect("web", tokens.str("refresh_token")).body["active"])
	s.mustRefresh(tokens.str("refresh_token"))
	requireInactive(t, s.introspect("web", tokens.str("refresh_token")))
}
