package memorymodel

import (
	"maps"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// storedToken is a token at rest: small, and in one piece, as there may be millions. What many tokens have in common
// is shared, and never changed.
type storedToken struct {
	accessExpires, refreshExpires, grantExpires int64 // milliseconds since 1970; 0: none

	ids               string // of user and grant, one after the other
	userID, seq       int32  // the length of the first of them; the place in the log
	client            *oauth2server.Client
	scope, grantScope *oauth2server.Scope
	extra             map[string]any
}

// maxShared bounds how many scopes are remembered for sharing: clients choose them.
const maxShared = 1000

// store returns token as it is kept. The lock is held.
func (m *Model) store(token *oauth2server.Token) storedToken {
	s := storedToken{accessExpires: milliseconds(token.AccessTokenExpiresAt), refreshExpires: milliseconds(token.RefreshTokenExpiresAt),
		grantExpires: milliseconds(token.GrantExpiresAt), ids: token.GrantID, seq: int32(token.GrantSeq),
		scope: m.share(token.Scope), grantScope: m.share(token.GrantScope)}
	s.extra, _ = copyValue(token.Extra).(map[string]any)
	if token.User != nil {
		s.ids, s.userID = token.User.ID+token.GrantID, int32(len(token.User.ID))
	}
	if token.Client != nil {
		if known, ok := m.clients[token.Client.ID]; ok {
			s.client = known.stub
		} else {
			s.client = clientID(token.Client)
		}
	}
	return s
}

var noScope oauth2server.Scope

func (m *Model) share(scope oauth2server.Scope) *oauth2server.Scope {
	if len(scope) == 0 {
		return &noScope
	}
	text := scope.String()
	shared, ok := m.scopes[text]
	if ok && slices.Equal(*shared, scope) {
		return shared
	}
	own := slices.Clone(scope)
	if !ok && len(m.scopes) < maxShared {
		m.scopes[text] = &own
	}
	return &own
}

// load returns a token that is the caller's own.
func (s *storedToken) load() *oauth2server.Token {
	token := &oauth2server.Token{AccessTokenExpiresAt: date(s.accessExpires), RefreshTokenExpiresAt: date(s.refreshExpires),
		GrantExpiresAt: date(s.grantExpires), GrantID: s.ids[s.userID:], GrantSeq: int(s.seq), Client: clientID(s.client),
		Scope: slices.Clone(*s.scope), GrantScope: slices.Clone(*s.grantScope)}
	token.Extra, _ = copyValue(s.extra).(map[string]any)
	if s.userID > 0 {
		token.User = &oauth2server.User{ID: s.ids[:s.userID]}
	}
	return token
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func date(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
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
