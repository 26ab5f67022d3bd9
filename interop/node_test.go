//go:build npm

package interop

import "testing"

func TestNode(t *testing.T) {
	dir := node(t)
	for _, program := range []string{"oauth4webapi.js", "openid-client.js"} {
		for _, test := range append(everyKind, situation{"issuer that ends in a slash", withPath + "/", native}) {
			t.Run(program+", "+test.name, func(t *testing.T) {
				s := newSite(t, test.path)
				s.tell(test.client, []string{"NODE_EXTRA_CA_CERTS=" + caFile(t, s.Server)}, dir, "node", program)
			})
		}
	}
}
