package oauth2server

import (
	"net/http"
	"slices"
)

// Token returns the token endpoint (RFC 6749, section 3.2). It takes POST with an urlencoded body.
//
// Without next it answers as [Server.WriteToken] does. With next, next writes the answer to a successful request:
// it finds the token by [TokenFromContext], and the headers that keep it out of caches are set. Errors never reach it.
func (s *Server) Token(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forbidStoring(w)
		token, refused := s.token(r)
		switch {
		case refused != nil:
			s.writeTokenError(w, r, refused)
		case next != nil:
			next.ServeHTTP(w, r.WithContext(ContextWithToken(r.Context(), token)))
		default:
			s.WriteToken(w, token)
		}
	})
}

// token answers one request. The client comes first: nobody learns anything, and nothing is spent, without it.
func (s *Server) token(r *http.Request) (*Token, *Error) {
	if r.Method != http.MethodPost {
		return nil, &Error{Code: InvalidRequest, Description: "Invalid request: method must be POST",
			Status: http.StatusMethodNotAllowed, reason: "method"}
	}
	if !isForm(r) {
		return nil, refusal(InvalidRequest, "content_type",
			"Invalid request: content must be application/x-www-form-urlencoded")
	}
	body, refused := readBody(r, s.options.MaxFormBytes)
	if refused != nil {
		return nil, refused
	}
	f := form{body: body}
	if refused := f.repeated(tokenParameters); refused != nil {
		return nil, refused
	}
	ctx := r.Context()
	client, refused := s.authenticateClient(ctx, r, f)
	if refused != nil {
		return nil, refused
	}
	if refused := f.refuseQuery(r.URL.RawQuery, client); refused != nil {
		return nil, refused
	}
	name := f.get("grant_type")
	grant, known := s.grants[name]
	switch {
	case name == "":
		return nil, missing("grant_type")
	case !known:
		return nil, refusal(UnsupportedGrantType, "grant_unsupported", "Unsupported grant type: `grant_type` is invalid")
	case !slices.Contains(client.Grants, name):
		return nil, refusal(UnauthorizedClient, "grant_unauthorized", "Unauthorized client: `grant_type` is invalid")
	}
	token, err := grant(ctx, &GrantRequest{Client: client, server: s, form: &f})
	if err != nil {
		return nil, modelFailure(err, refusal(InvalidGrant, "grant_not_found", "Invalid grant: the grant is invalid"))
	}
	if token == nil {
		return nil, breach("grant %q returned no token", name)
	}
	return token, nil
}

// writeTokenError answers a refused token request (RFC 6749, section 5.2).
func (s *Server) writeTokenError(w http.ResponseWriter, r *http.Request, refused *Error) {
	e := refused.sentFrom(atToken)
	s.logRefusal(r, "token", e)
	switch e.status() {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="`+s.options.Realm+`"`)
	}
	writeErrorJSON(w, e)
}
