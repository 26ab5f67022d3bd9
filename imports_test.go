package oauth2server_test

import (
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The library depends on the standard library and nothing else, except for
// packages of its own.
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

// A package under ext uses only what the root exports, so that anyone could
// have written it: it imports the standard library, the root, other packages
// under ext, golang.org/x/text, and packages that anyone could write with what
// the root exports, the standard library and go-jose.
func TestImportsOfExtensions(t *testing.T) {
	const root = "github.com/seed-11d18166/oauth2server"
	dirs, err := filepath.Glob("ext/*")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	for _, dir := range dirs {
		pkg, err := build.ImportDir(dir, 0)
		require.NoError(t, err)
		for _, path := range pkg.Imports {
			first, _, _ := strings.Cut(path, "/")
			allowed := path == root || strings.HasPrefix(path, root+"/ext/") ||
				path == root+"/internal/jose" || path == root+"/internal/fetch" ||
				path == root+"/internal/clientdata" || path == root+"/internal/bodies" ||
				strings.HasPrefix(path, "golang.org/x/text/")
			require.True(t, allowed || !strings.Contains(first, "."), "%s imports %s", dir, path)
		}
	}
}

// No lock is held during I/O: code that calls a model or a database holds none,
// and code that holds one works in memory.
func TestNoLockIsHeldAcrossIO(t *testing.T) {
	for dir, allowed := range map[string][]string{
		".":          {"Map"}, // calls nothing while it is locked
		"mongomodel": {"WaitGroup"},
	} {
		for _, name := range sources(t, dir) {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			for _, match := range regexp.MustCompile(`\bsync\.(\w+)`).FindAllSubmatch(text, -1) {
				require.Contains(t, allowed, string(match[1]), name)
			}
		}
	}
	pkg, err := build.ImportDir("memorymodel", 0)
	require.NoError(t, err)
	for _, path := range pkg.Imports {
		require.NotContains(t, []string{"os", "io", "net", "net/http", "syscall", "database/sql"}, path)
	}
}

func sources(t *testing.T, dir string) (names []string) {
	pkg, err := build.ImportDir(dir, 0)
	require.NoError(t, err)
	for _, name := range pkg.GoFiles {
		names = append(names, filepath.Join(dir, name))
	}
	require.NotEmpty(t, names)
	return names
}
