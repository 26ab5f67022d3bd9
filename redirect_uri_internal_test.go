package oauth2server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is checked without a parser is judged as with one.
func TestPlainRedirectURIs(t *testing.T) {
	for uri, plain := range map[string]bool{
		"https://a.example":                   true,
		"https://a.example/":                  true,
		"https://a.example/cb/of_it~1-2.html": true,
		"https://a.example//cb":               true,
		"https://a.example/../cb":             true,
		"https://A.example/cb":                true,
		"https://127.0.0.1/cb":                true,
		"https://127.1/cb":                    true,
		"https://0x7f000001/cb":               true,
		"https://-a.example/cb":               true,
		"https://a..example/cb":               true,
		"https://a_b.example/cb":              true,
		"https://~/cb":                        true,
		"https://./cb":                        true,
		"https:///cb":                         false,
		"https://":                            false,
		"https://a.example:443/cb":            false,
		"https://a.example:x/cb":              false,
		"https://user@a.example/cb":           false,
		"https://a.example/cb?a=b":            false,
		"https://a.example/cb#a":              false,
		"https://a.example/%2e%2e/cb":         false,
		"https://a.example\\@b.example/cb":    false,
		"https://[::1]/cb":                    false,
		"https://é.example/cb":                false,
		"HTTPS://a.example/cb":                false,
		"http://a.example/cb":                 false,
		"javascript://a.example/cb":           false,
	} {
		require.Equal(t, plain, isPlain(uri), uri)
		require.Equal(t, checkParsed(uri), checkTarget(uri), uri)
	}
}
