// Command websocket guards a websocket by the token of the request that opens
// it.
//
// Scripts in a browser cannot set the Authorization header of such a request:
// they send the token as the first message, or exchange it for a single-use
// ticket. A URL is no place for a token (RFC 9700, section 4.3.2).
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/coder/websocket"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

// story is printed at the start; see [demo.Main].
const story = `The client is app, and its secret SECRET. It gets a token by the first
line; put that in the place of ACCESS_TOKEN. The second opens a websocket, as its
status 101 shows, and leaves it after two seconds:

  curl -u app:SECRET -d grant_type=client_credentials -d scope=read BASE/token
  curl -i --http1.1 --max-time 2 -H "Authorization: Bearer ACCESS_TOKEN" -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" -H "Sec-WebSocket-Key: c2l4dGVlbi1ieXRlLWtleQ==" BASE/api

A client for websockets, such as websocat, is sent back what it sends.
`

func main() {
	demo.Main(story, newHandler)
}

func newHandler(site demo.Site) (http.Handler, error) {
	srv, err := oauth2server.New(site.Model, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/token", srv.Token(nil))
	mux.HandleFunc("/api", func(w http.ResponseWriter, r *http.Request) {
		token, err := srv.AuthenticateRequest(r, "read")
		if err != nil {
			srv.WriteError(w, r, err) // before the upgrade, as there is no status after it
			return
		}
		if err := echo(w, r, token); err != nil {
			log.Printf("user %s: %v", token.User.ID, err)
		}
	})
	return mux, nil
}

// echo sends back what it is sent, until the peer leaves or the token expires:
// a connection must not outlive its token.
func echo(w http.ResponseWriter, r *http.Request, token *oauth2server.Token) error {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithDeadline(r.Context(), token.AccessTokenExpiresAt)
	defer cancel()
	for {
		kind, message, err := conn.Read(ctx)
		if err == nil {
			err = conn.Write(ctx, kind, message)
		}
		switch {
		case websocket.CloseStatus(err) == websocket.StatusNormalClosure:
			return nil
		case err != nil:
			return err
		}
	}
}
