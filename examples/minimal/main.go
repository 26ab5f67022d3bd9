// Command minimal is an authorization server as small as it gets. Start it and
// try what it prints.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	secret := rand.Text()
	handler, err := newHandler(memorymodel.New(nil), secret)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf(story, listener.Addr(), secret)
	if err := serve(listener, handler); err != nil {
		log.Fatal(err)
	}
}

func newHandler(model *memorymodel.Model, secret string) (http.Handler, error) {
	client := &oauth2server.Client{
		ID:           "app",
		RedirectURIs: []string{"http://127.0.0.1:8080/callback"},
		Grants:       []string{"authorization_code", "refresh_token"},
	}
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
	mux.Handle("/authorize", srv.Authorize(page(model)))
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/api", srv.Authenticate()(http.HandlerFunc(hello)))
	return mux, nil
}

// page asks for name and password until they are right.
func page(users oauth2server.PasswordModel) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		if r.Method == http.MethodPost {
			user, err := users.GetUser(r.Context(), r.PostForm.Get("username"),
				r.PostForm.Get("password"), request.Client)
			switch {
			case err == nil:
				request.Approve(w, r, oauth2server.Approval{User: user, All: true})
				return
			case !errors.Is(err, oauth2server.ErrNotFound): // not a wrong password: the storage failed
				request.Fail(w, r, err)
				return
			}
		}
		io.WriteString(w, `<!DOCTYPE html><title>Sign in</title><form method="post">
			<label>Name <input name="username"></label> <label>Password <input name="password" type="password"></label>
			<button>Sign in</button></form>`)
	})
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, user %s!\n", oauth2server.UserFromContext(r.Context()).ID)
}

// serve serves until Ctrl-C, then lets the requests in flight end. Slow senders
// and readers are cut off.
func serve(listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() { ended <- server.Shutdown(context.Background()) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}

const story = `The example is at http://%[1]s/

Open this and sign in as andy with the password 123456. The browser ends at a
page that is not there, and the code is in its address:

  http://%[1]s/authorize?response_type=code&client_id=app&state=1

The client is app, and its secret %[2]s. Put the code
in the place of CODE, and the token that comes back in the place of ACCESS_TOKEN:

  curl -u app:%[2]s -d grant_type=authorization_code -d code=CODE http://%[1]s/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" http://%[1]s/api

Ctrl-C stops it.
`
