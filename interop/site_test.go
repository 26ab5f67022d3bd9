// Package interop lets clients that others wrote, as they are, talk to this
// library's server over HTTPS. It is a module of its own, outside the
// workspace: what these clients need must not move the versions of what users
// build.
package interop

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// The issuers that RFC 8414, section 3.1, tells apart: their metadata is found in different places.
const (
	atRoot   = ""
	withPath = "/tenants/acme"
)

// client is what a developer is told after a registration.
type client struct {
	ID          string `json:"id"`
	Secret      string `json:"secret"` // "": a public client
	RedirectURI string `json:"redirect_uri"`
	Method      string `json:"method"` // one of token_endpoint_auth_methods_supported
}

// The secrets are new in each run. That of web has what two parties only agree
// on if both encode it for Basic as RFC 6749, section 2.3.1 says, and so has
// its ID.
var (
	web = client{"web & co", `5% of "a+b=c/d": ` + rand.Text(), "https://app.example/callback",
		"client_secret_basic"}
	webPost   = client{web.ID, web.Secret, web.RedirectURI, "client_secret_post"}
	plain     = client{"plain", rand.Text(), "https://app.example/callback?of=plain", "client_secret_basic"}
	native    = client{"native", "", "http://127.0.0.1:51004/callback", "none"}
	resources = client{"resources", rand.Text(), "", "client_secret_basic"} // a resource server
)

// situation is a client, and where the server that it has to do with is.
type situation struct {
	name, path string
	client     client
}

// everyKind are the situations that each library is tried in.
var everyKind = []situation{
	{"confidential, by Basic", atRoot, web},
	{"confidential, by form, issuer with a path", withPath, webPost},
	{"public, issuer with a path", withPath, native},
}

// story is what the server sees of a client that finds it, signs in, asks what
// its token is good for, refreshes, calls the API, signs out, asks again and
// cannot refresh any more. A confidential client then gets a token of its own.
func story(c client) []string {
	told := []string{"metadata", "authorize issued", "token issued authorization_code", "introspect",
		"token refreshed refresh_token",
		"api", "revoke revoked", "introspect", "token refused refresh_token invalid_grant"}
	if c.Secret != "" {
		told = append(told, "token issued client_credentials")
	}
	return told
}

// site is a server with everything mounted, and an API whose tokens need the scope read.
type site struct {
	*httptest.Server
	t       *testing.T
	mux     *http.ServeMux
	issuer  string
	protect func(http.Handler) http.Handler // demands a token with the scope read

	mu      sync.Mutex
	journal []string
}

// newSite listens, by TLS as RFC 6749, section 3.1 demands: no client is told
// that it may do without. path is the issuer's; the endpoints are below it.
func newSite(t *testing.T, path string) *site {
	t.Helper()
	mux := http.NewServeMux()
	s := &site{t: t, mux: mux, Server: httptest.NewTLSServer(mux)}
	t.Cleanup(s.Close)
	s.issuer = s.URL + path
	path = strings.TrimSuffix(path, "/")

	srv, err := oauth2server.New(newModel(t), &oauth2server.Options{
		Issuer: s.issuer,
		Endpoints: oauth2server.Endpoints{Authorization: path + "/authorize", Token: path + "/token",
			Revocation:    path + "/revoke",
			Introspection: path + "/introspect"},
		MayIntrospect: func(_ context.Context, caller *oauth2server.Client, _ *oauth2server.Token) (bool, error) {
			return caller.ID == resources.ID, nil
		},
		OnEvent: func(_ *http.Request, e oauth2server.Event) {
			s.note(string(e.Endpoint), string(e.Kind), e.GrantType, string(e.Error))
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	mux.Handle(path+"/authorize", srv.Authorize(http.HandlerFunc(agree)))
	mux.Handle(path+"/token", srv.Token(nil))
	mux.Handle(path+"/revoke", srv.Revoke())
	mux.Handle(path+"/introspect", s.noted("introspect", srv.Introspect()))
	mux.Handle(srv.MetadataPath(), s.noted("metadata", srv.Metadata()))
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(oauth2server.UserFromContext(r.Context()).ID))
	})
	s.protect = srv.Authenticate("read")
	mux.Handle("/api", s.protect(s.noted("api", api)))
	return s
}

// newModel registers the clients.
func newModel(t *testing.T) *memorymodel.Model {
	t.Helper()
	model := memorymodel.New(nil)
	for _, c := range []client{web, plain, native, resources} {
		registered := &oauth2server.Client{ID: c.ID, Public: c.Secret == ""}
		if c.RedirectURI != "" {
			// A native app is registered without a port and listens on a free
			// one (RFC 8252, section 7.3).
			registered.RedirectURIs = []string{strings.Replace(c.RedirectURI, ":51004", "", 1)}
			registered.Grants = []string{"authorization_code", "refresh_token"}
		}
		if c.RedirectURI != "" && c.Secret != "" {
			registered.Grants = append(registered.Grants, "client_credentials")
		}
		require.NoError(t, model.AddClient(registered, c.Secret))
	}
	return model
}

// agree is the page of an owner who is signed in and has pressed the button: a POST.
func agree(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "andy"}, All: true})
}

// note writes an entry into the journal.
func (s *site) note(words ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = append(s.journal, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
}

// noted is a handler whose calls are in the journal: the server has no event for them.
func (s *site) noted(entry string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.note(entry)
		next.ServeHTTP(w, r)
	})
}

// seen returns a copy of the journal.
func (s *site) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.journal)
}

// browse is the owner's browser: it presses the page's button and returns where
// it was sent, but does not go there.
func (s *site) browse(authorizationURL string) *url.URL {
	s.t.Helper()
	browser := &http.Client{Transport: s.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	res, err := browser.Post(authorizationURL, "application/x-www-form-urlencoded", nil)
	require.NoError(s.t, err)
	defer res.Body.Close()
	location, err := res.Location()
	require.NoError(s.t, err, "%s", res.Status)
	return location
}

// context makes libraries that are built on x/oauth2 trust the site's certificate.
func (s *site) context() context.Context {
	return context.WithValue(s.t.Context(), oauth2.HTTPClient, s.Client())
}

// caFile is a server's certificate, for programs that are told whom to trust by a file.
func caFile(t *testing.T, server *httptest.Server) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(name, encoded, 0o600))
	return name
}
