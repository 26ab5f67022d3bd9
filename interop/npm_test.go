//go:build npm

package interop

import (
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// installed is a copy of node, with what its package-lock.json pins, by its
// hashes. That file names no registry: npm asks its own.
var installed = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "interop"); err == nil {
		err = os.CopyFS(dir, os.DirFS("node"))
	}
	return dir, err
})

// node returns the directory of the clients in Node, which are installed once.
func node(t *testing.T) string {
	t.Helper()
	dir, err := installed()
	require.NoError(t, err)
	if _, err := os.Stat(dir + "/node_modules"); err != nil {
		run(t, nil, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	}
	return dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := installed(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}
