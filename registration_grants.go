// This file checks the grant names in a registration or an option, and suggests
// what was probably meant.

package oauth2server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// builtinGrants are the grant types of RFC 6749.
var builtinGrants = []string{
	"authorization_code", "refresh_token", "client_credentials", "password", "implicit",
}

// checkGrants returns what is wrong with each grant of the client, and what
// else its grants need.
func (c *Client) checkGrants(extensions []string) (wrong []error) {
	for _, name := range c.Grants {
		if err := checkGrant(name, extensions); err != nil {
			wrong = append(wrong, fmt.Errorf("grant %q: %w", name, err))
		}
	}
	for _, name := range []string{"authorization_code", "implicit"} {
		if slices.Contains(c.Grants, name) && len(c.RedirectURIs) == 0 {
			wrong = append(wrong, fmt.Errorf("grant %q: it needs a redirection URI "+
				"(RFC 6749, section 3.1.2.2)", name))
		}
	}
	if c.Public && slices.Contains(c.Grants, "client_credentials") {
		wrong = append(wrong, errors.New(`grant "client_credentials": it is for confidential clients `+
			`(RFC 6749, section 4.4)`))
	}
	return wrong
}

// checkGrant returns why name is no grant type.
func checkGrant(name string, extensions []string) error {
	known := append(slices.Clip(builtinGrants), extensions...)
	several := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;|", r) })
	isKnown := func(name string) bool { return slices.Contains(known, name) }
	switch {
	case name == "":
		return errors.New("it is empty")
	case isKnown(name) && grammar.IsGrantType(name):
		return nil
	case len(several) > 1 &&
		(slices.ContainsFunc(several, isKnown) || !slices.ContainsFunc(several, isRelative)):
		return fmt.Errorf("make each an element of its own: %q", several)
	case isAbsoluteURI(name):
		return checkLength("it", name, maxRegistered)
	case isKnown(name):
		return errors.New("not a grant type (RFC 6749, appendix A.10)")
	}
	if meant := nearest(name, known); meant != "" {
		return fmt.Errorf("it is unknown; %q was probably meant", meant)
	}
	return errors.New("it is unknown; a grant of your own is an absolute URI (RFC 6749, section 4.5), " +
		"or you name it as an extension grant")
}

func isRelative(text string) bool { return !isAbsoluteURI(text) }

// isAbsoluteURI reports whether text is a scheme, a colon and something after
// it, without a fragment (RFC 3986, section 4.3).
func isAbsoluteURI(text string) bool {
	scheme, rest, found := strings.Cut(text, ":")
	isSchemeCharacter := func(c byte) bool {
		return grammar.IsUnreserved(c) && c != '_' && c != '~' || c == '+'
	}
	return found && rest != "" && grammar.IsURIText(text) && !strings.Contains(text, "#") &&
		isLetter(scheme, 0) && grammar.ConsistsOf(scheme, isSchemeCharacter)
}

// isLetter reports whether text has an ASCII letter at an index.
func isLetter(text string, at int) bool {
	return at < len(text) && ('a' <= text[at] && text[at] <= 'z' || 'A' <= text[at] && text[at] <= 'Z')
}

// nearest returns the one of names that name was probably meant to be: with
// another case, other separators, a typing mistake, or only a part. It returns
// "" if none is near enough.
func nearest(name string, names []string) string {
	name = squeeze(name)
	for _, near := range []func(a, b string) bool{
		func(a, b string) bool { return a == b },
		func(a, b string) bool { return distance(a, b) <= min(2, len(b)/4) },
		func(a, b string) bool {
			return min(len(a), len(b)) >= 4 && (strings.Contains(a, b) || strings.Contains(b, a))
		},
	} {
		for _, candidate := range names {
			if near(name, squeeze(candidate)) {
				return candidate
			}
		}
	}
	return ""
}

// squeeze keeps only ASCII letters and digits, in lower case.
func squeeze(name string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}
