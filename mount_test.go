package oauth2server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// mounted is a site of which Mount mounts all but the resources.
func mounted(t *testing.T, options *oauth2server.Options) *site {
	options.Endpoints = oauth2server.Endpoints{Authorization: "/authorize", Token: "/token",
		Revocation: "/revoke", Introspection: "https://as.example/introspect"}
	srv, err := oauth2server.New(newSpy(t), recorderOf(t).options(t.Name(), options))
	require.NoError(t, err)
	mux := http.NewServeMux()
	srv.Mount(mux, approve)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})
	for _, r := range srv.Resources() {
		path := strings.TrimPrefix(r.URL, "https://as.example")
		if strings.HasPrefix(path, "/") {
			mux.Handle(path, srv.For(r.URL).Authenticate("read")(echo))
		}
	}
	mux.Handle("/api", srv.Authenticate("read")(echo))
	return listen(t, mux)
}

// Mount mounts everything that clients look for, and nothing else.
func TestMount(t *testing.T) {
	s := mounted(t, withResources())
	for path, method := range map[string]string{
		"/authorize": "GET", "/token": "POST", "/revoke": "POST", "/introspect": "POST",
		"/.well-known/oauth-authorization-server":     "GET",
		"/.well-known/oauth-protected-resource/mcp":   "GET",
		"/.well-known/oauth-protected-resource/files": "GET",
	} {
		r := s.do(s.request(method, path, ""))
		require.NotEqual(t, 404, r.StatusCode, path)
		require.NotEqual(t, 405, r.StatusCode, path)
	}
	require.Equal(t, 404, s.get("/.well-known/oauth-protected-resource").StatusCode, "there are two resources")
	require.Equal(t, 404, s.get("/").StatusCode)

	one := withResources()
	one.Resources = one.Resources[:1]
	require.Equal(t, mcp, mounted(t, one).get("/.well-known/oauth-protected-resource").str("resource"))

	root := withResources()
	root.Resources = []oauth2server.Resource{{URL: "https://as.example"}, {URL: "https://elsewhere.example/mcp"}}
	s = mounted(t, root)
	require.Equal(t, "https://as.example", s.get("/.well-known/oauth-protected-resource").str("resource"))
	require.Equal(t, 404, s.get("/.well-known/oauth-protected-resource/mcp").StatusCode, "it is on another host")

	for _, options := range []*oauth2server.Options{nil, {Issuer: "https://as.example"}} {
		srv, err := oauth2server.New(newSpy(t), options)
		require.NoError(t, err)
		require.PanicsWithValue(t, "oauth2server: Mount cannot work: it needs Options.Issuer and Options.Endpoints",
			func() { srv.Mount(http.NewServeMux(), approve) })
	}
}

// Challenges say where the metadata of a resource are (RFC 9728, section 2, 3
// and 5.1).
func TestResourceMetadata(t *testing.T) {
	options := withResources()
	options.Resources = []oauth2server.Resource{
		{URL: "/mcp", Name: "Notes", Scopes: oauth2server.Scope{"read", "write"}, Default: oauth2server.Scope{"read"}},
		{URL: "https://as.example/files/"},
		{URL: "https://api.example:8443/v1"},
	}
	s := mounted(t, options)
	r := s.get("/.well-known/oauth-protected-resource/mcp")
	require.JSONEq(t, `{"resource":"https://as.example/mcp","authorization_servers":["https://as.example"],
		"scopes_supported":["read"],"bearer_methods_supported":["header"],"resource_name":"Notes"}`, r.text)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.JSONEq(t, `{"resource":"https://as.example/files/","authorization_servers":["https://as.example"],
		"bearer_methods_supported":["header"]}`, s.get("/.well-known/oauth-protected-resource/files").text)
	require.Equal(t, 405, s.post("/.well-known/oauth-protected-resource/mcp", "x=y").StatusCode)
	as := s.get("/.well-known/oauth-authorization-server")
	require.Equal(t, []any{mcp, files, "https://api.example:8443/v1"}, as.body["protected_resources"])
	require.Equal(t, []any{"read"}, as.body["scopes_supported"])

	tokens := func(params ...string) []string {
		return bearerOf(s.token("web", append([]string{"grant_type", "client_credentials"}, params...)...))
	}
	write := tokens("resource", mcp, "scope", "write")
	const at = `, resource_metadata="https://as.example/.well-known/oauth-protected-resource/mcp"`
	const unknown = `, error="invalid_token", error_description="Invalid token: access token is invalid"`
	for _, row := range []struct {
		path      string
		headers   []string
		status    int
		challenge string
	}{
		{"/mcp", nil, 401, `Bearer realm="Service", scope="read"` + at},
		{"/mcp", []string{"Authorization", "Bearer x"}, 401, `Bearer realm="Service"` + unknown + `, scope="read"` + at},
		{"/mcp", tokens("scope", "read"), 401, `Bearer realm="Service"` + unknown + `, scope="read"` + at},
		{"/mcp", write, 403, `Bearer realm="Service", error="insufficient_scope", ` +
			`error_description="Insufficient scope: authorized scope is insufficient", scope="write read"` + at},
		{"/mcp?access_token=x", nil, 400, `Bearer realm="Service", error="invalid_request", error_description=` +
			`"Invalid request: do not send bearer tokens in query URLs"` + at},
		{"/api", nil, 401, `Bearer realm="Service", scope="read"`},
		{"/api", write, 401, `Bearer realm="Service"` + unknown},
	} {
		r := s.get(row.path, row.headers...)
		require.Equal(t, row.status, r.StatusCode, "%s: %s", row.path, r.text)
		require.Equal(t, row.challenge, r.Header.Get("WWW-Authenticate"))
	}

	srv, err := oauth2server.New(newSpy(t), options)
	require.NoError(t, err)
	api := srv.For("https://api.example:8443/v1")
	require.Equal(t, "/.well-known/oauth-protected-resource/v1", api.ResourceMetadataPath())
	w := httptest.NewRecorder()
	api.Authenticate()(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Contains(t, w.Header().Get("WWW-Authenticate"),
		`resource_metadata="https://api.example:8443/.well-known/oauth-protected-resource/v1"`)

	elsewhere, err := oauth2server.NewResourceServer(newSpy(t), &oauth2server.ResourceOptions{
		Resources: []oauth2server.Resource{{URL: "https://api.example"}}})
	require.NoError(t, err)
	require.Panics(t, func() { elsewhere.ResourceMetadata() })
	require.Panics(t, func() { elsewhere.For("https://api.example").ResourceMetadata() }, "it has no issuer")
	require.Empty(t, elsewhere.ResourceMetadataPath())
}

// The scope that is needed may depend on the request.
func TestAuthenticateBy(t *testing.T) {
	options := withResources()
	options.Resources[0].Default = oauth2server.Scope{"read"}
	srv, err := oauth2server.New(newSpy(t), recorderOf(t).options(t.Name(), options))
	require.NoError(t, err)
	asked := 0
	by := srv.For("/mcp").AuthenticateBy(func(r *http.Request) []string {
		asked++
		if needs := r.Header.Get("Needs"); needs != "" {
			return strings.Split(needs, ";")
		}
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/mcp", by(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, oauth2server.TokenFromContext(r.Context()).User.ID)
	})))
	s := listen(t, mux)
	r := s.get("/mcp", "Needs", "write")
	require.Equal(t, 401, r.StatusCode)
	require.Contains(t, r.Header.Get("WWW-Authenticate"), `scope="read"`, "the default")
	require.Zero(t, asked, "nobody is known yet")
	token := bearerOf(s.token("web", "grant_type", "client_credentials", "resource", mcp, "scope", "read list"))
	for _, row := range []struct {
		needs  string
		status int
		scope  string
	}{
		{"", 200, ""}, {"read", 200, ""}, {"read;list", 200, ""}, {"read list", 200, ""},
		{"write", 403, `scope="read list write"`}, {"read write", 403, `scope="read list write"`},
		{"read,write", 500, ""}, {"read; ;list", 500, ""}, {"\"", 500, ""},
	} {
		r := s.get("/mcp", append([]string{"Needs", row.needs}, token...)...)
		require.Equal(t, row.status, r.StatusCode, "%q: %s", row.needs, r.text)
		require.Contains(t, r.Header.Get("WWW-Authenticate"), row.scope)
	}
	require.Panics(t, func() { srv.AuthenticateBy(nil) })
}

// Scripts of other origins may call what clients call themselves, and nothing
// else, and never with cookies.
func TestAllowedOrigins(t *testing.T) {
	const app = "https://app.example"
	open := []string{"/token", "/revoke", "/mcp", "/files/", "/.well-known/oauth-authorization-server",
		"/.well-known/oauth-protected-resource/mcp"}
	closed := []string{"/authorize", "/introspect", "/api"}
	preflight := func(s *site, path, origin string) reply {
		return s.do(s.request("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,mcp-protocol-version"))
	}
	for _, row := range []struct {
		allowed     []string
		origin, got string
	}{
		{[]string{app, "http://localhost:6274"}, app, app},
		{[]string{"HTTPS://App.Example:443"}, app, app},
		{[]string{"*"}, app, "*"},
		{[]string{"*"}, "null", "*"},
		{[]string{app}, "https://evil.example", ""},
		{[]string{app}, "https://app.example.evil.example", ""},
		{[]string{app}, "http://app.example", ""},
		{[]string{app}, "null", ""},
		{nil, app, ""},
	} {
		options := withResources()
		options.AllowedOrigins = row.allowed
		s := mounted(t, options)
		for _, path := range open {
			r := preflight(s, path, row.origin)
			require.Equal(t, row.got, r.Header.Get("Access-Control-Allow-Origin"), "%s for %v", path, row)
			require.Empty(t, r.Header.Get("Access-Control-Allow-Credentials"))
			if row.got != "" {
				require.Equal(t, 204, r.StatusCode, path)
				require.Equal(t, "POST", r.Header.Get("Access-Control-Allow-Methods"))
				require.Equal(t, "authorization,mcp-protocol-version", r.Header.Get("Access-Control-Allow-Headers"))
			}
			r = s.get(path, "Origin", row.origin)
			require.Equal(t, row.got, r.Header.Get("Access-Control-Allow-Origin"), "%s for %v", path, row)
			require.Equal(t, row.got != "", strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate"))
			if row.got == app {
				require.Contains(t, strings.Join(r.Header.Values("Vary"), ","), "Origin")
			}
		}
		for _, path := range closed {
			for _, r := range []reply{preflight(s, path, row.origin), s.get(path, "Origin", row.origin)} {
				require.Empty(t, r.Header.Get("Access-Control-Allow-Origin"), "%s for %v", path, row)
			}
		}
	}
	options := withResources()
	options.AllowedOrigins = []string{"app.example", "https://app.example/", "null", "", "https://*.example",
		"https://user@app.example", "ftp://app.example"}
	_, err := oauth2server.New(newSpy(t), options)
	require.Error(t, err)
	for _, origin := range options.AllowedOrigins {
		if origin != "ftp://app.example" {
			require.ErrorContains(t, err, `"`+origin+`"`)
		}
	}
}

// New refuses resources that clients could not use.
func TestResourcesThatNewRefuses(t *testing.T) {
	for _, row := range []struct {
		resource oauth2server.Resource
		wants    string
	}{
		{oauth2server.Resource{URL: "/x", Scopes: oauth2server.Scope{"read"}, Default: oauth2server.Scope{"write"}},
			"its Default is no part of its Scopes"},
		{oauth2server.Resource{URL: "/x", Scopes: oauth2server.Scope{"read write"}}, "no scope token"},
		{oauth2server.Resource{URL: "/x", Default: oauth2server.Scope{"a\""}}, "no scope token"},
		{oauth2server.Resource{URL: "/x", Default: oauth2server.Scope{"offline_access"}}, "offline_access"},
		{oauth2server.Resource{URL: "/x", Scopes: oauth2server.Scope{"offline_access"}}, "offline_access"},
		{oauth2server.Resource{URL: "http://as.example/x"}, "https"},
		{oauth2server.Resource{URL: "https://as.example/x?y"}, "query"},
		{oauth2server.Resource{URL: "https://as.example/x#y"}, "fragment"},
		{oauth2server.Resource{URL: "/a/../x"}, "x"},
	} {
		_, err := oauth2server.New(newSpy(t), &oauth2server.Options{
			Issuer: "https://as.example", Resources: []oauth2server.Resource{row.resource}})
		if row.resource.URL == "/a/../x" { // the path is completed, as a browser would
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, row.wants)
	}
	_, err := oauth2server.New(newSpy(t), &oauth2server.Options{
		Resources: []oauth2server.Resource{{URL: "https://as.example/x"}}})
	require.ErrorContains(t, err, "it needs Issuer")
}
