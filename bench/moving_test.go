package main

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// goOf returns the blocks of Go of a page.
func goOf(page string, text []byte) (blocks [][]byte, err error) {
	for i, block := range goBlock.FindAllSubmatch(text, -1) {
		formatted, err := format.Source(block[1])
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s, block %d: %w", page, i+1, err)
		case !bytes.Equal(formatted, block[1]):
			return nil, fmt.Errorf("%s, block %d: gofmt would change it", page, i+1)
		}
		blocks = append(blocks, block[1])
	}
	if blocks == nil {
		return nil, fmt.Errorf("%s: no block of Go", page)
	}
	return blocks, nil
}

// The Go of each page is one package, with the server before and the one after.
// In a copy of this module it is vetted, and its test in testdata/moving moves
// a user from one to the other.
func TestCodeOfTheMovingPages(t *testing.T) {
	here, err := os.Getwd()
	require.NoError(t, err)
	// A page is outside of this module. If its path begins with the module's
	// own, the go command still notices that it was changed, and does not
	// repeat a result from its cache.
	docs := here + "/../docs/"
	module := t.TempDir()
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	write := func(path string, data []byte) {
		path = filepath.Join(module, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	require.Contains(t, string(mod), "=> ../\n")
	write("go.mod", bytes.Replace(mod, []byte("=> ../\n"), fmt.Appendf(nil, "=> %s\n", filepath.Dir(here)), 1))
	write("go.sum", sum)
	shared, err := os.ReadFile("testdata/moving/moving_test.go")
	require.NoError(t, err)
	for _, page := range []string{"go-oauth2", "osin", "fosite"} {
		name := "moving-from-" + page
		text, err := os.ReadFile(docs + name + ".md")
		require.NoError(t, err)
		blocks, err := goOf(name, text)
		require.NoError(t, err)
		for i, block := range blocks {
			write(fmt.Sprintf("%s/block%d.go", name, i+1), block)
		}
		test, err := os.ReadFile(filepath.Join("testdata/moving", page+"_test.go"))
		require.NoError(t, err)
		write(name+"/page_test.go", test)
		write(name+"/moving_test.go", shared)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "-vet=off", "./..."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = module
		cmd.Env = append(os.Environ(), "GOWORK=off")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, output)
	}
}

// A page without Go, or with Go that gofmt or the parser would not leave alone, is found out.
func TestGoOf(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"# Page\n", "page: no block of Go"},
		{"```js\nlet x\n```\n", "page: no block of Go"},
		{"```go\npackage auth\n\nvar   x int\n```\n", "page, block 1: gofmt would change it"},
		{"```go\npackage auth\n```\n\n```go\npackage\n```\n", "page, block 2: "},
	} {
		_, err := goOf("page", []byte(c.text))
		require.ErrorContains(t, err, c.want)
	}
}
