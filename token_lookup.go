// This file looks up the token that a client wants to revoke or to introspect.

package oauth2server

import (
	"net/http"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// lookUp returns the token that a request to revoke or to introspect is about,
// and reports whether it is a refresh token. The token is nil if it is unknown,
// or an access token that has expired.
func (s *Server) lookUp(r *http.Request, f form) (token *Token, isRefreshToken bool, refused *Error) {
	presented := f.get("token")
	if presented == "" {
		return nil, false, missing("token")
	}
	// The hint tells where to look first; it may be wrong (RFC 7009, section
	// 2.1).
	refreshFirst := f.get("token_type_hint") != "access_token"
	for _, isRefreshToken := range []bool{refreshFirst, !refreshFirst} {
		look := s.lookUpAccessToken
		if isRefreshToken {
			look = s.lookUpRefreshToken
		}
		token, refused := look(r, presented)
		if refused == nil {
			return token, isRefreshToken, nil
		}
		if refused.Code != InvalidGrant && refused.Code != InvalidToken {
			return nil, false, refused // a fault, or the model's own choice
		}
	}
	return nil, false, nil
}

func (s *Server) lookUpRefreshToken(r *http.Request, presented string) (*Token, *Error) {
	if s.can.refresh == nil || !grammar.IsVSCHAR(presented) {
		return nil, invalidRefreshToken("refresh_token_unknown")
	}
	token, refused := s.findRefreshToken(r.Context(), presented)
	if refused == nil && s.can.log != nil && token.GrantID == "" {
		refused = lostGrantID()
	}
	return token, refused
}

func (s *Server) lookUpAccessToken(r *http.Request, presented string) (*Token, *Error) {
	if s.can.tokens == nil || !grammar.IsB64Token(presented) {
		return nil, invalidToken("token_unknown")
	}
	token, refused := s.resource.checkToken(r, presented)
	if refused != nil {
		return nil, refused
	}
	if token.AccessToken != presented { // a model that stores digests does not know it
		own := *token
		own.AccessToken = presented
		token = &own
	}
	return token, nil
}
