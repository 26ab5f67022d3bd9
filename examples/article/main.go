// Command article is the example of an article about egg-oauth2-server, in Go:
// its routes, its client and user, its curl lines and its JSON.
// docs/moving-from-egg.md shows both side by side. Start it and try what it
// prints.
//
//	go run ./examples/article [-addr 127.0.0.1:7001] [-mongo mongodb://127.0.0.1:27017/]
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
	"github.com/seed-11d18166/oauth2server/ext/ratelimit"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// The article enables the first two grants and names the others, which are here
// for curl. RFC 9700, section 2.4, advises against password.
var grants = []string{"authorization_code", "refresh_token", "password", "client_credentials"}

// The client and the user of the article. A loopback URI may be at any port
// (RFC 8252, section 7.3). A real secret comes from rand.Text.
var (
	client = &oauth2server.Client{
		ID:           "123456",
		RedirectURIs: []string{"http://127.0.0.1:7001"},
		Grants:       grants,
		Scope:        oauth2server.Scope{"read", "write"},
	}
	user = &oauth2server.User{ID: "1"}
)

const clientSecret, username, password = "qwerty", "andy", "123456"

// newHandler mounts the routes of the article at base.
func newHandler(base string, model oauth2server.Model) (http.Handler, error) {
	srv, err := oauth2server.New(model, &oauth2server.Options{
		Grants:        grants,
		LimitAttempts: ratelimit.New().LimitAttempts,
		ErrorHandler:  refuse,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", at(base, demoClient(base)))
	mux.Handle("GET /authorize", at(base, srv.Authorize(http.HandlerFunc(login))))
	mux.Handle("/user/authorize", srv.Authorize(nil)) // takes username and password from the form
	mux.Handle("/user/token", srv.Token(nil))
	mux.Handle("/user/authenticate", srv.Authenticate()(http.HandlerFunc(authenticate)))
	return mux, nil
}

// at redirects browsers that use another name, such as localhost, to base,
// which the cookie and the redirection URI are for.
func at(base string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if "http://"+r.Host != base {
			http.Redirect(w, r, base+r.URL.RequestURI(), http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// login shows the form after the server has checked the request.
func login(w http.ResponseWriter, r *http.Request) { show(w, http.StatusOK, form(r)) }

func form(r *http.Request) page {
	return page{
		Query:    r.URL.RawQuery,
		Client:   r.URL.Query().Get("client_id"),
		Username: r.PostForm.Get("username"),
	}
}

// refuse shows errors that cannot go to the client. After a wrong password it
// shows the form again.
func refuse(w http.ResponseWriter, r *http.Request, err *oauth2server.Error) {
	p := page{Trouble: err.Description, Reference: err.Reference}
	if err.Code == oauth2server.AccessDenied && err.Status == http.StatusBadRequest {
		p = form(r)
		if r.Method == http.MethodPost {
			p.Trouble = "The username or the password is wrong. Here they are andy and 123456."
		}
	}
	show(w, err.Status, p)
}

// page is the data of login.html. With a Query, the client's request, it shows
// a form for /user/authorize.
type page struct{ Query, Client, Username, Trouble, Reference, Nonce string }

//go:embed login.html
var loginHTML string

var loginPage = template.Must(template.New("login.html").Parse(loginHTML))

// show writes a page. It adds to the header fields that the server sets to
// protect its pages.
func show(w http.ResponseWriter, status int, p page) {
	p.Nonce = rand.Text()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+p.Nonce+
		"'; img-src data:; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	loginPage.Execute(w, p) // it fails only if the browser hung up
}

// authenticate answers with what the article has in ctx.state.oauth.
func authenticate(w http.ResponseWriter, r *http.Request) {
	token := oauth2server.TokenFromContext(r.Context())
	answer := struct {
		AccessToken string            `json:"accessToken"`
		ExpiresAt   string            `json:"accessTokenExpiresAt"`
		Scope       string            `json:"scope"`
		Client      map[string]string `json:"client"`
		User        map[string]string `json:"user"`
	}{
		AccessToken: token.AccessToken,
		ExpiresAt:   token.AccessTokenExpiresAt.UTC().Format("2006-01-02T15:04:05.000Z"),
		Scope:       token.Scope.String(),
		Client:      map[string]string{"id": token.Client.ID},
		User:        map[string]string{"id": token.User.ID},
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(map[string]any{"token": answer}) // it fails only if the client hung up
}

// demoClient plays another app, at / of this address: it asks for a code,
// exchanges it, and shows the answer.
type demoClient string

const stateCookie = "article_state"

func (base demoClient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodHead: // must not spend the code
	case !query.Has("code") && !query.Has("error"):
		base.ask(w, r)
	case query.Has("error"):
		text := fmt.Sprintf("There is no code: %q, %q.", query.Get("error"),
			query.Get("error_description"))
		http.Error(w, text+" Begin again at "+string(base)+"/", http.StatusBadRequest)
	case !asked(w, r, query.Get("state")):
		http.Error(w, "This browser did not ask for that code. Begin at "+string(base)+"/",
			http.StatusBadRequest)
	default:
		base.exchange(w, query.Get("code"))
	}
}

// ask sends the browser to the server, with a state that it also keeps in a
// cookie.
func (base demoClient) ask(w http.ResponseWriter, r *http.Request) {
	state := rand.Text()
	http.SetCookie(w, &http.Cookie{ // behind TLS, set Secure too
		Name:     stateCookie,
		Value:    state,
		Path:     "/",
		MaxAge:   600,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
	request := url.Values{
		"response_type": {"code"}, "client_id": {client.ID}, "state": {state},
		"redirect_uri": {string(base) + "/"}}
	http.Redirect(w, r, string(base)+"/authorize?"+request.Encode(), http.StatusSeeOther)
}

// asked reports whether this browser asked for the answer. Otherwise a link may
// have led it here with someone else's code (RFC 6749, section 10.12). In the
// article the sign-in page is opened by hand, so there is no cookie: then the
// request must come from that page, or from no browser at all.
func asked(w http.ResponseWriter, r *http.Request, state string) bool {
	cookie, err := r.Cookie(stateCookie)
	if err != nil {
		site := r.Header.Get("Sec-Fetch-Site")
		return site == "same-origin" || site == ""
	}
	http.SetCookie(w, &http.Cookie{Name: stateCookie, Path: "/", MaxAge: -1})
	return cookie.Value == state
}

// exchange shows what the token endpoint answers.
func (base demoClient) exchange(w http.ResponseWriter, code string) {
	caller := http.Client{Timeout: 3 * time.Second}
	answer, err := caller.PostForm(string(base)+"/user/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code},
		"client_id": {client.ID}, "client_secret": {clientSecret}, "redirect_uri": {string(base) + "/"}})
	if err != nil {
		slog.Error("article: the demo client", "error", err)
		http.Error(w, "The token endpoint does not answer.", http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for _, name := range []string{"Content-Type", "X-Content-Type-Options", "Cache-Control", "Referrer-Policy"} {
		w.Header().Set(name, answer.Header.Get(name))
	}
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body) // it fails only if the browser hung up
}

// open returns the model at uri, or in memory, with the client and the user.
func open(ctx context.Context, uri string) (model oauth2server.Model, shut func(), err error) {
	if uri == "" {
		m := memorymodel.New(&memorymodel.Options{InsecureAllowShortSecrets: true})
		return m, func() {}, errors.Join(m.AddClient(client, clientSecret), m.AddUser(user, username, password))
	}
	connection, err := mongo.Connect(options.Client().SetTimeout(5 * time.Second).ApplyURI(uri))
	if err != nil {
		return nil, func() {}, err
	}
	_, hosts, _ := strings.Cut(uri, "://")
	_, path, _ := strings.Cut(hosts, "/")
	name, _, _ := strings.Cut(path, "?")
	m := mongomodel.New(connection.Database(cmp.Or(name, "article")),
		&mongomodel.Options{InsecureAllowShortSecrets: true})
	return m, func() { connection.Disconnect(context.WithoutCancel(ctx)) }, register(ctx, m)
}

// register adds the client and the user, unless they are there from an earlier
// start.
func register(ctx context.Context, m *mongomodel.Model) error {
	err := m.EnsureIndexes(ctx)
	if err == nil {
		err = m.AddClient(ctx, client, clientSecret)
	}
	if err == nil || errors.Is(err, oauth2server.ErrExists) {
		err = m.AddUser(ctx, user, username, password)
	}
	if errors.Is(err, oauth2server.ErrExists) {
		return nil
	}
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "article:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("article", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	addr := flags.String("addr", "127.0.0.1:7001", "`address` to listen on")
	uri := flags.String("mongo", "", "`URI` of a MongoDB; without it, everything is in memory")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(out)
		flags.PrintDefaults()
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	model, shut, err := open(ctx, *uri)
	defer shut()
	if err != nil {
		return err
	}
	return demo.Run(ctx, *addr, out, func(base string) (http.Handler, string, error) {
		if !strings.HasPrefix(base, "http://127.0.0.1:") {
			return nil, "", fmt.Errorf("-addr %s: want 127.0.0.1, as no code is to leave this "+
				"machine by http", *addr)
		}
		handler, err := newHandler(base, model)
		return handler, story, err
	})
}

// story is printed at the start; BASE stands for the address.
const story = `Open this in a browser and sign in as andy with the password 123456. The client
123456, whose secret is qwerty, shows the token that it gets for the code:

  BASE/authorize?response_type=code&client_id=123456&state=xyz&redirect_uri=BASE/

Or do the same in a shell, one after the other:

  code=$(curl --silent --output /dev/null --write-out '%{redirect_url}' \
      --data 'username=andy&password=123456' \
      'BASE/user/authorize?response_type=code&client_id=123456&state=xyz&redirect_uri=BASE/' |
      sed 's/.*code=//; s/&.*//')

  token=$(curl --silent \
      --request POST BASE/user/token \
      --data "grant_type=authorization_code&code=$code&client_id=123456&client_secret=qwerty&redirect_uri=BASE/")
  echo "$token"
  access_token=$(echo "$token" | sed 's/.*"access_token":"//; s/".*//')
  refresh_token=$(echo "$token" | sed 's/.*"refresh_token":"//; s/".*//')

  curl --include \
      --request POST BASE/user/token \
      --data "grant_type=refresh_token&refresh_token=$refresh_token&client_id=123456&client_secret=qwerty"

  curl --include \
      BASE/user/authenticate \
      -H "Authorization: Bearer $access_token"

Two more grants, without a browser:

  curl --include \
      --request POST BASE/user/token \
      --data 'grant_type=password&username=andy&password=123456&client_id=123456&client_secret=qwerty'

  curl --include \
      --request POST BASE/user/token \
      --data 'grant_type=client_credentials&client_id=123456&client_secret=qwerty'
`
