package memorymodel

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// grant is the log of one grant, in the order of places. It is dropped as a whole.
type grant struct {
	entries   []*oauth2server.GrantEntry
	expiresAt time.Time // of the entry that stays longest
}

// AppendGrant implements [oauth2server.GrantLog].
func (m *Model) AppendGrant(ctx context.Context, entry *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, key := copyEntry(entry), digestOf(entry.GrantID)
	m.mu.Lock()
	defer m.mu.Unlock()
	g := &grant{}
	there, known := m.grants.entries[key]
	if known {
		g = &there.value
	}
	at, taken := slices.BinarySearchFunc(g.entries, entry.Seq, bySeq)
	if taken {
		return copyEntry(g.entries[at]), oauth2server.ErrExists
	}
	g.entries = slices.Insert(g.entries, at, own)
	if !known || own.ExpiresAt.After(g.expiresAt) {
		g.expiresAt = own.ExpiresAt
		m.grants.put(key, *g, g.expiresAt, time.Now())
	}
	return entry, nil
}

// GrantEntries implements [oauth2server.GrantLog].
func (m *Model) GrantEntries(ctx context.Context, grantID string, from int) ([]*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := digestOf(grantID)
	m.mu.RLock()
	defer m.mu.RUnlock()
	there, ok := m.grants.entries[key]
	if !ok {
		return nil, nil
	}
	at, _ := slices.BinarySearchFunc(there.value.entries, from, bySeq)
	var entries []*oauth2server.GrantEntry
	for _, e := range there.value.entries[at:] {
		entries = append(entries, copyEntry(e))
	}
	return entries, nil
}

// RevokeAccessTokens implements [oauth2server.GrantLog].
func (m *Model) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, encoded := range digests {
		key, err := base64.RawURLEncoding.DecodeString(encoded)
		if err == nil && len(key) == len(digest{}) {
			delete(m.access.entries, digest(key))
		}
	}
	return nil
}

// UserGrants returns the grants of a user of which something still works, the one used last first. It looks at
// everything that is stored.
func (m *Model) UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var entries []*oauth2server.GrantEntry
	m.mu.RLock()
	for _, e := range m.grants.entries {
		if log := e.value.entries; slices.ContainsFunc(log, func(e *oauth2server.GrantEntry) bool { return e.UserID == userID }) {
			entries = append(entries, log...) // which are never changed
		}
	}
	m.mu.RUnlock()
	return oauth2server.LiveGrants(entries), nil
}

// RevokeUser ends every grant of a user, and every code that he has not redeemed yet: nothing that was issued for him
// works any more. It looks at everything that is stored.
func (m *Model) RevokeUser(ctx context.Context, userID string) error {
	return m.revokeWhere(ctx, func(user, _ string) bool { return user == userID })
}

// RevokeUserClient ends what a user granted to one client as [Model.RevokeUser] does, and of the rest only what shares a
// grant with it; see [oauth2server.Grant].
func (m *Model) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	return m.revokeWhere(ctx, func(user, client string) bool { return user == userID && client == clientID })
}

func (m *Model) revokeWhere(ctx context.Context, concerned func(userID, clientID string) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Codes first: who redeems one after that finds its grant over, and who was faster is among the grants. Codes once
	// more: where consent is remembered, the grants may have brought forth another one meanwhile.
	if err := m.revokeCodes(ctx, concerned); err != nil {
		return err
	}
	if err := m.revokeGrants(ctx, concerned); err != nil {
		return err
	}
	return m.revokeCodes(ctx, concerned)
}

func (m *Model) revokeCodes(ctx context.Context, concerned func(userID, clientID string) bool) error {
	m.mu.RLock()
	var codes []*oauth2server.AuthorizationCode
	for _, e := range m.codes.entries {
		c := &e.value
		if user, client := c.User, c.Client; user != nil && client != nil && concerned(user.ID, client.ID) {
			codes = append(codes, c)
		}
	}
	m.mu.RUnlock()
	for _, code := range codes {
		if err := oauth2server.RevokeGrant(ctx, m, code.GrantID, code.ExpiresAt); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) revokeGrants(ctx context.Context, concerned func(userID, clientID string) bool) error {
	m.mu.RLock()
	var grants []string
	for _, e := range m.grants.entries {
		log := e.value.entries
		if slices.ContainsFunc(log, func(e *oauth2server.GrantEntry) bool { return concerned(e.UserID, e.ClientID) }) {
			grants = append(grants, log[0].GrantID)
		}
	}
	m.mu.RUnlock()
	for _, id := range grants {
		if err := oauth2server.RevokeGrant(ctx, m, id, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func bySeq(e *oauth2server.GrantEntry, seq int) int { return e.Seq - seq }

func copyEntry(e *oauth2server.GrantEntry) *oauth2server.GrantEntry {
	own := *e
	own.Sealed = slices.Clone(e.Sealed)
	own.Scope = slices.Clone(e.Scope)
	return &own
}
