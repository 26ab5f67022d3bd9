package oauth2server_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const (
	secret    = "a-client-secret-of-good-length"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	callback  = "https://client.example/cb"
)

var (
	allGrants = []string{"authorization_code", "refresh_token", "client_credentials", "password", "implicit"}
	// A public client cannot have the others.
	publicGrants = []string{"authorization_code", "refresh_token", "password", "implicit"}
)

// grantsOf returns all grants that a client of this kind can have.
func grantsOf(public bool) []string {
	if public {
		return publicGrants
	}
	return allGrants
}

// ownGrants are the extension grants of the tests.
var ownGrants = []string{"exchange", "careless", "echo", "tell", "toy-grant"}

// spy is the in-memory model. It records its calls, and returns the errors in
// fails.
type spy struct {
	*memorymodel.Model

	mu    sync.Mutex
	calls []string
	fails map[string]error
}

func newSpy(t testing.TB) *spy {
	return &spy{Model: newMemory(t), fails: map[string]error{}}
}

func newMemory(t testing.TB) *memorymodel.Model {
	model := memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost, ExtensionGrants: ownGrants})
	register(t, model.AddClient, model.AddUser)
	return model
}

// register adds the clients web (confidential), other (confidential), app
// (public) and so on, and the user andy.
func register(
	t testing.TB, addClient func(*oauth2server.Client, string) error,
	addUser func(*oauth2server.User, string, string) error,
) {
	t.Helper()
	for _, c := range []oauth2server.Client{
		{ID: "web", RedirectURIs: []string{callback}, Grants: allGrants},
		{ID: "other", RedirectURIs: []string{"https://other.example/cb"}, Grants: allGrants},
		{ID: "limited", RedirectURIs: []string{callback}, Grants: allGrants, Scope: oauth2server.Scope{"read"}},
		{ID: "machine", Grants: []string{"client_credentials"}},
		{ID: "two", RedirectURIs: []string{callback, callback + "2"}, Grants: allGrants},
		{ID: "query", RedirectURIs: []string{callback + "?tenant=7"}, Grants: allGrants},
		{ID: "app", RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb"},
			Grants: publicGrants, Public: true},
	} {
		clientSecret := secret + c.ID
		if c.Public {
			clientSecret = ""
		}
		require.NoError(t, addClient(&c, clientSecret))
	}
	require.NoError(t, addUser(&oauth2server.User{ID: "u1"}, "andy", "andys-password"))
}

func (s *spy) called(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, name)
	return s.fails[name]
}

// stored returns the calls since the last time that may have changed the
// storage.
func (s *spy) stored() (changes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, call := range s.calls {
		if strings.HasPrefix(call, "Save") || strings.HasPrefix(call, "Revoke") || strings.HasPrefix(call, "Append") {
			changes = append(changes, call)
		}
	}
	s.calls = nil
	return changes
}

func (s *spy) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if err := s.called("GetClient"); err != nil {
		return nil, err
	}
	return s.Model.GetClient(ctx, id, secret)
}

func (s *spy) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	if err := s.called("SaveToken"); err != nil {
		return nil, err
	}
	sharedRecorder.secret("an access token", t.AccessToken)
	sharedRecorder.secret("a refresh token", t.RefreshToken)
	return s.Model.SaveToken(ctx, t, c, u)
}

func (s *spy) GetAccessToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	if err := s.called("GetAccessToken"); err != nil {
		return nil, err
	}
	return s.Model.GetAccessToken(ctx, token)
}

func (s *spy) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	if err := s.called("SaveAuthorizationCode"); err != nil {
		return nil, err
	}
	sharedRecorder.secret("a code", code.Code)
	return s.Model.SaveAuthorizationCode(ctx, code, c, u)
}

func (s *spy) GetAuthorizationCode(ctx context.Context, code string) (*oauth2server.AuthorizationCode, error) {
	if err := s.called("GetAuthorizationCode"); err != nil {
		return nil, err
	}
	return s.Model.GetAuthorizationCode(ctx, code)
}

func (s *spy) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	if err := s.called("RevokeAuthorizationCode"); err != nil {
		return err
	}
	return s.Model.RevokeAuthorizationCode(ctx, code)
}

func (s *spy) GetRefreshToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	if err := s.called("GetRefreshToken"); err != nil {
		return nil, err
	}
	return s.Model.GetRefreshToken(ctx, token)
}

func (s *spy) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	if err := s.called("RevokeToken"); err != nil {
		return err
	}
	return s.Model.RevokeToken(ctx, token)
}

func (s *spy) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if err := s.called("AppendGrant"); err != nil {
		return nil, err
	}
	return s.Model.AppendGrant(ctx, e)
}

func (s *spy) GrantEntries(ctx context.Context, grantID string, from int) ([]*oauth2server.GrantEntry, error) {
	if err := s.called("GrantEntries"); err != nil {
		return nil, err
	}
	return s.Model.GrantEntries(ctx, grantID, from)
}

func (s *spy) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	if err := s.called("RevokeAccessTokens"); err != nil {
		return err
	}
	return s.Model.RevokeAccessTokens(ctx, digests...)
}

func (s *spy) RevokeAccessToken(ctx context.Context, token string) error {
	if err := s.called("RevokeAccessToken"); err != nil {
		return err
	}
	return s.Model.RevokeAccessToken(ctx, token)
}

func (s *spy) GetUser(
	ctx context.Context, username, password string, c *oauth2server.Client,
) (*oauth2server.User, error) {
	if err := s.called("GetUser"); err != nil {
		return nil, err
	}
	return s.Model.GetUser(ctx, username, password, c)
}

func (s *spy) GetUserFromClient(ctx context.Context, c *oauth2server.Client) (*oauth2server.User, error) {
	if err := s.called("GetUserFromClient"); err != nil {
		return nil, err
	}
	return s.Model.GetUserFromClient(ctx, c)
}

// plain is a model without a GrantLog: methods that are promoted from two
// fields at once count as none.
type plain struct {
	*spy
	oauth2server.GrantLog
	SecondLog
}

// SecondLog has the methods of a GrantLog a second time.
type SecondLog interface{ oauth2server.GrantLog }

// bothKinds runs test on a model with a GrantLog, and on one without.
func bothKinds(t *testing.T, name string, test func(t *testing.T, model *spy, served oauth2server.Model)) {
	t.Run(name+", with a log", func(t *testing.T) { model := newSpy(t); test(t, model, model) })
	t.Run(name+", without a log", func(t *testing.T) { model := newSpy(t); test(t, model, plain{spy: model}) })
}

// scoped is a model whose ValidateScope is a function.
type scoped struct {
	*spy
	validate func(user *oauth2server.User, scope oauth2server.Scope) (oauth2server.Scope, error)
}

func (m scoped) ValidateScope(
	_ context.Context, user *oauth2server.User, _ *oauth2server.Client, scope oauth2server.Scope,
) (oauth2server.Scope, error) {
	return m.validate(user, scope)
}

// readByDefault grants the requested scope, or "read" if none was requested.
func readByDefault(_ *oauth2server.User, scope oauth2server.Scope) (oauth2server.Scope, error) {
	if len(scope) == 0 {
		return oauth2server.Scope{"read"}, nil
	}
	return scope, nil
}

// site is a server with its endpoints mounted: /authorize, /token, /revoke,
// /introspect, /api (any token), /api/write, and the metadata at its path.
type site struct {
	t      testing.TB
	URL    string
	client *http.Client
}

// newSite starts a site that listens on loopback.
func newSite(t testing.TB, model oauth2server.Model, opts *oauth2server.Options, page http.Handler) *site {
	t.Helper()
	return listen(t, mount(t, model, opts, page))
}

func listen(t testing.TB, handler http.Handler) *site {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &site{t, server.URL, &http.Client{CheckRedirect: stay}}
}

// newLocalSite is newSite without a network, for tests that use
// testing/synctest.
func newLocalSite(t testing.TB, model oauth2server.Model, opts *oauth2server.Options, page http.Handler) *site {
	t.Helper()
	return local(t, mount(t, model, opts, page))
}

func local(t testing.TB, handler http.Handler) *site {
	return &site{t, "http://local",
		&http.Client{CheckRedirect: stay, Transport: roundTripper(func(r *http.Request) *http.Response {
			w := httptest.NewRecorder()
			r.RequestURI = r.URL.RequestURI()
			handler.ServeHTTP(w, r)
			return w.Result()
		})}}
}

type roundTripper func(*http.Request) *http.Response

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func mount(t testing.TB, model oauth2server.Model, opts *oauth2server.Options, page http.Handler) http.Handler {
	t.Helper()
	return mountFor(t, recorderOf(t), model, opts, page)
}

// mountFor is mount with a recorder of its own.
func mountFor(
	t testing.TB, rec *recorder, model oauth2server.Model, opts *oauth2server.Options, page http.Handler,
) http.Handler {
	t.Helper()
	srv, err := oauth2server.New(model, rec.options(t.Name(), opts))
	require.NoError(t, err)
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"user": oauth2server.UserFromContext(r.Context()).ID,
			"body": string(body)})
	})
	mux := http.NewServeMux()
	mount := func(path string, handler func() http.Handler) {
		// An endpoint that cannot work is not mounted: see
		// TestAuthorizeThatCannotWorkSaysSo.
		defer func() { _ = recover() }()
		mux.Handle(path, handler())
	}
	mount("/authorize", func() http.Handler { return srv.Authorize(page) })
	mount("/token", func() http.Handler { return srv.Token(nil) })
	mount("/revoke", srv.Revoke)
	mount("/introspect", srv.Introspect)
	mount(srv.MetadataPath(), srv.Metadata)
	mount("/api", func() http.Handler { return srv.Authenticate()(api) })
	mount("/api/write", func() http.Handler { return srv.Authenticate("write")(api) })
	if opts != nil {
		for _, r := range opts.Resources {
			u, err := url.Parse(r.URL)
			require.NoError(t, err)
			mount(u.Path, func() http.Handler { return srv.For(r.URL).Authenticate()(api) })
		}
	}
	return rec.wrap(t.Name(), mux)
}

// reply is a response whose body was read.
type reply struct {
	*http.Response
	text string
	body map[string]any
}

func (r reply) str(member string) string { s, _ := r.body[member].(string); return s }

// at returns the parameter of a redirect, in query or fragment.
func (r reply) at(name string) string {
	u, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return "broken: " + err.Error()
	}
	values, _ := url.ParseQuery(u.Fragment)
	if u.Query().Has(name) {
		return u.Query().Get(name)
	}
	return values.Get(name)
}

func (s *site) do(req *http.Request) reply {
	s.t.Helper()
	res, err := s.client.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	r := reply{Response: res, text: string(text)}
	if res.Header.Get("Content-Type") == "application/json" && req.Method != http.MethodHead {
		require.NoError(s.t, json.Unmarshal(text, &r.body), "%s", text)
	}
	return r
}

// request returns a request; headers are given in pairs.
func (s *site) request(method, path, body string, headers ...string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

func (s *site) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.do(s.request("GET", path, "", headers...))
}

func (s *site) post(path, body string, headers ...string) reply {
	s.t.Helper()
	return s.do(s.request("POST", path, body, headers...))
}

// as returns the Basic credentials of a client of newSpy.
func as(client string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret+client))
	return r.Header.Get("Authorization")
}

// token posts to the token endpoint as a confidential client.
func (s *site) token(client string, params ...string) reply {
	s.t.Helper()
	return s.post("/token", form(params...), "Authorization", as(client))
}

// form encodes parameters given in pairs.
func form(params ...string) string {
	var parts []string
	for i := 0; i < len(params); i += 2 {
		parts = append(parts, url.QueryEscape(params[i])+"="+url.QueryEscape(params[i+1]))
	}
	return strings.Join(parts, "&")
}

// authorize asks for a code, signing in with form parameters in place of a
// page. params are added to the usual ones or replace them; an empty value
// removes one.
func (s *site) authorize(params ...string) reply {
	s.t.Helper()
	return s.post("/authorize",
		form(authorization(append([]string{"username", "andy", "password", "andys-password"}, params...)...)...))
}

func authorization(params ...string) []string {
	all := append([]string{"response_type", "code", "client_id", "web", "redirect_uri", callback,
		"state", "xyz"}, params...)
	var pairs []string
	for i := 0; i < len(all); i += 2 {
		replaced := false
		for j := i + 2; j < len(all); j += 2 {
			replaced = replaced || all[i] == all[j]
		}
		if !replaced && all[i+1] != "" {
			pairs = append(pairs, all[i], all[i+1])
		}
	}
	return pairs
}

// code returns a new code for the client web.
func (s *site) code(params ...string) string {
	s.t.Helper()
	r := s.authorize(params...)
	require.NotEmpty(s.t, r.at("code"), "%d %s %s", r.StatusCode, r.Header.Get("Location"), r.text)
	return r.at("code")
}

// requireError checks an error of the token endpoint or of a resource.
func requireError(t testing.TB, r reply, status int, code string) {
	t.Helper()
	require.Equal(t, code, r.str("error"), "%d %s", r.StatusCode, r.text)
	require.Equal(t, status, r.StatusCode, "%s", r.text)
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
}
