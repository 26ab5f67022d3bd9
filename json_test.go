package oauth2server

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Strings from a model are written as encoding/json would write them.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `"quoted\"`, "<a&b>", "\x00\t\n\x7f", "ü 漢字 \u2028",
		"not UTF-8: \xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		require.NoError(t, err)
		require.Equal(t, "before "+string(want), string(appendString([]byte("before "), s)))
	})
}
