// This file decides which part of the scope that a client asks for is granted.

package oauth2server

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// askedScope returns the scope parameter of a request; nil if there is none.
func askedScope(f *form) (Scope, *Error) {
	scope, err := parseScope(f.get("scope"))
	if err != nil {
		return nil, refusal(InvalidScope, "scope_malformed", "Invalid parameter: `scope`: "+err.Error())
	}
	return scope, nil
}

// scopeAt returns what a request asks for at a resource; see [Resource.Scopes].
func (s *Server) scopeAt(identifier string, asked Scope) Scope {
	if identifier == "" {
		return asked
	}
	return s.resources.at(identifier).scope(asked, s.extensionScopes)
}

// validateScope returns the scope to grant to user when the client asks for
// asked, which may be empty. A model may only narrow asked: nobody would see
// what it adds.
func (s *Server) validateScope(
	ctx context.Context, user *User, client *Client, asked Scope,
) (Scope, *Error) {
	if !client.allows(asked) {
		return nil, beyondClient(client, asked)
	}
	if s.can.scopes == nil {
		return asked, nil
	}
	scope, err := s.can.scopes.ValidateScope(ctx, user, client, slices.Clone(asked))
	if err != nil {
		return nil, modelFailure("ValidateScope", err, invalidScope("scope_refused"))
	}
	if len(asked) > 0 && !asked.Contains(scope...) {
		return nil, breach("ValidateScope returned %q for %q: it may only narrow", scope, asked)
	}
	if err := scope.check(); err != nil {
		return nil, breach("ValidateScope returned a malformed scope: %w", err)
	}
	if scope = client.narrow(scope); len(scope) == 0 {
		return nil, invalidScope("scope_refused")
	}
	return scope, nil
}

// beyondClient refuses a scope that exceeds the client's own.
func beyondClient(client *Client, asked Scope) *Error {
	e := invalidScope("scope_beyond_client")
	e.sent = []slog.Attr{sentText("scope", asked.String()), slog.String("allowed", client.Scope.String())}
	if slices.ContainsFunc(asked, func(token string) bool { return strings.Contains(token, ",") }) {
		e.Description = "Invalid scope: Requested scope is invalid; " +
			"its tokens are separated by spaces, not by commas"
	}
	return e
}

func invalidScope(reason string) *Error {
	return refusal(InvalidScope, reason, "Invalid scope: Requested scope is invalid")
}
