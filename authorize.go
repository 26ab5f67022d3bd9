package oauth2server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Authorize returns the authorization endpoint (RFC 6749, section 3.1), for GET and POST.
// HEAD is answered as GET would be, but asks nobody and grants nothing.
//
// A request with an unknown client, or whose redirection URI is not the client's, is answered with an error page and
// never redirected. Other errors go to the client by redirect.
//
// With page, the page decides: it gets each good request, r.PostForm filled, and says what the owner wants.
//
// Without page, [Options.AuthenticateUser] says who the user is; if that is nil, username and password are taken from
// the body of a POST ([PasswordModel]). Whoever is signed in approves, unless the parameter allowed is "false".
// As that asks nobody, public clients get access_denied; see [Options.InsecureApprovePublicClients].
//
// A POST from another origin is refused with 403: it could sign somebody in or approve in the owner's name. So a form
// has to come from the host that it is sent to, or from one of [Options.TrustedOrigins].
//
// The answer is a redirect with a short body. A request that accepts
// application/json, as a page's script sends it, gets 200 and the location as a
// value instead: {"location": "https://client.example/callback?code=..."}.
func (s *Server) Authorize(page http.Handler) http.Handler {
	if fault := s.cannotAuthorize(page); fault != nil {
		s.options.Logger.Error("oauth2server: Authorize cannot work", "error", fault)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.showError(w, r, Event{Endpoint: "authorize"}, fault) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, refused := s.authorizationRequest(r)
		if refused != nil {
			s.showError(w, r, request.event(), refused)
			return
		}
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

// cannotAuthorize says what the program lacks.
func (s *Server) cannotAuthorize(page http.Handler) *Error {
	switch {
	case s.grants["authorization_code"] == nil && !s.implicit:
		return misuse("neither authorization_code nor implicit is enabled")
	case page == nil && s.options.AuthenticateUser == nil && s.can.users == nil:
		return misuse("nobody can sign in: there is no page, no Options.AuthenticateUser and no GetUser")
	}
	return nil
}

// trustOrigins prepares the check of where forms come from.
func (s *Server) trustOrigins() (wrong []error) {
	s.crossOrigin = http.NewCrossOriginProtection()
	for _, origin := range s.options.TrustedOrigins {
		err := checkAuthority(authorityOf(origin))
		if err == nil {
			err = s.crossOrigin.AddTrustedOrigin(asBrowsersWrite(origin))
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("option TrustedOrigins: %q: %w", origin, err))
		}
	}
	if issuer, err := url.Parse(s.options.Issuer); err == nil && issuer.Host != "" {
		s.crossOrigin.AddTrustedOrigin(asBrowsersWrite(issuer.Scheme + "://" + issuer.Host)) // New looks at Issuer
	}
	return wrong
}

// asBrowsersWrite returns an origin in lower case and without the default port
// of its scheme (RFC 6454, section 4).
func asBrowsersWrite(origin string) string {
	origin = strings.ToLower(origin)
	scheme, _, _ := strings.Cut(origin, ":")
	return strings.TrimSuffix(origin, map[string]string{"https": ":443", "http": ":80"}[scheme])
}

// checkOrigin refuses a form that comes from another origin. Origin leaves out
// the default port, which Host may have.
func (s *Server) checkOrigin(r *http.Request) *Error {
	err := s.crossOrigin.Check(r)
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	if err == nil || site == "" && r.Host != "" && (origin+":443" == "https://"+r.Host || origin+":80" == "http://"+r.Host) {
		return nil
	}
	return &Error{Code: AccessDenied, Description: "Access denied: the form came from another origin",
		Status: http.StatusForbidden, Err: err, reason: "cross_origin",
		sent: []slog.Attr{sentText("origin", origin), sentText("host", r.Host), sentText("sec_fetch_site", site)}}
}

// authorizationRequest reads and proves what an answer depends on: the client and the redirection URI. With a refusal
// it returns who asked, if that was found out.
func (s *Server) authorizationRequest(r *http.Request) (*AuthorizationRequest, *Error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodHead {
		return nil, wrongMethod("GET, HEAD, POST")
	}
	if refused := s.checkOrigin(r); refused != nil {
		return nil, refused
	}
	began := beginNow()
	sent := &struct { // one piece of memory for both; see AuthorizationRequest.form
		request AuthorizationRequest
		form    form
	}{}
	f := &sent.form
	if refused := s.readAuthorization(r, f); refused != nil {
		return nil, refused
	}
	id, named := f.get("client_id"), f.get("redirect_uri")
	switch {
	case id == "" && !f.repeats("client_id") && r.Method == http.MethodPost && !isForm(r) && r.ContentLength != 0:
		return nil, wrongContent(r) // it may be there
	case f.repeats("client_id") || f.repeats("redirect_uri"):
		return nil, refusal(InvalidRequest, "parameter_repeated", "Repeated parameter: `client_id` or `redirect_uri`")
	case id == "":
		return nil, missing("client_id")
	case !isVSCHAR(id):
		return nil, invalid("client_id")
	}
	if named != "" {
		if refused := s.refuseTarget(named); refused != nil {
			return nil, refused
		}
	}
	client, err := s.can.model.GetClient(r.Context(), id, "")
	unknown := func() *Error { return unknownClient(id) }
	if refused := found("GetClient", client, err, unknown); refused != nil {
		return nil, refused
	}
	if client.ID != id {
		return nil, unknown() // the storage ignores case
	}
	q := &sent.request
	q.Client, q.ResponseType, q.State, q.server, q.form, q.began = client, f.get("response_type"), f.get("state"), s, f, began
	var refused *Error
	q.RedirectURI, refused = s.redirectURI(r.Context(), client, named)
	return q, refused
}

func unknownClient(id string) *Error {
	return &Error{Code: InvalidClient, Description: "Invalid client: `client_id` names no client that is known here",
		reason: "client_unknown", sent: []slog.Attr{sentText("client_id", id)}}
}

// readAuthorization reads the query and, if there is one, the urlencoded body into f.
func (s *Server) readAuthorization(r *http.Request, f *form) (refused *Error) {
	if int64(len(r.URL.RawQuery)) > s.options.MaxFormBytes {
		return tooLarge()
	}
	if f.query, refused = parseForm(r.URL.RawQuery); refused != nil {
		return refused
	}
	if r.Method != http.MethodPost {
		return nil
	}
	switch sent := mediaType(r.Header.Get("Content-Type")); {
	case sent == "multipart/form-data" || sent == "text/plain":
		return wrongContent(r) // a form whose fields would be missing; other types are for the page to read
	case isForm(r):
		if f.body, refused = readBody(r, s.options.MaxFormBytes); refused == nil && r.PostForm == nil {
			r.PostForm = f.body.byName() // for the page
		}
	}
	return refused
}

// answerHead answers with the header of a page, for programs that check links:
// nobody is asked, and nothing is granted.
func (q *AuthorizationRequest) answerHead(w http.ResponseWriter, r *http.Request) {
	if _, refused := q.check(r.Context(), nil); refused != nil {
		q.refuse(w, r, refused)
		return
	}
	protectPage(w.Header())
	w.WriteHeader(http.StatusOK)
}

// askPage lets the page decide.
func (s *Server) askPage(w http.ResponseWriter, r *http.Request, request *AuthorizationRequest, page http.Handler) {
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
	page.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), authorizationRequestKey, request)))
}

// authorizeUser decides without a page: whoever is signed in approves.
func (s *Server) authorizeUser(w http.ResponseWriter, r *http.Request, request *AuthorizationRequest) {
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
	if refused != nil {
		request.refuse(w, r, refused)
		return
	}
	request.answer(w, r, user, granted)
}

// mustAsk says that the owner cannot approve without being asked: anybody can pose as a public client, so only the
// owner can tell. RFC 6749, section 10.2; RFC 8252, section 8.6.
func (q *AuthorizationRequest) mustAsk() bool {
	return q.Client.Public && !q.server.options.InsecureApprovePublicClients
}

func consentNeeded() *Error {
	return refusal(AccessDenied, "consent_needed", "Access denied: a public client needs the consent of the user")
}

// signedIn asks the program who is signed in; nil when nobody is.
func (s *Server) signedIn(r *http.Request) (*User, *Error) {
	user, err := s.options.AuthenticateUser(r)
	return foundUser("AuthenticateUser", user, err, func() *Error { return nil })
}

// signIn takes username and password from the body; nil when one is missing.
func (q *AuthorizationRequest) signIn(r *http.Request) (*User, *Error) {
	if r.Method == http.MethodPost && !isForm(r) {
		return nil, wrongContent(r)
	}
	sent := form{body: q.form.body}
	if refused := sent.repeated([]string{"username", "password"}); refused != nil {
		return nil, refused
	}
	username, password := sent.get("username"), sent.get("password")
	if refused := checkUserCredentials(username, password); refused != nil {
		return nil, nil
	}
	return q.server.tryPassword(r, q.Client, username, password, func() *Error { return nobodySignedIn("user_credentials") })
}

func nobodySignedIn(reason string) *Error {
	return refusal(AccessDenied, reason, "Access denied: nobody is signed in")
}

// checkClient looks at what must be right before anybody is asked.
func (q *AuthorizationRequest) checkClient() *Error {
	if refused := q.form.repeated(authorizationParameters); refused != nil {
		return refused
	}
	grant := "authorization_code"
	switch {
	case q.implicit():
		grant = "implicit"
	case q.ResponseType != "code":
		return nil // check tells what is wrong with it
	}
	mayNot := q.Client.Public && !slices.Contains(q.server.options.PublicClientGrants, grant)
	if mayNot || !slices.Contains(q.Client.Grants, grant) {
		return &Error{Code: UnauthorizedClient, Description: "Unauthorized client: it may not use this `response_type`",
			reason: "grant_unauthorized", Err: fmt.Errorf("the client needs the grant %s", grant)}
	}
	return nil
}

// implicit says whether the answer is a token, in the fragment.
func (q *AuthorizationRequest) implicit() bool { return q.ResponseType == "token" && q.server.implicit }

// check looks at the rest, in the order of node-oauth2-server: state, denial, scope, response type, challenge.
// owner is who approves; then the result is the scope that he grants. Nil: a page will find out.
func (q *AuthorizationRequest) check(ctx context.Context, owner *User) (granted Scope, refused *Error) {
	challenge := q.form.get("code_challenge")
	method := challengeMethod(challenge, q.form.get("code_challenge_method"))
	switch {
	case q.State == "" && !q.server.options.AllowEmptyState && (method != methodS256 || challenge == "" || q.implicit()):
		// With S256 the challenge is what binds the answer to the client's session. RFC 9700, section 4.7.1.
		return nil, missing("state")
	case q.State != "" && !isVSCHAR(q.State):
		return nil, invalid("state")
	case owner != nil && q.form.get("allowed") == "false":
		return nil, denied("")
	}
	if q.Scope, refused = askedScope(q.form); refused != nil {
		return nil, refused
	}
	if owner != nil {
		granted, refused = q.server.validateScope(ctx, owner, q.Client, q.Scope)
	} else if !q.Client.allows(q.Scope) {
		refused = beyondClient(q.Client, q.Scope)
	}
	if refused != nil {
		return nil, refused
	}
	switch {
	case q.ResponseType == "":
		return nil, missing("response_type")
	case q.ResponseType != "code" && !q.implicit(), q.ResponseType == "code" && q.server.grants["authorization_code"] == nil:
		return nil, refusal(UnsupportedResponseType, "response_type", "Unsupported response type: `response_type` is not supported")
	}
	if refused = q.checkResponseMode(); refused != nil || q.implicit() {
		return granted, refused
	}
	return granted, q.server.checkChallenge(q.Client, challenge, method)
}

// checkResponseMode refuses what would leave the answer where the client does
// not look, or a token in the query (OAuth 2.0 Multiple Response Types, section 5).
func (q *AuthorizationRequest) checkResponseMode() *Error {
	switch mode := q.form.get("response_mode"); {
	case mode == "" || mode == "fragment", mode == "query" && !q.implicit():
		return nil
	case mode == "query":
		return refusal(InvalidRequest, "response_mode", "Invalid request: `response_mode` must be fragment, as the answer is a token")
	}
	return refusal(InvalidRequest, "response_mode", "Invalid request: `response_mode` must be query or fragment")
}

// inFragment reports whether the answer goes into the fragment of the redirection
// URI, and not into its query.
func (q *AuthorizationRequest) inFragment() bool {
	return q.implicit() || q.form.get("response_mode") == "fragment"
}

func denied(why string) *Error {
	if why == "" {
		why = "user denied access to application"
	}
	return refusal(AccessDenied, "denied", "Access denied: "+why)
}
