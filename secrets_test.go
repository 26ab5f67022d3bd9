package oauth2server_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// recorder keeps what servers log, report and answer to refused requests, and
// every secret that they receive or issue. No secret may be in those texts. A
// nil recorder records nothing.
type recorder struct {
	mu       sync.Mutex
	secrets  map[string]string // a description, and where it was first seen
	public   []string          // sent in place of a secret, but public
	texts    map[string]string // where it was first seen
	refusals map[refused]string
}

// refused is the result of a refused request; status is 0 if it is not known.
type refused struct {
	endpoint, reason string
	code             oauth2server.ErrorCode
	status           int
}

func newRecorder() *recorder {
	return &recorder{secrets: map[string]string{}, texts: map[string]string{}, refusals: map[refused]string{}}
}

// sharedRecorder records the servers of all tests. It leaves out fuzz targets,
// whose inputs are no secrets, and benchmarks and interleave_test.go, which
// would fill the memory.
var sharedRecorder = newRecorder()

// TestMain searches the texts of the whole run for secrets (CVE-2023-37260),
// and compares its refusals with docs/reasons.md.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		sharedRecorder = nil
	}
	status := m.Run()
	for _, wrong := range append(sharedRecorder.leaks(), sharedRecorder.unlisted()...) {
		fmt.Fprintln(os.Stderr, wrong)
		status = max(status, 1)
	}
	os.Exit(status)
}

func recorderOf(t testing.TB) *recorder {
	if _, ok := t.(*testing.T); ok {
		return sharedRecorder
	}
	return nil
}

// resourceOptions is options for a resource server.
func (rec *recorder) resourceOptions(where string, opts *oauth2server.ResourceOptions) *oauth2server.ResourceOptions {
	own := oauth2server.ResourceOptions{}
	if opts != nil {
		own = *opts
	}
	recorded := rec.options(where, &oauth2server.Options{Logger: own.Logger, OnEvent: own.OnEvent})
	own.Logger, own.OnEvent = recorded.Logger, recorded.OnEvent
	return &own
}

// options returns a copy of opts whose log and events go to rec as well.
func (rec *recorder) options(where string, opts *oauth2server.Options) *oauth2server.Options {
	own := oauth2server.Options{}
	if opts != nil {
		own = *opts
	}
	var logs handlers
	if own.Logger != nil {
		logs = append(logs, own.Logger.Handler())
	}
	if rec != nil {
		logs = append(logs, slog.NewTextHandler(logWriter{rec, where},
			&slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
		onEvent := own.OnEvent
		own.OnEvent = func(r *http.Request, event oauth2server.Event) {
			rec.event(where, r, event)
			if onEvent != nil {
				onEvent(r, event)
			}
		}
	}
	own.Logger = slog.New(logs)
	return &own
}

// withoutTime also drops values that a stranger wrote, which are logged at
// Debug only; see TestWhatAStrangerWrote.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey || len(groups) > 0 && groups[0] == "sent" {
		return slog.Attr{}
	}
	return a
}

type logWriter struct {
	*recorder
	where string
}

func (w logWriter) Write(line []byte) (int, error) {
	w.text("the log in "+w.where, string(line))
	return len(line), nil
}

// handlers passes each record to all of them.
type handlers []slog.Handler

func (h handlers) Enabled(ctx context.Context, level slog.Level) bool {
	return slices.ContainsFunc(h, func(one slog.Handler) bool { return one.Enabled(ctx, level) })
}

func (h handlers) Handle(ctx context.Context, record slog.Record) (err error) {
	for _, one := range h {
		if one.Enabled(ctx, record.Level) {
			err = errors.Join(err, one.Handle(ctx, record.Clone()))
		}
	}
	return err
}

func (h handlers) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

func (h handlers) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h handlers) each(f func(slog.Handler) slog.Handler) (all handlers) {
	for _, one := range h {
		all = append(all, f(one))
	}
	return all
}

// text records a text that must contain no secret.
func (rec *recorder) text(where, text string) { rec.note(rec.texts, text, where) }

// secret records a secret. Values of fewer than eight characters are skipped,
// as they would be found everywhere.
func (rec *recorder) secret(what, value string) {
	if rec != nil && len(value) >= minSecret {
		rec.note(rec.secrets, value, what)
	}
}

const minSecret = 8

// notSecret excludes texts that a test sends in place of secrets, as it sends
// them everywhere.
func (rec *recorder) notSecret(texts ...string) {
	if rec == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.public = append(rec.public, texts...)
}

func (rec *recorder) note(in map[string]string, value, where string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if _, known := in[value]; !known {
		in[value] = where
	}
}

type recordingKey struct{}

func (rec *recorder) event(where string, r *http.Request, event oauth2server.Event) {
	rec.text("an event in "+where, fmt.Sprintf("%+v", event))
	if recorded, ok := r.Context().Value(recordingKey{}).(*recordingWriter); ok {
		recorded.events = append(recorded.events, event)
		return
	}
	rec.refusal(where, event, 0)
}

func (rec *recorder) refusal(where string, event oauth2server.Event, status int) {
	isToy := event.Endpoint == "toy" || strings.HasPrefix(event.Reason, "toy_") // of internal/everything
	if event.Error == "" && event.Reason == "" || isToy {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.refusals[refused{
		endpoint: string(event.Endpoint), reason: event.Reason, code: event.Error, status: status,
	}] = where
}

// recordingWriter records a request and its answer.
type recordingWriter struct {
	http.ResponseWriter
	status       int
	sent, answer bytes.Buffer
	events       []oauth2server.Event
}

func (h *recordingWriter) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *recordingWriter) WriteHeader(status int) {
	h.status = cmp.Or(h.status, status)
	h.ResponseWriter.WriteHeader(status)
}

func (h *recordingWriter) Write(b []byte) (int, error) {
	h.status = cmp.Or(h.status, http.StatusOK)
	h.answer.Write(b)
	return h.ResponseWriter.Write(b)
}

type recordedBody struct {
	io.Reader
	io.Closer
}

// wrap returns handler with its requests and answers recorded.
func (rec *recorder) wrap(where string, handler http.Handler) http.Handler {
	if rec == nil {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := &recordingWriter{ResponseWriter: w}
		own := r.WithContext(context.WithValue(r.Context(), recordingKey{}, h))
		if r.Body != nil {
			own.Body = recordedBody{io.TeeReader(r.Body, &h.sent), r.Body}
		}
		handler.ServeHTTP(h, own)
		rec.request(where, r, h.sent.String())
		rec.response(where, h)
	})
}

var (
	secretParameters = []string{"client_secret", "password", "code", "code_verifier", "refresh_token",
		"access_token", "token"}
	givenParameters = []string{"code", "access_token", "refresh_token"}
)

// request records the secrets in a request.
func (rec *recorder) request(where string, r *http.Request, body string) {
	for _, encoded := range []string{r.URL.RawQuery, body} {
		params, _ := url.ParseQuery(encoded) // the pairs that are well-formed
		for _, name := range secretParameters {
			for _, value := range params[name] {
				rec.secret(name+" in "+where, value)
			}
		}
	}
	for _, header := range r.Header["Authorization"] {
		scheme, credentials, _ := strings.Cut(header, " ")
		rec.secret(scheme+" in "+where, strings.TrimSpace(credentials))
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(credentials))
		if _, password, ok := strings.Cut(string(decoded), ":"); ok && err == nil {
			rec.secret(scheme+" in "+where, password)
			if password, err = url.QueryUnescape(password); err == nil {
				rec.secret(scheme+" in "+where, password)
			}
		}
	}
}

// response records the secrets in an answer, and the texts: all headers, and
// the body of a refusal.
func (rec *recorder) response(where string, h *recordingWriter) {
	status := cmp.Or(h.status, http.StatusOK)
	headers := h.Header().Clone()
	if location, err := url.Parse(headers.Get("Location")); err == nil {
		query := location.Query()
		fragment, _ := url.ParseQuery(location.Fragment)
		for _, name := range givenParameters {
			for _, params := range []url.Values{query, fragment} {
				rec.secret(name+" in "+where, params.Get(name))
				params.Del(name) // it belongs there
			}
		}
		query.Del("state") // the client's own
		fragment.Del("state")
		location.RawQuery, location.Fragment = "", ""
		headers["Location"] = []string{location.String(), fmt.Sprint(query), fmt.Sprint(fragment)}
	}
	rec.text("an answer in "+where, fmt.Sprint(headers))
	if status >= 400 {
		rec.text("an answer in "+where, h.answer.String())
	}
	var document map[string]any
	if json.Unmarshal(h.answer.Bytes(), &document) == nil {
		for _, name := range givenParameters {
			if value, ok := document[name].(string); ok {
				rec.secret(name+" in "+where, value)
			}
		}
	}
	if len(h.events) != 1 {
		status = 0 // with several events, the status belongs to none for sure
	}
	for _, event := range h.events {
		rec.refusal(where, event, status)
	}
}

// leaks reports which secret is in which text, in plain or encoded as texts
// are.
func (rec *recorder) leaks() (found []string) {
	if rec == nil {
		return nil
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	forms := map[string]string{} // from the form of a secret to the secret
	begins := map[[minSecret]byte][]string{}
	for secret := range rec.secrets {
		if slices.ContainsFunc(rec.public, func(text string) bool { return strings.Contains(text, secret) }) {
			continue
		}
		quoted := strconv.Quote(secret)
		inJSON, _ := json.Marshal(secret) // strings always have a JSON form
		for _, form := range []string{secret, url.QueryEscape(secret), quoted[1 : len(quoted)-1],
			string(inJSON[1 : len(inJSON)-1]), html.EscapeString(secret)} {
			if _, again := forms[form]; !again {
				forms[form] = secret
				start := [minSecret]byte([]byte(form))
				begins[start] = append(begins[start], form)
			}
		}
	}
	for text, where := range rec.texts {
		seen := map[string]bool{}
		for i := 0; i+minSecret <= len(text); i++ {
			for _, form := range begins[[minSecret]byte([]byte(text[i:i+minSecret]))] {
				if secret := forms[form]; strings.HasPrefix(text[i:], form) && !seen[secret] {
					seen[secret] = true
					found = append(found, fmt.Sprintf("LEAK: %q, %s, is in %s: %s", secret,
						rec.secrets[secret], where, text))
				}
			}
		}
	}
	return slices.Sorted(slices.Values(found))
}

// unlisted reports the refusals that docs/reasons.md does not list, or lists
// with another answer.
func (rec *recorder) unlisted() (wrong []string) {
	if rec == nil {
		return nil
	}
	rows, err := listedReasons()
	if err != nil {
		return []string{err.Error()}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for r, where := range rec.refusals {
		i := slices.IndexFunc(rows, func(row listed) bool {
			return row.reason == r.reason && slices.Contains(row.endpoints, r.endpoint)
		})
		switch {
		case i < 0:
			wrong = append(wrong, fmt.Sprintf("docs/reasons.md: no %q at %s, which was seen in %s",
				r.reason, r.endpoint, where))
		case r.reason != "chosen_by_program" && !rows[i].tells(r):
			wrong = append(wrong, fmt.Sprintf("docs/reasons.md: %q at %s: %q does not say %s, %d, which was seen in %s",
				r.reason, r.endpoint, rows[i].told, r.code, r.status, where))
		}
	}
	return slices.Sorted(slices.Values(wrong))
}

func (row listed) tells(r refused) bool {
	status := strconv.Itoa(r.status)
	switch {
	case r.status == 0:
		status = ""
	case r.status/100 == 3, r.status == http.StatusOK: // by redirect, or passed as a value
		status = "redirect"
	}
	return strings.Contains(row.told, "`"+string(r.code)+"`") && strings.Contains(row.told, status)
}

// Secrets in texts (CVE-2023-37260). A server gets every kind of credential in
// every place, valid ones even while each call of its model fails. Its logs,
// events and answers contain none of them.
func TestAttack_SecretsInTexts(t *testing.T) {
	t.Parallel()
	rec, model := newRecorder(), newSpy(t)
	// Otherwise any word is a scope.
	known := func(user *oauth2server.User, asked oauth2server.Scope) (oauth2server.Scope, error) {
		scope, err := readByDefault(user, asked)
		return slices.DeleteFunc(scope, func(word string) bool { return word != "read" && word != "write" }), err
	}
	s := local(t, mountFor(t, rec, scoped{model, known}, &oauth2server.Options{Grants: allGrants}, nil))
	proof := []string{"code_challenge", challenge, "code_challenge_method", "S256"}
	exchange := func(code string, params ...string) []string {
		return append([]string{"grant_type", "authorization_code", "code", code,
			"redirect_uri", callback, "code_verifier", verifier}, params...)
	}

	code, tokens := s.code(proof...), s.token("web", exchange(s.code(proof...))...)
	credentials := []string{code, tokens.str("access_token"), tokens.str("refresh_token"), verifier,
		secret + "web", "andys-other-password", as("web")[len("Basic "):]}
	parameters := append([]string{"grant_type", "client_id", "username", "scope", "redirect_uri",
		"response_type", "token_type_hint",
		"code_challenge", "code_challenge_method", "unknown"}, secretParameters...)
	combination := 0 // with -short one in seven is tried
	for _, credential := range credentials {
		rec.secret("a credential", credential)
		for _, name := range parameters {
			s.post("/authorize", form(authorization(name, credential)...))
			s.post("/authorize", form(authorization("username", "andy", "password", "a-wrong-password",
				name, credential)...))
		}
		for _, path := range []string{"/authorize", "/token", "/revoke", "/introspect", "/api", "/api/write"} {
			for _, grant := range append([]string{""}, allGrants...) {
				for _, name := range parameters {
					if combination++; testing.Short() && combination%7 != 0 {
						continue
					}
					params := form("grant_type", grant, name, credential)
					s.get(path + "?" + params)
					s.post(path, params)
					s.post(path, params, "Authorization", as("web"))
					s.post(path+"?"+params, form("grant_type", grant), "Authorization", as("web"))
				}
			}
			s.post(path, "", "Authorization", "Basic "+credential)
			s.post(path, "", "Authorization", "Basic "+credential, "Authorization", "Bearer "+credential)
			s.get(path, "Authorization", "Bearer "+credential)
			s.get(path, "Authorization", "Bearer "+credential+"%zz \x7f")
			s.post(path, "%zz="+credential+"%zz")
		}
	}

	for _, call := range []string{"", "GetClient", "SaveToken", "GetAccessToken",
		"SaveAuthorizationCode", "GetAuthorizationCode", "GetRefreshToken",
		"AppendGrant", "GrantEntries", "RevokeAccessTokens", "GetUser", "GetUserFromClient"} {
		for _, failure := range []error{errors.New("down"), oauth2server.ErrNotFound} {
			first := s.token("web", exchange(s.code(proof...))...)
			refresh := []string{"grant_type", "refresh_token", "refresh_token", first.str("refresh_token")}
			wrong, good := s.code(proof...), s.code(proof...)
			if call != "" {
				model.fails[call] = failure
			}
			s.token("web", exchange(wrong, "code_verifier", verifier[1:]+"X")...)
			s.token("other", exchange(good)...)
			s.token("web", exchange(good, "code_verifier", verifier[1:]+"X")...)
			s.token("web", exchange(good)...)
			s.token("web", exchange(good)...)
			s.token("other", refresh...)
			s.token("web", append(refresh, "scope", "more")...)
			s.token("web", refresh...)
			s.token("web", refresh...)
			s.token("web", "grant_type", "password", "username", "andy", "password", "a-wrong-password")
			s.token("web", "grant_type", "client_credentials")
			s.authorize()
			s.authorize("response_type", "token")
			for _, token := range []string{first.str("access_token"), first.str("refresh_token")} {
				s.get("/api", "Authorization", "Bearer "+token)
				s.get("/api/write", "Authorization", "Bearer "+token)
				for _, client := range []string{"other", "web"} {
					s.post("/introspect", form("token", token), "Authorization", as(client))
					s.post("/revoke", form("token", token), "Authorization", as(client))
				}
			}
			delete(model.fails, call)
		}
	}

	require.Empty(t, rec.leaks())
	require.Empty(t, rec.unlisted())
	seen := map[string]bool{}
	for r := range rec.refusals {
		seen[r.reason] = true
	}
	require.Greater(t, len(seen), 30, "different refusals: %v", seen)
}

func TestRecorderFindsSecrets(t *testing.T) {
	const presented = "a-<code> of nobody's"
	for _, row := range []struct {
		name  string
		grant oauth2server.GrantFunc
		want  []string
	}{
		{"nothing", func(context.Context, *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return nil, oauth2server.ErrNotFound
		}, nil},
		{"a cause", func(_ context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return nil, errors.New("there is no " + g.Param("code"))
		}, []string{"the log"}},
		{"an encoded one", func(_ context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return nil, errors.New("there is no " + url.QueryEscape(g.Param("code")))
		}, []string{"the log"}},
		{"a description", func(_ context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return nil, &oauth2server.Error{Code: oauth2server.InvalidGrant,
				Description: "there is no " + g.Param("code")}
		}, []string{"an answer", "the log"}},
		{"an event", func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: g.Param("code")}})
		}, []string{"an event"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			rec, model := newRecorder(), newSpy(t)
			require.NoError(t, model.AddClient(&oauth2server.Client{ID: "tell", Grants: []string{"tell"}},
				secret+"tell"))
			s := local(t, mountFor(t, rec, model,
				&oauth2server.Options{ExtensionGrants: map[string]oauth2server.GrantFunc{"tell": row.grant}}, nil))
			s.token("tell", "grant_type", "tell", "code", presented)
			found := slices.Sorted(slices.Values(rec.leaks()))
			require.Len(t, found, len(row.want))
			for i, leak := range found {
				require.Contains(t, leak, "is in "+row.want[i])
			}
		})
	}
}
