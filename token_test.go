package oauth2server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func TestTokenRefusesMalformedRequests(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	many := strings.Repeat("a=1&", 10000)
	for _, row := range []struct {
		name, method, contentType, path, body string
		status                                int
		code, names                           string // the description names the cause
	}{
		{"GET", "GET", "", "/token", "", 405, "invalid_request", "POST"},
		{"PUT", "PUT", "application/x-www-form-urlencoded", "/token", "grant_type=password", 405,
			"invalid_request", "POST"},
		{"JSON", "POST", "application/json", "/token", "{}", 400, "invalid_request",
			"application/x-www-form-urlencoded"},
		{"multipart", "POST", "multipart/form-data; boundary=x", "/token", "--x--", 400,
			"invalid_request", "application/x-www-form-urlencoded"},
		{"no content type", "POST", "", "/token", "grant_type=password", 400, "invalid_request",
			"application/x-www-form-urlencoded"},
		{"prefix of the content type", "POST", "application/x-www-form-urlencoded-not", "/token", "a=b",
			400, "invalid_request", "content"},
		{"no content type to net/http", "POST", "application/x-www-form-urlencoded; a=1; a=2", "/token",
			"grant_type=client_credentials", 400, "invalid_request", "content type has a parameter twice"},
		{"malformed escape", "POST", "application/x-www-form-urlencoded", "/token", "grant_type=%zz",
			400, "invalid_request", "malformed"},
		{"semicolon, which is data", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=a;b=c", 400, "unsupported_grant_type", "unknown"},
		{"10,000 parameters", "POST", "application/x-www-form-urlencoded", "/token", many, 400,
			"invalid_request", "too many"},
		{"body over the limit", "POST", "application/x-www-form-urlencoded", "/token",
			"a=" + strings.Repeat("b", 64<<10), 413, "invalid_request", "too large"},
		{"no grant_type", "POST", "application/x-www-form-urlencoded", "/token", "a=b", 400,
			"invalid_request", "`grant_type`"},
		{"empty grant_type", "POST", "application/x-www-form-urlencoded", "/token", "grant_type=", 400,
			"invalid_request", "`grant_type`"},
		{"empty body", "POST", "application/x-www-form-urlencoded", "/token", "", 400,
			"invalid_request", "`grant_type`"},
		{"unknown grant_type", "POST", "application/x-www-form-urlencoded", "/token", "grant_type=nope",
			400, "unsupported_grant_type", "`grant_type`"},
		{"grant_type in capitals", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=PASSWORD", 400, "unsupported_grant_type", "`grant_type`"},
		{"implicit is no grant_type", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=implicit", 400, "unsupported_grant_type", "`grant_type`"},
		{"grant_type twice", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=password&grant_type=password", 400, "invalid_request", "`grant_type`"},
		{"scope twice", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=client_credentials&scope=a&scope=b", 400, "invalid_request", "`scope`"},
		{"scope malformed", "POST", "application/x-www-form-urlencoded", "/token",
			`grant_type=client_credentials&scope="`, 400, "invalid_scope", "`scope`"},
		{"no username", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=password&password=andys-password", 400, "invalid_request", "`username`"},
		{"no password", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=password&username=andy", 400, "invalid_request", "`password`"},
		{"username with a line break", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=password&username=a%0db&password=x", 400, "invalid_request", "`username`"},
		{"password that is no UTF-8", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=password&username=andy&password=%ff", 400, "invalid_request", "`password`"},
		{"no code", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=authorization_code", 400, "invalid_request", "`code`"},
		{"code that is no ASCII", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=authorization_code&code=%C3%A4", 400, "invalid_request", "`code`"},
		{"no refresh_token", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=refresh_token", 400, "invalid_request", "`refresh_token`"},
		{"refresh_token with a line break", "POST", "application/x-www-form-urlencoded", "/token",
			"grant_type=refresh_token&refresh_token=a%0Ab", 400, "invalid_request", "`refresh_token`"},
		{"code in the URL", "POST", "application/x-www-form-urlencoded", "/token?code=abc",
			"grant_type=authorization_code", 400, "invalid_request", "`code`"},
		{"refresh_token in the URL", "POST", "application/x-www-form-urlencoded",
			"/token?refresh_token=abc", "grant_type=refresh_token", 400, "invalid_request", "`refresh_token`"},
		{"password in the URL", "POST", "application/x-www-form-urlencoded", "/token?password=andys-password",
			"grant_type=password&username=andy&password=andys-password", 400, "invalid_request", "`password`"},
		{"client_secret in the URL", "POST", "application/x-www-form-urlencoded",
			"/token?client_secret=x", "grant_type=client_credentials", 400, "invalid_request", "`client_secret`"},
		{"another scope in the URL", "POST", "application/x-www-form-urlencoded", "/token?scope=a",
			"grant_type=client_credentials&scope=b", 400, "invalid_request", "`scope`"},
		{"scope twice in the URL", "POST", "application/x-www-form-urlencoded",
			"/token?scope=a&scope=a", "grant_type=client_credentials&scope=a", 400, "invalid_request", "`scope`"},
		{"malformed URL", "POST", "application/x-www-form-urlencoded", "/token?%zz",
			"grant_type=client_credentials", 400, "invalid_request", "malformed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			req, err := http.NewRequest(row.method, s.URL+row.path, strings.NewReader(row.body))
			require.NoError(t, err)
			req.Header.Set("Authorization", as("web"))
			if row.contentType != "" {
				req.Header.Set("Content-Type", row.contentType)
			}
			r := s.do(req)
			requireError(t, r, row.status, row.code)
			require.Contains(t, r.str("error_description"), row.names)
			require.Empty(t, model.stored())
			if row.status == http.StatusMethodNotAllowed {
				require.Equal(t, "POST", r.Header.Get("Allow"))
			}
		})
	}
	t.Run("the URL may say what the body says, and more", func(t *testing.T) {
		r := s.post("/token?grant_type=client_credentials&tenant=7",
			"grant_type=client_credentials&resource=a&resource=b", "Authorization", as("web"))
		require.Equal(t, 200, r.StatusCode, r.text)
	})
}

func TestTokenReadsAFormThatAMiddlewareParsed(t *testing.T) {
	srv, err := oauth2server.New(newSpy(t), sharedRecorder.options(t.Name(), nil))
	require.NoError(t, err)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		sharedRecorder.wrap(t.Name(), srv.Token(nil)).ServeHTTP(w, r)
	})
	for body, status := range map[string]int{
		"grant_type=client_credentials":                                   200,
		"grant_type=client_credentials&x=" + strings.Repeat("y", 70_000):  413,
		"grant_type=client_credentials" + strings.Repeat("&x=1", 513):     400,
		"grant_type=client_credentials&" + form("scope", manyTokens(257)): 400,
	} {
		r := httptest.NewRequest("POST", "/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", as("web"))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, status, w.Code, "%.100s: %s", body, w.Body)
	}
}

// The next handler and OnEvent can read the form as if it was unread.
func TestTheFormCanBeReadAgain(t *testing.T) {
	const body = "grant_type=client_credentials&tenant=7"
	var heard, seen []string
	opts := &oauth2server.Options{OnEvent: func(r *http.Request, _ oauth2server.Event) {
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		heard = append(heard, string(text))
		r.Body = io.NopCloser(strings.NewReader(string(text)))
	}}
	srv, err := oauth2server.New(newSpy(t), sharedRecorder.options(t.Name(), opts))
	require.NoError(t, err)
	s := listen(t, sharedRecorder.wrap(t.Name(),
		srv.Token(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.FormValue("tenant"), r.PostFormValue("grant_type"))
		}))))
	require.Equal(t, 200, s.post("/token", body, "Authorization", as("web")).StatusCode)
	require.Equal(t, []string{body}, heard)
	require.Equal(t, []string{"7", "client_credentials"}, seen)
	s.post("/token", body, "Authorization", as("nobody"))
	require.Equal(t, []string{body, body}, heard, "of one that is refused too")
}

func TestTokenAnswersAClientThatStopsInTheMiddle(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: "+
		"application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type=")
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 400, res.StatusCode)
	require.Empty(t, model.stored())
}

func TestTokenAnswer(t *testing.T) {
	s := newSite(t, newSpy(t), &oauth2server.Options{Grants: allGrants}, nil)
	r := s.token("web", "grant_type", "password", "username", "andy", "password", "andys-password",
		"scope", "read write")
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, "Bearer", r.str("token_type"))
	require.Equal(t, float64(3600), r.body["expires_in"])
	require.Equal(t, "read write", r.str("scope"))
	require.Len(t, r.str("access_token"), 43)
	require.Len(t, r.str("refresh_token"), 43)
	require.NotEqual(t, r.str("access_token"), r.str("refresh_token"))
	require.Len(t, r.body, 5)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	require.Equal(t, "no-cache", r.Header.Get("Pragma"))
	require.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))
}

func TestTokenNextWritesTheAnswer(t *testing.T) {
	srv, err := oauth2server.New(newSpy(t), sharedRecorder.options(t.Name(), nil))
	require.NoError(t, err)
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := oauth2server.TokenFromContext(r.Context())
		w.Header().Set("X-Client", token.Client.ID)
		srv.WriteToken(w, token)
	})
	s := listen(t, sharedRecorder.wrap(t.Name(), srv.Token(next)))
	r := s.token("web", "grant_type", "client_credentials")
	require.Equal(t, "web", r.Header.Get("X-Client"))
	require.NotEmpty(t, r.str("access_token"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	r = s.token("web", "grant_type", "nope")
	require.Empty(t, r.Header.Get("X-Client"), "errors do not reach it")
	requireError(t, r, 400, "unsupported_grant_type")
}

// extras is a model that adds attributes to what it saved.
type extras struct {
	*spy
	extra map[string]any
}

func (m extras) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	saved, err := m.spy.SaveToken(ctx, t, c, u)
	if err == nil {
		saved.Extra = m.extra
	}
	return saved, err
}

func TestExtendedTokenAttributes(t *testing.T) {
	extra := map[string]any{"tenant": "acme", "level": 3, "scope": "admin", "access_token": "mine",
		"Access_Token": "mine", "error": "x", "refresh_token": "r"}
	for _, allow := range []bool{false, true} {
		s := newSite(t, extras{newSpy(t), extra}, &oauth2server.Options{AllowExtendedTokenAttributes: allow}, nil)
		r := s.token("web", "grant_type", "client_credentials")
		require.Equal(t, 200, r.StatusCode, r.text)
		require.Equal(t, allow, r.body["tenant"] == "acme" && r.body["level"] == float64(3))
		require.Len(t, r.str("access_token"), 43, "a standard attribute stays what it is")
		require.NotContains(t, r.body, "Access_Token", "some decoders do not look at case")
		require.NotContains(t, r.body, "scope")
		require.NotContains(t, r.body, "error")
		require.NotContains(t, r.body, "refresh_token")
	}
	s := newSite(t, extras{newSpy(t), map[string]any{"f": func() {}}},
		&oauth2server.Options{AllowExtendedTokenAttributes: true}, nil)
	requireError(t, s.token("web", "grant_type", "client_credentials"), 500, "server_error")
}

func TestFaultsOfTheModelAreServerErrors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		grant, fails string
		logless      bool
	}{
		{"client_credentials", "GetClient", false}, {"client_credentials", "GetUserFromClient", false},
		{"client_credentials", "SaveToken", false},
		{"password", "GetUser", false}, {"password", "AppendGrant", false},
		{"authorization_code", "GetAuthorizationCode", false}, {"authorization_code", "RevokeAuthorizationCode", true},
		{"authorization_code", "SaveToken", false}, {"authorization_code", "AppendGrant", false},
		{"refresh_token", "GetRefreshToken", false}, {"refresh_token", "RevokeToken", true},
		{"refresh_token", "SaveToken", false}, {"refresh_token", "AppendGrant", false},
	} {
		t.Run(row.grant+"/"+row.fails, func(t *testing.T) {
			model := newSpy(t)
			var served oauth2server.Model = model
			if row.logless {
				served = plain{spy: model}
			}
			s := newSite(t, served, &oauth2server.Options{Grants: allGrants}, nil)
			try := func(failure error) reply {
				delete(model.fails, row.fails)
				first := s.token("web", "grant_type", "password", "username", "andy", "password", "andys-password")
				code := s.code()
				model.fails[row.fails] = failure
				return s.token("web", "grant_type", row.grant, "username", "andy", "password", "andys-password",
					"code", code, "redirect_uri", callback, "refresh_token", first.str("refresh_token"))
			}
			r := try(errors.New("the secret name of the database"))
			requireError(t, r, 503, "server_error")
			require.NotEmpty(t, r.Header.Get("Retry-After"))
			require.NotContains(t, r.text, "database", "the cause stays inside")

			r = try(fmt.Errorf("wrapped: %w",
				&oauth2server.Error{Code: oauth2server.InvalidGrant, Description: `say "no"`}))
			requireError(t, r, 400, "invalid_grant")
			require.Equal(t, "say 'no'", r.str("error_description"))

			r = try(&oauth2server.Error{Code: oauth2server.ServerError,
				Description: "the secret name of the database", Status: 500})
			requireError(t, r, 500, "server_error")
			require.NotContains(t, r.text, "database")

			var none *oauth2server.Error
			requireError(t, try(none), 500, "server_error")
			requireError(t, try(oauth2server.AccessDenied), 400, "access_denied")
			requireError(t, try(oauth2server.InvalidToken), 500, "server_error")
		})
	}
}

// broken is a model that returns nothing usable from SaveToken.
type broken struct {
	*spy
	saved *oauth2server.Token
}

func (m broken) SaveToken(
	context.Context, *oauth2server.Token, *oauth2server.Client, *oauth2server.User,
) (*oauth2server.Token, error) {
	return m.saved, nil
}

func TestSaveTokenMustReturnTheToken(t *testing.T) {
	client, user := &oauth2server.Client{ID: "web"}, &oauth2server.User{ID: "client:web"}
	for name, saved := range map[string]*oauth2server.Token{
		"nothing":         nil,
		"no access token": {Client: client, User: user},
		"no client":       {AccessToken: "a", User: user},
		"no user":         {AccessToken: "a", Client: client},
		"user without id": {AccessToken: "a", Client: client, User: &oauth2server.User{}},
		"another client":  {AccessToken: "a", Client: &oauth2server.Client{ID: "other"}, User: user},
		"another user":    {AccessToken: "a", Client: client, User: &oauth2server.User{ID: "u2"}},
		"a wider scope":   {AccessToken: "a", Client: client, User: user, Scope: oauth2server.Scope{"admin"}},
		"a refresh token": {AccessToken: "a", Client: client, User: user, RefreshToken: "r"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, broken{newSpy(t), saved}, nil, nil)
			requireError(t, s.token("web", "grant_type", "client_credentials"), 500, "server_error")
		})
	}
	s := newSite(t, broken{newSpy(t), &oauth2server.Token{AccessToken: "a", Client: client, User: user}}, nil, nil)
	r := s.token("web", "grant_type", "client_credentials")
	require.Equal(t, map[string]any{"access_token": "a", "token_type": "Bearer"}, r.body, "no expiry, no expires_in")
}

// widening changes the token that it was given, and saves that.
type widening struct{ *spy }

func (m widening) SaveToken(
	_ context.Context, t *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User,
) (*oauth2server.Token, error) {
	t.Scope = append(t.Scope[:len(t.Scope):len(t.Scope)], "admin")
	return t, nil
}

func TestSaveTokenMustNotWidenTheScope(t *testing.T) {
	s := newSite(t, widening{newSpy(t)}, nil, nil)
	requireError(t, s.token("web", "grant_type", "client_credentials", "scope", "read"), 500, "server_error")
}
