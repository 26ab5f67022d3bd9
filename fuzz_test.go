package oauth2server_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// newHandlers returns the endpoints of one server without a network.
func newHandlers(t testing.TB, model oauth2server.Model) http.Handler {
	return mount(t, model, &oauth2server.Options{Grants: allGrants, InsecureApprovePublicClients: true,
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) { return &oauth2server.User{ID: "u1"}, nil }}, nil)
}

func FuzzParseScope(f *testing.F) {
	for _, seed := range []string{"", "read", "read write", "read  write", " ", `"`, "a b a", "ä", "read\nwrite"} {
		f.Add(seed)
	}
	grammar := regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*$`)
	f.Fuzz(func(t *testing.T, text string) {
		scope, err := oauth2server.ParseScope(text)
		require.Equal(t, text == "" || grammar.MatchString(text) && strings.Count(text, " ") < 100, err == nil, "%q", text)
		if err != nil {
			return
		}
		again, err := oauth2server.ParseScope(scope.String())
		require.NoError(t, err)
		require.Equal(t, scope, again)
		require.True(t, scope.Contains(strings.Fields(text)...))
	})
}

func FuzzBearerHeader(f *testing.F) {
	for _, seed := range []string{"Bearer good", "bearer  good", "Bearer", "Bearer\tgood", "Bearer a b", "Basic YTpi", "", "Bearer ==", "Bearer good="} {
		f.Add(seed)
	}
	model := newSpy(f)
	issued(f, model, "good")
	handler := newHandlers(f, model)
	grammar := regexp.MustCompile(`^(?i:bearer) +good$`)
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/api", nil)
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, grammar.MatchString(header), w.Code == 200, "%q: %d", header, w.Code)
		require.Contains(t, []int{200, 400, 401}, w.Code)
	})
}

func FuzzBasicCredentials(f *testing.F) {
	for _, seed := range []string{"web:" + secret + "web", "web:", ":", "web", "%zz:x", "w%65b:" + secret + "web", "app:", "web:nope"} {
		f.Add([]byte(seed))
	}
	model := newSpy(f)
	handler := newHandlers(f, model)
	f.Fuzz(func(t *testing.T, pair []byte) {
		r := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString(pair))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		id, password, _ := strings.Cut(string(pair), ":")
		id, idErr := url.QueryUnescape(id)
		password, passwordErr := url.QueryUnescape(password)
		right := idErr == nil && passwordErr == nil && slices.Contains([]string{"web", "other", "limited", "machine", "two", "query"}, id) && password == secret+id
		require.Equal(t, right, w.Code == 200, "%q: %d %s", pair, w.Code, w.Body)
		if !right {
			require.Equal(t, 401, w.Code)
		}
	})
}

func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{callback, callback + "#x", "javascript:alert(1)", "http://127.0.0.1:80/cb", "com.example.app:/cb", "//x", "https://u@x/", "https://x/?code=1"} {
		f.Add(seed)
	}
	handler := newHandlers(f, newSpy(f))
	f.Fuzz(func(t *testing.T, uri string) {
		if oauth2server.CheckRedirectURI(uri) == nil {
			parsed, err := url.Parse(uri)
			require.NoError(t, err)
			require.True(t, parsed.IsAbs())
			require.Empty(t, parsed.Fragment)
			require.Nil(t, parsed.User)
			require.NotContains(t, []string{"javascript", "data", "vbscript", "file", "blob"}, parsed.Scheme)
			for _, name := range []string{"code", "state", "error", "iss"} {
				require.NotContains(t, parsed.Query(), name)
			}
		}
		requireRegistered(t, handler, "/authorize?"+form(authorization("client_id", "app", "redirect_uri", uri,
			"code_challenge", challenge, "code_challenge_method", "S256")...))
	})
}

// requireRegistered checks that the answer goes to a registered place or nowhere.
func requireRegistered(t *testing.T, handler http.Handler, target string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), "GET", "http://local/", nil)
	require.NoError(t, err)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	location := w.Header().Get("Location")
	if w.Code < 300 || w.Code > 399 {
		require.Empty(t, location)
		return
	}
	require.Equal(t, http.StatusFound, w.Code)
	registered := regexp.MustCompile(`^(https://client\.example/cb2?|https://other\.example/cb|http://127\.0\.0\.1(:[0-9]{1,5})?/cb|com\.example\.app:/cb)[?#][!-~]+$`)
	require.Regexp(t, registered, location)
}

func FuzzTokenForm(f *testing.F) {
	for _, seed := range []string{"", "grant_type=client_credentials", "grant_type=password&username=andy&password=123456", "grant_type=%zz",
		"grant_type=authorization_code&code=x", "grant_type=refresh_token&refresh_token=x", "a;b", "scope=a&scope=b", "grant_type=client_credentials&scope=%22",
		"grant_type=client_credentials&client_id=other", "grant_type=client_credentials&client_id[$ne]=x"} {
		f.Add(seed, "")
	}
	f.Add("grant_type=client_credentials", "client_secret=x")
	model := newSpy(f)
	handler := newHandlers(f, model)
	f.Fuzz(func(t *testing.T, body, query string) {
		r := httptest.NewRequest("POST", "/token", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", as("web"))
		model.stored()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.Contains(t, []int{200, 400, 401, 413}, w.Code, w.Body)
		if w.Code != 200 {
			require.Empty(t, model.stored(), "a refused request changes nothing")
		}
	})
}

func FuzzAuthorizeQuery(f *testing.F) {
	for _, params := range [][]string{nil, {"response_type", "token"}, {"redirect_uri", "https://evil.example"}, {"client_id", "two"}, {"state", "\r\n"},
		{"scope", `"`}, {"client_id", "query", "redirect_uri", ""}, {"code_challenge", "x"}, {"client_id", "nobody"}} {
		f.Add(form(authorization(params...)...))
	}
	f.Add("client_id=web&client_id=other")
	f.Add("%zz")
	handler := newHandlers(f, newSpy(f))
	f.Fuzz(func(t *testing.T, query string) { requireRegistered(t, handler, "/authorize?"+query) })
}
