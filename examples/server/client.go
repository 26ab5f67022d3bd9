package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/alexedwards/scs/v2"
	"golang.org/x/oauth2"
)

const (
	clientID     = "123456"
	clientSecret = "qwerty"
	callbackPath = "/client/callback"
)

// demoClient is the other side: an application that wants a token. It speaks to the server over HTTP only, has sessions
// of its own, and would work the same on another machine. It shows all that it sends and gets.
type demoClient struct {
	base     string
	config   oauth2.Config
	pages    *pages
	sessions *scs.SessionManager
}

func newDemoClient(base string, pages *pages) *demoClient {
	return &demoClient{base, oauth2.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		RedirectURL:  base + callbackPath,
		Scopes:       []string{"read"},
		Endpoint: oauth2.Endpoint{AuthURL: base + "/authorize", TokenURL: base + "/user/token",
			AuthStyle: oauth2.AuthStyleInHeader},
	}, pages, newSessions("client", base)}
}

func (c *demoClient) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /client/{$}", c.home)
	mux.HandleFunc("POST /client/connect", c.connect)
	mux.HandleFunc("GET "+callbackPath, c.callback)
	mux.HandleFunc("POST /client/api", c.step(c.callAPI))
	mux.HandleFunc("POST /client/refresh", c.step(c.refresh))
	mux.HandleFunc("POST /client/disconnect", c.step(c.disconnect))
	return c.sessions.LoadAndSave(mux)
}

// connection is what the client knows of one browser's user. It is in the session, so on the client's machine: the
// browser never sees a token, but for this page that shows them.
type connection struct {
	State, Verifier string        // of the request that is under way; empty: none is
	Token           *oauth2.Token // nil: not connected
	Steps           []exchange
	Notice          string // for the page, by its name among the words
}

const sessionConnection = "connection"

// load returns an empty connection if there is none.
func (c *demoClient) load(ctx context.Context) *connection {
	var known connection
	if text := c.sessions.GetString(ctx, sessionConnection); text != "" {
		if err := json.Unmarshal([]byte(text), &known); err != nil {
			slog.ErrorContext(ctx, "the demo client's session", "error", err)
		}
	}
	return &known
}

// maxSteps bounds what is shown, and kept.
const maxSteps = 20

// save keeps the connection and shows it. No code stays in the address: whoever reads it there could try it.
func (c *demoClient) save(w http.ResponseWriter, r *http.Request, known *connection) {
	c.store(w, r, known, "/client/")
}

func (c *demoClient) store(w http.ResponseWriter, r *http.Request, known *connection, next string) {
	known.Steps = known.Steps[max(0, len(known.Steps)-maxSteps):]
	text, err := json.Marshal(known)
	if err != nil {
		http.Error(w, "The session cannot be kept.", http.StatusInternalServerError)
		return
	}
	c.sessions.Put(r.Context(), sessionConnection, string(text))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (c *demoClient) home(w http.ResponseWriter, r *http.Request) {
	known := c.load(r.Context())
	c.pages.show(w, r, http.StatusOK, page{Name: "client", Site: "client", Notice: known.Notice, Data: known})
}

// connect sends the browser to the server, with a state and a PKCE challenge that nobody else knows.
func (c *demoClient) connect(w http.ResponseWriter, r *http.Request) {
	known := c.load(r.Context())
	known.State, known.Verifier, known.Notice = rand.Text(), oauth2.GenerateVerifier(), ""
	address := c.config.AuthCodeURL(known.State, oauth2.S256ChallengeOption(known.Verifier))
	known.Steps = []exchange{{Title: "step.redirect", Request: "303 See Other\nLocation: " + breakQuery(address)}}
	c.store(w, r, known, address)
}

// callback is where the server's answer arrives. One that this browser did not ask for changes nothing, be it somebody
// else's (RFC 6749, section 10.12) or one that was used, to which somebody went back.
func (c *demoClient) callback(w http.ResponseWriter, r *http.Request) {
	query, known := r.URL.Query(), c.load(r.Context())
	switch {
	case known.State == "" || query.Get("state") != known.State:
		known.Notice = "client.unasked"
		c.save(w, r, known)
		return
	case query.Get("iss") != c.base: // RFC 9207
		known.Notice = "client.mixup"
		c.save(w, r, known)
		return
	}
	verifier := known.Verifier
	known.State, known.Verifier, known.Notice = "", "", ""
	known.Steps = append(known.Steps, exchange{Title: "step.answer", Request: "GET " + breakQuery(r.URL.RequestURI())})
	if query.Has("error") {
		known.Notice = "client.denied"
		c.save(w, r, known)
		return
	}
	ctx := watch(r.Context(), "step.token", &known.Steps)
	token, err := c.config.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(verifier))
	if err == nil {
		err = c.sessions.RenewToken(r.Context()) // lest somebody prepared this session
	}
	if err != nil {
		known.fail(err)
	} else {
		known.Token = token
		c.callAPI(r.Context(), known)
	}
	c.save(w, r, known)
}

// step does one thing and shows the page again.
func (c *demoClient) step(do func(context.Context, *connection)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		known := c.load(r.Context())
		known.Notice = "client.unconnected"
		if known.Token != nil {
			known.Notice = ""
			do(r.Context(), known)
		}
		c.save(w, r, known)
	}
}

// callAPI uses the access token.
func (c *demoClient) callAPI(ctx context.Context, known *connection) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/user/authenticate", nil)
	if err != nil {
		known.fail(err)
		return
	}
	known.Token.SetAuthHeader(request)
	response, err := watched("step.api", &known.Steps).Do(request)
	if err != nil {
		known.fail(err)
		return
	}
	response.Body.Close()
	if response.StatusCode == http.StatusUnauthorized {
		known.Notice = "client.unauthorized"
	}
}

// refresh gets another pair of tokens for the refresh token, which is good for that once.
func (c *demoClient) refresh(ctx context.Context, known *connection) {
	ctx = watch(ctx, "step.refresh", &known.Steps)
	token, err := c.config.TokenSource(ctx, &oauth2.Token{RefreshToken: known.Token.RefreshToken}).Token()
	if err != nil {
		known.fail(err)
		return
	}
	known.Token = token
}

// disconnect gives the grant back: no token of it works after that (RFC 7009).
func (c *demoClient) disconnect(ctx context.Context, known *connection) {
	form := url.Values{"token": {known.Token.RefreshToken}, "token_type_hint": {"refresh_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/user/revoke", strings.NewReader(form.Encode()))
	if err != nil {
		known.fail(err)
		return
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(c.config.ClientID, c.config.ClientSecret)
	response, err := watched("step.revoke", &known.Steps).Do(request)
	if err != nil {
		known.fail(err)
		return
	}
	response.Body.Close()
	if response.StatusCode == http.StatusOK {
		c.callAPI(ctx, known) // to show that it is refused
		known.Token, known.Notice = nil, "client.disconnected"
	}
}

// fail shows that something failed. What the server answered is among the steps.
func (known *connection) fail(err error) {
	slog.Info("the demo client", "error", err)
	known.Notice = "client.failed"
}
