// This file authenticates requests to the program's API by their bearer token.

package oauth2server

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// Authenticate returns a middleware that passes requests whose bearer token is
// valid for all of scope (RFC 6750). The next handler gets the token from
// [TokenFromContext] and its user from [UserFromContext]. Without scope, any
// valid token will do. An element of scope may hold several scope tokens,
// separated by spaces. Authenticate panics if an element is malformed or empty,
// or if the model is no [AccessTokenModel].
func (s *ResourceServer) Authenticate(scope ...string) func(http.Handler) http.Handler {
	required, mistake := requiredScope(scope)
	if mistake == nil && s.tokens == nil {
		mistake = misuse("the model has no GetAccessToken")
	}
	if mistake != nil {
		panic(cannotWork("Authenticate", mistake))
	}
	return s.middleware(need{fixed: required})
}

// AuthenticateBy is [ResourceServer.Authenticate] for requests that need
// different scopes: required returns what a request needs, as the arguments of
// Authenticate. It is called when the token is known to be good, so it may read
// the body, which it must leave to be read again. It is called concurrently. An
// element that is malformed or empty is a server_error. A request without a token
// is told the resource's default scope.
func (s *ResourceServer) AuthenticateBy(
	required func(*http.Request) []string,
) func(http.Handler) http.Handler {
	mistake := misuse("AuthenticateBy needs a function")
	switch {
	case s.tokens == nil:
		mistake = misuse("the model has no GetAccessToken")
	case required != nil:
		mistake = nil
	}
	if mistake != nil {
		panic(cannotWork("AuthenticateBy", mistake))
	}
	return s.middleware(need{by: required})
}

// need is the scope that requests need: the same for all, or what by returns for
// each.
type need struct {
	fixed Scope
	by    func(*http.Request) []string
}

// middleware passes requests whose token has what they need. Scripts of other
// origins may call what has a resource of its own.
func (s *ResourceServer) middleware(need need) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, scope, inQuery, refused := s.authenticate(r, need)
			if refused != nil {
				s.WriteError(w, r, refused)
				return
			}
			if inQuery {
				w.Header().Set("Cache-Control", "private") // RFC 6750, section 2.3
			}
			if len(scope) > 0 && len(token.Scope) > 0 {
				s.tellScopes(w.Header(), scope, token.Scope)
			}
			next.ServeHTTP(w, r.WithContext(ContextWithToken(r.Context(), token)))
		})
		if s.about != nil || s.any {
			handler = s.origins.open(handler)
		}
		return handler
	}
}

// AuthenticateRequest returns the token of a request if it is valid for all of
// scope. It writes nothing; the error is an [Error] for
// [ResourceServer.WriteError]. If it has to look into an urlencoded body, it
// leaves the body in r to be read again.
func (s *ResourceServer) AuthenticateRequest(r *http.Request, scope ...string) (*Token, error) {
	required, refused := requiredScope(scope)
	if refused != nil {
		return nil, refused
	}
	token, _, _, refused := s.authenticate(r, need{fixed: required})
	return orNil(token, refused)
}

// WriteError answers a request that [ResourceServer.AuthenticateRequest]
// refused: with the status, the challenge and, unless the request had no token
// at all, a JSON document (RFC 6750, section 3). An err that is [ErrNotFound]
// is sent as invalid_token; one that is no [Error] or [ErrorCode] as
// server_error.
func (s *ResourceServer) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	refused := modelFailure("the program", err, invalidToken("token_unknown"))
	about := Event{Endpoint: EndpointAuthenticate}
	if token := refused.token; token != nil {
		about.ClientID, about.UserID, about.GrantID = token.Client.id(), token.User.id(), token.GrantID
	}
	e := refused.sentFrom(atResource)
	s.reportRefusal(r, about, e)
	forbidStoring(w)
	if e.Code != ServerError {
		w.Header().Set("WWW-Authenticate", s.challenge(e, bearer, ""))
		for _, b := range s.binders {
			if b.TokenType() != bearer {
				w.Header().Add("WWW-Authenticate", s.challenge(e, b.TokenType(), b.Challenge()))
			}
		}
	}
	if e.Code == UnauthorizedRequest {
		// No error code for a client that may not know that a token is needed.
		// RFC 6750, section 3.1.
		http.Error(w, http.StatusText(e.status()), e.status())
		return
	}
	writeErrorJSON(w, e)
}

// Authenticate is [ResourceServer.Authenticate] with the server's own model.
func (s *Server) Authenticate(scope ...string) func(http.Handler) http.Handler {
	return s.resource.Authenticate(scope...)
}

// AuthenticateBy is [ResourceServer.AuthenticateBy] with the server's own model.
func (s *Server) AuthenticateBy(required func(*http.Request) []string) func(http.Handler) http.Handler {
	return s.resource.AuthenticateBy(required)
}

// AuthenticateRequest is [ResourceServer.AuthenticateRequest] with the server's
// own model.
func (s *Server) AuthenticateRequest(r *http.Request, scope ...string) (*Token, error) {
	return s.resource.AuthenticateRequest(r, scope...)
}

// WriteError is [ResourceServer.WriteError].
func (s *Server) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	s.resource.WriteError(w, r, err)
}

// requiredScope returns the scope that a route requires. An empty element is a
// mistake: it would require nothing where something was meant.
func requiredScope(elements []string) (Scope, *Error) {
	isEmpty := func(element string) bool { return strings.TrimFunc(element, isSpace) == "" }
	if slices.ContainsFunc(elements, isEmpty) {
		return nil, misuse("a required scope is empty")
	}
	scope, err := parseScope(strings.Join(elements, " "))
	if err != nil {
		return nil, misuse("the required scope %q: %w", elements, err)
	}
	isList := func(token string) bool { return strings.Contains(token, ",") }
	if list := slices.IndexFunc(scope, isList); list >= 0 {
		return nil, misuse("the required scope %q has a comma: "+
			"separate scope tokens by spaces, or give each as an argument", scope[list])
	}
	return scope, nil
}

// authenticate returns the token of a request if it is valid for scope, and
// reports whether it was in the query. A refusal has what WriteError needs for
// the challenge and the event.
func (s *ResourceServer) authenticate(
	r *http.Request, need need,
) (token *Token, scope Scope, inQuery bool, refused *Error) {
	scope = need.fixed
	presented, scheme, inQuery, refused := s.presentedToken(r)
	if refused == nil {
		token, refused = s.checkToken(r, presented)
	}
	if refused == nil {
		refused = s.checkUse(r, token, presented, scheme)
	}
	if refused == nil && need.by != nil {
		scope, refused = requiredScope(need.by(r))
	}
	if refused == nil && len(scope) > 0 {
		refused = s.checkScope(r, token, scope)
	}
	if refused != nil {
		challenged := *refused
		challenged.bearer, challenged.scheme, challenged.token = true, scheme, token
		if refused.Code == UnauthorizedRequest || s.about != nil && refused.Code == InvalidToken {
			challenged.scope = scope // so that the client knows at once what to ask for
		}
		return nil, nil, false, &challenged
	}
	return token, scope, inQuery, nil
}

// presentedToken returns the token of a request and the scheme by which it is
// presented. It may be in one place only: the header, the body or the query
// (RFC 6750, section 2).
func (s *ResourceServer) presentedToken(
	r *http.Request,
) (token, scheme string, inQuery bool, refused *Error) {
	headers := r.Header["Authorization"]
	if len(headers) > 1 {
		return "", bearer, false, repeatedAuthorization()
	}
	if len(headers) == 1 && headers[0] == "" {
		headers = nil
	}
	inBody, repeatedBody := peekBody(r, s.options.MaxFormBytes).single("access_token")
	var query parameters
	if raw := r.URL.RawQuery; strings.Contains(raw, "access_token") || strings.Contains(raw, "%") {
		// The query is the API's: its malformed parts are not ours to refuse.
		values, _ := url.ParseQuery(raw)
		query = parametersOf(values)
	}
	inURL, repeatedURL := query.single("access_token")
	switch {
	case repeatedBody || repeatedURL:
		return "", bearer, false, refusal(InvalidRequest, "parameter_repeated",
			"Repeated parameter: `access_token`")
	case len(headers) > 0 && inBody+inURL != "" || inBody != "" && inURL != "":
		return "", bearer, false, refusal(InvalidRequest, "token_twice",
			"Invalid request: only one authentication method is allowed")
	case inURL != "" && (s.resource != "" || !s.options.AllowBearerTokensInQueryString):
		return "", bearer, false, refusal(InvalidRequest, "token_in_query",
			"Invalid request: do not send bearer tokens in query URLs")
	case len(headers) > 0:
		token, scheme, refused = s.readHeader(headers[0])
		return token, scheme, false, refused
	case inBody+inURL == "":
		return "", bearer, false, refusal(UnauthorizedRequest, "token_missing", "")
	case !grammar.IsB64Token(inBody + inURL):
		return "", bearer, false, invalid("access_token")
	}
	return inBody + inURL, bearer, inURL != "", nil
}

// readHeader returns the token and the scheme of an Authorization header. A
// header of a scheme that is not used here counts as none.
func (s *ResourceServer) readHeader(header string) (token, scheme string, refused *Error) {
	scheme = bearer
	token, ok := cutScheme(header, bearer)
	for i := 0; !ok && i < len(s.binders); i++ {
		scheme = s.binders[i].TokenType()
		token, ok = cutScheme(header, scheme)
	}
	switch {
	case !ok || strings.TrimSpace(token) == "": // a script without a token sends this
		return "", bearer, refusal(UnauthorizedRequest, "token_missing", "")
	case !grammar.IsB64Token(token):
		return "", scheme, refusal(InvalidRequest, "token_malformed",
			"Invalid request: malformed authorization header")
	}
	return token, scheme, nil
}

// checkUse refuses a token that is for another resource than this one, or that
// is presented without the key that it is bound to.
func (s *ResourceServer) checkUse(r *http.Request, token *Token, presented, scheme string) *Error {
	switch {
	case token.Resource != s.resource && !s.any:
		return invalidToken("token_of_another_resource")
	case token.Details == nil && scheme == bearer:
		return nil
	}
	return s.verifyBinding(r, token, presented, scheme)
}

// cutScheme returns what follows the scheme and its spaces in an Authorization
// header, and reports whether the header has this scheme. The name of a scheme
// is case-insensitive (RFC 9110, section 11.1).
func cutScheme(header, scheme string) (rest string, ok bool) {
	if len(header) < len(scheme) || !grammar.EqualFold(header[:len(scheme)], scheme) {
		return "", false
	}
	rest = header[len(scheme):]
	if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return "", false // another scheme, whose name goes on
	}
	return strings.TrimLeft(rest, " "), true
}

// checkToken looks a token up in the model. An expired token is returned beside
// its refusal, for the event.
func (s *ResourceServer) checkToken(r *http.Request, presented string) (*Token, *Error) {
	if s.tokens == nil {
		return nil, misuse("the model has no GetAccessToken")
	}
	token, err := s.tokens.GetAccessToken(r.Context(), presented)
	if refused := found("GetAccessToken", token, err, unknownToken); refused != nil {
		return nil, refused
	}
	eternal := token.AccessTokenExpiresAt.IsZero()
	switch {
	case !token.User.known() || eternal && !s.options.InsecureEternalAccessTokens:
		return nil, breach("GetAccessToken did not return a token with its user and expiry")
	case !eternal && expired(token.AccessTokenExpiresAt):
		return token, refusal(InvalidToken, "token_expired", "Invalid token: access token has expired")
	}
	return token, nil
}

// checkScope refuses a token that does not have the scope that a route
// requires.
func (s *ResourceServer) checkScope(r *http.Request, token *Token, required Scope) *Error {
	var ok bool
	var err error
	if s.verifier != nil {
		ok, err = s.verifier.VerifyScope(r.Context(), token, required)
	} else {
		ok = token.Scope.Contains(required...)
	}
	switch {
	case err != nil:
		return modelFailure("VerifyScope", err, insufficientScope(required))
	case !ok:
		return insufficientScope(required)
	}
	return nil
}

func insufficientScope(required Scope) *Error {
	e := refusal(InsufficientScope, "scope_insufficient",
		"Insufficient scope: authorized scope is insufficient")
	e.scope = required
	return e
}

// tellScopes sets the headers with the scope that a route requires and the
// scope of the token, if the program wants them.
func (s *ResourceServer) tellScopes(header http.Header, required, authorized Scope) {
	if s.options.AddAcceptedScopesHeader {
		header.Set("X-Accepted-OAuth-Scopes", required.String())
	}
	if s.options.AddAuthorizedScopesHeader {
		header.Set("X-OAuth-Scopes", authorized.String())
	}
}

// challengedScope returns the scope that a client should ask for. At a resource
// it is never nothing for a client that needs a token, and it has what a token
// has already: some clients ask for just this, and would lose the rest.
func (s *ResourceServer) challengedScope(e *Error) Scope {
	switch {
	case s.about == nil:
		return e.scope
	case e.Code == InsufficientScope && e.token != nil:
		scope := slices.Clone(e.token.Scope)
		for _, token := range e.scope {
			if !slices.Contains(scope, token) {
				scope = append(scope, token)
			}
		}
		return scope
	case len(e.scope) == 0 && (e.Code == InvalidToken || e.Code == UnauthorizedRequest):
		return s.about.Default
	}
	return e.scope
}

// challenge returns a value of WWW-Authenticate for a scheme, with the
// parameters more of the scheme (RFC 6750, section 3; RFC 9449, section 7.1).
// The error is told by the scheme that was used.
func (s *ResourceServer) challenge(e *Error, scheme, more string) string {
	var b strings.Builder
	b.WriteString(scheme + ` realm="` + s.options.Realm + `"`)
	used := scheme == cmp.Or(e.scheme, bearer)
	if e.Code != UnauthorizedRequest && used {
		b.WriteString(`, error="` + string(e.Code) + `"`)
		if e.Description != "" {
			b.WriteString(`, error_description="` + e.Description + `"`)
		}
	}
	if scope := s.challengedScope(e); len(scope) > 0 {
		b.WriteString(`, scope="` + scope.String() + `"`)
	}
	if s.about != nil && s.options.Issuer != "" {
		b.WriteString(`, resource_metadata="` + s.resourceMetadataURL() + `"`)
	}
	if e.Challenge != "" && used {
		b.WriteString(", " + e.Challenge)
	}
	if more != "" {
		b.WriteString(", " + more)
	}
	return b.String()
}
