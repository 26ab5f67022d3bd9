// Command cors lets an app in the browser, which comes from another origin,
// call the endpoints that scripts call.
package main

import (
	"crypto/rand"
	"flag"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

// story is printed at the start; see [demo.Program].
const story = `The app in the browser comes from ORIGIN; the flag -origin names another
place. Its client is spa, without a secret, and its redirection URI ORIGIN/callback.
People sign in as andy with the password 123456.

This is what a browser asks before it lets a script of that app call /token:

  curl -i -X OPTIONS -H "Origin: ORIGIN" -H "Access-Control-Request-Method: POST" BASE/token

And this is what it lets the script read. The client app, whose secret is
SECRET, gets a token for it; put that in the place of ACCESS_TOKEN:

  curl -u app:SECRET -d grant_type=client_credentials -d scope=read BASE/token
  curl -i -H "Origin: ORIGIN" -H "Authorization: Bearer ACCESS_TOKEN" BASE/api
`

func main() {
	origin := flag.String("origin", "http://127.0.0.1:5173", "`origin` of the app")
	demo.Program(demo.Addr, func(base string) (http.Handler, string, error) {
		site, err := demo.NewSite(base, rand.Text())
		if err != nil {
			return nil, "", err
		}
		handler, err := newHandler(site, *origin)
		return handler, strings.NewReplacer("ORIGIN", *origin, "SECRET", site.Secret).Replace(story), err
	})
}

func newHandler(site demo.Site, origin string) (http.Handler, error) {
	// A script cannot keep a secret, so its client has none.
	spa := &oauth2server.Client{
		ID:           "spa",
		Public:       true,
		RedirectURIs: []string{origin + "/callback"},
		Grants:       []string{"authorization_code", "refresh_token"},
	}
	if err := site.Model.AddClient(spa, ""); err != nil {
		return nil, err
	}
	srv, err := oauth2server.New(site.Model, &oauth2server.Options{
		Issuer: site.Base,
		Endpoints: oauth2server.Endpoints{
			Authorization: "/authorize",
			Token:         "/token",
			Revocation:    "/revoke",
		},
		AllowedOrigins: []string{origin},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	srv.Mount(mux, demo.Page(site.Model)) // browsers navigate to /authorize: no script may read its page
	// AllowOrigins comes before Authenticate: a preflight has no token, and the
	// app must be able to read a refusal.
	mux.Handle("/api", srv.AllowOrigins(srv.Authenticate("read")(http.HandlerFunc(hello))))
	return mux, nil
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, user %s!\n", oauth2server.UserFromContext(r.Context()).ID)
}
