// Command chi is an authorization server and an API with chi, which takes the handlers and the middleware as they are.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

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
	router := chi.NewRouter()
	router.Handle("/authorize", srv.Authorize(demo.Page(model)))
	router.Handle("/token", srv.Token(nil))
	router.With(srv.Authenticate("read")).Get("/api", hello)
	return router, nil
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, user %s!\n", oauth2server.UserFromContext(r.Context()).ID)
}
