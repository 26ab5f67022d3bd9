package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const secret = "a-secret-that-nobody-guesses"

// moved is the page's server, after node had given app the refresh token "of node".
func moved(t *testing.T) http.Handler {
	model := memorymodel.New(nil)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "app",
		Grants: []string{otpGrant, "refresh_token"}}, secret))
	handler, err := newHandler(&movedModel{model, func(_ context.Context,
		refreshToken string) (*oauth2server.Token, error) {
		if refreshToken != "of node" {
			return nil, oauth2server.ErrNotFound
		}
		return &oauth2server.Token{RefreshToken: refreshToken, RefreshTokenExpiresAt: time.Now().Add(time.Hour),
			Scope: oauth2server.Scope{"read"}, Client: &oauth2server.Client{ID: "app"},
			User: &oauth2server.User{ID: "u1"}}, nil
	}}, http.NotFoundHandler())
	require.NoError(t, err)
	return handler
}

func post(handler http.Handler, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("app", secret)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestExtensionGrant(t *testing.T) {
	ownerOf = func(_ context.Context, otp string) (*oauth2server.User, error) {
		if otp != "424242" {
			return nil, oauth2server.ErrNotFound
		}
		return &oauth2server.User{ID: "u1"}, nil
	}
	handler := moved(t)
	for _, c := range []struct {
		otp    string
		status int
		body   string
	}{
		{"", 400, `"invalid_request"`},
		{"1", 400, `"invalid_grant"`},
		{"424242", 200, `"expires_in":1800`},
	} {
		w := post(handler, url.Values{"grant_type": {otpGrant}, "otp": {c.otp}, "scope": {"read"}})
		require.Equal(t, c.status, w.Code, c.otp)
		require.Contains(t, w.Body.String(), c.body)
	}
}

func TestRefreshTokenOfNode(t *testing.T) {
	handler := moved(t)
	refresh := func(refreshToken string) *oauth2server.Error {
		w := post(handler, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
		if w.Code == http.StatusOK {
			return nil
		}
		return &oauth2server.Error{Status: w.Code, Description: w.Body.String()}
	}
	require.Nil(t, refresh("of node"))
	require.Nil(t, refresh("of node"), "a reply that was lost")
	require.NotNil(t, refresh("of nobody"))
}

// Who follows a refresh token of node comes to the API.
func TestAPI(t *testing.T) {
	handler := moved(t)
	body := post(handler, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"of node"}}).Body.String()
	_, rest, _ := strings.Cut(body, `"access_token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	r := httptest.NewRequest("GET", "/api", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, "u1", w.Body.String())
}
