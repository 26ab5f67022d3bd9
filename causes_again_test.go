package oauth2server_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// At Debug the log has both of the values that should be equal, and the ID of a
// client that fails to authenticate.
func TestTheLogHasBothValues(t *testing.T) {
	model := newMemory(t)
	options, log := logged(oauth2server.Options{Grants: allGrants})
	s := newSite(t, model, options, nil)
	for name, c := range map[string]struct {
		ask  func() reply
		has  []string
		code string
	}{
		"another redirect_uri": {func() reply {
			return s.token("web", "grant_type", "authorization_code", "code", s.code(), "redirect_uri", callback+"x")
		}, []string{"reason=redirect_uri_mismatch", "sent.redirect_uri=" + callback + "x",
			"sent.authorized=" + callback + "\n"}, "invalid_grant"},
		"a scope beyond the client's": {func() reply {
			return s.token("limited", "grant_type", "client_credentials", "scope", "write")
		}, []string{"reason=scope_beyond_client", "sent.scope=write", "sent.allowed=read"}, "invalid_scope"},
		"a wrong secret": {func() reply {
			return s.post("/token", form("grant_type", "client_credentials", "client_id", "web",
				"client_secret", "wrong"))
		}, []string{"reason=client_secret_wrong", "sent.client_id=web"}, "invalid_client"},
		"no secret": {func() reply {
			return s.post("/token", form("grant_type", "client_credentials", "client_id", "web"))
		}, []string{"reason=client_secret_missing", "sent.client_id=web"}, "invalid_client"},
		"no secret, at an endpoint for confidential clients": {func() reply {
			return s.post("/introspect", form("token", "x", "client_id", "web"))
		}, []string{"reason=client_secret_missing", "sent.client_id=web"}, "invalid_client"},
		"a public client with a secret": {func() reply {
			return s.post("/token", form("grant_type", "client_credentials", "client_id", "app",
				"client_secret", "wrong"))
		}, []string{"reason=client_public_with_secret", "sent.client_id=app"}, "invalid_client"},
	} {
		log.Reset()
		r := c.ask()
		require.Equal(t, c.code, r.str("error"), name)
		for _, part := range c.has {
			require.Contains(t, log.String(), part, name)
		}
	}

	limit := func(*http.Request, oauth2server.Attempt) (func(bool), time.Duration) { return nil, time.Minute }
	options, log = logged(oauth2server.Options{LimitAttempts: limit})
	s = newSite(t, model, options, nil)
	requireError(t, s.token("web", "grant_type", "client_credentials"), 429, "invalid_request")
	require.Contains(t, log.String(), "sent.client_id=web")
}

// A verifier without a challenge is another mistake than a wrong verifier.
func TestAVerifierWithoutAChallenge(t *testing.T) {
	options, log := logged(oauth2server.Options{Grants: allGrants})
	s := newSite(t, newMemory(t), options, nil)
	r := s.redeem("web", s.code(), "code_verifier", verifier)
	requireError(t, r, 400, "invalid_grant")
	require.Contains(t, r.str("error_description"), "code_challenge")
	require.Contains(t, log.String(), "reason=pkce_verifier_unexpected")
}

// With S256 a challenge has only one form. Another one could never be proved,
// so the client learns it before the user signs in.
func TestTheFormOfAnS256Challenge(t *testing.T) {
	s := newSite(t, newMemory(t), &oauth2server.Options{InsecureAllowPlainPKCE: true}, nil)
	for name, wrong := range map[string]string{
		"hexadecimal":         strings.Repeat("a3f5", 16),
		"with padding":        challenge + "=",
		"too long":            challenge + "A",
		"too short":           challenge[1:],
		"another alphabet":    challenge[:42] + "~",
		"of no bytes":         challenge[:42] + "N", // its last bits are unused
		"the verifier, 44 on": verifier + "x",
	} {
		r := s.authorize("code_challenge", wrong, "code_challenge_method", "S256")
		requireRedirect(t, r, "invalid_request", "xyz")
		if isPKCECharacters(wrong) {
			require.Contains(t, r.at("error_description"), "43 characters", name)
		}
	}
	require.NotEmpty(t, s.authorize("code_challenge", challenge, "code_challenge_method", "S256").at("code"))
	require.NotEmpty(t, s.authorize("code_challenge", strings.Repeat("a~", 64),
		"code_challenge_method", "plain").at("code"))
}

func isPKCECharacters(text string) bool { return !strings.ContainsAny(text, "=+/") }

// Two clients have IDs that one form-urlencoded header may both mean. A caller
// that proves to be one of them is not accepted as the other.
func TestAHeaderAndABodyThatNameTwoClients(t *testing.T) {
	model := newMemory(t)
	for _, id := range []string{"a+b", "a b"} {
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, Grants: []string{"client_credentials"}},
			secret+map[string]string{"a+b": "1", "a b": "2"}[id]))
	}
	s := newSite(t, model, nil, nil)
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	for _, c := range []struct {
		pair, inBody string
		status       int
	}{
		{"a+b:" + secret + "1", "a+b", 200},
		{"a+b:" + secret + "2", "a b", 200}, // in form-urlencoding a plus is a space
		{"a+b:" + secret + "1", "a b", 401},
		{"a+b:" + secret + "2", "a+b", 401},
		{"a%2Bb:" + secret + "1", "a+b", 200},
		{"a%20b:" + secret + "2", "a b", 200},
		{"a%20b:" + secret + "2", "a+b", 400},
		{"a+b:" + secret + "1", "a%2Bb", 400},
	} {
		r := s.post("/token", form("grant_type", "client_credentials", "client_id", c.inBody),
			"Authorization", basic(c.pair))
		require.Equal(t, c.status, r.StatusCode, "%+v: %s", c, r.text)
	}
}

// A POST whose body is no form is reported as such if the parameters are not in
// the URL.
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

// The program limits bodies itself. The answer is that for a body that is too
// large.
func TestALimitOfTheProgram(t *testing.T) {
	t.Parallel() // net/http waits before it closes each connection
	srv, err := oauth2server.New(newMemory(t), nil)
	require.NoError(t, err)
	for path, endpoint := range map[string]http.Handler{"/token": srv.Token(nil), "/revoke": srv.Revoke(),
		"/introspect": srv.Introspect(), "/authorize": srv.Authorize(nil)} {
		s := listen(t, http.MaxBytesHandler(endpoint, 20))
		r := s.post(path, form("grant_type", "client_credentials", "client_id", "web", "client_secret", secret+"web"))
		require.Equal(t, http.StatusRequestEntityTooLarge, r.StatusCode, "%s: %s", path, r.text)
	}
}

// A token that lives less than half a second still has expires_in: without it a
// client may keep the token for good.
func TestExpiresInIsNeverLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLocalSite(t, newMemory(t), &oauth2server.Options{MaxGrantLifetime: 2 * time.Second,
			AccessTokenLifetime: 2 * time.Second, RefreshTokenLifetime: 2 * time.Second}, nil)
		r := s.redeem("web", s.code())
		require.EqualValues(t, 2, r.body["expires_in"])
		time.Sleep(1700 * time.Millisecond)
		require.EqualValues(t, 1, s.mustRefresh(r.str("refresh_token")).body["expires_in"])
	})
}

// A client's lifetime can clash with one of the server's, which registration
// does not know.
func TestLifetimesThatClashWithTheServers(t *testing.T) {
	model := newMemory(t)
	for id, lifetime := range map[string]time.Duration{"long": 60 * 24 * time.Hour, "short": time.Minute} {
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, Grants: allGrants,
			RedirectURIs:        []string{callback},
			AccessTokenLifetime: lifetime}, secret+id))
	}
	options, log := logged(oauth2server.Options{Grants: allGrants})
	s := newSite(t, model, options, nil)
	for range 3 {
		for _, client := range []string{"short", "long", "web"} {
			r := s.token(client, "grant_type", "password", "username", "andy", "password", "andys-password")
			require.Equal(t, 200, r.StatusCode, r.text)
		}
	}
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
	require.Contains(t, log.String(), "client=long")
	require.Contains(t, log.String(), "RefreshTokenLifetime")
}
