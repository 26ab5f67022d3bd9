//go:build npm

package interop

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The MCP SDKs in TypeScript get to know a server that does not know them, call a
// tool, refresh, step up, and come back to a server that has forgotten them. The
// older one, asked for more, refreshes first; it can step up only without a
// refresh token.
func TestNodeMCP(t *testing.T) {
	const older, newer = "@modelcontextprotocol/sdk", "@modelcontextprotocol/client"
	dir := node(t)
	for _, sdk := range []string{older, newer} {
		for _, method := range []string{"", "none", "client_secret_basic", "client_secret_post"} {
			t.Run(sdk+", "+introduced(method)+", "+method, func(t *testing.T) {
				s := newToolSite(t, 0)
				arguments := map[string]any{"sdk": sdk, "mcp": s.URL + "/mcp", "method": method}
				if method == "" {
					arguments["document"] = s.URL + document
				}
				told, err := json.Marshal(arguments)
				require.NoError(t, err)
				run(t, []string{"NODE_EXTRA_CA_CERTS=" + caFile(t, s.Server)}, dir, "node", "mcp.js", string(told))
				story := slices.Concat(signsIn(method), refreshes, stepsUp, comesBack(method))
				if sdk == older {
					vain := []string{"authenticate refused insufficient_scope", "token refreshed refresh_token"}
					story = slices.Concat(signsIn(method), refreshes, vain, stepsUp, comesBack(method))
				}
				require.Equal(t, story, s.told())
			})
		}
	}
}
