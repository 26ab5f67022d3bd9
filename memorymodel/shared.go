// This file keeps equal client IDs and scopes once, however many tokens have
// them.

package memorymodel

import (
	"slices"
	"strings"
	"sync"

	"github.com/seed-11d18166/oauth2server"
)

// shared has the values that many records have in common. It is never changed.
type shared struct {
	clientID          string // empty: none
	scope, grantScope oauth2server.Scope
	extra             map[string]any // canonical; then only one token has this value
}

// Clients choose scopes, so the number of remembered values and their size are
// bounded. When the table is full, it starts anew: otherwise one client could
// take all the places for good.
const (
	maxShared     = 10_000
	maxSharedText = 256
)

// sharing finds a shared value by its texts.
type sharing struct {
	mu    sync.RWMutex
	known map[string]*shared // by all texts, joined
}

// share returns a shared with these values. It keeps attributes, which must be
// canonical.
func (m *Model) share(
	clientID string, scope, grantScope oauth2server.Scope, attributes map[string]any,
) *shared {
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
	// Malformed texts can have the same key, so compare the values.
	if ok && known.clientID == clientID && slices.Equal(known.scope, scope) &&
		slices.Equal(known.grantScope, grantScope) {
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

// newShared copies the texts, so that they do not keep a whole request in
// memory.
func newShared(clientID string, scope, grantScope oauth2server.Scope) *shared {
	own := &shared{
		clientID:   strings.Clone(clientID),
		scope:      slices.Clone(scope),
		grantScope: slices.Clone(grantScope),
	}
	for _, s := range []oauth2server.Scope{own.scope, own.grantScope} {
		for i := range s {
			s[i] = strings.Clone(s[i])
		}
	}
	return own
}
