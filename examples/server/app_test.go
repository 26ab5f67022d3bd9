package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// The whole story, as README.md tells it.
func TestFromConnectToDisconnect(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.open("/")
	b.submit("/client/connect")
	require.Equal(t, "/signin", b.last.Request.URL.Path)

	b.submit("/signin", "username", `an"dy`, "password", "not-it")
	b.says("signin.wrong")
	require.Contains(t, b.last.page, `value="an&#34;dy"`, "the name is kept")
	require.NotContains(t, b.last.page, "not-it", "the password is not")

	b.signIn()
	require.Equal(t, "/authorize", b.last.Request.URL.Path)
	b.says("scope.read", "consent.remembered")
	require.Contains(t, b.last.page, "Allow <bdi>Demo Web App</bdi> to access your account?")
	require.Contains(t, b.last.page, "You are signed in as <bdi>Andy</bdi>.")
	require.Contains(t, b.last.page, `<strong class="text-break"><bdi>`+b.base+`</bdi></strong>`)

	b.submit("/authorize", "verdict", "allow")
	require.Equal(t, "/client/", b.last.Request.URL.String()[len(b.base):], "the code is not left in the address")
	b.says("step.redirect", "step.answer", "step.token", "step.api")
	for _, want := range []string{"code_challenge=", "?code=", "grant_type=authorization_code",
		"Authorization: Basic …", "&#34;refresh_token&#34;:",
		"GET /user/authenticate", "Authorization: Bearer ", "&#34;user&#34;: {"} {
		require.Contains(t, b.last.page, want)
	}
	b.submit("/client/refresh")
	b.says("step.refresh", "client.refreshed")
	require.Contains(t, b.last.page, "grant_type=refresh_token")
	require.Less(t, strings.Index(b.last.page, "grant_type=refresh_token"),
		strings.Index(b.last.page, "grant_type=authorization_code"), "the last action is first")
	b.submit("/client/api")
	b.says("client.answered")
	require.Equal(t, 2, strings.Count(b.last.page, "GET /user/authenticate"))
	b.submit("/client/disconnect")
	b.says("step.revoke", "client.disconnected")
	require.Contains(t, b.last.page, "401 Unauthorized")
	b.post("/client/refresh")
	b.says("client.unconnected")
	require.NotContains(t, b.open("/client/").page, `role="status"`, "it is said once")
}

func TestDeny(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.post("/client/connect")
	b.signIn()
	b.submit("/authorize", "verdict", "deny")
	b.says("client.denied", "step.refusal")
	require.Contains(t, b.last.page, "error=access_denied")
	b.post("/client/connect")
	b.says("scope.read") // it is asked again
}

func TestConsentIsRememberedWhileConnected(t *testing.T) {
	base := site(t, nil)
	b := newBrowser(t, base)
	b.connect()
	b.post("/client/connect")
	require.Equal(t, "/client/", b.last.Request.URL.Path, "not asked again")
	b.says("step.token") // and connected anew

	request := base + "/authorize?" + url.Values{"response_type": {"code"}, "client_id": {clientID},
		"state": {"1"}, "scope": {"read write"}}.Encode()
	b.open(request)
	b.says("scope.read", "scope.write") // more than was granted

	b.open("/apps")
	b.submit("/apps")
	b.says("connected.ended", "connected.none")
	require.NotContains(t, b.open("/apps").page, "Last got a token", "said once")
	b.post("/client/connect")
	b.says("scope.read") // forgotten
}

// Who has a public client's name is not yet that client (RFC 6749, section 10.2).
func TestPublicClientsAreAlwaysAsked(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	config := oauth2.Config{ClientID: "spa", Scopes: []string{"read"}, RedirectURL: b.base + "/spa/",
		Endpoint: oauth2.Endpoint{AuthURL: b.base + "/authorize", TokenURL: b.base + "/user/token",
			AuthStyle: oauth2.AuthStyleInParams}}
	for range 2 {
		verifier := oauth2.GenerateVerifier()
		request := config.AuthCodeURL("1", oauth2.S256ChallengeOption(verifier))
		_, err := config.Exchange(t.Context(), b.allow(request).Get("code"), oauth2.VerifierOption(verifier))
		require.NoError(t, err)
		b.open(request)
		b.says("consent.public", "consent.asked")
		b.post("/authorize", pairsOf(t, request)...) // a request may be a POST
		b.says("consent.public", "consent.asked")
	}
}

// pairsOf are the parameters of an address.
func pairsOf(t *testing.T, address string) (pairs []string) {
	u, err := url.Parse(address)
	require.NoError(t, err)
	for name, values := range u.Query() {
		pairs = append(pairs, name, values[0])
	}
	return pairs
}

// What one application was allowed is not what another asks for.
func TestConsentIsRememberedOfOneClient(t *testing.T) {
	b := newBrowser(t, site(t, withClient(t, &oauth2server.Client{ID: "other",
		Grants: []string{"authorization_code"}, RedirectURIs: []string{"https://other.example/cb"}})))
	b.connect()
	b.open("/authorize?response_type=code&client_id=other&state=1&scope=read")
	b.says("scope.read")
	require.Contains(t, b.last.page, `<strong class="text-break"><bdi>other.example</bdi></strong>`)
}

// widening is a model that grants more from some time on.
type widening struct {
	*memorymodel.Model
	all bool
}

func (m *widening) ValidateScope(_ context.Context, _ *oauth2server.User, _ *oauth2server.Client,
	scope oauth2server.Scope) (oauth2server.Scope, error) {
	if m.all {
		return scope, nil
	}
	return oauth2server.Scope{"read"}, nil
}

// Who allows what he has read allows no more, whatever may be granted by then.
func TestConsentIsToWhatWasShown(t *testing.T) {
	model := &widening{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model }))
	b.open("/signin?next=/apps")
	b.signIn()
	shown := b.open("/authorize?response_type=code&client_id=" + clientID + "&state=1&scope=read+write")
	b.says("scope.read")
	require.NotContains(t, shown.page, "Change your profile")
	model.all = true
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	code := b.submitOf(shown, "/authorize", "verdict", "allow").parameters().Get("code")
	res, err := http.PostForm(b.base+"/user/token", values("grant_type", "authorization_code", "code", code,
		"client_id", clientID, "client_secret", clientSecret))
	require.Contains(t, body(t, res, err), `"scope":"read"}`)
}

func TestConnectedApps(t *testing.T) {
	base := site(t, withClient(t, &oauth2server.Client{ID: "nameless",
		Grants: []string{"authorization_code"}, RedirectURIs: []string{"https://nameless.example/cb"}}))
	b := newBrowser(t, base)
	b.open("/apps")
	require.Equal(t, "/signin", b.last.Request.URL.Path)
	b.signIn()
	require.Equal(t, "/apps", b.last.Request.URL.Path)
	b.says("connected.none")

	b.connect()
	b.post("/client/connect") // a second grant of the same application
	code := b.allow(base + "/authorize?response_type=code&client_id=nameless&state=1").Get("code")
	redeem := values("grant_type", "authorization_code", "code", code, "client_id", "nameless",
		"client_secret", otherSecret)
	res, err := http.PostForm(base+"/user/token", redeem)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, body(t, res, err))

	b.open("/apps")
	require.Equal(t, 2, strings.Count(b.last.page, "<section"))
	require.Contains(t, b.last.page, ">nameless<")
	require.Contains(t, b.last.page, ">Demo Web App<")
	b.says("scope.read")
	b.submit("/apps", "client_id", clientID)
	b.says("connected.ended")
	require.Contains(t, b.last.page, ">nameless<")
	require.NotContains(t, b.last.page, ">Demo Web App<")

	b.open("/client/")
	b.submit("/client/api")
	b.says("client.unauthorized")
	require.Contains(t, b.last.page, "401 Unauthorized")
	b.submit("/client/refresh")
	b.says("client.ended")
	require.Contains(t, b.last.page, "invalid_grant")
	require.NotContains(t, b.last.page, `action="/client/api"`)

	b.post("/apps?client_id=nameless", "x", "y") // in the URL
	require.Contains(t, b.last.page, ">nameless<")
	b.post("/apps", "client_id", "nobody")
	require.Equal(t, http.StatusOK, b.last.StatusCode)
	require.Contains(t, b.last.page, ">nameless<")
}

// A code that is on its way when its application is disconnected is no way back in.
func TestDisconnectingEndsCodesToo(t *testing.T) {
	base := site(t, nil)
	b := newBrowser(t, base)
	b.connect()
	code := b.allow(base + "/authorize?response_type=code&client_id=" + clientID + "&state=1&scope=read").Get("code")
	b.open("/apps")
	b.submit("/apps")
	res, err := http.PostForm(base+"/user/token", values("grant_type", "authorization_code", "code", code,
		"client_id", clientID, "client_secret", clientSecret))
	require.Contains(t, body(t, res, err), "invalid_grant")
}

func TestSignOut(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.connect()
	b.open("/signout")
	b.says("signout.title", "signout.story")
	old := b.Jar.Cookies(b.last.Request.URL)
	b.submit("/signout")
	b.says("signout.done")
	require.Equal(t, "/signin", b.open("/apps").Request.URL.Path)
	again := newBrowser(t, b.base)
	again.Jar.SetCookies(b.last.Request.URL, old)
	require.Equal(t, "/signin", again.open("/apps").Request.URL.Path, "the session is gone, not only its cookie")
	b.open("/client/")
	b.submit("/client/api")
	require.NotContains(t, b.last.page, "401 Unauthorized", "what was allowed goes on")
}

func TestBrokenRequestsSayWhatToTellTheDeveloper(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for name, row := range map[string]struct{ query, code, description string }{
		"unknown client": {"client_id=nobody", "invalid_client", "`client_id` names no client that is known here"},
		"other URI": {"client_id=" + clientID + "&redirect_uri=https://evil.example/",
			"invalid_request", "`redirect_uri` is not one that is registered"},
		"no client": {"", "invalid_request", "Missing parameter: `client_id`"},
	} {
		b.open("/authorize?response_type=code&state=1&" + row.query)
		require.Equal(t, http.StatusBadRequest, b.last.StatusCode, name)
		b.says("problem.client.title", "problem.client", "problem.tell", "problem.reference")
		require.Contains(t, b.last.page, row.code, name)
		require.Contains(t, b.last.page, row.description, name)
	}
	require.Equal(t, http.StatusMethodNotAllowed, func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, b.base+"/authorize", nil)
		require.NoError(t, err)
		return b.saw(b.Do(r)).StatusCode
	}())
}

// Somebody goes back to a page that he answered, or the client's answer comes twice.
func TestGoingBack(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.post("/client/connect")
	signIn := b.last.Request.URL.String()
	b.signIn()
	consent := b.last
	b.submit("/authorize", "verdict", "allow")
	b.says("step.api")

	require.Equal(t, "/client/", b.open(signIn).Request.URL.Path, "signed in, and remembered")
	b.says("client.unasked")
	require.Contains(t, b.last.page, `action="/client/api"`, "still connected")
	b.open(consent.Request.URL.String())
	require.Equal(t, "/client/", b.last.Request.URL.Path)
	b.submitOf(consent, "/authorize", "verdict", "allow")
	b.says("consent.again")
	b.submit("/authorize", "verdict", "deny")
	b.says("client.unasked")
	require.Contains(t, b.last.page, `action="/client/api"`)
}

// Two pages that ask are open at once, in two tabs.
func TestTwoTabs(t *testing.T) {
	base := site(t, nil)
	b := newBrowser(t, base)
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == callbackPath {
			return http.ErrUseLastResponse
		}
		return nil
	}
	request := base + "/authorize?response_type=code&client_id=" + clientID + "&scope=read&state="
	b.open(request + "1")
	first := b.signIn()
	second := b.open(request + "2")
	for state, shown := range map[string]answer{"1": first, "2": second} {
		answer := b.submitOf(shown, "/authorize", "verdict", "allow").parameters()
		require.NotEmpty(t, answer.Get("code"))
		require.Equal(t, state, answer.Get("state"))
	}
	var pages []answer
	for range maxTickets + 1 {
		pages = append(pages, b.open(request+"3"))
	}
	b.submitOf(pages[0], "/authorize", "verdict", "allow")
	b.says("consent.again") // what a session keeps is bounded
	require.NotEmpty(t, b.submitOf(pages[2], "/authorize", "verdict", "allow").parameters().Get("code"))
}

func TestUseAnotherAccount(t *testing.T) {
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage {
		require.NoError(t, m.AddUser(&oauth2server.User{ID: "2"}, "beth", "abcdef"))
		return m
	}))
	b.post("/client/connect")
	b.signIn()
	b.submit("/signout")
	require.Equal(t, "/signin", b.last.Request.URL.Path)
	b.submit("/signin", "username", "beth", "password", "abcdef")
	require.Contains(t, b.last.page, "You are signed in as <bdi>2</bdi>.")
	b.submit("/authorize", "verdict", "allow")
	b.says("client.connected")
	require.Contains(t, b.last.page, "&#34;id&#34;: &#34;2&#34;")
}

func TestThereIsNoSuchPage(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for _, path := range []string{"/nothing", "/apps/x", "/static/", "/static/none.css", "/client/none"} {
		require.Equal(t, http.StatusNotFound, b.open(path).StatusCode, path)
	}
	b.open("/nothing")
	b.says("problem.missing")
	require.NotContains(t, b.last.page, "problem.tell")
}

func TestTheClientsRequestMayBeAPost(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.post("/authorize", "response_type", "code", "client_id", clientID, "state", "s & t", "scope", "read")
	require.Equal(t, "/signin", b.last.Request.URL.Path)
	b.signIn()
	b.says("scope.read")
	require.Contains(t, b.last.page, `value="s &amp; t"`)
}

func TestByAnotherNameOfThisMachine(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.CheckRedirect = nil
	for _, path := range []string{"/", "/client/", "/spa/", "/apps", "/authorize?client_id=nobody"} {
		b.open(strings.Replace(b.base, "127.0.0.1", "localhost", 1) + path)
		require.Equal(t, strings.TrimPrefix(b.base, "http://"), b.last.Request.URL.Host, path)
	}
}

// broken is a model whose methods of those names fail.
type broken struct {
	*memorymodel.Model
	methods string
}

func (m *broken) fails(name string) error {
	if strings.Contains(m.methods, name) {
		return errors.New("no storage: secret details")
	}
	return nil
}

func (m *broken) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if err := m.fails("GetClientFault"); err != nil {
		return nil, err
	}
	if err := m.fails("GetClient"); err != nil {
		return nil, oauth2server.ErrNotFound // it was deleted
	}
	return m.Model.GetClient(ctx, id, secret)
}

func (m *broken) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if err := m.fails("AppendGrant"); err != nil {
		return nil, err
	}
	return m.Model.AppendGrant(ctx, e)
}

func (m *broken) GetUser(ctx context.Context, username, password string,
	c *oauth2server.Client) (*oauth2server.User, error) {
	if err := m.fails("GetUser"); err != nil {
		return nil, err
	}
	return m.Model.GetUser(ctx, username, password, c)
}

func (m *broken) UserByID(ctx context.Context, id string) (*oauth2server.User, error) {
	if err := m.fails("UserByID"); err != nil {
		return nil, err
	}
	return m.Model.UserByID(ctx, id)
}

func (m *broken) UserGrants(ctx context.Context, id string) ([]*oauth2server.Grant, error) {
	if err := m.fails("UserGrants"); err != nil {
		return nil, err
	}
	return m.Model.UserGrants(ctx, id)
}

func (m *broken) RevokeUserClient(ctx context.Context, user, client string) error {
	if err := m.fails("RevokeUserClient"); err != nil {
		return err
	}
	return m.Model.RevokeUserClient(ctx, user, client)
}

// A storage that fails is no wrong password, no consent, and no end of a grant.
func TestFaults(t *testing.T) {
	model := &broken{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model }))
	fails := func(methods string, do func() answer) {
		t.Helper()
		model.methods = methods
		defer func() { model.methods = "" }()
		require.Equal(t, http.StatusServiceUnavailable, do().StatusCode)
		b.says("problem.fault")
		require.NotContains(t, b.last.page, "secret details")
	}
	b.open("/signin?next=/apps")
	form := b.last
	fails("GetUser", func() answer { return b.submitOf(form, "/signin", "username", "andy", "password", "123456") })
	b.connect()
	fails("UserByID", func() answer { return b.open("/apps") })
	fails("UserGrants", func() answer { return b.open("/apps") })
	model.methods = "UserGrants"
	b.post("/client/connect")
	b.says("client.failed", "step.refusal")
	require.Contains(t, b.last.page, "error=server_error")
	require.NotContains(t, b.last.page, "secret details")
	model.methods = ""
	b.open("/apps")
	fails("RevokeUserClient", func() answer { return b.submit("/apps") })
	model.methods = "GetClient"
	require.Contains(t, b.open("/apps").page, ">"+clientID+"<", "its name is gone with it")
	model.methods = "AppendGrant"
	b.post("/client/disconnect")
	b.says("client.failed", "client.doubt.unclear", "step.revoke")
	require.Contains(t, b.last.page, "503 Service Unavailable")
	model.methods = ""
	require.NotContains(t, b.open("/").page, "connected.ended")
	require.Contains(t, b.open("/apps").page, "Demo Web App")
}
