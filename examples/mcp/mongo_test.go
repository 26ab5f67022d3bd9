package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

// Two processes with one key and one database are one server, also for a client
// that registered at the first.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	uri := mongotest.DatabaseURI(t)
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	processes := make([]http.Handler, 2)
	for i := range processes {
		model, closeModel, err := open(t.Context(), uri)
		require.NoError(t, err)
		t.Cleanup(closeModel)
		processes[i], err = newHandler(model, base, make([]byte, 32), nil)
		require.NoError(t, err)
	}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		process := processes[0]
		if r.URL.Path == "/token" || r.URL.Path == "/notes" {
			process = processes[1]
		}
		process.ServeHTTP(w, r)
	})
	server.Start()
	t.Cleanup(server.Close)
	andy := newPerson(t, "andy", "123456")
	session, _ := connect(t, base, registering(andy))
	require.Equal(t, "u1", call(t, session, "whoami", nil))
	res, text := demotest.Get(t, base+"/notes", tokenOf(t, base, andy, base+"/notes"))
	require.Equal(t, 200, res.StatusCode, text)
}
