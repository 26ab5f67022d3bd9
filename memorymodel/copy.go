package memorymodel

import (
	"maps"
	"slices"
	"strings"
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

// accessToken and refreshToken are the same thing, found by one or the other.
type (
	accessToken  struct{ storedToken }
	refreshToken struct{ storedToken }
)

func (t *accessToken) expires() int64  { return t.accessExpires }
func (t *refreshToken) expires() int64 { return t.refreshExpires }

// store returns token as it is kept.
func (m *Model) store(token *oauth2server.Token) storedToken {
	s := storedToken{accessExpires: milliseconds(token.AccessTokenExpiresAt), refreshExpires: milliseconds(token.RefreshTokenExpiresAt),
		grantExpires: milliseconds(token.GrantExpiresAt), ids: token.GrantID, seq: int32(token.GrantSeq),
		scope: m.share(token.Scope), grantScope: m.share(token.GrantScope), client: m.stub(token.Client)}
	s.extra, _ = copyValue(token.Extra).(map[string]any)
	if token.User != nil {
		s.ids, s.userID = token.User.ID+token.GrantID, int32(len(token.User.ID))
	}
	return s
}

// loaded is a token that was found, in one piece with what it points to.
type loaded struct {
	token  oauth2server.Token
	client oauth2server.Client
	user   oauth2server.User
	scopes [2]string // most are short
}

// load returns a token that is the caller's own.
func (s *storedToken) load() *oauth2server.Token {
	l := &loaded{token: oauth2server.Token{AccessTokenExpiresAt: date(s.accessExpires), RefreshTokenExpiresAt: date(s.refreshExpires),
		GrantExpiresAt: date(s.grantExpires), GrantID: s.ids[s.userID:], GrantSeq: int(s.seq)}}
	l.token.Scope, l.token.GrantScope = copyScopes(l.scopes[:0], *s.scope, *s.grantScope)
	l.token.Extra, _ = copyValue(s.extra).(map[string]any)
	if s.client != nil {
		l.client.ID, l.token.Client = s.client.ID, &l.client
	}
	if s.userID > 0 {
		l.user.ID, l.token.User = s.ids[:s.userID], &l.user
	}
	return &l.token
}

// copyScopes copies both into one piece of memory, which is space if they fit in there.
func copyScopes(space []string, a, b oauth2server.Scope) (_, _ oauth2server.Scope) {
	if len(a)+len(b) > cap(space) {
		space = make([]string, 0, len(a)+len(b))
	}
	space = append(append(space, a...), b...)
	return part(space[:len(a)]), part(space[len(a):])
}

// part is a scope that cannot grow into the next one; nil for none.
func part(s []string) oauth2server.Scope {
	if len(s) == 0 {
		return nil
	}
	return s[:len(s):len(s)]
}

// storedCode is a code at rest.
type storedCode struct {
	expiresAt int64
	client    *oauth2server.Client
	scope     *oauth2server.Scope
	text      string // of the others, one after the other
	ends      [4]int32
}

func (c *storedCode) expires() int64 { return c.expiresAt }

func (m *Model) storeCode(code *oauth2server.AuthorizationCode) *storedCode {
	c := &storedCode{expiresAt: milliseconds(code.ExpiresAt), client: m.stub(code.Client), scope: m.share(code.Scope)}
	user := ""
	if code.User != nil {
		user = code.User.ID
	}
	// A copy: what a request was made of must not be kept with a piece of it.
	c.text = user + code.GrantID + code.RedirectURI + code.CodeChallenge + code.CodeChallengeMethod
	end := 0
	for i, text := range []string{user, code.GrantID, code.RedirectURI, code.CodeChallenge} {
		end += len(text)
		c.ends[i] = int32(end)
	}
	return c
}

// loadedCode is a code that was found, in one piece with what it points to.
type loadedCode struct {
	code   oauth2server.AuthorizationCode
	client oauth2server.Client
	user   oauth2server.User
	scope  [2]string
}

func (c *storedCode) load() *oauth2server.AuthorizationCode {
	l := &loadedCode{code: oauth2server.AuthorizationCode{ExpiresAt: date(c.expiresAt), GrantID: c.text[c.ends[0]:c.ends[1]],
		RedirectURI: c.text[c.ends[1]:c.ends[2]], CodeChallenge: c.text[c.ends[2]:c.ends[3]], CodeChallengeMethod: c.text[c.ends[3]:]}}
	l.code.Scope, _ = copyScopes(l.scope[:0], *c.scope, nil)
	if c.client != nil {
		l.client.ID, l.code.Client = c.client.ID, &l.client
	}
	if user := c.user(); user != "" {
		l.user.ID, l.code.User = user, &l.user
	}
	return &l.code
}

func (c *storedCode) user() string    { return c.text[:c.ends[0]] }
func (c *storedCode) grantID() string { return c.text[c.ends[0]:c.ends[1]] }

// maxShared bounds how many scopes are remembered for sharing: clients choose them.
const maxShared = 1000

var noScope oauth2server.Scope

// share returns the scope that all with the same text share.
func (m *Model) share(scope oauth2server.Scope) *oauth2server.Scope {
	if len(scope) == 0 {
		return &noScope
	}
	if shared, ok := m.scopes.Load(scope.String()); ok && slices.Equal(*shared.(*oauth2server.Scope), scope) {
		return shared.(*oauth2server.Scope)
	}
	own := make(oauth2server.Scope, len(scope))
	for i, token := range scope {
		own[i] = strings.Clone(token) // not with the request that it is a piece of
	}
	if m.shared.Load() < maxShared { // or a few more
		if _, there := m.scopes.LoadOrStore(own.String(), &own); !there {
			m.shared.Add(1)
		}
	}
	return &own
}

// stub returns the ID of a client alone, shared where the client is known.
func (m *Model) stub(c *oauth2server.Client) *oauth2server.Client {
	if c == nil {
		return nil
	}
	if known, ok := m.clients.Load(c.ID); ok {
		return known.(*client).stub
	}
	return &oauth2server.Client{ID: strings.Clone(c.ID)}
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

// copyClient returns a client that is the caller's own.
func copyClient(c *oauth2server.Client) *oauth2server.Client {
	own := *c
	texts := make([]string, 0, len(c.RedirectURIs)+len(c.Grants)+len(c.Scope)) // one piece of memory for all
	texts = append(append(append(texts, c.RedirectURIs...), c.Grants...), c.Scope...)
	own.RedirectURIs, texts = cutOff(texts, c.RedirectURIs)
	own.Grants, texts = cutOff(texts, c.Grants)
	own.Scope, _ = cutOff(texts, c.Scope)
	return &own
}

// cutOff returns as much of texts as there is of like, and the rest. What was nil stays nil.
func cutOff(texts []string, like []string) (own, rest []string) {
	if like == nil {
		return nil, texts
	}
	return texts[:len(like):len(like)], texts[len(like):]
}
