//go:build python

package interop

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Authlib signs in by OpenID Connect. Debian's version cannot check at_hash of
// EdDSA.
func TestAuthlibSignsIn(t *testing.T) {
	for _, c := range []client{webPost, native} {
		for _, algorithm := range []string{"ES256", "RS256", "PS256"} {
			t.Run(c.Method+", "+algorithm, func(t *testing.T) {
				p := newProvider(t, withPath, algorithm)
				told, err := json.Marshal(map[string]any{"issuer": p.issuer, "client": c, "algorithm": algorithm})
				require.NoError(t, err)
				run(t, []string{"REQUESTS_CA_BUNDLE=" + caFile(t, p.Server)}, "python", "/usr/bin/python3", "authlib_oidc.py",
					string(told))
			})
		}
	}
}
