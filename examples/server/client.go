package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
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
	}, pages, newSessions("client", base, pages.fault)}
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
	Actions         []action      // the last one first
}

// action is what somebody made the client do, and what came of it.
type action []exchange

// begin makes place for what comes next.
func (known *connection) begin() {
	const shown = 8
	known.Actions = append([]action{{}}, known.Actions[:min(len(known.Actions), shown-1)]...)
}

// watched is an [http.Client] whose requests are shown under title.
func (known *connection) watched(title string) *http.Client {
	return watched(title, (*[]exchange)(&known.Actions[0]))
}

// sessionConnection is where the session has it.
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

// store keeps the connection and goes on at next.
func (c *demoClient) store(w http.ResponseWriter, r *http.Request, known *connection, next string) {
	text, err := json.Marshal(known)
	if err != nil {
		c.pages.fault(w, r, err)
		return
	}
	c.sessions.Put(r.Context(), sessionConnection, string(text))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// show keeps the connection and shows it, with what is to be said first: a name among the words, or nothing. It does so on
// another page, so that no code stays in the address, where others could read it and try it.
func (c *demoClient) show(w http.ResponseWriter, r *http.Request, known *connection, notice string) {
	c.sessions.Put(r.Context(), sessionNotice, notice)
	c.store(w, r, known, "/client/")
}

func (c *demoClient) home(w http.ResponseWriter, r *http.Request) {
	notice := c.sessions.PopString(r.Context(), sessionNotice)
	c.pages.show(w, r, http.StatusOK, page{Name: "client", Site: "client", Notice: notice, Data: c.load(r.Context())})
}

// connect sends the browser to the server, with a state and a PKCE challenge that nobody else knows.
func (c *demoClient) connect(w http.ResponseWriter, r *http.Request) {
	known := c.load(r.Context())
	known.State, known.Verifier = rand.Text(), oauth2.GenerateVerifier()
	address := c.config.AuthCodeURL(known.State, oauth2.S256ChallengeOption(known.Verifier))
	known.begin()
	known.Actions[0] = action{{Title: "step.redirect", Request: "303 See Other\nLocation: " + breakQuery(address)}}
	c.store(w, r, known, address)
}

// callback is where the server's answer arrives. One that this browser did not ask for changes nothing, be it somebody
// else's (RFC 6749, section 10.12) or one that was used, to which somebody went back.
func (c *demoClient) callback(w http.ResponseWriter, r *http.Request) {
	query, known := r.URL.Query(), c.load(r.Context())
	switch {
	case known.State == "" && known.Actions == nil: // nobody that it knows: there is nothing to keep
		c.pages.show(w, r, http.StatusOK, page{Name: "client", Site: "client", Notice: "client.unasked", Data: known})
		return
	case known.State == "" || query.Get("state") != known.State:
		c.show(w, r, known, "client.unasked")
		return
	case query.Get("iss") != c.base: // RFC 9207
		c.show(w, r, known, "client.mixup")
		return
	}
	verifier := known.Verifier
	known.State, known.Verifier = "", ""
	answer := exchange{Title: "step.answer", Request: cut("GET " + breakQuery(r.URL.RequestURI()))}
	if query.Has("error") {
		answer.Title = "step.refusal"
	}
	known.Actions[0] = append(known.Actions[0], answer)
	switch query.Get("error") {
	case "":
	case "access_denied":
		c.show(w, r, known, "client.denied")
		return
	default:
		c.show(w, r, known, "client.failed")
		return
	}
	ctx := context.WithValue(r.Context(), oauth2.HTTPClient, known.watched("step.token"))
	token, err := c.config.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(verifier))
	if err == nil {
		err = c.sessions.RenewToken(r.Context()) // lest somebody prepared this session
	}
	if err != nil {
		c.show(w, r, known, failed(err))
		return
	}
	known.Token = token
	c.show(w, r, known, c.callAPI(r.Context(), known))
}

// step does one thing, which returns what is to be said first, and shows the page again.
func (c *demoClient) step(do func(context.Context, *connection) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		known := c.load(r.Context())
		if known.Token == nil {
			c.pages.show(w, r, http.StatusOK, page{Name: "client", Site: "client", Notice: "client.unconnected", Data: known})
			return
		}
		known.begin()
		c.show(w, r, known, do(r.Context(), known))
	}
}

// callAPI uses the access token.
func (c *demoClient) callAPI(ctx context.Context, known *connection) (notice string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/user/authenticate", nil)
	if err != nil {
		return failed(err)
	}
	known.Token.SetAuthHeader(request)
	response, err := known.watched("step.api").Do(request)
	if err != nil {
		return failed(err)
	}
	response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return "client.answered"
	case http.StatusUnauthorized:
		return "client.unauthorized"
	}
	return "client.failed"
}

// refresh gets another pair of tokens for the refresh token, which is good for that once.
func (c *demoClient) refresh(ctx context.Context, known *connection) (notice string) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, known.watched("step.refresh"))
	token, err := c.config.TokenSource(ctx, &oauth2.Token{RefreshToken: known.Token.RefreshToken}).Token()
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		known.Token = nil
		return "client.ended"
	case err != nil:
		return failed(err)
	}
	known.Token = token
	return "client.refreshed"
}

// disconnect gives the grant back: no token of it works after that (RFC 7009). It calls the API once more to show that.
func (c *demoClient) disconnect(ctx context.Context, known *connection) (notice string) {
	form := url.Values{"token": {known.Token.RefreshToken}, "token_type_hint": {"refresh_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/user/revoke", strings.NewReader(form.Encode()))
	if err != nil {
		return failed(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(c.config.ClientID, c.config.ClientSecret)
	response, err := known.watched("step.revoke").Do(request)
	if err != nil {
		return failed(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "client.failed"
	}
	c.callAPI(ctx, known)
	known.Token = nil
	return "client.disconnected"
}

// failed says that something did. Why is in the last answer that is shown.
func failed(err error) (notice string) {
	slog.Info("the demo client", "error", err)
	return "client.failed"
}
