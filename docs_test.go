package oauth2server_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
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

// The Go code of a page is the files of one package. They are compiled together
// with the page's test in testdata/docs, if it has one, and that test is run.
// The files are in directories that exist only in an overlay, which vet cannot
// enter.
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
	run(t, root, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", file, "-o",
		binaries+string(filepath.Separator),
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

// Links between the files of the repository have a target.
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

// The table of docs/contract.md lists the interfaces of model.go and
// grantlog.go, each with its methods.
func TestTheContractIsListed(t *testing.T) {
	declared := map[string]string{}
	note := func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if contract, ok := spec.Type.(*ast.InterfaceType); ok {
				var methods []string
				for _, method := range contract.Methods.List {
					for _, name := range method.Names {
						methods = append(methods, "`"+name.Name+"`")
					}
				}
				declared[spec.Name.Name] = strings.Join(methods, ", ")
			}
		}
		return true
	}
	for _, name := range []string{"model.go", "grantlog.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, note)
	}
	page, err := os.ReadFile("docs/contract.md")
	require.NoError(t, err)
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]+) \\|").FindAllStringSubmatch(
		string(page), -1) {
		listed[row[1]] = row[2]
	}
	require.Equal(t, declared, listed)
}

// The README quotes the ratios that docs/performance.md measured.
func TestTheREADMEHasTheRatios(t *testing.T) {
	page, err := os.ReadFile("docs/performance.md")
	require.NoError(t, err)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	ratios := func(server, between string) string { // of the code flow, and of refresh
		row := regexp.MustCompile(`\n\| ` + regexp.QuoteMeta(server) +
			` \|[^|]+\|[^|]+\| ([0-9.]+) \(.+\) \| ([0-9.]+) \(.+\) \|\n`).FindSubmatch(page)
		require.NotNil(t, row, server)
		return string(row[1]) + between + string(row[2])
	}
	want := `| Code flow, refresh\* |`
	for _, server := range []string{"oauth2server", "go-oauth2 4.5.4", "osin 1.0.1", "fosite 0.49.0",
		"zitadel/oidc 3.52"} {
		want += " " + ratios(server, ", ") + " |"
	}
	require.Contains(t, string(readme), want)
	require.Contains(t, string(readme), ratios("go-oauth2 4.5.4 with maps", " and "))
}
