package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/bench/peers"
)

// A server that does not do the work is not measured.
func TestGate(t *testing.T) {
	for _, p := range peers.All {
		if p.New == nil {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(nil)
			defer server.Close()
			base := "http://" + server.Listener.Addr().String()
			handler, err := p.New(base)
			require.NoError(t, err)
			server.Config.Handler = handler
			server.Start()
			require.NoError(t, gate(p, base))
		})
	}
}

// A server that lets everything pass is found out.
func TestTheGateIsClosed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"access_token":"a","refresh_token":"b"}`))
	}))
	defer server.Close()
	err := gate(peers.Floor, server.URL)
	for _, want := range []string{"the wrong secret", "the API without a token", "the code once more",
		"a wrong verifier", "not rotated"} {
		require.ErrorContains(t, err, want)
	}
}
