// This file sets up osin.

package peers

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/openshift/osin"
)

// Osin is github.com/openshift/osin with a storage of maps, as it has none of
// its own.
var Osin = Peer{
	Name:      "osin 1.0.1",
	New:       newOsin,
	Authorize: "/authorize",
	Token:     "/token",
	API:       "/api",
	App:       app,
	Machine:   machine,
	Other:     other,
	Scope:     Scope,
	Unequal: []string{"any client may use any grant, and has any scope; a code is given " +
		"without a challenge too; looks up and checks, then removes: two requests at once may " +
		"both succeed; secrets are compared byte by byte; tokens are stored in clear; nothing " +
		"ever expires from memory; a refresh removes the old access token too"},
}

func newOsin(string) (http.Handler, error) {
	config := osin.NewServerConfig()
	config.AllowedAccessTypes = osin.AllowedAccessType{osin.AUTHORIZATION_CODE, osin.REFRESH_TOKEN,
		osin.CLIENT_CREDENTIALS}
	config.ErrorStatusCode = http.StatusBadRequest
	server := osin.NewServer(config, &osinStorage{
		clients: map[string]osin.Client{
			app.ID:   &osin.DefaultClient{Id: app.ID, Secret: app.Secret, RedirectUri: Callback},
			other.ID: &osin.DefaultClient{Id: other.ID, Secret: other.Secret, RedirectUri: Callback},
			machine.ID: &osin.DefaultClient{
				Id:          machine.ID,
				Secret:      machine.Secret,
				RedirectUri: Callback,
			},
		},
		codes:   map[string]*osin.AuthorizeData{},
		access:  map[string]*osin.AccessData{},
		refresh: map[string]*osin.AccessData{},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		response := server.NewResponse()
		defer response.Close()
		if request := server.HandleAuthorizeRequest(response, r); request != nil {
			request.Authorized, request.UserData = true, User
			server.FinishAuthorizeRequest(response, r, request)
		}
		osin.OutputJSON(response, w, r)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		response := server.NewResponse()
		defer response.Close()
		if request := server.HandleAccessRequest(response, r); request != nil {
			request.Authorized = true
			request.GenerateRefresh = request.Type != osin.CLIENT_CREDENTIALS
			server.FinishAccessRequest(response, r, request)
		}
		osin.OutputJSON(response, w, r)
	})
	mux.HandleFunc("/api", func(w http.ResponseWriter, r *http.Request) {
		response := server.NewResponse()
		defer response.Close()
		request := server.HandleInfoRequest(response, r)
		switch {
		case request == nil:
			w.WriteHeader(http.StatusUnauthorized)
		case !slices.Contains(strings.Fields(request.AccessData.Scope), Scope):
			w.WriteHeader(http.StatusForbidden)
		default:
			api(w, r)
		}
	})
	return mux, nil
}

type osinStorage struct {
	mu      sync.RWMutex
	clients map[string]osin.Client
	codes   map[string]*osin.AuthorizeData
	access  map[string]*osin.AccessData
	refresh map[string]*osin.AccessData
}

func (s *osinStorage) Clone() osin.Storage { return s }
func (s *osinStorage) Close()              {}

func (s *osinStorage) GetClient(id string) (osin.Client, error) {
	if client, ok := s.clients[id]; ok {
		return client, nil
	}
	return nil, osin.ErrNotFound
}

func (s *osinStorage) SaveAuthorize(data *osin.AuthorizeData) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[data.Code] = data
	return nil
}

func (s *osinStorage) LoadAuthorize(code string) (*osin.AuthorizeData, error) {
	return find(&s.mu, s.codes, code)
}

func (s *osinStorage) RemoveAuthorize(code string) error { return remove(&s.mu, s.codes, code) }

func (s *osinStorage) SaveAccess(data *osin.AccessData) error {
	own := *data
	own.AccessData, own.AuthorizeData = nil, nil // otherwise each keeps all before it
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access[data.AccessToken] = &own
	if data.RefreshToken != "" {
		s.refresh[data.RefreshToken] = &own
	}
	return nil
}

func (s *osinStorage) LoadAccess(token string) (*osin.AccessData, error) {
	return find(&s.mu, s.access, token)
}

func (s *osinStorage) RemoveAccess(token string) error { return remove(&s.mu, s.access, token) }

func (s *osinStorage) LoadRefresh(token string) (*osin.AccessData, error) {
	return find(&s.mu, s.refresh, token)
}

func (s *osinStorage) RemoveRefresh(token string) error { return remove(&s.mu, s.refresh, token) }

func find[T any](mu *sync.RWMutex, stored map[string]*T, key string) (*T, error) {
	mu.RLock()
	defer mu.RUnlock()
	if data, ok := stored[key]; ok {
		return data, nil
	}
	return nil, osin.ErrNotFound
}

func remove[T any](mu *sync.RWMutex, stored map[string]*T, key string) error {
	mu.Lock()
	defer mu.Unlock()
	delete(stored, key)
	return nil
}
