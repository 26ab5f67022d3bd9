package memorymodel

import (
	"maps"
	"slices"

	"github.com/seed-11d18166/oauth2server"
)

// storedToken is a token at rest, in one piece: what many tokens have in common is shared, and never changed. The struct
// is copied whole, so that a field added later is not lost.
type storedToken struct {
	token oauth2server.Token // Client is shared, User points to user
	user  oauth2server.User
}

// maxShared bounds how many scopes are remembered for sharing: clients choose them.
const maxShared = 1000

// store returns token as it is kept. The lock is held.
func (m *Model) store(token *oauth2server.Token) *storedToken {
	s := &storedToken{token: *token}
	s.token.AccessToken, s.token.RefreshToken = "", ""
	s.token.Scope, s.token.GrantScope = m.share(token.Scope), m.share(token.GrantScope)
	s.token.Extra, _ = copyValue(token.Extra).(map[string]any)
	if token.Client != nil {
		if known, ok := m.clients[token.Client.ID]; ok {
			s.token.Client = known.stub
		} else {
			s.token.Client = clientID(token.Client)
		}
	}
	if token.User != nil {
		s.user.ID = token.User.ID
		s.token.User = &s.user
	}
	return s
}

func (m *Model) share(scope oauth2server.Scope) oauth2server.Scope {
	if len(scope) == 0 {
		return slices.Clone(scope)
	}
	text := scope.String()
	shared, ok := m.scopes[text]
	if ok && slices.Equal(shared, scope) {
		return shared
	}
	shared = slices.Clone(scope)
	if !ok && len(m.scopes) < maxShared {
		m.scopes[text] = shared
	}
	return shared
}

// load returns a copy that is the caller's own.
func (s *storedToken) load() *oauth2server.Token {
	own := s.token
	own.Scope = slices.Clone(s.token.Scope)
	own.GrantScope = slices.Clone(s.token.GrantScope)
	own.Extra, _ = copyValue(s.token.Extra).(map[string]any)
	own.Client = clientID(s.token.Client)
	own.User = userID(s.token.User)
	return &own
}

func copyCode(c *oauth2server.AuthorizationCode) *oauth2server.AuthorizationCode {
	own := *c
	own.Scope = slices.Clone(c.Scope)
	own.Client = clientID(c.Client)
	own.User = userID(c.User)
	return &own
}

// copyValue copies the containers that JSON has.
func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		own := maps.Clone(v)
		for name, member := range own {
			own[name] = copyValue(member)
		}
		return own
	case []any:
		own := slices.Clone(v)
		for i, element := range own {
			own[i] = copyValue(element)
		}
		return own
	case []string:
		return slices.Clone(v)
	}
	return v
}

func clientID(c *oauth2server.Client) *oauth2server.Client {
	if c == nil {
		return nil
	}
	return &oauth2server.Client{ID: c.ID}
}

func userID(u *oauth2server.User) *oauth2server.User {
	if u == nil {
		return nil
	}
	return &oauth2server.User{ID: u.ID}
}
