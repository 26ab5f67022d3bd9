// Command ratelimit is an authorization server that limits how often somebody may try a client's secret or a user's
// password. Start it and paste the lines that it prints. [Limiter] is made to be copied.
package main

import (
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const help = `twenty wrong secrets are tried, then the answer is 429:
  for i in $(seq 25); do curl -s -o /dev/null -w '%{http_code} ' -u app:wrong -d grant_type=client_credentials http://127.0.0.1:8080/token; done; echo
ten wrong passwords, by a client whose secret is right:
  for i in $(seq 15); do curl -s -o /dev/null -w '%{http_code} ' -u web:another-secret-that-nobody-guesses -d grant_type=password -d username=andy -d password=wrong http://127.0.0.1:8080/token; done; echo
the client itself may go on:
  curl -s -u web:another-secret-that-nobody-guesses -d grant_type=client_credentials http://127.0.0.1:8080/token
`

func main() {
	model := memorymodel.New(nil)
	grants := []string{"authorization_code", "client_credentials", "password"}
	if err := errors.Join(
		model.AddClient(&oauth2server.Client{ID: "app", Grants: grants}, "a-secret-that-nobody-guesses"),
		model.AddClient(&oauth2server.Client{ID: "web", Grants: grants}, "another-secret-that-nobody-guesses"),
		model.AddUser(&oauth2server.User{ID: "1"}, "andy", "123456")); err != nil {
		log.Fatal(err)
	}
	handler, err := newHandler(model, NewLimiter())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(help)
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

func newHandler(model oauth2server.Model, limiter *Limiter) (http.Handler, error) {
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Grants:        []string{"authorization_code", "client_credentials", "password"},
		LimitAttempts: limiter.LimitAttempts,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(nil)) // who signs in approves; an own page counts as the server does
	mux.Handle("/token", srv.Token(nil))
	return mux, nil
}
