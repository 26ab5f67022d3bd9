package clientmetadata

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Documents of the shapes that clients publish, under their own IDs, and what the
// clients then ask for.
func TestPublishedClients(t *testing.T) {
	grants, native := []string{"authorization_code", "refresh_token"}, "native"
	for _, row := range []struct {
		id       string
		document members
		redirect string
		page     string
	}{
		{"https://claude.ai/oauth/mcp-oauth-client-metadata", members{
			"client_name": "Claude", "client_uri": "https://claude.ai", "grant_types": grants,
			"redirect_uris": []string{"https://claude.ai/api/mcp/auth_callback",
				"https://claude.com/api/mcp/auth_callback"},
			"token_endpoint_auth_method": "none", "response_types": []string{"code"},
		}, "https://claude.ai/api/mcp/auth_callback", "Claude of claude.ai, to claude.ai, local false"},
		{"https://claude.ai/oauth/claude-code-client-metadata", members{ // no port, which changes
			"client_name": "Claude Code", "client_uri": "https://claude.ai", "grant_types": grants,
			"redirect_uris":              []string{"http://localhost/callback", "http://127.0.0.1/callback"},
			"token_endpoint_auth_method": "none",
		}, "http://localhost:54321/callback", "Claude Code of claude.ai, to localhost, local true"},
		{"https://vscode.dev/oauth/client-metadata.json", members{
			"client_name": "Visual Studio Code", "client_uri": "https://vscode.dev/product", "application_type": native,
			"grant_types":   append([]string{"urn:ietf:params:oauth:grant-type:device_code"}, grants...),
			"redirect_uris": []string{"http://127.0.0.1:33418/", "http://127.0.0.1/", "https://vscode.dev/redirect"},
			"logo_uri":      "https://vscode.dev/logo.png", "token_endpoint_auth_method": "none",
		}, "http://127.0.0.1:59656/", "Visual Studio Code of vscode.dev, to 127.0.0.1, local true"},
		{"https://github.com/copilot/cli/client-metadata.json", members{ // another port than it says
			"client_name": "GitHub Copilot CLI", "grant_types": grants, "application_type": native,
			"redirect_uris": []string{"http://127.0.0.1:33418/"}, "token_endpoint_auth_method": "none",
		}, "http://127.0.0.1:41000/", "GitHub Copilot CLI of github.com, to 127.0.0.1, local true"},
		{"https://chatgpt.com/oauth/c0nn3ct0r/client.json", members{ // it prefers what the server does not have
			"client_name": "ChatGPT", "grant_types": grants, "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
			"redirect_uris":                         []string{"https://chatgpt.com/connector/oauth/c0nn3ct0r"},
			"token_endpoint_auth_method":            "private_key_jwt",
			"token_endpoint_auth_methods_supported": []string{"none", "private_key_jwt"},
			"token_endpoint_auth_signing_alg":       "RS256",
		}, "https://chatgpt.com/connector/oauth/c0nn3ct0r", "ChatGPT of chatgpt.com, to chatgpt.com, local false"},
		{"https://opencode.ai/oauth/opencode/client.json", members{
			"client_name": "opencode", "client_uri": "https://opencode.ai", "grant_types": grants, "application_type": native,
			"redirect_uris":                         []string{"http://127.0.0.1/callback", "http://localhost/callback"},
			"token_endpoint_auth_methods_supported": []string{"none"}, "token_endpoint_auth_method": "none",
		}, "http://127.0.0.1:19876/callback", "opencode of opencode.ai, to 127.0.0.1, local true"},
	} {
		s := newSite(t, Options{})
		row.document["client_id"] = row.id
		s.publisher.publish("/client.json", row.document)
		get := s.clients.get
		s.clients.get = func(ctx context.Context, id, accept string) ([]byte, http.Header, error) {
			require.Equal(t, row.id, id)
			return get(ctx, s.publisher.URL+"/client.json", accept)
		}
		require.True(t, strings.HasPrefix(s.opens(row.id, "redirect_uri", row.redirect), row.page), row.id)
		form := redeeming(row.id, s.agree(row.id, "redirect_uri", row.redirect, "scope", " offline_access"))
		form.Set("redirect_uri", row.redirect)
		w, answer := s.post("/token", form)
		require.Equal(t, 200, w.Code, "%s: %s", row.id, w.Body)
		require.Equal(t, 200, s.call("/mcp", answer["access_token"]))
		w, _ = s.post("/token", refreshing(row.id, answer["refresh_token"]))
		require.Equal(t, 200, w.Code, "%s: %s", row.id, w.Body)
		require.Equal(t, 1, s.publisher.total())
	}
}
