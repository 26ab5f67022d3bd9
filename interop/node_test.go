//go:build npm

package interop

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What node/package-lock.json pins is installed anew, by its hashes. That file names no registry: npm asks its own.
func TestNode(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("node")))
	run(t, nil, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	for _, program := range []string{"oauth4webapi.js", "openid-client.js"} {
		for _, test := range append(everyKind, situation{"issuer that ends in a slash", withPath + "/", native}) {
			t.Run(program+", "+test.name, func(t *testing.T) {
				s := newSite(t, test.path)
				s.tell(test.client, []string{"NODE_EXTRA_CA_CERTS=" + caFile(t, s.Server)}, dir, "node", program)
			})
		}
	}
}
