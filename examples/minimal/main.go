// Command minimal is an authorization server as small as it gets. Start it, then open
//
//	http://127.0.0.1:8080/authorize?response_type=code&client_id=app&state=1
//
// and sign in as andy with the password 123456. The code is in the address that the browser ends at.
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

var model = memorymodel.New(nil)

func main() {
	secret := rand.Text()
	handler, err := newHandler(secret)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open http://127.0.0.1:8080/authorize?response_type=code&client_id=app&state=1")
	fmt.Println("the secret of the client app is", secret)
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

func newHandler(secret string) (http.Handler, error) {
	client := &oauth2server.Client{ID: "app", RedirectURIs: []string{"http://127.0.0.1:8080/callback"}, Grants: []string{"authorization_code", "refresh_token"}}
	if err := model.AddClient(client, secret); err != nil {
		return nil, err
	}
	if err := model.AddUser(&oauth2server.User{ID: "1"}, "andy", "123456"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	srv, err := oauth2server.New(model, nil)
	if err != nil {
		return nil, err
	}
	mux.Handle("/authorize", srv.Authorize(http.HandlerFunc(page)))
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/api", srv.Authenticate()(http.HandlerFunc(hello)))
	return mux, nil
}

// page asks until name and password are right.
func page(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	if r.Method == http.MethodPost {
		user, err := model.GetUser(r.Context(), r.PostForm.Get("username"), r.PostForm.Get("password"), request.Client)
		if err == nil {
			request.Approve(w, r, oauth2server.Approval{User: user, All: true})
			return
		}
	}
	io.WriteString(w, `<!DOCTYPE html><title>Sign in</title><form method="post">
		<label>Name <input name="username"></label> <label>Password <input name="password" type="password"></label>
		<button>Sign in</button></form>`)
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, user %s!\n", oauth2server.UserFromContext(r.Context()).ID)
}
