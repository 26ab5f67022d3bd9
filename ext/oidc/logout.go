// This file signs users out at the request of a client.

package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server"
)

// LogoutRequest is a request of a client to sign a user out (OpenID Connect
// RP-Initiated Logout 1.0). A page gets it from [LogoutRequestFromContext]. The
// page shows a question unless Confirmed is set; then it ends its own session
// and calls [LogoutRequest.Done].
type LogoutRequest struct {
	// Client is the client that asks; nil if the request does not say.
	Client *oauth2server.Client

	// Confirmed means that no question is needed: the client showed an ID token
	// of this very session, if the page told it by
	// [oauth2server.Authentication.Session], or the user posted the page's form.
	Confirmed bool

	// UILocales is what the client prefers, best first.
	UILocales []string

	target string // where the user goes afterwards; empty: nowhere
}

// Confirm is the field by which the page's form confirms: a POST with any value
// of it but an empty one, from the page's own origin, to the URL of the
// request.
const Confirm = "confirm_logout"

type logoutKey struct{}

// LogoutRequestFromContext returns the request that a page of
// [Provider.EndSession] has to answer; nil elsewhere.
func LogoutRequestFromContext(ctx context.Context) *LogoutRequest {
	request, _ := ctx.Value(logoutKey{}).(*LogoutRequest)
	return request
}

// EndSession returns the logout endpoint (OpenID Connect RP-Initiated Logout
// 1.0, section 2), for GET and POST. page asks the user and ends the program's
// session. Tokens stay valid: to end them, the program calls RevokeUserClient
// or RevokeUser of its model.
func (p *Provider) EndSession(page http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD, POST")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxLogoutForm)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "The request is malformed.", http.StatusBadRequest)
			return
		}
		request, ok := p.logoutRequest(w, r)
		if !ok {
			return
		}
		if r.Method == http.MethodPost && r.PostForm.Get(Confirm) != "" && protection.Check(r) == nil {
			request.Confirmed = true
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Referrer-Policy", "same-origin")
		page.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), logoutKey{}, request)))
	})
}

// maxLogoutForm bounds the body of a logout request, in bytes.
const maxLogoutForm = 64 << 10

// logoutRequest reads a request. With a bad hint or an unknown client, the
// request has no Client: the page asks the user, and Done sends them nowhere.
func (p *Provider) logoutRequest(w http.ResponseWriter, r *http.Request) (*LogoutRequest, bool) {
	ctx, form := r.Context(), func(name string) string {
		if values := r.Form[name]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	request := &LogoutRequest{UILocales: strings.Fields(form("ui_locales"))}
	clientID, sameSession := form("client_id"), false
	if text := form("id_token_hint"); text != "" {
		hint, err := p.readHint(ctx, text)
		switch {
		case err != nil, clientID != "" && !slices.Contains(hint.Audience, clientID), len(hint.Audience) != 1:
			return request, true
		}
		clientID = hint.Audience[0]
		session := ""
		if p.options.Session != nil {
			session = p.options.Session(r)
		}
		sameSession = session != "" && sessionFor(clientID, session) == hint.Session
	}
	if clientID == "" {
		return request, true
	}
	client, err := p.server.Client(ctx, clientID)
	if err != nil {
		if !errors.Is(err, oauth2server.ErrNotFound) {
			http.Error(w, "We cannot answer at the moment.", http.StatusServiceUnavailable)
			return nil, false
		}
		return request, true
	}
	request.Client, request.Confirmed = client, sameSession
	target := form("post_logout_redirect_uri")
	if target != "" && p.options.PostLogoutRedirectURIs != nil &&
		slices.Contains(p.options.PostLogoutRedirectURIs(client), target) {
		request.target = withState(target, form("state"))
	}
	return request, true
}

// withState returns a URI with the state added to its query.
func withState(target, state string) string {
	if state == "" {
		return target
	}
	separator := "?"
	if u, err := url.Parse(target); err == nil && u.RawQuery != "" {
		separator = "&"
	}
	return target + separator + url.Values{"state": {state}}.Encode()
}

// Done sends the user where the client wants them, if that is registered, and
// reports whether it did. If not, the page says that the user is signed out.
func (q *LogoutRequest) Done(w http.ResponseWriter, r *http.Request) bool {
	if q.target == "" {
		return false
	}
	http.Redirect(w, r, q.target, http.StatusSeeOther)
	return true
}
