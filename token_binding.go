// This file binds tokens to keys of clients, and checks that the caller who
// presents a token has its key.

package oauth2server

import (
	"net/http"
	"slices"
)

// bearer is the token type of tokens that are bound to nothing, or to the
// connection (RFC 6750).
const bearer = "Bearer"

// bind returns what the tokens that a request asks for will be bound to.
func (s *Server) bind(r *http.Request) (confirmation map[string]string, refused *Error) {
	for _, b := range s.ext.binders {
		value, err := b.BindToken(r)
		switch {
		case err != nil:
			return nil, refusedBy(b, "BindToken", err, keyMismatch())
		case value == "":
		case confirmation == nil:
			confirmation = map[string]string{b.Confirms(): value}
		default:
			confirmation[b.Confirms()] = value
		}
	}
	return confirmation, nil
}

// BindRequest returns the keys that a request proves, as the
// [Details.Confirmation] for a code that is asked for there; nil if it proves
// none. It is for extensions whose endpoint takes the place of the authorization
// endpoint (RFC 9449, section 10.1). The error is an [Error].
func (s *Server) BindRequest(r *http.Request) (map[string]string, error) {
	confirmation, refused := s.bind(r)
	if refused != nil {
		return nil, refused
	}
	return confirmation, nil
}

// checkRebinding refuses to refresh a token without its key. A confidential
// client has proven itself, so it may change the key, but not drop it (RFC
// 9449, section 5).
func checkRebinding(client *Client, old, presented map[string]string) *Error {
	for name, value := range old {
		if presented[name] == "" || client.Public && presented[name] != value {
			return keyMismatch()
		}
	}
	return nil
}

func keyMismatch() *Error {
	return refusal(InvalidGrant, "key_mismatch", "Invalid grant: it is bound to another key")
}

// tokenType returns the token_type of a token, and the scheme by which it is
// presented.
func (s *ResourceServer) tokenType(token *Token) string {
	if confirmation := token.Details.confirmation(); len(confirmation) > 0 {
		for _, b := range s.binders {
			if confirmation[b.Confirms()] != "" && b.TokenType() != bearer {
				return b.TokenType()
			}
		}
	}
	return bearer
}

// knownType is tokenType for an API that asks: empty if nobody here can check
// what the token is bound to, so that no API lets it in as a bearer token.
func (s *ResourceServer) knownType(token *Token) string {
	for name := range token.Details.confirmation() {
		if !slices.ContainsFunc(s.binders, func(b TokenBinder) bool { return b.Confirms() == name }) {
			return ""
		}
	}
	return s.tokenType(token)
}

// verifyBinding lets a bound token pass only with its key, and an unbound one
// only as a bearer token. A token that nobody here can check is refused.
func (s *ResourceServer) verifyBinding(r *http.Request, token *Token, presented, scheme string) *Error {
	confirmation := token.Details.confirmation()
	if s.tokenType(token) != scheme {
		return invalidToken("token_scheme")
	}
	for name := range confirmation {
		i := slices.IndexFunc(s.binders, func(b TokenBinder) bool { return b.Confirms() == name })
		if i < 0 {
			return invalidToken("token_bound")
		}
		shown := token.shown()
		shown.AccessToken = presented
		if err := s.binders[i].VerifyToken(r, shown); err != nil {
			return refusedBy(s.binders[i], "VerifyToken", err, invalidToken("token_key"))
		}
	}
	return nil
}
