package oauth2server_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tests returns the names of the tests, fuzz targets and examples of the whole
// repository, nested modules included.
func tests(t *testing.T) map[string]bool {
	names := map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declared := range file.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
		return nil
	}))
	return names
}

// A promise without a test is a wish: each test that a page names exists. The
// counts in docs/threats.md are right.
func TestSecurityPolicyNamesWhatHolds(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	names := tests(t)
	for _, page := range append(pages, "README.md", "SECURITY.md", "CHANGELOG.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Z]\\w*)`").FindAllStringSubmatch(
			string(text), -1) {
			require.True(t, names[match[1]], "%s: there is no %s", page, match[1])
		}
	}
	text, err := os.ReadFile("docs/threats.md")
	require.NoError(t, err)
	holder := regexp.MustCompile("^(?:`(Test|Fuzz|Example)|(type) `|(the program): |(not offered))")
	const counted = "Held by a test %d, by a type %d, left to the program %d, not offered %d."
	var counts [4]int
	tables, inTable := 0, false
	for number, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		switch last := cells[len(cells)-1]; {
		case strings.HasPrefix(line, "Held by"):
			require.Equal(t, fmt.Sprintf(counted, counts[0], counts[1], counts[2], counts[3]), line,
				"line %d", number+1)
			counts = [4]int{}
			tables++
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case last == "Held by":
			require.Zero(t, counts, "line %d: the table before is not counted", number+1)
			inTable = true
		case inTable && !strings.HasPrefix(line, "|---"):
			require.Len(t, cells, 4, "line %d", number+1)
			found := holder.FindStringSubmatch(last)
			require.NotNil(t, found, "line %d: %s", number+1, last)
			for i, kind := range found[1:] {
				if kind != "" {
					counts[i]++
				}
			}
		}
	}
	require.Zero(t, counts, "the last table is not counted")
	require.Equal(t, 4, tables)
}
