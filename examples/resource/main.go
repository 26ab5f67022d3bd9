// Command resource is an API in a process of its own, which asks an authorization server about each token. To try it on
// examples/server, with a token that its client 123456 got:
//
//	go run ./examples/server
//	API_SECRET=qwerty go run ./examples/resource
//	curl -H "Authorization: Bearer $token" http://127.0.0.1:8081/api
//
// What to copy is introspection.go.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/seed-11d18166/oauth2server"
)

func main() {
	endpoint := flag.String("introspect", "http://127.0.0.1:8080/user/introspect", "`URL` of the introspection endpoint")
	id := flag.String("id", "123456", "client ID of the API; its secret is in API_SECRET")
	flag.Parse()
	handler, err := newHandler(newIntrospection(*endpoint, *id, os.Getenv("API_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8081", handler))
}

func newHandler(tokens oauth2server.AccessTokenModel) (http.Handler, error) {
	api, err := oauth2server.NewResourceServer(tokens, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api", api.Authenticate()(http.HandlerFunc(hello)))
	return mux, nil
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, user %s!\n", oauth2server.UserFromContext(r.Context()).ID)
}
