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
	resource          string

	// With one of these, only one token or code has this value. Neither is
	// changed.
	extra   map[string]any // canonical
	details *oauth2server.Details
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

// share returns a shared with these values. It keeps extra and details.
func (g *Grants) share(want shared) *shared {
	if want.extra != nil || want.details != nil {
		return want.copy()
	}
	var buffer [maxSharedText]byte
	key := append(append(append(buffer[:0], want.clientID...), '\n'), want.resource...)
	for _, s := range []oauth2server.Scope{want.scope, want.grantScope} {
		key = append(key, '\n')
		for _, token := range s {
			key = append(append(key, ' '), token...)
		}
	}
	g.sharing.mu.RLock()
	known, ok := g.sharing.known[string(key)]
	g.sharing.mu.RUnlock()
	// Malformed texts can have the same key, so compare the values.
	if ok && known.clientID == want.clientID && known.resource == want.resource &&
		slices.Equal(known.scope, want.scope) && slices.Equal(known.grantScope, want.grantScope) {
		return known
	}
	own := want.copy()
	if ok || len(key) > maxSharedText {
		return own
	}
	g.sharing.mu.Lock()
	defer g.sharing.mu.Unlock()
	if g.sharing.known == nil || len(g.sharing.known) >= maxShared {
		g.sharing.known = make(map[string]*shared)
	}
	g.sharing.known[string(key)] = own
	return own
}

// copy copies the texts, so that they do not keep a whole request in memory.
func (s shared) copy() *shared {
	own := &shared{
		clientID:   strings.Clone(s.clientID),
		scope:      slices.Clone(s.scope),
		grantScope: slices.Clone(s.grantScope),
		resource:   strings.Clone(s.resource),
		extra:      s.extra,
		details:    s.details,
	}
	for _, s := range []oauth2server.Scope{own.scope, own.grantScope} {
		for i := range s {
			s[i] = strings.Clone(s[i])
		}
	}
	return own
}
