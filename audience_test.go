package oauth2server_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// withResources are options for two resources of one server.
func withResources() *oauth2server.Options {
	return &oauth2server.Options{
		Grants:    append(slices.Clone(allGrants), "implicit"),
		Issuer:    "https://as.example",
		Resources: []oauth2server.Resource{{URL: "/mcp"}, {URL: "https://as.example/files/"}},
	}
}

const mcp, files = "https://as.example/mcp", "https://as.example/files/"

func bearerOf(r reply) []string { return []string{"Authorization", "Bearer " + r.str("access_token")} }

// A token for one resource opens nothing else, and a token for none opens no
// resource (RFC 8707, section 2.2; RFC 9700, section 2.3).
func TestATokenOpensItsResourceAlone(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, withResources(), nil)
		type door struct{ mcp, files, api int }
		opens := func(r reply) door {
			require.Equal(t, 200, r.StatusCode, r.text)
			return door{s.get("/mcp", bearerOf(r)...).StatusCode, s.get("/files/", bearerOf(r)...).StatusCode,
				s.get("/api", bearerOf(r)...).StatusCode}
		}
		none, forMCP, forFiles := door{401, 401, 200}, door{200, 401, 401}, door{401, 200, 401}
		for _, row := range []struct {
			resource string
			want     door
		}{{"", none}, {mcp, forMCP}, {files, forFiles}} {
			r := s.redeem("web", s.code("resource", row.resource, "scope", "read"))
			require.Equal(t, row.want, opens(r), "code flow, %q", row.resource)
			for range 3 {
				again := s.mustRefresh(r.str("refresh_token"))
				require.Equal(t, row.want, opens(again), "refresh, %q", row.resource)
				retry := s.mustRefresh(r.str("refresh_token"))
				require.Equal(t, row.want, opens(retry), "retry, %q", row.resource)
				r = again
			}
			machine := s.token("web", "grant_type", "client_credentials", "resource", row.resource)
			require.Equal(t, row.want, opens(machine), "client credentials, %q", row.resource)
			shown := s.introspect("web", machine.str("access_token"))
			require.Equal(t, row.resource, shown.str("aud"))
			require.Equal(t, 200, s.revoke("web", machine.str("access_token")).StatusCode, "it sees all")
			require.Equal(t, door{401, 401, 401}, opens(machine))
		}
		implicit := s.authorize("response_type", "token", "resource", mcp)
		require.Equal(t, 200, s.get("/mcp", "Authorization", "Bearer "+implicit.at("access_token")).StatusCode)
		require.Equal(t, 401, s.apiStatus(implicit.at("access_token")))
		require.Equal(t, none, opens(s.signIn("web")))

		grants, err := model.UserGrants(t.Context(), "u1")
		require.NoError(t, err)
		seen := map[string]bool{}
		for _, g := range grants {
			seen[g.Resource] = true
		}
		require.Equal(t, map[string]bool{"": true, mcp: true, files: true}, seen)
	})
}

// Clients write an identifier in many ways. An address above a resource means
// the first one below it.
func TestHowAResourceIsNamed(t *testing.T) {
	s := newSite(t, newSpy(t), withResources(), nil)
	for _, row := range []struct {
		names []string
		want  string // empty: invalid_target
	}{
		{[]string{mcp}, mcp},
		{[]string{mcp + "/"}, mcp},
		{[]string{"HTTPS://AS.Example/mcp"}, mcp},
		{[]string{"https://as.example:443/mcp"}, mcp},
		{[]string{mcp + "?session=1"}, mcp},
		{[]string{mcp, mcp + "/", ""}, mcp},
		{[]string{"https://as.example/files"}, files},
		{[]string{"https://as.example"}, mcp},
		{[]string{"https://as.example/"}, mcp},
		{[]string{mcp, files}, ""},
		{[]string{mcp, "https://other.example/"}, ""},
		{[]string{mcp + "#part"}, ""},
		{[]string{"https://user@as.example/mcp"}, ""},
		{[]string{"https://as.example/MCP"}, ""},
		{[]string{"https://as.example/mcp/more"}, ""},
		{[]string{"https://as.example/mc"}, ""},
		{[]string{"https://as.example.evil.example/mcp"}, ""},
		{[]string{"https://evil.example"}, ""},
		{[]string{"http://as.example/mcp"}, ""},
		{[]string{"https://as.example:8443/mcp"}, ""},
		{[]string{"https://as.example/%6dcp"}, ""},
		{[]string{"https://as.example//mcp"}, ""},
		{[]string{"https://as.example/x/../mcp"}, ""},
		{[]string{"/mcp"}, ""}, {[]string{"mcp"}, ""}, {[]string{"urn:mcp"}, ""}, {[]string{"%"}, ""},
		{[]string{"https://"}, ""}, {[]string{"\x00"}, ""},
	} {
		var params []string
		for _, name := range row.names {
			params = append(params, "resource", name)
		}
		signedIn := append(authorization("username", "andy", "password", "andys-password"), params...)
		r := s.post("/authorize", form(signedIn...))
		if row.want == "" {
			require.Equal(t, "invalid_target", r.at("error"), "%q: %s", row.names, r.text)
			require.Equal(t, "xyz", r.at("state"))
			require.Equal(t, "https://as.example", r.at("iss"))
			requireError(t, s.token("web", append([]string{"grant_type", "client_credentials"}, params...)...),
				400, "invalid_target")
			continue
		}
		token := s.redeem("web", r.at("code"))
		require.Equal(t, row.want, s.introspect("web", token.str("access_token")).str("aud"), row.names)
	}
}

// At the token endpoint a request may name what was granted, and nothing else.
// Nothing is spent otherwise.
func TestAnotherResourceSpendsNothing(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, withResources(), nil)
	code := s.code("resource", mcp)
	model.stored()
	for _, other := range []string{files, "https://evil.example", "x"} {
		requireError(t, s.redeem("web", code, "resource", other), 400, "invalid_target")
		requireError(t, s.redeem("web", code, "resource", mcp, "resource", other), 400, "invalid_target")
	}
	require.Empty(t, model.stored())
	r := s.redeem("web", code, "resource", mcp+"/")
	require.Equal(t, 200, r.StatusCode, r.text)
	model.stored()
	requireError(t, s.refresh("web", r.str("refresh_token"), "resource", files), 400, "invalid_target")
	require.Empty(t, model.stored())
	r = s.refresh("web", r.str("refresh_token"), "resource", mcp)
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, 200, s.mustRefresh(r.str("refresh_token")).StatusCode, "it may leave it out")

	none := s.code()
	requireError(t, s.redeem("web", none, "resource", mcp), 400, "invalid_target")
	require.Equal(t, 200, s.redeem("web", none).StatusCode)
	requireError(t, s.token("web", "grant_type", "password", "username", "andy", "password", "andys-password",
		"resource", mcp), 400, "invalid_target")
}

// Without resources the parameter is ignored, as it always was.
func TestWithoutResourcesTheParameterIsIgnored(t *testing.T) {
	s := newSite(t, newSpy(t), nil, nil)
	r := s.redeem("web", s.code("resource", "anything at all"), "resource", "another")
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, 200, s.apiStatus(r.str("access_token")))
	require.NotContains(t, s.introspect("web", r.str("access_token")).body, "aud")
}

// A program's own grant may issue a token for a resource, and a token for
// another one joins the same grant.
func TestResourcesOfExtensionGrants(t *testing.T) {
	model := newSpy(t)
	require.NoError(t, model.UpdateClient(t.Context(), &oauth2server.Client{ID: "web", RedirectURIs: []string{callback},
		Grants: append([]string{"echo"}, allGrants...)}))
	var asked oauth2server.Issuance
	named := false
	options := withResources()
	options.ExtensionGrants = map[string]oauth2server.GrantFunc{
		"echo": func(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
			own := asked
			if named {
				resource, err := g.Resource()
				if err != nil {
					return nil, err
				}
				own.Resource = resource
			}
			own.User = &oauth2server.User{ID: "u1"}
			return g.Issue(ctx, own)
		},
	}
	s := newSite(t, model, options, nil)
	asked = oauth2server.Issuance{Resource: mcp, Refresh: true}
	first := s.token("web", "grant_type", "echo")
	require.Equal(t, 200, s.get("/mcp", bearerOf(first)...).StatusCode)
	asked = oauth2server.Issuance{GrantID: grantOf(t, model, first)}
	named = true
	joined := s.token("web", "grant_type", "echo", "resource", files)
	require.Equal(t, 200, s.get("/files/", bearerOf(joined)...).StatusCode, joined.text)
	require.Equal(t, 401, s.get("/mcp", bearerOf(joined)...).StatusCode)
	requireError(t, s.token("web", "grant_type", "echo", "resource", "https://evil.example"), 400, "invalid_target")
	named, asked = false, oauth2server.Issuance{Resource: "https://evil.example"}
	requireError(t, s.token("web", "grant_type", "echo"), 500, "server_error")

	grants, err := model.UserGrants(t.Context(), "u1")
	require.NoError(t, err)
	require.Len(t, grants, 2)
	require.NoError(t, oauth2server.RevokeGrant(t.Context(), model, grantOf(t, model, first)))
	require.Equal(t, 401, s.get("/files/", bearerOf(joined)...).StatusCode)
}

// A page sees what the tokens will be for, and its hidden fields keep it.
func TestAPageSeesTheResource(t *testing.T) {
	var seen string
	var hidden []string
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := oauth2server.AuthorizationRequestFromContext(r.Context())
		seen, hidden = q.Resource, q.Parameters()["resource"]
	})
	s := newSite(t, newSpy(t), withResources(), page)
	require.Equal(t, 200, s.get("/authorize?"+form(authorization("resource", "https://as.example")...)).StatusCode)
	require.Equal(t, mcp, seen)
	require.Equal(t, []string{"https://as.example"}, hidden)
}

// At a resource a token in the URL is refused, whatever the options say.
func TestNoTokenInTheURLOfAResource(t *testing.T) {
	options := withResources()
	options.AllowBearerTokensInQueryString = true
	s := newSite(t, newSpy(t), options, nil)
	r := s.redeem("web", s.code("resource", mcp))
	require.Equal(t, 400, s.get("/mcp?access_token="+r.str("access_token")).StatusCode)
	plain := s.redeem("web", s.code())
	require.Equal(t, 200, s.get("/api?access_token="+plain.str("access_token")).StatusCode)
}

func TestResourcesThatCannotWork(t *testing.T) {
	for want, list := range map[string][]oauth2server.Resource{
		"there twice":                {{URL: "/mcp"}, {URL: "https://AS.example:443/mcp/"}},
		"not https":                  {{URL: "http://as.example/mcp"}},
		"query":                      {{URL: "/mcp?x=1"}},
		"fragment":                   {{URL: "/mcp#x"}},
		"a user":                     {{URL: "https://u@as.example/mcp"}},
		"empty or dot segments":      {{URL: "https://as.example/a/../mcp"}},
		"is not https":               {{URL: "//evil.example/mcp"}},
		`option Resources: "mcp"`:    {{URL: "mcp"}},
		`option Resources: ""`:       {{URL: ""}},
		`"https://as.example/a//b"`:  {{URL: "https://as.example/a//b"}},
		`"https://as..example/mcp"`:  {{URL: "https://as..example/mcp"}},
		`"javascript:alert(1)//mcp"`: {{URL: "javascript:alert(1)//mcp"}},
	} {
		_, err := oauth2server.New(newSpy(t), &oauth2server.Options{Issuer: "https://as.example", Resources: list,
			Logger: slog.New(slog.DiscardHandler)})
		require.ErrorContains(t, err, want, "%v", list)
	}
	_, err := oauth2server.New(newSpy(t), &oauth2server.Options{Resources: []oauth2server.Resource{{URL: "/mcp"}}})
	require.ErrorContains(t, err, "needs the option Issuer")
	_, err = oauth2server.NewResourceServer(newSpy(t),
		&oauth2server.ResourceOptions{Resources: []oauth2server.Resource{{URL: "/mcp"}}})
	require.ErrorContains(t, err, "needs the option Issuer")

	srv, err := oauth2server.New(newSpy(t), &oauth2server.Options{Issuer: "https://as.example",
		Resources: []oauth2server.Resource{{URL: "/mcp"}}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	requirePanic(t, `there is no resource "https://as.example/mpc"`, func() { srv.For("/mpc") })
	requirePanic(t, "there is no resource", func() { srv.For("") })
	srv.For("https://AS.example/mcp/")
}

// An API in another program protects a resource, too.
func TestAResourceInAnotherProgram(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, withResources(), nil)
	srv, err := oauth2server.NewResourceServer(model, sharedRecorder.resourceOptions(t.Name(),
		&oauth2server.ResourceOptions{Resources: []oauth2server.Resource{{URL: mcp}}}))
	require.NoError(t, err)
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux := http.NewServeMux()
	mux.Handle("/mcp", srv.For(mcp).Authenticate()(handler))
	mux.Handle("/api", srv.Authenticate()(handler))
	other := listen(t, mux)
	forMCP, plain := s.redeem("web", s.code("resource", mcp)), s.redeem("web", s.code())
	require.Equal(t, 200, other.get("/mcp", bearerOf(forMCP)...).StatusCode)
	require.Equal(t, 401, other.get("/api", bearerOf(forMCP)...).StatusCode)
	require.Equal(t, 200, other.get("/api", bearerOf(plain)...).StatusCode)
	require.Equal(t, 401, other.get("/mcp", bearerOf(plain)...).StatusCode)
}
