package oauth2server

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reader can take the files of the root one after the other: no two of them
// use each other, directly or through others.
func TestNoKnotOfFiles(t *testing.T) {
	t.Parallel()
	uses := fileReferences(t, ".")
	for _, knot := range knots(uses) {
		var inside []string
		for _, file := range knot {
			for _, other := range slices.Sorted(maps.Keys(uses[file])) {
				if slices.Contains(knot, other) {
					inside = append(inside, file+" uses "+strings.Join(uses[file][other], ", ")+" of "+other)
				}
			}
		}
		t.Errorf("%d files use each other:\n%s", len(knot), strings.Join(inside, "\n"))
	}
	require.NotEmpty(t, uses["server.go"], "the test sees nothing")
}

// fileReferences returns, for each file of a package, the declarations of other
// files that it uses.
func fileReferences(t *testing.T, dir string) map[string]map[string][]string {
	pkg, err := build.ImportDir(dir, 0)
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, 0)
		require.NoError(t, err)
		files = append(files, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", exportData(t, dir, pkg.Imports))}
	checked, err := config.Check("root", fset, files, info)
	require.NoError(t, err)
	uses := map[string]map[string][]string{}
	for ident, object := range info.Uses {
		if object.Pkg() != checked || !object.Pos().IsValid() {
			continue
		}
		if field, isField := object.(*types.Var); isField && !field.IsField() && field.Parent() != checked.Scope() {
			continue // a variable of a function
		}
		from, to := filepath.Base(fset.Position(ident.Pos()).Filename),
			filepath.Base(fset.Position(object.Pos()).Filename)
		if from == to {
			continue
		}
		if uses[from] == nil {
			uses[from] = map[string][]string{}
		}
		if !slices.Contains(uses[from][to], object.Name()) {
			uses[from][to] = append(uses[from][to], object.Name())
		}
	}
	for _, others := range uses {
		for _, names := range others {
			slices.Sort(names)
		}
	}
	return uses
}

// exportData opens the compiler's export data of a package's imports.
func exportData(t *testing.T, dir string, imports []string) func(path string) (io.ReadCloser, error) {
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}"}
	list := exec.CommandContext(t.Context(), "go", append(args, imports...)...)
	list.Dir, list.Stderr = dir, os.Stderr
	out, err := list.Output()
	require.NoError(t, err)
	exports := map[string]string{}
	for line := range strings.Lines(string(bytes.TrimSpace(out))) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		exports[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
}

// knots returns the groups of files that use each other (Tarjan's strongly
// connected components of more than one file).
func knots(uses map[string]map[string][]string) (groups [][]string) {
	index, low := map[string]int{}, map[string]int{}
	var stack []string
	var visit func(string)
	visit = func(file string) {
		index[file] = len(index) + 1
		low[file] = index[file]
		stack = append(stack, file)
		for other := range uses[file] {
			switch {
			case index[other] == 0:
				visit(other)
				low[file] = min(low[file], low[other])
			case slices.Contains(stack, other):
				low[file] = min(low[file], index[other])
			}
		}
		if low[file] == index[file] {
			at := slices.Index(stack, file)
			if group := slices.Clone(stack[at:]); len(group) > 1 {
				slices.Sort(group)
				groups = append(groups, group)
			}
			stack = stack[:at]
		}
	}
	for _, file := range slices.Sorted(maps.Keys(uses)) {
		if index[file] == 0 {
			visit(file)
		}
	}
	return groups
}

// The package documentation has lists of what models and extensions are made of.
// The rest is what a program needs on its first day.
func TestIdentifiersAreListed(t *testing.T) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	require.NoError(t, err)
	exported := exportedNames(t)
	listed := map[string]string{}
	for _, list := range []string{"For models", "For extensions"} {
		_, section, found := strings.Cut(parsed.Doc.Text(), "\n# "+list+"\n")
		require.True(t, found, list)
		section, _, _ = strings.Cut(section, "\n# ")
		for _, match := range regexp.MustCompile(`\[(\w+)\]`).FindAllStringSubmatch(section, -1) {
			require.Contains(t, exported, match[1], list)
			require.NotContains(t, listed, match[1], "it is in both lists, or twice")
			listed[match[1]] = list
		}
	}
	counts := map[string]int{}
	for _, name := range exported {
		counts[listed[name]]++
	}
	t.Logf("%d of a first day, %d for models, %d for extensions", counts[""], counts["For models"],
		counts["For extensions"])
	require.LessOrEqual(t, counts[""], 30)
}

// exportedNames returns what the package exports, but for methods and fields;
// constants of a type count with it.
func exportedNames(t *testing.T) (names []string) {
	for _, name := range sourcesOf(t) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.IsExported() {
					names = append(names, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							names = append(names, s.Name.Name)
						}
					case *ast.ValueSpec:
						if s.Type == nil && s.Names[0].IsExported() {
							names = append(names, s.Names[0].Name)
						}
					}
				}
			}
		}
	}
	return names
}

func sourcesOf(t *testing.T) []string {
	pkg, err := build.ImportDir(".", 0)
	require.NoError(t, err)
	return pkg.GoFiles
}
