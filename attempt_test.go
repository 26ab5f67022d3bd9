package oauth2server_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// attempts is a program that notes what it is asked and told.
type attempts struct {
	mu            sync.Mutex
	asked, failed []oauth2server.Attempt
	full          func(oauth2server.Attempt) bool // nil: never
}

func (a *attempts) may(_ *http.Request, attempt oauth2server.Attempt) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, attempt)
	return a.full == nil || !a.full(attempt)
}

func (a *attempts) wrong(_ *http.Request, attempt oauth2server.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = append(a.failed, attempt)
}

func (a *attempts) options() *oauth2server.Options {
	return &oauth2server.Options{Grants: allGrants, MayAttempt: a.may, OnFailedAttempt: a.wrong}
}

// attemptCase is a request, and which attempts it is. What was wrong, if anything, is the last of them.
type attemptCase struct {
	name, path, authorization, body string
	status                          int
	asked                           []oauth2server.Attempt
	wrong                           bool
}

func (c attemptCase) send(s *site) reply {
	if c.authorization == "" {
		return s.post(c.path, c.body)
	}
	return s.post(c.path, c.body, "Authorization", c.authorization)
}

func attemptCases() []attemptCase {
	ofClient := func(id string) []oauth2server.Attempt { return []oauth2server.Attempt{{ClientID: id}} }
	ofUser := func(name string) []oauth2server.Attempt {
		return []oauth2server.Attempt{{ClientID: "web"}, {ClientID: "web", Username: name}}
	}
	atPage := func(name string) []oauth2server.Attempt {
		return []oauth2server.Attempt{{ClientID: "web", Username: name}}
	}
	machine := form("grant_type", "client_credentials")
	refresh := form("grant_type", "refresh_token", "refresh_token", "x")
	signIn := func(params ...string) string { return form(authorization(params...)...) }
	password := func(params ...string) string { return form(append([]string{"grant_type", "password"}, params...)...) }
	return []attemptCase{
		{"wrong secret by Basic", "/token", basic("web:nope"), machine, 401, ofClient("web"), true},
		{"wrong secret in the body", "/token", "", machine + "&client_id=web&client_secret=nope", 400, ofClient("web"), true},
		{"unknown client", "/token", basic("nobody:nope"), machine, 401, ofClient("nobody"), true},
		{"public client with a secret", "/token", basic("app:nope"), refresh, 401, ofClient("app"), true},
		{"wrong secret, unknown grant", "/token", basic("web:nope"), "grant_type=x", 401, ofClient("web"), true},
		{"wrong secret to revoke", "/revoke", basic("web:nope"), "token=x", 401, ofClient("web"), true},
		{"wrong secret to introspect", "/introspect", basic("web:nope"), "token=x", 401, ofClient("web"), true},
		{"wrong password", "/token", as("web"), password("username", "andy", "password", "nope"), 400, ofUser("andy"), true},
		{"unknown user", "/token", as("web"), password("username", "ändy", "password", "andys-password"), 400, ofUser("ändy"), true},
		{"wrong password without a page", "/authorize", "", signIn("username", "andy", "password", "nope"), 400, atPage("andy"), true},

		{"right secret", "/token", as("web"), machine, 200, ofClient("web"), false},
		{"right secret in the body", "/token", "", machine + "&client_id=web&client_secret=" + secret + "web", 200, ofClient("web"), false},
		{"right secret, other mistakes", "/token", as("web"), refresh, 400, ofClient("web"), false},
		{"right secret, another in the URL", "/token?client_id=other", as("web"), machine, 400, ofClient("web"), false},
		{"right secret to revoke", "/revoke", as("web"), "token=x", 200, ofClient("web"), false},
		{"right secret to introspect", "/introspect", as("web"), "token=x", 200, ofClient("web"), false},
		{"right password", "/token", as("web"), password("username", "andy", "password", "andys-password"), 200, ofUser("andy"), false},
		{"right password without a page", "/authorize", "", signIn("username", "andy", "password", "andys-password"), 303, atPage("andy"), false},

		{"no secret", "/token", "", machine + "&client_id=web", 400, nil, false},
		{"no secret by Basic", "/token", basic("web:"), machine, 401, nil, false},
		{"no client", "/token", "", machine, 400, nil, false},
		{"no secret to introspect", "/introspect", "", "token=x&client_id=web", 401, nil, false},
		{"public client", "/token", "", refresh + "&client_id=app", 400, nil, false},
		{"public client that revokes", "/revoke", "", "token=x&client_id=app", 200, nil, false},
		{"malformed Basic", "/token", basic("web"), machine, 401, nil, false},
		{"malformed secret", "/token", "", machine + "&client_id=web&client_secret=%0A", 400, nil, false},
		{"two methods", "/token", as("web"), machine + "&client_secret=nope", 400, nil, false},
		{"a secret twice", "/token", "", machine + "&client_id=web&client_secret=a&client_secret=b", 400, nil, false},
		{"no password", "/token", as("web"), password("username", "andy"), 400, ofClient("web"), false},
		{"no username", "/token", as("web"), password("password", "andys-password"), 400, ofClient("web"), false},
		{"malformed username", "/token", as("web"), password("username", "a\nb", "password", "andys-password"), 400, ofClient("web"), false},
		{"malformed scope", "/token", as("web"), password("username", "andy", "password", "nope", "scope", `"`), 400, ofClient("web"), false},
		{"no password without a page", "/authorize", "", signIn("username", "andy"), 400, nil, false},
		{"password in the URL", "/authorize?username=andy&password=nope", "", signIn(), 400, nil, false},
		{"password twice", "/authorize", "", signIn() + "&username=andy&password=a&password=b", 400, nil, false},
	}
}

func TestWhatIsAnAttempt(t *testing.T) {
	for _, row := range attemptCases() {
		t.Run(row.name, func(t *testing.T) {
			program := &attempts{}
			s := newSite(t, newSpy(t), program.options(), nil)
			require.Equal(t, row.status, row.send(s).StatusCode)
			require.Equal(t, row.asked, program.asked)
			if row.wrong {
				require.Equal(t, row.asked[len(row.asked)-1:], program.failed)
			} else {
				require.Empty(t, program.failed)
			}
		})
	}
}

// Nothing is tried, so the answer to what is right is that to what is wrong.
func TestTooManyAttempts(t *testing.T) {
	for _, row := range attemptCases() {
		if row.asked == nil {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			last := row.asked[len(row.asked)-1]
			program := &attempts{full: func(a oauth2server.Attempt) bool { return a == last }}
			model := newSpy(t)
			s := newSite(t, model, program.options(), nil)
			r := row.send(s)
			requireError(t, r, 429, "invalid_request")
			require.Equal(t, "60", r.Header.Get("Retry-After"))
			require.Equal(t, "no-cache", r.Header.Get("Pragma"))
			require.Empty(t, r.Header.Get("Location"))
			require.Empty(t, r.Header.Get("WWW-Authenticate"))
			require.Equal(t, row.asked, program.asked)
			require.Empty(t, program.failed)

			// At /token the client's own secret was tried before the user's password, at /authorize the client looked up.
			var before []string
			if last.Username != "" {
				before = []string{"GetClient"}
			}
			require.Equal(t, before, model.calls)
		})
	}
}

func TestTooManyAttemptsAreShownToTheUser(t *testing.T) {
	program := &attempts{full: func(oauth2server.Attempt) bool { return true }}
	s := newSite(t, newSpy(t), program.options(), nil)
	r := s.post("/authorize", form(authorization("username", "andy", "password", "andys-password")...), "Accept", "text/html")
	require.Equal(t, 429, r.StatusCode)
	require.Equal(t, "60", r.Header.Get("Retry-After"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
	require.Empty(t, r.Header.Get("Location"), "the client is not told")
	require.Contains(t, r.text, "Too many failed attempts. Try again later.")
	require.Contains(t, r.text, "Wait for a minute, then go back and try again.")
	require.NotContains(t, r.text, "made a mistake", "it is not the application's")
}

// Whoever meets a fault learns nothing about what was tried.
func TestAFaultIsNoFailedAttempt(t *testing.T) {
	for _, row := range attemptCases() {
		if !row.wrong {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			program, model := &attempts{}, newSpy(t)
			model.fails["GetUser"] = errors.New("the database is down")
			if row.asked[len(row.asked)-1].Username == "" {
				model.fails["GetClient"] = errors.New("the database is down")
			}
			r := row.send(newSite(t, model, program.options(), nil))
			if row.path == "/authorize" {
				require.Equal(t, "server_error", r.at("error"))
			} else {
				require.Equal(t, 503, r.StatusCode)
			}
			require.Equal(t, row.asked, program.asked)
			require.Empty(t, program.failed)
		})
	}
}

// Either hook works without the other, and a server without them tries everything.
func TestTheHooksAreOptional(t *testing.T) {
	program := &attempts{}
	both := program.options()
	for _, opts := range []*oauth2server.Options{
		{Grants: allGrants},
		{Grants: allGrants, MayAttempt: both.MayAttempt},
		{Grants: allGrants, OnFailedAttempt: both.OnFailedAttempt},
	} {
		for _, row := range attemptCases() {
			require.Equal(t, row.status, row.send(newSite(t, newSpy(t), opts, nil)).StatusCode, row.name)
		}
	}
	require.NotEmpty(t, program.asked)
	require.NotEmpty(t, program.failed)
}
