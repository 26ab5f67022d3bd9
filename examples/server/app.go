package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"github.com/seed-11d18166/oauth2server"
)

// app is the authorization server's side: accounts, the sign-in page and the API.
type app struct {
	model storage
	pages *template.Template
}

// newApp returns the whole application, which a browser reaches at base. What the server does is printed to verbose, unless
// that is nil.
func newApp(base string, model storage, files fs.FS, verbose io.Writer) (http.Handler, error) {
	pages, err := parsePages(files)
	if err != nil {
		return nil, err
	}
	a := &app{model, pages}
	options := &oauth2server.Options{
		// The password grant is for the curl lines. RFC 9700, section 2.4, advises against it.
		Grants: []string{"authorization_code", "refresh_token", "client_credentials", "password"},
		Issuer: base,
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/user/token",
			Revocation: "/user/revoke", Introspection: "/user/introspect"},
	}
	if verbose != nil {
		options.OnEvent = (&steps{out: verbose}).event
		options.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})) // the steps say the rest
	}
	srv, err := oauth2server.New(a.model, options)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	signIn := srv.Authorize(http.HandlerFunc(a.signIn))
	mux.Handle("GET /authorize", signIn)
	mux.Handle("/user/authorize", signIn)
	mux.Handle("/user/token", srv.Token(nil))
	mux.Handle("/user/revoke", srv.Revoke())
	mux.Handle("/user/introspect", srv.Introspect())
	mux.Handle(srv.MetadataPath(), srv.Metadata())
	mux.Handle("/user/authenticate", srv.Authenticate()(http.HandlerFunc(a.showToken)))
	client := newDemoClient(base, pages)
	mux.HandleFunc("GET /connect", client.connect)
	mux.HandleFunc("GET /{$}", client.home)
	return mux, nil
}

// parsePages fails at the start for what would fail at a request.
func parsePages(files fs.FS) (*template.Template, error) {
	pages, err := template.ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"signin.html", "home.html", "style.html"} {
		if pages.Lookup(name) == nil {
			return nil, fmt.Errorf("the template %s is missing", name)
		}
	}
	return pages, nil
}

// signIn asks for name and password. Whoever signs in allows what the client asks for.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	request := oauth2server.AuthorizationRequestFromContext(r.Context())
	page := signInPage{Client: request.Client.ID, Scope: request.Scope, Parameters: request.Parameters()}
	if r.Method == http.MethodPost {
		if r.PostForm.Has("deny") {
			request.Deny(w, r, "")
			return
		}
		page.Username = r.PostForm.Get("username")
		user, err := a.model.GetUser(r.Context(), page.Username, r.PostForm.Get("password"), request.Client)
		if err == nil {
			request.Approve(w, r, oauth2server.Approval{User: user, All: true})
			return
		}
		if !errors.Is(err, oauth2server.ErrNotFound) {
			slog.Error("sign-in", "error", err)
			http.Error(w, "Signing in does not work at the moment.", http.StatusServiceUnavailable)
			return
		}
		page.Wrong = true
	}
	render(w, a.pages, "signin.html", page)
}

type signInPage struct {
	Client     string
	Scope      oauth2server.Scope
	Parameters url.Values
	Username   string
	Wrong      bool
}

// showToken is the API: it answers with what it knows of the token.
func (a *app) showToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(oauth2server.TokenFromContext(r.Context()))
}

func render(w http.ResponseWriter, pages *template.Template, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := pages.ExecuteTemplate(w, name, data); err != nil {
		slog.Error("a page", "name", name, "error", err)
	}
}
