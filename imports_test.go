package oauth2server_test

import (
	"go/build"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The library proper depends on the standard library and nothing else, but for a package of its own.
func TestImports(t *testing.T) {
	pkg, err := build.ImportDir(".", 0)
	require.NoError(t, err)
	require.NotEmpty(t, pkg.Imports)
	for _, path := range pkg.Imports {
		if strings.HasPrefix(path, "github.com/seed-11d18166/oauth2server/internal/") {
			continue
		}
		first, _, _ := strings.Cut(path, "/")
		require.NotContains(t, first, ".", path)
		require.NotContains(t, path, "template", "it makes the linker keep every method of the program")
	}
}
