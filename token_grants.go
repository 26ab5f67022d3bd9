// This file has two short grants: password, and client credentials.

package oauth2server

import "context"

// password is the resource owner password credentials grant (RFC 6749, section
// 4.3). RFC 9700, section 2.4, advises against it, so it is off unless
// [Options.Grants] names it.
func (s *Server) password(ctx context.Context, g *GrantRequest) (*Token, error) {
	username, password := g.Param("username"), g.Param("password")
	asked, refused := askedScope(g.form)
	if refused != nil {
		return nil, refused // before a password is tried, and counted as an attempt
	}
	// What it issues is for what a user could use before there were resources.
	if refused := s.resources.renamed(g.Params("resource"), ""); refused != nil {
		return nil, refused
	}
	if refused := checkUserCredentials(username, password); refused != nil {
		return nil, refused
	}
	wrong := func() *Error { return wrongUser("user_credentials") }
	user, refused := s.tryPassword(g.request, g.Client, username, password, wrong)
	if refused != nil {
		return nil, refused
	}
	token := &Token{User: user, GrantID: g.began.newID(), Details: (*Details)(nil).bound(g.confirmation)}
	return orNil(s.issueToUser(ctx, g, asked, token, s.mayRefresh(g.Client)))
}

// clientCredentials is the client credentials grant, for a client that acts for
// itself (RFC 6749, section 4.4). It gives no refresh token (section 4.4.3).
func (s *Server) clientCredentials(ctx context.Context, g *GrantRequest) (*Token, error) {
	asked, refused := askedScope(g.form)
	if refused != nil {
		return nil, refused
	}
	resource, refused := s.grantResource(g)
	if refused != nil {
		return nil, refused
	}
	user, err := s.can.clientUsers.GetUserFromClient(ctx, g.Client)
	none := func() *Error { return wrongUser("client_without_user") }
	if _, refused := foundUser("GetUserFromClient", user, err, none); refused != nil {
		return nil, refused
	}
	token := &Token{User: user, Resource: resource, Details: (*Details)(nil).bound(g.confirmation)}
	asked = s.scopeAt(resource, asked)
	return orNil(s.issueToUser(ctx, g, asked, token, false))
}

// issueToUser issues token with the part of the scope that its user is granted.
func (s *Server) issueToUser(
	ctx context.Context, g *GrantRequest, asked Scope, token *Token, refresh bool,
) (_ *Token, refused *Error) {
	if token.Scope, refused = s.validateScope(ctx, token.User, g.Client, asked); refused != nil {
		return nil, refused
	}
	return s.issue(ctx, g.Client, token, refresh, g.began)
}
