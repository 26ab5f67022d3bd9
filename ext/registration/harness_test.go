// This file is the program at which the tests register clients.

package registration_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/ratelimit"
	"github.com/seed-11d18166/oauth2server/ext/registration"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const (
	key      = "a key of the test: 32 bytes or more"
	callback = "https://client.example/cb"
	verifier = "a-verifier-that-is-long-enough-for-RFC-7636"
)

var challenge = func() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

// sealed returns an endpoint without a limit.
func sealed(edit ...func(*registration.Options)) *registration.Endpoint {
	return registration.Sealed([]byte(key), options(edit))
}

func stored(store registration.Store, edit ...func(*registration.Options)) *registration.Endpoint {
	return registration.Stored(store, options(edit))
}

func options(edit []func(*registration.Options)) *registration.Options {
	opts := &registration.Options{Limit: ratelimit.Limit{Burst: -1}}
	for _, e := range edit {
		e(opts)
	}
	return opts
}

// inMemory stores clients in the model.
func inMemory(model *memorymodel.Model) registration.StoreFunc {
	return func(_ context.Context, client *oauth2server.Client, secret string) error {
		return model.AddClient(client, secret)
	}
}

// site is a program with an API of its own at /api, and one for clients that it
// does not know at /mcp.
type site struct {
	t   testing.TB
	srv *oauth2server.Server
	mux *http.ServeMux

	mu     sync.Mutex
	events []oauth2server.Event
}

func serverOptions(ext *registration.Endpoint) *oauth2server.Options {
	return &oauth2server.Options{
		Issuer:    "https://as.example",
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
		Resources: []oauth2server.Resource{
			{URL: "/mcp", Scopes: oauth2server.Scope{"read", "write"}, Default: oauth2server.Scope{"read"}}},
		AllowedOrigins: []string{"https://inspector.example"},
		Extensions:     []oauth2server.Extension{ext},
		Logger:         slog.New(slog.DiscardHandler),
	}
}

func newSite(t testing.TB, model oauth2server.Model, ext *registration.Endpoint) *site {
	s := &site{t: t, mux: http.NewServeMux()}
	opts := serverOptions(ext)
	opts.OnEvent = func(_ *http.Request, e oauth2server.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}
	var err error
	s.srv, err = oauth2server.New(model, opts)
	require.NoError(t, err)
	s.srv.Mount(s.mux, http.HandlerFunc(page))
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	s.mux.Handle("/mcp", s.srv.For("/mcp").Authenticate("read")(answer))
	s.mux.Handle("/api", s.srv.Authenticate()(answer))
	return s
}

// page approves when it is posted.
func page(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	if r.Method == http.MethodPost {
		request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
		return
	}
	fmt.Fprintf(w, "%s asks", html.EscapeString(request.Client.Name))
}

// reply is an answer.
type reply struct {
	*httptest.ResponseRecorder
	members map[string]any // of JSON
}

func (r reply) str(member string) string { s, _ := r.members[member].(string); return s }

// sent returns a parameter of the redirection.
func (r reply) sent(name string) string {
	location, err := url.Parse(r.Header().Get("Location"))
	if err != nil {
		return ""
	}
	return location.Query().Get(name)
}

func (s *site) do(method, path, contentType, body string, headers ...string) reply {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := reply{ResponseRecorder: httptest.NewRecorder()}
	s.mux.ServeHTTP(w, r)
	if w.Header().Get("Content-Type") == "application/json" {
		require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &w.members))
	}
	return w
}

// register posts metadata: names and values, as JSON.
func (s *site) register(members map[string]any) reply {
	body, err := json.Marshal(members)
	require.NoError(s.t, err)
	return s.do("POST", "/register", "application/json", string(body))
}

// registered is register for what must work.
func (s *site) registered(members map[string]any) reply {
	r := s.register(members)
	require.Equal(s.t, 201, r.Code, r.Body)
	return r
}

// public and withSecret are the least that a client says.
func public(uris ...string) map[string]any {
	return map[string]any{"redirect_uris": append(uris, callback)[:max(len(uris), 1)],
		"token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"}}
}

func withSecret() map[string]any {
	return map[string]any{"redirect_uris": []string{callback},
		"grant_types": []string{"authorization_code", "refresh_token"}}
}

// authorize asks as a client does, and the owner approves.
func (s *site) authorize(id, redirectURI string, params ...string) reply {
	return s.do("POST", "/authorize", "application/x-www-form-urlencoded", ask(id, redirectURI, params...))
}

func ask(id, redirectURI string, params ...string) string {
	return form(append([]string{"client_id", id, "redirect_uri", redirectURI, "response_type", "code", "state", "xyz",
		"code_challenge", challenge, "code_challenge_method", "S256"}, params...)...)
}

func form(params ...string) string {
	values := url.Values{}
	for i := 0; i < len(params); i += 2 {
		values.Set(params[i], params[i+1])
	}
	return values.Encode()
}

// token sends a token request, with the secret in the body.
func (s *site) token(id, secret string, params ...string) reply {
	if secret != "" {
		params = append(params, "client_secret", secret)
	}
	return s.do("POST", "/token", "application/x-www-form-urlencoded", form(append(params, "client_id", id)...))
}

func redeem(code, redirectURI string) []string {
	return []string{"grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI,
		"code_verifier", verifier}
}

// signIn goes from a registration to tokens.
func (s *site) signIn(registered reply, redirectURI string) reply {
	id := registered.str("client_id")
	asked := s.authorize(id, redirectURI)
	require.NotEmpty(s.t, asked.sent("code"), asked.Body)
	r := s.token(id, registered.str("client_secret"), redeem(asked.sent("code"), redirectURI)...)
	require.Equal(s.t, 200, r.Code, r.Body)
	return r
}

// opens returns the status of an API for a token.
func (s *site) opens(path string, tokens reply) int {
	return s.do("GET", path, "", "", "Authorization", "Bearer "+tokens.str("access_token")).Code
}
