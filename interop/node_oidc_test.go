//go:build npm

package interop

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Clients in Node sign in by OpenID Connect.
func TestNodeSignsIn(t *testing.T) {
	dir := node(t)
	for _, program := range []string{"openid-connect.js", "oauth4webapi-oidc.js"} {
		for _, c := range []client{web, webPost, native} {
			for _, algorithm := range []string{"ES256", "RS256", "PS256"} {
				t.Run(program+", "+c.Method+", "+algorithm, func(t *testing.T) {
					p := newProvider(t, withPath, algorithm)
					told, err := json.Marshal(map[string]any{"issuer": p.issuer, "client": c, "algorithm": algorithm})
					require.NoError(t, err)
					run(t, []string{"NODE_EXTRA_CA_CERTS=" + caFile(t, p.Server)}, dir, "node", program, string(told))
				})
			}
		}
	}
}
