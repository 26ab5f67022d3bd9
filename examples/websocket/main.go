// Command websocket guards a websocket by the token of the request that opens it.
//
// A browser cannot set the Authorization header of such a request: its clients send the token as the first message, or
// trade it for a ticket that is good once. A URL is no place for a token (RFC 9700, section 4.3.2).
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/coder/websocket"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func main() {
	log.Fatal(demo.Serve(newHandler))
}

func newHandler(model *memorymodel.Model) (http.Handler, error) {
	srv, err := oauth2server.New(model, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/token", srv.Token(nil))
	mux.HandleFunc("/api", func(w http.ResponseWriter, r *http.Request) {
		token, err := srv.AuthenticateRequest(r, "read")
		if err != nil {
			srv.WriteError(w, r, err) // while it is still a request: after the upgrade there is no status
			return
		}
		if err := echo(w, r, token); err != nil {
			log.Printf("user %s: %v", token.User.ID, err)
		}
	})
	return mux, nil
}

// echo sends back what it is sent, until the peer leaves or the token expires: a connection must not outlive its token.
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
