//go:build !race

// What a token allocates, which the race detector changes.

package jwtaccess_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/jwtaccess"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// docs/performance.md lists the bounds.
func TestAllocations(t *testing.T) {
	s := newSite(t, nil)
	verifier, err := jwtaccess.NewVerifier(issuer, issuer, s.ring, nil)
	require.NoError(t, err)
	formatter := jwtaccess.New(s.ring, nil)
	_, err = oauth2server.New(memorymodel.New(nil), &oauth2server.Options{
		Issuer:     issuer,
		Extensions: []oauth2server.Extension{formatter},
		Logger:     slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	client := &oauth2server.Client{ID: "web"}
	token := &oauth2server.Token{User: &oauth2server.User{ID: "u1"}, Scope: oauth2server.Scope{"read"},
		AccessTokenExpiresAt: time.Now().Add(time.Hour)}
	signed, err := formatter.FormatToken(t.Context(), client, token)
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/performance.md")
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		allocs float64 // at most
		run    func() error
	}{
		{"JWT check, ES256", 170, func() error {
			_, err := verifier.GetAccessToken(t.Context(), signed)
			return err
		}},
		{"JWT made, ES256", 155, func() error {
			_, err := formatter.FormatToken(t.Context(), client, token)
			return err
		}},
	} {
		require.NoError(t, c.run())
		allocs := testing.AllocsPerRun(500, func() { c.run() })
		t.Logf("%s: %v", c.name, allocs)
		require.LessOrEqual(t, allocs, c.allocs, c.name)
		require.True(t, strings.Contains(string(page), fmt.Sprintf("\n| %s | %v |\n", c.name, c.allocs)), c.name)
	}
}
