// This file checks PKCE (RFC 7636): the challenge of an authorization request,
// and the verifier with which its code is redeemed.

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

// checkChallenge refuses an authorization request whose challenge is missing or
// wrong. The rest of the request was checked before.
func (s *Server) checkChallenge(client *Client, challenge, method string) *Error {
	switch {
	case challenge == "" && method != "":
		// The client wants PKCE, so a code without it would be a downgrade.
		return missing("code_challenge")
	case challenge == "" && client.mustProveCode():
		return refusal(InvalidRequest, "pkce_required",
			"Missing parameter: `code_challenge`; a client that is public, or registered itself, must use PKCE")
	case challenge == "":
		return nil
	case method != methodS256 && method != methodPlain:
		return refusal(InvalidRequest, "pkce_method", "Invalid request: `code_challenge_method` must be S256")
	case method == methodPlain && (client.SelfAsserted || !s.options.InsecureAllowPlainPKCE):
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

// isS256 reports whether a challenge has the form of an S256 challenge (RFC
// 7636, section 4.2). No verifier could match another one.
func isS256(challenge string) bool {
	if len(challenge) != 43 {
		return false
	}
	var hash [sha256.Size]byte
	_, err := base64.RawURLEncoding.Strict().Decode(hash[:], []byte(challenge))
	return err == nil
}

// verifyPKCE compares the verifier with the challenge of the authorization
// request. A verifier for a code without a challenge is refused: somebody may
// have removed the challenge from the authorization request (RFC 9700, section
// 4.8.2).
func (s *Server) verifyPKCE(code *AuthorizationCode, client *Client, verifier string) *Error {
	challenge, method := code.CodeChallenge, challengeMethod(code.CodeChallenge, code.CodeChallengeMethod)
	switch {
	case challenge == "" && (client.mustProveCode() || method != ""):
		// The server accepted no such request, so the model lost the challenge.
		return breach("GetAuthorizationCode did not return a code with its CodeChallenge")
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
	var buffer [128]byte // as long as a verifier may be
	proof := append(buffer[:0], verifier...)
	switch method {
	case methodS256:
		proof = appendDigest(buffer[:0], verifier) // base64url of SHA-256, as the challenge
	case methodPlain:
		if !s.options.InsecureAllowPlainPKCE {
			return refusal(InvalidGrant, "pkce_plain", "Invalid grant: `code_challenge_method` must be S256")
		}
	default:
		return breach("a stored code has the challenge method %q", code.CodeChallengeMethod)
	}
	if subtle.ConstantTimeCompare(proof, []byte(challenge)) != 1 {
		return wrongVerifier()
	}
	return nil
}

// challengeMethod returns the method of a challenge: plain if the client named
// none (RFC 7636, section 4.3).
func challengeMethod(challenge, method string) string {
	if challenge != "" && method == "" {
		return methodPlain
	}
	return method
}

func wrongVerifier() *Error {
	return refusal(InvalidGrant, "pkce_verifier_wrong", "Invalid grant: code verifier is invalid")
}
