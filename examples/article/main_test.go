// These tests go along the article: its form, its demo client, its answers.

package main

import (
	"html"
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
		// The page is at localhost, the client at 127.0.0.1.
		const query = "response_type=code&client_id=123456&state=xyz&redirect_uri=http://127.0.0.1:7001/"
		address := s.here("http://localhost:7001/authorize?" + query)
		b.get(address)
		require.Equal(t, strings.Replace(address, "localhost", "127.0.0.1", 1), b.shown.Header.Get("Location"))
		page := b.follow()
		require.Equal(t, 200, page.StatusCode)
		for _, want := range []string{
			`<form action="` + html.EscapeString(s.here("/user/authorize?"+query)) + `" method="post">`,
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

		next, _ := tokenOf(t, s.refresh(refresh).text)
		require.NotEqual(t, access, next)
		require.Equal(t, 200, s.authenticate(next).StatusCode)
	})
}

// What /user/authenticate answers has the members of the article, in their order.
func TestAuthenticate(t *testing.T) {
	onEach(t, func(s site) {
		for _, c := range []struct{ asked, scope string }{{"", ""}, {"read write", "read write"}} {
			b := s.browser()
			b.send("POST", s.address("/user/authorize", "scope", c.asked), andy)
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
	const challenge, why = `Bearer realm="Service"`, "Invalid token: access token is invalid"
	for _, c := range []struct{ name, header, challenge, body string }{
		{"no token", "", challenge, "Unauthorized\n"},
		{"another scheme", "Basic MTIzNDU2OnF3ZXJ0eQ==", challenge, "Unauthorized\n"},
		{"an unknown token", "Bearer unknown",
			challenge + `, error="invalid_token", error_description="` + why + `"`,
			`{"error":"invalid_token","error_description":"` + why + `"}`},
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

const unknownCode = `{"error":"invalid_grant","error_description":"Invalid grant: authorization code is invalid"}`

func TestErrorsForTheDemoClient(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.get(s.address("/authorize", "state", ""))
	require.Equal(t, 302, b.shown.StatusCode)
	b.follow()
	require.Equal(t, 400, b.shown.StatusCode)
	require.Equal(t, "There is no code: \"invalid_request\", \"Missing parameter: `state`\"."+
		" Begin again at "+s.base+"/\n", b.shown.text)

	b.get("/?error=%3Cscript%3E&error_description=%E2%80%AEabc%0A")
	require.Equal(t, `There is no code: "<script>", "\u202eabc\n". Begin again at `+s.base+"/\n", b.shown.text)
	require.Equal(t, "text/plain; charset=utf-8", b.shown.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", b.shown.Header.Get("X-Content-Type-Options"))

	b.get("/?code=unknown&state=xyz")
	require.Equal(t, 400, b.shown.StatusCode)
	require.Equal(t, unknownCode, b.shown.text)
}

// Of a code that is used twice nothing is left: two have it (RFC 6749, section 4.1.2).
func TestACodeIsGoodOnce(t *testing.T) {
	onEach(t, func(s site) {
		code := s.code()
		access, refresh := tokenOf(t, s.exchange(code).text)
		require.Equal(t, 200, s.authenticate(access).StatusCode)
		again := s.browser().get("/?state=xyz&code=" + code)
		require.Equal(t, 400, again.StatusCode)
		require.Equal(t, unknownCode, again.text)
		require.Equal(t, 401, s.authenticate(access).StatusCode)
		require.Contains(t, s.refresh(refresh).text, `"invalid_grant"`)
	})
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
			require.Contains(t, b.shown.text,
				`role="alert" id="trouble">The username or the password is wrong. Here they are andy and 123456.</div>`)
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
		tokenOf(t, s.refresh(refresh).text)
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
		"a port in use":          {[]string{"-addr", taken.Addr().String()}, "bind: address already in use"},
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
