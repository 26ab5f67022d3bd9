// This file turns tokens, codes and log entries into compact records and back.

package memorymodel

import (
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/extra"
	"github.com/seed-11d18166/oauth2server/internal/millis"
)

// storedToken is a token at rest: small and with few pointers for the garbage
// collector, as there may be millions.
type storedToken struct {
	accessExpires, refreshExpires, grantExpires, pace int64 // milliseconds since 1970; 0: none

	ids         string // of user and grant, joined
	userID, seq int32  // the length of the user ID in ids; the place in the log
	*shared
}

// accessToken and refreshToken are one record in two tables, with the expiry of
// each.
type (
	accessToken  storedToken
	refreshToken storedToken
)

func (t *accessToken) expires() int64  { return t.accessExpires }
func (t *refreshToken) expires() int64 { return t.refreshExpires }

// store returns the record of token. attributes is the canonical form of its
// Extra.
func (g *Grants) store(token *oauth2server.Token, attributes map[string]any) *storedToken {
	s := &storedToken{
		accessExpires:  millis.Of(token.AccessTokenExpiresAt),
		refreshExpires: millis.Of(token.RefreshTokenExpiresAt),
		grantExpires:   millis.Of(token.GrantExpiresAt),
		pace:           millis.Of(token.GrantPace),
		ids:            token.GrantID,
		seq:            int32(token.GrantSeq),
		shared: g.share(shared{
			clientID:   idOf(token.Client),
			scope:      token.Scope,
			grantScope: token.GrantScope,
			resource:   token.Resource,
			extra:      attributes,
			details:    token.Details.Clone(),
		}),
	}
	if token.User != nil {
		s.ids, s.userID = token.User.ID+token.GrantID, int32(len(token.User.ID))
	}
	return s
}

// loaded is a token and what it points to, in one allocation.
type loaded struct {
	token  oauth2server.Token
	client oauth2server.Client
	user   oauth2server.User
	scopes [2]string // enough for most
}

// load returns a token that belongs to the caller.
func (s *storedToken) load() *oauth2server.Token {
	l := &loaded{token: oauth2server.Token{
		AccessTokenExpiresAt:  millis.Time(s.accessExpires),
		RefreshTokenExpiresAt: millis.Time(s.refreshExpires),
		GrantExpiresAt:        millis.Time(s.grantExpires),
		GrantPace:             millis.Time(s.pace),
		GrantID:               s.ids[s.userID:],
		GrantSeq:              int(s.seq),
		Resource:              s.resource,
		Details:               s.details.Clone(),
	}}
	l.token.Scope, l.token.GrantScope = copyScopes(l.scopes[:0], s.scope, s.grantScope)
	l.token.Extra = extra.Copy(s.shared.extra)
	if s.clientID != "" {
		l.client.ID, l.token.Client = s.clientID, &l.client
	}
	if s.userID > 0 {
		l.user.ID, l.token.User = s.ids[:s.userID], &l.user
	}
	return &l.token
}

// storedCode is a code at rest.
type storedCode struct {
	expiresAt int64
	texts     packed // by the constants below
	*shared
}

const (
	codeUser = iota
	codeGrant
	codeRedirectURI
	codeChallenge
	codeChallengeMethod
)

func (c *storedCode) expires() int64 { return c.expiresAt }

func (g *Grants) storeCode(code *oauth2server.AuthorizationCode) *storedCode {
	user := ""
	if code.User != nil {
		user = code.User.ID
	}
	return &storedCode{millis.Of(code.ExpiresAt),
		pack(user, code.GrantID, code.RedirectURI, code.CodeChallenge, code.CodeChallengeMethod),
		g.share(shared{
			clientID: idOf(code.Client),
			scope:    code.Scope,
			resource: code.Resource,
			details:  code.Details.Clone(),
		})}
}

// loadedCode is a code and what it points to, in one allocation.
type loadedCode struct {
	code   oauth2server.AuthorizationCode
	client oauth2server.Client
	user   oauth2server.User
	scope  [2]string // enough for most
}

// load returns a code that belongs to the caller.
func (c *storedCode) load() *oauth2server.AuthorizationCode {
	l := &loadedCode{code: oauth2server.AuthorizationCode{
		ExpiresAt:           millis.Time(c.expiresAt),
		GrantID:             c.texts.at(codeGrant),
		RedirectURI:         c.texts.at(codeRedirectURI),
		CodeChallenge:       c.texts.at(codeChallenge),
		CodeChallengeMethod: c.texts.at(codeChallengeMethod),
		Resource:            c.resource,
		Details:             c.details.Clone(),
	}}
	l.code.Scope, _ = copyScopes(l.scope[:0], c.scope, nil)
	if c.clientID != "" {
		l.client.ID, l.code.Client = c.clientID, &l.client
	}
	if user := c.texts.at(codeUser); user != "" {
		l.user.ID, l.code.User = user, &l.user
	}
	return &l.code
}

// storedEntry is an entry of a log at rest; the grant has the ID.
type storedEntry struct {
	// In milliseconds since 1970; 0 means none.
	time, expires, pace, accessExpires, successorExpires, grantExpires int64

	seq   int32
	texts packed // by the constants below
	*shared
}

const (
	entryUser = iota
	entryKind
	entryNonce
	entryPresented
	entryAccessToken
	entrySuccessor
	entrySealed
)

func (g *Grants) storeEntry(e *oauth2server.GrantEntry) *storedEntry {
	return &storedEntry{
		time:             millis.Of(e.Time),
		expires:          millis.Of(e.ExpiresAt),
		pace:             millis.Of(e.Pace),
		accessExpires:    millis.Of(e.AccessTokenExpiresAt),
		successorExpires: millis.Of(e.SuccessorExpiresAt),
		grantExpires:     millis.Of(e.GrantExpiresAt),
		seq:              int32(e.Seq),
		texts: pack(e.UserID, string(e.Kind), e.Nonce, e.Presented, e.AccessToken,
			e.Successor, string(e.Sealed)),
		shared: g.share(shared{clientID: e.ClientID, scope: e.Scope, resource: e.Resource}),
	}
}

// load returns an entry that belongs to the caller.
func (e *storedEntry) load(grantID string) *oauth2server.GrantEntry {
	own := &oauth2server.GrantEntry{
		GrantID:              grantID,
		Seq:                  int(e.seq),
		Kind:                 oauth2server.EntryKind(e.texts.at(entryKind)),
		Nonce:                e.texts.at(entryNonce),
		Time:                 millis.Time(e.time),
		ExpiresAt:            millis.Time(e.expires),
		Pace:                 millis.Time(e.pace),
		Presented:            e.texts.at(entryPresented),
		AccessToken:          e.texts.at(entryAccessToken),
		AccessTokenExpiresAt: millis.Time(e.accessExpires),
		Successor:            e.texts.at(entrySuccessor),
		SuccessorExpiresAt:   millis.Time(e.successorExpires),
		ClientID:             e.clientID,
		UserID:               e.texts.at(entryUser),
		Scope:                slices.Clone(e.scope),
		Resource:             e.resource,
		GrantExpiresAt:       millis.Time(e.grantExpires),
	}
	if sealed := e.texts.at(entrySealed); sealed != "" {
		own.Sealed = []byte(sealed)
	}
	return own
}

// packed is several texts in one string. It is a copy, so that it does not keep
// a whole request in memory.
type packed struct {
	text string
	ends [7]int32
}

func pack(texts ...string) (p packed) {
	end := 0
	for i, text := range texts {
		end += len(text)
		p.ends[i] = int32(end)
	}
	p.text = strings.Join(texts, "")
	return p
}

func (p *packed) at(i int) string {
	if i == 0 {
		return p.text[:p.ends[0]]
	}
	return p.text[p.ends[i-1]:p.ends[i]]
}

func idOf(c *oauth2server.Client) string {
	if c == nil {
		return ""
	}
	return c.ID
}
