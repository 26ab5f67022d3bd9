package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
)

func dial(t *testing.T, address, token string) (*websocket.Conn, *http.Response, error) {
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	conn, res, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPHeader: header})
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, res, err
}

func TestWebsocket(t *testing.T) {
	server := demotest.Start(t, newHandler).URL
	conn, res, err := dial(t, server+"/api", demotest.Token(t, server, "read"))
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	for _, message := range []string{"one", "two"} {
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(message)))
		kind, echoed, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, websocket.MessageText, kind)
		require.Equal(t, message, string(echoed))
	}
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
}

// Who is refused never had a connection.
func TestWebsocket_RefusedBeforeUpgrade(t *testing.T) {
	server := demotest.Start(t, newHandler).URL
	for _, c := range []struct {
		name, token string
		status      int
	}{
		{"no token", "", 401},
		{"unknown token", "unknown", 401},
		{"scope too small", demotest.Token(t, server, "write"), 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, res, err := dial(t, server+"/api", c.token)
			require.Error(t, err)
			require.Equal(t, c.status, res.StatusCode)
			require.Contains(t, res.Header.Get("WWW-Authenticate"), `Bearer realm="Service"`)
		})
	}
}

// A token that expires ends the connection that it opened.
func TestWebsocket_EndsWithToken(t *testing.T) {
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended <- echo(w, r, &oauth2server.Token{AccessTokenExpiresAt: time.Now()})
	}))
	defer server.Close()
	conn, _, err := dial(t, server.URL, "")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, _, err = conn.Read(ctx)
	require.Error(t, err)
	require.NoError(t, ctx.Err())
	require.ErrorIs(t, <-ended, context.DeadlineExceeded)
}
