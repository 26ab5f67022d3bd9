// This file maps the spellings of a username to one.

package ratelimit

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// fold returns the same text for names that a model may compare as equal: by
// RFC 8265, section 3.3 (width, case and normal form), or by case and outer
// spaces alone. It makes more names equal than that, which only lets them share
// buckets.
func fold(name string) string {
	name = strings.TrimSpace(name)
	switch {
	case isASCII(name):
		return strings.ToLower(name)
	case len(name) > 1024: // too long for a real name
		return name
	}
	folded := cases.Fold().String(norm.NFKC.String(name))
	folded = strings.ToLower(folded) // Fold makes lower case of Cherokee's upper case, and the reverse
	return norm.NFKC.String(folded)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
