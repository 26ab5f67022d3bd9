package oauth2server

import (
	"context"
	"net/http"
	"time"
)

// GrantFunc answers a token request of one grant type. The client is authenticated, and allowed to use the grant.
// An [Error] or [ErrorCode] is told to the client, [ErrNotFound] as invalid_grant, any other error as server_error.
// It is called concurrently.
type GrantFunc func(ctx context.Context, request *GrantRequest) (*Token, error)

// issuer is what a server does for a GrantFunc.
type issuer interface {
	grantScope(ctx context.Context, g *GrantRequest, user *User) (Scope, *Error)
	grantToken(ctx context.Context, g *GrantRequest, asked *Issuance) (*Token, *Error)
}

// GrantRequest is a request for a token by an authenticated client.
type GrantRequest struct {
	// Client is who asks.
	Client *Client

	issuer   issuer
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

// concerns notes whose grant it turned out to be.
func (g *GrantRequest) concerns(owner *User, grantID string) {
	g.event.UserID, g.event.GrantID = owner.ID, grantID
}

// Scope returns the scope to grant to user for what the request asks in its scope parameter, or invalid_scope.
func (g *GrantRequest) Scope(ctx context.Context, user *User) (Scope, error) {
	return orNil(g.issuer.grantScope(ctx, g, user))
}

// Issuance is what [GrantRequest.Issue] is to give a token for.
type Issuance struct {
	// User is the owner. It must be set.
	User *User

	// Scope is what to grant; see [GrantRequest.Scope]. Nil: none.
	Scope Scope

	// Extra is kept with the token, and goes on at each refresh; see [Token.Extra].
	Extra map[string]any

	// GrantID is the grant to begin or to join. Empty, with Refresh: a new one.
	// Empty, without: no grant is behind the token, and revoking one does not
	// end it.
	GrantID string

	// GrantExpiresAt may shorten what the grant has left. Zero: it does not.
	GrantExpiresAt time.Time

	// Refresh begins a grant, so GrantID must be empty or new. There is a refresh
	// token too, if the server and the client have the refresh token grant.
	// Without, the access token joins the grant of the same user that GrantID
	// names, and ends with it.
	Refresh bool
}

// Issue makes a token of what is asked, saves it and returns what the model
// stored. Strings and lifetimes are the server's to set. A token without a user,
// a scope that is malformed, and what [Token.Extra] may not hold, are refused
// before anything is stored: a server_error, with the reason program_mistake and
// the cause in the log.
func (g *GrantRequest) Issue(ctx context.Context, asked Issuance) (*Token, error) {
	return orNil(g.issuer.grantToken(ctx, g, &asked))
}
