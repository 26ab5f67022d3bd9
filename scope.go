package oauth2server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// Scope is a set of scope tokens (RFC 6749, section 3.3). Its text form is space-delimited.
// nil and empty mean the same, everywhere: no scope.
type Scope []string

// A scope is bounded in tokens, as sets are compared token by token, and in the
// bytes of its text, as each token and each header has it.
const (
	maxScopeTokens = 256
	maxScopeBytes  = 4096
)

// ParseScope reads the text form of a scope: at most 256 tokens of printable ASCII
// without quotation mark and backslash, of 4096 bytes together, with spaces between
// them and white space around. Repetitions are dropped. "" is the empty scope.
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
			continue // clients write two spaces
		}
		if !grammar.IsScopeToken(token) {
			return nil, errors.New("a character that a scope cannot have (RFC 6749, appendix A.4)") // not quoted, as a stranger wrote it
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

// isSpace: what clients write around a scope.
func isSpace(c rune) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// String returns the text form.
func (s Scope) String() string { return strings.Join(s, " ") }

// check returns what is wrong with a scope that no parser made: an element that is
// no scope token, as "read write" would be two to anyone who reads the text form,
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
		return fmt.Errorf("a scope has at most %d tokens and %d bytes, not %d and %d", maxScopeTokens, maxScopeBytes, len(s), size)
	}
	return nil
}

// Contains says whether all of other is in s. It is true for an empty other.
func (s Scope) Contains(other ...string) bool {
	for _, token := range other {
		if !slices.Contains(s, token) {
			return false
		}
	}
	return true
}

// within returns what s and limit share, in the order of s.
func (s Scope) within(limit Scope) Scope {
	var shared Scope
	for _, token := range s {
		if slices.Contains(limit, token) {
			shared = append(shared, token)
		}
	}
	return shared
}
