package examples_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// An example that README.md does not list is not found.
func TestEveryExampleIsListed(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	listed := 0
	for _, entry := range entries {
		if name := entry.Name(); entry.IsDir() && name != "internal" {
			require.Contains(t, string(text), "\n| ["+name+"]("+name+"/")
			listed++
		}
	}
	require.NotZero(t, listed)
}
