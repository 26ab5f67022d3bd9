package oauth2server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// audit keeps the events that it receives.
type audit struct {
	mu     sync.Mutex
	events []oauth2server.Event
}

func (a *audit) note(r *http.Request, e oauth2server.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
}

// take returns the only event since the last call, or the zero Event.
func (a *audit) take(t *testing.T) (e oauth2server.Event) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.LessOrEqual(t, len(a.events), 1, "%v", a.events)
	if len(a.events) == 1 {
		e = a.events[0]
	}
	a.events = nil
	return e
}

// If two values differ, the log has both, but only at Debug, as a stranger
// chose them.
func TestWhatAStrangerWrote(t *testing.T) {
	var log bytes.Buffer
	at := func(level slog.Level, send func(s *site)) string {
		log.Reset()
		options := &oauth2server.Options{Logger: slog.New(slog.NewTextHandler(&log,
			&slog.HandlerOptions{Level: level}))}
		send(listen(t, mountFor(t, nil, newSpy(t), options, nil)))
		return log.String()
	}
	for _, row := range []struct {
		name string
		send func(s *site)
		want []string
	}{
		{"redirection URI", func(s *site) { s.authorize("redirect_uri", callback+"/") },
			[]string{"sent.redirect_uri=" + callback + "/", "sent.registered=[" + callback + "]"}},
		{"a URI that is none", func(s *site) {
			s.authorize("redirect_uri", "urn:x")
		}, []string{"sent.redirect_uri=urn:x"}},
		{"unknown client at authorize", func(s *site) {
			s.authorize("client_id", "webb")
		}, []string{"sent.client_id=webb"}},
		{"unknown client at token", func(s *site) {
			s.token("webb", "grant_type", "client_credentials")
		}, []string{"sent.client_id=webb"}},
		{"origin", func(s *site) {
			s.post("/authorize", "", "Origin", "https://evil.example", "Sec-Fetch-Site", "same-site")
		},
			[]string{"sent.origin=https://evil.example", "sent.host=127.0.0.1:", "sent.sec_fetch_site=same-site"}},
		{"a long text", func(s *site) {
			s.authorize("client_id", strings.Repeat("x", 1000))
		}, []string{"sent.client_id=" + strings.Repeat("x", 200) + "...\n"}},
		{"a line break", func(s *site) {
			s.authorize("redirect_uri", callback+"\nlevel=ERROR")
		}, []string{`cb\nlevel=ERROR"`}},
	} {
		debug := at(slog.LevelDebug, row.send)
		for _, want := range row.want {
			require.Contains(t, debug, want, row.name)
		}
		info := at(slog.LevelInfo, row.send)
		require.Contains(t, info, "refused", row.name)
		require.NotContains(t, info, "sent.", row.name)
	}
}

func TestEvents(t *testing.T) {
	var a audit
	options := &oauth2server.Options{OnEvent: a.note, Issuer: "https://auth.example"}
	timed(t, options, func(t *testing.T, s *site, model *spy) {
		grantOf := func(r reply) string {
			token, err := model.GetAccessToken(t.Context(), r.str("access_token"))
			require.NoError(t, err)
			return token.GrantID
		}
		read := oauth2server.Scope{"read"}
		code := s.code("scope", "read")
		issued := a.take(t)
		require.NotEmpty(t, issued.GrantID)
		require.Equal(t, oauth2server.Event{Kind: "issued", Endpoint: "authorize", ClientID: "web",
			UserID: "u1", GrantID: issued.GrantID, Scope: read}, issued)

		first := s.redeem("web", code)
		about := oauth2server.Event{Kind: "issued", Endpoint: "token", GrantType: "authorization_code",
			ClientID: "web", UserID: "u1", GrantID: grantOf(first), Scope: read}
		require.Equal(t, issued.GrantID, about.GrantID)
		require.Equal(t, about, a.take(t))

		require.Equal(t, 200, s.apiStatus(first.str("access_token")))
		require.Zero(t, a.take(t))

		about.GrantType, about.Kind = "refresh_token", "refreshed"
		second := s.mustRefresh(first.str("refresh_token"))
		require.Equal(t, about, a.take(t))
		about.Kind = "retried"
		s.mustRefresh(first.str("refresh_token"))
		require.Equal(t, about, a.take(t))
		s.mustRefresh(second.str("refresh_token"))
		a.take(t)

		time.Sleep(2 * time.Minute)
		s.refresh("web", first.str("refresh_token"))
		about.Kind, about.Scope, about.Error, about.Reason = "reused", nil, "invalid_grant", "refresh_token_reused"
		require.Equal(t, about, a.take(t))
		about.Kind, about.Reason = "refused", "grant_revoked"
		s.refresh("web", second.str("refresh_token"))
		require.Equal(t, about, a.take(t))

		code = s.code("scope", "read")
		about.GrantID, about.GrantType = a.take(t).GrantID, "authorization_code"
		s.redeem("other", code)
		about.ClientID, about.Kind, about.Reason = "other", "refused", "code_of_another_client"
		require.Equal(t, about, a.take(t))
		about.ClientID = "web"
		s.redeem("web", code)
		a.take(t)
		s.redeem("web", code)
		about.Kind, about.Reason = "replayed", "code_replayed"
		require.Equal(t, about, a.take(t))

		tokens := s.signIn("web")
		grant := grantOf(tokens)
		a.take(t)
		s.revoke("web", tokens.str("access_token"))
		about = oauth2server.Event{Kind: "revoked", Endpoint: "revoke", ClientID: "web", UserID: "u1"}
		require.Equal(t, about, a.take(t), "an access token alone: the grant goes on")
		about.GrantID = grant
		s.revoke("web", tokens.str("refresh_token"))
		require.Equal(t, about, a.take(t))
		s.revoke("web", "unknown")
		require.Zero(t, a.take(t))
		s.introspect("web", tokens.str("access_token"))
		require.Zero(t, a.take(t))
	})
}

func TestRefusalsAreEvents(t *testing.T) {
	var a audit
	var log bytes.Buffer
	model := newSpy(t)
	options := &oauth2server.Options{Grants: allGrants, OnEvent: a.note,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	s := newSite(t, model, options, nil)
	tokens := s.signIn("web", "scope", "read")
	grant := a.take(t).GrantID
	type event = oauth2server.Event
	for _, test := range []struct {
		name string
		ask  func()
		want event
		log  string
	}{
		{"wrong secret: nobody is named", func() {
			s.post("/token", form("grant_type", "password", "client_id", "web", "client_secret", "wrong"))
		},
			event{Endpoint: "token", GrantType: "password", Error: "invalid_client",
				Reason: "client_secret_wrong"},
			`level=INFO msg="oauth2server: refused" endpoint=token error=invalid_client ` +
				`reason=client_secret_wrong grant_type=password`},
		{"unknown grant: not repeated", func() { s.token("web", "grant_type", "<script>") },
			event{Endpoint: "token", ClientID: "web", Error: "unsupported_grant_type",
				Reason: "grant_unsupported"}, "reason=grant_unsupported client=web description="},
		{"wider scope", func() { s.refresh("web", tokens.str("refresh_token"), "scope", "write") },
			event{Endpoint: "token", GrantType: "refresh_token", ClientID: "web", UserID: "u1",
				GrantID: grant, Error: "invalid_scope", Reason: "scope_beyond_grant"},
			"reason=scope_beyond_grant grant_type=refresh_token client=web user=u1 grant=" + grant},
		{"authorize, nobody", func() { s.get("/authorize?client_id=unknown") },
			event{Endpoint: "authorize", Error: "invalid_client", Reason: "client_unknown"},
			"endpoint=authorize error=invalid_client reason=client_unknown description="},
		{"authorize, a client", func() { s.authorize("state", "") },
			event{Endpoint: "authorize", ClientID: "web", Error: "invalid_request",
				Reason: "parameter_missing"},
			"reason=parameter_missing client=web description=\"Missing parameter: `state`\""},
		{"authorize, a client without that URI", func() { s.authorize("redirect_uri", callback+"/") },
			event{Endpoint: "authorize", ClientID: "web", Error: "invalid_request",
				Reason: "redirect_uri_unregistered"}, "client=web"},
		{"a secret in the URL", func() {
			s.post("/introspect?client_secret=x", form("token", "x"), "Authorization", as("web"))
		},
			event{Endpoint: "introspect", ClientID: "web", Error: "invalid_request", Reason: "secret_in_query"},
			"client=web"},
		{"authorize, wrong password", func() { s.authorize("password", "wrong") },
			event{Endpoint: "authorize", ClientID: "web", Error: "access_denied", Reason: "user_credentials"},
			"reason=user_credentials client=web description="},
		{"API, scope", func() { s.get("/api/write", "Authorization", "Bearer "+tokens.str("access_token")) },
			event{Endpoint: "authenticate", ClientID: "web", UserID: "u1", GrantID: grant,
				Error: "insufficient_scope", Reason: "scope_insufficient"}, "level=DEBUG"},
		{"API, nothing", func() { s.get("/api") },
			event{Endpoint: "authenticate", Error: "unauthorized_request", Reason: "token_missing"}, "level=DEBUG"},
		{"revoke", func() { s.revoke("other", tokens.str("refresh_token")) },
			event{Endpoint: "revoke", ClientID: "other", UserID: "u1", GrantID: grant,
				Error: "unauthorized_client", Reason: "token_of_another_client"}, "endpoint=revoke"},
		{"introspect", func() { s.post("/introspect", form("token", "x")) },
			event{Endpoint: "introspect", Error: "invalid_client", Reason: "client_id_missing"}, "endpoint=introspect"},
		{"the model chose", func() {
			model.fails["GetUser"] = oauth2server.AccessDenied
			s.token("web", "grant_type", "password", "username", "a", "password", "b")
			model.fails["GetUser"] = &oauth2server.Error{Code: oauth2server.AccessDenied, Err: errors.New("locked")}
			require.Equal(t, "chosen_by_program", a.take(t).Reason)
			s.token("web", "grant_type", "password", "username", "a", "password", "b")
		}, event{Endpoint: "token", GrantType: "password", ClientID: "web", Error: "access_denied",
			Reason: "chosen_by_program"}, "cause=locked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			log.Reset()
			test.want.Kind = "refused"
			test.ask()
			require.Equal(t, test.want, a.take(t))
			require.Contains(t, log.String(), test.log)
		})
	}
}

// A thief who presents a stolen token and hangs up at once could keep the alarm
// out of the log, though the grant is over.
func TestHangingUpHidesNoTheft(t *testing.T) {
	var log bytes.Buffer
	model := &hangingUp{spy: newSpy(t)}
	options := &oauth2server.Options{Grants: allGrants, RefreshRotation: oauth2server.RotateStrictly,
		Logger: slog.New(slog.NewTextHandler(&log, nil))}
	s := newLocalSite(t, model, options, nil)
	refusedAndCanceled := func(params ...string) string {
		ctx, cancel := context.WithCancel(t.Context())
		model.cancel, model.writes = cancel, 0
		log.Reset()
		s.do(s.request("POST", "/token", form(params...), "Authorization", as("web")).WithContext(ctx))
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		model.cancel = nil
		return log.String()
	}
	code := s.code()
	s.redeem("web", code)
	require.Contains(t, refusedAndCanceled("grant_type", "authorization_code", "redirect_uri", callback,
		"code", code), "level=WARN msg=\"oauth2server: refused\" endpoint=token error=invalid_grant "+
		"reason=code_replayed")
	first := s.signIn("web")
	s.mustRefresh(s.mustRefresh(first.str("refresh_token")).str("refresh_token"))
	require.Contains(t, refusedAndCanceled("grant_type", "refresh_token", "refresh_token",
		first.str("refresh_token")), "reason=refresh_token_reused")
}

// A malformed form may hold a secret. The log shows no part of it.
func TestAMalformedFormIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	s := newSite(t, newSpy(t), &oauth2server.Options{Grants: allGrants,
		Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
	for _, path := range []string{"/token", "/revoke", "/introspect", "/authorize"} {
		log.Reset()
		require.Equal(t, 400, s.post(path, "client_id=web&token=1&password=100%QXpercent").StatusCode)
		require.Contains(t, log.String(), "reason=form_malformed")
		require.NotContains(t, log.String(), "QXpercent")
	}
}

func TestAResourceServerReportsWhatItRefuses(t *testing.T) {
	var a audit
	resource, err := oauth2server.NewResourceServer(newSpy(t),
		sharedRecorder.resourceOptions(t.Name(), &oauth2server.ResourceOptions{OnEvent: a.note}))
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer unknown")
	resource.Authenticate()(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, oauth2server.Event{Kind: "refused", Endpoint: "authenticate",
		Error: "invalid_token", Reason: "token_unknown"}, a.take(t))
}
