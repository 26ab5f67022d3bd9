// This file keeps the log of each grant, and ends the grants of users and
// clients.

package memorymodel

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/millis"
)

// grant is the log of one grant. It is dropped when the last of its entries has
// expired. If it grows, those that have expired go before.
type grant struct {
	id      text
	entries []logged  // in the order of Seq
	first   [1]logged // room for entries, as most logs have no more
}

// logged is an entry of a log. It is never changed.
type logged struct {
	text    text
	seq     int32
	expires period // 0: never
	names   bool   // a user; few entries do
}

// release implements [record].
func (g grant) release(from *texts) {
	from.drop(g.id)
	for i := range g.entries {
		from.drop(g.entries[i].text)
	}
}

// load returns copies that belong to the caller.
func (g *grant) load(from *texts, entries []logged) []*oauth2server.GrantEntry {
	if len(entries) == 0 {
		return nil
	}
	id, own := from.get(g.id), make([]*oauth2server.GrantEntry, len(entries))
	for i, e := range entries {
		own[i] = loadEntry(id, e.seq, from.get(e.text))
	}
	return own
}

// find returns the index of the first entry at seq or after it.
func (g *grant) find(seq int) (index int, exact bool) {
	if n := len(g.entries); n == 0 || int(g.entries[n-1].seq) < seq {
		return n, false // as for most: a log grows at its end
	}
	return slices.BinarySearchFunc(g.entries, seq, func(e logged, seq int) int { return int(e.seq) - seq })
}

// dropExpired drops the entries that expired in a period before now.
func (g *grant) dropExpired(from *texts, now period) {
	g.entries = slices.DeleteFunc(g.entries, func(e logged) bool {
		gone := e.expires != 0 && e.expires < now
		if gone {
			from.drop(e.text)
		}
		return gone
	})
}

// AppendGrant implements [oauth2server.GrantLog].
func (g *Grants) AppendGrant(
	ctx context.Context, entry *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var buffer [enough]byte
	data, k := appendEntry(buffer[:0], entry), keyOf(entry.GrantID)
	s := g.grants.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	own := logged{seq: int32(entry.Seq), names: entry.UserID != "", expires: periodOf(millis.Of(entry.ExpiresAt))}
	p := s.find(&k)
	if p == 0 {
		p = s.add(&g.texts, &k, own.expires)
		log := &s.slots.at(p).record
		log.id, log.entries = s.texts.put(&k, []byte(entry.GrantID), 1), log.first[:0]
	}
	e := s.slots.at(p)
	log := &e.record
	if at, taken := log.find(entry.Seq); taken {
		return log.load(s.texts, log.entries[at:][:1])[0], oauth2server.ErrExists
	}
	if len(log.entries) == cap(log.entries) { // before the log grows
		log.dropExpired(s.texts, periodOf(time.Now().UnixMilli()))
	}
	own.text = s.texts.put(&k, data, 1)
	at, _ := log.find(entry.Seq)
	log.entries = slices.Insert(log.entries, at, own)
	if own.expires == 0 || e.expires != 0 && own.expires > e.expires {
		s.prolong(p, own.expires)
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
	return g.someEntries(grantID, func(log *grant) []logged {
		at, _ := log.find(from)
		return log.entries[at:min(len(log.entries), at+oauth2server.GrantPage)]
	}), nil
}

// someEntries returns copies of the entries that choose selects, or none if
// there is no such log.
func (g *Grants) someEntries(
	grantID string, choose func(*grant) []logged,
) []*oauth2server.GrantEntry {
	k := keyOf(grantID)
	s := g.grants.of(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.find(&k)
	if p == 0 {
		return nil
	}
	log := &s.slots.at(p).record
	return log.load(s.texts, choose(log))
}

// RevokeAccessTokens implements [oauth2server.GrantLog].
func (g *Grants) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, encoded := range digests {
		decoded, err := base64.RawURLEncoding.DecodeString(encoded)
		if err == nil && len(decoded) == sha256.Size {
			g.access.remove(key(decoded[:len(key{})]))
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
	for id := range g.grantsWhere(func(user, _ []byte) bool { return string(user) == userID }) {
		entries = append(entries, g.someEntries(id, func(log *grant) []logged {
			return slices.DeleteFunc(slices.Clone(log.entries), func(e logged) bool { return !e.names })
		})...)
	}
	for _, id := range oauth2server.GrantLogs(entries) {
		entries = append(entries,
			g.someEntries(id, func(log *grant) []logged {
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
		concerned := func(user, client []byte) bool {
			return string(user) == userID && (clientID == "" || string(client) == clientID)
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
	ids := g.grantsWhere(func(_, client []byte) bool { return clients[string(client)] })
	var data []byte
	g.codes.all(func(s *shard[text], code *text) {
		data = s.texts.appendTo(data[:0], *code)
		if id, client := names(data); clients[string(client)] && len(id) > 0 {
			ids[string(id)] = true
		}
	})
	for id := range ids {
		if err := oauth2server.RevokeGrant(ctx, g, id); err != nil {
			return err
		}
	}
	return nil
}

// grantsWhere returns the IDs of the grants with an entry that names a user and
// a client for which concerned is true.
func (g *Grants) grantsWhere(concerned func(userID, clientID []byte) bool) map[string]bool {
	ids := map[string]bool{}
	var data []byte
	g.grants.all(func(s *shard[grant], log *grant) {
		for _, e := range log.entries {
			if !e.names {
				continue
			}
			data = s.texts.appendTo(data[:0], e.text)
			if concerned(names(data)) {
				ids[s.texts.get(log.id)] = true
				return
			}
		}
	})
	return ids
}
