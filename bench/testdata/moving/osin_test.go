package auth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/openshift/osin"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func TestMove(t *testing.T) {
	storage := &stored{client: &osin.DefaultClient{Id: "app", Secret: secret, RedirectUri: callback}}
	model := memorymodel.New(nil)
	require.NoError(t, register(model))
	now, err := after(&moved{model, storage, time.Now().Add(24 * time.Hour)}, allowing)
	require.NoError(t, err)
	late, err := after(&moved{model, storage, time.Now().Add(-time.Hour)}, allowing)
	require.NoError(t, err)
	testMove(t, "read", old(storage), now, late, func() error { return model.RevokeUser(t.Context(), "u1") })
}

type down struct{ osin.Storage }

func (d down) Clone() osin.Storage                        { return d }
func (down) Close()                                       {}
func (down) LoadAccess(string) (*osin.AccessData, error)  { return nil, errFault }
func (down) LoadRefresh(string) (*osin.AccessData, error) { return nil, errFault }

func TestFault(t *testing.T) {
	requireFault(t, &moved{memorymodel.New(nil), down{}, time.Now().Add(time.Hour)})
}

func old(storage osin.Storage) http.Handler {
	return before(storage, func(http.ResponseWriter, *http.Request) string { return "u1" })
}

// What the page says of the old server.
func TestSaferThan(t *testing.T) {
	storage := &stored{client: &osin.DefaultClient{Id: "app", Secret: secret, RedirectUri: callback}}
	s := site{old(storage), t}
	w := httptest.NewRecorder()
	query := "response_type=code&client_id=app&code_challenge=" + verifier +
		"&redirect_uri=" + url.QueryEscape(callback+"/anything")
	s.ServeHTTP(w, httptest.NewRequest("GET", "/authorize?"+query, nil))
	location, err := w.Result().Location()
	require.NoError(t, err)
	require.Equal(t, "/callback/anything", location.Path)
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {location.Query().Get("code")},
		"redirect_uri": {callback + "/anything"}, "code_verifier": {verifier[:42] + "B"},
	}
	status, _ := s.post(form)
	require.Equal(t, 400, status)
	form.Set("code_verifier", verifier)
	status, given := s.post(form)
	require.Equal(t, 200, status)

	w = httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/api?code="+given.Access, nil))
	require.Equal(t, "u1", w.Body.String())
}

const verifier = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// stored is a storage in maps.
type stored struct {
	client                 osin.Client
	codes, access, refresh sync.Map
}

func (s *stored) Clone() osin.Storage { return s }
func (s *stored) Close()              {}

func (s *stored) GetClient(id string) (osin.Client, error) {
	if id != s.client.GetId() {
		return nil, osin.ErrNotFound
	}
	return s.client, nil
}

func (s *stored) SaveAuthorize(data *osin.AuthorizeData) error {
	s.codes.Store(data.Code, data)
	return nil
}
func (s *stored) RemoveAuthorize(code string) error { s.codes.Delete(code); return nil }
func (s *stored) RemoveAccess(token string) error   { s.access.Delete(token); return nil }
func (s *stored) RemoveRefresh(token string) error  { s.refresh.Delete(token); return nil }

func (s *stored) LoadAuthorize(code string) (*osin.AuthorizeData, error) {
	return load[osin.AuthorizeData](&s.codes, code)
}

func (s *stored) LoadAccess(token string) (*osin.AccessData, error) {
	return load[osin.AccessData](&s.access, token)
}

func (s *stored) LoadRefresh(token string) (*osin.AccessData, error) {
	return load[osin.AccessData](&s.refresh, token)
}

func (s *stored) SaveAccess(data *osin.AccessData) error {
	s.access.Store(data.AccessToken, data)
	if data.RefreshToken != "" {
		s.refresh.Store(data.RefreshToken, data)
	}
	return nil
}

func load[T any](all *sync.Map, key string) (*T, error) {
	if data, ok := all.Load(key); ok {
		return data.(*T), nil
	}
	return nil, osin.ErrNotFound
}
