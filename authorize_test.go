package oauth2server_test

import (
	"bytes"
	"context"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// requireNoRedirect checks that an error is shown to the browser and not sent
// to the client.
func requireNoRedirect(t testing.TB, r reply, status int, code string) {
	t.Helper()
	require.Empty(t, r.Header.Get("Location"))
	require.Equal(t, code, r.str("error"), "%d %s", r.StatusCode, r.text)
	require.Equal(t, status, r.StatusCode, r.text)
}

// requireRedirect checks an error that the client is told by redirect.
func requireRedirect(t testing.TB, r reply, code, state string) {
	t.Helper()
	require.Contains(t, []int{http.StatusFound, http.StatusSeeOther}, r.StatusCode, r.text)
	require.True(t, strings.HasPrefix(r.Header.Get("Location"), callback+"?"), r.Header.Get("Location"))
	require.Equal(t, code, r.at("error"), r.Header.Get("Location"))
	require.Equal(t, state, r.at("state"))
	require.Empty(t, r.at("code"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	require.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))
}

func TestAuthorizeNeverRedirectsBeforeTheClientIsProven(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	for _, row := range []struct {
		name   string
		params []string
		status int
		code   string
	}{
		{"no client_id", []string{"client_id", ""}, 400, "invalid_request"},
		{"unknown client", []string{"client_id", "nobody"}, 400, "invalid_client"},
		{"client_id that is no ASCII", []string{"client_id", "wäb"}, 400, "invalid_request"},
		{"client_id that is BSON", []string{"client_id", "", "client_id[$ne]", "x"}, 400, "invalid_request"},
		{"client without redirection URIs", []string{"client_id", "machine"}, 400, "invalid_client"},
		{"several registered, none named", []string{"client_id", "two", "redirect_uri", ""}, 400, "invalid_request"},
		{"foreign host", []string{"redirect_uri", "https://evil.example/cb"}, 400, "invalid_request"},
		{"another client's", []string{"redirect_uri", "https://other.example/cb"}, 400, "invalid_request"},
		{"host as a prefix", []string{"redirect_uri", "https://client.example.evil.example/cb"}, 400,
			"invalid_request"},
		{"longer path", []string{"redirect_uri", callback + "x"}, 400, "invalid_request"},
		{"added query", []string{"redirect_uri", callback + "?x=1"}, 400, "invalid_request"},
		{"fragment", []string{"redirect_uri", callback + "#x"}, 400, "invalid_request"},
		{"port", []string{"redirect_uri", "https://client.example:443/cb"}, 400, "invalid_request"},
		{"capitals", []string{"redirect_uri", strings.ToUpper(callback)}, 400, "invalid_request"},
		{"dots", []string{"redirect_uri", "https://client.example/x/../cb"}, 400, "invalid_request"},
		{"user information", []string{"redirect_uri", "https://evil@client.example/cb"}, 400, "invalid_request"},
		{"relative", []string{"redirect_uri", "/cb"}, 400, "invalid_request"},
		{"without scheme", []string{"redirect_uri", "//client.example/cb"}, 400, "invalid_request"},
		{"javascript", []string{"redirect_uri", "javascript:alert(1)"}, 400, "invalid_request"},
		{"line break", []string{"redirect_uri", callback + "\r\nX: y"}, 400, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			requireNoRedirect(t, s.authorize(row.params...), row.status, row.code)
			requireNoRedirect(t, s.get("/authorize?"+form(authorization(row.params...)...)), row.status, row.code)
			require.Empty(t, model.stored())
		})
	}
	for name, query := range map[string]string{
		"client_id twice":     form(append(authorization(), "client_id", "web")...),
		"redirect_uri twice":  form(append(authorization(), "redirect_uri", callback)...),
		"malformed escape":    "client_id=%zz",
		"too many parameters": strings.Repeat("a=1&", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			requireNoRedirect(t, s.get("/authorize?"+query), 400, "invalid_request")
		})
	}
	t.Run("another client in the body than in the URL", func(t *testing.T) {
		requireNoRedirect(t, s.post("/authorize?client_id=other",
			form(authorization("username", "andy", "password", "andys-password")...)), 400, "invalid_request")
	})
	t.Run("too long", func(t *testing.T) {
		requireNoRedirect(t, s.get("/authorize?a="+strings.Repeat("b", 70000)), 413, "invalid_request")
		requireNoRedirect(t, s.post("/authorize", "a="+strings.Repeat("b", 70000)), 413, "invalid_request")
	})
	t.Run("methods", func(t *testing.T) {
		for _, method := range []string{"OPTIONS", "PUT", "PATCH", "DELETE"} {
			r := s.do(s.request(method, "/authorize?"+form(authorization()...), ""))
			require.Equal(t, 405, r.StatusCode)
			require.Equal(t, "GET, HEAD, POST", r.Header.Get("Allow"))
			require.Empty(t, r.Header.Get("Location"))
		}
	})
	t.Run("the model fails", func(t *testing.T) {
		model.fails["GetClient"] = errors.New("the database is down")
		defer delete(model.fails, "GetClient")
		r := s.authorize()
		requireNoRedirect(t, r, 503, "server_error")
		require.NotContains(t, r.text, "database")
	})
}

func TestAuthorizeRedirectsOtherErrors(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	for _, row := range []struct {
		name   string
		params []string
		code   string
		state  string
	}{
		{"a client that may not", []string{"client_id", "onlypassword"}, "unauthorized_client", "xyz"},
		{"no state", []string{"state", ""}, "invalid_request", ""},
		{"state that is no ASCII", []string{"state", "ä"}, "invalid_request", "ä"},
		{"state with a line break", []string{"state", "a\r\nLocation: x"}, "invalid_request", "a\r\nLocation: x"},
		{"denied", []string{"allowed", "false"}, "access_denied", "xyz"},
		{"no state comes before denied", []string{"allowed", "false", "state", ""}, "invalid_request", ""},
		{"malformed scope", []string{"scope", `"`}, "invalid_scope", "xyz"},
		{"scope beyond the client's", []string{"client_id", "limited", "scope", "write"}, "invalid_scope", "xyz"},
		{"scope comes before response_type", []string{"scope", `"`, "response_type", "nope"}, "invalid_scope", "xyz"},
		{"no response_type", []string{"response_type", ""}, "invalid_request", "xyz"},
		{"unknown response_type", []string{"response_type", "nope"}, "unsupported_response_type", "xyz"},
		{"response_type in capitals", []string{"response_type", "CODE"}, "unsupported_response_type", "xyz"},
		{"two response types", []string{"response_type", "code token"}, "unsupported_response_type", "xyz"},
		{"implicit is off", []string{"response_type", "token"}, "unsupported_response_type", "xyz"},
		{"unknown challenge method", []string{"code_challenge", challenge, "code_challenge_method", "S512"},
			"invalid_request", "xyz"},
		{"plain", []string{"code_challenge", challenge, "code_challenge_method", "plain"}, "invalid_request", "xyz"},
		{"no challenge method means plain", []string{"code_challenge", challenge}, "invalid_request", "xyz"},
		{"a method without a challenge", []string{"code_challenge_method", "S256"}, "invalid_request", "xyz"},
		{"a short challenge", []string{"code_challenge", "short", "code_challenge_method", "S256"},
			"invalid_request", "xyz"},
		{"a long challenge", []string{"code_challenge", strings.Repeat("c", 129),
			"code_challenge_method", "S256"}, "invalid_request", "xyz"},
		{"a challenge that is no ASCII", []string{"code_challenge", strings.Repeat("ä", 43),
			"code_challenge_method", "S256"}, "invalid_request", "xyz"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.code == "unauthorized_client" {
				require.NoError(t, model.AddClient(&oauth2server.Client{ID: "onlypassword",
					RedirectURIs: []string{callback}, Grants: []string{"password"}}, secret))
			}
			model.stored()
			r := s.authorize(row.params...)
			requireRedirect(t, r, row.code, row.state)
			require.Equal(t, http.StatusSeeOther, r.StatusCode, "after a POST")
			require.NotEmpty(t, r.at("error_description"))
			require.Empty(t, model.stored())
		})
	}
	for _, name := range []string{"state", "scope", "response_type", "code_challenge", "code_challenge_method"} {
		t.Run(name+" twice", func(t *testing.T) {
			r := s.post("/authorize",
				form(append(authorization("username", "andy", "password", "andys-password", name, "a"), name, "a")...))
			require.Equal(t, "invalid_request", r.at("error"))
			require.Contains(t, r.at("error_description"), name)
		})
	}
	for _, fails := range []string{"GetUser", "SaveAuthorizationCode"} {
		t.Run(fails+" fails", func(t *testing.T) {
			model.fails[fails] = errors.New("the database is down")
			defer delete(model.fails, fails)
			r := s.authorize()
			requireRedirect(t, r, "server_error", "xyz")
			require.NotContains(t, r.Header.Get("Location"), "database")
		})
	}
	t.Run("an error that cannot be told at this place", func(t *testing.T) {
		model.fails["SaveAuthorizationCode"] = oauth2server.InvalidGrant
		defer delete(model.fails, "SaveAuthorizationCode")
		requireRedirect(t, s.authorize(), "server_error", "xyz")
	})
	t.Run("the registered query stays", func(t *testing.T) {
		r := s.authorize("client_id", "query", "redirect_uri", callback+"?tenant=7", "scope", `"`)
		requireRedirect(t, r, "invalid_scope", "xyz")
		require.Equal(t, "7", r.at("tenant"))
	})
}

func TestAuthorizeGivesACode(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	r := s.authorize()
	require.Equal(t, http.StatusSeeOther, r.StatusCode, r.text)
	require.Len(t, r.at("code"), 43)
	require.Equal(t, "xyz", r.at("state"))
	require.Empty(t, r.at("error"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	require.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))

	r = s.authorize("client_id", "query", "redirect_uri", "")
	require.Equal(t, callback+"?tenant=7&code="+r.at("code")+"&state=xyz", r.Header.Get("Location"))
	require.NotEmpty(t, s.authorize("state", "", "code_challenge", challenge,
		"code_challenge_method", "S256").at("code"),
		"S256 takes the place of state")
	require.NotEmpty(t, s.authorize("client_id", "two", "redirect_uri", callback+"2").at("code"))
	require.NotEmpty(t, s.authorize("allowed", "0").at("code"), "only false denies")
	require.NotEmpty(t, s.authorize("prompt", "none", "resource", "a").at("code"), "unknown parameters are ignored")

	s = newSite(t, model, &oauth2server.Options{AllowEmptyState: true}, nil)
	r = s.authorize("state", "")
	require.NotEmpty(t, r.at("code"))
	require.NotContains(t, r.Header.Get("Location"), "state")
}

func TestSigningInWithoutAPage(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	for name, params := range map[string][]string{
		"wrong password": {"password", "nope"}, "unknown user": {"username", "nobody"}, "no password": {"password", ""},
		"no username": {"username", ""}, "line break": {"username", "a\nb"},
	} {
		t.Run(name, func(t *testing.T) {
			requireNoRedirect(t, s.authorize(params...), 400, "access_denied")
			require.Empty(t, model.stored())
		})
	}
	for _, name := range []string{"username", "password"} {
		r := s.post("/authorize",
			form(append(authorization("username", "andy", "password", "andys-password"), name, "x")...))
		requireNoRedirect(t, r, 400, "invalid_request")
		require.Empty(t, model.stored())
	}
	query := "/authorize?" + form(authorization("username", "andy", "password", "andys-password")...)
	requireNoRedirect(t, s.get(query), 400, "access_denied")
	requireNoRedirect(t, s.post(query, "a=b"), 400, "access_denied")
	requireNoRedirect(t, s.get("/authorize?"+form(authorization()...)), 400, "access_denied")
	r := s.post("/authorize?"+form(authorization()...),
		form("username", "andy", "password", "andys-password", "state", "xyz"))
	require.NotEmpty(t, r.at("code"), "the request in the URL, the credentials in the body, and what is in both once")

	model.fails["GetUser"] = &oauth2server.Error{Code: oauth2server.AccessDenied, Description: "the account is locked"}
	r = s.authorize()
	requireNoRedirect(t, r, 400, "access_denied")
	require.Contains(t, r.text, "locked")
}

func TestAuthenticateUser(t *testing.T) {
	var user *oauth2server.User
	var failure error
	options := &oauth2server.Options{AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
		return user, failure
	}}
	s := newSite(t, newSpy(t), options, nil)
	get := func(params ...string) reply {
		t.Helper()
		return s.get("/authorize?" + form(authorization(params...)...))
	}

	requireNoRedirect(t, get(), 400, "access_denied")
	user = &oauth2server.User{}
	requireNoRedirect(t, get(), 400, "access_denied")
	user = &oauth2server.User{ID: "u1"}
	r := get()
	require.Equal(t, http.StatusFound, r.StatusCode)
	require.NotEmpty(t, r.at("code"))
	requireRedirect(t, get("allowed", "false"), "access_denied", "xyz")

	failure = oauth2server.ErrNotFound
	requireNoRedirect(t, get(), 400, "access_denied")
	failure = errors.New("the session store is down")
	requireRedirect(t, get(), "server_error", "xyz")
	failure = &oauth2server.Error{Code: oauth2server.AccessDenied, Status: 403, Description: "blocked"}
	requireNoRedirect(t, get(), 403, "access_denied")
	failure = oauth2server.InvalidToken
	r = get()
	requireNoRedirect(t, r, 401, "invalid_token")
	require.Contains(t, r.Header.Get("WWW-Authenticate"), "Bearer")
}

func TestPublicClientsNeedAPage(t *testing.T) {
	model := newSpy(t)
	options := &oauth2server.Options{AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
		return &oauth2server.User{ID: "u1"}, nil
	}}
	query := "/authorize?" + form(authorization("client_id", "app", "redirect_uri", "com.example.app:/cb",
		"code_challenge", challenge, "code_challenge_method", "S256")...)
	r := newSite(t, model, options, nil).get(query)
	require.Equal(t, "access_denied", r.at("error"), r.text)
	require.True(t, strings.HasPrefix(r.Header.Get("Location"), "com.example.app:/cb?"))
	require.Empty(t, model.stored())

	options.InsecureApprovePublicClients = true
	s := newSite(t, model, options, nil)
	require.NotEmpty(t, s.get(query).at("code"))
	r = s.get("/authorize?" + form(authorization("client_id", "app", "redirect_uri", "com.example.app:/cb")...))
	require.Equal(t, "invalid_request", r.at("error"), "without PKCE: %s", r.text)
}

func TestCrossOriginPostsAreRefused(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	body := form(authorization("username", "andy", "password", "andys-password")...)
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"}, {"Origin", "null"},
		{"Origin", "https://evil.example", "Sec-Fetch-Site", "same-site"},
		{"Origin", "https://auth.example:443"}, {"Origin", "//"},
	} {
		requireNoRedirect(t, s.post("/authorize", body, headers...), 403, "access_denied")
		require.Empty(t, model.stored())
	}
	require.NotEmpty(t, s.post("/authorize", body, "Sec-Fetch-Site", "same-origin").at("code"))
	require.NotEmpty(t, s.post("/authorize", body, "Sec-Fetch-Site", "same-origin", "Origin", "null").at("code"))
	require.NotEmpty(t, s.post("/authorize", body, "Origin", s.URL).at("code"))
	r := s.get("/authorize?"+form(authorization()...), "Sec-Fetch-Site", "cross-site")
	requireNoRedirect(t, r, 400, "access_denied") // not signed in: a flow begins with a link from the client
}

// A proxy may write the default port into Host, which Origin leaves out.
func TestTheDefaultPortIsNoOtherOrigin(t *testing.T) {
	s := newSite(t, newSpy(t), nil, nil)
	for _, row := range []struct {
		host, origin string
		same         bool
	}{
		{"auth.example:443", "https://auth.example", true}, {"auth.example:80", "http://auth.example", true},
		{"auth.example:80", "https://auth.example", false}, {"auth.example:443", "http://auth.example", false},
		{"auth.example:8443", "https://auth.example", false}, {"auth.example:443", "https://evil.example", false},
		{"auth.example:443", "null", false}, {"auth.example:443", "https://auth.example:443.evil.example", false},
	} {
		r := s.request("POST", "/authorize",
			form(authorization("username", "andy", "password", "andys-password")...), "Origin", row.origin)
		r.Host = row.host
		require.Equal(t, row.same, s.do(r).at("code") != "", "%v", row)
	}
}

// The sign-in page may be on a sibling host. The issuer's own origin needs no
// naming, though a proxy may have changed Host.
func TestTrustedOrigins(t *testing.T) {
	const login = "https://login.example.com"
	s := newSite(t, newSpy(t), &oauth2server.Options{TrustedOrigins: []string{login},
		Issuer: "https://auth.example.com/oauth"}, nil)
	body := form(authorization("username", "andy", "password", "andys-password")...)
	for _, origin := range []string{login, "https://auth.example.com"} {
		require.NotEmpty(t, s.post("/authorize", body, "Origin", origin).at("code"))
		require.NotEmpty(t, s.post("/authorize", body, "Origin", origin, "Sec-Fetch-Site", "same-site").at("code"))
	}
	for _, origin := range []string{"https://login.example.com.evil.example",
		"http://login.example.com", "https://login.example.com:8443", "null"} {
		requireNoRedirect(t, s.post("/authorize", body, "Origin", origin, "Sec-Fetch-Site", "same-site"),
			403, "access_denied")
	}
	for _, wrong := range []string{"", "login.example.com", "https://login.example.com/",
		"https://*.example.com", "null", "https://login.example:0443", "http://login.example:080",
		"https://[0:0:0:0:0:0:0:1]", "https://[2001:DB8::01]", "https://[::ffff:127.0.0.1]"} {
		_, err := oauth2server.New(newSpy(t), &oauth2server.Options{TrustedOrigins: []string{wrong}})
		require.ErrorContains(t, err, "TrustedOrigins", "%q", wrong)
	}
}

// A program may write an origin in any case and with the default port. Browsers
// write it in lower case and without.
func TestOriginsAsProgramsWriteThem(t *testing.T) {
	body := form(authorization("username", "andy", "password", "andys-password")...)
	for _, written := range []string{"https://login.example.com", "https://Login.Example.COM",
		"HTTPS://login.example.com",
		"https://login.example.com:443"} {
		for name, options := range map[string]*oauth2server.Options{
			"TrustedOrigins": {TrustedOrigins: []string{written}},
			"Issuer":         {Issuer: written},
		} {
			s := newSite(t, newSpy(t), options, nil)
			require.NotEmpty(t, s.post("/authorize", body, "Origin", "https://login.example.com").at("code"),
				"%s %s", name, written)
			for _, other := range []string{"http://login.example.com", "https://login.example.com:444",
				"https://login.example.co"} {
				requireNoRedirect(t, s.post("/authorize", body, "Origin", other), 403, "access_denied")
			}
		}
	}
	plain := newSite(t, newSpy(t), &oauth2server.Options{TrustedOrigins: []string{"http://Login.example.com:80"}}, nil)
	require.NotEmpty(t, plain.post("/authorize", body, "Origin", "http://login.example.com").at("code"))
	for _, issuer := range []string{"https://as..example", "https://1.2.3", "https://-as.example",
		"https://as.example:", "https://%D0%B0s.example"} {
		_, err := oauth2server.New(newSpy(t), &oauth2server.Options{Issuer: issuer})
		require.ErrorContains(t, err, "Issuer", issuer)
	}
}

// Link checkers and previews send HEAD. They see what GET would begin with, and
// get no code.
func TestHeadAsksNobody(t *testing.T) {
	model := newSpy(t)
	asked := 0
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		oauth2server.AuthorizationRequestFromContext(r.Context()).Approve(w, r,
			oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
	})
	options := &oauth2server.Options{AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
		return &oauth2server.User{ID: "u1"}, nil
	}}
	for _, page := range []http.Handler{page, nil} {
		s := newSite(t, model, options, page)
		head := func(params ...string) reply {
			return s.do(s.request("HEAD", "/authorize?"+form(authorization(params...)...), ""))
		}
		r := head()
		require.Equal(t, 200, r.StatusCode)
		require.Equal(t, "DENY", r.Header.Get("X-Frame-Options"))
		requireRedirect(t, head("scope", `"`), "invalid_scope", "xyz")
		require.Equal(t, 400, head("client_id", "nobody").StatusCode)
		require.Empty(t, model.stored())
	}
	require.Zero(t, asked)
}

func TestResponseMode(t *testing.T) {
	s := newSite(t, newSpy(t), &oauth2server.Options{Grants: allGrants}, nil)
	for _, row := range []struct{ responseType, mode, answer string }{
		{"code", "", "?"}, {"code", "query", "?"}, {"code", "fragment", "#"},
		{"token", "", "#"}, {"token", "fragment", "#"},
	} {
		r := s.authorize("response_type", row.responseType, "response_mode", row.mode)
		require.True(t, strings.HasPrefix(r.Header.Get("Location"), callback+row.answer), "%v: %s", row,
			r.Header.Get("Location"))
		require.Empty(t, r.at("error"))
		r = s.authorize("response_type", row.responseType, "response_mode", row.mode, "scope", `"`)
		require.True(t, strings.HasPrefix(r.Header.Get("Location"), callback+row.answer+"error="),
			"%v: %s", row, r.Header.Get("Location"))
	}
	for _, row := range []struct{ responseType, mode string }{
		{"code", "form_post"}, {"code", "web_message"}, {"code", "Query"}, {"token", "query"}, {"token", "form_post"},
	} {
		r := s.authorize("response_type", row.responseType, "response_mode", row.mode)
		require.Equal(t, "invalid_request", r.at("error"), row)
		require.Contains(t, r.at("error_description"), "response_mode")
		require.Equal(t, row.responseType == "token", strings.Contains(r.Header.Get("Location"), "#"), "%v", row)
	}
	requireRedirect(t, s.get("/authorize?"+form(authorization("response_mode", "query")...)+
		"&response_mode=fragment"), "invalid_request", "xyz")
}

// A script cannot see where a redirect goes, and browsers do not follow an
// app's scheme by themselves.
func TestTheWayBackIsAlsoAValue(t *testing.T) {
	s := newSite(t, newSpy(t), nil, nil)
	body := form(authorization("username", "andy", "password", "andys-password")...)
	for _, wrong := range []string{"", "&scope=%22"} {
		r := s.post("/authorize", body+wrong, "Accept", "application/json, */*;q=0.1")
		require.Equal(t, 200, r.StatusCode, r.text)
		require.Empty(t, r.Header.Get("Location"))
		require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
		require.True(t, strings.HasPrefix(r.str("location"), callback+"?"), r.text)
		require.Contains(t, r.str("location"), "state=xyz")
		require.Len(t, r.body, 1)
	}
	for _, accept := range []string{"", "*/*", "text/html,application/json",
		"text/html,application/xhtml+xml,*/*;q=0.8"} {
		r := s.post("/authorize", body, "Accept", accept)
		require.Equal(t, 303, r.StatusCode)
		require.Equal(t, `<a href="`+html.EscapeString(r.Header.Get("Location"))+"\">Continue</a>\n", r.text)
		require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
		require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
	}
}

func TestErrorPage(t *testing.T) {
	hostile := `"><script>alert(1)</script>`
	options, model := &oauth2server.Options{}, newSpy(t)
	s := newSite(t, model, options, nil)
	require.NotContains(t, s.get("/authorize?"+form("client_id", hostile, "redirect_uri", hostile),
		"Accept", "text/html").text, "<script>")
	model.fails["GetClient"] = &oauth2server.Error{Code: oauth2server.InvalidClient, Description: "no " + hostile}
	r := s.get("/authorize?"+form("client_id", hostile), "Accept", "text/html,*/*")
	require.Equal(t, 400, r.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
	require.Contains(t, r.text, "invalid_client")
	require.Contains(t, r.text, "&lt;script&gt;")
	require.NotContains(t, r.text, "<script>")
	require.Equal(t, "frame-ancestors 'none'", r.Header.Get("Content-Security-Policy"))
	require.Equal(t, "DENY", r.Header.Get("X-Frame-Options"))
	require.Equal(t, "same-origin", r.Header.Get("Referrer-Policy"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))

	require.Contains(t, r.text, "made a mistake")
	model.fails["GetClient"] = oauth2server.ErrorCode("<script>")
	r = s.get("/authorize?"+form("client_id", hostile), "Accept", "text/html,*/*")
	require.Contains(t, r.text, "<code>&lt;script&gt;</code>", "a code of the model's own")
	require.NotContains(t, r.text, "<script>")
	delete(model.fails, "GetClient")
	r = s.get("/authorize?"+form(authorization()...), "Accept", "text/html")
	require.Contains(t, r.text, "Go back and try again.",
		"it is not the application's mistake that nobody is signed in")
	require.Contains(t, r.text, "access_denied")
	r = s.post("/authorize", form(authorization()...), "Accept", "text/html", "Origin", "https://evil.example")
	require.Contains(t, r.text, "came from another site")

	var reference string
	options.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err *oauth2server.Error) {
		reference = err.Reference
		w.WriteHeader(err.Status)
		w.Write([]byte("own page: " + err.Error()))
	}
	s = newSite(t, model, options, nil)
	r = s.get("/authorize?client_id=nobody")
	require.Equal(t, "own page: invalid_client: Invalid client: `client_id` names no client that is known here", r.text)
	require.Equal(t, 400, r.StatusCode)
	require.Regexp(t, "^[A-Z2-7]{8}$", reference)
	model.fails["GetClient"] = errors.New("the database is down")
	r = s.get("/authorize?client_id=web")
	require.NotContains(t, r.text, "database", "the cause is for the log")
	require.Equal(t, 503, r.StatusCode)
}

// People quote the reference, and the log shows it beside the cause.
func TestErrorPagesHaveAReference(t *testing.T) {
	var log bytes.Buffer
	s := newSite(t, newSpy(t), &oauth2server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
	seen := map[string]bool{}
	for range 3 {
		log.Reset()
		r := s.get("/authorize?client_id=nobody", "Accept", "text/html")
		found := regexp.MustCompile("Reference: <code>([A-Z2-7]{8})</code>").FindStringSubmatch(r.text)
		require.NotNil(t, found, r.text)
		require.Contains(t, log.String(), "reference="+found[1])
		seen[found[1]] = true
	}
	require.Len(t, seen, 3)
	log.Reset()
	s.authorize("scope", `"`)
	require.NotContains(t, log.String(), "reference", "a redirect shows no reference")
}

func TestAuthorizeThatCannotWorkSaysSo(t *testing.T) {
	srv, err := oauth2server.New(newSpy(t), &oauth2server.Options{Grants: []string{"client_credentials"}})
	require.NoError(t, err)
	requirePanic(t, "Authorize", func() { srv.Authorize(nil) })
	requirePanic(t, "neither authorization_code nor implicit is enabled", func() {
		srv.Authorize(http.NotFoundHandler())
	})
	requirePanic(t, "Metadata", func() { srv.Metadata() })
	requirePanic(t, "Options.Issuer and Options.Endpoints", func() { srv.Metadata() })

	srv, err = oauth2server.New(struct {
		oauth2server.Model
		oauth2server.AuthorizationCodeModel
		unwrapped
	}{Model: newSpy(t), AuthorizationCodeModel: newSpy(t)}, nil)
	require.NoError(t, err)
	requirePanic(t, "nobody can sign in", func() { srv.Authorize(nil) })
	requirePanic(t, "the model has no GetAccessToken", func() { srv.Authenticate() })
	srv.Authorize(http.NotFoundHandler())
}

func TestImplicitGrant(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	r := s.authorize("response_type", "token", "scope", "read")
	require.Equal(t, http.StatusSeeOther, r.StatusCode, r.text)
	location, err := url.Parse(r.Header.Get("Location"))
	require.NoError(t, err)
	require.Empty(t, location.RawQuery)
	answer, err := url.ParseQuery(location.Fragment)
	require.NoError(t, err)
	require.Equal(t, "Bearer", answer.Get("token_type"))
	require.Equal(t, "3600", answer.Get("expires_in"))
	require.Equal(t, "read", answer.Get("scope"))
	require.Equal(t, "xyz", answer.Get("state"))
	require.NotContains(t, answer, "refresh_token")
	require.NotContains(t, answer, "code")
	require.Equal(t, 200, s.apiStatus(answer.Get("access_token")))

	r = s.authorize("response_type", "token", "client_id", "query", "redirect_uri", "", "scope", `"`)
	require.True(t, strings.HasPrefix(r.Header.Get("Location"), callback+"?tenant=7#error=invalid_scope"),
		r.Header.Get("Location"))
	r = s.authorize("response_type", "token", "state", "", "code_challenge", challenge, "code_challenge_method", "S256")
	require.Equal(t, "invalid_request", r.at("error"), "S256 protects no token: state is needed")
	model.fails["SaveToken"] = errors.New("down")
	require.Contains(t, s.authorize("response_type", "token").Header.Get("Location"), "#error=server_error")

	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "codes",
		RedirectURIs: []string{callback}, Grants: []string{"authorization_code"}}, secret))
	require.Equal(t, "unauthorized_client", s.authorize("client_id", "codes", "response_type", "token").at("error"))
	query := "/authorize?" +
		form(authorization("client_id", "app", "redirect_uri", "com.example.app:/cb", "response_type", "token")...)
	for _, public := range [][]string{nil, {"implicit"}, {}, {"authorization_code"}} {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants, PublicClientGrants: public,
			InsecureApprovePublicClients: true,
			AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
				return &oauth2server.User{ID: "u1"}, nil
			}}, nil)
		delete(model.fails, "SaveToken")
		r := s.get(query)
		may := public == nil || len(public) > 0 && public[0] == "implicit"
		require.Equal(t, may, r.at("access_token") != "", "%v: %s", public, r.Header.Get("Location"))
		require.Equal(t, !may, r.at("error") == "unauthorized_client")
	}
	s = newSite(t, model, &oauth2server.Options{Grants: []string{"implicit"}}, nil)
	require.Equal(t, "unsupported_response_type", s.authorize().at("error"))
}

// ending is a model that revokes each grant just before it begins, as a
// revocation of all the user's grants would.
type ending struct{ target }

func (m ending) Unwrap() oauth2server.Model { return m.target }

func (m ending) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if _, err := m.target.AppendGrant(ctx,
		&oauth2server.GrantEntry{GrantID: e.GrantID, Seq: e.Seq, Kind: "revoked", ExpiresAt: e.ExpiresAt}); err != nil {
		return nil, err
	}
	return m.target.AppendGrant(ctx, e)
}

func TestAnImplicitGrantThatIsRevokedAtOnce(t *testing.T) {
	var a audit
	s := newSite(t, ending{newMemory(t)}, &oauth2server.Options{Grants: allGrants, OnEvent: a.note}, nil)
	r := s.authorize("response_type", "token")
	require.Contains(t, r.Header.Get("Location"),
		"#error=access_denied&error_description=Access+denied%3A+the+grant+was+revoked")
	require.Equal(t, "grant_revoked", a.take(t).Reason)
}

func TestABodyThatIsNoFormAtAuthorize(t *testing.T) {
	s := newSite(t, newMemory(t), nil, nil)
	body := form(authorization("username", "andy", "password", "andys-password")...)
	for _, contentType := range []string{"application/json", "multipart/mixed; boundary=x", "application/xml", "",
		"application/x-www-form-urlencoded; charset=utf-8; charset=latin1"} {
		r := s.request("POST", "/authorize", body)
		r.Header.Set("Content-Type", contentType)
		answer := s.do(r)
		requireNoRedirect(t, answer, 400, "invalid_request")
		require.Contains(t, answer.text, "content", contentType)
	}
	missing := s.post("/authorize", "response_type=code")
	require.Contains(t, missing.text, "client_id")
	missing = s.do(s.request("POST", "/authorize", ""))
	require.Contains(t, missing.text, "client_id")
}
