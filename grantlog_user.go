// This file ends everything of a user, and finds out whether a new grant began
// before that.

package oauth2server

import (
	"context"
	"iter"
	"time"
)

// maxCodeLifetime is the longest life of a code, and so the longest time that
// something is under way for a user before its grant is in the log.
const maxCodeLifetime = 30 * 24 * time.Hour

// RevokeUser ends what a user granted to the client clientID, or to all clients
// if that is empty, for a model whose grants are in log. When it returns nil,
// nothing that began before the call works any more, on any machine: no grant
// that grants lists, and none whose password was checked or whose code was saved by
// then. After an error, call it again. A page that is sent afterwards grants anew:
// whoever revokes ends the user's sessions first.
//
// grants lists the IDs of the user's grants for that client, or for all
// clients, that have entries in the log. It is iterated each time after the
// revocation was written to the log, so it must query the storage then, and not
// before.
func RevokeUser(ctx context.Context, log GrantLog, userID, clientID string, grants iter.Seq2[string, error]) error {
	ended := map[string]bool{}
	// Repeat as long as there was a grant to end: where a page remembers what
	// was granted, a grant that had not ended yet may have led to another one.
	for more := true; more; {
		more = false
		if refused := markUser(ctx, log, userID, clientID); refused != nil {
			return refused
		}
		for grantID, err := range grants {
			if err != nil {
				return err
			}
			if ended[grantID] {
				continue
			}
			if err := RevokeGrant(ctx, log, grantID, time.Time{}); err != nil {
				return err
			}
			ended[grantID], more = true, true
		}
	}
	return nil
}

// markPlace is where a mark is written at a time, in milliseconds since 1970, or
// behind it. So whoever looks for marks after a beginning reads no earlier ones.
func markPlace(at int64) int { return int(max(at, 0)/2000) + 1 }

// markUser writes into the log of a user that everything they began until now
// is over. The nonce of the entry has that time.
func markUser(ctx context.Context, log GrantLog, userID, clientID string) *Error {
	mark := beginNow()
	place := markPlace(mark.at)
	refused := eachEntry(ctx, log, userLog+userID, place, func(e *GrantEntry) bool { place = e.Seq + 1; return true })
	for refused == nil {
		entry := &GrantEntry{GrantID: userLog + userID, Seq: place, Kind: kindRevoked, Nonce: mark.newID()}
		if clientID != "" {
			entry.Presented = Digest(clientID) // not ClientID: it is no grant of the client
		}
		var there *GrantEntry
		if there, refused = appendEntry(ctx, log, entry, time.Now().Add(maxCodeLifetime)); there == nil {
			break
		}
		place = there.Seq + 1
	}
	return refused
}

// outlived reports whether what the user granted to a client was revoked after
// began, when a new grant of theirs began. It is called once the new grant is
// in the log: a revocation writes its mark first and lists the log afterwards.
func (s *Server) outlived(ctx context.Context, began beginning, user *User, client *Client) (bool, *Error) {
	outlived := false
	first := markPlace(began.at - maxClockSkew.Milliseconds())
	refused := eachEntry(ctx, s.can.log, userLog+user.ID, first, func(mark *GrantEntry) bool {
		outlived = (mark.Presented == "" || mark.Presented == Digest(client.ID)) &&
			began.mayPrecede(beginningOf(mark.Nonce), s.options.ClockSkew)
		return !outlived
	})
	return outlived, refused
}
