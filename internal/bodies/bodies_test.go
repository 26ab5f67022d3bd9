package bodies

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A buffer that somebody else gets next has nothing of what was in it.
func TestABufferIsClearedBeforeOthersGetIt(t *testing.T) {
	body := []byte("grant_type=password&password=andys-password")
	buffer := body[:0]
	Release(&buffer, body)
	require.Equal(t, make([]byte, len(body)), body)
	require.Empty(t, buffer)
}
