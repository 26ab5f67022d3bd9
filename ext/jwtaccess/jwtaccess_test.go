package jwtaccess_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/jwtaccess"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const (
	issuer = "https://as.example"
	files  = "https://api.example/files"
	secret = "a-secret-that-nobody-guesses"
)

// site is a server that issues JSON Web Tokens.
type site struct {
	t     testing.TB
	ring  *keys.Ring
	model *memorymodel.Model
	mux   *http.ServeMux
}

func newSite(t testing.TB, options *jwtaccess.Options) *site {
	ring, err := keys.New(context.Background(), keys.Static(signingKey))
	require.NoError(t, err)
	model := memorymodel.New(nil)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "web", RedirectURIs: []string{"https://web.example/cb"},
		Grants: []string{"authorization_code", "refresh_token", "client_credentials"}}, secret))
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Issuer:     issuer,
		Resources:  []oauth2server.Resource{{URL: files}},
		Extensions: []oauth2server.Extension{jwtaccess.New(ring, options)},
		Logger:     slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		oauth2server.AuthorizationRequestFromContext(r.Context()).Approve(w, r, oauth2server.Approval{
			User: &oauth2server.User{ID: "u1"}, All: true,
			Authentication: &oauth2server.Authentication{Time: time.Unix(1_700_000_000, 0), Context: "gold",
				Methods: []string{"pwd"}},
		})
	})
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(page))
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/revoke", srv.Revoke())
	mux.Handle("/introspect", srv.Introspect())
	mux.Handle("/jwks", ring)
	mux.Handle("/api", srv.Authenticate()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	return &site{t, ring, model, mux}
}

func (s *site) post(path string, params ...string) map[string]any {
	form := url.Values{}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("web", secret)
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	require.Equal(s.t, 200, w.Code, w.Body)
	answer := map[string]any{}
	json.Unmarshal(w.Body.Bytes(), &answer)
	return answer
}

// signIn returns the tokens of a code flow.
func (s *site) signIn(params ...string) map[string]any {
	query := url.Values{"client_id": {"web"}, "response_type": {"code"}, "state": {"1"}, "scope": {"read write"}}
	for i := 0; i < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, httptest.NewRequest("GET", "/authorize?"+query.Encode(), nil))
	location, err := url.Parse(w.Header().Get("Location"))
	require.NoError(s.t, err)
	return s.post("/token", "grant_type", "authorization_code", "code", location.Query().Get("code"))
}

// api returns a middleware of an API, and the status of a request to it.
func api(t testing.TB, audience string, set jwtaccess.Keys,
	options *jwtaccess.VerifierOptions) func(token string, scope ...string) int {
	verifier, err := jwtaccess.NewVerifier(issuer, audience, set, options)
	require.NoError(t, err)
	resource := &oauth2server.ResourceOptions{Logger: slog.New(slog.DiscardHandler)}
	if audience != issuer {
		resource.Resources = []oauth2server.Resource{{URL: audience}}
	}
	srv, err := oauth2server.NewResourceServer(verifier, resource)
	require.NoError(t, err)
	if audience != issuer {
		srv = srv.For(audience)
	}
	return func(token string, scope ...string) int {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		srv.Authenticate(scope...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, oauth2server.UserFromContext(r.Context()).ID)
		})).ServeHTTP(w, r)
		return w.Code
	}
}

func claimsOf(t testing.TB, token string) (head, claims map[string]any) {
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	for i, into := range []*map[string]any{&head, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, into))
	}
	return head, claims
}

func TestWhatATokenSays(t *testing.T) {
	s := newSite(t, nil)
	answer := s.signIn("scope", "read write")
	head, claims := claimsOf(t, answer["access_token"].(string))
	require.Equal(t, "at+jwt", head["typ"])
	require.Equal(t, "ES256", head["alg"])
	require.NotEmpty(t, claims["jti"])
	delete(claims, "jti")
	require.InDelta(t, time.Now().Unix(), claims["iat"], 2)
	require.InDelta(t, time.Now().Add(time.Hour).Unix(), claims["exp"], 2)
	delete(claims, "iat")
	delete(claims, "exp")
	require.Equal(t, map[string]any{"iss": issuer, "sub": "u1", "aud": issuer, "client_id": "web",
		"scope": "read write", "auth_time": 1.7e9, "acr": "gold", "amr": []any{"pwd"}}, claims)

	_, claims = claimsOf(t, s.signIn("resource", files)["access_token"].(string))
	require.Equal(t, files, claims["aud"])
	refreshed := s.post("/token", "grant_type", "refresh_token", "refresh_token", answer["refresh_token"].(string))
	_, claims = claimsOf(t, refreshed["access_token"].(string))
	require.Equal(t, 1.7e9, claims["auth_time"], "a refresh is no sign-in")
	_, claims = claimsOf(t, s.post("/token", "grant_type", "client_credentials")["access_token"].(string))
	require.Equal(t, "client:web", claims["sub"])
}

// A server whose subjects are pairwise does not show the user's ID in its access
// tokens.
func TestSubjectsOfClients(t *testing.T) {
	subject := func(user *oauth2server.User, client *oauth2server.Client) (string, error) {
		if user.ID == "client:web" {
			return "", errors.New("no person")
		}
		return client.ID + "'s " + user.ID, nil
	}
	s := newSite(t, &jwtaccess.Options{Subject: subject, Audience: "https://api.example"})
	_, claims := claimsOf(t, s.signIn()["access_token"].(string))
	require.Equal(t, "web's u1", claims["sub"])
	require.Equal(t, "https://api.example", claims["aud"])
}

// An API checks tokens without asking, by the keys that the server publishes.
func TestAnAPIOfItsOwn(t *testing.T) {
	s := newSite(t, nil)
	server := httptest.NewServer(s.mux)
	defer server.Close()
	remote, err := keys.NewRemote(server.URL+"/jwks", nil)
	require.NoError(t, err)
	plain, forFiles := api(t, issuer, remote, nil), api(t, files, remote, nil)
	token, fileToken := s.signIn()["access_token"].(string), s.signIn("resource", files)["access_token"].(string)
	require.Equal(t, 200, plain(token, "read"))
	require.Equal(t, 403, plain(token, "admin"))
	require.Equal(t, 401, plain(fileToken))
	require.Equal(t, 200, forFiles(fileToken))
	require.Equal(t, 401, forFiles(token))

	// The model knows them still.
	require.Equal(t, true, s.post("/introspect", "token", token)["active"])
	s.post("/revoke", "token", token)
	require.Equal(t, false, s.post("/introspect", "token", token)["active"])
	require.Equal(t, 200, plain(token), "who asks nobody does not know; see Revoked")
}

// A list of revoked grants ends their tokens at once.
func TestRevokedGrants(t *testing.T) {
	s := newSite(t, &jwtaccess.Options{GrantClaim: true})
	revoked, fault := map[string]bool{}, error(nil)
	call := api(t, issuer, s.ring, &jwtaccess.VerifierOptions{
		Revoked: func(_ context.Context, grantID string) (bool, error) { return revoked[grantID], fault },
	})
	token := s.signIn()["access_token"].(string)
	require.Equal(t, 200, call(token))
	_, claims := claimsOf(t, token)
	revoked[claims["grant_id"].(string)] = true
	require.Equal(t, 401, call(token))
	fault = errors.New("the list is away")
	require.Equal(t, 503, call(token))
}

func TestSomeClientsGetOpaqueTokens(t *testing.T) {
	s := newSite(t, &jwtaccess.Options{For: func(c *oauth2server.Client) bool { return c.ID != "web" }})
	require.Len(t, s.signIn()["access_token"], 43)
}

// Tokens that are not for the API, or not access tokens, or not any more.
func TestAttack_Tokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		call := api(t, issuer, s.ring, nil)
		now := time.Now().Unix()
		good := map[string]any{"iss": issuer, "sub": "u1", "aud": issuer, "client_id": "web", "jti": "1",
			"iat": now, "exp": now + 60, "scope": "read"}
		signed := func(typ string, changes map[string]any) string {
			claims := map[string]any{}
			for name, value := range good {
				claims[name] = value
			}
			for name, value := range changes {
				if claims[name] = value; value == nil {
					delete(claims, name)
				}
			}
			token, err := s.ring.Sign(t.Context(), typ, claims)
			require.NoError(t, err)
			return token
		}
		token := signed("at+jwt", nil)
		require.Equal(t, 200, call(token, "read"))
		require.Equal(t, 200, call(signed("at+jwt", map[string]any{"aud": []string{"https://x.example", issuer}})))
		for name, changes := range map[string]map[string]any{
			"another issuer":   {"iss": "https://evil.example"},
			"an issuer before": {"iss": issuer + "/"},
			"another audience": {"aud": files},
			"several":          {"aud": []string{files, "x"}},
			"no audience":      {"aud": nil},
			"empty audience":   {"aud": []string{}},
			"audience is odd":  {"aud": map[string]any{}},
			"no subject":       {"sub": nil},
			"no client":        {"client_id": nil},
			"no jti":           {"jti": nil},
			"no expiry":        {"exp": nil},
			"negative expiry":  {"exp": -1},
			"expired":          {"exp": now - 10},
			"text as expiry":   {"exp": "9999999999"},
			"from the future":  {"iat": now + 60},
			"not yet":          {"nbf": now + 60},
			"scope malformed":  {"scope": "a\"b"},
			"scope is a list":  {"scope": []string{"read"}},
			"bound to a key":   {"cnf": map[string]any{"jkt": "x"}},
			"bound by a key":   {"cnf": map[string]any{"jwk": map[string]any{"kty": "EC"}}},
		} {
			require.Equal(t, 401, call(signed("at+jwt", changes)), name)
		}
		for _, typ := range []string{"", "JWT", "logout+jwt", "dpop+jwt"} { // an ID token, for example
			require.Equal(t, 401, call(signed(typ, nil)), typ)
		}
		for i := range token {
			require.NotEqual(t, 200, call(token[:i]))
		}
		stranger, err := keys.New(t.Context(), keys.Static(newKey()))
		require.NoError(t, err)
		forged, err := stranger.Sign(t.Context(), "at+jwt", good)
		require.NoError(t, err)
		require.Equal(t, 401, call(forged))

		time.Sleep(60*time.Second + 4*time.Second)
		require.Equal(t, 200, call(token), "clocks differ a little")
		time.Sleep(2 * time.Second)
		require.Equal(t, 401, call(token))
	})
}

func TestWhatCannotWork(t *testing.T) {
	ring, err := keys.New(t.Context(), keys.Static(newKey()))
	require.NoError(t, err)
	for want, options := range map[string]*oauth2server.Options{
		"needs the option Issuer": {Extensions: []oauth2server.Extension{jwtaccess.New(ring, nil)}},
		"there are no keys":       {Issuer: issuer, Extensions: []oauth2server.Extension{jwtaccess.New(nil, nil)}},
	} {
		_, err := oauth2server.New(memorymodel.New(nil), options)
		require.ErrorContains(t, err, want)
	}
	for _, row := range []struct {
		issuer, audience string
		keys             jwtaccess.Keys
		options          *jwtaccess.VerifierOptions
	}{
		{"", files, ring, nil}, {issuer, "", ring, nil}, {issuer, files, nil, nil},
		{issuer, files, ring, &jwtaccess.VerifierOptions{Leeway: time.Hour}},
		{issuer, files, ring, &jwtaccess.VerifierOptions{Leeway: -1}},
	} {
		_, err := jwtaccess.NewVerifier(row.issuer, row.audience, row.keys, row.options)
		require.Error(t, err, row)
	}
}

func BenchmarkVerify(b *testing.B) {
	s := newSite(b, nil)
	verifier, err := jwtaccess.NewVerifier(issuer, issuer, s.ring, nil)
	require.NoError(b, err)
	token := s.signIn()["access_token"].(string)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifier.GetAccessToken(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFormat(b *testing.B) {
	s := newSite(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		s.post("/token", "grant_type", "client_credentials")
	}
}

// signingKey is fast to make and to use.
var signingKey = newKey()

func newKey() keys.Key {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return keys.Key{Signer: signer}
}
