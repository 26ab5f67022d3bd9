package oauth2server_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func (s *site) redeem(client, code string, params ...string) reply {
	s.t.Helper()
	return s.token(client, append([]string{"grant_type", "authorization_code", "code", code,
		"redirect_uri", callback}, params...)...)
}

func (s *site) refresh(client, token string, params ...string) reply {
	s.t.Helper()
	return s.token(client, append([]string{"grant_type", "refresh_token", "refresh_token", token}, params...)...)
}

func (s *site) signIn(client string, params ...string) reply {
	s.t.Helper()
	r := s.token(client, append([]string{"grant_type", "password", "username", "andy",
		"password", "andys-password"}, params...)...)
	require.Equal(s.t, 200, r.StatusCode, r.text)
	return r
}

func (s *site) apiStatus(accessToken string) int {
	s.t.Helper()
	return s.get("/api", "Authorization", "Bearer "+accessToken).StatusCode
}

func TestAuthorizationCodeGrant(t *testing.T) {
	bothKinds(t, "grant", testAuthorizationCodeGrant)
}

func testAuthorizationCodeGrant(t *testing.T, model *spy, served oauth2server.Model) {
	s := newSite(t, served, &oauth2server.Options{Grants: allGrants}, nil)

	code := s.code("scope", "read write")
	r := s.redeem("web", code, "scope", "admin")
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, "read write", r.str("scope"), "the scope parameter means nothing here")
	require.Equal(t, "u1", s.get("/api", "Authorization", "Bearer "+r.str("access_token")).str("user"))
	requireError(t, s.redeem("web", code), 400, "invalid_grant")

	t.Run("refused, and the code is left to its owner", func(t *testing.T) {
		code := s.code()
		model.stored()
		requireError(t, s.redeem("other", code), 400, "invalid_grant")
		requireError(t, s.post("/token",
			form("grant_type", "authorization_code", "code", code, "redirect_uri", callback)), 400, "invalid_client")
		requireError(t, s.redeem("web", "unknown"), 400, "invalid_grant")
		requireError(t, s.redeem("web", r.str("access_token")), 400, "invalid_grant")
		requireError(t, s.redeem("web", r.str("refresh_token")), 400, "invalid_grant")
		require.Empty(t, model.stored())
		require.Equal(t, 200, s.redeem("web", code).StatusCode)
	})
	for _, row := range []struct{ name, redirectURI, code string }{
		{"another redirect_uri", "https://evil.example/cb", "invalid_grant"},
		{"one slash more", callback + "/", "invalid_grant"},
		{"other case", strings.ToUpper(callback), "invalid_grant"},
		{"none", "", "invalid_grant"},
	} {
		t.Run(row.name+": refused, and the code is spent", func(t *testing.T) {
			code := s.code()
			requireError(t, s.token("web", "grant_type", "authorization_code", "code", code,
				"redirect_uri", row.redirectURI), 400, row.code)
			requireError(t, s.redeem("web", code), 400, "invalid_grant")
		})
	}
	t.Run("no redirect_uri in the authorization request, none demanded", func(t *testing.T) {
		for _, named := range []string{"", callback} {
			r := s.token("web", "grant_type", "authorization_code", "code", s.code("redirect_uri", ""),
				"redirect_uri", named)
			require.Equal(t, 200, r.StatusCode, r.text)
		}
		requireError(t, s.token("web", "grant_type", "authorization_code", "code", s.code("redirect_uri", ""),
			"redirect_uri", "https://evil.example/cb"), 400, "invalid_grant")
	})
}

func TestACodeIsRedeemedOnce(t *testing.T) {
	bothKinds(t, "code", testACodeIsRedeemedOnce)
}

func testACodeIsRedeemedOnce(t *testing.T, _ *spy, served oauth2server.Model) {
	s := newSite(t, served, nil, nil)
	code := s.code()
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if s.redeem("web", code).StatusCode == http.StatusOK {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
}

func TestLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLocalSite(t, newSpy(t), &oauth2server.Options{Grants: allGrants}, nil)
		code := s.code()
		time.Sleep(5 * time.Minute)
		r := s.redeem("web", code)
		requireError(t, r, 400, "invalid_grant")
		require.Contains(t, r.str("error_description"), "expired")

		r = s.signIn("web")
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, 200, s.apiStatus(r.str("access_token")))
		time.Sleep(time.Second)
		require.Equal(t, 401, s.apiStatus(r.str("access_token")))

		time.Sleep(14*24*time.Hour - time.Hour - time.Second)
		r = s.refresh("web", r.str("refresh_token"))
		require.Equal(t, 200, r.StatusCode, r.text)
		time.Sleep(14 * 24 * time.Hour)
		requireError(t, s.refresh("web", r.str("refresh_token")), 400, "invalid_grant")
	})
	synctest.Test(t, func(t *testing.T) {
		model := newSpy(t)
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: "brief",
			Grants:              []string{"password", "refresh_token"},
			AccessTokenLifetime: time.Minute, RefreshTokenLifetime: 2 * time.Minute}, secret+"brief"))
		s := newLocalSite(t, model, &oauth2server.Options{Grants: allGrants,
			AuthorizationCodeLifetime: 10 * time.Second,
			AccessTokenLifetime:       20 * time.Second, RefreshTokenLifetime: 30 * time.Second}, nil)
		r := s.signIn("brief")
		require.Equal(t, float64(60), r.body["expires_in"])
		time.Sleep(2*time.Minute - time.Second)
		require.Equal(t, 200, s.refresh("brief", r.str("refresh_token")).StatusCode)

		requireError(t, newLocalSite(t, shortLifetimes{model}, &oauth2server.Options{Grants: allGrants},
			nil).token("web", "grant_type", "password", "username", "andy", "password", "andys-password"),
			500, "server_error")

		r, code := s.signIn("web"), s.code()
		require.Equal(t, float64(20), r.body["expires_in"])
		time.Sleep(10 * time.Second)
		requireError(t, s.redeem("web", code), 400, "invalid_grant")
		time.Sleep(20 * time.Second)
		requireError(t, s.refresh("web", r.str("refresh_token")), 400, "invalid_grant")
	})
}

// shortLifetimes is a model with lifetimes that were meant as seconds.
type shortLifetimes struct{ *spy }

func (m shortLifetimes) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	client, err := m.spy.GetClient(ctx, id, secret)
	if err == nil {
		client.AccessTokenLifetime = 3600
	}
	return client, err
}

func TestRefreshTokenGrant(t *testing.T) {
	bothKinds(t, "grant", testRefreshTokenGrant)
}

func testRefreshTokenGrant(t *testing.T, model *spy, served oauth2server.Model) {
	s := newSite(t, served, &oauth2server.Options{Grants: allGrants}, nil)
	first := s.signIn("web", "scope", "read write")

	t.Run("refused, and the token is unharmed", func(t *testing.T) {
		token := first.str("refresh_token")
		model.stored()
		requireError(t, s.refresh("other", token), 400, "invalid_grant")
		requireError(t, s.refresh("web", token, "scope", "admin"), 400, "invalid_scope")
		requireError(t, s.refresh("web", token, "scope", `"`), 400, "invalid_scope")
		requireError(t, s.post("/token", form("grant_type", "refresh_token", "refresh_token", token)),
			400, "invalid_client")
		requireError(t, s.post("/token",
			form("grant_type", "refresh_token", "refresh_token", token, "client_id", "web")), 400, "invalid_client")
		requireError(t, s.refresh("web", "unknown"), 400, "invalid_grant")
		requireError(t, s.refresh("web", first.str("access_token")), 400, "invalid_grant")
		require.Empty(t, model.stored())
	})
	second := s.refresh("web", first.str("refresh_token"), "scope", "read")
	require.Equal(t, 200, second.StatusCode, second.text)
	require.Equal(t, "read", second.str("scope"))
	require.Equal(t, 403, s.get("/api/write", "Authorization", "Bearer "+second.str("access_token")).StatusCode)
	require.Equal(t, 200, s.apiStatus(first.str("access_token")), "access tokens live until they expire")
	if _, logless := served.(plain); logless {
		requireError(t, s.refresh("web", first.str("refresh_token")), 400, "invalid_grant")
	}

	third := s.refresh("web", second.str("refresh_token"))
	require.Equal(t, "read write", third.str("scope"), "the grant's scope is not narrowed: RFC 6749, section 6")
	require.Equal(t, 401, s.apiStatus(third.str("refresh_token")), "a refresh token is no access token")
}

func TestRefreshKeepsTheGrant(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	first := s.redeem("web", s.code("scope", "read write"))
	before, err := model.GetAccessToken(t.Context(), first.str("access_token"))
	require.NoError(t, err)
	after, err := model.GetAccessToken(t.Context(),
		s.refresh("web", first.str("refresh_token"), "scope", "read").str("access_token"))
	require.NoError(t, err)
	require.NotEmpty(t, before.GrantID)
	require.Equal(t, before.GrantID, after.GrantID)
	require.Equal(t, oauth2server.Scope{"read", "write"}, after.GrantScope)
	require.Equal(t, oauth2server.Scope{"read"}, after.Scope)
	require.Equal(t, time.UTC, after.AccessTokenExpiresAt.Location())
	require.Zero(t, after.AccessTokenExpiresAt.Nanosecond()%int(time.Millisecond), "whole milliseconds")
}

func TestRotationCanBeSwitchedOffForConfidentialClientsOnly(t *testing.T) {
	bothKinds(t, "rotation", testRotationCanBeSwitchedOff)
}

func testRotationCanBeSwitchedOff(t *testing.T, _ *spy, served oauth2server.Model) {
	s := newSite(t, served, &oauth2server.Options{Grants: allGrants, RefreshRotation: oauth2server.RotateNever,
		PublicClientGrants: []string{"refresh_token", "password"}}, nil)
	token := s.signIn("web").str("refresh_token")
	for range 2 {
		r := s.refresh("web", token)
		require.Equal(t, 200, r.StatusCode, r.text)
		require.NotContains(t, r.body, "refresh_token")
	}
	token = s.post("/token", form("grant_type", "password", "username", "andy",
		"password", "andys-password", "client_id", "app")).str("refresh_token")
	r := s.post("/token", form("grant_type", "refresh_token", "refresh_token", token, "client_id", "app"))
	require.NotEmpty(t, r.str("refresh_token"))
	require.NotEqual(t, token, r.str("refresh_token"))
}

func TestNoRefreshTokenWithoutTheGrant(t *testing.T) {
	s := newSite(t, newSpy(t), &oauth2server.Options{Grants: []string{"password"}}, nil)
	require.NotContains(t, s.signIn("web").body, "refresh_token")
	requireError(t, s.refresh("web", "x"), 400, "unsupported_grant_type")
}

func TestPasswordGrant(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{Grants: allGrants}, nil)
	require.NoError(t, model.AddUser(&oauth2server.User{ID: "u2"}, "zoë lee", "pä😀ss"))
	r := s.token("web", "grant_type", "password", "username", "zoë lee", "password", "pä😀ss")
	require.Equal(t, 200, r.StatusCode, r.text)
	model.stored()
	requireError(t, s.token("web", "grant_type", "password", "username", "andy", "password", "nope"),
		400, "invalid_grant")
	requireError(t, s.token("web", "grant_type", "password", "username", "nobody",
		"password", "andys-password"), 400, "invalid_grant")
	requireError(t, s.token("web", "grant_type", "password", "username", "nobody", "password", "x",
		"scope", `\`), 400, "invalid_scope")
	requireError(t, s.token("machine", "grant_type", "password", "username", "andy",
		"password", "andys-password"), 400, "unauthorized_client")
	require.Empty(t, model.stored())

	s = newSite(t, model, nil, nil)
	requireError(t, s.token("web", "grant_type", "password", "username", "andy", "password", "andys-password"),
		400, "unsupported_grant_type")
}

func TestClientCredentialsGrant(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	r := s.token("machine", "grant_type", "client_credentials", "scope", "write")
	require.Equal(t, 200, r.StatusCode, r.text)
	require.NotContains(t, r.body, "refresh_token")
	require.Equal(t, "client:machine",
		s.get("/api/write", "Authorization", "Bearer "+r.str("access_token")).str("user"))
	token, err := model.GetAccessToken(t.Context(), r.str("access_token"))
	require.NoError(t, err)
	require.Empty(t, token.GrantID, "no owner authorized it")

	model.fails["GetUserFromClient"] = oauth2server.ErrNotFound
	requireError(t, s.token("machine", "grant_type", "client_credentials"), 400, "invalid_grant")
}

const otpGrant = "urn:example:params:oauth:grant-type:otp"

// otp is an extension grant as a program would write it.
func otp(ctx context.Context, request *oauth2server.GrantRequest) (*oauth2server.Token, error) {
	switch request.Param("otp") {
	case "424242":
	case "fault":
		return nil, errors.New("the modem is off")
	case "nothing":
		return nil, nil
	case "nobody":
		return request.Issue(ctx, oauth2server.Issuance{})
	case "no scope for nobody":
		_, err := request.Scope(ctx, nil)
		return nil, err
	case "pending":
		return nil, &oauth2server.Error{Code: "authorization_pending"} // as in RFC 8628
	case "injection":
		return nil, oauth2server.ErrorCode(`"injected`)
	default:
		return nil, oauth2server.ErrNotFound
	}
	user := &oauth2server.User{ID: "u1"}
	scope, err := request.Scope(ctx, user)
	if err != nil {
		return nil, err
	}
	return request.Issue(ctx, oauth2server.Issuance{User: user, Scope: scope,
		Refresh: len(request.Params("resource")) > 1})
}

func TestExtensionGrant(t *testing.T) {
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone",
		Grants: []string{otpGrant, "refresh_token"}, Scope: oauth2server.Scope{"read"}}, secret+"phone"))
	options := &oauth2server.Options{ExtensionGrants: map[string]oauth2server.GrantFunc{otpGrant: otp}}
	s := newSite(t, model, options, nil)
	r := s.token("phone", "grant_type", otpGrant, "otp", "424242", "scope", "read")
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, "read", r.str("scope"))
	require.NotContains(t, r.body, "refresh_token")
	r = s.token("phone", "grant_type", otpGrant, "otp", "424242", "resource", "a", "resource", "b")
	require.NotEmpty(t, r.str("refresh_token"), "%s", r.text)
	model.stored()
	for _, row := range []struct {
		name   string
		client string
		params []string
		status int
		code   string
	}{
		{"not found", "phone", []string{"otp", "1"}, 400, "invalid_grant"},
		{"a fault", "phone", []string{"otp", "fault"}, 503, "server_error"},
		{"no token", "phone", []string{"otp", "nothing"}, 500, "server_error"},
		{"no user", "phone", []string{"otp", "nobody"}, 500, "server_error"},
		{"no user to ask a scope for", "phone", []string{"otp", "no scope for nobody"}, 500, "server_error"},
		{"a code of its own", "phone", []string{"otp", "pending"}, 400, "authorization_pending"},
		{"a code that may not be sent", "phone", []string{"otp", "injection"}, 500, "server_error"},
		{"a parameter twice", "phone", []string{"otp", "424242", "otp", "424242"}, 400, "invalid_grant"},
		{"a scope beyond the client's", "phone", []string{"otp", "424242", "scope", "write"}, 400, "invalid_scope"},
		{"a malformed scope", "phone", []string{"otp", "424242", "scope", `"`}, 400, "invalid_scope"},
		{"a client that may not", "web", []string{"otp", "424242"}, 400, "unauthorized_client"},
	} {
		t.Run(row.name, func(t *testing.T) {
			requireError(t, s.token(row.client, append([]string{"grant_type", otpGrant}, row.params...)...),
				row.status, row.code)
			require.Empty(t, model.stored())
		})
	}
	requireError(t, s.post("/token", form("grant_type", otpGrant, "otp", "424242", "client_id", "phone")),
		400, "invalid_client")
	options.InsecureSkipClientAuthentication = []string{otpGrant}
	s = newSite(t, model, options, nil)
	require.Equal(t, 200, s.post("/token",
		form("grant_type", otpGrant, "otp", "424242", "client_id", "phone")).StatusCode)
	requireError(t, s.post("/token", form("grant_type", otpGrant, "otp", "424242")), 400, "invalid_client")
}

// A grant that looks at a repeated parameter, and then issues all the same,
// gets no token.
func TestIssueRefusesARepeatedParameter(t *testing.T) {
	careless := func(ctx context.Context, request *oauth2server.GrantRequest) (*oauth2server.Token, error) {
		request.Param("actor")
		return request.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"},
			Scope: oauth2server.Scope{"admin"}})
	}
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "phone", Grants: []string{"careless"},
		Scope: oauth2server.Scope{"read"}}, secret+"phone"))
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "tablet", Grants: []string{"careless"}},
		secret+"tablet"))
	s := newSite(t, model, &oauth2server.Options{
		ExtensionGrants: map[string]oauth2server.GrantFunc{"careless": careless}}, nil)
	requireError(t, s.token("tablet", "grant_type", "careless", "actor", "a", "actor", "b"), 400, "invalid_request")
	requireError(t, s.token("phone", "grant_type", "careless", "actor", "a"), 400, "invalid_scope")
	require.Empty(t, model.stored())
	require.Equal(t, 200, s.token("tablet", "grant_type", "careless", "actor", "a").StatusCode)
}

// A value that a grant takes from a request must not keep the whole request in
// memory, with the secret in it.
func TestIssueKeepsNoRequest(t *testing.T) {
	echo := func(ctx context.Context, request *oauth2server.GrantRequest) (*oauth2server.Token, error) {
		return request.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: request.Param("user")}})
	}
	const requests, padding = 50, 60 << 10
	model := memorymodel.New(&memorymodel.Options{ExtensionGrants: ownGrants})
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "app", Grants: []string{"echo"}}, secret+"app"))
	s := newSite(t, model, &oauth2server.Options{ExtensionGrants: map[string]oauth2server.GrantFunc{"echo": echo}}, nil)
	before := heap()
	for i := range requests {
		require.Equal(t, 200, s.token("app", "grant_type", "echo", "user", strconv.Itoa(i), "padding",
			strings.Repeat("x", padding)).StatusCode)
	}
	require.Less(t, heap()-before, int64(requests*padding/4))
	runtime.KeepAlive(model)
}

// A scope token with a space would be several to a reader of the text:
// introspection would report more than Authenticate allows.
func TestIssueRefusesAMalformedScope(t *testing.T) {
	careless := func(ctx context.Context, request *oauth2server.GrantRequest) (*oauth2server.Token, error) {
		return request.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"},
			Scope: oauth2server.Scope{request.Param("scope")}})
	}
	model := newSpy(t)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "tablet", Grants: []string{"careless"}},
		secret+"tablet"))
	s := newSite(t, model, &oauth2server.Options{
		ExtensionGrants: map[string]oauth2server.GrantFunc{"careless": careless}}, nil)
	for _, scope := range []string{"read write", "read\r\nwrite", `"`, ""} {
		requireError(t, s.token("tablet", "grant_type", "careless", "scope", scope), 500, "server_error")
	}
	require.Empty(t, model.stored())
	require.Equal(t, "read", s.token("tablet", "grant_type", "careless", "scope", "read").str("scope"))
}

// generating makes its own tokens.
type generating struct {
	*spy
	next func() (string, error)
}

func (m generating) GenerateAccessToken(
	context.Context, *oauth2server.Client, *oauth2server.User, oauth2server.Scope,
) (string, error) {
	return m.next()
}

func (m generating) GenerateRefreshToken(
	context.Context, *oauth2server.Client, *oauth2server.User, oauth2server.Scope,
) (string, error) {
	token, err := m.next()
	return "refresh " + token, err
}

func (m generating) GenerateAuthorizationCode(
	context.Context, *oauth2server.Client, *oauth2server.User, oauth2server.Scope,
) (string, error) {
	token, err := m.next()
	return "code " + token, err
}

func TestGenerators(t *testing.T) {
	var token string
	var failure error
	s := newSite(t, generating{newSpy(t), func() (string, error) {
		return token, failure
	}}, &oauth2server.Options{Grants: allGrants}, nil)
	token = "own.token~of-some-length"
	require.Equal(t, "code own.token~of-some-length", s.code())
	r := s.signIn("web")
	require.Equal(t, "own.token~of-some-length", r.str("access_token"))
	require.Equal(t, "refresh own.token~of-some-length", r.str("refresh_token"))
	require.Equal(t, 200, s.refresh("web", r.str("refresh_token")).StatusCode)

	token = "no bearer token, as it has spaces"
	requireError(t, s.token("web", "grant_type", "client_credentials"), 500, "server_error")
	token = "nineteen-characters"
	requireError(t, s.token("web", "grant_type", "client_credentials"), 500, "server_error")
	token = "zoë, who is not of this alphabet"
	require.Equal(t, "server_error", s.authorize().at("error"))
	token = ""
	require.Len(t, s.token("web", "grant_type", "client_credentials").str("access_token"), 43, "none of its own")
	failure = errors.New("out of entropy")
	requireError(t, s.token("web", "grant_type", "client_credentials"), 503, "server_error")
	failure = oauth2server.ErrNotFound
	requireError(t, s.token("web", "grant_type", "client_credentials"), 500, "server_error")
	require.Equal(t, "server_error", s.authorize().at("error"))
}

// incomplete returns records that lack fields which the server needs.
type incomplete struct {
	*spy
	code  *oauth2server.AuthorizationCode
	token *oauth2server.Token
}

func (m incomplete) GetAuthorizationCode(context.Context, string) (*oauth2server.AuthorizationCode, error) {
	return m.code, nil
}
func (m incomplete) GetRefreshToken(context.Context, string) (*oauth2server.Token, error) {
	return m.token, nil
}
func (m incomplete) GetAccessToken(context.Context, string) (*oauth2server.Token, error) {
	return m.token, nil
}

func TestIncompleteRecordsFailClosed(t *testing.T) {
	client, user, later := &oauth2server.Client{ID: "web"}, &oauth2server.User{ID: "u1"}, time.Now().Add(time.Hour)
	try := func(code *oauth2server.AuthorizationCode, token *oauth2server.Token) (int, int, int) {
		s := newSite(t, incomplete{newSpy(t), code, token}, nil, nil)
		return s.redeem("web", "x").StatusCode, s.refresh("web", "x").StatusCode, s.apiStatus("x")
	}
	for name, row := range map[string]struct {
		code  *oauth2server.AuthorizationCode
		token *oauth2server.Token
		want  [3]int
	}{
		"nothing": {nil, nil, [3]int{400, 400, 401}},
		"no client": {&oauth2server.AuthorizationCode{User: user, ExpiresAt: later},
			&oauth2server.Token{User: user, AccessTokenExpiresAt: later}, [3]int{500, 500, 200}},
		"no user": {&oauth2server.AuthorizationCode{Client: client, ExpiresAt: later},
			&oauth2server.Token{Client: client, AccessTokenExpiresAt: later}, [3]int{500, 500, 500}},
		"a user without id": {&oauth2server.AuthorizationCode{Client: client,
			User: &oauth2server.User{}, ExpiresAt: later},
			&oauth2server.Token{Client: client, User: &oauth2server.User{}, AccessTokenExpiresAt: later},
			[3]int{500, 500, 500}},
		"no expiry": {&oauth2server.AuthorizationCode{Client: client, User: user},
			&oauth2server.Token{Client: client, User: user, GrantID: "g",
				RefreshTokenExpiresAt: time.Unix(1, 0)}, [3]int{500, 400, 500}},
		"no grant, for a client that it is none of the business of": {
			&oauth2server.AuthorizationCode{Client: &oauth2server.Client{ID: "other"}, User: user},
			&oauth2server.Token{Client: &oauth2server.Client{ID: "other"}, User: user,
				AccessTokenExpiresAt: later}, [3]int{400, 400, 200}},
		"a redirection URI that is none": {&oauth2server.AuthorizationCode{Client: client, User: user,
			ExpiresAt: later, GrantID: "g", RedirectURI: "not-a-uri"},
			nil, [3]int{400, 400, 401}},
		"no grant": {&oauth2server.AuthorizationCode{Client: client, User: user, ExpiresAt: later},
			&oauth2server.Token{Client: client, User: user, AccessTokenExpiresAt: later}, [3]int{500, 500, 200}},
	} {
		code, refresh, access := try(row.code, row.token)
		require.Equal(t, row.want, [3]int{code, refresh, access}, name)
	}
}
