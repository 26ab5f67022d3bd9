// This file keeps the log of each grant, and ends the grants of users and
// clients.

package memorymodel

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// grant is the log of one grant, in the order of Seq. It expires as a whole. It
// changes in place, so readers hold the lock of its shard.
type grant struct {
	id        string
	entries   []*storedEntry // never changed
	named     []*storedEntry // those that name a user; few
	expiresAt int64          // the latest of the entries
}

func (g *grant) expires() int64 { return g.expiresAt }

// load returns copies that belong to the caller.
func (g *grant) load(stored []*storedEntry) []*oauth2server.GrantEntry {
	entries := make([]*oauth2server.GrantEntry, len(stored))
	for i, e := range stored {
		entries[i] = e.load(g.id)
	}
	return entries
}

// insert puts an entry at its place. Before the log grows, it drops what has
// expired.
func (g *grant) insert(e *storedEntry, now time.Time) {
	if len(g.entries) > 0 && len(g.entries) == cap(g.entries) {
		gone := func(e *storedEntry) bool { return e.expires != 0 && e.expires <= now.UnixMilli() }
		g.named = slices.DeleteFunc(slices.Clone(g.named), gone)
		g.entries = slices.DeleteFunc(g.entries, gone)
	}
	at, _ := slices.BinarySearchFunc(g.entries, int(e.seq), bySeq)
	g.entries = slices.Insert(g.entries, at, e)
	switch {
	case e.texts.at(entryUser) == "":
	case cap(g.entries) == 1:
		g.named = g.entries // most logs have no other, and the next one moves them
	default:
		g.named = append(g.named, e)
	}
	g.expiresAt = max(g.expiresAt, e.expires)
}

// concerns reports whether an entry names a user and client for which concerned
// is true.
func (g *grant) concerns(concerned func(userID, clientID string) bool) bool {
	return slices.ContainsFunc(g.named,
		func(e *storedEntry) bool { return concerned(e.texts.at(entryUser), e.clientID) })
}

// AppendGrant implements [oauth2server.GrantLog].
func (m *Model) AppendGrant(
	ctx context.Context, entry *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, k, now := m.storeEntry(entry), keyOf(entry.GrantID), time.Now()
	s := m.grants.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	log, there := s.entries[k]
	if !there {
		log = &grant{id: strings.Clone(entry.GrantID)}
	}
	if at, taken := slices.BinarySearchFunc(log.entries, entry.Seq, bySeq); taken {
		return log.entries[at].load(log.id), oauth2server.ErrExists
	}
	before := s.bucketOf(log.expiresAt)
	log.insert(own, now)
	if !there || s.bucketOf(log.expiresAt) != before {
		s.put(k, log, now)
	}
	return entry, nil
}

// GrantEntries implements [oauth2server.GrantLog].
func (m *Model) GrantEntries(
	ctx context.Context, grantID string, from int,
) ([]*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return m.someEntries(grantID, func(g *grant) []*storedEntry {
		at, _ := slices.BinarySearchFunc(g.entries, from, bySeq)
		return g.entries[at:min(len(g.entries), at+oauth2server.GrantPage)]
	}), nil
}

// someEntries returns copies of the entries that choose selects, or none if
// there is no such log.
func (m *Model) someEntries(
	grantID string, choose func(*grant) []*storedEntry,
) []*oauth2server.GrantEntry {
	k := keyOf(grantID)
	s := m.grants.of(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	log, there := s.entries[k]
	if !there {
		return nil
	}
	return log.load(choose(log))
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

// UserGrants returns the grants of a user that still work, the most recently
// used first. It scans all grants and reads a few entries of each.
func (m *Model) UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var entries []*oauth2server.GrantEntry
	for id := range m.grantsWhere(func(user, _ string) bool { return user == userID }) {
		entries = append(entries, m.someEntries(id, func(g *grant) []*storedEntry { return g.named })...)
	}
	for _, id := range oauth2server.GrantLogs(entries) {
		entries = append(entries,
			m.someEntries(id, func(g *grant) []*storedEntry {
				return g.entries[max(len(g.entries)-1, 0):]
			})...)
	}
	return oauth2server.LiveGrants(entries), nil
}

// RevokeUser ends every grant of a user, and every code that is not redeemed
// yet: when it returns, nothing works that began before the call. See
// [oauth2server.RevokeUser]. It scans all grants.
func (m *Model) RevokeUser(ctx context.Context, userID string) error {
	return m.revokeUser(ctx, userID, "")
}

// RevokeUserClient is [Model.RevokeUser] for what the user granted to one
// client. Other clients lose only what shares a grant with it; see
// [oauth2server.Grant].
func (m *Model) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	if clientID == "" {
		return nil
	}
	return m.revokeUser(ctx, userID, clientID)
}

func (m *Model) revokeUser(ctx context.Context, userID, clientID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	grants := func(yield func(string, error) bool) {
		concerned := func(user, client string) bool {
			return user == userID && (clientID == "" || client == clientID)
		}
		for id := range m.grantsWhere(concerned) {
			if !yield(id, nil) {
				return
			}
		}
	}
	return oauth2server.RevokeUser(ctx, m, userID, clientID, grants)
}

// revokeClient ends the codes and the grants of a client.
func (m *Model) revokeClient(ctx context.Context, clientID string) error {
	ids := m.grantsWhere(func(_, client string) bool { return client == clientID })
	for c := range m.codes.all() {
		if id := c.texts.at(codeGrant); c.clientID == clientID && id != "" {
			ids[id] = true
		}
	}
	for id := range ids {
		if err := oauth2server.RevokeGrant(ctx, m, id); err != nil {
			return err
		}
	}
	return nil
}

// grantsWhere returns the IDs of the grants for which concerned is true.
func (m *Model) grantsWhere(concerned func(userID, clientID string) bool) map[string]bool {
	ids := map[string]bool{}
	for g := range m.grants.all() {
		if g.concerns(concerned) {
			ids[g.id] = true
		}
	}
	return ids
}

func bySeq(e *storedEntry, seq int) int { return int(e.seq) - seq }
