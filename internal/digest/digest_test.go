package digest

import (
	"crypto/sha256"
	"fmt"
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

// A secret is not left in the pool: a hash keeps the end of what it was given.
func TestNothingIsLeft(t *testing.T) {
	h := &hasher{Hash: sha256.New()}
	for _, many := range []int{20, 43, 63, 65, 127, most} {
		secret := strings.Repeat("s", many)
		h.of(secret)
		require.NotContains(t, fmt.Sprintf("%v %v", h.Hash, h.in), "115 115", "the letters, %d of them", many)
	}
}
