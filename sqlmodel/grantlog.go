// This file keeps the log of each grant, lists what a user granted, and ends it.

package sqlmodel

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-11d18166/oauth2server"
)

func (g *Grants) grantStatements() {
	g.insertEntry = g.statement("append to the log",
		`INSERT INTO {grants} (grant_id, seq, client_id, user_id, expires_at, record)
		VALUES (?, ?, ?, ?, ?, ?)`+g.dialect.ifFree())
	g.findEntry = g.statement("find an entry", `SELECT record FROM {grants} WHERE grant_id = ? AND seq = ?`)
	g.findEntries = g.statement("read the log",
		`SELECT record FROM {grants} WHERE grant_id = ? AND seq >= ? ORDER BY seq LIMIT `+
			strconv.Itoa(oauth2server.GrantPage))
	g.userEntries = g.statement("list a user's grants", `SELECT record FROM {grants} WHERE user_id = ?`)
	g.userGrants = g.statement("list a user's grants", `SELECT DISTINCT grant_id FROM {grants} WHERE user_id = ?`)
	g.userClientGrants = g.statement("list a user's grants for a client",
		`SELECT DISTINCT grant_id FROM {grants} WHERE user_id = ? AND client_id = ?`)
	g.clientCodes = g.statement("list a client's codes", `SELECT DISTINCT grant_id FROM {codes} WHERE client_id = ?`)
	g.clientGrants = g.statement("list a client's grants",
		`SELECT DISTINCT grant_id FROM {grants} WHERE client_id = ?`)
	g.expiredCodes = g.expired("{codes}", "digest")
	g.expiredTokens = g.expired("{tokens}", "digest, kind")
	g.expiredLogs = g.expired("{grants}", "grant_id, seq")
}

// AppendGrant implements [oauth2server.GrantLog] by an insert: the first one gets
// the place, as the table has a primary key.
func (g *Grants) AppendGrant(
	ctx context.Context, entry *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	record, err := entry.MarshalBinary()
	if err := errors.Join(err, checkIDs(entry.ClientID, entry.UserID)); err != nil {
		return nil, err
	}
	affected, err := g.insertEntry.exec(ctx, entry.GrantID, entry.Seq, entry.ClientID, entry.UserID,
		millis(entry.ExpiresAt), string(record))
	if err != nil || affected == 1 {
		return entry, err
	}
	there := new(oauth2server.GrantEntry)
	switch err := find(ctx, g.findEntry, there, entry.GrantID, entry.Seq); {
	case errors.Is(err, oauth2server.ErrNotFound):
		// It expired between the two statements. The request may be retried.
		return nil, errors.New("sqlmodel: append to the log: the entry that has the place is gone")
	case err != nil:
		return nil, err
	case there.Nonce == entry.Nonce && entry.Nonce != "":
		return entry, nil // the reply to this very insert was lost
	}
	return there, oauth2server.ErrExists
}

// GrantEntries implements [oauth2server.GrantLog].
func (g *Grants) GrantEntries(
	ctx context.Context, grantID string, from int,
) ([]*oauth2server.GrantEntry, error) {
	return all(ctx, g.findEntries, entry, grantID, from)
}

func entry(rows *sql.Rows) (*oauth2server.GrantEntry, error) {
	record, err := text(rows)
	if err != nil {
		return nil, err
	}
	found := new(oauth2server.GrantEntry)
	return found, found.UnmarshalBinary([]byte(record))
}

// logsAtOnce is how many logs one statement looks at.
const logsAtOnce = 100

// UserGrants returns the grants of a user that still work, the most recently used
// first. It takes two statements, and one more for each 100 grants.
func (g *Grants) UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error) {
	if userID == "" || !isText(userID) { // "" stands for entries without a user
		return nil, ctx.Err()
	}
	entries, err := all(ctx, g.userEntries, entry, userID)
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(oauth2server.GrantLogs(entries), logsAtOnce) {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id
		}
		last := g.statement("read the ends of logs", `SELECT record FROM {grants} WHERE (grant_id, seq) IN
			(SELECT grant_id, MAX(seq) FROM {grants} WHERE grant_id IN (?`+
			strings.Repeat(", ?", len(some)-1)+`) GROUP BY grant_id)`)
		ends, err := all(ctx, last.once(), entry, args...)
		if err != nil {
			return nil, err
		}
		entries = append(entries, ends...)
	}
	return oauth2server.LiveGrants(entries), nil
}

// RevokeUser ends every grant of a user, and every code that is not redeemed yet:
// when it returns, nothing works that began before the call. See
// [oauth2server.RevokeUser]. Tokens of the client credentials grant are not
// affected. An unknown user is no error; after an error, call it again.
func (g *Grants) RevokeUser(ctx context.Context, userID string) error {
	if userID == "" || !isText(userID) {
		return ctx.Err()
	}
	return oauth2server.RevokeUser(ctx, g, userID, "", g.ids(ctx, g.userGrants, userID))
}

// RevokeUserClient is [Grants.RevokeUser] for what the user granted to one
// client. Other clients lose only what shares a grant with it; see
// [oauth2server.Grant].
func (g *Grants) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	if userID == "" || clientID == "" || !isText(userID, clientID) {
		return ctx.Err()
	}
	return oauth2server.RevokeUser(ctx, g, userID, clientID, g.ids(ctx, g.userClientGrants, userID, clientID))
}

// RevokeClient ends the codes of a client, its refresh tokens, and the access
// tokens that came with them. Access tokens of the client credentials grant live
// until they expire. Call it after you have deleted a client of your own; a
// request in flight can still store something.
func (g *Grants) RevokeClient(ctx context.Context, clientID string) error {
	if clientID == "" || !isText(clientID) {
		return ctx.Err()
	}
	ended := map[string]bool{"": true} // codes without a grant
	for _, statement := range []*statement{g.clientCodes, g.clientGrants} {
		for id, err := range g.ids(ctx, statement, clientID) {
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
	}
	return nil
}

// ids asks the database each time that it is iterated, as RevokeUser requires.
func (g *Grants) ids(ctx context.Context, s *statement, args ...any) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ids, err := all(ctx, s, text, args...)
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

// deletedAtOnce is how many rows one statement of DeleteExpired deletes.
const deletedAtOnce = 1000

// expired returns the statement that deletes rows which expired before a time.
func (g *Grants) expired(table, key string) *statement {
	some := fmt.Sprintf("expires_at < ? ORDER BY expires_at LIMIT %d", deletedAtOnce)
	if g.dialect == MySQL {
		return g.statement("delete what has expired", `DELETE FROM `+table+` WHERE `+some)
	}
	return g.statement("delete what has expired", fmt.Sprintf(
		`DELETE FROM %s WHERE (%s) IN (SELECT %s FROM %s WHERE %s)`, table, key, key, table, some))
}
