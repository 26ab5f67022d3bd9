package oauth2server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/extra"
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
	request  *http.Request
	form     *form // a pointer, so that printing the request does not print a secret in it
	repeated string
	began    beginning
	event    Event // what is known of what becomes of it
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
func (g *GrantRequest) Params(name string) []string { return g.form.body.values(name) }

// Scope returns the scope to grant to user for what the request asks in its scope parameter, or invalid_scope.
func (g *GrantRequest) Scope(ctx context.Context, user *User) (Scope, error) {
	asked, refused := askedScope(g.form)
	if refused != nil {
		return nil, refused
	}
	if !user.known() {
		return nil, misuse("GrantRequest.Scope needs a user")
	}
	return orNil(g.server.validateScope(ctx, user, g.Client, asked))
}

// Issue completes the token, saves it and returns what the model stored. User must be set and Scope is what to grant;
// Extra and GrantID are kept, Extra at each refresh too; client, token strings and lifetimes are the server's to set.
//
// With refresh a grant begins, so GrantID must be empty or new. There is a refresh token too, if the server and the
// client have the refresh token grant. Without refresh, the access token joins the grant of the same user that GrantID
// names, and ends with it; if that is empty, no grant of an owner is behind it, and revoking one does not end it.
// GrantExpiresAt may only shorten what the grant has left.
//
// What [Token.Extra] may not hold is refused before anything is stored: a
// server_error, with the reason program_mistake and the path in the log.
func (g *GrantRequest) Issue(ctx context.Context, token *Token, refresh bool) (*Token, error) {
	if g.repeated != "" {
		return nil, refusal(InvalidRequest, "parameter_repeated", "Repeated parameter: `"+g.repeated+"`")
	}
	if token == nil || !token.User.known() {
		return nil, misuse("Issue needs a token with a user")
	}
	if err := token.Scope.check(); err != nil {
		return nil, misuse("Issue was given a malformed scope: %w", err)
	}
	if isReserved(token.GrantID) {
		return nil, misuse("Issue was given the GrantID %q, whose prefix is the server's own", token.GrantID)
	}
	attributes, err := extra.Canonical(token.Extra)
	if err != nil {
		return nil, misuse("Issue: %w", err)
	}
	own, user := *token, *token.User
	own.Extra = attributes
	// It may be a parameter: what a model keeps of it must not keep the whole request, with the client's secret in it.
	own.User, user.ID = &user, strings.Clone(user.ID)
	if limit := g.server.options.MaxGrantLifetime; !own.GrantExpiresAt.IsZero() && limit > 0 {
		own.GrantExpiresAt = earliest(own.GrantExpiresAt, expiry(0, limit))
		if expired(own.GrantExpiresAt) {
			return nil, grantOver()
		}
	}
	if own.GrantID != "" && !refresh && g.server.can.log != nil {
		return orNil(g.server.join(ctx, g.Client, &own, g.began))
	}
	switch {
	case refresh && own.GrantID == "":
		own.GrantID = g.began.newID()
	case refresh && g.server.can.log != nil:
		if refused := g.server.checkUnused(ctx, own.GrantID); refused != nil {
			return nil, refused
		}
	}
	return orNil(g.server.issue(ctx, g.Client, &own, refresh && g.server.mayRefresh(g.Client), g.began))
}

// mayRefresh reports whether a client is given refresh tokens: it could not use
// them without the grant.
func (s *Server) mayRefresh(client *Client) bool {
	return s.grants["refresh_token"] != nil && slices.Contains(client.Grants, "refresh_token")
}

// concerns notes whose grant it turned out to be.
func (g *GrantRequest) concerns(owner *User, grantID string) {
	g.event.UserID, g.event.GrantID = owner.ID, grantID
}

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

func wrongUser(reason string) *Error {
	return refusal(InvalidGrant, reason, "Invalid grant: user credentials are invalid")
}
