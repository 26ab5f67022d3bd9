//go:build python

package interop

import "testing"

// Authlib as Debian has it, so it is Debian's interpreter that finds it. Its Basic credentials are not encoded as
// RFC 6749, section 2.3.1 says, so the client has an ID and a secret to which that makes no difference; by the form
// any will do.
func TestAuthlib(t *testing.T) {
	for _, test := range everyKind {
		t.Run(test.name, func(t *testing.T) {
			s, c := newSite(t, test.path), test.client
			if c == web {
				c = plain
			}
			s.tell(c, []string{"REQUESTS_CA_BUNDLE=" + caFile(t, s.Server)}, "python", "/usr/bin/python3", "authlib_client.py")
		})
	}
}
