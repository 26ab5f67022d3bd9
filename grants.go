package oauth2server

import (
	"context"
	"slices"
)

// GrantFunc answers a token request of one grant type. The client is authenticated, and allowed to use the grant.
// An [Error] or [ErrorCode] is told to the client, [ErrNotFound] as invalid_grant, any other error as server_error.
// It is called concurrently.
type GrantFunc func(ctx context.Context, request *GrantRequest) (*Token, error)

// GrantRequest is a request for a token by an authenticated client.
type GrantRequest struct {
	// Client is who asks.
	Client *Client

	server   *Server
	form     *form // a pointer, so that printing the request does not print a secret in it
	repeated string
}

// Param returns a parameter of the request's body; "" when it is absent, empty, or there more than once.
// In the last case [GrantRequest.Issue] refuses.
func (g *GrantRequest) Param(name string) string {
	value, repeated := g.form.lookup(name)
	if repeated {
		g.repeated = name
	}
	return value
}

// Params returns all values of a parameter that may repeat, as resource does (RFC 8707, section 2).
// The slice is the caller's own.
func (g *GrantRequest) Params(name string) []string { return slices.Clone(g.form.body[name]) }

// Scope returns the scope to grant to user for what the request asks in its scope parameter, or invalid_scope.
func (g *GrantRequest) Scope(ctx context.Context, user *User) (Scope, error) {
	asked, refused := askedScope(g.form)
	if refused != nil {
		return nil, refused
	}
	if !user.known() {
		return nil, breach("GrantRequest.Scope needs a user")
	}
	return orNil(g.server.validateScope(ctx, user, g.Client, asked))
}

// Issue completes the token, saves it and returns what the model stored. User must be set and Scope is what to grant;
// Extra and GrantID are kept; client, token strings and lifetimes are the server's to set. With refresh there is a
// refresh token too, if the server has the refresh token grant.
func (g *GrantRequest) Issue(ctx context.Context, token *Token, refresh bool) (*Token, error) {
	if g.repeated != "" {
		return nil, refusal(InvalidRequest, "parameter_repeated", "Repeated parameter: `"+g.repeated+"`")
	}
	if token == nil || !token.User.known() {
		return nil, breach("Issue needs a token with a user")
	}
	return orNil(g.server.issue(ctx, g.Client, token, refresh && g.server.grants["refresh_token"] != nil))
}

// exchangeCode is the authorization code grant (RFC 6749, section 4.1.3).
func (s *Server) exchangeCode(ctx context.Context, g *GrantRequest) (*Token, error) {
	presented := g.Param("code")
	switch {
	case presented == "":
		return nil, missing("code")
	case !isVSCHAR(presented):
		return nil, invalid("code")
	}
	code, refused := s.findCode(ctx, presented, g.Client)
	if refused != nil {
		return nil, refused
	}
	// Spend the code before anything about it is tried: a failed guess must burn it, otherwise the verifier could be
	// searched online. RFC 7636, section 4.6; RFC 6749, section 4.1.2.
	if err := s.can.codes.RevokeAuthorizationCode(ctx, code); err != nil {
		return nil, modelFailure(err, invalidCode("code_spent"))
	}
	if refused := s.verifyPKCE(code, g.Param("code_verifier")); refused != nil {
		return nil, refused
	}
	if code.RedirectURI != g.Param("redirect_uri") && code.RedirectURI != "" {
		return nil, refusal(InvalidGrant, "redirect_uri_mismatch", "Invalid grant: `redirect_uri` is invalid")
	}
	scope, refused := s.validateScope(ctx, code.User, g.Client, code.Scope)
	if refused != nil {
		return nil, refused
	}
	return g.Issue(ctx, &Token{User: code.User, Scope: scope, GrantID: code.GrantID}, true)
}

// findCode returns the code if the client may redeem it. A foreign client's attempt leaves it to its owner.
func (s *Server) findCode(ctx context.Context, presented string, client *Client) (*AuthorizationCode, *Error) {
	code, err := s.can.codes.GetAuthorizationCode(ctx, presented)
	if refused := found(code, err, invalidCode("code_unknown")); refused != nil {
		return nil, refused
	}
	switch {
	case code.Client == nil || !code.User.known() || code.ExpiresAt.IsZero():
		return nil, breach("GetAuthorizationCode did not return a code with its client, user and expiry")
	case code.Client.ID != client.ID:
		return nil, invalidCode("code_of_another_client")
	case expired(code.ExpiresAt):
		return nil, refusal(InvalidGrant, "code_expired", "Invalid grant: authorization code has expired")
	}
	own := *code
	own.Code = presented // a model that keeps digests does not know it
	return &own, nil
}

func invalidCode(reason string) *Error {
	return refusal(InvalidGrant, reason, "Invalid grant: authorization code is invalid")
}

// refresh is the refresh token grant (RFC 6749, section 6).
func (s *Server) refresh(ctx context.Context, g *GrantRequest) (*Token, error) {
	presented := g.Param("refresh_token")
	switch {
	case presented == "":
		return nil, missing("refresh_token")
	case !isVSCHAR(presented):
		return nil, invalid("refresh_token")
	}
	old, refused := s.findRefreshToken(ctx, presented, g.Client)
	if refused != nil {
		return nil, refused
	}
	granted := old.GrantScope
	if len(granted) == 0 {
		granted = old.Scope
	}
	scope, refused := refreshedScope(g, granted)
	if refused != nil {
		return nil, refused
	}
	next := &Token{User: old.User, Scope: scope, GrantID: old.GrantID, GrantScope: granted}
	// A public client's refresh token is nobody's but its bearer's, so it is always replaced. RFC 9700, section 2.2.2.
	if s.options.DisableRefreshTokenRotation && !g.Client.Public {
		return g.Issue(ctx, next, false)
	}
	if err := s.can.refresh.RevokeToken(ctx, old); err != nil {
		return nil, modelFailure(err, invalidRefreshToken("refresh_token_spent"))
	}
	return g.Issue(ctx, next, true)
}

// findRefreshToken returns the token if the client may use it.
func (s *Server) findRefreshToken(ctx context.Context, presented string, client *Client) (*Token, *Error) {
	token, err := s.can.refresh.GetRefreshToken(ctx, presented)
	if refused := found(token, err, invalidRefreshToken("refresh_token_unknown")); refused != nil {
		return nil, refused
	}
	switch {
	case token.Client == nil || !token.User.known():
		return nil, breach("GetRefreshToken did not return a token with its client and user")
	case token.Client.ID != client.ID:
		return nil, invalidRefreshToken("refresh_token_of_another_client")
	case !token.RefreshTokenExpiresAt.IsZero() && expired(token.RefreshTokenExpiresAt):
		return nil, refusal(InvalidGrant, "refresh_token_expired", "Invalid grant: refresh token has expired")
	}
	own := *token
	own.RefreshToken = presented
	return &own, nil
}

func invalidRefreshToken(reason string) *Error {
	return refusal(InvalidGrant, reason, "Invalid grant: refresh token is invalid")
}

// refreshedScope is what the request asks, at most what was granted; all of that when it asks nothing. A limit that the
// client was given since then holds.
func refreshedScope(g *GrantRequest, granted Scope) (Scope, *Error) {
	asked, refused := askedScope(g.form)
	switch {
	case refused != nil:
		return nil, refused
	case !granted.Contains(asked...):
		return nil, refusal(InvalidScope, "scope_beyond_grant", "Invalid scope: Unable to add extra scopes")
	case len(asked) == 0:
		asked = g.Client.narrow(granted)
	}
	if !g.Client.allows(asked) || len(asked) == 0 && len(granted) > 0 {
		return nil, invalidScope("scope_beyond_client")
	}
	return asked, nil
}

// password is the resource owner password credentials grant (RFC 6749, section 4.3). RFC 9700, section 2.4, advises
// against it; it is off unless named in Options.Grants.
func (s *Server) password(ctx context.Context, g *GrantRequest) (*Token, error) {
	username, password := g.Param("username"), g.Param("password")
	if refused := checkUserCredentials(username, password); refused != nil {
		return nil, refused
	}
	if _, refused := askedScope(g.form); refused != nil {
		return nil, refused // before the password is tried
	}
	user, err := s.can.users.GetUser(ctx, username, password, g.Client)
	if _, refused := foundUser(user, err, wrongUser()); refused != nil {
		return nil, refused
	}
	return issueToUser(ctx, g, user, true)
}

// clientCredentials is the grant of a client that acts for itself (RFC 6749, section 4.4).
func (s *Server) clientCredentials(ctx context.Context, g *GrantRequest) (*Token, error) {
	if g.Client.Public {
		return nil, refusal(UnauthorizedClient, "grant_public_client", "Unauthorized client: `grant_type` is invalid")
	}
	if _, refused := askedScope(g.form); refused != nil {
		return nil, refused
	}
	user, err := s.can.clientUsers.GetUserFromClient(ctx, g.Client)
	if _, refused := foundUser(user, err, wrongUser()); refused != nil {
		return nil, refused
	}
	return issueToUser(ctx, g, user, false)
}

func issueToUser(ctx context.Context, g *GrantRequest, user *User, refresh bool) (*Token, error) {
	scope, err := g.Scope(ctx, user)
	if err != nil {
		return nil, err
	}
	return g.Issue(ctx, &Token{User: user, Scope: scope}, refresh)
}

// checkUserCredentials refuses what cannot be a name and a password (RFC 6749, appendix A.15 and A.16).
func checkUserCredentials(username, password string) *Error {
	switch {
	case username == "":
		return missing("username")
	case password == "":
		return missing("password")
	case !isUnicodeNoCRLF(username):
		return invalid("username")
	case !isUnicodeNoCRLF(password):
		return invalid("password")
	}
	return nil
}

func wrongUser() *Error {
	return refusal(InvalidGrant, "user_credentials", "Invalid grant: user credentials are invalid")
}
