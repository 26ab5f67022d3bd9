package oauth2server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// issued saves an access token of andy's for the client web and returns it.
func issued(t testing.TB, model oauth2server.Model, token string, scope ...string) string {
	_, err := model.SaveToken(context.Background(),
		&oauth2server.Token{AccessToken: token, AccessTokenExpiresAt: time.Now().Add(time.Hour),
			Scope: scope, Client: &oauth2server.Client{ID: "web"}, User: &oauth2server.User{ID: "u1"}}, nil, nil)
	require.NoError(t, err)
	return token
}

func TestAuthenticate(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	issued(t, model, "aZ09-._~+/==", "read")
	const good = "aZ09-._~+/=="
	for _, row := range []struct {
		name, method, path, authorization, body string
		status                                  int
		code                                    string
	}{
		{"header", "GET", "/api", "Bearer " + good, "", 200, ""},
		{"scheme in lower case", "GET", "/api", "bearer " + good, "", 200, ""},
		{"two spaces", "GET", "/api", "BEARER  " + good, "", 200, ""},
		{"body of POST", "POST", "/api", "", form("access_token", good, "x", "1"), 200, ""},
		{"body of PUT", "PUT", "/api", "", form("access_token", good), 200, ""},
		{"header, and a body on GET", "GET", "/api", "Bearer " + good, form("access_token", good), 200, ""},
		{"header, and a form", "POST", "/api", "Bearer " + good, form("x", "1"), 200, ""},
		{"header, and a malformed query", "GET", "/api?x=100%&y=1", "Bearer " + good, "", 200, ""},
		{"header, and a malformed form", "POST", "/api", "Bearer " + good, "x=%zz", 200, ""},

		{"nothing", "GET", "/api", "", "", 401, ""},
		{"empty in the body", "POST", "/api", "", "access_token=", 401, ""},
		{"body of GET", "GET", "/api", "", form("access_token", good), 401, ""},
		{"body of DELETE", "DELETE", "/api", "", form("access_token", good), 401, ""},
		{"another scheme", "GET", "/api", "Basic YTpi", "", 401, ""},
		{"no scheme", "GET", "/api", good, "", 401, ""},
		{"a scheme that starts so", "GET", "/api", "Bearer" + good, "", 401, ""},
		{"a scheme before", "GET", "/api", "X Bearer " + good, "", 401, ""},
		{"scheme alone", "GET", "/api", "Bearer", "", 401, ""},
		{"scheme and a space", "GET", "/api", "Bearer ", "", 401, ""},
		{"scheme and a tab", "GET", "/api", "Bearer\t", "", 401, ""},
		{"tab", "GET", "/api", "Bearer\t" + good, "", 400, "invalid_request"},
		{"two tokens", "GET", "/api", "Bearer a b", "", 400, "invalid_request"},
		{"list", "GET", "/api", "Bearer a, Basic b", "", 400, "invalid_request"},
		{"bad character", "GET", "/api", "Bearer a*b", "", 400, "invalid_request"},
		{"padding alone", "GET", "/api", "Bearer ==", "", 400, "invalid_request"},
		{"padding inside", "GET", "/api", "Bearer a=b", "", 400, "invalid_request"},
		{"bad character in the body", "POST", "/api", "", form("access_token", "a b"), 400, "invalid_request"},
		{"twice in the body", "POST", "/api", "", form("access_token", good, "access_token", good), 400,
			"invalid_request"},
		{"header and body", "POST", "/api", "Bearer " + good, form("access_token", good), 400, "invalid_request"},
		{"another scheme and body", "POST", "/api", "Basic YTpi", form("access_token", good), 400, "invalid_request"},
		{"query", "GET", "/api?" + form("access_token", good), "", "", 400, "invalid_request"},
		{"query, its name encoded", "GET", "/api?access%5Ftoken=good", "", "", 400, "invalid_request"},
		{"query and header", "GET", "/api?" + form("access_token", good), "Bearer " + good, "", 400, "invalid_request"},
		{"unknown", "GET", "/api", "Bearer unknown", "", 401, "invalid_token"},
		{"insufficient scope", "GET", "/api/write", "Bearer " + good, "", 403, "insufficient_scope"},
	} {
		t.Run(row.name, func(t *testing.T) {
			headers := []string{}
			if row.authorization != "" {
				headers = []string{"Authorization", row.authorization}
			}
			r := s.do(s.request(row.method, row.path, row.body, headers...))
			require.Equal(t, row.status, r.StatusCode, r.text)
			switch {
			case row.status == 200:
				require.Equal(t, "u1", r.str("user"))
				require.Equal(t, row.body, r.str("body"), "the handler reads the body whole")
				return
			case row.code == "":
				require.Equal(t, `Bearer realm="Service"`, r.Header.Get("WWW-Authenticate"))
				require.Equal(t, "Unauthorized\n", r.text)
			default:
				require.Contains(t, r.Header.Get("WWW-Authenticate"),
					`Bearer realm="Service", error="`+row.code+`", error_description="`)
				requireError(t, r, row.status, row.code)
			}
			require.Empty(t, r.Header.Get("X-OAuth-Scopes"))
		})
	}
	t.Run("two headers", func(t *testing.T) {
		requireError(t, s.get("/api", "Authorization", "Bearer "+good, "Authorization", "Bearer "+good),
			400, "invalid_request")
	})
	t.Run("the challenge names the scope", func(t *testing.T) {
		require.Contains(t, s.get("/api/write", "Authorization", "Bearer "+good).Header.Get("WWW-Authenticate"),
			`scope="write"`)
	})
	t.Run("a form in JSON", func(t *testing.T) {
		require.Equal(t, 401, s.post("/api", `{"access_token":"`+good+`"}`,
			"Content-Type", "application/json").StatusCode)
	})
	t.Run("a form over the limit is left alone", func(t *testing.T) {
		long := "x=" + strings.Repeat("y", 100_000)
		r := s.post("/api", long, "Authorization", "Bearer "+good)
		require.Equal(t, 200, r.StatusCode)
		require.Equal(t, long, r.str("body"))
		require.Equal(t, 401, s.post("/api", long+"&access_token="+good).StatusCode)
	})
	t.Run("the model fails", func(t *testing.T) {
		model.fails["GetAccessToken"] = errors.New("the database is down")
		defer delete(model.fails, "GetAccessToken")
		r := s.get("/api", "Authorization", "Bearer "+good)
		requireError(t, r, 503, "server_error")
		require.NotContains(t, r.text, "database")
		require.Empty(t, r.Header.Get("WWW-Authenticate"))
	})
}

func TestBearerTokensInTheQuery(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, &oauth2server.Options{AllowBearerTokensInQueryString: true}, nil)
	issued(t, model, "good", "write")
	r := s.get("/api/write?access_token=good")
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, "private", r.Header.Get("Cache-Control"), "RFC 6750, section 2.3")
	requireError(t, s.get("/api?access_token=good&access_token=good"), 400, "invalid_request")
	requireError(t, s.get("/api?access_token=good", "Authorization", "Bearer good"), 400, "invalid_request")
	requireError(t, s.get("/api?access_token=a%20b"), 400, "invalid_request")
	require.Equal(t, 401, s.get("/api?access_token=%zz").StatusCode)
	requireError(t, s.get("/api?access%5Ftoken=good", "Authorization", "Bearer good"), 400, "invalid_request")
	requireError(t, s.post("/api?access_token=good", form("access_token", "good")), 400, "invalid_request")
	require.Equal(t, 401, s.get("/api?access_token=").StatusCode)
	require.Empty(t, s.get("/api/write", "Authorization", "Bearer good").Header.Get("Cache-Control"))
}

func TestScopeHeaders(t *testing.T) {
	for _, row := range []struct {
		opts                 oauth2server.Options
		path, accepted, have string
	}{
		{oauth2server.Options{}, "/api/write", "", ""},
		{oauth2server.Options{AddAcceptedScopesHeader: true}, "/api/write", "write", ""},
		{oauth2server.Options{AddAuthorizedScopesHeader: true}, "/api/write", "", "read write"},
		{oauth2server.Options{AddAcceptedScopesHeader: true, AddAuthorizedScopesHeader: true}, "/api", "", ""},
	} {
		model := newSpy(t)
		s := newSite(t, model, &row.opts, nil)
		r := s.get(row.path, "Authorization", "Bearer "+issued(t, model, "good", "read", "write"))
		require.Equal(t, 200, r.StatusCode)
		require.Equal(t, row.accepted, r.Header.Get("X-Accepted-OAuth-Scopes"))
		require.Equal(t, row.have, r.Header.Get("X-OAuth-Scopes"))
	}
}

// verifying decides about scopes itself: "admin" covers everything.
type verifying struct {
	*spy
	failure error
}

func (m verifying) VerifyScope(_ context.Context, token *oauth2server.Token, _ oauth2server.Scope) (bool, error) {
	return token.Scope.Contains("admin"), m.failure
}

func TestScopeVerifier(t *testing.T) {
	model := verifying{newSpy(t), nil}
	issued(t, model, "admin", "admin")
	issued(t, model, "write", "write")
	s := newSite(t, model, nil, nil)
	require.Equal(t, 200, s.get("/api/write", "Authorization", "Bearer admin").StatusCode)
	requireError(t, s.get("/api/write", "Authorization", "Bearer write"), 403, "insufficient_scope")
	model.failure = errors.New("down")
	requireError(t, newSite(t, model, nil, nil).get("/api/write", "Authorization", "Bearer admin"), 503, "server_error")
	model.failure = oauth2server.ErrNotFound
	requireError(t, newSite(t, model, nil, nil).get("/api/write", "Authorization", "Bearer admin"), 403,
		"insufficient_scope")
}

func TestRequiredScopeOfARoute(t *testing.T) {
	model := newSpy(t)
	issued(t, model, "good", "read", "write")
	resource, err := oauth2server.NewResourceServer(model,
		sharedRecorder.resourceOptions(t.Name(), &oauth2server.ResourceOptions{Realm: "API"}))
	require.NoError(t, err)
	for _, row := range []struct {
		scope  []string
		status int
	}{
		{nil, 200}, {[]string{"read"}, 200}, {[]string{"read", "write"}, 200}, {[]string{"read write"}, 200},
		{[]string{"read", "admin"}, 403},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer good")
		w := httptest.NewRecorder()
		resource.Authenticate(row.scope...)(http.NotFoundHandler()).ServeHTTP(w, r)
		token, err := resource.AuthenticateRequest(r, row.scope...)
		if row.status == 200 {
			require.Equal(t, 404, w.Code, "%q passes to the handler", row.scope)
			require.NoError(t, err)
			require.Equal(t, "u1", token.User.ID)
			continue
		}
		require.Equal(t, row.status, w.Code, "%q", row.scope)
		require.Nil(t, token)
		w = httptest.NewRecorder()
		resource.WriteError(w, r, err)
		require.Equal(t, row.status, w.Code)
	}
	for _, mistake := range [][]string{{""}, {"read", ""}, {`"`}, {" "}} {
		require.Panics(t, func() { resource.Authenticate(mistake...) }, "%q", mistake)
		_, err := resource.AuthenticateRequest(httptest.NewRequest("GET", "/", nil), mistake...)
		require.ErrorIs(t, err, oauth2server.ServerError)
	}
	w := httptest.NewRecorder()
	resource.WriteError(w, httptest.NewRequest("GET", "/", nil), errors.New("down"))
	require.Equal(t, 503, w.Code)
	w = httptest.NewRecorder()
	resource.WriteError(w, httptest.NewRequest("GET", "/", nil), oauth2server.ErrNotFound)
	require.Equal(t, 401, w.Code)
	require.Contains(t, w.Header().Get("WWW-Authenticate"), `Bearer realm="API", error="invalid_token"`)
}

func TestAServerWithoutGetAccessTokenOnlyIssues(t *testing.T) {
	s := newSite(t, struct {
		oauth2server.Model
		oauth2server.ClientCredentialsModel
		unwrapped
	}{Model: newSpy(t), ClientCredentialsModel: newSpy(t)}, nil, nil)
	r := s.token("machine", "grant_type", "client_credentials")
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, 404, s.apiStatus(r.str("access_token")), "Authenticate panics, so it is not there")
}

// A form that was parsed before is read from the request.
func TestAuthenticateAfterParseForm(t *testing.T) {
	model := newSpy(t)
	issued(t, model, "good")
	resource, err := oauth2server.NewResourceServer(model, sharedRecorder.resourceOptions(t.Name(), nil))
	require.NoError(t, err)
	r := httptest.NewRequest("POST", "/", strings.NewReader("access_token=good"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	require.NoError(t, r.ParseForm())
	token, err := resource.AuthenticateRequest(r)
	require.NoError(t, err)
	require.Equal(t, "good", token.AccessToken)
}

func TestContexts(t *testing.T) {
	require.Nil(t, oauth2server.TokenFromContext(t.Context()))
	require.Nil(t, oauth2server.UserFromContext(t.Context()))
	require.Nil(t, oauth2server.AuthorizationRequestFromContext(t.Context()))
	token := &oauth2server.Token{User: &oauth2server.User{ID: "u1"}}
	ctx := oauth2server.ContextWithToken(t.Context(), token)
	require.Same(t, token, oauth2server.TokenFromContext(ctx))
	require.Same(t, token.User, oauth2server.UserFromContext(ctx))
}
