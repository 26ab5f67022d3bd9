package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/generates"
	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/store"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func oldServer(t *testing.T) (*manage.Manager, http.Handler) {
	manager := manage.NewDefaultManager()
	manager.MustTokenStorage(store.NewMemoryTokenStore())
	return manager, before(manager, func(http.ResponseWriter, *http.Request) (string, error) { return "u1", nil })
}

func TestMove(t *testing.T) {
	manager, old := oldServer(t)
	model := memorymodel.New(nil)
	require.NoError(t, register(model))
	now, err := after(&moved{model, manager, time.Now().Add(24 * time.Hour)}, allowing)
	require.NoError(t, err)
	late, err := after(&moved{model, manager, time.Now().Add(-time.Hour)}, allowing)
	require.NoError(t, err)
	testMove(t, "read", old, now, late, func() error { return model.RevokeUser(t.Context(), "u1") })
}

type down struct{ oauth2.TokenStore }

func (down) GetByAccess(context.Context, string) (oauth2.TokenInfo, error)  { return nil, errFault }
func (down) GetByRefresh(context.Context, string) (oauth2.TokenInfo, error) { return nil, errFault }

func TestFault(t *testing.T) {
	manager, _ := oldServer(t)
	manager.MapTokenStorage(down{})
	requireFault(t, &moved{memorymodel.New(nil), manager, time.Now().Add(time.Hour)})
}

// Tokens that never expired get an end.
func TestForever(t *testing.T) {
	manager, old := oldServer(t)
	manager.SetAuthorizeCodeTokenCfg(&manage.Config{IsGenerateRefresh: true})
	given := site{old, t}.signIn("read")
	m := &moved{memorymodel.New(nil), manager, time.Now().Add(time.Hour)}
	token, err := m.GetAccessToken(t.Context(), given.Access)
	require.NoError(t, err)
	require.Equal(t, m.until, token.AccessTokenExpiresAt)
	require.Equal(t, m.until, token.RefreshTokenExpiresAt)
}

// The old store finds JWTs as well.
func TestJWT(t *testing.T) {
	manager, old := oldServer(t)
	manager.MapAccessGenerate(generates.NewJWTAccessGenerate("", []byte(secret), jwt.SigningMethodHS512))
	model := memorymodel.New(nil)
	require.NoError(t, register(model))
	now, err := after(&moved{model, manager, time.Now().Add(24 * time.Hour)}, allowing)
	require.NoError(t, err)
	given := site{old, t}.signIn("read")
	require.Equal(t, 2, strings.Count(given.Access, "."))
	site{now, t}.requireUser(given.Access)
}

// What the page says of the old server.
func TestSaferThan(t *testing.T) {
	_, handler := oldServer(t)
	old := site{handler, t}
	redirect := func(uri string) string {
		w := httptest.NewRecorder()
		query := "response_type=code&client_id=app&state=1&redirect_uri=" + url.QueryEscape(uri)
		old.ServeHTTP(w, httptest.NewRequest("GET", "/authorize?"+query, nil))
		return w.Header().Get("Location")
	}
	require.Contains(t, redirect("https://evil-app.example/"), "https://evil-app.example/?code=")
	require.Contains(t, redirect("https://thief.example/"), "https://thief.example/?error=")

	given := old.signIn("read")
	query := "grant_type=refresh_token&scope=read+everything&refresh_token=" + given.Refresh
	r := httptest.NewRequest("POST", "/token?"+query, nil)
	r.SetBasicAuth("anybody", "")
	w := httptest.NewRecorder()
	old.ServeHTTP(w, r)
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), `"scope":"read everything"`)
}
