package oauth2server_test

import (
	"encoding/json"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// The Go of a page is the files of one package. They are compiled together with the page's test in testdata/docs, if it
// has one, and that is run. The go command sees the files in directories that exist for it alone, which vet cannot enter.
func TestCodeOfThePages(t *testing.T) {
	t.Parallel()
	root, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, page := range []string{"moving-from-node", "moving-from-egg", "own-model", "tls-and-proxy"} {
		text, err := os.ReadFile(filepath.Join("docs", page+".md"))
		require.NoError(t, err)
		blocks := goBlock.FindAllSubmatch(text, -1)
		require.NotEmpty(t, blocks, page)
		pkg := filepath.Join(root, "docs", page)
		for i, block := range blocks {
			formatted, err := format.Source(block[1])
			require.NoError(t, err, "%s, block %d", page, i+1)
			require.Equal(t, string(formatted), string(block[1]), "%s, block %d, as gofmt has it", page, i+1)
			name := fmt.Sprintf("block%d.go", i+1)
			file := filepath.Join(dir, page+"-"+name)
			require.NoError(t, os.WriteFile(file, block[1], 0o600))
			overlay.Replace[filepath.Join(pkg, name)] = file
		}
		tests := filepath.Join(root, "testdata", "docs", page+"_test.go")
		if _, err := os.Stat(tests); err != nil {
			require.ErrorIs(t, err, fs.ErrNotExist)
			tests = filepath.Join(dir, page+"_test.go")
			require.NoError(t, os.WriteFile(tests, []byte("package auth\n"), 0o600))
		}
		overlay.Replace[filepath.Join(pkg, "page_test.go")] = tests
	}
	data, err := json.Marshal(overlay)
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	if testing.Short() {
		t.Skip("-short leaves out that the code of the pages is compiled, which takes the linker seconds")
	}

	binaries := t.TempDir()
	run(t, root, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", file, "-o", binaries+string(filepath.Separator),
		"./docs/moving-from-node", "./docs/moving-from-egg", "./docs/own-model", "./docs/tls-and-proxy")
	tried, err := filepath.Glob(filepath.Join(binaries, "*"))
	require.NoError(t, err)
	require.Len(t, tried, 4)
	for _, binary := range tried {
		run(t, binaries, binary)
	}
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
}

// Links between the files of the repository lead somewhere.
func TestLinksOfThePages(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			require.FileExists(t, filepath.Join(filepath.Dir(page), match[1]), "%s links to it", page)
		}
	}
}
