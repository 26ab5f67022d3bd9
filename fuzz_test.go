package oauth2server_test

import (
	"encoding"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// newHandlers returns the endpoints of one server without a network.
func newHandlers(t testing.TB, model oauth2server.Model) http.Handler {
	return mount(t, model, &oauth2server.Options{Grants: allGrants, InsecureApprovePublicClients: true,
		Issuer: "https://auth.example",
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
			return &oauth2server.User{ID: "u1"}, nil
		}}, nil)
}

// addCorpus adds inputs of earlier runs that reached further. Each line is an
// input: its values quoted as in Go, separated by tabs.
func addCorpus(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "corpus", f.Name()+".txt"))
	require.NoError(f, err)
	for line := range strings.Lines(string(data)) {
		var values []any
		for quoted := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), "\t") {
			text, err := strconv.Unquote(quoted)
			require.NoError(f, err, line)
			values = append(values, text)
		}
		f.Add(values...)
	}
}

func FuzzParseScope(f *testing.F) {
	addCorpus(f)
	for _, seed := range []string{"", "read", "read write", "read  write", " ", `"`, "a b a", "ä", "read\nwrite"} {
		f.Add(seed)
	}
	grammar := regexp.MustCompile(`^[ \t\r\n]*[\x21\x23-\x5B\x5D-\x7E ]*[ \t\r\n]*$`)
	f.Fuzz(func(t *testing.T, text string) {
		scope, err := oauth2server.ParseScope(text)
		distinct := map[string]bool{}
		for _, token := range strings.Fields(text) {
			distinct[token] = true
		}
		require.Equal(t, grammar.MatchString(text) && len(text) <= 4096 && len(distinct) <= 256, err == nil, "%q", text)
		if err != nil {
			return
		}
		again, err := oauth2server.ParseScope(scope.String())
		require.NoError(t, err)
		require.Equal(t, scope, again)
		require.True(t, scope.Contains(strings.Fields(text)...))
		require.Len(t, scope, len(distinct))
	})
}

func FuzzBearerHeader(f *testing.F) {
	addCorpus(f)
	for _, seed := range []string{"Bearer good", "bearer  good", "Bearer", "Bearer\tgood", "Bearer a b",
		"Basic YTpi", "", "Bearer ==", "Bearer good="} {
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
	addCorpus(f)
	for _, seed := range []string{"web:" + secret + "web", "web:", ":", "web", "%zz:x",
		"w%65b:" + secret + "web", "app:", "web:nope"} {
		f.Add(seed)
	}
	model := newSpy(f)
	handler := newHandlers(f, model)
	f.Fuzz(func(t *testing.T, pair string) {
		r := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		rawID, rawPassword, _ := strings.Cut(pair, ":")
		id, idErr := url.QueryUnescape(rawID)
		password, passwordErr := url.QueryUnescape(rawPassword)
		known := func(id, password string) bool {
			return slices.Contains([]string{"web", "other", "limited", "machine", "two", "query"}, id) &&
				password == secret+id
		}
		right := idErr == nil && passwordErr == nil && known(id, password) || known(rawID, rawPassword)
		require.Equal(t, right, w.Code == 200, "%q: %d %s", pair, w.Code, w.Body)
		if !right {
			public := strings.HasSuffix(pair, ":") && (idErr == nil && id == "app" || rawID == "app")
			require.Equal(t, public, w.Code == 400, "%q: %d", pair, w.Code) // else 401
		}
	})
}

func FuzzRedirectURI(f *testing.F) {
	addCorpus(f)
	for _, seed := range []string{callback, callback + "#x", "javascript:alert(1)",
		"http://127.0.0.1:80/cb", "com.example.app:/cb", "//x", "https://u@x/", "https://x/?code=1"} {
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
		requireRegistered(t, handler, form(authorization("client_id", "app", "redirect_uri", uri,
			"code_challenge", challenge, "code_challenge_method", "S256")...), "")
	})
}

// registered maps each client of newSpy to its redirection URIs.
var registered = map[string]*regexp.Regexp{
	"web":     regexp.MustCompile(`^https://client\.example/cb$`),
	"limited": regexp.MustCompile(`^https://client\.example/cb$`),
	"two":     regexp.MustCompile(`^https://client\.example/cb2?$`),
	"query":   regexp.MustCompile(`^https://client\.example/cb\?tenant=7$`),
	"other":   regexp.MustCompile(`^https://other\.example/cb$`),
	"app":     regexp.MustCompile(`^(http://127\.0\.0\.1(:[0-9]{1,5})?/cb|com\.example\.app:/cb)$`),
}

var answered = regexp.MustCompile(`[?&#](code|access_token|error)=[!-~]+$`)

// requireRegistered checks that the answer to an authorization request goes to
// a URI registered by its client, or nowhere. With a body the request is a
// POST.
func requireRegistered(t *testing.T, handler http.Handler, query, body string) {
	t.Helper()
	r := httptest.NewRequest("GET", "/authorize", nil)
	if body != "" {
		r = httptest.NewRequest("POST", "/authorize", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.URL.RawQuery = query
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	location := w.Header().Get("Location")
	if w.Code < 300 || w.Code > 399 {
		require.Empty(t, location)
		require.GreaterOrEqual(t, w.Code, 400)
		return
	}
	require.Contains(t, []int{http.StatusFound, http.StatusSeeOther}, w.Code)
	cut := answered.FindStringIndex(location)
	require.NotNil(t, cut, location)
	inQuery, _ := url.ParseQuery(query)
	inBody, _ := url.ParseQuery(body)
	clients := slices.DeleteFunc(append(inQuery["client_id"], inBody["client_id"]...), func(id string) bool {
		return id == ""
	})
	require.NotEmpty(t, clients)
	require.Len(t, slices.Compact(clients), 1)
	require.Contains(t, registered, clients[0])
	require.Regexp(t, registered[clients[0]], location[:cut[0]])
}

func FuzzTokenForm(f *testing.F) {
	addCorpus(f)
	for _, seed := range []string{"", "grant_type=client_credentials",
		"grant_type=password&username=andy&password=andys-password", "grant_type=%zz",
		"grant_type=authorization_code&code=x", "grant_type=refresh_token&refresh_token=x", "a;b",
		"scope=a&scope=b", "grant_type=client_credentials&scope=%22",
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

func FuzzAuthorize(f *testing.F) {
	addCorpus(f)
	for _, params := range [][]string{nil, {"response_type", "token"},
		{"redirect_uri", "https://evil.example"}, {"client_id", "two"}, {"state", "\r\n"},
		{"scope", `"`}, {"client_id", "query", "redirect_uri", ""}, {"code_challenge", "x"}, {"client_id", "nobody"},
		{"client_id", "app", "redirect_uri", "http://127.0.0.1:8080/cb", "code_challenge", challenge,
			"code_challenge_method", "S256"}} {
		f.Add(form(authorization(params...)...), "")
		f.Add("", form(authorization(params...)...))
	}
	f.Add(form(authorization()...), "redirect_uri=https://evil.example")
	f.Add(form(authorization()...), "allowed=false&client_id=other")
	f.Add("client_id=web&client_id=other", "")
	f.Add("%zz", "")
	handler := newHandlers(f, newSpy(f))
	f.Fuzz(func(t *testing.T, query, body string) { requireRegistered(t, handler, query, body) })
}

func FuzzStatusForm(f *testing.F) {
	addCorpus(f)
	for _, seed := range []string{"", "token=good", "token=good&token_type_hint=access_token",
		"token=%zz", "token=a&token=b", "token=%22", "token=good&client_id=other"} {
		f.Add(seed, "", as("web"))
		f.Add(seed, "", "")
	}
	f.Add("token=good&client_id=app", "", "")
	f.Add("token=good", "token=good", as("other"))
	model := newSpy(f)
	handler := newHandlers(f, model)
	f.Fuzz(func(t *testing.T, body, query, authorization string) {
		issued(t, model, "good")
		for _, path := range []string{"/introspect", "/revoke"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.URL.RawQuery = query
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header["Authorization"] = []string{authorization}
			model.stored()
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Contains(t, []int{200, 400, 401, 413}, w.Code, w.Body)
			if path == "/introspect" || w.Code != 200 {
				require.Empty(t, model.stored(), "what only asks, or is refused, changes nothing")
			}
			if strings.Contains(w.Body.String(), `"active":true`) {
				_, encoded, _ := strings.Cut(authorization, " ")
				pair, _ := base64.RawStdEncoding.DecodeString(strings.Trim(encoded, " ="))
				require.Contains(t, string(pair)+body, secret+"web", "the token is the client's own")
			}
		}
	})
}

// Most records are read without encoding/json: so they have to mean the same as
// with a space before, which is left to it.
func FuzzRecord(f *testing.F) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	records := []encoding.BinaryMarshaler{
		oauth2server.Token{},
		oauth2server.Token{AccessTokenExpiresAt: at, RefreshTokenExpiresAt: at, Scope: oauth2server.Scope{"a", "b"},
			Client: &oauth2server.Client{ID: "c"}, User: &oauth2server.User{ID: "u"}, GrantID: "g", GrantSeq: 7,
			GrantScope: oauth2server.Scope{"a", "b", "c"}, GrantExpiresAt: at, GrantPace: at, Resource: "https://r"},
		oauth2server.Token{AccessTokenExpiresAt: time.UnixMilli(-1), Extra: map[string]any{"a": "é"}},
		oauth2server.AuthorizationCode{ExpiresAt: at, RedirectURI: "https://c/?a=b&c", CodeChallenge: "x",
			CodeChallengeMethod: "S256", Scope: oauth2server.Scope{"a"}, GrantID: "g", Resource: "https://r",
			Client: &oauth2server.Client{ID: "<>"}, User: &oauth2server.User{ID: "\x00"}},
		oauth2server.GrantEntry{GrantID: "g", Seq: 3, Kind: "refresh", Nonce: "n", Time: at, ExpiresAt: at, Pace: at,
			Presented: "p", AccessToken: "a", AccessTokenExpiresAt: at, Successor: "s", SuccessorExpiresAt: at,
			Sealed: []byte("sealed"), ClientID: "c", UserID: "u", Scope: oauth2server.Scope{"a"}, Resource: "r",
			GrantExpiresAt: at},
	}
	for _, record := range records {
		data, err := record.MarshalBinary()
		require.NoError(f, err)
		f.Add(data)
	}
	for _, text := range []string{"", "{", "{}", `{"v":1`, `{"v":01}`, `{"v":1,}`, `{"v":2}`, `{"v":1}}`, `{"v":1}x`,
		`{"v":1,"scope":[]}`, `{"v":1,"scope":["a",]}`, `{"v":1,"scope":["a"`, `{"v":1,"scope":null}`,
		`{"v":1,"seq":1.5}`, `{"v":1,"seq":1e3}`, `{"v":1,"seq":9999999999999999999}`, `{"v":1,"sealed":"*"}`,
		`{"v":1,"seq":-1}`, `{"v":1,"V":2}`, `{"v":1,"v":1}`, `{"v":1,"grant_id":"a","grant_id":"b"}`,
		`{"v":1,"scope":["a"],"scope":["b","c"]}`, `{"v":1,"sealed":""}`, `{"v":1,"sealed":"YQ=="}`, `{,"v":1}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spaced := append([]byte(" "), data...)
		for _, pair := range [][2]encoding.BinaryUnmarshaler{
			{new(oauth2server.Token), new(oauth2server.Token)},
			{new(oauth2server.AuthorizationCode), new(oauth2server.AuthorizationCode)},
			{new(oauth2server.GrantEntry), new(oauth2server.GrantEntry)},
		} {
			err := pair[0].UnmarshalBinary(data)
			require.Equal(t, fmt.Sprint(pair[1].UnmarshalBinary(spaced)), fmt.Sprint(err)) // but for offsets
			if err == nil {
				require.Equal(t, pair[1], pair[0])
			}
		}
	})
}
