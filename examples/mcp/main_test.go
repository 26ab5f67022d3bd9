// These tests talk to the program over HTTP, most of them by the SDK's own client,
// with a browser that has andy or bob in front of it.

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
	"github.com/seed-11d18166/oauth2server/ext/clientmetadata"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func init() { passwordCost, recheck = bcrypt.MinCost, 10*time.Millisecond }

// start serves the program, which knows bob too, and reads documents of this
// machine if trusted has issued their certificate.
func start(t *testing.T, trusted *x509.CertPool) (base string) {
	model, closeModel, err := open(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(closeModel)
	require.NoError(t, model.(*memorymodel.Model).AddUser(&oauth2server.User{ID: "u2"}, "bob", "654321"))
	server := httptest.NewUnstartedServer(nil)
	base = "http://" + server.Listener.Addr().String()
	server.Config.Handler, err = newHandler(model, base, bytes.Repeat([]byte{7}, 32),
		&clientmetadata.Options{AllowLoopback: trusted != nil, RootCAs: trusted})
	require.NoError(t, err)
	server.Start()
	t.Cleanup(server.Close)
	return base
}

// person is somebody with a browser, who signs in and allows what is asked.
type person struct {
	t              *testing.T
	name, password string
	browser        *http.Client
	asked          []url.Values // the authorization requests
	pages          string       // what was shown
}

func newPerson(t *testing.T, name, password string) *person {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &person{t: t, name: name, password: password, browser: &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// send sends a form, or opens the address if there is none.
func (p *person) send(address string, form url.Values) (*http.Response, string) {
	var res *http.Response
	var err error
	if form == nil {
		res, err = p.browser.Get(address)
	} else {
		res, err = p.browser.PostForm(address, form)
	}
	require.NoError(p.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	p.pages += string(text)
	return res, string(text)
}

// decide opens an address, signs in unless that was done, and decides. It returns
// what the client gets.
func (p *person) decide(address, verdict string) url.Values {
	_, page := p.send(address, nil)
	if strings.Contains(page, `name="username"`) {
		_, page = p.send(address, url.Values{"username": {p.name}, "password": {p.password}})
	}
	require.Contains(p.t, page, `<button name="verdict" value="allow">`)
	res, _ := p.send(address, url.Values{"verdict": {verdict}})
	location, err := res.Location()
	require.NoError(p.t, err)
	return location.Query()
}

// fetch is for the SDK.
func (p *person) fetch(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	asked, err := url.Parse(args.URL)
	require.NoError(p.t, err)
	p.asked = append(p.asked, asked.Query())
	got := p.decide(args.URL, "allow")
	return &auth.AuthorizationResult{Code: got.Get("code"), State: got.Get("state"), Iss: got.Get("iss")}, nil
}

// seen notes what goes over the wire.
type seen struct {
	mu    sync.Mutex
	lines []string
	token string // the last that was sent
}

func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lines = append(s.lines, r.Method+" "+r.URL.Path+" "+res.Header.Get("WWW-Authenticate"))
		if _, token, ok := strings.Cut(r.Header.Get("Authorization"), "Bearer "); ok {
			s.token = token
		}
	}
	return res, err
}

// registering is a client of the SDK that registers itself.
func registering(p *person) *auth.AuthorizationCodeHandlerConfig {
	return &auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName:   "Fern",
				RedirectURIs: []string{"http://127.0.0.1:7777/callback"},
				GrantTypes:   []string{"authorization_code", "refresh_token"},
			}},
		AuthorizationCodeFetcher: p.fetch,
	}
}

// connect connects the SDK's client.
func connect(t *testing.T, base string, config *auth.AuthorizationCodeHandlerConfig) (*mcp.ClientSession, *seen) {
	wire := &seen{}
	config.Client = &http.Client{Transport: wire}
	handler, err := auth.NewAuthorizationCodeHandler(config)
	require.NoError(t, err)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "fern", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: base + "/mcp", HTTPClient: config.Client, OAuthHandler: handler}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { session.Close() })
	return session, wire
}

func call(t *testing.T, session *mcp.ClientSession, tool string, args any) string {
	res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	require.NoError(t, err)
	require.False(t, res.IsError)
	return res.Content[0].(*mcp.TextContent).Text
}

// A client that nobody registered reads, is sent for more when it writes, and
// cannot go anywhere else.
func TestAClientRegistersAndStepsUp(t *testing.T) {
	base, andy := start(t, nil), newPerson(t, "andy", "123456")
	session, wire := connect(t, base, registering(andy))
	require.Equal(t, "u1", call(t, session, "whoami", nil))
	require.Len(t, andy.asked, 1)
	require.Equal(t, "read", andy.asked[0].Get("scope"))
	require.Equal(t, base+"/mcp", andy.asked[0].Get("resource"))
	require.Equal(t, `POST /mcp Bearer realm="Service", scope="read", resource_metadata="`+base+
		`/.well-known/oauth-protected-resource/mcp"`, wire.lines[0])
	for _, want := range []string{"<strong>Fern</strong>, which nobody vouches for",
		"<strong>127.0.0.1</strong>, a program on your device",
		"allow this only if you have just started it", "read your notes", base + "/mcp"} {
		require.Contains(t, andy.pages, want)
	}
	require.NotContains(t, andy.pages, "autofocus")
	require.NotContains(t, andy.pages, "keep new notes")

	require.Equal(t, "kept", call(t, session, "note", map[string]string{"text": "milk"}))
	require.Len(t, andy.asked, 2)
	require.ElementsMatch(t, []string{"read", "write"}, strings.Fields(andy.asked[1].Get("scope")), "in any order")
	require.Contains(t, andy.pages, "keep new notes")
	require.Contains(t, strings.Join(wire.lines, "\n"), `error="insufficient_scope"`)
	require.Equal(t, "u1", call(t, session, "whoami", nil), "the session goes on")

	for path, status := range map[string]int{"/notes": 401, "/api": 401} {
		res, _ := demotest.Get(t, base+path, wire.token)
		require.Equal(t, status, res.StatusCode, path)
		require.Contains(t, res.Header.Get("WWW-Authenticate"), `error="invalid_token"`, path)
	}
}

// A client describes itself in a document, whose host the page shows.
func TestAClientWithADocument(t *testing.T) {
	publisher := httptest.NewTLSServer(nil)
	defer publisher.Close()
	id := publisher.URL + "/client.json"
	publisher.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"client_id": id, "client_name": "<i>Fern</i>",
			"redirect_uris": []string{"http://127.0.0.1/callback"}, "token_endpoint_auth_method": "none"})
	})
	trusted := x509.NewCertPool()
	trusted.AddCert(publisher.Certificate())
	base, andy := start(t, trusted), newPerson(t, "andy", "123456")
	session, wire := connect(t, base, &auth.AuthorizationCodeHandlerConfig{
		ClientIDMetadataDocumentConfig: &auth.ClientIDMetadataDocumentConfig{URL: id},
		RedirectURL:                    "http://127.0.0.1:7777/callback",
		AuthorizationCodeFetcher:       andy.fetch,
	})
	require.Equal(t, "u1", call(t, session, "whoami", nil))
	require.NotContains(t, strings.Join(wire.lines, "\n"), "/register")
	require.Contains(t, andy.pages, "<strong>&lt;i&gt;Fern&lt;/i&gt;</strong>, published by <strong>127.0.0.1</strong>,")
}

func TestAClientRefreshes(t *testing.T) {
	base, andy := start(t, nil), newPerson(t, "andy", "123456")
	config := registering(andy)
	config.NewTokenSource = func(
		ctx context.Context, app *oauth2.Config, token *oauth2.Token,
	) (oauth2.TokenSource, error) {
		token.Expiry = time.Now().Add(-time.Minute) // the client believes so
		return app.TokenSource(ctx, token), nil
	}
	session, wire := connect(t, base, config)
	require.Equal(t, "u1", call(t, session, "whoami", nil))
	require.Len(t, andy.asked, 1)
	redeemed := 0
	for _, line := range wire.lines {
		if strings.HasPrefix(line, "POST /token") {
			redeemed++
		}
	}
	require.Equal(t, 2, redeemed, "the code, and the refresh token")
}

// tokenOf returns a token of the client app, for a resource or none.
func tokenOf(t *testing.T, base string, p *person, resource string) string {
	config := oauth2.Config{ClientID: "app", RedirectURL: "http://127.0.0.1:5555/callback", Scopes: []string{"read"},
		Endpoint: oauth2.Endpoint{AuthURL: base + "/authorize", TokenURL: base + "/token"}}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if resource != "" {
		options = append(options, oauth2.SetAuthURLParam("resource", resource))
	}
	got := p.decide(config.AuthCodeURL("1", options...), "allow")
	token, err := config.Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	return token.AccessToken
}

// post sends a message to /mcp.
func post(t *testing.T, base, token, session, message string) *http.Response {
	r, err := http.NewRequestWithContext(t.Context(), "POST", base+"/mcp", strings.NewReader(message))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res
}

// A token opens what it is for, and nothing else of the program.
func TestATokenOpensOneAPI(t *testing.T) {
	base, andy := start(t, nil), newPerson(t, "andy", "123456")
	session, _ := connect(t, base, registering(andy))
	call(t, session, "note", map[string]string{"text": "milk"})
	for _, row := range []struct {
		resource        string
		mcp, notes, api int
		notesAre, apiIs string
	}{
		{base + "/mcp", 200, 401, 401, "", ""},
		{base + "/notes", 401, 200, 401, `["milk"]`, ""},
		{"", 401, 401, 200, "", "Hello, user u1!"},
	} {
		token := tokenOf(t, base, andy, row.resource)
		require.Equal(t, row.mcp, post(t, base, token, "", initialize).StatusCode, row.resource)
		res, text := demotest.Get(t, base+"/notes", token)
		require.Equal(t, row.notes, res.StatusCode, row.resource)
		require.Contains(t, text, row.notesAre)
		res, text = demotest.Get(t, base+"/api", token)
		require.Equal(t, row.api, res.StatusCode, row.resource)
		require.Contains(t, text, row.apiIs)
	}
	res, err := http.Post(base+"/mcp/", "application/json", strings.NewReader(initialize))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Contains(t, res.Header.Get("WWW-Authenticate"), base+"/.well-known/oauth-protected-resource/mcp", "with a slash")
}

// Another user who learns the ID of a session is not let into it, and a weaker
// token of the same user does not gain its scope.
func TestAttack_AnotherUsersSession(t *testing.T) {
	base := start(t, nil)
	andy, bob := newPerson(t, "andy", "123456"), newPerson(t, "bob", "654321")
	of := tokenOf(t, base, andy, base+"/mcp")
	opened := post(t, base, of, "", initialize)
	require.Equal(t, 200, opened.StatusCode)
	id := opened.Header.Get("Mcp-Session-Id")
	require.NotEmpty(t, id)
	const list = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
	const note = `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"note","arguments":{"text":"a"}}}`
	require.Equal(t, 200, post(t, base, of, id, list).StatusCode)
	ofBob := tokenOf(t, base, bob, base+"/mcp")
	refused := post(t, base, ofBob, id, list)
	require.Equal(t, 403, refused.StatusCode)
	require.NotContains(t, refused.Header, "Www-Authenticate")
	for _, method := range []string{"GET", "DELETE"} {
		res := inSession(t, method, base, ofBob, id)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 403, res.StatusCode, method)
	}
	weak := post(t, base, of, id, note)
	require.Equal(t, 403, weak.StatusCode)
	require.Contains(t, weak.Header.Get("WWW-Authenticate"), `scope="read write"`)
}

// Each sign-in asks again, also when andy is signed in and has agreed before.
func TestConsentIsAskedEachTime(t *testing.T) {
	base, andy := start(t, nil), newPerson(t, "andy", "123456")
	for range 2 {
		connect(t, base, registering(andy))
	}
	require.Equal(t, 2, strings.Count(andy.pages, "which nobody vouches for"))
	address := base + "/authorize?response_type=code&client_id=app&code_challenge_method=S256&code_challenge=" + challenge
	got := andy.decide(address, "deny")
	require.Equal(t, "access_denied", got.Get("error"))
	require.Contains(t, andy.pages, "<strong>app</strong>")
	require.Contains(t, andy.pages, "<strong>the API</strong>")
	_, page := newPerson(t, "", "").send(address,
		url.Values{"username": {"andy"}, "password": {"wrong"}, "verdict": {"allow"}})
	require.Contains(t, page, "Name or password is wrong.")
}

// Scripts of any origin may call what clients in browsers need, and nothing that a
// cookie opens.
func TestScriptsOfOtherOrigins(t *testing.T) {
	base := start(t, nil)
	for path, open := range map[string]bool{
		"/mcp": true, "/notes": true, "/token": true, "/register": true, "/revoke": true,
		"/.well-known/oauth-authorization-server":     true,
		"/.well-known/oauth-protected-resource/mcp":   true,
		"/.well-known/oauth-protected-resource/notes": true,
		"/authorize": false, "/api": false,
	} {
		r, err := http.NewRequestWithContext(t.Context(), "OPTIONS", base+path, nil)
		require.NoError(t, err)
		r.Header.Set("Origin", "http://localhost:6274")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "authorization,mcp-protocol-version")
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Empty(t, res.Header.Get("Access-Control-Allow-Credentials"), path)
		if !open {
			require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"), path)
			continue
		}
		require.Equal(t, 204, res.StatusCode, path)
		require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"), path)
		require.Equal(t, "authorization,mcp-protocol-version", res.Header.Get("Access-Control-Allow-Headers"), path)
	}
	res, _ := demotest.Get(t, base+"/mcp", "unknown")
	require.Equal(t, 401, res.StatusCode)
	require.Contains(t, res.Header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate")
	require.Contains(t, res.Header.Get("WWW-Authenticate"), `error="invalid_token"`)
	require.Contains(t, res.Header.Get("WWW-Authenticate"), `scope="read"`)
	require.Contains(t, res.Header.Get("WWW-Authenticate"), "resource_metadata=")
}

func TestFaultIsNoWrongPassword(t *testing.T) {
	demotest.FaultIsNoWrongPassword(t, func(users oauth2server.PasswordModel) http.Handler { return page(users, false) })
}

// deadlines are those of a connection.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error  { d.read = at; return nil }
func (d *deadlines) SetWriteDeadline(at time.Time) error { d.write = at; return nil }

// inSession sends a request without a body to /mcp, whose answer may be a stream.
func inSession(t *testing.T, method, base, token, session string) *http.Response {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, base+"/mcp", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Mcp-Session-Id", session)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	return res
}

// A stream that is open when its token is revoked ends.
func TestAttack_AStreamOfARevokedToken(t *testing.T) {
	base := start(t, nil)
	token := tokenOf(t, base, newPerson(t, "andy", "123456"), base+"/mcp")
	stream := inSession(t, "GET", base, token, post(t, base, token, "", initialize).Header.Get("Mcp-Session-Id"))
	defer stream.Body.Close()
	require.Equal(t, 200, stream.StatusCode)
	revoked, err := http.PostForm(base+"/revoke", url.Values{"client_id": {"app"}, "token": {token}})
	require.NoError(t, err)
	require.NoError(t, revoked.Body.Close())
	require.Equal(t, 200, revoked.StatusCode)
	_, err = io.Copy(io.Discard, stream.Body)
	require.NoError(t, err, "it has not ended")
}

// A stream is not cut off after the minute that other answers have, but when its
// token ends.
func TestAStreamEndsWithItsToken(t *testing.T) {
	end := time.Now().Add(time.Hour)
	good := func(*http.Request, ...string) (*oauth2server.Token, error) { return &oauth2server.Token{}, nil }
	handler := openEnded(good, http.NotFoundHandler())
	for method, want := range map[string]time.Time{"GET": end, "POST": {}} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(method, "/mcp", nil)
		handler.ServeHTTP(w, r.WithContext(oauth2server.ContextWithToken(r.Context(),
			&oauth2server.Token{AccessTokenExpiresAt: end})))
		require.Equal(t, []time.Time{want, want}, []time.Time{w.read, w.write}, method)
	}
}

// The key comes from the environment. A new one is reported, as it recognizes
// no earlier client.
func TestReadKey(t *testing.T) {
	var said bytes.Buffer
	key, err := readKey(strings.Repeat("0f", 32), &said)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte{15}, 32), key)
	require.Empty(t, said.String())
	_, err = readKey("no digits", &said)
	require.ErrorContains(t, err, "MCP_KEY")
	key, err = readKey("", &said)
	require.NoError(t, err)
	require.Len(t, key, 32)
	require.Equal(t, 1, strings.Count(said.String(), "\n"))
	_, err = newHandler(memorymodel.New(nil), "https://app.example", []byte("short"), nil)
	require.Error(t, err)
}

// The first line that is printed is the base URL, which is the issuer.
func TestWhatIsPrinted(t *testing.T) {
	for _, issuer := range []string{"", "https://app.example"} {
		ctx, stop := context.WithCancel(t.Context())
		reader, writer := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- run(ctx, "127.0.0.1:0", issuer, "", make([]byte, 32), nil, writer)
			writer.Close()
		}()
		text := make([]byte, 8<<10)
		n, err := reader.Read(text)
		require.NoError(t, err)
		line, _, _ := strings.Cut(string(text[:n]), "\n")
		if issuer == "" {
			res, _ := demotest.Get(t, line+"/.well-known/oauth-authorization-server", "")
			require.Equal(t, 200, res.StatusCode)
		} else {
			require.Equal(t, issuer, line)
		}
		stop()
		require.NoError(t, <-ended)
	}
}
