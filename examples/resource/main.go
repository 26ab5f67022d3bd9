// Command resource is an API in its own process, which asks an authorization
// server about each token. To try it with examples/server, start both
//
//	go run ./examples/server
//	API_SECRET=qwerty go run ./examples/resource
//
// and then try the lines that it prints. The file to copy is introspection.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

// story is printed at the start; see [demo.Program].
const story = `The API is at BASE/api. It asks ENDPOINT about
each token, as the client ID with the secret in API_SECRET.

If that is examples/server, which knows the user andy with the password 123456, the
first line gets a token. Put it in the place of ACCESS_TOKEN:

  curl -u 123456:qwerty -d grant_type=password -d username=andy -d password=123456 SERVER/user/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" BASE/api
`

func main() {
	endpoint := flag.String("introspect", "http://127.0.0.1:8080/user/introspect",
		"`URL` of the introspection endpoint")
	id := flag.String("id", "123456", "client `ID` of the API; its secret is in API_SECRET")
	demo.Program("127.0.0.1:8081", func(string) (http.Handler, string, error) {
		secret := os.Getenv("API_SECRET")
		if secret == "" {
			return nil, "", errors.New("API_SECRET is empty: set it to the secret of the client " +
				"that -id names, as in API_SECRET=qwerty")
		}
		handler, err := newHandler(newIntrospection(*endpoint, *id, secret))
		server := strings.TrimSuffix(*endpoint, "/user/introspect")
		return handler,
			strings.NewReplacer("ENDPOINT", *endpoint, "ID", *id, "SERVER", server).Replace(story), err
	})
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
