package interop

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/clientmetadata"
	"github.com/seed-11d18166/oauth2server/ext/mcpscope"
	"github.com/seed-11d18166/oauth2server/ext/registration"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// toolSite is a site with an MCP server at /mcp, whose clients nobody has
// registered: they register themselves, or publish a document.
type toolSite struct {
	*site
	lifetime time.Duration // of access tokens
	mcp      http.Handler
	serving  atomic.Pointer[http.ServeMux]
	found    sync.Map // the metadata that clients have read
}

// document is where the site publishes what a client is. Its redirection URI has
// no port, as that of a program on a device.
const document = "/apps/fern.json"

// newToolSite returns a site whose access tokens last for some time; 0: the
// default. It has the tool whoami, which needs the scope read, and note, which
// needs write too.
func newToolSite(t *testing.T, lifetime time.Duration) *toolSite {
	t.Helper()
	s := &toolSite{site: &site{t: t}, lifetime: lifetime, mcp: newTools()}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, ok := strings.CutPrefix(r.URL.Path, "/.well-known/oauth-"); ok {
			if _, again := s.found.LoadOrStore(name, true); !again {
				s.note(name)
			}
		}
		s.serving.Load().ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	s.issuer = s.URL
	s.start()
	return s
}

// forget is a restart with another key and an empty storage.
func (s *toolSite) forget() {
	s.note("forget")
	s.start()
}

func (s *toolSite) start() {
	s.t.Helper()
	trusted := x509.NewCertPool()
	trusted.AddCert(s.Certificate())
	key := make([]byte, 32)
	rand.Read(key)
	quiet := slog.New(slog.DiscardHandler)
	srv, err := oauth2server.New(memorymodel.New(nil), &oauth2server.Options{
		Issuer:    s.issuer,
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/token", Revocation: "/revoke"},
		Resources: []oauth2server.Resource{{URL: "/mcp", Name: "Notes",
			Scopes: oauth2server.Scope{"read", "write"}, Default: oauth2server.Scope{"read"}}},
		AccessTokenLifetime: s.lifetime,
		Extensions: []oauth2server.Extension{registration.Sealed(key, nil),
			clientmetadata.New(&clientmetadata.Options{AllowLoopback: true, RootCAs: trusted, Logger: quiet})},
		OnEvent: func(_ *http.Request, e oauth2server.Event) {
			s.note(string(e.Endpoint), string(e.Kind), e.GrantType, string(e.Error))
		},
		Logger: quiet,
	})
	require.NoError(s.t, err)
	mux := http.NewServeMux()
	srv.Mount(mux, http.HandlerFunc(agree))
	needs := mcpscope.Tools("read", map[string]string{"note": "write"})
	mux.Handle("/mcp", srv.For("/mcp").AuthenticateBy(needs)(s.mcp))
	mux.HandleFunc("GET "+document, func(w http.ResponseWriter, _ *http.Request) {
		s.note("document")
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"client_id": s.URL + document, "client_name": "Fern",
			"redirect_uris": []string{"http://127.0.0.1/callback"}, "token_endpoint_auth_method": "none",
			"grant_types": []string{"authorization_code", "refresh_token"}})
	})
	mux.HandleFunc("POST /forget", func(http.ResponseWriter, *http.Request) { s.forget() })
	s.serving.Store(mux)
}

// introduced is how the site gets to know a client: by its document or by a
// registration. Documents name no secret.
func introduced(method string) string {
	if method == "" {
		return "document"
	}
	return "registration registered"
}

// told returns the journal without what a client does several times in a row. Each
// document about the site is there once.
func (s *toolSite) told() []string { return slices.Compact(s.seen()) }

// signsIn is what the site sees of a client that is new to it.
func signsIn(method string) []string {
	return []string{"authenticate refused unauthorized_request", "protected-resource/mcp", "authorization-server",
		introduced(method), "authorize issued", "token issued authorization_code"}
}

// stepsUp is what it sees of one that learns that a tool needs more.
var stepsUp = []string{"authenticate refused insufficient_scope", "authorize issued",
	"token issued authorization_code"}

// refreshes is what it sees of one whose access token has ended.
var refreshes = []string{"authenticate refused invalid_token", "token refreshed refresh_token"}

// comesBack is what it sees, after a restart that forgot all, of one that tries to
// refresh first.
func comesBack(method string) []string {
	begin := []string{"forget", "authenticate refused invalid_token"}
	if method == "" {
		begin = append(begin, "document", "token refused refresh_token invalid_grant")
	} else {
		begin = append(begin, "token refused refresh_token invalid_client", "registration registered")
	}
	return append(begin, "authorize issued", "token issued authorization_code")
}

// newTools returns an MCP server that is told who calls, by the token that opened
// it.
func newTools() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	for _, name := range []string{"whoami", "note"} {
		mcp.AddTool(server, &mcp.Tool{Name: name},
			func(_ context.Context, call *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
				return &mcp.CallToolResult{Content: []mcp.Content{
					&mcp.TextContent{Text: call.Extra.TokenInfo.UserID}}}, nil, nil
			})
	}
	caller := func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		t := oauth2server.TokenFromContext(ctx)
		return &auth.TokenInfo{UserID: t.User.ID, Scopes: t.Scope, Expiration: t.AccessTokenExpiresAt}, nil
	}
	return auth.RequireBearerToken(caller, nil)(mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server }, nil))
}
