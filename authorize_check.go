// This file reads authorization requests and checks them.

package oauth2server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// authorization is an authorization request while the server answers it.
type authorization struct {
	AuthorizationRequest
	server  *Server
	began   beginning
	sent    posted // what was sent; an extension may have put another form in its place
	decided atomic.Bool
	parts   [3]parameter // room for an answer: code, state and iss

	resolver RequestResolver             // the extension that did
	spend    func(context.Context) error // that request; nil: it can be used again
}

// authorizationRequest reads a request and checks what an answer depends on:
// the client and the redirection URI. With a refusal it returns the request if
// the client is known, for the event.
func (s *Server) authorizationRequest(r *http.Request) (*authorization, *Error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodHead {
		return nil, wrongMethod("GET, HEAD, POST")
	}
	if refused := s.checkOrigin(r); refused != nil {
		return nil, refused
	}
	q := &authorization{server: s, began: beginNow()}
	q.by, q.form = q, &q.sent.form
	if refused := s.readAuthorization(r, &q.sent); refused != nil {
		return nil, refused
	}
	id := q.sent.get("client_id")
	switch {
	case id == "" && !q.sent.repeats("client_id") &&
		r.Method == http.MethodPost && !isForm(r) && r.ContentLength != 0:
		return nil, wrongContent(r) // client_id may be in this body
	case q.sent.repeats("client_id"):
		return nil, repeatedTarget()
	case id == "":
		return nil, missing("client_id")
	case !grammar.IsVSCHAR(id):
		return nil, invalid("client_id")
	}
	if len(s.ext.resolvers) == 0 {
		if refused := q.checkTarget(); refused != nil {
			return nil, refused
		}
	}
	client, err := s.getClient(r.Context(), id, "")
	unknown := func() *Error { return unknownClient(id) }
	if refused := found("GetClient", client, err, unknown); refused != nil {
		return nil, refused
	}
	if client.ID != id {
		return nil, unknown() // the storage found another ID, as it ignores case
	}
	return q, q.of(r.Context(), client)
}

// of completes a request of a client: what it asks for, and where the answer
// goes.
func (q *authorization) of(ctx context.Context, client *Client) (refused *Error) {
	q.Client = client
	if len(q.server.ext.resolvers) > 0 {
		if refused = q.resolve(ctx); refused == nil {
			refused = q.checkTarget()
		}
		if refused != nil {
			return refused
		}
	}
	q.ResponseType, q.State = q.form.get("response_type"), q.form.get("state")
	q.RedirectURI, refused = q.server.redirectURI(ctx, client, q.form.get("redirect_uri"))
	return refused
}

// checkTarget refuses a redirection URI that no client may have.
func (q *authorization) checkTarget() *Error {
	named := q.form.get("redirect_uri")
	switch {
	case q.form.repeats("redirect_uri"):
		return repeatedTarget()
	case named != "":
		return q.server.refuseTarget(named)
	}
	return nil
}

func repeatedTarget() *Error {
	return refusal(InvalidRequest, "parameter_repeated",
		"Repeated parameter: `client_id` or `redirect_uri`")
}

// resolve lets an extension put other parameters in the place of those that
// were sent. What the owner fills in stays in sent.
func (q *authorization) resolve(ctx context.Context) *Error {
	if refused := q.sent.repeated(q.server.resolverParameters); refused != nil {
		return refused
	}
	for _, e := range q.server.ext.resolvers {
		resolved, err := e.ResolveRequest(ctx, q.Client, q.sent.get)
		switch {
		case err != nil:
			return refusedBy(e, "ResolveRequest", err,
				refusal(InvalidRequest, "request_unknown", "Invalid request: there is no such request"))
		case resolved == nil:
			continue
		case q.resolver != nil:
			return refusal(InvalidRequest, "request_twice",
				"Invalid request: two parameters name another request")
		}
		q.resolver, q.spend = e, resolved.Spend
		q.form = &form{query: parametersOf(resolved.Parameters)}
		if id := q.form.get("client_id"); id != "" && id != q.Client.ID || q.form.repeats("client_id") {
			return refusal(InvalidRequest, "request_of_another_client",
				"Invalid request: the request is of another client")
		}
	}
	if q.resolver != nil { // the owner's decision stays in what was sent
		return q.sent.repeated([]string{"allowed"})
	}
	return nil
}

func unknownClient(id string) *Error {
	return &Error{
		Code:        InvalidClient,
		Description: "Invalid client: `client_id` names no client that is known here",
		reason:      "client_unknown",
		sent:        []slog.Attr{sentText("client_id", id)},
	}
}

// readAuthorization reads the query and, if there is one, the urlencoded body
// into f.
func (s *Server) readAuthorization(r *http.Request, f *posted) (refused *Error) {
	if int64(len(r.URL.RawQuery)) > s.options.MaxFormBytes {
		return tooLarge()
	}
	if f.query, refused = parseForm(r.URL.RawQuery, f.space[:]); refused != nil {
		return refused
	}
	if r.Method != http.MethodPost {
		return nil
	}
	switch sent := mediaType(r.Header.Get("Content-Type")); {
	case sent == "multipart/form-data" || sent == "text/plain":
		// The fields of such a form would be missing. Other types are for the
		// page to read.
		return wrongContent(r)
	case isForm(r):
		if refused = f.readBody(r, s.options.MaxFormBytes); refused == nil && r.PostForm == nil {
			r.PostForm = f.body.byName() // for the page
		}
	}
	return refused
}

// checkClient checks what must be right before anybody is asked: no parameter
// repeats, and the client may use the grant.
func (q *authorization) checkClient() *Error {
	if refused := q.form.repeated(q.server.authorizationParameters); refused != nil {
		return refused
	}
	if q.Client.SelfAsserted && len(q.server.resources) == 0 {
		return refusal(UnauthorizedClient, "client_self_asserted",
			"Unauthorized client: it registered itself, and there is no resource that it could have tokens for")
	}
	grant := "authorization_code"
	switch {
	case q.implicit():
		grant = "implicit"
	case q.ResponseType != "code":
		return nil // check refuses it, after other mistakes
	}
	mayNot := q.Client.Public && !slices.Contains(q.server.options.PublicClientGrants, grant)
	if mayNot || !slices.Contains(q.Client.Grants, grant) {
		return &Error{
			Code:        UnauthorizedClient,
			Description: "Unauthorized client: it may not use this `response_type`",
			reason:      "grant_unauthorized",
			Err:         fmt.Errorf("the client needs the grant %s", grant),
		}
	}
	return nil
}

// check checks the rest, in the order of node-oauth2-server: state, denial,
// scope, response type, challenge. owner is the user who approves, and granted
// the scope that they grant. A nil owner means that a page will ask: then the
// scope is only compared with the client's.
func (q *authorization) check(
	ctx context.Context, owner *User,
) (granted Scope, refused *Error) {
	challenge := q.form.get("code_challenge")
	method := challengeMethod(challenge, q.form.get("code_challenge_method"))
	// With S256 the challenge binds the answer to the client's session, so it
	// needs no state. RFC 9700, section 4.7.1.
	bound := method == methodS256 && challenge != "" && !q.implicit()
	switch {
	case q.State == "" && !q.server.options.AllowEmptyState && !bound:
		return nil, missing("state")
	case q.State != "" && !grammar.IsVSCHAR(q.State):
		return nil, invalid("state")
	case owner != nil && q.sent.get("allowed") == "false":
		return nil, denied("")
	}
	if q.Resource, refused = q.server.resources.named(q.Params("resource")); refused != nil {
		return nil, refused
	}
	if q.Resource == "" && q.Client.SelfAsserted {
		q.Resource = q.server.resources[0].URL // checkClient saw that there is one
	}
	if q.Scope, refused = askedScope(q.form); refused != nil {
		return nil, refused
	}
	q.Scope = q.server.scopeAt(q.Resource, q.Scope)
	if owner != nil {
		granted, refused = q.server.validateScope(ctx, owner, q.Client, q.Scope)
	} else if !q.Client.allows(q.Scope) {
		refused = beyondClient(q.Client, q.Scope)
	}
	if refused != nil {
		return nil, refused
	}
	code := q.ResponseType == "code" && q.server.grants["authorization_code"] != nil
	switch {
	case q.ResponseType == "":
		return nil, missing("response_type")
	case !code && !q.implicit():
		return nil, refusal(UnsupportedResponseType, "response_type",
			"Unsupported response type: `response_type` is not supported")
	}
	if refused = q.checkResponseMode(); refused == nil && !q.implicit() {
		refused = q.server.checkChallenge(q.Client, challenge, method)
	}
	if refused != nil {
		return granted, refused
	}
	for _, e := range q.server.ext.authorization {
		if err := e.CheckAuthorization(ctx, q.shown()); err != nil {
			return granted, refusedBy(e, "CheckAuthorization", err, invalidByExtension())
		}
	}
	return granted, nil
}

// shown returns a copy for an extension, so that it cannot change where the
// answer goes or what is granted.
func (q *authorization) shown() *AuthorizationRequest {
	shown, client := q.AuthorizationRequest, *q.Client
	shown.Client, shown.Scope = &client, slices.Clone(q.Scope)
	return &shown
}

func invalidByExtension() *Error {
	return refusal(InvalidRequest, "extension_refused", "Invalid request: a parameter is invalid")
}

// checkResponseMode refuses a mode that would put the answer where the client
// does not look, or a token into the query (OAuth 2.0 Multiple Response Types,
// section 5).
func (q *authorization) checkResponseMode() *Error {
	switch mode := q.form.get("response_mode"); {
	case mode == "" || mode == "fragment", mode == "query" && !q.implicit(), q.mode() != nil:
		return nil
	case mode == "query":
		return refusal(InvalidRequest, "response_mode",
			"Invalid request: `response_mode` must be fragment, as the answer is a token")
	}
	return refusal(InvalidRequest, "response_mode",
		"Invalid request: `response_mode` must be query or fragment")
}

// mode returns the extension that sends the answer; nil if the server does.
func (q *authorization) mode() ResponseMode {
	if len(q.server.ext.modes) == 0 {
		return nil
	}
	mode := q.form.get("response_mode")
	for _, e := range q.server.ext.modes {
		if slices.Contains(e.ResponseModes(), mode) {
			return e
		}
	}
	return nil
}

// inFragment reports whether the answer goes into the fragment of the
// redirection URI rather than into its query.
func (q *authorization) inFragment() bool {
	return q.implicit() || q.form.get("response_mode") == "fragment"
}

// implicit reports whether the answer is an access token, in the fragment.
func (q *authorization) implicit() bool {
	return q.ResponseType == "token" && q.server.implicit
}

// mustAsk reports whether the owner must be asked each time: anybody can pose
// as a public client, or have what a self-asserted one has, and only the owner
// can tell. RFC 6749, section 10.2; RFC 8252, section 8.6.
func (q *authorization) mustAsk() bool {
	return q.Client.SelfAsserted || q.Client.Public && !q.server.options.InsecureApprovePublicClients
}

func consentNeeded() *Error {
	return refusal(AccessDenied, "consent_needed",
		"Access denied: a public client needs the consent of the user")
}

func denied(why string) *Error {
	if why == "" {
		why = "user denied access to application"
	}
	return refusal(AccessDenied, "denied", "Access denied: "+why)
}

// event returns what is known of the request before it is answered. q may be
// nil.
func (q *authorization) event() Event {
	if q == nil {
		return Event{Endpoint: EndpointAuthorize}
	}
	return Event{Endpoint: EndpointAuthorize, ClientID: q.Client.ID, UserID: q.User.id()}
}
