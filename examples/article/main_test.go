package main

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

// The article's steps in a browser: its address, its form, and the token at the end.
func TestTheAddressOfTheArticle(t *testing.T) {
	onEach(t, func(s site) {
		b := s.browser()
		// As it is there, for this port: the page is at localhost, the client at 127.0.0.1.
		address := strings.ReplaceAll("http://localhost:7001/authorize?response_type=code&client_id=123456&state=xyz&redirect_uri=http://127.0.0.1:7001/",
			":7001", strings.TrimPrefix(s.base, "http://127.0.0.1"))
		b.get(address)
		require.Equal(t, strings.Replace(address, "localhost", "127.0.0.1", 1), b.shown.Header.Get("Location"))
		page := b.follow()
		require.Equal(t, 200, page.StatusCode)
		for _, want := range []string{
			`<form action="/user/authorize?response_type=code&amp;client_id=123456&amp;state=xyz&amp;redirect_uri=` + s.base + `/" method="post">`,
			`<div class="form-group">`,
			`<label for="username">`, `<input type="text" class="form-control" id="username" name="username"`,
			`<label for="password">`, `<input type="password" class="form-control" id="password" name="password"`,
			`<button type="submit" class="btn btn-primary">`,
		} {
			require.Contains(t, page.text, want)
		}
		b.signIn("andy", "123456")
		require.Equal(t, 303, b.shown.StatusCode)
		require.Regexp(t, "^"+regexp.QuoteMeta(s.base)+`/\?code=[\w-]{43}&state=xyz$`, b.shown.Header.Get("Location"))
		answer := b.follow()
		require.Equal(t, 200, answer.StatusCode)
		require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
		require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
		require.Equal(t, "no-referrer", answer.Header.Get("Referrer-Policy"), "the address has a code")
		access, refresh := tokenOf(t, answer.text)

		next, _ := tokenOf(t, s.token("grant_type", "refresh_token", "refresh_token", refresh).text)
		require.NotEqual(t, access, next)
		require.Equal(t, 200, s.authenticate(next).StatusCode)
	})
}

// What /user/authenticate answers has the members of the article, in their order.
func TestAuthenticate(t *testing.T) {
	onEach(t, func(s site) {
		for _, c := range []struct{ asked, scope string }{{"", ""}, {"read write", "read write"}} {
			b := s.browser()
			b.send("POST", s.address("/user/authorize", "scope", c.asked), url.Values{"username": {"andy"}, "password": {"123456"}})
			location, err := b.shown.Location()
			require.NoError(t, err)
			_, issued := document(t, s.exchange(location.Query().Get("code")).text)
			access := issued["access_token"].(string)

			answer := s.authenticate(access)
			require.Equal(t, 200, answer.StatusCode)
			require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
			require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
			inner, ok := strings.CutPrefix(answer.text, `{"token":`)
			require.True(t, ok, answer.text)
			inner = strings.TrimSuffix(inner, "}\n")
			names, members := document(t, inner)
			require.Equal(t, []string{"accessToken", "accessTokenExpiresAt", "scope", "client", "user"}, names)
			expiresAt, err := time.Parse("2006-01-02T15:04:05.000Z", members["accessTokenExpiresAt"].(string))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(time.Hour), expiresAt, time.Minute)
			delete(members, "accessTokenExpiresAt")
			require.Equal(t, map[string]any{"accessToken": access, "scope": c.scope,
				"client": map[string]any{"id": "123456"}, "user": map[string]any{"id": "1"}}, members)
		}
	})
}

func TestAuthenticateRefuses(t *testing.T) {
	s := start(t)
	for _, c := range []struct{ name, header, challenge, body string }{
		{"no token", "", `Bearer realm="Service"`, "Unauthorized\n"},
		{"an unknown token", "Bearer unknown", `Bearer realm="Service", error="invalid_token", error_description="Invalid token: access token is invalid"`,
			`{"error":"invalid_token","error_description":"Invalid token: access token is invalid"}`},
		{"another scheme", "Basic MTIzNDU2OnF3ZXJ0eQ==", `Bearer realm="Service"`, "Unauthorized\n"},
	} {
		answer := s.browser().send("GET", "/user/authenticate", nil, "Authorization", c.header)
		require.Equal(t, 401, answer.StatusCode, c.name)
		require.Equal(t, c.challenge, answer.Header.Get("WWW-Authenticate"), c.name)
		require.Equal(t, c.body, answer.text, c.name)
	}
}

// The demo client begins at / with a state of its own, in a cookie.
func TestTheDemoClient(t *testing.T) {
	onEach(t, func(s site) {
		b := s.browser()
		b.get("/")
		require.Equal(t, 303, b.shown.StatusCode)
		location, err := b.shown.Location()
		require.NoError(t, err)
		state := location.Query().Get("state")
		require.Regexp(t, `^[A-Z2-7]{26}$`, state)
		require.Equal(t, s.address("/authorize", "state", state), location.String())
		cookie := b.shown.Cookies()[0]
		require.True(t, cookie.HttpOnly)
		require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
		b.follow()
		b.signIn("andy", "123456")
		b.follow()
		tokenOf(t, b.shown.text)
		require.Negative(t, b.shown.Cookies()[0].MaxAge, "a state is good once")

		b.get("/")
		other, err := b.shown.Location()
		require.NoError(t, err)
		require.NotEqual(t, state, other.Query().Get("state"))
	})
}

// An answer that this browser did not ask for is not used: the code is still good.
func TestSomebodyElsesCode(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		name  string
		state string // sent by who began at /; empty: the browser did not
		site  string // Sec-Fetch-Site
		used  bool
	}{
		{"another state", "other", "", false},
		{"another state, from the form here", "other", "same-origin", false},
		{"no state", "none", "", false},
		{"a link elsewhere", "", "cross-site", false},
		{"a link on a sibling host", "", "same-site", false},
		{"a link in a mail", "", "none", false},
		{"by hand, from the form here", "", "same-origin", true},
		{"by hand, without a browser", "", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := s.browser()
			if c.state != "" {
				b.get("/")
			}
			query := url.Values{"code": {s.code()}, "state": {c.state}}
			if c.state == "none" {
				query.Del("state")
			}
			b.send("GET", "/?"+query.Encode(), nil, "Sec-Fetch-Site", c.site)
			if c.used {
				tokenOf(t, b.shown.text)
				return
			}
			require.Equal(t, 400, b.shown.StatusCode)
			require.Equal(t, "This browser did not ask for that code. Begin at "+s.base+"/\n", b.shown.text)
			tokenOf(t, s.exchange(query.Get("code")).text)
		})
	}
}

func TestErrorsForTheDemoClient(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.get(s.address("/authorize", "state", ""))
	require.Equal(t, 302, b.shown.StatusCode)
	b.follow()
	require.Equal(t, 400, b.shown.StatusCode)
	require.Equal(t, "There is no code: \"invalid_request\", \"Missing parameter: `state`\". Begin again at "+s.base+"/\n", b.shown.text)

	b.get("/?error=%3Cscript%3E&error_description=%E2%80%AEabc%0A")
	require.Equal(t, `There is no code: "<script>", "\u202eabc\n". Begin again at `+s.base+"/\n", b.shown.text)
	require.Equal(t, "text/plain; charset=utf-8", b.shown.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", b.shown.Header.Get("X-Content-Type-Options"))

	b.get("/?code=unknown&state=xyz")
	require.Equal(t, 400, b.shown.StatusCode)
	require.JSONEq(t, `{"error":"invalid_grant","error_description":"Invalid grant: authorization code is invalid"}`, b.shown.text)
}

// Of a code that is used twice nothing is left: two have it (RFC 6749, section 4.1.2).
func TestACodeIsGoodOnce(t *testing.T) {
	onEach(t, func(s site) {
		code := s.code()
		access, refresh := tokenOf(t, s.exchange(code).text)
		require.Equal(t, 200, s.authenticate(access).StatusCode)
		again := s.browser().get("/?state=xyz&code=" + code)
		require.Equal(t, 400, again.StatusCode)
		require.JSONEq(t, `{"error":"invalid_grant","error_description":"Invalid grant: authorization code is invalid"}`, again.text)
		require.Equal(t, 401, s.authenticate(access).StatusCode)
		require.Contains(t, s.token("grant_type", "refresh_token", "refresh_token", refresh).text, `"invalid_grant"`)
	})
}

func TestTokenRefuses(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		name   string
		form   []string
		status int
		code   string
	}{
		{"a wrong secret", []string{"grant_type", "client_credentials", "client_secret", "wrong"}, 400, "invalid_client"},
		{"an unknown client", []string{"grant_type", "client_credentials", "client_id", "nobody"}, 400, "invalid_client"},
		{"a wrong password", []string{"grant_type", "password", "username", "andy", "password", "wrong"}, 400, "invalid_grant"},
		{"another redirect_uri", []string{"grant_type", "authorization_code", "code", s.code(), "redirect_uri", s.base + "/other"}, 400, "invalid_grant"},
		{"no redirect_uri", []string{"grant_type", "authorization_code", "code", s.code()}, 400, "invalid_grant"},
		{"an unknown refresh token", []string{"grant_type", "refresh_token", "refresh_token", "unknown"}, 400, "invalid_grant"},
		{"a grant that is off", []string{"grant_type", "implicit"}, 400, "unsupported_grant_type"},
		{"a scope beyond the client's", []string{"grant_type", "client_credentials", "scope", "admin"}, 400, "invalid_scope"},
	} {
		answer := s.token(c.form...)
		require.Equal(t, c.status, answer.StatusCode, c.name)
		names, members := document(t, answer.text)
		require.Equal(t, []string{"error", "error_description"}, names, c.name)
		require.Equal(t, c.code, members["error"], c.name)
	}
}

// Requests that cannot be told to the client end at a page with a way back, and no
// password is asked for.
func TestAuthorizeRefuses(t *testing.T) {
	s := start(t)
	andy := url.Values{"username": {"andy"}, "password": {"123456"}}
	for _, c := range []struct {
		name    string
		pairs   []string
		trouble string
	}{
		{"an unknown client", []string{"client_id", "nobody"}, "names no client"},
		{"a foreign redirect_uri", []string{"redirect_uri", "https://evil.example/"}, "is not one that is registered"},
		{"another path", []string{"redirect_uri", s.base + "/callback"}, "is not one that is registered"},
	} {
		for method, path := range map[string]string{"GET": "/authorize", "POST": "/user/authorize"} {
			answer := s.browser().send(method, s.address(path, c.pairs...), andy)
			require.Equal(t, 400, answer.StatusCode, c.name)
			require.Empty(t, answer.Header.Get("Location"), c.name)
			require.Contains(t, answer.text, c.trouble, c.name)
			require.Contains(t, answer.text, `<a href="/">Begin again</a>`, c.name)
			require.Regexp(t, `Reference: <code>\w{8}</code>`, answer.text, c.name)
			require.NotContains(t, answer.text, "<form", c.name)
		}
	}
	for _, c := range []struct{ name, parameter, value, want string }{
		{"no state", "state", "", "error=invalid_request"},
		{"no response_type", "response_type", "", "error=invalid_request"},
		{"the implicit grant", "response_type", "token", "error=unsupported_response_type"},
		{"a scope beyond the client's", "scope", "admin", "error=invalid_scope"},
	} {
		for method, path := range map[string]string{"GET": "/authorize", "POST": "/user/authorize"} {
			answer := s.browser().send(method, s.address(path, c.parameter, c.value), andy)
			require.True(t, strings.HasPrefix(answer.Header.Get("Location"), s.base+"/?"+c.want), "%s: %v", c.name, answer.Header)
		}
	}
}

// A form that another site sends neither signs in nor shows whether the password is
// right.
func TestAForeignForm(t *testing.T) {
	s := start(t)
	andy := url.Values{"username": {"andy"}, "password": {"123456"}}
	for _, header := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
	} {
		answer := s.browser().send("POST", s.address("/user/authorize"), andy, header...)
		require.Equal(t, 403, answer.StatusCode, header)
		require.Empty(t, answer.Header.Get("Location"), header)
		require.Contains(t, answer.text, "the form came from another origin", header)
		require.NotContains(t, answer.text, "<form", header)
	}
	require.Equal(t, 303, s.browser().send("POST", s.address("/user/authorize"), andy, "Origin", s.base, "Sec-Fetch-Site", "same-origin").StatusCode)
}

func TestAWrongPassword(t *testing.T) {
	onEach(t, func(s site) {
		b := s.browser()
		b.get("/")
		b.follow()
		form := formTag.FindString(b.shown.text)
		require.NotContains(t, b.shown.text, "wrong")
		for _, c := range [][2]string{{`an"dy<script>`, "not-it"}, {"andy", ""}, {"", "123456"}} {
			b.signIn(c[0], c[1])
			require.Equal(t, 400, b.shown.StatusCode)
			require.Contains(t, b.shown.text, `role="alert" id="trouble">The username or the password is wrong. Here they are andy and 123456.</div>`)
			require.Contains(t, b.shown.text, form, "it asks once more for the same client")
		}
		b.signIn(`an"dy<script>`, "not-it")
		require.Contains(t, b.shown.text, `value="an&#34;dy&lt;script&gt;"`, "the name is kept")
		require.NotContains(t, b.shown.text, "not-it", "the password is not")
		b.signIn("andy", "123456")
		b.follow()
		tokenOf(t, b.shown.text)
	})
}

// A link to /user/authorize has no password in it: the form asks for one.
func TestALinkToAuthorize(t *testing.T) {
	b := start(t).browser()
	b.get(b.address("/user/authorize"))
	require.Equal(t, 400, b.shown.StatusCode)
	require.NotContains(t, b.shown.text, "wrong")
	b.signIn("andy", "123456")
	b.follow()
	tokenOf(t, b.shown.text)
}

func TestGuessingIsLimited(t *testing.T) {
	b := start(t).browser()
	for range 10 {
		b.get(b.address("/authorize"))
		b.signIn("andy", "guess")
		require.Equal(t, 400, b.shown.StatusCode)
	}
	b.get(b.address("/authorize"))
	b.signIn("andy", "123456")
	require.Equal(t, 429, b.shown.StatusCode)
	require.Contains(t, b.shown.text, "Too many failed attempts.")
	require.NotEmpty(t, b.shown.Header.Get("Retry-After"))
}

// What the client writes into its request is text on the page, and nothing of it gets
// out of the form's address.
func TestThePageEscapes(t *testing.T) {
	b := start(t).browser()
	b.get(b.address("/authorize", "state", `"><script>'&`, "x", "\u202e<b>"))
	require.Equal(t, 200, b.shown.StatusCode)
	require.NotContains(t, b.shown.text, "<script")
	require.NotContains(t, b.shown.text, "<b>")
	require.Contains(t, b.shown.text, "<bdi>123456</bdi>")
	b.signIn("andy", "123456")
	location, err := b.shown.Location()
	require.NoError(t, err)
	require.Equal(t, `"><script>'&`, location.Query().Get("state"))
}

func TestThePagesAreProtected(t *testing.T) {
	s := start(t)
	nonces := map[string]bool{}
	for _, address := range []string{s.address("/authorize"), s.address("/authorize", "client_id", "nobody"), s.address("/user/authorize")} {
		answer := s.browser().get(address)
		nonce := regexp.MustCompile(`<style nonce="(\w{26})">`).FindStringSubmatch(answer.text)
		require.NotNil(t, nonce, answer.text)
		require.False(t, nonces[nonce[1]])
		nonces[nonce[1]] = true
		for name, want := range map[string]string{
			"Content-Type":            "text/html; charset=utf-8",
			"Content-Security-Policy": "default-src 'none'; style-src 'nonce-" + nonce[1] + "'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
			"X-Frame-Options":         "DENY",
			"X-Content-Type-Options":  "nosniff",
			"Cache-Control":           "no-store",
			"Referrer-Policy":         "same-origin", // with no-referrer the form would come from nowhere
		} {
			require.Equal(t, want, answer.Header.Get(name), "%s of %s", name, address)
		}
	}
}

func TestMethods(t *testing.T) {
	s := start(t)
	access, _ := tokenOf(t, s.exchange(s.code()).text)
	code := s.code()
	for _, c := range []struct {
		method, address string
		status          int
		allow           string
	}{
		{"HEAD", s.address("/authorize"), 200, ""},
		{"HEAD", s.address("/user/authorize"), 200, ""},
		{"HEAD", s.address("/authorize", "client_id", "nobody"), 400, ""},
		{"HEAD", "/?state=xyz&code=" + code, 200, ""},
		{"HEAD", "/user/token", 405, "POST"},
		{"GET", "/user/token", 405, "POST"},
		{"HEAD", "/user/authenticate", 200, ""},
		{"POST", "/user/authenticate", 200, ""},
		{"POST", s.address("/authorize"), 405, "GET, HEAD"},
		{"PUT", s.address("/user/authorize"), 405, "GET, HEAD, POST"},
		{"POST", "/", 405, "GET, HEAD"},
		{"GET", "/user", 404, ""},
	} {
		answer := s.browser().send(c.method, c.address, nil, "Authorization", "Bearer "+access)
		require.Equal(t, c.status, answer.StatusCode, "%s %s", c.method, c.address)
		require.Equal(t, c.allow, answer.Header.Get("Allow"), "%s %s", c.method, c.address)
		require.Empty(t, answer.Cookies(), "%s %s", c.method, c.address)
	}
	tokenOf(t, s.exchange(code).text) // which HEAD did not spend
}

// Starting again on the same database registers nothing twice, and tokens live on, at
// another port too.
func TestARestart(t *testing.T) {
	uri := mongotest.DatabaseURI(t)
	var access, refresh string
	t.Run("before", func(t *testing.T) {
		s := start(t, "-mongo", uri)
		access, refresh = tokenOf(t, s.exchange(s.code()).text)
	})
	t.Run("after", func(t *testing.T) {
		s := start(t, "-mongo", uri)
		require.Equal(t, 200, s.authenticate(access).StatusCode)
		tokenOf(t, s.token("grant_type", "refresh_token", "refresh_token", refresh).text)
		tokenOf(t, s.exchange(s.code()).text)
	})
}

func TestMistakesAreOneClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a port in use":          {[]string{"-addr", taken.Addr().String()}, taken.Addr().String() + ": bind: address already in use"},
		"no address":             {[]string{"-addr", "nonsense"}, "nonsense"},
		"another loopback host":  {[]string{"-addr", "127.0.0.2:0"}, "-addr 127.0.0.2:0: want 127.0.0.1"},
		"no MongoDB":             {[]string{"-mongo", "mongodb://127.0.0.1:1/?timeoutMS=50"}, "mongomodel: "},
		"no URI":                 {[]string{"-mongo", "127.0.0.1:27017"}, "scheme"},
		"an unknown flag":        {[]string{"-port", "1"}, "flag provided but not defined: -port"},
		"an unexpected argument": {[]string{"now"}, `unexpected argument "now"`},
	} {
		err := run(t.Context(), c.args, io.Discard)
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "\n", name)
	}
	var help strings.Builder
	require.NoError(t, run(t.Context(), []string{"-h"}, &help))
	for _, want := range []string{"-addr", "127.0.0.1:7001", "-mongo"} {
		require.Contains(t, help.String(), want)
	}
}
