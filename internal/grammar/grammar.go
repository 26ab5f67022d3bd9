// Package grammar has the character classes and elements of RFC 6749, appendix
// A, RFC 6750, section 2.1, and RFC 7636, section 4.1. Each Is function returns
// false for the empty string.
package grammar

import (
	"strings"
	"unicode/utf8"
)

// IsVSCHAR reports whether s can be a client_id, client_secret, state, code or
// refresh_token.
func IsVSCHAR(s string) bool {
	return ConsistsOf(s, func(c byte) bool { return 0x20 <= c && c <= 0x7E })
}

// IsNQSCHAR reports whether s can be an error or error_description.
func IsNQSCHAR(s string) bool {
	return ConsistsOf(s, func(c byte) bool { return 0x20 <= c && c <= 0x7E && c != '"' && c != '\\' })
}

// IsScopeToken reports whether s can be one element of a scope.
func IsScopeToken(s string) bool {
	return IsNQSCHAR(s) && !strings.Contains(s, " ")
}

// IsUnicodeNoCRLF reports whether s can be a username or password. Characters
// beyond U+FFFF are allowed; controls of ASCII other than TAB are not.
func IsUnicodeNoCRLF(s string) bool {
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

// IsURIText reports whether a URI can have the characters of s (RFC 3986,
// section 2).
func IsURIText(s string) bool {
	return IsVSCHAR(s) && !strings.ContainsAny(s, ` "<>\^{|}`+"`")
}

// IsB64Token reports whether s can be a bearer token.
func IsB64Token(s string) bool {
	unpadded := strings.TrimRight(s, "=")
	return ConsistsOf(unpadded, func(c byte) bool { return IsUnreserved(c) || c == '+' || c == '/' })
}

// IsPKCE reports whether s can be a code_verifier or code_challenge.
func IsPKCE(s string) bool {
	return 43 <= len(s) && len(s) <= 128 && ConsistsOf(s, IsUnreserved)
}

// IsGrantType reports whether s can be the name of a grant, or the absolute URI
// of an extension grant.
func IsGrantType(s string) bool {
	return ConsistsOf(s, func(c byte) bool { return IsUnreserved(c) && c != '~' }) ||
		strings.Contains(s, ":") &&
			ConsistsOf(s, func(c byte) bool { return 0x21 <= c && c <= 0x7E && c != '"' && c != '\\' })
}

// IsUnreserved reports whether a URI can have c anywhere (RFC 3986, section
// 2.3).
func IsUnreserved(c byte) bool { return unreserved[c] }

// unreserved is a table, as each byte of each token is looked up.
var unreserved = func() (class [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") {
		class[c] = true
	}
	return class
}()

// EqualFold reports whether s is an ASCII word, regardless of case. Other
// letters that fold to ASCII, such as the long s, do not match: they take more
// bytes.
func EqualFold(s, ascii string) bool { return len(s) == len(ascii) && strings.EqualFold(s, ascii) }

// ConsistsOf reports whether each byte of s is of a class.
func ConsistsOf(s string, class func(byte) bool) bool {
	for i := range len(s) {
		if !class(s[i]) {
			return false
		}
	}
	return s != ""
}
