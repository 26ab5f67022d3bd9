// This file makes strings that a careless lookup takes for the right one.

package modeltest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-11d18166/oauth2server"
)

// near is a string that resembles another one, or its stored form, and must not
// be taken for it.
type near struct{ name, text string }

// alike returns strings that resemble right. what names it: a secret, a code or
// a token.
func alike(what, right string) []near {
	digest := sha256.Sum256([]byte(right))
	all := []near{
		{"a made-up " + what, unique()},
		{"the " + what + " but its last character", right[:len(right)-1]},
		{"the " + what + " and a space", right + " "},
		{"the " + what + " after a space", " " + right},
		{"the " + what + " twice", right + right},
		{"the " + what + " in another case", swapCase(right)},
		{"the Digest of the " + what, oauth2server.Digest(right)},
		{"the SHA-256 of the " + what, hex.EncodeToString(digest[:])},
	}
	return slices.DeleteFunc(all, func(n near) bool { return n.text == "" || n.text == right })
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}
