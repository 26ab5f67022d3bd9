// This file answers authorization requests: it checks the request, finds out
// what the user wants, and sends the browser back to the client.

package oauth2server

import (
	"context"
	"net/http"
)

// Authorize returns the authorization endpoint (RFC 6749, section 3.1), for GET
// and POST. HEAD is answered like GET, but nobody is asked and nothing is
// granted.
//
// A request with an unknown client, or with a redirection URI that is not the
// client's, gets an error page and is never redirected. Other errors go to the
// client by redirect.
//
// If page is not nil, it decides: it gets each valid request, with r.PostForm
// filled, and ends with what the owner wants; see [AuthorizationRequest].
//
// If page is nil, [Options.AuthenticateUser] returns the user; if that is nil
// too, username and password are read from the body of a POST
// ([PasswordModel]). The user who is signed in approves, unless the parameter
// allowed is "false". As nobody is asked, public clients get access_denied; see
// [Options.InsecureApprovePublicClients].
//
// A POST from another origin is refused with 403, as it could sign somebody in
// or approve in the owner's name. So a form must come from the host that it is
// sent to, or from one of [Options.TrustedOrigins].
//
// Authorize panics if it could never grant anything: if neither the
// authorization code grant nor the implicit grant is enabled, or if there is no
// way to sign in.
//
// The answer is a redirect with a short body. A request that accepts
// application/json, as a page's script sends it, gets 200 and the location as a
// value instead: {"location": "https://client.example/callback?code=..."}.
func (s *Server) Authorize(page http.Handler) http.Handler {
	if fault := s.cannotAuthorize(page); fault != nil {
		panic(cannotWork("Authorize", fault))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, refused := s.authorizationRequest(r)
		if refused != nil {
			s.showError(w, r, request.event(), refused)
			return
		}
		// From here on the client and its redirection URI are proven, so it is
		// the client that is told of errors. RFC 6749, section 4.1.2.1.
		if refused := request.checkClient(); refused != nil {
			request.refuse(w, r, refused)
			return
		}
		switch {
		case r.Method == http.MethodHead:
			request.answerHead(w, r)
		case page == nil:
			s.authorizeUser(w, r, request)
		default:
			s.askPage(w, r, request, page)
		}
	})
}

// cannotAuthorize returns what the endpoint lacks to work; nil if nothing.
func (s *Server) cannotAuthorize(page http.Handler) *Error {
	switch {
	case s.grants["authorization_code"] == nil && !s.implicit:
		return misuse("neither authorization_code nor implicit is enabled")
	case page == nil && s.options.AuthenticateUser == nil && s.can.users == nil:
		return misuse("nobody can sign in: there is no page, no Options.AuthenticateUser and no GetUser")
	}
	return nil
}

// askPage lets the page answer a valid request.
func (s *Server) askPage(
	w http.ResponseWriter, r *http.Request, request *authorization, page http.Handler,
) {
	var refused *Error
	if s.options.AuthenticateUser != nil {
		if request.User, refused = s.signedIn(r); refused != nil {
			request.refuseUser(w, r, refused)
			return
		}
	}
	if _, refused = request.check(r.Context(), nil); refused != nil {
		request.refuse(w, r, refused)
		return
	}
	protectPage(w.Header())
	ctx := context.WithValue(r.Context(), authorizationRequestKey, &request.AuthorizationRequest)
	page.ServeHTTP(w, r.WithContext(ctx))
}

// authorizeUser answers without a page: the user who is signed in approves.
func (s *Server) authorizeUser(
	w http.ResponseWriter, r *http.Request, request *authorization,
) {
	if request.mustAsk() {
		request.refuse(w, r, consentNeeded())
		return
	}
	identify := s.signedIn
	if s.options.AuthenticateUser == nil {
		identify = request.signIn
	}
	user, refused := identify(r)
	if refused == nil && user == nil {
		refused = nobodySignedIn("user_unknown")
	}
	if refused != nil {
		request.refuseUser(w, r, refused)
		return
	}
	granted, refused := request.check(r.Context(), user)
	switch {
	case refused != nil && refused.Code == AccessDenied: // the owner said no
		request.refuseDecided(w, r, refused)
		return
	case refused != nil:
		request.refuse(w, r, refused)
		return
	}
	request.answer(w, r, &Approval{User: user, Scope: granted})
}

// signedIn returns the user who is signed in with the program; nil if nobody
// is.
func (s *Server) signedIn(r *http.Request) (*User, *Error) {
	user, err := s.options.AuthenticateUser(r)
	return foundUser("AuthenticateUser", user, err, func() *Error { return nil })
}

// signIn checks the username and the password in the body. It returns nil if
// one of them is missing or malformed.
func (q *authorization) signIn(r *http.Request) (*User, *Error) {
	if r.Method == http.MethodPost && !isForm(r) {
		return nil, wrongContent(r)
	}
	sent := form{body: q.sent.body} // a password must not come in a URL
	if refused := sent.repeated([]string{"username", "password"}); refused != nil {
		return nil, refused
	}
	username, password := sent.get("username"), sent.get("password")
	if refused := checkUserCredentials(username, password); refused != nil {
		return nil, nil
	}
	wrong := func() *Error { return nobodySignedIn("user_credentials") }
	return q.server.tryPassword(r, q.Client, username, password, wrong)
}

func nobodySignedIn(reason string) *Error {
	return refusal(AccessDenied, reason, "Access denied: nobody is signed in")
}

// answerHead answers with the header of a page, for programs that check links.
func (q *authorization) answerHead(w http.ResponseWriter, r *http.Request) {
	if _, refused := q.check(r.Context(), nil); refused != nil {
		q.refuse(w, r, refused)
		return
	}
	protectPage(w.Header())
	w.WriteHeader(http.StatusOK)
}
