// This file is what a grant sees of a token request, the program's own grants
// included.

package oauth2server

import (
	"context"
	"net/http"
	"time"
)

// GrantFunc answers the token requests of one grant type. The client is
// authenticated already, and may use the grant. The client is told an [Error]
// or [ErrorCode]; [ErrNotFound] becomes invalid_grant, and any other error
// server_error. A GrantFunc is called concurrently.
type GrantFunc func(ctx context.Context, request *GrantRequest) (*Token, error)

// GrantRequest is a request for a token by an authenticated client.
type GrantRequest struct {
	// Client is the client that sent the request.
	Client *Client

	issuer       issuer
	request      *http.Request
	form         *form // a pointer, so that printing the request prints no secret
	repeated     string
	began        beginning
	confirmation map[string]string // what the tokens will be bound to
	event        Event             // what is known so far
}

// Request returns the HTTP request. The server has read its body, which can be
// read again, once.
func (g *GrantRequest) Request() *http.Request { return g.request }

// Param returns a parameter of the request's body; "" if it is absent, empty or
// repeated. If it is repeated, [GrantRequest.Issue] refuses the request.
func (g *GrantRequest) Param(name string) string {
	value, repeated := g.form.lookup(name)
	if repeated {
		g.repeated = name
	}
	return value
}

// Params returns all values of a parameter that may repeat, as resource does
// (RFC 8707, section 2). The caller may change the slice.
func (g *GrantRequest) Params(name string) []string { return g.form.body.values(name) }

// Scope returns the scope to grant to user for the scope parameter of the
// request. The error is an [InvalidScope] if the scope is malformed or not
// allowed.
func (g *GrantRequest) Scope(ctx context.Context, user *User) (Scope, error) {
	return orNil(g.issuer.grantScope(ctx, g, user))
}

// Resource returns the one of [Options.Resources] that the request names, for
// [Issuance.Resource]; empty if it names none. The error is an [InvalidTarget]
// if it names something else, or two of them (RFC 8707, section 2).
func (g *GrantRequest) Resource() (string, error) {
	return orNil(g.issuer.grantResource(g))
}

// Issuance describes the token that [GrantRequest.Issue] is to make.
type Issuance struct {
	// User is the owner. It must be set.
	User *User

	// Scope is what to grant; see [GrantRequest.Scope]. Nil: none.
	Scope Scope

	// Extra is stored with the token and with each of its successors; see
	// [Token.Extra].
	Extra map[string]any

	// Resource is the one of [Options.Resources] that the token is for; see
	// [GrantRequest.Resource]. Empty: what is none of them.
	Resource string

	// Details are kept with the token and its successors. The server adds the
	// key that the request proves. Nil: none.
	Details *Details

	// GrantID is the grant to begin or to join. Empty: with Refresh, a new
	// grant begins; without Refresh, the token belongs to no grant, so no
	// revocation of a grant ends it.
	GrantID string

	// GrantExpiresAt is the latest end of the grant, or of the token if it is in
	// no grant. It can only bring the end nearer. Zero: no change.
	GrantExpiresAt time.Time

	// Refresh begins a grant, so GrantID must be empty or new. A refresh token
	// is issued too, if the server has the refresh token grant on and the
	// client may use it. Without Refresh, the access token joins the grant that
	// GrantID names, which must be the same user's, and ends with it.
	Refresh bool
}

// Issue makes the token that is asked for, saves it and returns what the model
// stored. The server sets strings and lifetimes. An Issuance without a user,
// with a malformed scope, or with something that [Token.Extra] may not hold, is
// a server_error before anything is stored; the log has the reason
// program_mistake and the cause.
func (g *GrantRequest) Issue(ctx context.Context, asked Issuance) (*Token, error) {
	return orNil(g.issuer.grantToken(ctx, g, &asked))
}

// concerns records, for the event, whose grant the request is about.
func (g *GrantRequest) concerns(owner *User, grantID string) {
	g.event.UserID, g.event.GrantID = owner.ID, grantID
}

// issuer is what a [Server] does for a [GrantFunc].
type issuer interface {
	grantScope(ctx context.Context, g *GrantRequest, user *User) (Scope, *Error)
	grantToken(ctx context.Context, g *GrantRequest, asked *Issuance) (*Token, *Error)
	grantResource(g *GrantRequest) (string, *Error)
}
