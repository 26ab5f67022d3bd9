package oauth2server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// chunked returns r with a body of unknown length.
func chunked(r *http.Request, body io.Reader) *http.Request {
	r.Body, r.ContentLength = io.NopCloser(struct{ io.Reader }{body}), -1
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// endlessBody is a body without an end that counts how much was read.
type endlessBody struct{ read int }

func (b *endlessBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	b.read += len(p)
	return len(p), nil
}

// Requests that cost memory and time (slow or huge requests). The codes and
// tokens in them stay valid.
func TestAttack_HugeRequests(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		code := s.code()
		redemption := form("grant_type", "authorization_code", "redirect_uri", callback, "code", code) + "&"
		request := form(authorization("username", "andy", "password", "andys-password")...) + "&"
		const limit = 64 << 10
		fill := func(form string, size int) string { return form + "x=" + strings.Repeat("y", size-len(form)-2) }
		for _, row := range []struct {
			name, path, body string
			status           int
		}{
			{"token", "/token", fill(redemption, limit+1), 413},
			{"token, one value", "/token", redemption + "code_verifier=" + strings.Repeat("v", limit), 413},
			{"authorize", "/authorize", fill(request, limit+1), 413},
			{"URL", "/authorize?" + fill(request, limit+1), "username=andy&password=andys-password", 413},
			{"10,000 parameters", "/token", redemption + strings.Repeat("x=&", 10_000), 400},
			{"1,000 parameters", "/token", redemption + strings.Repeat("x=&", 1_000), 400},
			{"10,000 parameters to authorize", "/authorize", request + strings.Repeat("x=1&", 10_000), 400},
			{"1,000 parameters in the URL", "/authorize?" + request + strings.Repeat("x=1&", 1_000),
				"username=andy&password=andys-password", 400},
			{"10,000 scopes", "/authorize", request + "scope=a" + strings.Repeat("+a", 10_000), 303},
		} {
			t.Run(row.name, func(t *testing.T) {
				for _, r := range []reply{
					s.post(row.path, row.body, "Authorization", as("web")),
					s.do(chunked(s.request("POST", row.path, "", "Authorization", as("web")),
						strings.NewReader(row.body))),
				} {
					require.Equal(t, row.status, r.StatusCode, r.text)
					require.Empty(t, r.at("code"))
					require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
				}
			})
		}
		t.Run("a body without an end", func(t *testing.T) {
			local := newLocalSite(t, model, nil, nil) // no transport reads ahead
			for _, path := range []string{"/token", "/authorize"} {
				body := &endlessBody{}
				r := local.do(chunked(local.request("POST", path, "", "Authorization", as("web")), body))
				require.Equal(t, 413, r.StatusCode)
				require.LessOrEqual(t, body.read, limit+1)
			}
		})
		t.Run("a body that ends too early", func(t *testing.T) {
			broken := io.MultiReader(strings.NewReader(redemption),
				iotest.ErrReader(errors.New("connection reset by peer")))
			local := newLocalSite(t, model, nil, nil)
			requireError(t, local.do(chunked(local.request("POST", "/token", "", "Authorization", as("web")),
				broken)), 400, "invalid_request")
		})
		t.Run("encoded again and again", func(t *testing.T) {
			deep := "%25" + strings.Repeat("25", 10_000) + "0d%250a"
			once, err := url.QueryUnescape(deep)
			require.NoError(t, err)
			r := s.post("/authorize",
				"client_id=web&response_type=code&username=andy&password=andys-password&state="+deep)
			require.True(t, r.at("code") != "" && r.at("state") == once, "it is decoded once")
			requireNoRedirect(t, s.get("/authorize?response_type=code&state=x&client_id=w%2565b"), 400,
				"invalid_client")
			id, secret := url.QueryEscape("w%65b"), url.QueryEscape(secret+"web")
			basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
			requireError(t, s.post("/token", "grant_type=client_credentials", "Authorization", basic),
				401, "invalid_client")
		})
		t.Run("not a form", func(t *testing.T) {
			for _, contentType := range []string{"application/json", "multipart/form-data; boundary=x",
				"text/plain", ""} {
				r := s.request("POST", "/token", redemption, "Authorization", as("web"))
				r.Header.Set("Content-Type", contentType)
				requireError(t, s.do(r), 400, "invalid_request")
			}
		})
		require.Equal(t, 200, s.post("/token", fill(redemption, limit), "Authorization", as("web")).StatusCode,
			"unharmed, and so large may it be")
	})
}

// The page sees one parameter and the server another, or a secret gets into an
// access log (parameter split between query and body).
func TestAttack_SplitParameters(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		for _, row := range []struct{ name, query, body string }{
			{"client_id", "other", "web"},
			{"client_id", "web", "other"},
			{"redirect_uri", "https://evil.example/cb", callback},
			{"redirect_uri", callback, "https://evil.example/cb"},
			{"state", "theirs", "xyz"},
			{"scope", "read", "read write"},
			{"response_type", "token", "code"},
			{"code_challenge", challenge, strings.Repeat("c", 43)},
			{"code_challenge_method", "plain", "S256"},
			{"allowed", "true", "false"},
		} {
			r := s.post("/authorize?"+form(row.name, row.query),
				form(authorization("username", "andy", "password", "andys-password", row.name, row.body)...))
			require.Empty(t, r.at("code"), row.name)
			if row.name == "client_id" || row.name == "redirect_uri" {
				requireNoRedirect(t, r, 400, "invalid_request")
			} else {
				require.Equal(t, "invalid_request", r.at("error"), row.name)
			}
		}
		code := s.code("code_challenge", challenge, "code_challenge_method", "S256")
		refresh := s.signIn("web").str("refresh_token")
		redemption := []string{"grant_type", "authorization_code", "code", code,
			"redirect_uri", callback, "code_verifier", verifier}
		for _, row := range []struct{ name, query string }{
			{"client_id", "other"}, {"grant_type", "client_credentials"},
			{"redirect_uri", callback + "2"}, {"redirect_uri", ""},
			{"code", "another"}, {"code", code}, {"code_verifier", verifier}, {"client_secret", secret + "web"},
			{"refresh_token", refresh}, {"password", "andys-password"},
		} {
			r := s.post("/token?"+form(row.name, row.query), form(redemption...), "Authorization", as("web"))
			if row.query != "" {
				requireError(t, r, 400, "invalid_request")
			} else {
				requireError(t, s.post("/token?redirect_uri=a&redirect_uri=b", form(redemption...),
					"Authorization", as("web")), 400, "invalid_request")
				require.Equal(t, 200, r.StatusCode, "no value is no parameter")
				redemption[3] = s.code("code_challenge", challenge, "code_challenge_method", "S256")
			}
		}
		require.Equal(t, 200, s.token("web", redemption...).StatusCode, "unharmed")
		requireError(t, s.post("/token?"+form("refresh_token", refresh), "grant_type=refresh_token",
			"Authorization", as("web")), 400, "invalid_request")
		requireError(t, s.post("/token?"+form("client_secret", secret+"web"),
			"grant_type=client_credentials&client_id=web"), 400, "invalid_client")
		requireError(t, s.post("/token?"+form("client_id", "web", "client_secret", secret+"web"),
			"grant_type=client_credentials"), 400, "invalid_client")
		s.mustRefresh(refresh)
	})
}

// The client sees two codes or two states, one of them the attacker's (response
// parameters in a registered URI).
func TestAttack_ResponseParametersInRedirectURI(t *testing.T) {
	t.Parallel()
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		for _, name := range []string{"code", "state", "iss", "error", "error_description", "error_uri",
			"access_token", "token_type", "expires_in"} {
			for _, part := range []string{name + "=theirs", name, "tenant=7&" + name + "=theirs",
				fmt.Sprintf("%%%02X%s=theirs", name[0], name[1:])} {
				uri := callback + "?" + part
				require.Error(t, addClient(t, model, oauth2server.Client{ID: uri,
					RedirectURIs: []string{callback, uri}, Grants: allGrants}, secret+"x"), uri)
				requireNoRedirect(t, s.authorize("redirect_uri", uri), 400, "invalid_request")

				// A storage that does not check what it registers.
				legacy := newSite(t, registering{model, uri}, nil, nil)
				for _, params := range [][]string{{"redirect_uri", uri}, {"redirect_uri", ""},
					{"redirect_uri", uri, "scope", `"`}} {
					r := legacy.authorize(params...)
					location, err := url.Parse(r.Header.Get("Location"))
					require.NoError(t, err)
					require.NotEmpty(t, location.RawQuery, r.text)
					for answer, values := range location.Query() {
						require.Len(t, values, 1, "%s: %s", answer, location)
						require.NotEqual(t, "theirs", values[0], location)
					}
				}
			}
		}
	})
}

// registering is a model whose clients have the redirection URI uri.
type registering struct {
	target
	uri string
}

func (m registering) Unwrap() oauth2server.Model { return m.target }

func (m registering) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	c, err := m.target.GetClient(ctx, id, secret)
	if err == nil {
		c.RedirectURIs = []string{m.uri}
	}
	return c, err
}

// A value is taken for a database operator and matches records that it does not
// name (operator injection).
func TestAttack_OperatorInjection(t *testing.T) {
	t.Parallel()
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
		code, refresh := s.code(), s.signIn("web").str("refresh_token")
		for _, value := range []string{`{"$ne":null}`, `{"$gt":""}`, `{ "$regex": ".*" }`, `{"$where":"1"}`, "[$ne]=x",
			"$ne", "web\x00", "\x00", "*", "%", "we_", `' OR '1'='1`, "\xff"} {
			require.Empty(t, s.authorize("client_id", value).at("code"), value)
			require.Empty(t, s.authorize("username", value).at("code"), value)
			require.Empty(t, s.authorize("password", value).at("code"), value)
			for _, params := range [][]string{
				{"grant_type", "client_credentials", "client_id", value, "client_secret", secret + "web"},
				{"grant_type", "client_credentials", "client_id", "web", "client_secret", value},
			} {
				require.Contains(t, []string{"invalid_client", "invalid_request"},
					s.post("/token", form(params...)).str("error"), value)
			}
			for _, params := range [][]string{
				{"grant_type", "authorization_code", "code", value, "redirect_uri", callback},
				{"grant_type", "refresh_token", "refresh_token", value},
				{"grant_type", "password", "username", value, "password", "andys-password"},
				{"grant_type", "password", "username", "andy", "password", value},
			} {
				require.Contains(t, []string{"invalid_grant", "invalid_request"},
					s.token("web", params...).str("error"), value)
			}
			require.Contains(t, []int{400, 401}, s.post("/api", form("access_token", value)).StatusCode, value)
		}
		for _, operator := range []string{"[$ne]", "[$gt]", ".$ne", "[]", "[$regex]", "[0]"} {
			requireNoRedirect(t, s.authorize("client_id", "", "client_id"+operator, "x"), 400, "invalid_request")
			require.Empty(t, s.authorize("username", "", "username"+operator, "x").at("code"))
			require.Empty(t, s.authorize("password", "", "password"+operator, "x").at("code"))
			requireError(t, s.post("/token", form("grant_type", "client_credentials", "client_id", "web",
				"client_secret"+operator, "x")), 400, "invalid_client")
			requireError(t, s.token("web", "grant_type", "authorization_code", "code"+operator, "x",
				"redirect_uri", callback), 400, "invalid_request")
			requireError(t, s.token("web", "grant_type", "refresh_token", "refresh_token"+operator, "x"),
				400, "invalid_request")
			require.Equal(t, 401, s.post("/api", form("access_token"+operator, "x")).StatusCode)
		}
		require.Equal(t, 200, s.redeem("web", code).StatusCode)
		s.mustRefresh(refresh)
	})
}

// A proxy reads one Authorization header and the server the other (two
// Authorization headers).
func TestAttack_TwoAuthorizationHeaders(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		code := s.code()
		redemption := form("grant_type", "authorization_code", "code", code, "redirect_uri", callback)
		bearer := "Bearer " + s.token("machine", "grant_type", "client_credentials").str("access_token")
		for _, row := range []struct{ name, first, second string }{
			{"the same client twice", as("web"), as("web")},
			{"two clients", as("web"), as("other")},
			{"the other one first", as("other"), as("web")},
			{"a token first", bearer, as("web")},
			{"a token second", as("web"), bearer},
			{"an empty one first", "", as("web")},
			{"an empty one second", as("web"), ""},
			{"the same token twice", bearer, bearer},
			{"two tokens", bearer, "Bearer x"},
			{"an empty one before a token", "", bearer},
		} {
			headers := []string{"Authorization", row.first, "authorization", row.second}
			t.Run(row.name, func(t *testing.T) {
				requireError(t, s.post("/token", redemption, headers...), 400, "invalid_request")
				requireError(t, s.get("/api", headers...), 400, "invalid_request")
			})
		}
		requireError(t, s.post("/token", redemption, "Authorization", as("web")+", "+as("other")), 401,
			"invalid_client")
		requireError(t, s.get("/api", "Authorization", bearer+", "+bearer), 400, "invalid_request")
		require.Equal(t, 200, s.post("/token", redemption, "Authorization", as("web")).StatusCode, "unharmed")
		require.Equal(t, 200, s.get("/api", "Authorization", bearer).StatusCode)
	})
}

// A public client's claim about itself is taken for authentication (public
// client that authenticates).
func TestAttack_PublicClientThatAuthenticates(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, &oauth2server.Options{RefreshRotation: oauth2server.RotateNever},
			http.HandlerFunc(consentPage))
		uri := "com.example.app:/cb"
		code := s.post("/authorize?"+
			form(authorization("client_id", "app", "redirect_uri", uri, "code_challenge", challenge,
				"code_challenge_method", "S256")...), "username=u1").at("code")
		redemption := []string{"grant_type", "authorization_code", "code", code, "redirect_uri", uri,
			"code_verifier", verifier}
		for _, made := range []string{"made-up", secret + "app", secret + "web", " "} {
			basic := http.Request{Header: http.Header{}}
			basic.SetBasicAuth("app", url.QueryEscape(made))
			requireError(t, s.post("/token", form(redemption...),
				"Authorization", basic.Header.Get("Authorization")), 401, "invalid_client")
			requireError(t, s.post("/token",
				form(append(redemption, "client_id", "app", "client_secret", made)...)), 400, "invalid_client")
			requireError(t, s.post("/token", form("grant_type", "client_credentials",
				"client_id", "app", "client_secret", made)), 400, "invalid_client")
		}
		requireError(t, s.post("/token", "grant_type=client_credentials&client_id=app"), 400, "unauthorized_client")
		noSecret := "Basic " + base64.StdEncoding.EncodeToString([]byte("app:"))
		requireError(t, s.post("/token", "grant_type=client_credentials", "Authorization", noSecret),
			400, "unauthorized_client")
		_, err := oauth2server.New(model, &oauth2server.Options{PublicClientGrants: []string{"client_credentials"}})
		require.ErrorIs(t, err, oauth2server.InvalidArgument)

		token := s.post("/token", form(append(redemption, "client_id", "app")...)).str("refresh_token")
		for range 3 {
			r := s.post("/token", form("grant_type", "refresh_token", "refresh_token", token, "client_id", "app"))
			require.NotEmpty(t, r.str("refresh_token"), "rotation is off, but not for a public client: %s", r.text)
			require.NotEqual(t, token, r.str("refresh_token"))
			token = r.str("refresh_token")
		}
	})
}
