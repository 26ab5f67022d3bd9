package oauth2server

import (
	"strings"
	"unicode/utf8"
)

// The character classes and elements of RFC 6749, appendix A, RFC 6750, section 2.1, and RFC 7636, section 4.1.
// Each function is false for the empty string.

// isVSCHAR: client_id, client_secret, state, code, refresh_token.
func isVSCHAR(s string) bool {
	return consistsOf(s, func(c byte) bool { return 0x20 <= c && c <= 0x7E })
}

// isNQSCHAR: error and error_description.
func isNQSCHAR(s string) bool {
	return consistsOf(s, func(c byte) bool { return 0x20 <= c && c <= 0x7E && c != '"' && c != '\\' })
}

// isScopeToken: NQCHAR, one element of a scope.
func isScopeToken(s string) bool {
	return isNQSCHAR(s) && !strings.Contains(s, " ")
}

// isUnicodeNoCRLF: username and password. Astral characters are included, NUL and other controls but TAB are not.
func isUnicodeNoCRLF(s string) bool {
	if s == "" || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r != '\t' && (r < 0x20 || r == 0x7F || r == 0xFFFE || r == 0xFFFF) {
			return false
		}
	}
	return true
}

// isURIText: the characters of a URI (RFC 3986, section 2).
func isURIText(s string) bool {
	return isVSCHAR(s) && !strings.ContainsAny(s, ` "<>\^{|}`+"`")
}

// isB64Token: a bearer token.
func isB64Token(s string) bool {
	unpadded := strings.TrimRight(s, "=")
	return consistsOf(unpadded, func(c byte) bool { return isUnreserved(c) || c == '+' || c == '/' })
}

// isPKCE: code_verifier and code_challenge.
func isPKCE(s string) bool {
	return 43 <= len(s) && len(s) <= 128 && consistsOf(s, isUnreserved)
}

// isGrantType: a grant name, or an absolute URI for an extension grant.
func isGrantType(s string) bool {
	return consistsOf(s, func(c byte) bool { return isUnreserved(c) && c != '~' }) ||
		strings.Contains(s, ":") && consistsOf(s, func(c byte) bool { return 0x21 <= c && c <= 0x7E && c != '"' && c != '\\' })
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// equalFold compares with an ASCII word regardless of case. Letters of other alphabets that fold to ASCII, such as the
// long s, take more bytes.
func equalFold(s, ascii string) bool { return len(s) == len(ascii) && strings.EqualFold(s, ascii) }

func consistsOf(s string, class func(byte) bool) bool {
	for i := range len(s) {
		if !class(s[i]) {
			return false
		}
	}
	return s != ""
}
