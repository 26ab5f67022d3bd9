package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

const callback = "https://app.example/callback"

// A site is one of the two servers.
type site struct {
	http.Handler
	t *testing.T
}

// allowing is a page whose user u1 allows everything at once.
var allowing = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
})

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// signIn sends u1 through the authorization code grant.
func (s site) signIn(scope string) tokens {
	s.t.Helper()
	query := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {callback},
		"state": {"0123456789"}, "scope": {scope},
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/authorize?"+query.Encode(), nil))
	location, err := w.Result().Location()
	require.NoError(s.t, err, w.Body)
	require.True(s.t, strings.HasPrefix(location.String(), callback), location)
	code := location.Query().Get("code")
	require.NotEmpty(s.t, code, location)
	status, tokens := s.post(url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {callback}})
	require.Equal(s.t, 200, status)
	require.NotEmpty(s.t, tokens.Access)
	require.NotEmpty(s.t, tokens.Refresh)
	return tokens
}

func (s site) post(form url.Values) (status int, answer tokens) {
	path := "/token"
	if form.Has("token") {
		path = "/revoke"
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("app", secret)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	json.Unmarshal(w.Body.Bytes(), &answer)
	return w.Code, answer
}

func (s site) refresh(refreshToken string) (int, tokens) {
	return s.post(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
}

// api returns the status, and whose token it is.
func (s site) api(accessToken string) (int, string) {
	r := httptest.NewRequest("GET", "/api", nil)
	r.Header.Set("Authorization", "Bearer "+accessToken)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func (s site) requireUser(accessToken string) {
	s.t.Helper()
	status, user := s.api(accessToken)
	require.Equal(s.t, 200, status)
	require.Equal(s.t, "u1", user)
}

func (s site) requireRefused(accessToken string) {
	s.t.Helper()
	status, _ := s.api(accessToken)
	require.Equal(s.t, 401, status)
}

// testMove checks what the pages say of tokens that were alive at the switch.
// revokeUser ends what u1 has at the new server, and until is the end of the old
// storage's time at the server that late is.
func testMove(t *testing.T, scope string, before, after, late http.Handler, revokeUser func() error) {
	old, now := site{before, t}, site{after, t}

	t.Run("a user who signs in at the new server", func(t *testing.T) {
		now := site{after, t}
		fresh := now.signIn("read")
		now.requireUser(fresh.Access)
		status, _ := now.refresh(fresh.Refresh)
		require.Equal(t, 200, status)
	})
	t.Run("both tokens go on, and a lost reply is made good", func(t *testing.T) {
		given := old.signIn(scope)
		old.requireUser(given.Access)
		now.requireUser(given.Access)
		status, first := now.refresh(given.Refresh)
		require.Equal(t, 200, status)
		now.requireUser(first.Access)
		now.requireUser(given.Access)
		status, again := now.refresh(given.Refresh)
		require.Equal(t, 200, status)
		require.Equal(t, first.Refresh, again.Refresh)
		status, _ = now.refresh(first.Refresh)
		require.Equal(t, 200, status)
	})
	t.Run("an old refresh token that is revoked takes the access token with it", func(t *testing.T) {
		given := old.signIn(scope)
		status, _ := now.post(url.Values{"token": {given.Refresh}})
		require.Equal(t, 200, status)
		now.requireRefused(given.Access)
		status, _ = now.refresh(given.Refresh)
		require.Equal(t, 400, status)
	})
	t.Run("what was refreshed here ends with the user's grants", func(t *testing.T) {
		given := old.signIn(scope)
		status, next := now.refresh(given.Refresh)
		require.Equal(t, 200, status)
		require.NoError(t, revokeUser())
		now.requireRefused(given.Access)
		now.requireRefused(next.Access)
		for _, refreshToken := range []string{given.Refresh, next.Refresh} {
			status, _ = now.refresh(refreshToken)
			require.Equal(t, 400, status)
		}
	})
	t.Run("what cannot be ended here", func(t *testing.T) {
		given := old.signIn(scope)
		status, _ := now.post(url.Values{"token": {given.Access}})
		require.Equal(t, 200, status)
		now.requireUser(given.Access)
		require.NoError(t, revokeUser())
		status, _ = now.refresh(given.Refresh)
		require.Equal(t, 200, status)
	})
	t.Run("what is of neither", func(t *testing.T) {
		now.requireRefused("guessed")
		status, _ := now.refresh("guessed")
		require.Equal(t, 400, status)
		given := old.signIn(scope)
		now.requireRefused(given.Refresh)
		status, _ = now.refresh(given.Access)
		require.Equal(t, 400, status)
	})
	t.Run("nothing outlives the old storage", func(t *testing.T) {
		late := site{late, t}
		given := old.signIn(scope)
		late.requireRefused(given.Access)
		status, _ := late.refresh(given.Refresh)
		require.Equal(t, 400, status)
	})
}

var errFault = errors.New("the storage is down")

// requireFault checks that a fault of the old storage is not told as a token that is gone.
func requireFault(t *testing.T, m interface {
	oauth2server.AccessTokenModel
	oauth2server.RefreshTokenModel
}) {
	_, err := m.GetAccessToken(t.Context(), "a")
	require.ErrorIs(t, err, errFault)
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
	_, err = m.GetRefreshToken(t.Context(), "r")
	require.ErrorIs(t, err, errFault)
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
}
