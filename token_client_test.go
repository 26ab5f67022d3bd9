package oauth2server_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func TestClientAuthentication(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	for _, row := range []struct {
		name, authorization, body string
		status                    int
		code                      string
	}{
		{"Basic", as("web"), "", 200, ""},
		{"a scheme that folds to it", "Ba\u017fic " + as("web")[6:], "", 401, "invalid_client"},
		{"scheme in capitals, more spaces", "BASIC   " + as("web")[6:], "", 200, ""},
		{"Basic without padding", "Basic " + base64.RawStdEncoding.EncodeToString([]byte("web:"+secret+"web")),
			"", 200, ""},
		{"body", "", form("client_id", "web", "client_secret", secret+"web"), 200, ""},
		{"Basic and the same client_id", as("web"), form("client_id", "web"), 200, ""},
		{"a Bearer header beside good credentials", "Bearer abc",
			form("client_id", "web", "client_secret", secret+"web"), 200, ""},

		{"nothing", "", "", 400, "invalid_client"},
		{"wrong secret", basic("web:nope"), "", 401, "invalid_client"},
		{"another client's secret", basic("web:" + secret + "other"), "", 401, "invalid_client"},
		{"longer secret", basic("web:" + secret + "webx"), "", 401, "invalid_client"},
		{"unknown client", basic("nobody:" + secret), "", 401, "invalid_client"},
		{"empty secret", basic("web:"), "", 401, "invalid_client"},
		{"empty id", basic(":" + secret), "", 401, "invalid_client"},
		{"no colon", basic("web"), "", 401, "invalid_client"},
		{"no base64", "Basic !!!", "", 401, "invalid_client"},
		{"scheme alone", "Basic", "", 401, "invalid_client"},
		{"no base64, and the ID in the body", "Basic !!!", form("client_id", "web"), 401, "invalid_client"},
		{"no base64, and a secret in the body", "Basic !!!",
			form("client_id", "web", "client_secret", secret+"web"), 400, "invalid_request"},
		{"malformed escape, so a secret as it is, and wrong", basic("web:%zz"), "", 401, "invalid_client"},
		{"id that is no ASCII", basic("w%C3%A4b:x"), "", 401, "invalid_client"},
		{"Bearer instead", "Bearer abc", "", 401, "invalid_client"},
		{"body, wrong secret", "", form("client_id", "web", "client_secret", "nope"), 400, "invalid_client"},
		{"body, empty secret", "", form("client_id", "web", "client_secret", ""), 400, "invalid_client"},
		{"body, no secret", "", form("client_id", "web"), 400, "invalid_client"},
		{"body, no id", "", form("client_secret", secret+"web"), 400, "invalid_client"},
		{"body, id that is no ASCII", "", form("client_id", "wäb", "client_secret", "x"), 400, "invalid_request"},
		{"body, secret with a line break", "", form("client_id", "web", "client_secret", "x\n"), 400,
			"invalid_request"},
		{"client_id twice", "", form("client_id", "web", "client_id", "web", "client_secret", secret+"web"),
			400, "invalid_request"},
		{"Basic and a secret in the body", as("web"), form("client_id", "web", "client_secret", secret+"web"),
			400, "invalid_request"},
		{"Basic of one client, body of another", as("web"), form("client_id", "other"), 400, "invalid_request"},
		{"broken Basic and good body", basic("web"), form("client_id", "web", "client_secret", secret+"web"),
			400, "invalid_request"},
		{"public client with a secret", basic("app:" + secret), "", 401, "invalid_client"},
		{"public client, client credentials", "", form("client_id", "app"), 400, "unauthorized_client"},
		{"public client by Basic, client credentials", basic("app:"), "", 400, "unauthorized_client"},
	} {
		t.Run(row.name, func(t *testing.T) {
			body := "grant_type=client_credentials"
			if row.body != "" {
				body += "&" + row.body
			}
			var headers []string
			if row.authorization != "" {
				headers = []string{"Authorization", row.authorization}
			}
			model.stored()
			r := s.post("/token", body, headers...)
			if row.code == "" {
				require.Equal(t, 200, r.StatusCode, r.text)
				return
			}
			requireError(t, r, row.status, row.code)
			require.Empty(t, model.stored())
			if row.status == 401 {
				require.Equal(t, `Basic realm="Service"`, r.Header.Get("WWW-Authenticate"))
			}
		})
	}
	t.Run("two Authorization headers", func(t *testing.T) {
		r := s.post("/token", "grant_type=client_credentials", "Authorization", as("web"), "Authorization", as("web"))
		requireError(t, r, 400, "invalid_request")
	})
	t.Run("another client in the URL", func(t *testing.T) {
		r := s.post("/token?client_id=other", "grant_type=client_credentials", "Authorization", as("web"))
		requireError(t, r, 400, "invalid_request")
		require.Equal(t, 200, s.post("/token?client_id=web", "grant_type=client_credentials",
			"Authorization", as("web")).StatusCode)
	})
	t.Run("credentials in the URL", func(t *testing.T) {
		r := s.post("/token?"+form("client_id", "web", "client_secret", secret+"web"), "grant_type=client_credentials")
		requireError(t, r, 400, "invalid_client")
	})
}

// ID and secret are form-urlencoded inside Basic: RFC 6749, section 2.3.1.
func TestBasicCredentialsAreDecoded(t *testing.T) {
	model := memorymodel.New(nil)
	id, password := "id with:colon+and%", "a secret: with + and % and so on"
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, Grants: []string{"client_credentials"}}, password))
	s := newSite(t, model, nil, nil)
	encoded := form(id, password) // id=secret, both encoded
	r := http.Request{Header: http.Header{}}
	key, value, _ := strings.Cut(encoded, "=")
	r.SetBasicAuth(key, value)
	require.Equal(t, 200, s.post("/token", "grant_type=client_credentials",
		"Authorization", r.Header.Get("Authorization")).StatusCode)
	r.SetBasicAuth(key, password)
	requireError(t, s.post("/token", "grant_type=client_credentials",
		"Authorization", r.Header.Get("Authorization")), 401, "invalid_client")
}

// folding is a storage that compares IDs without regard to case, as some SQL
// collations do.
type folding struct{ *spy }

func (m folding) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	return m.spy.GetClient(ctx, "web", secret)
}

func TestClientIDMustBeTheOnePresented(t *testing.T) {
	s := newSite(t, folding{newSpy(t)}, nil, nil)
	r := s.post("/token", form("grant_type", "client_credentials", "client_id", "WEB", "client_secret", secret+"web"))
	requireError(t, r, 400, "invalid_client")
	require.Equal(t, 400, s.authorize("client_id", "WEB").StatusCode)
}

// trusting is a model that ignores the secrets of public clients.
type trusting struct{ *spy }

func (m trusting) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if id == "app" {
		secret = ""
	}
	return m.spy.GetClient(ctx, id, secret)
}

func TestAPublicClientWithASecretIsRefused(t *testing.T) {
	model := trusting{newSpy(t)}
	s := newSite(t, model, nil, nil)
	refresh := form("grant_type", "refresh_token", "refresh_token", "x")
	requireError(t, s.post("/token", refresh, "Authorization", basic("app:junk")), 401, "invalid_client")
	requireError(t, s.post("/token", refresh+"&client_id=app&client_secret=junk"), 400, "invalid_client")
	requireError(t, s.post("/token", refresh+"&client_id=app"), 400, "invalid_grant")
}

func TestPublicClients(t *testing.T) {
	model := newSpy(t)
	options := &oauth2server.Options{Grants: allGrants, InsecureApprovePublicClients: true}
	s := newSite(t, model, options, nil)
	newCode := func() string {
		return s.code("client_id", "app", "redirect_uri", "http://127.0.0.1:4711/cb",
			"code_challenge", challenge, "code_challenge_method", "S256")
	}
	redeem := func(params ...string) reply {
		return s.post("/token", form(append([]string{"grant_type", "authorization_code",
			"redirect_uri", "http://127.0.0.1:4711/cb"}, params...)...))
	}

	code := newCode()
	model.stored()
	requireError(t, redeem("client_id", "app", "client_secret", "junk", "code", code,
		"code_verifier", verifier), 400, "invalid_client")
	require.Empty(t, model.stored(), "with a secret, the code is not touched")
	requireError(t, redeem("client_id", "app", "code", code), 400, "invalid_grant")
	requireError(t, redeem("client_id", "app", "code", code, "code_verifier", verifier), 400, "invalid_grant")
	code = newCode()

	r := redeem("client_id", "app", "code", code, "code_verifier", verifier)
	require.Equal(t, 200, r.StatusCode, r.text)
	old := r.str("refresh_token")
	r = s.post("/token", form("grant_type", "refresh_token", "refresh_token", old, "client_id", "app"))
	require.Equal(t, 200, r.StatusCode, r.text)
	require.NotEmpty(t, r.str("refresh_token"))
	require.NotEqual(t, old, r.str("refresh_token"), "it is always replaced")

	r = s.post("/token", form("grant_type", "authorization_code", "code", newCode(), "code_verifier", verifier,
		"redirect_uri", "http://127.0.0.1:4711/cb"), "Authorization", basic("app:"))
	require.Equal(t, 200, r.StatusCode, "Basic with an empty password names a public client: %s", r.text)

	requireError(t, s.post("/token", form("grant_type", "password", "username", "andy",
		"password", "andys-password", "client_id", "app")), 400, "unauthorized_client")

	s = newSite(t, model, &oauth2server.Options{Grants: allGrants, PublicClientGrants: []string{"password"}}, nil)
	r = s.post("/token", form("grant_type", "password", "username", "andy",
		"password", "andys-password", "client_id", "app"))
	require.Equal(t, 200, r.StatusCode, r.text)
	requireError(t, s.post("/token", form("grant_type", "password", "username", "andy",
		"password", "andys-password", "client_id", "web")), 400, "invalid_client")
	requireError(t, s.post("/token", form("grant_type", "refresh_token", "refresh_token",
		r.str("refresh_token"), "client_id", "app")), 400, "unauthorized_client")
}

// A confidential client authenticates, whatever else it sends: RFC 6749,
// section 3.2.1.
func TestAVerifierIsNoClientAuthentication(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	code := s.code("code_challenge", challenge, "code_challenge_method", "S256")
	model.stored()
	r := s.post("/token", form("grant_type", "authorization_code", "code", code,
		"redirect_uri", callback, "client_id", "web", "code_verifier", verifier))
	requireError(t, r, 400, "invalid_client")
	require.Empty(t, model.stored())
	r = s.token("web", "grant_type", "authorization_code", "code", code, "redirect_uri", callback,
		"code_verifier", verifier)
	require.Equal(t, 200, r.StatusCode, r.text)
}

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
