// A server, a publisher of documents and a browser, which the tests of this
// package use.

package clientmetadata

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// members are those of a document; a nil one is left out.
type members map[string]any

// documentOf returns a document that is good, but for changes.
func documentOf(id string, changes members) string {
	all := members{
		"client_id":     id,
		"client_name":   "Fern",
		"redirect_uris": []string{"https://fern.example/callback", "http://127.0.0.1/callback"},
		"grant_types":   []string{"authorization_code", "refresh_token"},

		"token_endpoint_auth_method": "none",
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// publisher is a host of documents.
type publisher struct {
	*httptest.Server

	mu      sync.Mutex
	pages   map[string]http.HandlerFunc
	fetched map[string]int
}

func newPublisher(t testing.TB, inClear bool) *publisher {
	p := &publisher{pages: map[string]http.HandlerFunc{}, fetched: map[string]int{}}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.fetched[r.URL.Path]++
		page := p.pages[r.URL.Path]
		p.mu.Unlock()
		if page == nil {
			http.NotFound(w, r)
			return
		}
		page(w, r)
	}))
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	if inClear {
		p.Start()
	} else {
		p.StartTLS()
	}
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) answer(path string, page http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[path] = page
}

// publish publishes a document that is good, but for changes, and returns its ID.
func (p *publisher) publish(path string, changes members) string {
	text := documentOf(p.URL+path, changes)
	p.answer(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, text)
	})
	return p.URL + path
}

// asked returns how often a document was asked for.
func (p *publisher) asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetched[path]
}

// total returns how often documents were asked for.
func (p *publisher) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, times := range p.fetched {
		n += times
	}
	return n
}

// site is a server that lets the clients of publisher in.
type site struct {
	t         testing.TB
	publisher *publisher
	clients   *Clients
	model     *memorymodel.Model
	mux       *http.ServeMux
	log       *record

	mu  sync.Mutex
	now time.Time
}

// record is a log that may be read meanwhile.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(text)
}

// take returns what was logged since the last time.
func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.text.Reset()
	return r.text.String()
}

func newSite(t testing.TB, opts Options) *site {
	p := newPublisher(t, false)
	opts.RootCAs = x509.NewCertPool()
	opts.RootCAs.AddCert(p.Certificate())
	return newSiteOf(t, p, opts)
}

func newSiteOf(t testing.TB, p *publisher, opts Options) *site {
	s := &site{t: t, publisher: p, now: time.Now(), mux: http.NewServeMux(), log: &record{}}
	opts.AllowLoopback = true
	opts.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	s.clients = New(&opts)
	s.clients.now = func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	}
	s.model = memorymodel.New(nil)
	srv, err := oauth2server.New(s.model, options(s.clients))
	require.NoError(t, err)
	srv.Mount(s.mux, http.HandlerFunc(page))
	tools := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "tools") })
	s.mux.Handle("/mcp", srv.For("/mcp").Authenticate("read")(tools))
	s.mux.Handle("/api", srv.Authenticate()(http.NotFoundHandler()))
	return s
}

func options(ext ...oauth2server.Extension) *oauth2server.Options {
	return &oauth2server.Options{
		Issuer:     "https://as.example",
		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token", Revocation: "/revoke"},
		Resources:  []oauth2server.Resource{{URL: "/mcp", Default: oauth2server.Scope{"read"}}},
		Extensions: ext,
		Logger:     slog.New(slog.DiscardHandler),
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
			return &oauth2server.User{ID: "u1"}, nil // who is signed in already
		},
	}
}

// page asks the owner, who agrees by POST.
func page(w http.ResponseWriter, r *http.Request) {
	q := oauth2server.AuthorizationRequestFromContext(r.Context())
	if r.Method == http.MethodPost {
		q.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
		return
	}
	host, local := q.RedirectHost()
	fmt.Fprintf(w, "%s of %s, to %s, local %v, for %s at %s", q.Client.Name, q.ClientHost(), host, local, q.Scope,
		q.Resource)
}

// wait lets time pass.
func (s *site) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// pkce is the example of RFC 7636, appendix B.
const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

// request is an authorization request of a client, but for changes.
func request(id string, changes ...string) url.Values {
	query := url.Values{
		"client_id": {id}, "response_type": {"code"}, "state": {"xyz"}, "code_challenge": {challenge},
		"code_challenge_method": {"S256"}, "redirect_uri": {"https://fern.example/callback"},
	}
	for i := 0; i < len(changes); i += 2 {
		query.Set(changes[i], changes[i+1])
	}
	return query
}

func (s *site) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return w
}

// authorize opens the page.
func (s *site) authorize(id string, changes ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/authorize?"+request(id, changes...).Encode(), nil)
	r.Header.Set("Accept", "text/html")
	return s.serve(r)
}

// opens checks that the owner is asked.
func (s *site) opens(id string, changes ...string) string {
	s.t.Helper()
	w := s.authorize(id, changes...)
	require.Equal(s.t, 200, w.Code, "%s", w.Body)
	require.Contains(s.t, w.Body.String(), "local")
	return w.Body.String()
}

// refuses checks that the owner sees that there is no such client, and not why.
func (s *site) refuses(id string, changes ...string) {
	s.t.Helper()
	w := s.authorize(id, changes...)
	require.Equal(s.t, 400, w.Code, "%s: %s", id, w.Body)
	require.Empty(s.t, w.Header().Get("Location"))
	require.Contains(s.t, w.Body.String(), "<code>invalid_client</code> Invalid client: "+
		"`client_id` names no client that is known here</p>")
}

// agree returns the code.
func (s *site) agree(id string, changes ...string) string {
	s.t.Helper()
	w := s.serve(httptest.NewRequest("POST", "/authorize?"+request(id, changes...).Encode(), nil))
	location, err := url.Parse(w.Header().Get("Location"))
	require.NoError(s.t, err)
	code := location.Query().Get("code")
	require.NotEmpty(s.t, code, "%d %s %s", w.Code, w.Body, location)
	return code
}

// post posts a form, and returns the answer and its members.
func (s *site) post(path string, form url.Values) (*httptest.ResponseRecorder, map[string]any) {
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := s.serve(r)
	answer := map[string]any{}
	if w.Body.Len() > 0 {
		require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	}
	return w, answer
}

func redeeming(id, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {id}, "code": {code},
		"code_verifier": {verifier}, "redirect_uri": {"https://fern.example/callback"}}
}

func refreshing(id string, token any) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {fmt.Sprint(token)}}
}

// call calls an API.
func (s *site) call(path string, token any) int {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", fmt.Sprint("Bearer ", token))
	return s.serve(r).Code
}
