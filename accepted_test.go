package oauth2server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// Many clients leave out the encoding inside Basic (RFC 6749, section 2.3.1).
// Credentials that can be read in two ways are tried in both, as one attempt.
func TestBasicThatWasNotEncoded(t *testing.T) {
	for _, row := range []struct{ id, secret string }{
		{"app", "plus+plus-and-long-enough"},
		{"app", "percent%41and-long-enough"},
		{"app", "percent%zz-and-long-enough"},
		{"app", "percent-at-the-very-end-%"},
		{"app", "all of + and %2B and %, and colons: ok"},
		{"a+b", "a-secret-of-good-length-it-is"},
		{"https://app.example/?a%20b", "a+secret-of-good-length-it-is"},
	} {
		model := memorymodel.New(nil)
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: row.id,
			Grants: []string{"client_credentials"}}, row.secret))
		var a attempts
		s := newSite(t, model, a.options(), nil)
		send := func(id, secret string) reply {
			return s.post("/token", "grant_type=client_credentials", "Authorization", basic(id+":"+secret))
		}
		encodedID, encodedSecret := url.QueryEscape(row.id), url.QueryEscape(row.secret)
		require.Equal(t, 200, send(encodedID, encodedSecret).StatusCode, "encoded: %+v", row)
		at := func(attempts []oauth2server.Attempt) (n int) {
			for _, attempt := range attempts {
				if attempt.ClientID == row.id {
					n++
				}
			}
			return n
		}
		require.Equal(t, 1, at(a.asked))
		if !strings.Contains(row.id, ":") { // a colon ends the ID
			require.Equal(t, 200, send(row.id, row.secret).StatusCode, "as it is: %+v", row)
			require.Equal(t, 2, at(a.asked))
		}
		require.Empty(t, a.failed)

		asked := at(a.asked)
		requireError(t, send(encodedID, encodedSecret+"x"), 401, "invalid_client")
		requireError(t, send(encodedID, "+"+row.secret), 401, "invalid_client")
		require.Equal(t, asked+2, at(a.asked), "one attempt, however it is read")
		require.Equal(t, 2, at(a.failed))
	}
}

// The ID of one reading is never combined with the secret of the other.
func TestReadingsAreNotMixed(t *testing.T) {
	model := memorymodel.New(nil)
	for id, secret := range map[string]string{"a+b": "the-raw-secret+which-is-long",
		"a b": "the-decoded-secret,which-is-long"} {
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id,
			Grants: []string{"client_credentials"}}, secret))
	}
	s := newSite(t, model, nil, nil)
	status := func(text string) int {
		return s.post("/token", "grant_type=client_credentials", "Authorization", basic(text)).StatusCode
	}
	require.Equal(t, 200, status("a+b:the-raw-secret+which-is-long"))
	require.Equal(t, 200, status("a+b:the-decoded-secret%2Cwhich-is-long"))
	require.Equal(t, 401, status("a%2Bb:the-decoded-secret%2Cwhich-is-long"))
	require.Equal(t, 401, status("a%20b:the-raw-secret+which-is-long"))
}

// A client and a proxy may both set the charset. net/http does not accept two.
func TestTwoCharsets(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	for contentType, want := range map[string]int{
		"application/x-www-form-urlencoded; charset=UTF-8; charset=UTF-8":    200,
		"application/x-www-form-urlencoded; charset=UTF-8; charset=utf-8":    200,
		`application/x-www-form-urlencoded;charset="utf-8" ; charset=utf-8`:  200,
		"Application/X-WWW-Form-Urlencoded; charset=utf-8;":                  200,
		"application/x-www-form-urlencoded; charset=utf-8; charset=us-ascii": 400,
		"text/plain; charset=utf-8; charset=utf-8":                           400,
		"application/x-www-form-urlencodedx; charset=utf-8":                  400,
		"text/plain; application/x-www-form-urlencoded":                      400,
	} {
		for _, path := range []string{"/token", "/revoke", "/introspect"} {
			r := s.request("POST", path, "grant_type=client_credentials&token=x")
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Authorization", as("web"))
			require.Equal(t, want, s.do(r).StatusCode, "%s: %s", path, contentType)
		}
		r := s.request("POST", "/authorize", form(authorization("username", "andy", "password", "andys-password")...))
		r.Header.Set("Content-Type", contentType)
		code := s.do(r).at("code")
		require.Equal(t, want == 200, code != "", contentType)
	}
}

// A semicolon is data, in a query and in a form (URL Standard, section 5.1).
func TestASemicolonIsData(t *testing.T) {
	model := newSpy(t)
	require.NoError(t, model.AddUser(&oauth2server.User{ID: "u2"}, "semi;colon", "pass;word=x"))
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	r := s.post("/token", "grant_type=password&username=semi;colon&password=pass;word=x", "Authorization", as("web"))
	require.Equal(t, 200, r.StatusCode, r.text)

	r = s.post("/authorize?response_type=code;x&client_id=web&state=a;b", "username=semi;colon&password=pass;word=x")
	require.Equal(t, "unsupported_response_type", r.at("error"))
	require.Equal(t, "a;b", r.at("state"))
	code := s.post("/authorize?response_type=code&client_id=web&state=a;b&redirect_uri="+callback,
		"username=semi;colon&password=pass;word=x").at("code")
	require.Equal(t, 200, s.redeem("web", code).StatusCode)
}

// Extra spaces around and between scope tokens are ignored.
func TestSpacesOfAScope(t *testing.T) {
	s := newSite(t, newSpy(t), &oauth2server.Options{Grants: allGrants}, nil)
	for _, scope := range []string{"read write", " read write", "read write ", "read   write", "  read  write  "} {
		r := s.token("web", "grant_type", "client_credentials", "scope", scope)
		require.Equal(t, "read write", r.str("scope"), "%q: %s", scope, r.text)
		r = s.redeem("web", s.code("scope", scope))
		require.Equal(t, "read write", r.str("scope"), "%q: %s", scope, r.text)
		r = s.refresh("web", r.str("refresh_token"), "scope", scope)
		require.Equal(t, "read write", r.str("scope"), "%q: %s", scope, r.text)
	}
	for _, scope := range []string{"read,write", "read, write"} {
		r := s.token("limited", "grant_type", "client_credentials", "scope", scope)
		requireError(t, r, 400, "invalid_scope")
		require.Contains(t, r.str("error_description"), "not by commas", scope)
	}
	// The error names the limit.
	r := s.token("web", "grant_type", "client_credentials", "scope", manyTokens(257))
	requireError(t, r, 400, "invalid_scope")
	require.Contains(t, r.str("error_description"), "256")
	r = s.token("web", "grant_type", "client_credentials", "scope", strings.Repeat("x", 4097))
	requireError(t, r, 400, "invalid_scope")
	require.Contains(t, r.str("error_description"), "4096")
}

// A malformed token counts as no token, so the challenge carries no error (RFC
// 6750, section 3.1).
func TestBearerAlone(t *testing.T) {
	s := newSite(t, newSpy(t), nil, nil)
	for _, header := range []string{"Bearer", "Bearer ", "Bearer   ", "bearer"} {
		r := s.get("/api", "Authorization", header)
		require.Equal(t, http.StatusUnauthorized, r.StatusCode, "%q", header)
		require.Equal(t, `Bearer realm="Service"`, r.Header.Get("WWW-Authenticate"), "%q", header)
	}
}

// Other libraries take scopes as a list with commas. Such a scope matches no
// token, so it is refused when the route is wired, not on every request.
func TestAListWithCommasIsRefusedAtWiring(t *testing.T) {
	srv, err := oauth2server.New(newSpy(t), nil)
	require.NoError(t, err)
	for _, scope := range [][]string{{"read,write"}, {"read", "a,b"}, {"read, write"}} {
		requirePanic(t, "has a comma: separate scope tokens by spaces", func() { srv.Authenticate(scope...) })
	}
}

// requirePanic checks that wiring panics, and that the panic names the cause.
func requirePanic(t *testing.T, why string, wire func()) {
	t.Helper()
	defer func() {
		text, _ := recover().(string)
		require.Contains(t, text, " cannot work: ")
		require.Contains(t, text, why)
	}()
	wire()
	require.Fail(t, "it was wired")
}
