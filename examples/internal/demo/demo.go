// Package demo is what the short examples have in common: a model with one client and one user, a page to sign in at, and
// a server on 127.0.0.1:8080. A program has its own.
package demo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// Addr is where the examples listen.
const Addr = "127.0.0.1:8080"

// Callback is the redirection URI of the client app. Nothing is there: the code is in the address that the browser ends at.
const Callback = "http://" + Addr + "/callback"

// Model has the client app with secret, and the user andy with the password 123456.
func Model(secret string) (*memorymodel.Model, error) {
	model := memorymodel.New(nil)
	app := &oauth2server.Client{ID: "app", RedirectURIs: []string{Callback}, Grants: []string{"authorization_code", "refresh_token", "client_credentials"}}
	if err := model.AddClient(app, secret); err != nil {
		return nil, err
	}
	return model, model.AddUser(&oauth2server.User{ID: "1"}, "andy", "123456")
}

// Page asks until name and password are right; signing in is consent. For a page that remembers who is signed in, and
// asks what to grant, see examples/consent.
func Page(users oauth2server.PasswordModel) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		if r.Method == http.MethodPost {
			user, err := users.GetUser(r.Context(), r.PostForm.Get("username"), r.PostForm.Get("password"), request.Client)
			if err == nil {
				request.Approve(w, r, oauth2server.Approval{User: user, All: true})
				return
			}
			if !errors.Is(err, oauth2server.ErrNotFound) {
				http.Error(w, "Signing in does not work at the moment.", http.StatusServiceUnavailable)
				return
			}
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!DOCTYPE html><title>Sign in</title><form method="post">
			<label>Name <input name="username"></label> <label>Password <input name="password" type="password"></label>
			<button>Sign in</button></form>`)
	})
}

// Serve serves what newHandler returns until it fails, and prints how to get a token.
func Serve(newHandler func(*memorymodel.Model) (http.Handler, error)) error {
	secret := rand.Text()
	model, err := Model(secret)
	if err != nil {
		return err
	}
	handler, err := newHandler(model)
	if err != nil {
		return err
	}
	fmt.Printf("curl -u app:%s -d 'grant_type=client_credentials&scope=read' http://%s/token\n", secret, Addr)
	fmt.Printf("curl -H 'Authorization: Bearer TOKEN' http://%s/api\n", Addr)
	return http.ListenAndServe(Addr, handler)
}
