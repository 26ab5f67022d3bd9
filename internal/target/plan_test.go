package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/conformance.md lists the tests that re-create a module.
func TestThePlansAreListed(t *testing.T) {
	name := regexp.MustCompile(`TestPlan_\w+`)
	var tests []string
	files, err := filepath.Glob("plan_*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tests = append(tests, name.FindAllString(string(text), -1)...)
	}
	page, err := os.ReadFile("../../docs/conformance.md")
	require.NoError(t, err)
	listed := name.FindAllString(string(page), -1)
	slices.Sort(tests)
	slices.Sort(listed)
	require.Greater(t, len(tests), 40)
	require.Equal(t, tests, listed)
}
