package oauth2server

import "context"

type contextKey int

const (
	tokenKey contextKey = iota
	authorizationRequestKey
)

// ContextWithToken returns a context that carries token, as [ResourceServer.Authenticate] makes one: for handlers that
// authenticate by other means, and for tests.
func ContextWithToken(ctx context.Context, token *Token) context.Context {
	return context.WithValue(ctx, tokenKey, token)
}

// TokenFromContext returns the token that [ResourceServer.Authenticate] found good, or that [Server.Token] issued;
// nil when there is none.
func TokenFromContext(ctx context.Context) *Token {
	token, _ := ctx.Value(tokenKey).(*Token)
	return token
}

// UserFromContext returns the user of that token; nil when there is none.
func UserFromContext(ctx context.Context) *User {
	if token := TokenFromContext(ctx); token != nil {
		return token.User
	}
	return nil
}

// AuthorizationRequestFromContext returns the request that a page is to decide; nil outside a page of
// [Server.Authorize].
func AuthorizationRequestFromContext(ctx context.Context) *AuthorizationRequest {
	request, _ := ctx.Value(authorizationRequestKey).(*AuthorizationRequest)
	return request
}
