package oauth2server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/everything"
)

type hookName struct{ n string }

func (e hookName) ExtensionName() string { return e.n }

type grantHook struct {
	hookName
	f oauth2server.GrantFunc
}

func (e grantHook) Grants() map[string]oauth2server.GrantFunc {
	return map[string]oauth2server.GrantFunc{everything.GrantType: e.f}
}

type formatHook struct {
	hookName
	f func(*oauth2server.Client, *oauth2server.Token)
}

func (e formatHook) FormatToken(_ context.Context, c *oauth2server.Client, t *oauth2server.Token) (string, error) {
	e.f(c, t)
	return "", nil
}

type extendHook struct {
	hookName
	f func(*oauth2server.Token)
}

func (e extendHook) ExtendToken(_ context.Context, c *oauth2server.Client,
	t *oauth2server.Token) (map[string]any, error) {
	e.f(t)
	return nil, nil
}

type authorizationHook struct {
	hookName
	check   func(*oauth2server.AuthorizationRequest)
	approve func(*oauth2server.Approval, *oauth2server.Details)
}

func (e authorizationHook) AuthorizationParameters() []string { return nil }
func (e authorizationHook) CheckAuthorization(_ context.Context, q *oauth2server.AuthorizationRequest) error {
	if e.check != nil {
		e.check(q)
	}
	return nil
}
func (e authorizationHook) ApproveAuthorization(_ context.Context, q *oauth2server.AuthorizationRequest,
	a *oauth2server.Approval, d *oauth2server.Details) error {
	if e.approve != nil {
		e.approve(a, d)
	}
	return nil
}

func with(more ...oauth2server.Extension) func(*oauth2server.Options) {
	return func(o *oauth2server.Options) { o.Extensions = append(o.Extensions, more...) }
}

// 1: the owner's denial of a resolved request becomes an approval.
func TestAttack_DoorDenial(t *testing.T) {
	pushed, _ := url.ParseQuery(form(authorization()...))
	d := openDoors(t, &everything.Extension{Requests: map[string]url.Values{"urn:1": pushed}}, nil)
	r := d.post("/authorize?"+form("client_id", "web", "request_uri", "urn:1", "allowed", "true"),
		form("username", "andy", "password", "andys-password", "allowed", "false"))
	require.Empty(t, r.at("code"), "%d %v", r.StatusCode, r.Header)
}

// the same without a resolved request is refused
func TestAttack_DoorDenialPlain(t *testing.T) {
	d := openDoors(t, nil, nil)
	r := d.post("/authorize?"+form(authorization("allowed", "true")...),
		form("username", "andy", "password", "andys-password", "allowed", "false"))
	require.Empty(t, r.at("code"))
}

// 2: Issue drops Confirmation
func TestAttack_DoorIssueDropsConfirmation(t *testing.T) {
	g := grantHook{hookName{"zz"}, func(ctx context.Context,
		g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
		return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"}, Refresh: true,
			Details: &oauth2server.Details{Confirmation: map[string]string{"toy": "k1"}}})
	}}
	s := newSite(t, openModel(t), &oauth2server.Options{Extensions: []oauth2server.Extension{onlyBinder{}, g}}, nil)
	r := s.post("/token", form("grant_type", everything.GrantType), "Authorization", as("web"))
	if r.StatusCode == 200 && s.apiStatus(r.str("access_token")) == 200 {
		t.Errorf("asked for k1, got a bearer token: %s", r.text)
	}
	r = s.post("/token", form("grant_type", everything.GrantType), "Authorization", as("web"),
		everything.KeyHeader, "thief")
	if r.StatusCode == 200 && s.get("/api", "Authorization", "Toy "+r.str("access_token"),
		everything.KeyHeader, "thief").StatusCode == 200 {
		t.Errorf("asked for k1, bound to thief")
	}
}

// 3: FormatToken etc. change what is stored
func TestAttack_DoorFormatTokenUnbinds(t *testing.T) {
	model := openModel(t)
	ext := formatHook{hookName{"zz"}, func(c *oauth2server.Client, tok *oauth2server.Token) {
		clear(tok.Details.Confirmation)
	}}
	options := &oauth2server.Options{Extensions: []oauth2server.Extension{onlyBinder{}, ext}}
	s := newSite(t, model, options, nil)
	r := s.post("/token", form("grant_type", "client_credentials"), "Authorization", as("web"),
		everything.KeyHeader, "k1")
	require.Equal(t, "Toy", r.str("token_type"), r.text)
	require.NotEqual(t, 200, s.apiStatus(r.str("access_token")))
}

type onlyBinder struct{}

func (onlyBinder) ExtensionName() string { return "binder" }
func (onlyBinder) TokenType() string     { return "Toy" }
func (onlyBinder) Confirms() string      { return "toy" }
func (onlyBinder) Challenge() string     { return "" }
func (onlyBinder) BindToken(r *http.Request) (string, error) {
	return r.Header.Get(everything.KeyHeader), nil
}
func (onlyBinder) VerifyToken(r *http.Request, t *oauth2server.Token) error {
	if r.Header.Get(everything.KeyHeader) != t.Details.Confirmation["toy"] {
		return oauth2server.ErrNotFound
	}
	return nil
}

func TestAttack_DoorFormatTokenWidensScope(t *testing.T) {
	ext := formatHook{hookName{"zz"}, func(c *oauth2server.Client, tok *oauth2server.Token) {
		for i := range tok.Scope {
			tok.Scope[i] = "write"
		}
	}}
	s := newSite(t, openModel(t), &oauth2server.Options{Extensions: []oauth2server.Extension{ext}}, nil)
	r := s.redeem("web", s.code("scope", "read"))
	require.Equal(t, "read", s.introspect("web", r.str("access_token")).str("scope"), r.text)
}

func TestAttack_DoorExtendTokenReplacesTokenType(t *testing.T) {
	ext := extendHook{hookName{"zz"}, func(tok *oauth2server.Token) { clear(tok.Details.Confirmation) }}
	s := newSite(t, openModel(t), &oauth2server.Options{Extensions: []oauth2server.Extension{onlyBinder{}, ext}}, nil)
	r := s.post("/token", form("grant_type", "client_credentials"), "Authorization", as("web"),
		everything.KeyHeader, "k1")
	require.Equal(t, "Toy", r.str("token_type"), r.text)
}

func TestAttack_DoorCheckAuthorizationMovesAnswer(t *testing.T) {
	ext := authorizationHook{hookName: hookName{"zz"}, check: func(q *oauth2server.AuthorizationRequest) {
		q.RedirectURI = "https://evil.example/cb"
	}}
	s := newSite(t, openModel(t), &oauth2server.Options{Extensions: []oauth2server.Extension{ext}}, nil)
	r := s.authorize()
	require.NotContains(t, r.Header.Get("Location"), "evil.example")
}

func TestAttack_DoorApproveWipes(t *testing.T) {
	second := authorizationHook{hookName: hookName{"zz"}, approve: func(_ *oauth2server.Approval,
		d *oauth2server.Details) {
		*d = oauth2server.Details{}
		d.Set("zz", 1)
	}}
	d := openDoors(t, nil, with(second))
	r := d.authorize("note", "key:k1") // the first extension bound the code to k1
	require.Equal(t, "server_error", r.at("error"))
	require.Equal(t, "extension_contract", d.events.last(t).Reason)
}

func TestAttack_DoorApproveScopeInPlace(t *testing.T) {
	second := authorizationHook{hookName: hookName{"zz"}, approve: func(a *oauth2server.Approval,
		d *oauth2server.Details) {
		for i := range a.Scope {
			a.Scope[i] = "write"
		}
	}}
	s := newSite(t, openModel(t), &oauth2server.Options{Extensions: []oauth2server.Extension{second}}, nil)
	r := s.redeem("web", s.code("scope", "read"))
	require.Equal(t, "read", r.str("scope"))
}

// 4: AuthMethod ""
type methodless struct{ hookName }

func (methodless) AuthMethod() string { return "" }
func (methodless) ClaimedClient(r *oauth2server.ClientRequest) (string, error) {
	return r.Param("client_assertion"), nil
}
func (methodless) ProveClient(context.Context, *oauth2server.ClientRequest, *oauth2server.Client) error {
	return nil
}
func TestAttack_DoorEmptyAuthMethod(t *testing.T) {
	_, err := oauth2server.New(openModel(t),
		&oauth2server.Options{Extensions: []oauth2server.Extension{methodless{hookName{"zz"}}}})
	require.Error(t, err)
}

// 5: credentials in the URL / twice at revoke and introspect; two Authorization headers
func TestAttack_DoorAssertionAtStatusEndpoints(t *testing.T) {
	d := openDoors(t, nil, nil)
	for _, path := range []string{"/revoke", "/introspect"} {
		r := d.post(path+"?"+form(assertion("keyed", "9")...), form(append(assertion("keyed", path), "token", "x")...))
		if r.StatusCode != 400 {
			t.Errorf("%s: in the URL: %d", path, r.StatusCode)
		}
		r = d.post(path, form(append(append(assertion("keyed", "10"+path),
			assertion("keyed", "11"+path)...), "token", "x")...),
			"Authorization", as("web"))
		if r.StatusCode != 400 {
			t.Errorf("%s: two assertions and Basic: %d", path, r.StatusCode)
		}
	}
}

func TestAttack_DoorTwoAuthorizationHeaders(t *testing.T) {
	d := openDoors(t, nil, nil)
	req := d.request("POST", "/token", form(append(assertion("keyed", "1"), "grant_type", "client_credentials")...))
	req.Header["Authorization"] = []string{"Bearer x", as("web")}
	r := d.do(req)
	requireError(t, r, 400, "invalid_request")
}

// 6: implicit
func TestAttack_DoorImplicitTokenType(t *testing.T) {
	d := openDoors(t, nil, func(o *oauth2server.Options) { o.Grants = append([]string{"implicit"}, allGrants...) })
	r := d.authorize("response_type", "token", "note", "key:k1")
	require.NotEmpty(t, r.at("access_token"))
	require.Equal(t, "Toy", r.at("token_type"))
}

func TestAttack_DoorGhostGrant(t *testing.T) {
	pushed, _ := url.ParseQuery(form(authorization("response_type", "token")...))
	model := openModel(t)
	d := openDoorsOf(t, model, &everything.Extension{Requests: map[string]url.Values{"urn:1": pushed}},
		func(o *oauth2server.Options) { o.Grants = append([]string{"implicit"}, allGrants...) })
	n := 0
	for range 3 {
		r := d.post("/authorize", form("client_id", "web", "request_uri", "urn:1", "username", "andy",
			"password", "andys-password"))
		if r.at("access_token") != "" {
			n++
		}
	}
	require.Equal(t, 1, n)
	grants, err := model.UserGrants(t.Context(), "u1")
	require.NoError(t, err)
	require.Len(t, grants, 1, "refused answers left live grants")
}

// 7: answered without being spent
func TestAttack_DoorDenialIsNotSpent(t *testing.T) {
	pushed, _ := url.ParseQuery(form(authorization()...))
	d := openDoors(t, &everything.Extension{Requests: map[string]url.Values{"urn:1": pushed}}, nil)
	ask := []string{"client_id", "web", "request_uri", "urn:1", "username", "andy", "password", "andys-password"}
	r := d.post("/authorize", form(append(ask, "allowed", "false")...))
	require.Equal(t, "access_denied", r.at("error"))
	r = d.post("/authorize", form(ask...))
	require.Empty(t, r.at("code"), "it was answered")
}

func TestAttack_DoorNothingApprovedIsNotSpent(t *testing.T) {
	pushed, _ := url.ParseQuery(form(authorization("scope", "read")...))
	ext := &everything.Extension{Requests: map[string]url.Values{"urn:1": pushed}}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := oauth2server.AuthorizationRequestFromContext(r.Context())
		q.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"},
			All: r.PostForm.Get("verdict") == "allow"})
	})
	s := newSite(t, openModel(t), &oauth2server.Options{Extensions: []oauth2server.Extension{ext}}, page)
	u := "/authorize?" + form("client_id", "web", "request_uri", "urn:1")
	require.Equal(t, "access_denied", s.post(u, form("verdict", "none")).at("error"))
	require.Empty(t, s.post(u, form("verdict", "allow")).at("code"), "it was answered")
}

// 8: records
func TestAttack_DoorRevokeGrantTakesARecordsPlace(t *testing.T) {
	model := openModel(t)
	records := oauth2server.LogRecords(model)
	require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, "record:k"))
	require.NoError(t, records.SaveRecord(t.Context(), "k", []byte("x"), time.Now().Add(time.Hour)))
}

// 9: introspection of a token whose key nobody here can check
func TestAttack_DoorIntrospectionOfUnverifiable(t *testing.T) {
	model := openModel(t)
	d := openDoorsOf(t, model, nil, nil)
	bound := d.redeemWith(d.code(), key("k1")...)
	s := newSite(t, model, nil, nil) // without the extension
	r := s.introspect("web", bound.str("access_token"))
	require.NotEqual(t, "Bearer", r.str("token_type"), r.text)
}

// 10: own parameter as secret in URL of an extension's endpoint
func TestAttack_DoorSecretWordInURL(t *testing.T) {
	d := openDoors(t, nil, nil)
	r := d.post("/toy?secret_word=sesame", form("secret_word", "sesame"), "Authorization", as("web"))
	requireError(t, r, 400, "invalid_request")
}

// 11: Client("") with nil, nil
func TestAttack_DoorClientNil(t *testing.T) {
	defer func() { require.Nil(t, recover()) }()
	srv, err := oauth2server.New(openModel(t), &oauth2server.Options{})
	require.NoError(t, err)
	require.Error(t, srv.CheckAuthorization(t.Context(), nil, url.Values{"client_id": {"x"}}))
}

type passwordHook struct{ authorizationHook }

func (passwordHook) AuthorizationParameters() []string { return []string{"password"} }

func TestAttack_DoorPasswordParameter(t *testing.T) {
	_, err := oauth2server.New(openModel(t),
		&oauth2server.Options{Extensions: []oauth2server.Extension{passwordHook{authorizationHook{hookName: hookName{"zz"}}}}})
	require.Error(t, err)
}

// ExtendToken that keeps something by Details.Set: Details of one refresh are
// shared with what the model returned.
type cachingModel struct {
	*spy
	tok *oauth2server.Token
}

func (m *cachingModel) GetRefreshToken(ctx context.Context, s string) (*oauth2server.Token, error) {
	if m.tok == nil {
		tok, err := m.spy.GetRefreshToken(ctx, s)
		if err != nil {
			return nil, err
		}
		m.tok = tok
	}
	return m.tok, nil
}

// Two extensions that answer the same member, and one that binds a code to a key
// that nobody can check, are mistakes that the log names.
func TestAttack_DoorMistakesOfExtensions(t *testing.T) {
	twice := memberHook{extendHook{hookName{"zz"}, func(*oauth2server.Token) {}}}
	d := openDoors(t, nil, with(twice))
	requireError(t, d.redeemWith(d.code()), 500, "server_error")
	require.Equal(t, "extension_contract", d.events.last(t).Reason)

	binds := authorizationHook{hookName: hookName{"zz"}, approve: func(_ *oauth2server.Approval,
		d *oauth2server.Details) {
		d.Confirmation = map[string]string{"x5t#S256": "x"}
	}}
	d = openDoors(t, nil, with(binds))
	require.Equal(t, "server_error", d.authorize().at("error"))
	require.Equal(t, "program_mistake", d.events.last(t).Reason)
}

type memberHook struct{ extendHook }

func (memberHook) ExtendToken(
	context.Context, *oauth2server.Client, *oauth2server.Token,
) (map[string]any, error) {
	return map[string]any{"note": "another"}, nil
}

// The page's Fail answers a request, too.
func TestAttack_DoorFailSpends(t *testing.T) {
	pushed, _ := url.ParseQuery(form(authorization()...))
	ext := &everything.Extension{Requests: map[string]url.Values{"urn:1": pushed}}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := oauth2server.AuthorizationRequestFromContext(r.Context())
		if r.Method == http.MethodGet {
			q.Fail(w, r, oauth2server.ErrorCode("login_required"))
			return
		}
		q.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
	})
	s := newSite(t, openModel(t), &oauth2server.Options{Extensions: []oauth2server.Extension{ext}}, page)
	u := "/authorize?" + form("client_id", "web", "request_uri", "urn:1")
	require.Equal(t, "login_required", s.get(u).at("error"))
	require.Empty(t, s.post(u, "").at("code"))
}

// What an endpoint reads of a request has no credentials in it, so it can be
// kept.
func TestAttack_DoorFormHasNoCredentials(t *testing.T) {
	var got url.Values
	srv, err := oauth2server.New(openModel(t), sharedRecorder.options(t.Name(), nil))
	require.NoError(t, err)
	s := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := srv.AuthenticateClient(r, false)
		require.NoError(t, err)
		got = request.Form()
	}))
	s.post("/par", form("client_id", "web", "client_secret", secret+"web", "scope", "read"))
	require.Equal(t, url.Values{"client_id": {"web"}, "scope": {"read"}}, got)
}

// The records of all extensions share keys, whose parts strangers choose.
func TestAttack_DoorRecordKeys(t *testing.T) {
	records := oauth2server.LogRecords(newMemory(t))
	until := time.Now().Add(time.Hour)
	for _, key := range []string{"", strings.Repeat("k", 513), "\xff"} {
		require.Error(t, records.SaveRecord(t.Context(), key, nil, until), "%q", key)
	}
	require.Error(t, records.SaveRecord(t.Context(), "large", make([]byte, 128<<10+1), until))
	require.Error(t, records.SaveRecord(t.Context(), "eternal", nil, time.Time{}))
	require.NoError(t, records.SaveRecord(t.Context(), "large", make([]byte, 128<<10), until))
}

// A part of the authorization server itself lets in tokens for any resource.
func TestForAny(t *testing.T) {
	model := newSpy(t)
	options := withResources()
	s := newSite(t, model, options, nil)
	srv, err := oauth2server.New(model, sharedRecorder.options(t.Name(), options))
	require.NoError(t, err)
	userInfo := listen(t, srv.ForAny().Authenticate("read")(http.HandlerFunc(func(http.ResponseWriter,
		*http.Request) {
	})))
	for _, resource := range []string{"", mcp, files} {
		token := s.redeem("web", s.code("resource", resource, "scope", "read"))
		require.Equal(t, 200, userInfo.get("/", bearerOf(token)...).StatusCode)
		token = s.redeem("web", s.code("resource", resource, "scope", "write"))
		require.Equal(t, 403, userInfo.get("/", bearerOf(token)...).StatusCode)
	}
}

func TestAttack_DoorDetailsAliased(t *testing.T) {
	m := &cachingModel{spy: openModel(t)}
	ext := extendHook{hookName{"zz"}, func(tok *oauth2server.Token) { tok.Details.Set("late", 1) }}
	first := authorizationHook{hookName: hookName{"yy"}, approve: func(_ *oauth2server.Approval,
		d *oauth2server.Details) {
		d.Set("yy", 1)
	}}
	s := newSite(t, m, &oauth2server.Options{RefreshRotation: oauth2server.RotateNever,
		Extensions: []oauth2server.Extension{first, ext}}, nil)
	r := s.redeem("web", s.code())
	s.mustRefresh(r.str("refresh_token"))
	require.NotContains(t, m.tok.Details.Extensions, "late", "a token that the model may have cached was changed")
}
