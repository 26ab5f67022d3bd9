//go:build !race

package clientmetadata

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Finding a kept document costs no more than copying its client.
func TestAllocationsOfAKeptDocument(t *testing.T) {
	c, _ := offline(nil)
	const id = "https://fern.example/client.json"
	find := func() { c.FindClient(t.Context(), id, "") }
	find()
	require.LessOrEqual(t, testing.AllocsPerRun(100, find), 2.0, "the client, and its lists")
}
