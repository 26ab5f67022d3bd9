// Command consent is an authorization server whose one page signs people in, remembers that with a session, and asks
// them what the application may do. Start it and open the address that it prints.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"

	"github.com/alexedwards/scs/v2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

type app struct {
	model    *memorymodel.Model
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

func main() {
	handler, err := newHandler(memorymodel.New(nil))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open http://127.0.0.1:8080/authorize?response_type=code&client_id=app&state=1&scope=read+write and sign in as andy / 123456")
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

func newHandler(model *memorymodel.Model) (http.Handler, error) {
	a := &app{model, scs.New()} // behind TLS, set sessions.Cookie.Secure
	client := &oauth2server.Client{ID: "app", RedirectURIs: []string{"http://127.0.0.1:8080/callback"}, Grants: []string{"authorization_code"}}
	if err := errors.Join(a.model.AddClient(client, "a-secret-that-nobody-guesses"),
		a.model.AddUser(&oauth2server.User{ID: "1"}, "andy", "123456")); err != nil {
		return nil, err
	}
	srv, err := oauth2server.New(a.model, &oauth2server.Options{AuthenticateUser: a.signedIn})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(http.HandlerFunc(a.page)))
	mux.Handle("/token", srv.Token(nil))
	return a.sessions.LoadAndSave(mux), nil
}

// signedIn tells the server who the session belongs to: nobody, when the ID is empty.
func (a *app) signedIn(r *http.Request) (*oauth2server.User, error) {
	return &oauth2server.User{ID: a.sessions.GetString(r.Context(), "user")}, nil
}

// page is called again and again on one URL, which keeps the client's request, until it has a verdict.
func (a *app) page(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	verdict := r.PostForm.Get("verdict")
	if verdict != "" && !a.takeTicket(r, request) {
		verdict = "" // ask once more
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
			request.Refuse(w, r, err)
			return
		}
		ticket := a.giveTicket(r.Context(), request)
		pages.ExecuteTemplate(w, "consent", map[string]any{"Client": request.Client.ID, "Scope": scope, "Ticket": ticket})
	}
}

// giveTicket returns what the form has to send back. The session keeps the last one and the request that it was given
// for, so a form decides about what its owner has read, in the browser that showed it, and once, unless it is sent twice
// at the same moment: a session is loaded and saved, and no gate.
func (a *app) giveTicket(ctx context.Context, request *oauth2server.AuthorizationRequest) string {
	ticket := rand.Text()
	a.sessions.Put(ctx, "ticket", ticket+" "+request.Parameters().Encode())
	return ticket
}

func (a *app) takeTicket(r *http.Request, request *oauth2server.AuthorizationRequest) bool {
	return a.sessions.PopString(r.Context(), "ticket") == r.PostForm.Get("ticket")+" "+request.Parameters().Encode()
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request, request *oauth2server.AuthorizationRequest) {
	if r.Method != http.MethodPost {
		pages.ExecuteTemplate(w, "signin", "")
		return
	}
	user, err := a.model.GetUser(r.Context(), r.PostForm.Get("username"), r.PostForm.Get("password"), request.Client)
	if errors.Is(err, oauth2server.ErrNotFound) {
		pages.ExecuteTemplate(w, "signin", "Name or password is wrong.")
		return
	}
	if err = errors.Join(err, a.sessions.RenewToken(r.Context())); err != nil { // lest somebody prepared this session
		http.Error(w, "Signing in does not work at the moment.", http.StatusServiceUnavailable)
		return
	}
	a.sessions.Put(r.Context(), "user", user.ID)
	http.Redirect(w, r, r.URL.RequestURI(), http.StatusSeeOther) // so that going back does not sign in again
}
