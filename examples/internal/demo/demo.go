// Package demo is shared by the examples: a model with one client and one user,
// a sign-in page, and a main function that listens, prints how to try the
// example, and shuts down. Your program has its own.
package demo

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// Site is the address of an example and its model, which has the client app and
// the user andy.
type Site struct {
	Base   string // such as http://127.0.0.1:8080
	Secret string // of the client app
	Model  *memorymodel.Model
}

// Callback is the redirection URI of the client app. Nothing is served there:
// the code is in the address bar of the browser.
func (s Site) Callback() string { return s.Base + "/callback" }

// NewSite returns a site at base. Its model has the client app with secret, and
// the user andy with the password 123456.
func NewSite(base, secret string) (Site, error) {
	site := Site{base, secret, memorymodel.New(nil)}
	app := &oauth2server.Client{
		ID:           "app",
		RedirectURIs: []string{site.Callback()},
		Grants:       []string{"authorization_code", "refresh_token", "client_credentials"},
	}
	if err := site.Model.AddClient(app, secret); err != nil {
		return Site{}, err
	}
	return site, site.Model.AddUser(&oauth2server.User{ID: "1"}, "andy", "123456")
}

// Page asks for name and password until they are right; signing in counts as
// consent. For a page that remembers who is signed in, and asks what to grant,
// see examples/consent.
func Page(users oauth2server.PasswordModel) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		if r.Method == http.MethodPost {
			user, err := users.GetUser(r.Context(), r.PostForm.Get("username"),
				r.PostForm.Get("password"), request.Client)
			switch {
			case err == nil:
				request.Approve(w, r, oauth2server.Approval{User: user, All: true})
				return
			case !errors.Is(err, oauth2server.ErrNotFound): // not a wrong password: the database is down
				request.Fail(w, r, err)
				return
			}
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!DOCTYPE html><title>Sign in</title><form method="post">
			<label>Name <input name="username"></label> <label>Password <input name="password" type="password"></label>
			<button>Sign in</button></form>`)
	})
}

// Story is the story of an example that issues tokens at /authorize and /token,
// and requires one at /api; see [Main].
const Story = `Open this and sign in as andy with the password 123456. The browser ends at a
page that is not there, and the code is in its address:

  BASE/authorize?response_type=code&client_id=app&state=1&scope=read

The client is app, and its secret SECRET. Put the code
in the place of CODE, and the token that comes back in the place of ACCESS_TOKEN:

  curl -u app:SECRET -d grant_type=authorization_code -d code=CODE BASE/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" BASE/api

Or let the client have a token of its own:

  curl -u app:SECRET -d grant_type=client_credentials -d scope=read BASE/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" BASE/api
`

// Main is the main function of an example: newHandler returns its handler for a
// [Site]. Main prints story, with BASE and SECRET replaced.
func Main(story string, newHandler func(Site) (http.Handler, error)) {
	Program(Addr, func(base string) (http.Handler, string, error) {
		site, err := NewSite(base, rand.Text())
		if err != nil {
			return nil, "", err
		}
		handler, err := newHandler(site)
		return handler, strings.ReplaceAll(story, "SECRET", site.Secret), err
	})
}
