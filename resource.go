package oauth2server

import (
	"net/http"
	"strings"
)

// ResourceServer is the half of a server that only checks tokens: for an API apart from the authorization server.
// It is immutable and safe for concurrent use. [Server] has one embedded.
type ResourceServer struct {
	tokens   AccessTokenModel
	verifier ScopeVerifier
	options  Options
}

// NewResourceServer returns a ResourceServer over tokens, which may also be a [ScopeVerifier], and is looked at as [New]
// looks at a model. In examples/resource is one that asks [Server.Introspect] in another process. Of opts it reads what concerns the check of tokens: AllowBearerTokensInQueryString,
// OmitAcceptedScopesHeader, OmitAuthorizedScopesHeader, InsecureEternalAccessTokens, MaxFormBytes, Realm, Logger and OnEvent. The error says everything
// that is wrong.
func NewResourceServer(tokens AccessTokenModel, opts *Options) (*ResourceServer, error) {
	options, wrong := opts.withDefaults()
	can, faults := inspect(tokens)
	if wrong = append(wrong, faults...); len(wrong) > 0 {
		return nil, mistakes(wrong)
	}
	return &ResourceServer{tokens: can.tokens, verifier: can.verifier, options: options}, nil
}

// WriteError answers a request that [ResourceServer.AuthenticateRequest] refused: status, challenge and, unless the
// request had no token at all, a JSON document (RFC 6750, section 3). An err that is no [Error] is a server_error.
func (s *ResourceServer) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	refused := modelFailure("the program", err, invalidToken("token_unknown"))
	about := Event{Endpoint: "authenticate"}
	if token := refused.token; token != nil {
		about.ClientID, about.UserID, about.GrantID = token.Client.id(), token.User.id(), token.GrantID
	}
	e := refused.sentFrom(atResource)
	s.reportRefusal(r, about, e)
	forbidStoring(w)
	if e.Code != ServerError {
		w.Header().Set("WWW-Authenticate", s.challenge(e))
	}
	if e.Code == UnauthorizedRequest {
		// RFC 6750, section 3.1: no error code for who did not know that a token is needed.
		http.Error(w, http.StatusText(e.status()), e.status())
		return
	}
	writeErrorJSON(w, e)
}

// challenge is the value of WWW-Authenticate.
func (s *ResourceServer) challenge(e *Error) string {
	var b strings.Builder
	b.WriteString(`Bearer realm="` + s.options.Realm + `"`)
	if e.Code != UnauthorizedRequest {
		b.WriteString(`, error="` + string(e.Code) + `"`)
		if e.Description != "" {
			b.WriteString(`, error_description="` + e.Description + `"`)
		}
	}
	if len(e.scope) > 0 {
		b.WriteString(`, scope="` + e.scope.String() + `"`)
	}
	return b.String()
}
