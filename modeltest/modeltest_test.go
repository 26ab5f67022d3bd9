package modeltest

import (
	"context"
	"errors"
	"fmt"
	"go/build"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// memory is a fixture on the model in memory. It has one process, so Peer is Model again.
func memory(context.Context) (*Fixture, error) {
	f, m, err := memoryOf()
	for _, u := range f.Users {
		err = errors.Join(err, m.AddUser(&oauth2server.User{ID: u.ID}, u.Username, u.Password))
	}
	return f, err
}

// memoryOf is a fixture whose users are not registered yet.
func memoryOf() (*Fixture, *memorymodel.Model, error) {
	f := Sample()
	m := memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost})
	err := m.AddClient(f.Public, "")
	for _, c := range f.Clients {
		err = errors.Join(err, m.AddClient(c.Client, c.Secret))
	}
	f.Model, f.Peer = m, m
	f.Dump = func(context.Context) ([]byte, error) { return dumpOf(m), nil }
	return f, m, err
}

// Who tests a model needs the standard library and oauth2server for it, and nothing more.
func TestImports(t *testing.T) {
	pkg, err := build.ImportDir(".", 0)
	require.NoError(t, err)
	for _, path := range pkg.Imports {
		first, _, _ := strings.Cut(path, "/")
		require.True(t, !strings.Contains(first, ".") || strings.HasPrefix(path,
			"github.com/seed-11d18166/oauth2server"), path)
	}
}

func TestMemoryModelKeepsTheContract(t *testing.T) { Run(t, memory) }

func TestTheREADMECountsRight(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), fmt.Sprintf("`modeltest` has %d rules", len(rules)))
	require.Greater(t, len(allDefects), 100, "the README says: more than a hundred")
}

// The mistakes that docs/own-model.md lists are found by the rules that it
// names: a defect is there to show it.
func TestTheMistakesOfThePageAreFound(t *testing.T) {
	page, err := os.ReadFile("../docs/own-model.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| Mistake | Rule |\n")
	require.True(t, found)
	rows := regexp.MustCompile("(?m)^\\| .* \\| `([a-z-]+)` \\|$").FindAllStringSubmatch(table, -1)
	require.Len(t, rows, 13)
	for _, row := range rows {
		shown := func(d defect) bool { return d.rule == row[1] }
		require.True(t, slices.ContainsFunc(allDefects, shown), row[0])
	}
}
