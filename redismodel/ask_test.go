// This file tests what an address in a redirection means.

package redismodel

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAskAddr(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.2:6380":      "10.0.0.2:6380",
		"db.example:6380":    "db.example:6380",
		"2001:db8::2:6380":   "[2001:db8::2]:6380",
		"[2001:db8::2]:6380": "[2001:db8::2]:6380",
		":6380":              "10.0.0.1:6380",
	} {
		require.Equal(t, want, askAddr("10.0.0.1:6379", addr))
	}
}
