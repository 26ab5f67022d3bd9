// These tests hold what the program refuses, and how its pages are kept safe.

package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokenRefuses(t *testing.T) {
	s := start(t)
	const code = "grant_type=authorization_code&code="
	for _, c := range []struct {
		name   string
		form   string
		status int
		code   string
	}{
		{"a wrong secret", "grant_type=client_credentials&client_secret=wrong", 400, "invalid_client"},
		{"an unknown client", "grant_type=client_credentials&client_id=nobody", 400, "invalid_client"},
		{"a wrong password", "grant_type=password&username=andy&password=wrong", 400, "invalid_grant"},
		{"another redirect_uri", code + s.code() + "&redirect_uri=" + s.base + "/other", 400, "invalid_grant"},
		{"no redirect_uri", code + s.code(), 400, "invalid_grant"},
		{"an unknown refresh token", "grant_type=refresh_token&refresh_token=unknown", 400, "invalid_grant"},
		{"a grant that is off", "grant_type=implicit", 400, "unsupported_grant_type"},
		{"a scope beyond the client's", "grant_type=client_credentials&scope=admin", 400, "invalid_scope"},
	} {
		answer := s.token(c.form)
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
			require.Contains(t, answer.Header.Get("Location"), s.base+"/?"+c.want, c.name)
		}
	}
}

// A form that another site sends neither signs in nor shows whether the password is
// right.
func TestAForeignForm(t *testing.T) {
	s := start(t)
	for _, header := range [][]string{
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
	} {
		answer := s.browser().send("POST", s.address("/user/authorize"), andy, header...)
		require.Equal(t, 403, answer.StatusCode, header)
		require.Empty(t, answer.Header.Get("Location"), header)
		require.Contains(t, answer.text, "the form came from another origin", header)
		require.NotContains(t, answer.text, "<form", header)
	}
	own := s.browser().send("POST", s.address("/user/authorize"), andy,
		"Origin", s.base, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, 303, own.StatusCode)
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
	for _, address := range []string{
		s.address("/authorize"), s.address("/authorize", "client_id", "nobody"), s.address("/user/authorize"),
	} {
		answer := s.browser().get(address)
		nonce := regexp.MustCompile(`<style nonce="(\w{26})">`).FindStringSubmatch(answer.text)
		require.NotNil(t, nonce, answer.text)
		require.False(t, nonces[nonce[1]])
		nonces[nonce[1]] = true
		policy := "default-src 'none'; style-src 'nonce-NONCE'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
		for name, want := range map[string]string{
			"Content-Type":            "text/html; charset=utf-8",
			"Content-Security-Policy": strings.Replace(policy, "NONCE", nonce[1], 1),
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
