// Command cors lets an app in the browser, which comes from another origin, call the endpoints that scripts call.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"

	"github.com/rs/cors"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func main() {
	origin := flag.String("origin", "http://127.0.0.1:5173", "`origin` of the app")
	flag.Parse()
	log.Fatal(demo.Serve(func(model *memorymodel.Model) (http.Handler, error) { return newHandler(model, *origin) }))
}

func newHandler(model *memorymodel.Model, origin string) (http.Handler, error) {
	// What a script knows, everybody knows, so its client has no secret.
	spa := &oauth2server.Client{ID: "spa", Public: true, RedirectURIs: []string{origin + "/callback"}, Grants: []string{"authorization_code", "refresh_token"}}
	if err := model.AddClient(spa, ""); err != nil {
		return nil, err
	}
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Issuer:    "http://" + demo.Addr,
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/token", Revocation: "/revoke"},
	})
	if err != nil {
		return nil, err
	}
	shared := cors.New(cors.Options{
		AllowedOrigins: []string{origin}, // never credentials besides: nothing here looks at cookies
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"Authorization", "Content-Type"},
		ExposedHeaders: []string{"WWW-Authenticate", "Retry-After"},
		MaxAge:         600, // seconds
	}).Handler

	mux := http.NewServeMux()
	// The browser goes to /authorize, no script does, and none may read the page (RFC 9700, section 2.6).
	mux.Handle("/authorize", srv.Authorize(demo.Page(model)))
	mux.Handle("/token", shared(srv.Token(nil)))
	mux.Handle("/revoke", shared(srv.Revoke()))
	mux.Handle(srv.MetadataPath(), shared(srv.Metadata()))
	// Outside of Authenticate: a preflight has no token, and the app has to read a refusal.
	mux.Handle("/api", shared(srv.Authenticate("read")(http.HandlerFunc(hello))))
	return mux, nil
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, user %s!\n", oauth2server.UserFromContext(r.Context()).ID)
}
