package oauth2server

import (
	"context"
	"errors"
	"net/http"
)

// Revoke returns the endpoint at which clients end tokens (RFC 7009), say when somebody signs out. It takes POST.
// A refresh token, also one that was used before or has expired, ends its whole grant: see [RevokeGrant]. An access
// token ends alone. Clients authenticate as at the token endpoint, public ones by naming themselves, and can end their
// own tokens only. A token that is unknown, or an access token that has expired, is answered with 200, as there is
// nothing left to do.
//
// If the model is no [GrantLog], a refresh token ends alone, and an access token needs an [AccessTokenRevoker]: without
// it the answer is unsupported_token_type. So it is without an [AccessTokenModel] for whatever is no refresh token and is
// not called one by token_type_hint: it may be an access token, and whose it is cannot be seen.
func (s *Server) Revoke() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event := Event{Endpoint: EndpointRevoke}
		if refused := s.revoke(r, &event); refused != nil {
			s.refuseClient(w, r, event, refused)
			return
		}
		if event.Kind == EventRevoked {
			s.report(r, event)
		}
		forbidStoring(w)
		w.WriteHeader(http.StatusOK)
	})
}

// revoke fills in event as it finds out whom it concerns.
func (s *Server) revoke(r *http.Request, event *Event) *Error {
	f, refused := s.clientForm(r, statusParameters)
	if refused != nil {
		return refused
	}
	client, refused := s.authenticateClient(r, f, statusParameters, exemption{public: true})
	event.ClientID = client.id()
	if refused != nil {
		return refused
	}
	token, isRefreshToken, refused := s.lookUp(r, f)
	switch {
	case refused != nil:
		return refused
	case token == nil && s.can.tokens == nil && f.get("token_type_hint") != "refresh_token":
		return cannotRevoke() // it may be an access token that is good
	case token == nil:
		return nil
	}
	event.UserID, event.GrantID = token.User.id(), token.GrantID
	switch {
	case token.Client == nil:
		return breach("GetAccessToken did not return a token with its client")
	case token.Client.ID != client.ID:
		return refusal(UnauthorizedClient, "token_of_another_client", "Unauthorized client: the token is not the client's")
	case isRefreshToken && s.can.log != nil:
		refused = s.revokeGrant(r.Context(), token.GrantID, token.RefreshTokenExpiresAt)
	case isRefreshToken:
		event.GrantID = "" // of which the access tokens go on
		refused = unlessGone("RevokeToken", s.can.refresh.RevokeToken(r.Context(), token))
	default:
		event.GrantID = ""
		refused = s.revokeAccessToken(r.Context(), token.AccessToken)
	}
	event.Kind = EventRevoked
	return refused
}

func (s *Server) revokeAccessToken(ctx context.Context, presented string) *Error {
	switch {
	case s.can.log != nil:
		return unlessGone("RevokeAccessTokens", s.can.log.RevokeAccessTokens(ctx, Digest(presented)))
	case s.can.revoker != nil:
		return unlessGone("RevokeAccessToken", s.can.revoker.RevokeAccessToken(ctx, presented))
	}
	return cannotRevoke()
}

// cannotRevoke is for access tokens (RFC 7009, section 2.2.1).
func cannotRevoke() *Error {
	return refusal(UnsupportedTokenType, "token_type", "Unsupported token type: access tokens cannot be revoked here")
}

// unlessGone takes what is no longer there for success.
func unlessGone(method string, err error) *Error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return nil
	}
	return modelFailure(method, err, nil)
}
