// This file keeps the log of each grant, lists what a user granted, and ends it.

package redismodel

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server"
)

func (s *store) logKey(id string) string      { return s.prefix + "log:" + id }
func (s *store) userIndex(id string) string   { return s.prefix + "grants-of-user:" + id }
func (s *store) clientIndex(id string) string { return s.prefix + "grants-of-client:" + id }

// indexed returns the command that adds a member to an index.
func (s *store) indexed(key, member string, expiresAt time.Time) command {
	at := until(expiresAt)
	if at == "" {
		at = "+inf"
	}
	return command{index, []string{key}, []any{member, at, time.Now().UnixMilli()}}
}

// place is where to find an entry that names a user. As JSON, it is a member of
// that user's index.
type place struct {
	Log    string `json:"log"`
	Seq    int    `json:"seq"`
	Client string `json:"client,omitempty"`
}

// AppendGrant implements [oauth2server.GrantLog] by a script, in one round trip;
// in a cluster, an entry that names its client and user takes three. Such an
// entry is in the indexes first, so that a revocation finds the grant.
func (g *Grants) AppendGrant(
	ctx context.Context, entry *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	record, err := entry.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var commands []command
	if entry.UserID != "" {
		member, err := json.Marshal(place{entry.GrantID, entry.Seq, entry.ClientID})
		if err != nil {
			return nil, fmt.Errorf("redismodel: %w", err)
		}
		commands = append(commands, g.indexed(g.userIndex(entry.UserID), string(member), entry.ExpiresAt))
	}
	if entry.ClientID != "" {
		commands = append(commands, g.indexed(g.clientIndex(entry.ClientID), entry.GrantID, entry.ExpiresAt))
	}
	commands = append(commands, command{appendEntry, []string{g.logKey(entry.GrantID)},
		[]any{entry.Seq, record, until(entry.ExpiresAt), past()}})
	all, err := g.write(ctx, "append to the log", commands...)
	if err != nil {
		return nil, err
	}
	text, taken := all[len(all)-1].(string)
	if !taken {
		return entry, nil
	}
	there, err := parseEntry(text)
	switch {
	case err != nil:
		return nil, err
	case there.Nonce == entry.Nonce && entry.Nonce != "":
		return entry, nil // the reply to this very append was lost
	}
	return there, oauth2server.ErrExists
}

func parseEntry(record string) (*oauth2server.GrantEntry, error) {
	found := new(oauth2server.GrantEntry)
	if err := found.UnmarshalBinary([]byte(record)); err != nil {
		return nil, fmt.Errorf("redismodel: read the log: %w", err)
	}
	return found, nil
}

// GrantEntries implements [oauth2server.GrantLog].
func (g *Grants) GrantEntries(
	ctx context.Context, grantID string, from int,
) ([]*oauth2server.GrantEntry, error) {
	return g.entries(ctx, plain("ZRANGE", g.logKey(grantID), from, "+inf", "BYSCORE",
		"LIMIT", 0, oauth2server.GrantPage))
}

// entries returns the entries that commands return.
func (g *Grants) entries(ctx context.Context, commands ...command) (found []*oauth2server.GrantEntry, err error) {
	for some := range slices.Chunk(commands, atOnce) {
		all, err := g.send(ctx, "read the log", some...)
		if err != nil {
			return nil, err
		}
		for _, reply := range all {
			for _, record := range texts(reply) {
				entry, err := parseEntry(record)
				if err != nil {
					return nil, err
				}
				found = append(found, entry)
			}
		}
	}
	return found, nil
}

// UserGrants returns the grants of a user that still work, the most recently used
// first. It takes a round trip for about 1,000 members of the index, and two
// for each 100 of their entries.
func (g *Grants) UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error) {
	var named, last []command
	for p, err := range g.places(ctx, userID) {
		if err != nil {
			return nil, err
		}
		named = append(named, plain("ZRANGE", g.logKey(p.Log), p.Seq, p.Seq, "BYSCORE"))
	}
	entries, err := g.entries(ctx, named...)
	if err != nil {
		return nil, err
	}
	// An append that found the place taken has left it in the index.
	entries = slices.DeleteFunc(entries, func(e *oauth2server.GrantEntry) bool { return e.UserID != userID })
	for _, id := range oauth2server.GrantLogs(entries) {
		last = append(last, plain("ZRANGE", g.logKey(id), 0, 0, "REV"))
	}
	ends, err := g.entries(ctx, last...)
	if err != nil {
		return nil, err
	}
	return oauth2server.LiveGrants(append(entries, ends...)), nil
}

// RevokeUser ends every grant of a user, and every code that is not redeemed yet:
// when it returns, nothing works that began before the call. See
// [oauth2server.RevokeUser]. Tokens of the client credentials grant are not
// affected. An unknown user is no error; after an error, call it again.
func (g *Grants) RevokeUser(ctx context.Context, userID string) error {
	return g.revokeUser(ctx, userID, "")
}

// RevokeUserClient is [Grants.RevokeUser] for what the user granted to one
// client. Other clients lose only what shares a grant with it; see
// [oauth2server.Grant].
func (g *Grants) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	if clientID == "" {
		return ctx.Err()
	}
	return g.revokeUser(ctx, userID, clientID)
}

// revokeUser ends what a user granted to a client, or to all clients.
func (g *Grants) revokeUser(ctx context.Context, userID, clientID string) error {
	if userID == "" || !utf8.ValidString(userID) { // nothing is stored about them
		return ctx.Err()
	}
	return oauth2server.RevokeUser(ctx, g, userID, clientID, func(yield func(string, error) bool) {
		for p, err := range g.places(ctx, userID) {
			if (err != nil || clientID == "" || p.Client == clientID) && !yield(p.Log, err) {
				return
			}
		}
	})
}

// RevokeClient ends the codes of a client, its refresh tokens, and the access
// tokens that came with them. Access tokens of the client credentials grant live
// until they expire. Call it after you have deleted a client of your own; a
// request in flight can still store something.
func (g *Grants) RevokeClient(ctx context.Context, clientID string) error {
	ended := map[string]bool{}
	for id, err := range g.members(ctx, g.clientIndex(clientID)) {
		if err != nil {
			return err
		}
		if ended[id] {
			continue
		}
		if err := oauth2server.RevokeGrant(ctx, g, id); err != nil {
			return err
		}
		ended[id] = true
	}
	return nil
}

// places asks the server each time that it is iterated, as RevokeUser requires.
// It may yield a place twice.
func (g *Grants) places(ctx context.Context, userID string) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		for member, err := range g.members(ctx, g.userIndex(userID)) {
			var p place
			if err == nil {
				err = json.Unmarshal([]byte(member), &p)
			}
			if err != nil {
				err = fmt.Errorf("redismodel: list a user's grants: %w", err)
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// members yields the members of an index. One that is there all the time comes at
// least once, as ZSCAN promises.
func (g *Grants) members(ctx context.Context, key string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for cursor := "0"; ; {
			all, err := g.send(ctx, "list grants", plain("ZSCAN", key, cursor, "COUNT", strconv.Itoa(10*atOnce)))
			if err != nil {
				yield("", err)
				return
			}
			page, _ := all[0].([]any)
			if len(page) != 2 {
				yield("", fmt.Errorf("redismodel: list grants: a reply of %d parts to ZSCAN", len(page)))
				return
			}
			cursor, _ = page[0].(string)
			for i, one := range texts(page[1]) {
				if i%2 == 0 && !yield(one, nil) { // the others are scores
					return
				}
			}
			if cursor == "0" {
				return
			}
		}
	}
}
