// Command custommodel shows an application that has its own types and its own storage, and becomes an authorization
// server by a model between them and oauth2server: see model.go. Start it and try the line that it prints.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/seed-11d18166/oauth2server"
)

func main() {
	handler, err := newHandler(newShop())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("try: curl -u till:a-secret-that-nobody-guesses -d grant_type=password -d username=andy@example.com -d password=123456 http://127.0.0.1:8080/token")
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

func newHandler(s *shop) (http.Handler, error) {
	srv, err := oauth2server.New(&model{s}, &oauth2server.Options{Grants: []string{"authorization_code", "refresh_token", "password"}})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(nil)) // takes username and password from a form of the shop's
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/orders", srv.Authenticate("orders")(http.HandlerFunc(orders)))
	return mux, nil
}

func orders(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "the orders of customer %s\n", oauth2server.UserFromContext(r.Context()).ID)
}
