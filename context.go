// This file passes tokens and authorization requests to handlers, in the
// context of a request.

package oauth2server

import "context"

type contextKey int

const (
	tokenKey contextKey = iota
	authorizationRequestKey
)

// ContextWithToken returns a context that carries token, as
// [ResourceServer.Authenticate] passes it on. It is for handlers that
// authenticate by other means, and for tests.
func ContextWithToken(ctx context.Context, token *Token) context.Context {
	return context.WithValue(ctx, tokenKey, token)
}

// TokenFromContext returns the token that [ResourceServer.Authenticate]
// accepted, or that [Server.Token] issued; nil if there is none.
func TokenFromContext(ctx context.Context) *Token {
	token, _ := ctx.Value(tokenKey).(*Token)
	return token
}

// UserFromContext returns the user of [TokenFromContext]; nil if there is none.
func UserFromContext(ctx context.Context) *User {
	if token := TokenFromContext(ctx); token != nil {
		return token.User
	}
	return nil
}

// AuthorizationRequestFromContext returns the request that a page has to
// answer; nil outside a page of [Server.Authorize].
func AuthorizationRequestFromContext(ctx context.Context) *AuthorizationRequest {
	request, _ := ctx.Value(authorizationRequestKey).(*AuthorizationRequest)
	return request
}
