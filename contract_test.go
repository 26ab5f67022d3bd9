package oauth2server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// New looks for each method of the contract. A wrong signature of a method that
// it does not know would be no mistake, and the method would never be called.
func TestNewLooksForTheWholeContract(t *testing.T) {
	looksFor := map[string]bool{}
	for _, m := range methods(reflect.TypeFor[struct{}]()) {
		looksFor[m.of+"."+m.name] = true
	}
	types := map[string]*ast.TypeSpec{}
	for _, name := range []string{"model.go", "grantlog.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		maps.Copy(types, declaredTypes(file))
	}
	interfaces := 0
	for name, object := range types {
		declared, isInterface := object.Type.(*ast.InterfaceType)
		if !isInterface || name == "Model" { // the compiler demands a Model
			continue
		}
		interfaces++
		for _, method := range declared.Methods.List {
			for _, ident := range method.Names {
				require.True(t, looksFor[name+"."+ident.Name],
					"methods in require_methods.go lacks %s of %s", ident.Name, name)
			}
		}
	}
	require.Greater(t, interfaces, 10)
}

func declaredTypes(file *ast.File) map[string]*ast.TypeSpec {
	types := map[string]*ast.TypeSpec{}
	for _, declared := range file.Decls {
		group, ok := declared.(*ast.GenDecl)
		if !ok || group.Tok != token.TYPE {
			continue
		}
		for _, spec := range group.Specs {
			types[spec.(*ast.TypeSpec).Name.Name] = spec.(*ast.TypeSpec)
		}
	}
	return types
}
