// This file answers resource servers that ask whether a token is active.

package oauth2server

import (
	"encoding/json"
	"maps"
	"net/http"
)

// Introspect returns the introspection endpoint (RFC 7662), where resource
// servers ask whether a token is active. It takes POST. The caller
// authenticates as a confidential client. It sees its own tokens, and the
// access tokens of others that [Options.MayIntrospect] allows; every other
// token is answered as not active. The answer for a refresh token has no
// token_type, so that an API, which accepts only the type Bearer, does not let
// it in.
func (s *Server) Introspect() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event := Event{Endpoint: EndpointIntrospect}
		answer, refused := s.introspect(r, &event)
		if refused != nil {
			s.refuseClient(w, r, event, refused)
			return
		}
		body, err := json.Marshal(answer)
		if err == nil && len(answer.more) > 0 {
			body, err = appendMembers(body, answer.more, introspectionMembers)
		}
		if err != nil {
			s.refuseClient(w, r, event, misuse("ExtendIntrospection: %w", err))
			return
		}
		writeJSON(w, http.StatusOK, body, unstored)
	})
}

// introspection is the answer (RFC 7662, section 2.2). For a token that is not
// active, only Active is sent.
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	Audience  string `json:"aud,omitempty"`

	Confirmation map[string]string `json:"cnf,omitempty"`

	more map[string]any // what extensions add
}

// introspectionMembers are the members that the server itself answers.
var introspectionMembers = []string{
	"active", "scope", "client_id", "token_type", "exp", "sub", "iss", "aud", "cnf",
}

// introspect fills in event as it learns whose request it is.
func (s *Server) introspect(r *http.Request, event *Event) (answer introspection, refused *Error) {
	f := new(posted)
	if refused = s.clientForm(r, s.statusParameters, f); refused != nil {
		return answer, refused
	}
	// The client comes first: a stranger could try out tokens here otherwise
	// (RFC 7662, section 2.1).
	caller, refused := s.authenticateClient(r, f.form, s.statusParameters, exemption{})
	event.ClientID = caller.id()
	if refused != nil {
		return answer, unauthorized(refused) // RFC 7662, section 2.3
	}
	token, isRefreshToken, refused := s.lookUp(r, f.form)
	if refused != nil || token == nil {
		return answer, refused
	}
	scope, expiresAt := token.Scope, token.AccessTokenExpiresAt
	var shown bool
	if isRefreshToken {
		shown, refused = s.isActive(r, caller, token)
		scope, expiresAt = token.granted(), token.RefreshTokenExpiresAt
	} else {
		shown, refused = s.mayIntrospect(r, caller, token)
	}
	if refused != nil || !shown {
		return answer, refused
	}
	answer = introspection{
		Active:   true,
		Scope:    scope.String(),
		ClientID: token.Client.id(),
		Subject:  token.User.ID,
		Issuer:   s.options.Issuer,
		Audience: token.Resource,
	}
	if !isRefreshToken {
		answer.TokenType, answer.Confirmation = s.resource.knownType(token), token.Details.confirmation()
		if answer.more, refused = s.extendIntrospection(r, caller, token); refused != nil {
			return introspection{}, refused
		}
	}
	if !expiresAt.IsZero() {
		answer.ExpiresAt = expiresAt.Unix()
	}
	return answer, nil
}

// extendIntrospection returns what extensions add to the answer about a token.
func (s *Server) extendIntrospection(
	r *http.Request, caller *Client, token *Token,
) (all map[string]any, refused *Error) {
	for _, e := range s.ext.introspection {
		members, err := e.ExtendIntrospection(r.Context(), caller, token.shown())
		switch {
		case err != nil:
			return nil, refusedBy(e, "ExtendIntrospection", err, lapse(e, "ExtendIntrospection: %w", err))
		case all == nil:
			all = map[string]any{}
		}
		maps.Copy(all, members)
	}
	return all, nil
}

// isActive reports whether a refresh token is the caller's own, and the current
// one of its grant.
func (s *Server) isActive(r *http.Request, caller *Client, token *Token) (bool, *Error) {
	switch {
	case token.Client.ID != caller.ID:
		s.notShown(r, caller, token)
		return false, nil
	case token.refreshExpired():
		return false, nil
	case s.can.log == nil:
		return true, nil
	}
	// A later rotation replaced the token, and an ending ended its grant.
	current := true
	refused := eachEntry(r.Context(), s.can.log, token.GrantID, token.GrantSeq+1, func(e *GrantEntry) bool {
		current = e.Kind != EntryRotate && e.Kind != EntryRevoked
		return current
	})
	return refused == nil && current, refused
}

// mayIntrospect reports whether the caller may see an access token.
func (s *Server) mayIntrospect(r *http.Request, caller *Client, token *Token) (bool, *Error) {
	if token.Client.id() == caller.ID {
		return true, nil
	}
	if s.options.MayIntrospect != nil && !caller.SelfAsserted { // anybody can be such a caller
		may, err := s.options.MayIntrospect(r.Context(), caller, token)
		switch {
		case err != nil:
			return false, modelFailure("MayIntrospect", err, nil)
		case may:
			return true, nil
		}
	}
	s.notShown(r, caller, token)
	return false, nil
}

// notShown logs that a good token was answered as not active. The caller cannot
// tell it from an unknown one, so only the log can explain why an API refuses
// every token.
func (s *Server) notShown(r *http.Request, caller *Client, token *Token) {
	s.options.Logger.InfoContext(r.Context(), "oauth2server: not shown", "endpoint", "introspect",
		"client", caller.ID, "token_of", token.Client.id())
}
