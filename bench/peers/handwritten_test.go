package peers

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is decoded by hand, and encoded, is what net/url makes of it.
func TestHandWrittenEscapes(t *testing.T) {
	var all strings.Builder
	for c := range 256 {
		all.WriteByte(byte(c))
	}
	require.Equal(t, all.String(), string(unescape([]byte(url.QueryEscape(all.String())))))
	plain, err := url.QueryUnescape(string(appendEscaped(nil, []byte(all.String()))))
	require.NoError(t, err)
	require.Equal(t, all.String(), plain)
	for _, broken := range []string{"%", "a%", "%4", "%zz", "%4g%"} {
		require.Equal(t, broken, string(unescape([]byte(broken))))
	}
}
