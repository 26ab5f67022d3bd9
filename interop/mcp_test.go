package interop

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/require"
)

// The SDK of the Model Context Protocol finds a server's metadata by itself
// (RFC 8414) and refuses an issuer that is not the one it asked for, and a
// server without PKCE.
func TestMCPDiscovery(t *testing.T) {
	for _, path := range []string{atRoot, withPath} {
		t.Run("issuer with path "+path, func(t *testing.T) {
			s := newSite(t, path)
			found, err := auth.GetAuthServerMetadata(t.Context(), s.issuer, s.Client())
			require.NoError(t, err)
			confidential := []string{"client_secret_basic", "client_secret_post"}
			anyClient := append(confidential[:2:2], "none")
			require.Equal(t, &oauthex.AuthServerMeta{
				Issuer:                 s.issuer,
				AuthorizationEndpoint:  s.issuer + "/authorize",
				TokenEndpoint:          s.issuer + "/token",
				RevocationEndpoint:     s.issuer + "/revoke",
				IntrospectionEndpoint:  s.issuer + "/introspect",
				ResponseTypesSupported: []string{"code"},
				ResponseModesSupported: []string{"query", "fragment"},
				GrantTypesSupported: []string{"authorization_code",
					"client_credentials", "refresh_token"},
				TokenEndpointAuthMethodsSupported:          anyClient,
				RevocationEndpointAuthMethodsSupported:     anyClient,
				IntrospectionEndpointAuthMethodsSupported:  confidential,
				CodeChallengeMethodsSupported:              []string{"S256"},
				AuthorizationResponseIssParameterSupported: true,
			}, found)
			require.Equal(t, []string{"metadata"}, s.seen())
		})
	}
}

// An MCP client signs in at an MCP server behind Authenticate: refused, it
// finds the resource's metadata (RFC 9728, which the SDK serves too), by that
// the issuer and its endpoints, and checks iss in the answer (RFC 9207).
func TestMCPSignIn(t *testing.T) {
	for _, test := range everyKind {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, test.path)
			require.NoError(t, s.connect(s.signIn(test.client, ""), "read"))
			require.Equal(t, []string{"authenticate refused unauthorized_request", "metadata", "authorize issued",
				"token issued authorization_code"}, s.seen())
		})
	}
	t.Run("the scope is not known in advance", func(t *testing.T) { // the challenge says it: RFC 6750, section 3
		s := newSite(t, atRoot)
		require.NoError(t, s.connect(s.signIn(native, "")))
		require.Equal(t, []string{"authenticate refused unauthorized_request", "metadata", "authorize issued",
			"token issued authorization_code"}, s.seen(), "it signs in once")
	})
	t.Run("an answer of another issuer", func(t *testing.T) {
		s := newSite(t, atRoot)
		require.ErrorContains(t, s.connect(s.signIn(native, "https://elsewhere.example"), "read"),
			"does not match expected issuer")
		require.NotContains(t, s.seen(), "token issued authorization_code")
	})
}

// A program signs in for itself.
func TestMCPClientCredentials(t *testing.T) {
	for _, path := range []string{atRoot, withPath} {
		t.Run("issuer with path "+path, func(t *testing.T) {
			s := newSite(t, path)
			handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
				Credentials: credentials(web), HTTPClient: s.Client()})
			require.NoError(t, err)
			require.NoError(t, s.connect(handler, "read"))
			require.Equal(t, []string{"authenticate refused unauthorized_request", "metadata",
				"token issued client_credentials"}, s.seen())
		})
	}
}

// signIn is how an MCP client gets tokens. iss takes the place of the one in
// the answer; "" leaves that.
func (s *site) signIn(c client, iss string) auth.OAuthHandler {
	s.t.Helper()
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: credentials(c), RedirectURL: c.RedirectURI, Client: s.Client(),
		AuthorizationCodeFetcher: func(ctx context.Context,
			args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			answer, err := s.fetch(ctx, args)
			if iss != "" {
				answer.Iss = iss
			}
			return answer, err
		},
	})
	require.NoError(s.t, err)
	return handler
}

func credentials(c client) *oauthex.ClientCredentials {
	if c.Secret == "" {
		return &oauthex.ClientCredentials{ClientID: c.ID}
	}
	return &oauthex.ClientCredentials{ClientID: c.ID,
		ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: c.Secret}}
}

// connect puts an MCP server at /mcp, of which the tokens need the scope read,
// and lets a client in. scopes are what the resource's metadata tells.
func (s *site) connect(handler auth.OAuthHandler, scopes ...string) error {
	name := &mcp.Implementation{Name: "interop", Version: "1"}
	server := mcp.NewServer(name, nil)
	s.mux.Handle("/mcp", s.protect(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)))
	s.mux.Handle("/.well-known/oauth-protected-resource/mcp",
		auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
			Resource: s.URL + "/mcp", AuthorizationServers: []string{s.issuer}, ScopesSupported: scopes}))
	session, err := mcp.NewClient(name, nil).Connect(s.t.Context(), &mcp.StreamableClientTransport{
		Endpoint: s.URL + "/mcp", HTTPClient: s.Client(), OAuthHandler: handler}, nil)
	if err != nil {
		return err
	}
	if err := session.Ping(s.t.Context(), nil); err != nil {
		return err
	}
	return session.Close()
}

// The SDK gets to know a server that does not know it, calls a tool, steps up, and
// comes back to a server that has forgotten it.
func TestMCPStranger(t *testing.T) {
	for _, method := range []string{"", "none", "client_secret_basic", "client_secret_post"} {
		t.Run(introduced(method)+", "+method, func(t *testing.T) {
			s := newToolSite(t, 0)
			session := s.stranger(method)
			s.call(session, "whoami")
			s.call(session, "note")
			s.forget()
			s.call(session, "whoami")
			require.NoError(t, session.Close())
			// It registers each time that it signs in, and tries no refresh before that.
			more, again := slices.Clone(stepsUp), []string{"forget", "authenticate refused invalid_token",
				introduced(method), "authorize issued", "token issued authorization_code"}
			if method != "" {
				more = slices.Insert(more, 1, introduced(method))
			}
			require.Equal(t, slices.Concat(signsIn(method), more, again), s.told())
		})
		t.Run(introduced(method)+", "+method+", refresh", func(t *testing.T) {
			s := newToolSite(t, 5*time.Second) // x/oauth2 refreshes ten seconds before the end
			session := s.stranger(method)
			s.call(session, "whoami")
			require.NoError(t, session.Close())
			require.Equal(t, append(signsIn(method), "token refreshed refresh_token"), s.told())
		})
	}
}

// stranger connects a client that registers itself for a method, or that has a
// document if there is none.
func (s *toolSite) stranger(method string) *mcp.ClientSession {
	s.t.Helper()
	const redirectURI = "http://127.0.0.1:51004/callback"
	config := &auth.AuthorizationCodeHandlerConfig{RedirectURL: redirectURI, Client: s.Client(),
		AuthorizationCodeFetcher: s.fetch}
	if method == "" {
		config.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: s.URL + document}
	} else {
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{ClientName: "Fern", RedirectURIs: []string{redirectURI},
				TokenEndpointAuthMethod: method, GrantTypes: []string{"authorization_code", "refresh_token"}}}
	}
	handler, err := auth.NewAuthorizationCodeHandler(config)
	require.NoError(s.t, err)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "fern", Version: "1"}, nil).Connect(s.t.Context(),
		&mcp.StreamableClientTransport{Endpoint: s.URL + "/mcp", HTTPClient: s.Client(), OAuthHandler: handler}, nil)
	require.NoError(s.t, err)
	return session
}

// fetch is the owner's browser, for the SDK.
func (s *site) fetch(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	answer := s.browse(args.URL).Query()
	return &auth.AuthorizationResult{Code: answer.Get("code"), State: answer.Get("state"), Iss: answer.Get("iss")}, nil
}

// call calls a tool, which says whose token it was.
func (s *toolSite) call(session *mcp.ClientSession, tool string) {
	s.t.Helper()
	result, err := session.CallTool(s.t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}})
	require.NoError(s.t, err)
	require.Equal(s.t, "andy", result.Content[0].(*mcp.TextContent).Text)
}
