// Command chi is an authorization server and an API with chi, which takes the
// handlers and the middleware as they are.
package main

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

func main() {
	demo.Main(demo.Story, newHandler)
}

func newHandler(site demo.Site) (http.Handler, error) {
	srv, err := oauth2server.New(site.Model, nil)
	if err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	router.Handle("/authorize", srv.Authorize(demo.Page(site.Model)))
	router.Handle("/token", srv.Token(nil))
	router.With(srv.Authenticate("read")).Get("/api", hello)
	return router, nil
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, user %s!\n", oauth2server.UserFromContext(r.Context()).ID)
}
