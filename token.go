// This file is the token endpoint: it authenticates the client, and passes the
// request to the grant that it names.

package oauth2server

import (
	"log/slog"
	"net/http"
	"slices"
)

// Token returns the token endpoint (RFC 6749, section 3.2). It takes POST with
// an urlencoded body.
//
// If next is nil, it answers as [Server.WriteToken] does. Otherwise next writes
// the answer to a successful request: it gets the token by [TokenFromContext],
// and the headers that keep the answer out of caches are set already. Refused
// requests never reach it. It can read the form as usual.
func (s *Server) Token(next http.Handler) http.Handler {
	return s.AllowOrigins(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// One allocation for both; see GrantRequest.form.
		call := &struct {
			request GrantRequest
			sent    posted
		}{request: GrantRequest{
			issuer:  s,
			request: r,
			began:   beginNow(),
			event:   Event{Kind: EventIssued, Endpoint: EndpointToken},
		}}
		g := &call.request
		g.form = &call.sent.form
		token, refused := s.answerGrant(g, &call.sent)
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
	}))
}

// answerGrant authenticates the client and calls the grant that it asks for.
// The client comes first: a stranger learns nothing, and spends no code or
// token.
func (s *Server) answerGrant(g *GrantRequest, sent *posted) (*Token, *Error) {
	refused := s.clientForm(g.request, s.tokenParameters, sent)
	if refused != nil {
		return nil, refused
	}
	name := sent.get("grant_type")
	grant := s.grants[name]
	if grant != nil {
		g.event.GrantType = name
	}
	exempt := exemption{
		public: true,
		all:    slices.Contains(s.options.InsecureSkipClientAuthentication, name),
	}
	g.Client, refused = s.authenticateClient(g.request, sent.form, s.tokenParameters, exempt)
	g.event.ClientID = g.Client.id()
	if refused == nil {
		refused = s.checkGrant(g.Client, name, exempt.all)
	}
	if refused == nil && len(s.ext.binders) > 0 {
		g.confirmation, refused = s.bind(g.request)
	}
	if refused != nil {
		return nil, refused
	}
	token, err := grant(g.request.Context(), g)
	if err != nil {
		return nil, modelFailure("the grant "+name, err,
			refusal(InvalidGrant, "grant_not_found", "Invalid grant: the grant is invalid"))
	}
	if token == nil {
		return nil, misuse("grant %q returned no token", name)
	}
	return token, nil
}

// checkGrant refuses a grant that the client may not use. A public client has
// proven nothing, so the grant must be one of [Options.PublicClientGrants]. The
// codes differ, as invalid_client is only about who the client is (RFC 6749,
// section 5.2).
func (s *Server) checkGrant(client *Client, name string, excused bool) *Error {
	switch {
	case name == "":
		return missing("grant_type")
	case s.grants[name] == nil:
		return &Error{
			Code:        UnsupportedGrantType,
			Description: "Unsupported grant type: `grant_type` is unknown, or not on",
			Err:         s.off[name],
			reason:      "grant_unsupported",
			sent:        []slog.Attr{sentText("grant_type", name)},
		}
	case !slices.Contains(client.Grants, name):
		return refusal(UnauthorizedClient, "grant_unauthorized",
			"Unauthorized client: it may not use this `grant_type`")
	case client.Public && !excused && !slices.Contains(s.options.PublicClientGrants, name):
		return refusal(UnauthorizedClient, "grant_public_client",
			"Unauthorized client: this `grant_type` is for clients that authenticate")
	}
	return nil
}
