// Command consent is an authorization server whose one page signs people in,
// remembers that with a session, and asks them what the application may do.
// Start it and try what it prints.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

type app struct {
	users    oauth2server.PasswordModel
	sessions *scs.SessionManager
}

var pages = template.Must(template.New("").Parse(`
{{define "signin"}}<!DOCTYPE html><title>Sign in</title><form method="post">{{.}}
<label>Name <input name="username" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Sign in</button></form>{{end}}
{{define "consent"}}<!DOCTYPE html><title>Allow?</title><form method="post"><p>{{.Client}} wants to:</p>
<input type="hidden" name="ticket" value="{{.Ticket}}">
{{range .Scope}}<label><input type="checkbox" name="granted" value="{{.}}" checked> {{.}}</label>{{end}}
<button name="verdict" value="allow">Allow</button> <button name="verdict" value="deny">Deny</button></form>{{end}}`))

// story is printed at the start; see [demo.Program].
const story = `Open this and sign in as andy with the password 123456. Decide, and the browser
ends at a page that is not there. The code is in its address:

  BASE/authorize?response_type=code&client_id=app&state=1&scope=read+write

The client is app, and its secret a-secret-that-nobody-guesses. Put the code in
the place of CODE:

  curl -u app:a-secret-that-nobody-guesses -d grant_type=authorization_code -d code=CODE BASE/token
`

func main() {
	demo.Program(demo.Addr, func(base string) (http.Handler, string, error) {
		handler, err := newHandler(memorymodel.New(nil), base)
		return handler, story, err
	})
}

func newHandler(model *memorymodel.Model, base string) (http.Handler, error) {
	a := &app{model, scs.New()} // behind TLS, set sessions.Cookie.Secure
	a.sessions.Lifetime, a.sessions.IdleTimeout = 12*time.Hour, time.Hour
	client := &oauth2server.Client{
		ID:           "app",
		RedirectURIs: []string{base + "/callback"},
		Grants:       []string{"authorization_code"},
	}
	if err := errors.Join(model.AddClient(client, "a-secret-that-nobody-guesses"),
		model.AddUser(&oauth2server.User{ID: "1"}, "andy", "123456")); err != nil {
		return nil, err
	}
	srv, err := oauth2server.New(model, &oauth2server.Options{AuthenticateUser: a.signedIn})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(http.HandlerFunc(a.page)))
	mux.Handle("/token", srv.Token(nil))
	return a.sessions.LoadAndSave(mux), nil
}

// signedIn tells the server whose session it is; an empty ID means that nobody
// is signed in.
func (a *app) signedIn(r *http.Request) (*oauth2server.User, error) {
	return &oauth2server.User{ID: a.sessions.GetString(r.Context(), "user")}, nil
}

// page is called on one URL, which keeps the client's request, until there is a
// verdict.
func (a *app) page(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	verdict := r.PostForm.Get("verdict")
	if verdict != "" && !a.takeTicket(r, request) {
		verdict = "" // ask again
	}
	switch {
	case request.User == nil:
		a.signIn(w, r, request)
	case verdict == "allow":
		request.Approve(w, r, oauth2server.Approval{User: request.User, Scope: r.PostForm["granted"]})
	case verdict == "deny":
		request.Deny(w, r, "")
	default:
		scope, err := request.ScopeFor(r.Context(), request.User)
		if err != nil {
			request.Fail(w, r, err)
			return
		}
		ticket := a.giveTicket(r.Context(), request)
		pages.ExecuteTemplate(w, "consent",
			map[string]any{"Client": request.Client.ID, "Scope": scope, "Ticket": ticket})
	}
}

// giveTicket returns a ticket that the form sends back. The session keeps the
// last one, with a digest of its request, which may be long. So a form decides
// only about the request that it shows, in the browser that shows it, and once.
// Two submissions at the same moment may both count, as a session is loaded and
// saved without a lock.
func (a *app) giveTicket(ctx context.Context, request *oauth2server.AuthorizationRequest) string {
	ticket := rand.Text()
	a.sessions.Put(ctx, "ticket", boundTo(request, ticket))
	return ticket
}

func (a *app) takeTicket(r *http.Request, request *oauth2server.AuthorizationRequest) bool {
	return a.sessions.PopString(r.Context(), "ticket") == boundTo(request, r.PostForm.Get("ticket"))
}

func boundTo(request *oauth2server.AuthorizationRequest, ticket string) string {
	return oauth2server.Digest(ticket + " " + request.Parameters().Encode())
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request, request *oauth2server.AuthorizationRequest) {
	if r.Method != http.MethodPost {
		pages.ExecuteTemplate(w, "signin", "")
		return
	}
	user, err := a.users.GetUser(r.Context(), r.PostForm.Get("username"),
		r.PostForm.Get("password"), request.Client)
	if errors.Is(err, oauth2server.ErrNotFound) {
		pages.ExecuteTemplate(w, "signin", "Name or password is wrong.")
		return
	}
	// Someone else may have prepared this session.
	if err = errors.Join(err, a.sessions.RenewToken(r.Context())); err != nil {
		request.Fail(w, r, err)
		return
	}
	a.sessions.Put(r.Context(), "user", user.ID)
	// So that going back does not sign in again.
	http.Redirect(w, r, r.URL.RequestURI(), http.StatusSeeOther)
}
