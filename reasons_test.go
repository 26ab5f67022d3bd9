package oauth2server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// listed is a row of a table in docs/reasons.md.
type listed struct {
	endpoints []string
	reason    string
	told      string // error code and status
}

var (
	endpointHeading = regexp.MustCompile("(?m)^## At (.*)$")
	quotedWord      = regexp.MustCompile("`([a-z0-9_]+)`")
	reasonRow       = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([^|]+) \\| [^|]+ \\| [^|]+ \\|$")
)

// listedReasons reads the tables. Their headings name the endpoints.
func listedReasons() (rows []listed, err error) {
	text, err := os.ReadFile("docs/reasons.md")
	headings := endpointHeading.FindAllSubmatchIndex(text, -1)
	for i, heading := range headings {
		section := text[heading[1]:]
		if i+1 < len(headings) {
			section = text[heading[1]:headings[i+1][0]]
		}
		var endpoints []string
		for _, word := range quotedWord.FindAllSubmatch(text[heading[2]:heading[3]], -1) {
			endpoints = append(endpoints, string(word[1]))
		}
		for _, row := range reasonRow.FindAllSubmatch(section, -1) {
			rows = append(rows, listed{endpoints, string(row[1]), string(row[2])})
		}
	}
	return rows, err
}

func TestReasonsAreListed(t *testing.T) {
	rows, err := listedReasons()
	require.NoError(t, err)
	inDocs := map[string]bool{}
	for i, row := range rows {
		inDocs[row.reason] = true
		for _, other := range rows[:i] {
			same := row.reason == other.reason && slices.ContainsFunc(row.endpoints, func(e string) bool {
				return slices.Contains(other.endpoints, e)
			})
			require.False(t, same, "two rows for %q at %v and %v", row.reason, row.endpoints, other.endpoints)
		}
	}
	inSource := map[string]bool{}
	extensions, err := filepath.Glob("ext/*")
	require.NoError(t, err)
	for _, dir := range append(extensions, ".", "internal/clientdata") {
		maps.Copy(inSource, reasonsIn(t, dir))
	}
	require.Greater(t, len(inSource), 50)
	require.Equal(t, slices.Sorted(maps.Keys(inSource)), slices.Sorted(maps.Keys(inDocs)),
		"in the source, and in docs/reasons.md")
}

// reasonsIn collects the reasons from the source: the arguments and fields
// named reason.
func reasonsIn(t *testing.T, dir string) map[string]bool {
	files := token.NewFileSet()
	var source []*ast.File
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		require.NoError(t, err)
		source = append(source, file)
	}

	constants := map[string]string{} // by name
	takes := map[string]int{}        // by function, the index of its parameter reason
	for _, file := range source {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, value := range n.Values {
					if text, ok := stringOf(value); ok {
						constants[n.Names[i].Name] = text
					}
				}
			case *ast.FuncDecl:
				place := 0
				for _, field := range n.Type.Params.List {
					for _, name := range field.Names {
						if name.Name == "reason" && n.Recv == nil {
							takes[n.Name.Name] = place
						}
						place++
					}
				}
			}
			return true
		})
	}

	reasons := map[string]bool{}
	add := func(e ast.Expr) {
		switch e := e.(type) {
		case *ast.BasicLit:
			text, _ := stringOf(e)
			reasons[text] = true
			return
		case *ast.Ident:
			if text, ok := constants[e.Name]; ok {
				reasons[text] = true
				return
			}
			if e.Name == "reason" { // the parameter that a caller fills in
				return
			}
		case *ast.SelectorExpr:
			if e.Sel.Name == "reason" { // taken from another error
				return
			}
		}
		t.Errorf("%s: this test cannot read the reason", files.Position(e.Pos()))
	}
	for _, file := range source {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok {
					if place, ok := takes[f.Name]; ok {
						add(n.Args[place])
					}
				}
			case *ast.CompositeLit:
				name, field := "", "reason"
				switch kind := n.Type.(type) {
				case *ast.Ident:
					name = kind.Name
				case *ast.SelectorExpr: // outside of the root
					name, field = kind.Sel.Name, "Reason"
				}
				if name == "Error" {
					e := fieldOf(n, field)
					if code, ok := fieldOf(n, "Code").(*ast.Ident); ok && code.Name == "InvalidArgument" {
						return true // reported to the program
					}
					if e == nil {
						t.Errorf("%s: an Error without a reason", files.Position(n.Pos()))
						return true
					}
					add(e)
				}
			}
			return true
		})
	}
	return reasons
}

func stringOf(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// fieldOf returns nil for a field that is not set.
func fieldOf(literal *ast.CompositeLit, name string) ast.Expr {
	for _, element := range literal.Elts {
		if field, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := field.Key.(*ast.Ident); ok && key.Name == name {
				return field.Value
			}
		}
	}
	return nil
}
