package oauth2server

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Scope is a set of scope tokens (RFC 6749, section 3.3). Its text form is space-delimited.
// nil and empty mean the same, everywhere: no scope.
type Scope []string

// maxScopeTokens bounds the work that a scope makes: sets are compared token by token.
const maxScopeTokens = 100

// ParseScope reads the text form of a scope: at most 100 tokens of printable ASCII without quotation mark and backslash,
// one space between them. Repetitions are dropped. "" is the empty scope.
func ParseScope(s string) (Scope, error) {
	if s == "" {
		return nil, nil
	}
	many := strings.Count(s, " ") + 1
	if many > maxScopeTokens {
		return nil, fmt.Errorf("oauth2server: a scope of more than %d tokens", maxScopeTokens)
	}
	scope := make(Scope, 0, many)
	for token := range strings.SplitSeq(s, " ") {
		if !isScopeToken(token) {
			return nil, fmt.Errorf("oauth2server: %q is no scope (RFC 6749, appendix A.4)", s)
		}
		if !slices.Contains(scope, token) {
			scope = append(scope, token)
		}
	}
	return scope, nil
}

// String returns the text form.
func (s Scope) String() string { return strings.Join(s, " ") }

// wellFormed says whether each element is one scope token: "read write" would be two to who reads the text form.
func (s Scope) wellFormed() bool {
	return !slices.ContainsFunc(s, func(token string) bool { return !isScopeToken(token) })
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

// allows says whether the client may ask for scope at all.
func (c *Client) allows(scope Scope) bool {
	return len(c.Scope) == 0 || c.Scope.Contains(scope...)
}

// narrow returns what of scope the client may have.
func (c *Client) narrow(scope Scope) Scope {
	if len(c.Scope) == 0 {
		return scope
	}
	return scope.within(c.Scope)
}

// askedScope reads the scope parameter.
func askedScope(f *form) (Scope, *Error) {
	scope, err := ParseScope(f.get("scope"))
	if err != nil {
		return nil, refusal(InvalidScope, "scope_malformed", "Invalid parameter: `scope`")
	}
	return scope, nil
}

func invalidScope(reason string) *Error {
	return refusal(InvalidScope, reason, "Invalid scope: Requested scope is invalid")
}

// validateScope returns the scope to grant to user for what the client asked, nothing or something. A model may only
// narrow it: what it adds would be granted unseen.
func (s *Server) validateScope(ctx context.Context, user *User, client *Client, asked Scope) (Scope, *Error) {
	if !client.allows(asked) {
		return nil, invalidScope("scope_beyond_client")
	}
	if s.can.scopes == nil {
		return asked, nil
	}
	scope, err := s.can.scopes.ValidateScope(ctx, user, client, slices.Clone(asked))
	if err != nil {
		return nil, modelFailure(err, invalidScope("scope_refused"))
	}
	if len(asked) > 0 && !asked.Contains(scope...) {
		return nil, breach("ValidateScope returned %q for %q: it may only narrow", scope, asked)
	}
	if !scope.wellFormed() {
		return nil, breach("ValidateScope returned the malformed scope %q", scope)
	}
	if scope = client.narrow(scope); len(scope) == 0 {
		return nil, invalidScope("scope_refused")
	}
	return scope, nil
}
