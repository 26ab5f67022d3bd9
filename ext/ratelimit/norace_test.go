//go:build !race

// What an attempt allocates, which the race detector changes.

package ratelimit

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func TestAllocations(t *testing.T) {
	limiter, r := New(), httptest.NewRequest("POST", "/token", nil)
	limiter.Address = Forwarded(ours)
	for _, attempt := range []oauth2server.Attempt{{ClientID: "app"}, {ClientID: "app", Username: "andy"}} {
		for _, peer := range []string{"192.0.2.1:1", "[2001:db8::1]:1", "127.0.0.1:1"} {
			r.RemoteAddr = peer
			r.Header.Set(xff, "192.0.2.1:1, [2001:db8::1]:1")
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
				done, _ := limiter.LimitAttempts(r, attempt)
				done(false)
			}), 2.0, "%v from %s", attempt, peer)
		}
	}
}
