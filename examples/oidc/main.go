// Command oidc is an OpenID provider as small as it gets, over users that the
// program has. Start it and try what it prints.
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
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// person is what the program knows of a user.
type person struct{ name, email string }

var people = map[string]person{"1": {"Andy Ash", "andy@example.com"}}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on; a loopback address")
	flag.Parse()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	secret := rand.Text()
	handler, err := newHandler("http://"+listener.Addr().String(), secret)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf(story, listener.Addr(), secret)
	if err := serve(listener, handler); err != nil {
		log.Fatal(err)
	}
}

func newHandler(issuer, secret string) (http.Handler, error) {
	model := memorymodel.New(nil)
	err := errors.Join(model.AddUser(&oauth2server.User{ID: "1"}, "andy", "123456"),
		model.AddClient(&oauth2server.Client{
			ID:           "app",
			RedirectURIs: []string{"http://127.0.0.1:8080/callback"},
			Grants:       []string{"authorization_code", "refresh_token"},
		}, secret))
	if err != nil {
		return nil, err
	}
	// In a program with a database: keys.Kept, so that all processes agree.
	ring, err := keys.New(context.Background(), keys.Development())
	if err != nil {
		return nil, err
	}
	provider := oidc.New(ring, oidc.Options{Claims: claims, JWKS: "/jwks", UserInfo: "/userinfo"})
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Issuer:     issuer,
		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
		Extensions: []oauth2server.Extension{provider},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(page(model, provider)))
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/userinfo", provider.UserInfo())
	mux.Handle("/jwks", ring)
	mux.Handle(provider.DiscoveryPath(), srv.Metadata())
	return mux, nil
}

// claims returns what the program knows of a user. The provider tells a client
// only what the user allowed it to see.
func claims(
	_ context.Context, user *oauth2server.User, _ *oauth2server.Client,
) (map[string]any, error) {
	who, known := people[user.ID]
	if !known {
		return nil, oauth2server.ErrNotFound
	}
	return map[string]any{"name": who.name, "email": who.email, "email_verified": true}, nil
}

// page asks for name and password each time, so the user has always just signed
// in. A page with sessions asks the provider what the client wants of it.
func page(users oauth2server.PasswordModel, provider *oidc.Provider) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		asked, err := provider.Request(r.Context(), request)
		switch {
		case err != nil:
			request.Fail(w, r, err)
			return
		case asked.Silent: // the client wants no page
			request.Fail(w, r, oidc.LoginRequired)
			return
		case r.Method == http.MethodPost:
			user, err := users.GetUser(r.Context(), r.PostForm.Get("username"),
				r.PostForm.Get("password"), request.Client)
			switch {
			case err == nil:
				request.Approve(w, r, oauth2server.Approval{User: user, All: true,
					Authentication: &oauth2server.Authentication{Time: time.Now()}})
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
Clients find it by http://%[1]s/.well-known/openid-configuration

Open this and sign in as andy with the password 123456. The browser ends at a
page that is not there, and the code is in its address:

  http://%[1]s/authorize?response_type=code&client_id=app&state=1&scope=openid+email

The client is app, and its secret %[2]s. Put the code
in the place of CODE. The answer has an id_token, which says who signed in. Put
the access token in the place of ACCESS_TOKEN, to ask for more:

  curl -u app:%[2]s -d grant_type=authorization_code -d code=CODE http://%[1]s/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" http://%[1]s/userinfo

Ctrl-C stops it.
`
