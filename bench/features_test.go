package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// Each feature is used before it is measured, and a server without it is found
// out.
func TestFeatures(t *testing.T) {
	require.NoError(t, measureFeatures(t.Context(), io.Discard, 1, time.Nanosecond))
	key, err := peers.NewKey("ES256")
	require.NoError(t, err)
	features, err := peers.Features(key)
	require.NoError(t, err)
	handler, err := features[0].New(peers.Issuer)
	require.NoError(t, err)
	n := newSession(features[0].Peer, peers.Issuer, newLocal(handler), nil)
	require.NoError(t, n.codeFlow())
	for i, f := range features {
		require.Equal(t, i == 0, f.Used(n.sender.body()) == nil, f.Name)
	}
}
