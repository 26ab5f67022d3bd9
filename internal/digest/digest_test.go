package digest

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	for _, many := range []int{0, 1, 43, most - 1, most, most + 1, 10 * most} {
		s := strings.Repeat("s", many)
		require.Equal(t, sha256.Sum256([]byte(s)), Of(s), many)
	}
}

func TestOfAllocatesNothing(t *testing.T) {
	s := strings.Repeat("s", most)
	require.Zero(t, testing.AllocsPerRun(100, func() { Of(s) }))
}
