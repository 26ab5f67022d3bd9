package memorymodel

import (
	"slices"
	"strings"
	"sync"

	"github.com/seed-11d18166/oauth2server"
)

// shared is what many records have in common. It is never changed.
type shared struct {
	clientID          string // empty: none
	scope, grantScope oauth2server.Scope
	extra             map[string]any // canonical, of one token alone
}

// Clients choose scopes, so it is bounded how many are remembered, and of how many bytes. Once there are so many, all are
// forgotten: otherwise one client could take all the places, for good.
const (
	maxShared     = 10_000
	maxSharedText = 256
)

// sharing finds them.
type sharing struct {
	mu    sync.RWMutex
	known map[string]*shared // by all texts, one after the other
}

// share returns what has these values. It keeps attributes, which are canonical.
func (m *Model) share(clientID string, scope, grantScope oauth2server.Scope, attributes map[string]any) *shared {
	if attributes != nil {
		own := newShared(clientID, scope, grantScope)
		own.extra = attributes
		return own
	}
	var buffer [maxSharedText]byte
	key := append(buffer[:0], clientID...)
	for _, s := range []oauth2server.Scope{scope, grantScope} {
		key = append(key, '\n')
		for _, token := range s {
			key = append(append(key, ' '), token...)
		}
	}
	m.sharing.mu.RLock()
	known, ok := m.sharing.known[string(key)]
	m.sharing.mu.RUnlock()
	// The key tells apart what is well-formed; of the rest nobody knows.
	if ok && known.clientID == clientID && slices.Equal(known.scope, scope) && slices.Equal(known.grantScope, grantScope) {
		return known
	}
	own := newShared(clientID, scope, grantScope)
	if ok || len(key) > maxSharedText {
		return own
	}
	m.sharing.mu.Lock()
	defer m.sharing.mu.Unlock()
	if m.sharing.known == nil || len(m.sharing.known) >= maxShared {
		m.sharing.known = make(map[string]*shared)
	}
	m.sharing.known[string(key)] = own
	return own
}

// newShared copies the texts, as each may be a part of a request.
func newShared(clientID string, scope, grantScope oauth2server.Scope) *shared {
	own := &shared{clientID: strings.Clone(clientID), scope: slices.Clone(scope), grantScope: slices.Clone(grantScope)}
	for _, s := range []oauth2server.Scope{own.scope, own.grantScope} {
		for i := range s {
			s[i] = strings.Clone(s[i])
		}
	}
	return own
}
