package ratelimit

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForwarded(t *testing.T) {
	address := Forwarded([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")})
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"nobody in between", "192.0.2.1:5", nil, "192.0.2.1"},
		{"a stranger who writes the header", "192.0.2.1:5", []string{"198.51.100.7"}, "192.0.2.1"},
		{"the proxy", "127.0.0.1:5", []string{"198.51.100.7"}, "198.51.100.7"},
		{"the proxy, over IPv6", "[::1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
		{"a stranger who writes before the proxy does", "127.0.0.1:5", []string{"192.0.2.8, 192.0.2.9, 198.51.100.7"}, "198.51.100.7"},
		{"… in a header of his own", "127.0.0.1:5", []string{"192.0.2.9", "198.51.100.7"}, "198.51.100.7"},
		{"a proxy that says nothing", "127.0.0.1:5", nil, "127.0.0.1"},
		{"a proxy that says no address", "127.0.0.1:5", []string{"192.0.2.9, unknown"}, "127.0.0.1"},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:5", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.forwarded
		require.Equal(t, c.want, address(r).String(), c.name)
	}
}
