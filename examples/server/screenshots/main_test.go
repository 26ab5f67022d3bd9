//go:build browser

package main

import (
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The pictures in docs/images are those that the command takes.
func TestScreenshots(t *testing.T) {
	taken := t.TempDir()
	require.NoError(t, run(t.Context(), taken))
	names := func(dir string) (names []string) {
		files, err := filepath.Glob(filepath.Join(dir, "*.png"))
		require.NoError(t, err)
		for _, name := range files {
			file, err := os.Open(name)
			require.NoError(t, err)
			picture, err := png.DecodeConfig(file)
			require.NoError(t, err)
			require.Equal(t, 560, picture.Width)
			info, err := file.Stat()
			require.NoError(t, err)
			require.Less(t, info.Size(), int64(64<<10), "small")
			require.NoError(t, file.Close())
			names = append(names, filepath.Base(name))
		}
		return names
	}
	require.NotEmpty(t, names(taken))
	require.Equal(t, names(taken), names(filepath.Join("..", "..", "..", "docs", "images")))
}
