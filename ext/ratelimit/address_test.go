// Where requests come from.

package ratelimit

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddresses(t *testing.T) {
	for _, row := range []struct {
		name, first, second string
		status              int
	}{
		{"another port", "192.0.2.1:1", "192.0.2.1:2", 429},
		{"no port", "192.0.2.1:1", "192.0.2.1", 429},
		{"neighbour", "192.0.2.1:1", "192.0.2.2:1", 200},
		{"IPv4 in IPv6", "192.0.2.1:1", "[::ffff:192.0.2.1]:1", 429},
		{"IPv4 in IPv6, no port", "192.0.2.1:1", "::ffff:c000:201", 429},
		{"the same /64", "[2001:db8::1]:1", "[2001:db8::ffff:1]:1", 429},
		{"the same /64, no port", "[2001:db8::1]:1", "2001:db8::ffff:1", 429},
		{"another zone", "[fe80::1%a]:1", "[fe80::1%b]:1", 429},
		{"another /64", "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", 200},
		{"NAT64 has all of IPv4 in one /64", "[64:ff9b::192.0.2.1]:1", "[64:ff9b::192.0.2.2]:1", 200},
		{"NAT64 is not IPv4", "[64:ff9b::192.0.2.1]:1", "192.0.2.1:1", 200},
		{"none", "@", "", 429},
		{"none, or a name", "@", "pipe", 429},
		{"none, or an address", "@", home, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			for range 3 {
				s.secret(row.first, "app", "wrong")
			}
			require.Equal(t, row.status, s.secret(row.second, "app", secret))
		})
	}
	t.Run("the program finds it", func(t *testing.T) {
		s := newSite(t)
		s.limiter.Address = func(r *http.Request) netip.Addr {
			if r.RemoteAddr == home {
				return netip.MustParseAddr("192.0.2.7")
			}
			return netip.MustParseAddr("::ffff:192.0.2.7%eth0")
		}
		for range 3 {
			s.secret(home, "app", "wrong")
		}
		require.Equal(t, 429, s.secret(elsewhere, "app", secret))
	})
}

func TestReadAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":                      "192.0.2.1",
		"192.0.2.1:4711":                 "192.0.2.1",
		"192.0.2.1:":                     "192.0.2.1",
		"192.0.2.1:_port":                "192.0.2.1",
		"2001:db8::1":                    "2001:db8::1",
		"2001:DB8::1":                    "2001:db8::1",
		"[2001:db8::1]":                  "2001:db8::1",
		"[2001:db8::1]:4711":             "2001:db8::1",
		"[2001:db8::1]:_port":            "2001:db8::1",
		"2001:db8:0:0:0:0:0:1:4711":      "2001:db8::1",
		"[192.0.2.1]:4711":               "192.0.2.1",
		"fe80::1%eth0":                   "fe80::1",
		"[fe80::1%25eth0]:4711":          "fe80::1",
		"::ffff:192.0.2.1":               "192.0.2.1",
		"::ffff:192.0.2.1:4711":          "192.0.2.1",
		"[::ffff:c000:201]:4711":         "192.0.2.1",
		"[::ffff:192.0.2.1%eth0]:4711":   "192.0.2.1",
		"64:ff9b::c000:201":              "64:ff9b::c000:201",
		"":                               "",
		":":                              "",
		":4711":                          "",
		"@":                              "",
		"unix:":                          "",
		"unknown":                        "",
		"unknown:4711":                   "",
		"_hidden":                        "",
		"_hidden:4711":                   "",
		"localhost":                      "",
		"192.0.2":                        "",
		"192.0.2.256":                    "",
		"192.0.2.1.1":                    "",
		"192.0.2.1:1:2":                  "",
		"192.0.2.1 192.0.2.2":            "",
		"[2001:db8::1":                   "",
		"2001:db8::1]":                   "",
		"[2001:db8::1]4711":              "",
		"[]":                             "",
		"[]:4711":                        "",
		"[[2001:db8::1]]":                "",
		"http://192.0.2.1":               "",
		"192.0.2.1/32":                   "",
		"2001:db8:0:0:0:0:0:1:4711:4711": "",
	} {
		address := readAddress(text)
		if want == "" {
			require.False(t, address.IsValid(), text)
			continue
		}
		require.Equal(t, want, address.String(), text)
	}
}
