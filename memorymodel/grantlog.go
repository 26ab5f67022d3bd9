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
func (g *Grants) AppendGrant(
	ctx context.Context, entry *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, k, now := g.storeEntry(entry), keyOf(entry.GrantID), time.Now()
	s := g.grants.of(k)
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
func (g *Grants) GrantEntries(
	ctx context.Context, grantID string, from int,
) ([]*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return g.someEntries(grantID, func(log *grant) []*storedEntry {
		at, _ := slices.BinarySearchFunc(log.entries, from, bySeq)
		return log.entries[at:min(len(log.entries), at+oauth2server.GrantPage)]
	}), nil
}

// someEntries returns copies of the entries that choose selects, or none if
// there is no such log.
func (g *Grants) someEntries(
	grantID string, choose func(*grant) []*storedEntry,
) []*oauth2server.GrantEntry {
	k := keyOf(grantID)
	s := g.grants.of(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	log, there := s.entries[k]
	if !there {
		return nil
	}
	return log.load(choose(log))
}

// RevokeAccessTokens implements [oauth2server.GrantLog].
func (g *Grants) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, encoded := range digests {
		decoded, err := base64.RawURLEncoding.DecodeString(encoded)
		if err == nil && len(decoded) == len(key{}) {
			g.access.remove(key(decoded))
		}
	}
	return nil
}

// UserGrants returns the grants of a user that still work, the most recently
// used first. It scans all grants and reads a few entries of each.
func (g *Grants) UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var entries []*oauth2server.GrantEntry
	for id := range g.grantsWhere(func(user, _ string) bool { return user == userID }) {
		entries = append(entries, g.someEntries(id, func(log *grant) []*storedEntry { return log.named })...)
	}
	for _, id := range oauth2server.GrantLogs(entries) {
		entries = append(entries,
			g.someEntries(id, func(log *grant) []*storedEntry {
				return log.entries[max(len(log.entries)-1, 0):]
			})...)
	}
	return oauth2server.LiveGrants(entries), nil
}

// RevokeUser ends every grant of a user, and every code that is not redeemed
// yet: when it returns, nothing works that began before the call. See
// [oauth2server.RevokeUser]. It scans all grants.
func (g *Grants) RevokeUser(ctx context.Context, userID string) error {
	return g.revokeUser(ctx, userID, "")
}

// RevokeUserClient is [Grants.RevokeUser] for what the user granted to one
// client. Other clients lose only what shares a grant with it; see
// [oauth2server.Grant].
func (g *Grants) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	if clientID == "" {
		return nil
	}
	return g.revokeUser(ctx, userID, clientID)
}

func (g *Grants) revokeUser(ctx context.Context, userID, clientID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	grants := func(yield func(string, error) bool) {
		concerned := func(user, client string) bool {
			return user == userID && (clientID == "" || client == clientID)
		}
		for id := range g.grantsWhere(concerned) {
			if !yield(id, nil) {
				return
			}
		}
	}
	return oauth2server.RevokeUser(ctx, g, userID, clientID, grants)
}

// RevokeClient ends the codes of a client, its refresh tokens, and the access
// tokens that came with them. Access tokens of the client credentials grant live
// until they expire. Call it after you have deleted a client of your own; a
// request in flight can still store something. It scans all codes and grants.
func (g *Grants) RevokeClient(ctx context.Context, clientID string) error {
	return g.revokeClients(ctx, map[string]bool{clientID: clientID != ""})
}

// revokeClients is [Grants.RevokeClient] for several clients, by one scan.
func (g *Grants) revokeClients(ctx context.Context, clients map[string]bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ids := g.grantsWhere(func(_, client string) bool { return clients[client] })
	for c := range g.codes.all() {
		if id := c.texts.at(codeGrant); clients[c.clientID] && id != "" {
			ids[id] = true
		}
	}
	for id := range ids {
		if err := oauth2server.RevokeGrant(ctx, g, id); err != nil {
			return err
		}
	}
	return nil
}

// grantsWhere returns the IDs of the grants for which concerned is true.
func (g *Grants) grantsWhere(concerned func(userID, clientID string) bool) map[string]bool {
	ids := map[string]bool{}
	for log := range g.grants.all() {
		if log.concerns(concerned) {
			ids[log.id] = true
		}
	}
	return ids
}

func bySeq(e *storedEntry, seq int) int { return int(e.seq) - seq }
