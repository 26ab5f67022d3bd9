package oauth2server

import "context"

// password is the resource owner password credentials grant (RFC 6749, section 4.3). RFC 9700, section 2.4, advises
// against it; it is off unless named in Options.Grants.
func (s *Server) password(ctx context.Context, g *GrantRequest) (*Token, error) {
	username, password := g.Param("username"), g.Param("password")
	asked, refused := askedScope(g.form)
	if refused != nil {
		return nil, refused // before the password is tried
	}
	if refused := checkUserCredentials(username, password); refused != nil {
		return nil, refused
	}
	user, refused := s.tryPassword(g.request, g.Client, username, password, func() *Error { return wrongUser("user_credentials") })
	if refused != nil {
		return nil, refused
	}
	return orNil(s.issueToUser(ctx, g, asked, &Token{User: user, GrantID: g.began.newID()}, s.mayRefresh(g.Client)))
}

// clientCredentials is the grant of a client that acts for itself (RFC 6749, section 4.4).
func (s *Server) clientCredentials(ctx context.Context, g *GrantRequest) (*Token, error) {
	asked, refused := askedScope(g.form)
	if refused != nil {
		return nil, refused
	}
	user, err := s.can.clientUsers.GetUserFromClient(ctx, g.Client)
	if _, refused := foundUser("GetUserFromClient", user, err, func() *Error { return wrongUser("client_without_user") }); refused != nil {
		return nil, refused
	}
	return orNil(s.issueToUser(ctx, g, asked, &Token{User: user}, false))
}

func (s *Server) issueToUser(ctx context.Context, g *GrantRequest, asked Scope, token *Token, refresh bool) (_ *Token, refused *Error) {
	if token.Scope, refused = s.validateScope(ctx, token.User, g.Client, asked); refused != nil {
		return nil, refused
	}
	return s.issue(ctx, g.Client, token, refresh, g.began)
}
