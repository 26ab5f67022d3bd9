package oauth2server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// The code challenge methods of RFC 7636, section 4.2.
const (
	methodS256  = "S256"
	methodPlain = "plain"
)

// checkChallenge looks at the challenge of an authorization request, after the rest of it was found good.
func (s *Server) checkChallenge(client *Client, challenge, method string) *Error {
	switch {
	case challenge == "" && method != "":
		// The client believes that it uses PKCE.
		return missing("code_challenge")
	case challenge == "" && client.Public:
		return refusal(InvalidRequest, "pkce_required", "Missing parameter: `code_challenge`; a public client must use PKCE")
	case challenge == "":
		return nil
	case method != methodS256 && method != methodPlain:
		return refusal(InvalidRequest, "pkce_method", "Invalid request: `code_challenge_method` must be S256")
	case method == methodPlain && !s.options.InsecureAllowPlainPKCE:
		return refusal(InvalidRequest, "pkce_plain",
			"Invalid request: `code_challenge_method` must be S256; plain, or none at all, is not allowed")
	case method == methodS256 && !isS256(challenge):
		return refusal(InvalidRequest, "parameter_invalid",
			"Invalid parameter: `code_challenge`; with S256 it is base64url of the SHA-256, 43 characters")
	case !grammar.IsPKCE(challenge):
		return invalid("code_challenge")
	}
	return nil
}

// isS256 reports whether a challenge can be what RFC 7636, section 4.2, makes of a
// verifier. One of another form could never be proved.
func isS256(challenge string) bool {
	var hash [sha256.Size]byte
	n, err := base64.RawURLEncoding.Strict().Decode(hash[:], []byte(challenge[:min(len(challenge), 43)]))
	return err == nil && n == len(hash) && len(challenge) == 43
}

// challengeMethod is the method of a challenge. Without one it is plain (RFC 7636, section 4.3).
func challengeMethod(challenge, method string) string {
	if challenge != "" && method == "" {
		return methodPlain
	}
	return method
}

// verifyPKCE compares the verifier with the challenge that the code was asked for with. A verifier for a code without
// challenge is refused: somebody took the challenge out of the authorization request (RFC 9700, section 4.8.2).
func (s *Server) verifyPKCE(code *AuthorizationCode, client *Client, verifier string) *Error {
	challenge, method := code.CodeChallenge, challengeMethod(code.CodeChallenge, code.CodeChallengeMethod)
	switch {
	case challenge == "" && (client.Public || method != ""):
		return breach("GetAuthorizationCode did not return a code with its CodeChallenge") // the server demanded one
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return refusal(InvalidGrant, "pkce_verifier_unexpected",
			"Invalid grant: `code_verifier` was sent, but the code was asked for without `code_challenge`")
	case code.CodeChallengeMethod == "" && !s.options.InsecureAllowPlainPKCE:
		return breach("GetAuthorizationCode did not return a code with its CodeChallengeMethod")
	case verifier == "":
		return refusal(InvalidGrant, "pkce_verifier_missing", "Missing parameter: `code_verifier`")
	case !grammar.IsPKCE(verifier):
		return refusal(InvalidRequest, "pkce_verifier_malformed", "Invalid parameter: `code_verifier`")
	}
	switch method {
	case methodS256:
		verifier = Digest(verifier) // which is just what the challenge is
	case methodPlain:
		if !s.options.InsecureAllowPlainPKCE {
			return refusal(InvalidGrant, "pkce_plain", "Invalid grant: `code_challenge_method` must be S256")
		}
	default:
		return breach("a stored code has the challenge method %q", code.CodeChallengeMethod)
	}
	if subtle.ConstantTimeCompare([]byte(verifier), []byte(challenge)) != 1 {
		return wrongVerifier()
	}
	return nil
}

func wrongVerifier() *Error {
	return refusal(InvalidGrant, "pkce_verifier_wrong", "Invalid grant: code verifier is invalid")
}
