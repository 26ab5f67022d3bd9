package oauth2server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// strangers are clients that nobody registered, as a package under ext/ finds
// them, by their ID.
type strangers map[string]*oauth2server.Client

func (strangers) ExtensionName() string { return "strangers" }

func (s strangers) FindClient(_ context.Context, id, clientSecret string) (*oauth2server.Client, error) {
	client := s[id]
	if client == nil || clientSecret != "" && clientSecret != secret+id {
		return nil, oauth2server.ErrNotFound
	}
	own := *client
	own.ID = id
	return &own, nil
}

const documentID = "https://client.example/oauth/client.json"

// someStrangers have more grants than they may use, and do not say that they are
// strangers.
func someStrangers() strangers {
	app := &oauth2server.Client{Grants: publicGrants, Public: true,
		RedirectURIs: []string{callback, "http://127.0.0.1/cb", "http://client.example/cb", "cursor://callback"}}
	web := &oauth2server.Client{Grants: allGrants, RedirectURIs: []string{callback}, Scope: oauth2server.Scope{"read"}}
	known := &oauth2server.Client{Grants: allGrants, RedirectURIs: []string{callback}}
	return strangers{"dcr.1.app": app, "dcr.1.web": web, documentID: app, "config:known": known}
}

// approve approves at once what a page may approve.
var approve = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	request.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
})

func withStrangers() *oauth2server.Options {
	options := withResources()
	options.Extensions = []oauth2server.Extension{someStrangers()}
	options.Resources[0].Scopes = oauth2server.Scope{"read", "write"}
	options.Resources[0].Default = oauth2server.Scope{"read"}
	return options
}

func strangerAsks(id string, params ...string) string {
	return form(authorization(append([]string{"client_id", id, "code_challenge", challenge,
		"code_challenge_method", "S256"}, params...)...)...)
}

// A client that registered itself gets tokens for a resource and for nothing
// else.
func TestASelfAssertedClient(t *testing.T) {
	s := newSite(t, newSpy(t), withStrangers(), approve)
	for id := range someStrangers() {
		if id == "config:known" {
			continue
		}
		credentials := []string{}
		params := []string{"grant_type", "authorization_code", "redirect_uri", callback, "code_verifier", verifier}
		if strings.HasSuffix(id, "web") {
			credentials = []string{"Authorization", as(id)}
		} else {
			params = append(params, "client_id", id)
		}
		r := s.post("/authorize", strangerAsks(id))
		require.NotEmpty(t, r.at("code"), "%s: %s", id, r.text)
		token := s.post("/token", form(append(params, "code", r.at("code"))...), credentials...)
		require.Equal(t, 200, token.StatusCode, token.text)
		require.Equal(t, "read", token.str("scope"), "the default of the first resource")
		require.Equal(t, 200, s.get("/mcp", bearerOf(token)...).StatusCode)
		require.Equal(t, 401, s.get("/files/", bearerOf(token)...).StatusCode)
		require.Equal(t, 401, s.get("/api", bearerOf(token)...).StatusCode)
		r = s.post("/authorize", strangerAsks(id, "resource", files, "scope", "anything"))
		token = s.post("/token", form(append(params, "code", r.at("code"))...), credentials...)
		require.Equal(t, 200, s.get("/files/", bearerOf(token)...).StatusCode, token.text)
	}
}

// A self-asserted client may not do this, whatever it claims and whatever the
// options say.
func TestAttack_SelfAssertedClients(t *testing.T) {
	bold := withStrangers()
	bold.InsecureAllowPlainPKCE, bold.InsecureApprovePublicClients, bold.InsecureAllowHTTPRedirects = true, true, true
	s := newSite(t, anyURI{newSpy(t)}, bold, approve)
	for id := range someStrangers() {
		if id == "config:known" {
			continue
		}
		for _, row := range []struct {
			name, want string
			params     []string
		}{
			{"no PKCE", "invalid_request", []string{"code_challenge", "", "code_challenge_method", ""}},
			{"plain", "invalid_request", []string{"code_challenge_method", "plain"}},
			{"plain by default", "invalid_request", []string{"code_challenge_method", ""}},
			{"implicit", "unauthorized_client", []string{"response_type", "token"}},
			{"another resource", "invalid_target", []string{"resource", "https://evil.example"}},
		} {
			r := s.post("/authorize", strangerAsks(id, row.params...))
			require.Equal(t, row.want, r.at("error"), "%s, %s: %s", id, row.name, r.text)
		}
		// In clear over a network, and a URI that the model would take.
		for _, uri := range []string{"http://client.example/cb", "https://elsewhere.example/cb"} {
			r := s.post("/authorize", strangerAsks(id, "redirect_uri", uri))
			require.Equal(t, 400, r.StatusCode, "%s at %s", id, uri)
		}
		// Nobody is asked by a GET.
		require.Equal(t, "access_denied", s.get("/authorize?"+strangerAsks(id)).at("error"), id)
	}
	for _, grant := range []string{"client_credentials", "password"} {
		requireError(t, s.token("dcr.1.web", "grant_type", grant, "username", "andy", "password", "andys-password",
			"resource", mcp), 400, "unauthorized_client")
	}
	r := s.get("/authorize?" + strangerAsks("config:known", "code_challenge", "", "code_challenge_method", ""))
	require.NotEmpty(t, r.at("code"), "a client that the program vouches for is not restrained: %s", r.text)

	// Without a resource there is nothing for them.
	none := withStrangers()
	none.Resources = nil
	s = newSite(t, newSpy(t), none, approve)
	require.Equal(t, "unauthorized_client", s.post("/authorize", strangerAsks("dcr.1.app")).at("error"))
}

// Anybody can register a client with a secret, so a program that lets all
// confidential clients introspect does not let in all the world.
func TestAttack_IntrospectionByASelfAssertedClient(t *testing.T) {
	options := withStrangers()
	options.MayIntrospect = func(context.Context, *oauth2server.Client, *oauth2server.Token) (bool, error) {
		return true, nil
	}
	s := newSite(t, newSpy(t), options, approve)
	r := s.post("/authorize", strangerAsks("dcr.1.app"))
	token := s.post("/token", form("grant_type", "authorization_code", "redirect_uri", callback,
		"code_verifier", verifier, "client_id", "dcr.1.app", "code", r.at("code")))
	for caller, active := range map[string]bool{"dcr.1.web": false, "config:known": true} {
		r := s.post("/introspect", form("token", token.str("access_token")), "Authorization", as(caller))
		require.Equal(t, 200, r.StatusCode, r.text)
		require.Equal(t, active, r.body["active"], caller)
	}
}

// A model that forgets the field makes no client trusted. A model that has a
// client under the address of a document vouches for it.
func TestWhoIsSelfAsserted(t *testing.T) {
	model := newSpy(t)
	for _, id := range []string{"dcr.1.kept", "https://known.example/client.json"} {
		require.NoError(t, model.AddClient(&oauth2server.Client{ID: id, RedirectURIs: []string{callback},
			Grants: allGrants}, secret+id))
	}
	s := newSite(t, model, withStrangers(), approve)
	require.Equal(t, "invalid_request",
		s.post("/authorize", strangerAsks("dcr.1.kept", "code_challenge", "", "code_challenge_method", "")).at("error"))
	requireError(t, s.token("dcr.1.kept", "grant_type", "client_credentials"), 400, "unauthorized_client")
	require.Equal(t, 200, s.token("https://known.example/client.json",
		"grant_type", "client_credentials").StatusCode)
}

// A client that the server forgot is told so by 401, if clients register
// themselves.
func TestAForgottenClient(t *testing.T) {
	for _, row := range []struct {
		options *oauth2server.Options
		status  int
	}{{withStrangers(), 401}, {withResources(), 400}} {
		s := newSite(t, newSpy(t), row.options, approve)
		requireError(t, s.post("/token", form("grant_type", "authorization_code", "client_id", "dcr.1.gone",
			"code", "x", "redirect_uri", callback, "code_verifier", verifier)), row.status, "invalid_client")
		r := s.get("/authorize?"+strangerAsks("dcr.1.gone"), "Accept", "application/json")
		require.Equal(t, 400, r.StatusCode)
		require.Equal(t, "invalid_client", r.str("error"))
	}
}

// CheckSelfAsserted, and so New, say what such clients need.
func TestCheckSelfAsserted(t *testing.T) {
	for _, row := range []struct {
		change func(*oauth2server.Options)
		wants  string
	}{
		{func(*oauth2server.Options) {}, ""},
		{func(o *oauth2server.Options) { o.Resources = nil }, "Resources"},
		{func(o *oauth2server.Options) { o.Grants = []string{"client_credentials"} }, "authorization_code"},
		{func(o *oauth2server.Options) { o.PublicClientGrants = []string{"refresh_token"} }, "authorization_code"},
		{func(o *oauth2server.Options) { o.InsecureAllowPlainPKCE = true }, "InsecureAllowPlainPKCE"},
		{func(o *oauth2server.Options) { o.InsecureApprovePublicClients = true }, "InsecureApprovePublicClients"},
		{func(o *oauth2server.Options) { o.InsecureAllowHTTPRedirects = true }, "InsecureAllowHTTPRedirects"},
	} {
		options := withStrangers()
		row.change(options)
		srv, err := oauth2server.New(newSpy(t), options)
		require.NoError(t, err)
		if err = srv.CheckSelfAsserted(); row.wants == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, row.wants)
	}
}

// anyURI is a model that takes every redirection URI.
type anyURI struct{ *spy }

func (anyURI) ValidateRedirectURI(context.Context, string, *oauth2server.Client) (bool, error) {
	return true, nil
}

// The page can tell the owner where the answer goes.
func TestWhereTheAnswerGoes(t *testing.T) {
	for _, row := range []struct {
		id, uri, host string
		local         bool
		publisher     string
	}{
		{"dcr.1.a", "https://Claude.AI/api/callback", "claude.ai", false, ""},
		{"dcr.1.a", "https://claude.ai:443/api/callback", "claude.ai", false, ""},
		{"dcr.1.a", "https://claude.ai:8443/api/callback", "claude.ai:8443", false, ""},
		{"dcr.1.a", "https://xn--80ak6aa92e.com/cb", "xn--80ak6aa92e.com", false, ""},
		{documentID, "http://127.0.0.1/callback", "127.0.0.1", true, "client.example"},
		{"dcr.1.a", "http://localhost:8080/callback", "localhost", true, ""},
		{"dcr.1.a", "http://[::1]:8080/callback", "[::1]", true, ""},
		{"dcr.1.a", "https://localhost:8443/callback", "localhost:8443", true, ""},
		{"dcr.1.a", "https://App.Localhost./callback", "app.localhost.", true, ""},
		{"dcr.1.a", "https://127.0.0.2/callback", "127.0.0.2", true, ""},
		{"dcr.1.a", "https://[::ffff:127.0.0.1]/callback", "[::ffff:127.0.0.1]", true, ""},
		{"dcr.1.a", "https://0.0.0.0/callback", "0.0.0.0", true, ""},
		{"dcr.1.a", "https://192.0.2.1/callback", "192.0.2.1", false, ""},
		{"dcr.1.a", "Cursor://anysphere/callback", "cursor:", true, ""},
		{"dcr.1.a", "com.example.app:/callback", "com.example.app:", true, ""},
		{"config:a", callback, "client.example", false, ""},
	} {
		public := &oauth2server.Client{Public: true, Grants: publicGrants, RedirectURIs: []string{row.uri}}
		options := withStrangers()
		options.Extensions = []oauth2server.Extension{strangers{row.id: public}}
		var host, publisher string
		var local bool
		s := newSite(t, newSpy(t), options, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request := oauth2server.AuthorizationRequestFromContext(r.Context())
			host, local = request.RedirectHost()
			publisher = request.ClientHost()
		}))
		r := s.get("/authorize?" + strangerAsks(row.id, "redirect_uri", row.uri))
		require.Equal(t, 200, r.StatusCode, "%v: %s", row, r.text)
		require.Equal(t, row.host, host)
		require.Equal(t, row.local, local, row.uri)
		require.Equal(t, row.publisher, publisher)
	}
}

// At a resource, a client gets those of the scopes that it asks for which the
// resource has.
func TestScopeAtAResource(t *testing.T) {
	options := withStrangers()
	options.Extensions = append(options.Extensions, scopes{"openid", "profile"})
	s := newSite(t, newSpy(t), options, approve)
	for _, row := range []struct{ resource, asked, want string }{
		{mcp, "", "read"},
		{mcp, "read", "read"},
		{mcp, "write read", "write read"},
		{mcp, "  write   read ", "write read"},
		{mcp, "claudeai offline_access", "read"},
		{mcp, " offline_access write", "write"},
		{mcp, "openid email profile", "openid profile read"},
		{mcp, "openid write", "openid write"},
		{files, "claudeai offline_access", "claudeai"},
		{files, "offline_access", ""},
		{files, "", ""},
		{"", "claudeai offline_access", "claudeai offline_access"},
	} {
		r := s.get("/authorize?" + form(authorization("resource", row.resource, "scope", row.asked)...))
		token := s.redeem("web", r.at("code"))
		require.Equal(t, 200, token.StatusCode, "%v: %s", row, token.text)
		require.Equal(t, row.want, token.str("scope"), "%v", row)
		machine := s.token("web", "grant_type", "client_credentials", "resource", row.resource, "scope", row.asked)
		require.Equal(t, row.want, machine.str("scope"), "%v", row)
	}
	r := s.get("/authorize?" + form(authorization("resource", mcp, "scope", "read write")...))
	token := s.redeem("web", r.at("code"))
	for _, row := range []struct{ asked, want string }{
		{"offline_access", "read write"}, {"read claudeai", "read"}, {"read write admin", "read write"},
	} {
		token = s.refresh("web", token.str("refresh_token"), "scope", row.asked)
		require.Equal(t, 200, token.StatusCode, token.text)
		require.Equal(t, row.want, token.str("scope"), "%v", row)
	}
	r = s.get("/authorize?" + form(authorization("resource", mcp, "scope", "read")...))
	token = s.redeem("web", r.at("code"))
	requireError(t, s.refresh("web", token.str("refresh_token"), "scope", "write"), 400, "invalid_scope")
}

// scopes is an extension that has scopes of its own.
type scopes oauth2server.Scope

func (scopes) ExtensionName() string        { return "scopes" }
func (s scopes) Scopes() oauth2server.Scope { return slices.Clone(oauth2server.Scope(s)) }
