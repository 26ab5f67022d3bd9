package oauth2server

import (
	"net/http"
	"slices"
)

// Token returns the token endpoint (RFC 6749, section 3.2). It takes POST with an urlencoded body.
//
// Without next it answers as [Server.WriteToken] does. With next, next writes the answer to a successful request:
// it finds the token by [TokenFromContext], and the headers that keep it out of caches are set. Errors never reach it. It
// can read the form, as if nobody had.
func (s *Server) Token(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// One piece of memory for both; see GrantRequest.form.
		call := &struct {
			request GrantRequest
			form    form
		}{request: GrantRequest{server: s, request: r, event: Event{Kind: EventIssued, Endpoint: "token"}}}
		g := &call.request
		g.form = &call.form
		token, refused := g.answer()
		if refused != nil {
			s.refuseClient(w, r, g.event, refused)
			return
		}
		g.event.UserID, g.event.GrantID, g.event.Scope = token.User.id(), token.GrantID, token.Scope
		s.report(r, g.event)
		if next != nil {
			forbidStoring(w)
			next.ServeHTTP(w, r.WithContext(ContextWithToken(r.Context(), token)))
			return
		}
		s.WriteToken(w, token)
	})
}

// answer finds out who asks for what. The client comes first: nobody learns anything, and nothing is spent, without it.
func (g *GrantRequest) answer() (*Token, *Error) {
	s := g.server
	f, refused := s.clientForm(g.request, tokenParameters)
	if refused != nil {
		return nil, refused
	}
	*g.form = f
	name := f.get("grant_type")
	grant, known := s.grants[name]
	if known {
		g.event.GrantType = name
	}
	g.Client, refused = s.authenticateClient(g.request, f, tokenParameters, s.exemptFrom(name, f))
	g.event.ClientID = g.Client.id()
	if refused != nil {
		return nil, refused
	}
	switch {
	case name == "":
		return nil, missing("grant_type")
	case !known:
		return nil, refusal(UnsupportedGrantType, "grant_unsupported", "Unsupported grant type: `grant_type` is invalid")
	case !slices.Contains(g.Client.Grants, name):
		return nil, refusal(UnauthorizedClient, "grant_unauthorized", "Unauthorized client: `grant_type` is invalid")
	}
	token, err := grant(g.request.Context(), g)
	if err != nil {
		return nil, modelFailure(err, refusal(InvalidGrant, "grant_not_found", "Invalid grant: the grant is invalid"))
	}
	if token == nil {
		return nil, misuse("grant %q returned no token", name)
	}
	return token, nil
}

// exemptFrom says who may use a grant without a secret. In the code grant a public client's PKCE verifier is what stands
// in for it, so without one there is nothing to look at.
func (s *Server) exemptFrom(grant string, f form) exemption {
	return exemption{
		public: slices.Contains(s.options.PublicClientGrants, grant) && (grant != "authorization_code" || f.get("code_verifier") != ""),
		all:    slices.Contains(s.options.InsecureSkipClientAuthentication, grant),
	}
}
