package oauth2server_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// logged returns options with a log of every level in a buffer.
func logged(options oauth2server.Options) (*oauth2server.Options, *bytes.Buffer) {
	var log bytes.Buffer
	options.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return &options, &log
}

// Client libraries delete their registration on invalid_client, so that code is
// only for client authentication (RFC 6749, section 5.2).
func TestWhatAClientIsTold(t *testing.T) {
	model := newSpy(t)
	narrow := oauth2server.Client{ID: "narrow", Public: true, RedirectURIs: []string{callback},
		Grants: []string{"authorization_code"}}
	require.NoError(t, model.AddClient(&narrow, ""))
	options, log := logged(oauth2server.Options{Grants: []string{"authorization_code",
		"refresh_token", "client_credentials"}})
	s := newSite(t, model, options, nil)
	for _, client := range []struct{ kind, known, unknown string }{
		{"public", form("client_id", "narrow"), form("client_id", "narow")},
		{"confidential", form("client_id", "machine", "client_secret", secret+"machine"),
			form("client_id", "machine", "client_secret", "x")},
	} {
		for _, row := range []struct {
			name, body, code, reason string
			text, cause              string // parts of the description, and of the log's additional text
		}{
			{"no grant_type", "", "invalid_request", "parameter_missing", "`grant_type`", ""},
			{"empty", "grant_type=", "invalid_request", "parameter_missing", "`grant_type`", ""},
			{"misspelt", "grant_type=authorisation_code", "unsupported_grant_type", "grant_unsupported", "unknown",
				"sent.grant_type=authorisation_code"},
			{"off", "grant_type=password", "unsupported_grant_type", "grant_unsupported", "not on",
				`Options.Grants does not name \"password\"`},
			{"not this client's", "grant_type=refresh_token", "unauthorized_client",
				"grant_unauthorized", "may not use", ""},
			{"twice", "grant_type=a&grant_type=b", "invalid_request", "parameter_repeated", "`grant_type`", ""},
		} {
			name := client.kind + ", " + row.name
			model.stored()
			log.Reset()
			r := s.post("/token", row.body+"&"+client.known)
			requireError(t, r, 400, row.code)
			require.Contains(t, r.str("error_description"), row.text, name)
			require.Contains(t, log.String(), "reason="+row.reason, name)
			require.Contains(t, log.String(), row.cause, name)
			if row.name != "twice" {
				// A caller that is not the client learns no more than that.
				requireError(t, s.post("/token", row.body+"&"+client.unknown), 400, "invalid_client")
			}
			require.Empty(t, model.stored(), name)
		}
	}
	s = newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	for _, grant := range []string{"password", "client_credentials"} {
		r := s.post("/token", form("grant_type", grant, "client_id", "app", "username", "andy",
			"password", "andys-password"))
		requireError(t, r, 400, "unauthorized_client")
	}
	saveCode(t, model, oauth2server.AuthorizationCode{Code: "of app", CodeChallenge: challenge,
		CodeChallengeMethod: "S256",
		Client:              &oauth2server.Client{ID: "app"}})
	requireError(t, s.post("/token", form("grant_type", "authorization_code", "client_id", "app",
		"code", "of app")), 400, "invalid_grant")
}

// If a client fails to authenticate, the reason tells an unknown ID from a
// wrong secret, and a public client that has no secret.
func TestWhyAClientIsNotLetIn(t *testing.T) {
	options, log := logged(oauth2server.Options{})
	s := newSite(t, newSpy(t), options, nil)
	for _, row := range []struct {
		params []string
		reason string
	}{
		{[]string{"client_id", "webb", "client_secret", secret + "web"}, "client_unknown"},
		{[]string{"client_id", "web", "client_secret", secret + "webb"}, "client_secret_wrong"},
		{[]string{"client_id", "app", "client_secret", secret + "web"}, "client_public_with_secret"},
		{[]string{"client_id", "web"}, "client_secret_missing"},
		{nil, "client_id_missing"},
	} {
		for _, path := range []string{"/token", "/revoke", "/introspect"} {
			log.Reset()
			r := s.post(path, form(append([]string{"grant_type", "refresh_token", "refresh_token", "x",
				"token", "x"}, row.params...)...))
			require.Equal(t, "invalid_client", r.str("error"), path)
			require.Contains(t, log.String(), "reason="+row.reason+" ", path)
		}
	}
}

// A fault names the method that failed, and what the storage probably meant.
func TestAFaultNamesTheMethod(t *testing.T) {
	signIn := func(s *site) {
		s.token("web", "grant_type", "password", "username", "andy", "password", "andys-password")
	}
	for _, row := range []struct {
		method string
		act    func(s *site)
	}{
		{"GetClient", func(s *site) { s.token("web", "grant_type", "client_credentials") }},
		{"GetUserFromClient", func(s *site) { s.token("web", "grant_type", "client_credentials") }},
		{"SaveToken", func(s *site) { s.token("web", "grant_type", "client_credentials") }},
		{"GetUser", signIn},
		{"AppendGrant", signIn},
		{"GrantEntries", signIn},
		{"GetAuthorizationCode", func(s *site) { s.redeem("web", "x") }},
		{"SaveAuthorizationCode", func(s *site) { s.authorize() }},
		{"GetRefreshToken", func(s *site) { s.refresh("web", "x") }},
		{"GetAccessToken", func(s *site) { s.apiStatus("x") }},
	} {
		model := newSpy(t)
		options, log := logged(oauth2server.Options{Grants: allGrants})
		s := newSite(t, model, options, nil)
		for _, failure := range []struct {
			err  error
			hint bool
		}{
			{fmt.Errorf("tokens: %w", sql.ErrNoRows), true},
			{fmt.Errorf("mongo: no documents in result"), true},
			{fmt.Errorf("redis: nil"), true},
			{fmt.Errorf("record not found"), true}, // gorm
			{fmt.Errorf(`relation "tokens" does not exist`), false},
			{io.ErrUnexpectedEOF, false},
		} {
			model.fails[row.method] = failure.err
			log.Reset()
			row.act(s)
			require.Contains(t, log.String(), "reason=model_fault", row.method)
			require.Contains(t, log.String(), row.method+": "+
				strings.ReplaceAll(failure.err.Error(), `"`, `\"`), row.method)
			hint := row.method + ": " + failure.err.Error() +
				" (for what is not there, return oauth2server.ErrNotFound)"
			require.Equal(t, failure.hint, strings.Contains(log.String(), hint), "%s", log)
		}
	}
}

// losing is a model that loses a code's challenge, or its method.
type losing struct {
	*spy
	challenge, method bool
}

func (m losing) GetAuthorizationCode(ctx context.Context, code string) (*oauth2server.AuthorizationCode, error) {
	found, err := m.spy.GetAuthorizationCode(ctx, code)
	if err != nil {
		return nil, err
	}
	own := *found
	if m.challenge {
		own.CodeChallenge = ""
	}
	if m.method {
		own.CodeChallengeMethod = ""
	}
	return &own, nil
}

// The server accepts no public client without a challenge, and stores no
// challenge without its method. So the loss is not the client's mistake.
func TestALostChallengeIsTheModels(t *testing.T) {
	for _, row := range []struct {
		client            string
		challenge, method bool
		plain             bool
		status            int
		code              string
	}{
		{"app", true, true, false, 500, "server_error"},
		{"app", true, true, true, 500, "server_error"},
		{"app", true, false, false, 500, "server_error"},
		{"app", false, true, false, 500, "server_error"},
		{"app", false, true, true, 400, "invalid_grant"}, // it counts as plain
		{"web", true, true, false, 400, "invalid_grant"}, // the client need not have sent one
		{"web", true, false, false, 500, "server_error"},
		{"web", false, true, false, 500, "server_error"},
		{"web", false, true, true, 400, "invalid_grant"},
	} {
		options, log := logged(oauth2server.Options{Grants: allGrants,
			InsecureApprovePublicClients: true, InsecureAllowPlainPKCE: row.plain})
		s := newSite(t, losing{newSpy(t), row.challenge, row.method}, options, nil)
		uri, header := callback, as("web")
		if row.client == "app" {
			uri, header = "http://127.0.0.1/cb", basic("app:")
		}
		code := s.code(append(withChallenge(challenge), "client_id", row.client, "redirect_uri", uri)...)
		r := s.post("/token", form("grant_type", "authorization_code", "code", code,
			"redirect_uri", uri, "code_verifier", verifier),
			"Authorization", header)
		requireError(t, r, row.status, row.code)
		require.Equal(t, row.status == 500, strings.Contains(log.String(), "reason=model_contract"), "%v: %s", row, log)
	}
}

// After a middleware has read the body, the server cannot tell what is missing.
func TestABodyThatWasRead(t *testing.T) {
	options, log := logged(oauth2server.Options{})
	srv, err := oauth2server.New(newSpy(t), options)
	require.NoError(t, err)
	for path, endpoint := range map[string]http.Handler{"/token": srv.Token(nil), "/revoke": srv.Revoke(),
		"/introspect": srv.Introspect(), "/authorize": srv.Authorize(nil)} {
		reads := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			endpoint.ServeHTTP(w, r)
		})
		log.Reset()
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", path, strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", as("web"))
		reads.ServeHTTP(w, r)
		require.Equal(t, 500, w.Code, path)
		require.Contains(t, log.String(), "a middleware has read the body", path)
	}
}

// If the body is not a form, the answer names its type.
func TestTheContentTypeIsNamed(t *testing.T) {
	s := newSite(t, newSpy(t), nil, nil)
	for _, path := range []string{"/token", "/revoke", "/introspect", "/authorize?" + form(authorization()...)} {
		for contentType, shown := range map[string]string{
			"application/json":                "application/json",
			"multipart/form-data; boundary=x": "multipart/form-data",
			"text/plain;charset=UTF-8":        "text/plain",
		} {
			request := s.request("POST", path, "grant_type=client_credentials")
			request.Header.Set("Content-Type", contentType)
			request.Header.Set("Authorization", as("web"))
			answer := s.do(request)
			require.Equal(t, 400, answer.StatusCode, "%s %s", path, contentType)
			require.Contains(t, answer.text, shown, path)
			require.Contains(t, answer.text, "application/x-www-form-urlencoded", path)
		}
	}
}

func TestTheLogHasBothValues(t *testing.T) {
	model := newMemory(t)
	options, log := logged(oauth2server.Options{Grants: allGrants})
	s := newSite(t, model, options, nil)
	for name, c := range map[string]struct {
		ask  func() reply
		has  []string
		code string
	}{
		"another redirect_uri": {func() reply {
			return s.token("web", "grant_type", "authorization_code", "code", s.code(), "redirect_uri", callback+"x")
		}, []string{"reason=redirect_uri_mismatch", "sent.redirect_uri=" + callback + "x",
			"sent.authorized=" + callback + "\n"}, "invalid_grant"},
		"a scope beyond the client's": {func() reply {
			return s.token("limited", "grant_type", "client_credentials", "scope", "write")
		}, []string{"reason=scope_beyond_client", "sent.scope=write", "sent.allowed=read"}, "invalid_scope"},
		"a wrong secret": {func() reply {
			return s.post("/token", form("grant_type", "client_credentials", "client_id", "web",
				"client_secret", "wrong"))
		}, []string{"reason=client_secret_wrong", "sent.client_id=web"}, "invalid_client"},
		"no secret": {func() reply {
			return s.post("/token", form("grant_type", "client_credentials", "client_id", "web"))
		}, []string{"reason=client_secret_missing", "sent.client_id=web"}, "invalid_client"},
		"no secret, at an endpoint for confidential clients": {func() reply {
			return s.post("/introspect", form("token", "x", "client_id", "web"))
		}, []string{"reason=client_secret_missing", "sent.client_id=web"}, "invalid_client"},
		"a public client with a secret": {func() reply {
			return s.post("/token", form("grant_type", "client_credentials", "client_id", "app",
				"client_secret", "wrong"))
		}, []string{"reason=client_public_with_secret", "sent.client_id=app"}, "invalid_client"},
	} {
		log.Reset()
		r := c.ask()
		require.Equal(t, c.code, r.str("error"), name)
		for _, part := range c.has {
			require.Contains(t, log.String(), part, name)
		}
	}

	limit := func(*http.Request, oauth2server.Attempt) (func(bool), time.Duration) { return nil, time.Minute }
	options, log = logged(oauth2server.Options{LimitAttempts: limit})
	s = newSite(t, model, options, nil)
	requireError(t, s.token("web", "grant_type", "client_credentials"), 429, "invalid_request")
	require.Contains(t, log.String(), "sent.client_id=web")
}

func TestALimitOfTheProgram(t *testing.T) {
	t.Parallel() // net/http waits before it closes each connection
	srv, err := oauth2server.New(newMemory(t), nil)
	require.NoError(t, err)
	for path, endpoint := range map[string]http.Handler{"/token": srv.Token(nil), "/revoke": srv.Revoke(),
		"/introspect": srv.Introspect(), "/authorize": srv.Authorize(nil)} {
		s := listen(t, http.MaxBytesHandler(endpoint, 20))
		r := s.post(path, form("grant_type", "client_credentials", "client_id", "web", "client_secret", secret+"web"))
		require.Equal(t, http.StatusRequestEntityTooLarge, r.StatusCode, "%s: %s", path, r.text)
	}
}
