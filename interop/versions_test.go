package interop

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/interop.md names the versions that are tried here.
func TestVersionsOfThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/interop.md")
	require.NoError(t, err)
	for _, library := range []struct{ name, file, version string }{
		{"golang.org/x/oauth2", "go.mod", `\tgolang\.org/x/oauth2 v(.+)`},
		{"zitadel/oidc", "go.mod", `\tgithub\.com/zitadel/oidc/v3 v(.+)`},
		{"coreos/go-oidc", "go.mod", `\tgithub\.com/coreos/go-oidc/v3 v(.+)`},
		{"the MCP SDK", "go.mod", `\tgithub\.com/modelcontextprotocol/go-sdk v(.+)`},
		{"oauth2-proxy", "oauth2proxy/go.mod", `\tgithub\.com/oauth2-proxy/oauth2-proxy/v7 v(\S+)`},
		{"oauth4webapi", "node/package.json", `"oauth4webapi": "(.+)"`},
		{"openid-client", "node/package.json", `"openid-client": "(.+)"`},
		{"oidc-client-ts", "node/package.json", `"oidc-client-ts": "(.+)"`},
		{"@modelcontextprotocol/sdk", "node/package.json", `"@modelcontextprotocol/sdk": "(.+)"`},
		{"@modelcontextprotocol/client", "node/package.json", `"@modelcontextprotocol/client": "(.+)"`},
		{"mcp-remote", "node/package.json", `"mcp-remote": "(.+)"`},
		{"@modelcontextprotocol/conformance", "conformance/package.json", `"@modelcontextprotocol/conformance": "([^"]+)"`},
	} {
		pins, err := os.ReadFile(library.file)
		require.NoError(t, err)
		pinned := regexp.MustCompile(library.version).FindSubmatch(pins)
		require.NotNil(t, pinned, library.name)
		require.Contains(t, string(page), library.name+" "+string(pinned[1]))
	}
}
