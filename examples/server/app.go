// This file puts the server, the pages and the API together and mounts them.

package main

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"

	"github.com/alexedwards/scs/v2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
	"github.com/seed-11d18166/oauth2server/ext/ratelimit"
)

// app is the side of the authorization server: accounts, pages, and the API. As
// a handler it is the whole application.
type app struct {
	http.Handler
	*pages
	model    storage
	sessions *scs.SessionManager
	signIns  *signIns
	limiter  *ratelimit.Limiter
	steps    *steps
	client   *demoClient
	ring     *keys.Ring
	provider *oidc.Provider
}

// setup is everything in an application that does not depend on its address.
type setup struct {
	model     storage
	ring      *keys.Ring
	files     fs.FS
	limiter   *ratelimit.Limiter
	steps     *steps
	transport http.RoundTripper // from the demo client to the server
}

// newSetup returns the setup for an application behind our proxies, or none.
// The steps of the server are printed to verbose, unless that is nil.
func newSetup(
	ctx context.Context, proxies []netip.Prefix, model storage, files fs.FS, verbose io.Writer,
) (setup, error) {
	ring, err := openKeys(ctx, model)
	if err != nil {
		return setup{}, err
	}
	s := setup{
		model:     model,
		ring:      ring,
		files:     files,
		limiter:   ratelimit.New(),
		transport: http.DefaultTransport,
	}
	s.limiter.Address = ratelimit.Forwarded(proxies)
	if verbose != nil {
		s.steps = &steps{out: verbose}
	}
	return s, nil
}

// newApp returns the application, which a browser reaches at base; see
// [newSetup].
func newApp(
	base string, proxies []netip.Prefix, model storage, files fs.FS, verbose io.Writer,
) (*app, error) {
	s, err := newSetup(context.Background(), proxies, model, files, verbose)
	if err != nil {
		return nil, err
	}
	return s.app(base)
}

// app returns the application that a browser reaches at base.
func (s setup) app(base string) (*app, error) {
	pages, err := parsePages(s.files)
	if err != nil {
		return nil, err
	}
	a := &app{
		pages:    pages,
		model:    s.model,
		sessions: newSessions("session", base, pages.fault),
		signIns:  newSignIns(),
		limiter:  s.limiter,
		steps:    s.steps,
		client:   newDemoClient(base, pages, s.transport),
		ring:     s.ring,
	}
	a.provider = a.newProvider()
	srv, err := oauth2server.New(s.model, a.options(base))
	if err != nil {
		return nil, err
	}
	a.mount(base, srv, s.files)
	return a, nil
}

func (a *app) options(base string) *oauth2server.Options {
	options := &oauth2server.Options{
		// The password grant is for the curl lines. RFC 9700, section 2.4,
		// advises against it.
		Grants: []string{"authorization_code", "refresh_token", "client_credentials", "password"},
		Issuer: base,
		Endpoints: oauth2server.Endpoints{Authorization: "/authorize", Token: "/user/token",
			Revocation: "/user/revoke", Introspection: "/user/introspect"},
		Extensions:       []oauth2server.Extension{a.provider},
		AuthenticateUser: a.signedIn,
		LimitAttempts:    a.limiter.LimitAttempts,
		ErrorHandler:     a.refuse,
		// For phones in the same network, where there is no certificate.
		InsecureHTTPIssuer:         inClear(base),
		InsecureAllowHTTPRedirects: inClear(base),
	}
	if a.steps != nil {
		options.OnEvent = a.steps.event
		faults := &slog.HandlerOptions{Level: slog.LevelError} // the steps tell the rest
		options.Logger = slog.New(slog.NewTextHandler(os.Stderr, faults))
	}
	return options
}

// mount mounts the endpoints and the pages.
func (a *app) mount(base string, srv *oauth2server.Server, files fs.FS) {
	mux := http.NewServeMux()
	a.Handler = mux
	authorize := srv.Authorize(http.HandlerFunc(a.consent))
	mux.Handle("/authorize", a.atBase(base, a.readForm(a.sessions.LoadAndSave(authorize))))
	mux.Handle("/user/token", srv.Token(nil))
	mux.Handle("/user/revoke", srv.Revoke())
	mux.Handle("/user/introspect", srv.Introspect())
	mux.Handle(srv.MetadataPath(), srv.Metadata())
	mux.Handle(a.provider.DiscoveryPath(), srv.Metadata())
	mux.Handle(jwksPath, a.ring)
	mux.Handle(userInfoPath, a.provider.UserInfo())
	logout := a.provider.EndSession(http.HandlerFunc(a.logout))
	mux.Handle(logoutPath, a.atBase(base, a.readForm(a.sessions.LoadAndSave(logout))))
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

	mux.Handle("/client/", a.atBase(base, a.protect(base, a.client.handler())))
	mux.Handle("GET /spa/{$}", a.atBase(base, http.HandlerFunc(a.singlePage)))
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, files, "static/"+r.PathValue("file"))
	})
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, page{Name: "home", User: a.signedInName(r)})
}

// singlePage is the page of a client that runs in the browser. It is here only
// because the demonstration has no other host.
func (a *app) singlePage(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, page{Name: "spa", Site: "spa", Script: true})
}

// showToken is the API: it returns what it knows about the token.
func (a *app) showToken(w http.ResponseWriter, r *http.Request) {
	token := oauth2server.TokenFromContext(r.Context())
	a.steps.event(r, oauth2server.Event{
		Endpoint: "authenticate",
		Kind:     "let in",
		ClientID: token.Client.ID,
		UserID:   token.User.ID,
		Scope:    token.Scope,
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(token)
}
