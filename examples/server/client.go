// This file is the demo client: another application, which asks the server for
// a token and uses it.

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/alexedwards/scs/v2"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	clientID     = "123456"
	clientSecret = "qwerty"
	callbackPath = "/client/callback"
)

// demoClient is the other side: an application that wants a token. It talks to
// the server over HTTP only, has its own sessions, and would work the same on
// another machine. It shows everything that it sends and gets.
type demoClient struct {
	base      string
	config    oauth2.Config
	pages     *pages
	sessions  *scs.SessionManager
	transport http.RoundTripper // to the server
	provider  func() (*oidc.Provider, error)
}

func newDemoClient(base string, pages *pages, transport http.RoundTripper) *demoClient {
	sessions := newSessions("client", base, pages.fault)
	sessions.Store = newBoundedStore(maxConnections)
	c := &demoClient{
		base: base,
		config: oauth2.Config{
			ClientID:     clientID,
			ClientSecret: clientSecret,
			RedirectURL:  base + callbackPath,
			Scopes:       []string{"read"},
			Endpoint: oauth2.Endpoint{AuthURL: base + "/authorize", TokenURL: base + "/user/token",
				AuthStyle: oauth2.AuthStyleInHeader},
		},
		pages:     pages,
		sessions:  sessions,
		transport: transport,
	}
	c.provider = c.discovered()
	return c
}

// maxConnections is how many sessions the client keeps, of all browsers. The
// one saved longest ago is dropped for a new one.
const maxConnections = 1000

func (c *demoClient) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /client/{$}", c.home)
	mux.HandleFunc("POST /client/connect", c.connect)
	mux.HandleFunc("POST /client/signin", c.signIn)
	mux.HandleFunc("GET "+callbackPath, c.callback)
	mux.HandleFunc("POST /client/api", c.step(c.callAPI))
	mux.HandleFunc("POST /client/refresh", c.step(c.refresh))
	mux.HandleFunc("POST /client/disconnect", c.step(c.disconnect))
	mux.HandleFunc("POST /client/signout", c.signOut)
	mux.HandleFunc("GET "+signedOutPath, c.signedOut)
	return c.sessions.LoadAndSave(mux)
}

// connection is what the client knows about the user of one browser. It is in
// the session on the client's machine: in a real client the browser never sees
// a token, but this page shows them.
type connection struct {
	Token *oauth2.Token // nil if not connected
	Who   *identity     // nil if nobody signed in
	// What the last answer means for the connection, as a key of the words.
	Standing string
	history
}

// What the last answer means for the connection.
const (
	standingGood    = "client.connected"
	standingRefused = "client.doubt.refused" // by the API
	standingDenied  = "client.doubt.denied"  // by the user, when asked again
	standingUnclear = "client.doubt.unclear"
)

// sessionConnection is the key of the connection in a session.
const sessionConnection = "connection"

// load returns the connection of the session, empty if there is none.
func (c *demoClient) load(ctx context.Context) *connection {
	var known connection
	if text := c.sessions.GetString(ctx, sessionConnection); text != "" {
		if err := json.Unmarshal([]byte(text), &known); err != nil {
			slog.ErrorContext(ctx, "the demo client's session", "error", err)
		}
	}
	return &known
}

// show shows the connection and a notice, which is a key of the words or empty.
// For a browser that was connected once, it saves them and redirects to another
// page, so that no code stays in the address bar, where others could read it.
// For other browsers nothing is saved, as anybody can make any number of such
// requests.
func (c *demoClient) show(w http.ResponseWriter, r *http.Request, known *connection, notice string) {
	if known.Token == nil && !c.sessions.Exists(r.Context(), sessionConnection) {
		c.pages.show(w, r, http.StatusOK, page{
			Name:   "client",
			Site:   "client",
			Notice: notice,
			Data:   known,
		})
		return
	}
	if err := c.save(r.Context(), known, notice); err != nil {
		c.pages.fault(w, r, err)
		return
	}
	http.Redirect(w, r, "/client/", http.StatusSeeOther)
}

// save keeps the connection in the session, and a notice for the next page.
func (c *demoClient) save(ctx context.Context, known *connection, notice string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // otherwise each ampersand takes six bytes
	if err := encoder.Encode(known); err != nil {
		return err
	}
	c.sessions.Put(ctx, sessionConnection, text.String())
	c.sessions.Put(ctx, sessionNotice, notice)
	return nil
}

func (c *demoClient) home(w http.ResponseWriter, r *http.Request) {
	notice := c.sessions.PopString(r.Context(), sessionNotice)
	c.pages.show(w, r, http.StatusOK, page{
		Name:   "client",
		Site:   "client",
		Notice: notice,
		Data:   c.load(r.Context()),
	})
}

// connect sends the browser to the server, with a state and a PKCE challenge
// that nobody else knows. The browser keeps them, in a cookie that no script
// and no other site can read. So a request that is never answered leaves
// nothing behind here.
func (c *demoClient) connect(w http.ResponseWriter, r *http.Request) {
	c.send(w, r, pending{State: rand.Text(), Verifier: oauth2.GenerateVerifier()})
}

func (c *demoClient) send(w http.ResponseWriter, r *http.Request, request pending) {
	request.remember(w, c.base)
	http.Redirect(w, r, c.address(request), http.StatusSeeOther)
}

func (c *demoClient) address(request pending) string {
	config, options := c.config, []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(request.Verifier)}
	if request.Nonce != "" {
		config.Scopes = append([]string{"openid", "profile"}, config.Scopes...)
		options = append(options, oidc.Nonce(request.Nonce))
	}
	return config.AuthCodeURL(request.State, options...)
}

// callback gets the server's answer. An answer that this browser did not ask
// for changes nothing: it may belong to someone else (RFC 6749, section 10.12),
// or be a used one to which the user went back.
func (c *demoClient) callback(w http.ResponseWriter, r *http.Request) {
	query, known, request := r.URL.Query(), c.load(r.Context()), pendingIn(r, c.base)
	switch {
	case request.State == "" || query.Get("state") != request.State:
		c.show(w, r, known, "client.unasked")
		return
	case query.Get("iss") != c.base: // RFC 9207
		c.show(w, r, known, "client.mixup")
		return
	}
	request.forget(w, c.base)
	known.add(exchange{Title: "step.redirect",
		Request: cut("303 See Other\nLocation: " + breakQuery(c.address(request)))})
	answer := exchange{Title: "step.answer", Request: cut("GET " + breakQuery(r.URL.RequestURI()))}
	if query.Has("error") {
		answer.Title = "step.refusal"
	}
	known.add(answer)
	switch query.Get("error") {
	case "":
		c.show(w, r, known, c.exchange(r.Context(), known, query.Get("code"), request))
	case "access_denied":
		known.Standing = standingDenied
		c.show(w, r, known, "client.denied")
	default:
		known.Standing = standingUnclear
		c.show(w, r, known, "client.failed")
	}
}

// exchange redeems a code for tokens, and uses them. Nobody is signed in to the
// client before it has checked who it is.
func (c *demoClient) exchange(
	ctx context.Context, known *connection, code string, request pending,
) (notice string) {
	token, err := c.config.Exchange(c.watched(ctx, known, "step.token"), code,
		oauth2.VerifierOption(request.Verifier))
	var who *identity
	if err == nil && request.Nonce != "" {
		who, err = c.identify(ctx, known, token, request.Nonce)
	}
	if err == nil {
		err = c.sessions.RenewToken(ctx) // someone else may have prepared this session
	}
	if err != nil {
		return known.failed(err)
	}
	known.Token, known.Who = token, who
	notice = c.callAPI(ctx, known)
	if who != nil && known.Standing == standingGood {
		return "client.signedin"
	}
	return notice
}

// step returns a handler that calls do and shows the page again, with the
// notice that do returns.
func (c *demoClient) step(do func(context.Context, *connection) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		known, notice := c.load(r.Context()), "client.unconnected"
		if known.Token != nil {
			notice = do(r.Context(), known)
		}
		c.show(w, r, known, notice)
	}
}

// watched returns a context in which the requests of the client are shown under
// title.
func (c *demoClient) watched(ctx context.Context, known *connection, title string) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, watched(c.transport, title, known.add))
}

// callAPI uses the access token.
func (c *demoClient) callAPI(ctx context.Context, known *connection) (notice string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/user/authenticate", nil)
	if err != nil {
		return known.failed(err)
	}
	known.Token.SetAuthHeader(request)
	response, err := watched(c.transport, "step.api", known.add).Do(request)
	if err != nil {
		return known.failed(err)
	}
	response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		known.Standing = standingGood
		return "client.answered"
	case http.StatusUnauthorized:
		known.Standing = standingRefused
		return "client.unauthorized"
	}
	known.Standing = standingUnclear
	return "client.failed"
}

// refresh gets a new pair of tokens for the refresh token, which works once.
func (c *demoClient) refresh(ctx context.Context, known *connection) (notice string) {
	ctx = c.watched(ctx, known, "step.refresh")
	token, err := c.config.TokenSource(ctx, &oauth2.Token{RefreshToken: known.Token.RefreshToken}).Token()
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		known.Token = nil
		return "client.ended"
	case err != nil:
		return known.failed(err)
	}
	known.Token, known.Standing = token, standingGood
	return "client.refreshed"
}

// disconnect revokes the grant: no token of it works after that (RFC 7009). It
// calls the API once more to show that.
func (c *demoClient) disconnect(ctx context.Context, known *connection) (notice string) {
	form := url.Values{"token": {known.Token.RefreshToken}, "token_type_hint": {"refresh_token"}}
	body := strings.NewReader(form.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/user/revoke", body)
	if err != nil {
		return known.failed(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(c.config.ClientID, c.config.ClientSecret)
	response, err := watched(c.transport, "step.revoke", known.add).Do(request)
	if err != nil {
		return known.failed(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		known.Standing = standingUnclear
		return "client.failed"
	}
	c.callAPI(ctx, known)
	known.Token = nil
	return "client.disconnected"
}

// failed returns the notice for a step that failed. The cause is in the last
// answer shown.
func (known *connection) failed(err error) (notice string) {
	slog.Info("the demo client", "error", err)
	known.Standing = standingUnclear
	return "client.failed"
}
