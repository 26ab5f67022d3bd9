package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// Who checks a token refuses what must be refused; see [peers.Checker].
func TestCheckers(t *testing.T) {
	for _, algorithm := range algorithms {
		key, err := peers.NewKey(algorithm)
		require.NoError(t, err)
		stranger, err := peers.NewKey(algorithm)
		require.NoError(t, err)
		for _, c := range peers.Checkers {
			check, err := c.New(key)
			require.NoError(t, err)
			signed := func(key peers.Key, typ string, changes map[string]any) error {
				token, err := key.AccessToken(typ, changes)
				require.NoError(t, err)
				return check(token)
			}
			require.NoError(t, signed(key, "at+jwt", nil), c.Name)
			require.Error(t, signed(stranger, "at+jwt", nil), c.Name)
			require.Equal(t, c.AnyType, signed(key, "JWT", nil) == nil, c.Name)
			if c.Name == peers.Checkers[0].Name {
				continue
			}
			for name, changes := range map[string]map[string]any{
				"iss": {"iss": "https://evil.example"},
				"aud": {"aud": "https://other.example"},
				"exp": {"exp": time.Now().Add(-time.Hour).Unix()},
			} {
				require.Error(t, signed(key, "at+jwt", changes), "%s: %s", c.Name, name)
			}
		}
	}
}

// Each provider gives an ID token before it is measured.
func TestSigned(t *testing.T) {
	require.NoError(t, measureSigned(t.Context(), io.Discard, 1, time.Nanosecond))
	key, err := peers.NewKey("ES256")
	require.NoError(t, err)
	require.Error(t, peers.CheckIDToken(key, peers.Ours, []byte(`{"access_token":"a","refresh_token":"b"}`)))
}
