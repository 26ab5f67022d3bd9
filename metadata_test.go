package oauth2server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func TestMetadata(t *testing.T) {
	paths := oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"}
	all := oauth2server.Endpoints{Authorization: "/authorize", Token: "/tenant/token?v=1",
		Revocation: "/revoke", Introspection: "https://api.example/introspect"}
	secrets := `["client_secret_basic","client_secret_post"]`
	methods := `["client_secret_basic","client_secret_post","none"]`
	for _, test := range []struct {
		name, path string
		options    oauth2server.Options
		want       string
	}{
		{"zero", "/.well-known/oauth-authorization-server",
			oauth2server.Options{Issuer: "https://auth.example", Endpoints: paths},
			`{"issuer":"https://auth.example","authorization_endpoint":"https://auth.example/authorize",
			"token_endpoint":"https://auth.example/token",
			"response_types_supported":["code"],"response_modes_supported":["query","fragment"],
			"grant_types_supported":["authorization_code","client_credentials","refresh_token"],
			"token_endpoint_auth_methods_supported":` + methods +
				`,"code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true}`},
		{"everything", "/.well-known/oauth-authorization-server/tenant/1",
			oauth2server.Options{Issuer: "https://auth.example/tenant/1", Endpoints: all,
				Grants: allGrants, InsecureAllowPlainPKCE: true},
			`{"issuer":"https://auth.example/tenant/1",
			"authorization_endpoint":"https://auth.example/authorize",
			"token_endpoint":"https://auth.example/tenant/token?v=1",
			"revocation_endpoint":"https://auth.example/revoke",
			"introspection_endpoint":"https://api.example/introspect",
			"response_types_supported":["code","token"],"response_modes_supported":["query","fragment"],
			"grant_types_supported":["authorization_code","client_credentials","password","refresh_token","implicit"],
			"token_endpoint_auth_methods_supported":` + methods +
				`,"revocation_endpoint_auth_methods_supported":` + methods + `,
			"introspection_endpoint_auth_methods_supported":` + secrets +
				`,"code_challenge_methods_supported":["S256","plain"],
			"authorization_response_iss_parameter_supported":true}`},
		{"machines only", "/.well-known/oauth-authorization-server",
			oauth2server.Options{Issuer: "http://127.0.0.1:8080/",
				Endpoints: oauth2server.Endpoints{Token: "/token"}, Grants: []string{"client_credentials"}},
			`{"issuer":"http://127.0.0.1:8080/","token_endpoint":"http://127.0.0.1:8080/token",
			"response_types_supported":[],
			"grant_types_supported":["client_credentials"],"token_endpoint_auth_methods_supported":` +
				secrets + `,"authorization_response_iss_parameter_supported":true}`},
		{"implicit only", "/.well-known/oauth-authorization-server",
			oauth2server.Options{Issuer: "https://auth.example",
				Endpoints: oauth2server.Endpoints{Authorization: "/authorize"}, Grants: []string{"implicit"}},
			`{"issuer":"https://auth.example","authorization_endpoint":"https://auth.example/authorize",
			"response_types_supported":["token"],
			"response_modes_supported":["fragment"],"grant_types_supported":["implicit"],
			"authorization_response_iss_parameter_supported":true}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, newSpy(t), &test.options, nil)
			r := s.get(test.path)
			require.Equal(t, 200, r.StatusCode, r.text)
			require.JSONEq(t, test.want, r.text)
			require.Equal(t, "application/json", r.Header.Get("Content-Type"))
			require.Equal(t, 200, s.do(s.request("HEAD", test.path, "")).StatusCode)
			r = s.post(test.path, "a=b")
			require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
			require.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
		})
	}
}

// What the document lists works, and what it leaves out does not.
func TestMetadataIsTrue(t *testing.T) {
	for _, grants := range [][]string{nil, {"authorization_code"}, {"client_credentials"},
		{"implicit", "password"}, allGrants} {
		endpoints := oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"}
		if len(grants) == 1 && grants[0] == "client_credentials" {
			endpoints.Authorization = ""
		}
		s := newSite(t, newSpy(t), &oauth2server.Options{Grants: grants, Issuer: "https://auth.example",
			Endpoints: endpoints}, nil)
		var document struct {
			GrantTypes    []string `json:"grant_types_supported"`
			ResponseTypes []string `json:"response_types_supported"`
		}
		require.NoError(t, json.Unmarshal([]byte(s.get("/.well-known/oauth-authorization-server").text), &document))
		for _, grant := range []string{"authorization_code", "refresh_token", "client_credentials", "password"} {
			refused := s.token("web", "grant_type", grant).str("error") == "unsupported_grant_type"
			require.NotEqual(t, refused, slices.Contains(document.GrantTypes, grant), "%s of %v", grant, grants)
		}
		for _, responseType := range []string{"code", "token"} {
			given := s.authorize("response_type", responseType)
			works := given.at("code") != "" || given.at("access_token") != ""
			require.Equal(t, works, slices.Contains(document.ResponseTypes, responseType), "%s of %v",
				responseType, grants)
		}
	}
}

func TestMetadataNeedsAnIssuerAndEndpoints(t *testing.T) {
	for _, options := range []oauth2server.Options{{}, {Issuer: "https://auth.example"}} {
		srv, err := oauth2server.New(newSpy(t), &options)
		require.NoError(t, err)
		requirePanic(t, "Metadata needs Options.Issuer and Options.Endpoints", func() { srv.Metadata() })
	}
	token := oauth2server.Endpoints{Token: "/token"}
	both := oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"}
	for _, test := range []struct {
		name    string
		options oauth2server.Options
		want    string
	}{
		{"no issuer", oauth2server.Options{Endpoints: both}, "option Endpoints: it needs Issuer"},
		{"http", oauth2server.Options{Issuer: "http://auth.example"},
			`option Issuer: "http://auth.example" is not https`},
		{"http, where the option is for plain http alone",
			oauth2server.Options{Issuer: "ftp://auth.example", InsecureHTTPIssuer: true}, "is not https"},
		{"http on a host that begins like loopback",
			oauth2server.Options{Issuer: "http://localhost.evil.example"}, "is not https"},
		{"no host", oauth2server.Options{Issuer: "auth.example"},
			"option Issuer: \"auth.example\" has no scheme or no host"},
		{"user", oauth2server.Options{Issuer: "https://u:p@auth.example"}, "has a user or a fragment"},
		{"query", oauth2server.Options{Issuer: "https://auth.example?"}, "option Issuer: it has a query"},
		{"fragment", oauth2server.Options{Issuer: "https://auth.example#"}, "has a user or a fragment"},
		{"no URL", oauth2server.Options{Issuer: "https://auth.example/%zz"}, "option Issuer: not a URL"},
		{"no host, but a port", oauth2server.Options{Issuer: "https://:443"},
			`"https://:443" has no scheme or no host`},
		{"dot segment", oauth2server.Options{Issuer: "https://auth.example/a/../b"},
			"option Issuer: its path has empty or dot segments"},
		{"empty segment", oauth2server.Options{Issuer: "https://auth.example/a//b"},
			"option Issuer: its path has empty or dot segments"},
		{"two slashes at the end", oauth2server.Options{Issuer: "https://auth.example/a//"},
			"option Issuer: its path has empty or dot segments"},
		{"space", oauth2server.Options{Issuer: "https://auth.example/a b"}, "option Issuer: not a URL"},
		{"quotation mark", oauth2server.Options{Issuer: `https://auth.example/"`}, "option Issuer: not a URL"},
		{"not ASCII", oauth2server.Options{Issuer: "https://auth.example/é"}, "option Issuer: not a URL"},
		{"no authorization endpoint", oauth2server.Options{Issuer: "https://auth.example", Endpoints: token},
			"option Endpoints.Authorization: it is missing"},
		{"no token endpoint", oauth2server.Options{Issuer: "https://auth.example",
			Endpoints: oauth2server.Endpoints{Authorization: "/authorize"}}, "option Endpoints.Token: it is missing"},
		{"of no use", oauth2server.Options{Issuer: "https://auth.example", Endpoints: both,
			Grants: []string{"client_credentials"}},
			"option Endpoints.Authorization: no grant that is on has a use for it"},
		{"endpoint by http", oauth2server.Options{Issuer: "https://auth.example",
			Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "http://auth.example/token"}},
			"option Endpoints.Token: \"http://auth.example/token\" is not https"},
		{"relative endpoint", oauth2server.Options{Issuer: "https://auth.example/t",
			Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "token"}},
			`option Endpoints.Token: "token" is no URL and no path that begins with a slash`},
		{"broken endpoint", oauth2server.Options{Issuer: "https://auth.example",
			Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/%zz"}},
			"option Endpoints.Token: not a URL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := oauth2server.New(newSpy(t), &test.options)
			require.ErrorIs(t, err, oauth2server.InvalidArgument)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// Development networks have names and no certificates.
func TestIssuersOfHTTP(t *testing.T) {
	both := oauth2server.Endpoints{Authorization: "/authorize", Token: "http://auth:8080/token"}
	for issuer, loopback := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]": true, "http://localhost:8080": true,
		"http://auth.localhost:8080/tenant": true,
		"http://192.168.1.10:8080":          false, "http://auth:8080": false,
		"http://host.docker.internal:8080": false,
	} {
		_, err := oauth2server.New(newSpy(t), &oauth2server.Options{Issuer: issuer})
		require.Equal(t, loopback, err == nil, "%s: %v", issuer, err)
		if !loopback {
			require.ErrorContains(t, err, "InsecureHTTPIssuer", issuer)
		}
		_, err = oauth2server.New(newSpy(t),
			&oauth2server.Options{Issuer: issuer, Endpoints: both, InsecureHTTPIssuer: true})
		require.NoError(t, err, issuer)
	}
}

// A client may come without a secret if the document lists "none", and only
// then.
func TestMetadataIsTrueAboutAuthentication(t *testing.T) {
	const skips = "urn:example:grant"
	own := func(context.Context, *oauth2server.GrantRequest) (*oauth2server.Token, error) {
		return nil, oauth2server.ErrNotFound
	}
	for name, options := range map[string]oauth2server.Options{
		"zero":                  {},
		"secrets only":          {Grants: []string{"client_credentials"}},
		"public, implicit only": {Grants: []string{"implicit", "client_credentials"}},
		"public, nothing":       {PublicClientGrants: []string{}},
		"public, a grant of one's own": {Grants: []string{},
			ExtensionGrants: map[string]oauth2server.GrantFunc{skips: own}, PublicClientGrants: []string{skips}},
		"no authentication": {Grants: []string{"client_credentials"},
			ExtensionGrants:                  map[string]oauth2server.GrantFunc{skips: own},
			InsecureSkipClientAuthentication: []string{skips}},
	} {
		t.Run(name, func(t *testing.T) {
			options.Issuer = "https://auth.example"
			options.Endpoints = oauth2server.Endpoints{Token: "/token", Revocation: "/revoke",
				Introspection: "/introspect"}
			if options.Grants == nil || slices.Contains(options.Grants, "implicit") {
				options.Endpoints.Authorization = "/authorize"
			}
			model := newSpy(t)
			require.NoError(t, model.AddClient(&oauth2server.Client{ID: "spa", Public: true,
				RedirectURIs: []string{callback}, Grants: append([]string{skips}, publicGrants...)}, ""))
			s := newSite(t, misregistering{model}, &options, nil)
			var document map[string]any
			require.NoError(t, json.Unmarshal([]byte(s.get("/.well-known/oauth-authorization-server").text), &document))
			says := func(endpoint string) bool {
				return slices.Contains(document[endpoint+"_endpoint_auth_methods_supported"].([]any), any("none"))
			}
			enters := false
			for _, grant := range document["grant_types_supported"].([]any) {
				r := s.post("/token", form("client_id", "spa", "grant_type", grant.(string), "code_verifier", verifier))
				enters = enters || r.str("error") != "unsupported_grant_type" &&
					!strings.Contains(r.str("error_description"), "clients that authenticate")
			}
			require.Equal(t, enters, says("token"))
			require.Equal(t, s.post("/revoke", form("client_id", "app", "token", "unknown")).StatusCode == 200,
				says("revocation"))
			require.Equal(t, s.post("/introspect",
				form("client_id", "app", "token", "unknown")).StatusCode == 200, says("introspection"))
		})
	}
}

// misregistering is a model that also gives client_credentials to public
// clients, which none may use.
type misregistering struct{ *spy }

func (m misregistering) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	client, err := m.spy.GetClient(ctx, id, secret)
	if err == nil && client.Public {
		client.Grants = append(client.Grants, "client_credentials")
	}
	return client, err
}

// The path is also a pattern of net/http, whatever the issuer looks like.
func TestMetadataPathCanBeMounted(t *testing.T) {
	for issuer, path := range map[string]string{
		"https://auth.example":            "",
		"https://auth.example/":           "",
		"https://auth.example/a/b/":       "/a/b",
		"https://auth.example/%7Bx...%7D": "/%7Bx...%7D",
		"https://auth.example/a%2Fb":      "/a%2Fb",
		"https://auth.example/%2e%2e/b":   "/%2e%2e/b",
	} {
		srv, err := oauth2server.New(newSpy(t), &oauth2server.Options{Issuer: issuer,
			Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"}})
		require.NoError(t, err, issuer)
		mux := http.NewServeMux()
		mux.Handle(srv.MetadataPath(), srv.Metadata())
		r := listen(t, mux).get("/.well-known/oauth-authorization-server" + path)
		require.Equal(t, 200, r.StatusCode, issuer)
		require.Equal(t, issuer, r.str("issuer"))
	}
}
