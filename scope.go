// This file is the scope of requests, codes and tokens: its text form, its
// limits, and comparison.

package oauth2server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// Scope is a set of scope tokens (RFC 6749, section 3.3). In its text form,
// spaces separate them. Nil and empty mean the same everywhere: no scope.
type Scope []string

// The number of scope tokens is limited, as scopes are compared token by token,
// and so is the length of the text, as records and headers contain it.
const (
	maxScopeTokens = 256
	maxScopeBytes  = 4096
)

// ParseScope reads the text form of a scope: at most 256 tokens of printable
// ASCII without quotation mark and backslash, at most 4096 bytes in all,
// separated by spaces. White space around the text and repeated tokens are
// dropped. "" is the empty scope.
func ParseScope(s string) (Scope, error) {
	scope, err := parseScope(s)
	if err != nil {
		return nil, fmt.Errorf("oauth2server: %w", err)
	}
	return scope, nil
}

func parseScope(s string) (Scope, error) {
	if len(s) > maxScopeBytes {
		return nil, fmt.Errorf("a scope has at most %d bytes, not %d", maxScopeBytes, len(s))
	}
	s = strings.TrimFunc(s, isSpace)
	many := strings.Count(s, " ") + 1
	var scope Scope
	for token := range strings.SplitSeq(s, " ") {
		if token == "" {
			continue // some clients write two spaces
		}
		if !grammar.IsScopeToken(token) {
			// Not quoted: the client is shown this text, and a stranger wrote
			// it.
			return nil, errors.New("a character that a scope cannot have (RFC 6749, appendix A.4)")
		}
		if scope == nil {
			scope = make(Scope, 0, min(many, maxScopeTokens))
		}
		if slices.Contains(scope, token) {
			continue
		}
		if len(scope) == maxScopeTokens {
			return nil, fmt.Errorf("a scope has at most %d tokens", maxScopeTokens)
		}
		scope = append(scope, token)
	}
	return scope, nil
}

// isSpace reports whether c is white space that clients write around a scope.
func isSpace(c rune) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// String returns the text form, with single spaces.
func (s Scope) String() string { return strings.Join(s, " ") }

// check returns what is wrong with a scope that ParseScope did not make: an
// element that is no scope token (the text form of "read write" would be two),
// or too many of them.
func (s Scope) check() error {
	size := len(s) - 1
	for _, token := range s {
		if !grammar.IsScopeToken(token) {
			return fmt.Errorf("%q is no scope token (RFC 6749, appendix A.4)", token)
		}
		size += len(token)
	}
	if size > maxScopeBytes || len(s) > maxScopeTokens {
		return fmt.Errorf("a scope has at most %d tokens and %d bytes, not %d and %d",
			maxScopeTokens, maxScopeBytes, len(s), size)
	}
	return nil
}

// Contains reports whether all of other is in s. It is true if other is empty.
func (s Scope) Contains(other ...string) bool {
	for _, token := range other {
		if !slices.Contains(s, token) {
			return false
		}
	}
	return true
}

// within returns the tokens that are in both s and limit, in the order of s.
func (s Scope) within(limit Scope) Scope {
	var shared Scope
	for _, token := range s {
		if slices.Contains(limit, token) {
			shared = append(shared, token)
		}
	}
	return shared
}
