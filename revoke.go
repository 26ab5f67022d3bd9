// This file ends tokens at the request of a client.

package oauth2server

import (
	"context"
	"errors"
	"net/http"
)

// Revoke returns the revocation endpoint (RFC 7009), where clients end tokens,
// for example when a user signs out. It takes POST. A refresh token, even one
// that was used before or has expired, ends its whole grant: see [RevokeGrant].
// An access token ends alone. Clients authenticate as at the token endpoint,
// public ones by their client_id alone, and can end only their own tokens. A
// token that is unknown, or an access token that has expired, is answered with
// 200, as there is nothing left to do.
//
// If the model is no [GrantLog], a refresh token ends alone, and an access
// token only if the model is an [AccessTokenRevoker]: otherwise the answer is
// unsupported_token_type. If the model is no [AccessTokenModel], the server
// cannot look up access tokens: an unknown token is then answered with
// unsupported_token_type too, unless token_type_hint calls it a refresh token.
func (s *Server) Revoke() http.Handler {
	return s.AllowOrigins(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	}))
}

// revoke fills in event as it learns whose token it is.
func (s *Server) revoke(r *http.Request, event *Event) *Error {
	f := new(posted)
	if refused := s.clientForm(r, s.statusParameters, f); refused != nil {
		return refused
	}
	client, refused := s.authenticateClient(r, f.form, s.statusParameters, exemption{public: true})
	event.ClientID = client.id()
	if refused != nil {
		return refused
	}
	token, isRefreshToken, refused := s.lookUp(r, f.form)
	switch {
	case refused != nil:
		return refused
	case token == nil && s.can.tokens == nil && f.get("token_type_hint") != "refresh_token":
		return cannotRevoke() // it may be a good access token
	case token == nil:
		return nil
	}
	event.UserID, event.GrantID = token.User.id(), token.GrantID
	switch {
	case token.Client == nil:
		return breach("GetAccessToken did not return a token with its client")
	case token.Client.ID != client.ID:
		return refusal(UnauthorizedClient, "token_of_another_client",
			"Unauthorized client: the token is not the client's")
	case isRefreshToken && s.can.log != nil:
		refused = s.revokeGrant(r.Context(), token.GrantID, token.RefreshTokenExpiresAt)
	case isRefreshToken:
		event.GrantID = "" // its access tokens live on, so the grant is not over
		refused = unlessGone("RevokeToken", s.can.refresh.RevokeToken(r.Context(), token))
	default:
		event.GrantID = ""
		refused = s.revokeAccessToken(r.Context(), token.AccessToken)
	}
	event.Kind = EventRevoked
	return refused
}

// revokeAccessToken ends one access token. Its grant goes on.
func (s *Server) revokeAccessToken(ctx context.Context, presented string) *Error {
	switch {
	case s.can.log != nil:
		return unlessGone("RevokeAccessTokens", s.can.log.RevokeAccessTokens(ctx, Digest(presented)))
	case s.can.revoker != nil:
		return unlessGone("RevokeAccessToken", s.can.revoker.RevokeAccessToken(ctx, presented))
	}
	return cannotRevoke()
}

// cannotRevoke refuses to revoke an access token (RFC 7009, section 2.2.1).
func cannotRevoke() *Error {
	return refusal(UnsupportedTokenType, "token_type",
		"Unsupported token type: access tokens cannot be revoked here")
}

// unlessGone counts [ErrNotFound] as success: the token is gone, as asked.
func unlessGone(method string, err error) *Error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return nil
	}
	return modelFailure(method, err, nil)
}
