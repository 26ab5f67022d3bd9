package memorymodel

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/millis"
)

// grant is the log of one grant, in the order of places. It is dropped as a whole, and replaced when it grows.
type grant struct {
	id        string
	entries   []*storedEntry // which are never changed
	expiresAt int64          // of the entry that stays longest
}

func (g *grant) expires() int64 { return g.expiresAt }

// load returns the entries behind the first ones, which are the caller's own.
func (g *grant) load(first int) (entries []*oauth2server.GrantEntry) {
	for _, e := range g.entries[first:] {
		entries = append(entries, e.load(g.id))
	}
	return entries
}

// concerns says whether an entry names such a user and client.
func (g *grant) concerns(concerned func(userID, clientID string) bool) bool {
	return slices.ContainsFunc(g.entries, func(e *storedEntry) bool { return concerned(e.texts.at(entryUser), e.clientID) })
}

// AppendGrant implements [oauth2server.GrantLog].
func (m *Model) AppendGrant(ctx context.Context, entry *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, k := m.storeEntry(entry), keyOf(entry.GrantID)
	s := m.grants.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.entries[k]
	if old == nil {
		old = &grant{id: strings.Clone(entry.GrantID)}
	}
	at, taken := slices.BinarySearchFunc(old.entries, entry.Seq, bySeq)
	if taken {
		return old.entries[at].load(old.id), oauth2server.ErrExists
	}
	longer := &grant{id: old.id, expiresAt: max(old.expiresAt, own.expires)}
	if at == len(old.entries) {
		longer.entries = append(old.entries, own) // behind what readers of the old one see
	} else {
		longer.entries = slices.Insert(slices.Clone(old.entries), at, own)
	}
	if len(old.entries) > 0 && longer.expiresAt == old.expiresAt {
		s.entries[k] = longer
	} else {
		s.put(k, longer, time.Now())
	}
	return entry, nil
}

// GrantEntries implements [oauth2server.GrantLog].
func (m *Model) GrantEntries(ctx context.Context, grantID string, from int) ([]*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	there, ok := m.grants.get(keyOf(grantID))
	if !ok {
		return nil, nil
	}
	at, _ := slices.BinarySearchFunc(there.entries, from, bySeq)
	return there.load(at), nil
}

// RevokeAccessTokens implements [oauth2server.GrantLog].
func (m *Model) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, encoded := range digests {
		decoded, err := base64.RawURLEncoding.DecodeString(encoded)
		if err == nil && len(decoded) == len(key{}) {
			m.access.remove(key(decoded))
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
	for g := range m.grants.all() {
		if g.concerns(func(user, _ string) bool { return user == userID }) {
			entries = append(entries, g.load(0)...)
		}
	}
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

// revokeClient ends what was granted to a client.
func (m *Model) revokeClient(ctx context.Context, clientID string) error {
	return m.revokeWhere(ctx, func(_, client string) bool { return client == clientID })
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
	var codes []*storedCode
	for c := range m.codes.all() {
		if concerned(c.texts.at(codeUser), c.clientID) {
			codes = append(codes, c)
		}
	}
	for _, code := range codes {
		if err := oauth2server.RevokeGrant(ctx, m, code.texts.at(codeGrant), millis.Time(code.expiresAt)); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) revokeGrants(ctx context.Context, concerned func(userID, clientID string) bool) error {
	var grants []string
	for g := range m.grants.all() {
		if g.concerns(concerned) {
			grants = append(grants, g.id)
		}
	}
	for _, id := range grants {
		if err := oauth2server.RevokeGrant(ctx, m, id, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func bySeq(e *storedEntry, seq int) int { return int(e.seq) - seq }
