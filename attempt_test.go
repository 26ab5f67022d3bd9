package oauth2server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// attempts is a program that records what it is asked and told.
type attempts struct {
	mu             sync.Mutex
	asked          []oauth2server.Attempt
	failed, passed []oauth2server.Attempt                   // arguments of done
	wait           func(oauth2server.Attempt) time.Duration // nil: no caller waits
}

func (a *attempts) limit(_ *http.Request, attempt oauth2server.Attempt) (func(failed bool), time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, attempt)
	wait := time.Duration(0)
	if a.wait != nil {
		wait = a.wait(attempt)
	}
	return func(failed bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if failed {
			a.failed = append(a.failed, attempt)
		} else {
			a.passed = append(a.passed, attempt)
		}
	}, wait
}

func (a *attempts) options() *oauth2server.Options {
	return &oauth2server.Options{Grants: allGrants, LimitAttempts: a.limit}
}

// attemptCase is a request and the attempts that it makes. If a credential was
// wrong, it is the last of them.
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
		{"wrong secret in the body", "/token", "", machine + "&client_id=web&client_secret=nope", 400,
			ofClient("web"), true},
		{"unknown client", "/token", basic("nobody:nope"), machine, 401, ofClient("nobody"), true},
		{"a secret that reads in two ways", "/token", basic("web:no%2Bpe"), machine, 401, ofClient("web"), true},
		{"public client with a secret", "/token", basic("app:nope"), refresh, 401, ofClient("app"), true},
		{"wrong secret, unknown grant", "/token", basic("web:nope"), "grant_type=x", 401, ofClient("web"), true},
		{"wrong secret to revoke", "/revoke", basic("web:nope"), "token=x", 401, ofClient("web"), true},
		{"wrong secret to introspect", "/introspect", basic("web:nope"), "token=x", 401, ofClient("web"), true},
		{"wrong password", "/token", as("web"), password("username", "andy", "password", "nope"), 400,
			ofUser("andy"), true},
		{"unknown user", "/token", as("web"), password("username", "ändy", "password", "andys-password"),
			400, ofUser("ändy"), true},
		{"wrong password without a page", "/authorize", "", signIn("username", "andy", "password", "nope"),
			400, atPage("andy"), true},

		{"right secret", "/token", as("web"), machine, 200, ofClient("web"), false},
		{"right secret in the body", "/token", "", machine + "&client_id=web&client_secret=" + secret + "web",
			200, ofClient("web"), false},
		{"right secret, other mistakes", "/token", as("web"), refresh, 400, ofClient("web"), false},
		{"right secret, another in the URL", "/token?client_id=other", as("web"), machine, 400, ofClient("web"), false},
		{"right secret to revoke", "/revoke", as("web"), "token=x", 200, ofClient("web"), false},
		{"right secret to introspect", "/introspect", as("web"), "token=x", 200, ofClient("web"), false},
		{"right password", "/token", as("web"), password("username", "andy", "password", "andys-password"),
			200, ofUser("andy"), false},
		{"right password without a page", "/authorize", "",
			signIn("username", "andy", "password", "andys-password"), 303, atPage("andy"), false},

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
		{"malformed username", "/token", as("web"), password("username", "a\nb", "password", "andys-password"),
			400, ofClient("web"), false},
		{"malformed scope", "/token", as("web"), password("username", "andy", "password", "nope", "scope", `"`),
			400, ofClient("web"), false},
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
			passed, failed := row.asked, []oauth2server.Attempt(nil)
			if row.wrong {
				last := len(row.asked) - 1
				passed, failed = row.asked[:last:last], row.asked[last:]
			}
			require.ElementsMatch(t, passed, program.passed)
			require.Equal(t, failed, program.failed)
		})
	}
}

// A Basic header that may name two clients is an attempt at each, so it does not
// matter how somebody who guesses writes the ID.
func TestAnAttemptAtEitherClient(t *testing.T) {
	for _, sent := range []string{"a%2Bb:nope", "a+b:nope"} {
		program := &attempts{}
		s := newSite(t, newSpy(t), program.options(), nil)
		r := s.post("/token", "grant_type=client_credentials", "Authorization", basic(sent))
		requireError(t, r, 401, "invalid_client")
		require.Contains(t, program.failed, oauth2server.Attempt{ClientID: "a+b"})
		require.Len(t, program.failed, 2)
		require.ElementsMatch(t, program.asked, program.failed)
	}
}

// No credential is tried, so the answer to a right one equals the answer to a
// wrong one.
func TestTooManyAttempts(t *testing.T) {
	for _, row := range attemptCases() {
		if row.asked == nil {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			before, last := row.asked[:len(row.asked)-1], row.asked[len(row.asked)-1]
			program := &attempts{wait: func(a oauth2server.Attempt) time.Duration {
				if a == last {
					return time.Minute
				}
				return 0
			}}
			model := newSpy(t)
			s := newSite(t, model, program.options(), nil)
			r := row.send(s)
			requireError(t, r, 429, "invalid_request")
			require.Equal(t, "60", r.Header.Get("Retry-After"))
			require.Equal(t, "no-cache", r.Header.Get("Pragma"))
			require.Empty(t, r.Header.Get("Location"))
			require.Empty(t, r.Header.Get("WWW-Authenticate"))
			require.Equal(t, row.asked, program.asked)
			require.ElementsMatch(t, before, program.passed, "the end of what was not tried is no end")
			require.Empty(t, program.failed)

			// At /token the client's own secret was tried before the user's
			// password; at /authorize the client was only looked up.
			var calls []string
			if last.Username != "" {
				calls = []string{"GetClient"}
			}
			require.Equal(t, calls, model.calls)
		})
	}
}

func TestHowLongToWait(t *testing.T) {
	for _, row := range []struct {
		wait   time.Duration
		status int
		header string
	}{
		{-time.Second, 200, ""},
		{0, 200, ""},
		{time.Nanosecond, 429, "1"},
		{time.Second, 429, "1"},
		{time.Second + time.Nanosecond, 429, "2"},
		{5 * time.Minute, 429, "300"},
		{1<<63 - 1, 429, "9223372037"},
	} {
		t.Run(row.wait.String(), func(t *testing.T) {
			program := &attempts{wait: func(oauth2server.Attempt) time.Duration { return row.wait }}
			s := newSite(t, newSpy(t), program.options(), nil)
			r := s.post("/token", form("grant_type", "client_credentials"), "Authorization", as("web"))
			require.Equal(t, row.status, r.StatusCode)
			require.Equal(t, row.header, r.Header.Get("Retry-After"))
		})
	}
}

func TestTooManyAttemptsAreShownToTheUser(t *testing.T) {
	program := &attempts{wait: func(oauth2server.Attempt) time.Duration { return 5 * time.Minute }}
	s := newSite(t, newSpy(t), program.options(), nil)
	r := s.post("/authorize", form(authorization("username", "andy", "password", "andys-password")...),
		"Accept", "text/html")
	require.Equal(t, 429, r.StatusCode)
	require.Equal(t, "300", r.Header.Get("Retry-After"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
	require.Empty(t, r.Header.Get("Location"), "the client is not told")
	require.Contains(t, r.text, "Too many failed attempts. Try again later.")
	require.Contains(t, r.text, "Wait for a while, then go back and try again.")
	require.NotContains(t, r.text, "made a mistake", "it is not the application's")
}

// A fault reveals nothing about the credential; any other refusal may be the
// model's word for a wrong one.
func TestWhichAnswersOfTheModelAreFailures(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		answer error
		failed bool
	}{
		{"not found", oauth2server.ErrNotFound, true},
		{"not found, wrapped", fmt.Errorf("no such user: %w", oauth2server.ErrNotFound), true},
		{"invalid_client", oauth2server.InvalidClient, true},
		{"invalid_grant", oauth2server.InvalidGrant, true},
		{"access_denied", &oauth2server.Error{Code: oauth2server.AccessDenied, Description: "Wrong password"}, true},
		{"another code", oauth2server.InvalidRequest, true},
		{"a code of its own", oauth2server.ErrorCode("locked"), true},
		{"another status", &oauth2server.Error{Code: oauth2server.InvalidGrant, Status: 403}, true},
		{"a code that strays", oauth2server.InvalidToken, true},

		{"fault", errors.New("the database is down"), false},
		{"the client hung up", context.Canceled, false},
		{"server_error", oauth2server.ServerError, false},
		{"server_error with a status", &oauth2server.Error{Code: oauth2server.ServerError, Status: 400}, false},
		{"status 429", &oauth2server.Error{Code: oauth2server.InvalidGrant, Status: 429}, false},
		{"status 500", &oauth2server.Error{Code: oauth2server.InvalidGrant, Status: 500}, false},
		{"status 503", &oauth2server.Error{Code: oauth2server.AccessDenied, Status: 503}, false},
		{"a nil error", (*oauth2server.Error)(nil), false},
		{"a mistake of the program", oauth2server.InvalidArgument, false},
	} {
		for _, c := range attemptCases() {
			if c.asked == nil || !c.wrong {
				continue
			}
			t.Run(row.name+", "+c.name, func(t *testing.T) {
				program, model := &attempts{}, newSpy(t)
				last := c.asked[len(c.asked)-1]
				model.fails["GetUser"] = row.answer
				if last.Username == "" {
					model.fails["GetClient"] = row.answer
				}
				c.send(newSite(t, model, program.options(), nil))
				require.Equal(t, c.asked, program.asked)
				require.Len(t, slices.Concat(program.passed, program.failed), len(c.asked), "once for each")
				require.Equal(t, row.failed, slices.Contains(program.failed, last))
			})
		}
	}
}

// panicking is a model that panics when asked for a secret or a password.
type panicking struct{ *spy }

func (m panicking) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if secret == "panic" {
		panic("the model panics")
	}
	return m.spy.GetClient(ctx, id, secret)
}

func (m panicking) GetUser(context.Context, string, string, *oauth2server.Client) (*oauth2server.User, error) {
	panic("the model panics")
}

func TestAPanicOfTheModelEndsAnAttempt(t *testing.T) {
	for _, row := range []struct {
		name, path, authorization, body string
		asked                           int
	}{
		{"secret", "/token", basic("web:panic"), "grant_type=client_credentials", 1},
		{"password", "/token", as("web"), form("grant_type", "password", "username", "andy", "password", "x"), 2},
		{"password without a page", "/authorize", "", form(authorization("username", "andy", "password", "x")...), 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			program := &attempts{}
			handler := mount(t, panicking{newSpy(t)}, program.options(), nil)
			r := httptest.NewRequestWithContext(t.Context(), "POST", row.path, strings.NewReader(row.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", row.authorization)
			require.PanicsWithValue(t, "the model panics", func() { handler.ServeHTTP(httptest.NewRecorder(), r) })
			require.Len(t, program.asked, row.asked)
			require.Equal(t, program.asked, program.passed)
			require.Empty(t, program.failed)
		})
	}
}

// The program knows the outcome before the client does: a client that reacts to
// its answer meets the new count.
func TestAnAttemptEndsBeforeTheAnswer(t *testing.T) {
	for _, row := range attemptCases() {
		if row.asked == nil {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			w, open := httptest.NewRecorder(), 0
			opts := &oauth2server.Options{Grants: allGrants}
			opts.LimitAttempts = func(*http.Request, oauth2server.Attempt) (func(bool), time.Duration) {
				open++
				return func(bool) { open--; require.Empty(t, w.Header(), "something is sent") }, 0
			}
			opts.OnEvent = func(*http.Request, oauth2server.Event) { require.Zero(t, open) }
			handler := mount(t, newSpy(t), opts, nil)
			r := httptest.NewRequestWithContext(t.Context(), "POST", row.path, strings.NewReader(row.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if row.authorization != "" {
				r.Header.Set("Authorization", row.authorization)
			}
			handler.ServeHTTP(w, r)
			require.Equal(t, row.status, w.Code)
			require.Zero(t, open)
		})
	}
}

// Without the hook, or with a nil outcome function, every credential is tried.
func TestTheHookIsOptional(t *testing.T) {
	t.Parallel()
	for _, limit := range []func(*http.Request, oauth2server.Attempt) (func(bool), time.Duration){
		nil,
		func(*http.Request, oauth2server.Attempt) (func(bool), time.Duration) { return nil, 0 },
	} {
		for _, row := range attemptCases() {
			s := newSite(t, newSpy(t), &oauth2server.Options{Grants: allGrants, LimitAttempts: limit}, nil)
			require.Equal(t, row.status, row.send(s).StatusCode, row.name)
		}
	}
}
