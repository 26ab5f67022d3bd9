// This file sets up go-oauth2.

package peers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/models"
	"github.com/go-oauth2/oauth2/v4/server"
	"github.com/go-oauth2/oauth2/v4/store"
)

// GoOAuth2 is github.com/go-oauth2/oauth2 with its own store in memory,
// GoOAuth2Maps with one of maps.
var (
	GoOAuth2 = Peer{
		Name: "go-oauth2 4.5.4",
		New: func(string) (http.Handler, error) {
			return newGoOAuth2(store.NewMemoryTokenStore())
		},
		Authorize:        "/authorize",
		Token:            "/token",
		API:              "/api",
		App:              app,
		Machine:          machine,
		Other:            other,
		Scope:            Scope,
		AnybodyRefreshes: true,
		Unequal: []string{"a refresh authenticates no client; any client may use any " +
			"grant, and has any scope; looks up, then removes: two requests at once may both " +
			"succeed; secrets are compared byte by byte; tokens are stored in clear"},
	}
	GoOAuth2Maps = Peer{
		Name:             "go-oauth2 4.5.4 with maps",
		New:              func(string) (http.Handler, error) { return newGoOAuth2(newMaps(), nil) },
		Authorize:        "/authorize",
		Token:            "/token",
		API:              "/api",
		App:              app,
		Machine:          machine,
		Other:            other,
		Scope:            Scope,
		AnybodyRefreshes: true,
		Unequal: []string{"as above, but for its store of buntdb and JSON it has maps " +
			"of ours, from which nothing ever expires"},
	}
)

func newGoOAuth2(tokens oauth2.TokenStore, err error) (http.Handler, error) {
	if err != nil {
		return nil, err
	}
	manager := manage.NewDefaultManager()
	manager.MapTokenStorage(tokens)
	manager.SetRefreshTokenCfg(&manage.RefreshingConfig{
		IsGenerateRefresh:  true,
		IsRemoveRefreshing: true,
		IsResetRefreshTime: true,
		AccessTokenExp:     time.Hour,
		RefreshTokenExp:    14 * 24 * time.Hour,
	})
	manager.SetValidateURIHandler(func(registered, asked string) error {
		if registered != asked {
			return errors.New("redirect URI")
		}
		return nil
	})
	clients := store.NewClientStore()
	for _, c := range []Client{app, other, machine} {
		if err := clients.Set(c.ID, &models.Client{
			ID:     c.ID,
			Secret: c.Secret,
			Domain: Callback,
		}); err != nil {
			return nil, err
		}
	}
	manager.MapClientStorage(clients)
	srv := server.NewServer(&server.Config{
		TokenType:            "Bearer",
		AllowedResponseTypes: []oauth2.ResponseType{oauth2.Code},
		AllowedGrantTypes: []oauth2.GrantType{oauth2.AuthorizationCode, oauth2.Refreshing,
			oauth2.ClientCredentials},
		AllowedCodeChallengeMethods: []oauth2.CodeChallengeMethod{oauth2.CodeChallengeS256},
		ForcePKCE:                   true,
	}, manager)
	srv.SetClientInfoHandler(server.ClientBasicHandler)
	srv.SetUserAuthorizationHandler(
		func(http.ResponseWriter, *http.Request) (string, error) { return User, nil })
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.HandleAuthorizeRequest(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.HandleTokenRequest(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/api", func(w http.ResponseWriter, r *http.Request) {
		token, err := srv.ValidationBearerToken(r)
		switch {
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		case !slices.Contains(strings.Fields(token.GetScope()), Scope):
			w.WriteHeader(http.StatusForbidden)
		default:
			api(w, r)
		}
	})
	return mux, nil
}

// maps is a store of nothing but maps.
type maps struct {
	mu                     sync.RWMutex
	codes, access, refresh map[string]oauth2.TokenInfo
}

func newMaps() *maps {
	return &maps{
		codes:   map[string]oauth2.TokenInfo{},
		access:  map[string]oauth2.TokenInfo{},
		refresh: map[string]oauth2.TokenInfo{},
	}
}

func (m *maps) Create(_ context.Context, info oauth2.TokenInfo) error {
	own := *info.(*models.Token) // the manager changes it when it refreshes
	m.mu.Lock()
	defer m.mu.Unlock()
	if code := own.GetCode(); code != "" {
		m.codes[code] = &own
		return nil
	}
	m.access[own.GetAccess()] = &own
	if refresh := own.GetRefresh(); refresh != "" {
		m.refresh[refresh] = &own
	}
	return nil
}

func (m *maps) remove(stored map[string]oauth2.TokenInfo, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(stored, key)
	return nil
}

func (m *maps) find(stored map[string]oauth2.TokenInfo, key string) (oauth2.TokenInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if info, ok := stored[key]; ok {
		own := *info.(*models.Token)
		return &own, nil
	}
	return nil, nil
}

func (m *maps) RemoveByCode(_ context.Context, code string) error { return m.remove(m.codes, code) }
func (m *maps) RemoveByAccess(_ context.Context, access string) error {
	return m.remove(m.access, access)
}
func (m *maps) RemoveByRefresh(_ context.Context, token string) error {
	return m.remove(m.refresh, token)
}

func (m *maps) GetByCode(_ context.Context, code string) (oauth2.TokenInfo, error) {
	return m.find(m.codes, code)
}

func (m *maps) GetByAccess(_ context.Context, access string) (oauth2.TokenInfo, error) {
	return m.find(m.access, access)
}

func (m *maps) GetByRefresh(_ context.Context, token string) (oauth2.TokenInfo, error) {
	return m.find(m.refresh, token)
}
