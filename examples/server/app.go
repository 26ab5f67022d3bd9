package main

import (
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"

	"github.com/alexedwards/scs/v2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/ratelimit"
)

// app is the authorization server's side: accounts, their pages, and the API. As a handler it is the whole application.
type app struct {
	http.Handler
	*pages
	model    storage
	sessions *scs.SessionManager
	signIns  *signIns
	limiter  *ratelimit.Limiter
	steps    *steps
	client   *demoClient
}

// newApp returns the application, which a browser reaches at base, through proxies of ours or none. What the server does is
// printed to verbose, unless that is nil.
func newApp(base string, proxies []netip.Prefix, model storage, files fs.FS, verbose io.Writer) (*app, error) {
	pages, err := parsePages(files)
	if err != nil {
		return nil, err
	}
	a := &app{pages: pages, model: model, sessions: newSessions("session", base, pages.fault), signIns: newSignIns(), limiter: ratelimit.New()}
	a.limiter.Address = ratelimit.Forwarded(proxies)
	options := &oauth2server.Options{
		// The password grant is for the curl lines. RFC 9700, section 2.4, advises against it.
		Grants: []string{"authorization_code", "refresh_token", "client_credentials", "password"},
		Issuer: base,
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/user/token",
			Revocation: "/user/revoke", Introspection: "/user/introspect"},
		AuthenticateUser: a.signedIn,
		LimitAttempts:    a.limiter.LimitAttempts,
		ErrorHandler:     a.refuse,
	}
	if verbose != nil {
		a.steps = &steps{out: verbose}
		options.OnEvent = a.steps.event
		options.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})) // the steps say the rest
	}
	srv, err := oauth2server.New(model, options)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	a.Handler = mux
	mux.Handle("/authorize", a.atBase(base, a.readForm(a.sessions.LoadAndSave(srv.Authorize(http.HandlerFunc(a.consent))))))
	mux.Handle("/user/token", srv.Token(nil))
	mux.Handle("/user/revoke", srv.Revoke())
	mux.Handle("/user/introspect", srv.Introspect())
	mux.Handle(srv.MetadataPath(), srv.Metadata())
	mux.Handle("/user/authenticate", srv.Authenticate()(http.HandlerFunc(a.showToken)))

	own := http.NewServeMux()
	own.HandleFunc("GET /{$}", a.home)
	own.HandleFunc("GET /", a.missing)
	own.HandleFunc("GET /signin", a.signIn)
	own.HandleFunc("POST /signin", a.signIn)
	own.HandleFunc("GET /signout", a.signOut)
	own.HandleFunc("POST /signout", a.signOut)
	own.HandleFunc("GET /apps", a.requireUser(a.connected))
	own.HandleFunc("POST /apps", a.requireUser(a.disconnect))
	mux.Handle("/", a.atBase(base, a.protect(base, a.sessions.LoadAndSave(own))))

	a.client = newDemoClient(base, pages, http.DefaultTransport)
	mux.Handle("/client/", a.atBase(base, a.protect(base, a.client.handler())))
	mux.Handle("GET /spa/{$}", a.atBase(base, http.HandlerFunc(a.singlePage)))
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, files, "static/"+r.PathValue("file"))
	})
	return a, nil
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, page{Name: "home", User: a.signedInName(r)})
}

// singlePage is the page of a client that runs in the browser. It lives here for want of another host.
func (a *app) singlePage(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, page{Name: "spa", Site: "spa", Script: true})
}

// showToken is the API: it answers with what it knows of the token.
func (a *app) showToken(w http.ResponseWriter, r *http.Request) {
	token := oauth2server.TokenFromContext(r.Context())
	a.steps.event(r, oauth2server.Event{Endpoint: "authenticate", Kind: "let in", ClientID: token.Client.ID, UserID: token.User.ID, Scope: token.Scope})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(token)
}
