// This file ends everything that a user granted, and finds new grants that
// began before that.

package oauth2server

import (
	"context"
	"iter"
	"time"
)

// RevokeUser ends what a user granted to the client clientID, or to all clients
// if clientID is empty, for a model whose grants are in log. When it returns
// nil, nothing that began before the call works any more, on any machine: no
// grant that grants lists, and none whose password was checked or whose code
// was saved by then. After an error, call it again. A page that is sent
// afterwards grants anew, so the caller ends the user's sessions first.
//
// grants lists the IDs of the user's grants for that client, or for all
// clients, that have entries in the log. It is iterated each time after the
// revocation was written to the log, so it must query the storage when it is
// iterated, not before. If userID is empty, nothing is ended.
func RevokeUser(
	ctx context.Context, log GrantLog, userID, clientID string, grants iter.Seq2[string, error],
) error {
	if userID == "" {
		return nil
	}
	ended := map[string]bool{}
	// Repeat as long as there was a grant to end: a page that remembers consent
	// may have made another grant because of one that had not ended yet.
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
			if err := RevokeGrant(ctx, log, grantID); err != nil {
				return err
			}
			ended[grantID], more = true, true
		}
	}
	return nil
}

// markUser writes a mark into the log of a user: everything that they began
// until now is over. The nonce of the entry has that time.
func markUser(ctx context.Context, log GrantLog, userID, clientID string) *Error {
	mark := beginNow()
	first := markPlace(mark.at)
	place := first
	refused := eachEntry(ctx, log, userLog+userID, first, func(e *GrantEntry) bool {
		place = e.Seq
		if beginningOf(e.Nonce).covers(mark) {
			return false
		}
		place++
		return true
	})
	for refused == nil {
		entry := &GrantEntry{GrantID: userLog + userID, Seq: place, Kind: EntryRevoked, Nonce: mark.newID()}
		switch {
		case place-first > maxMarksAhead:
			entry.Nonce = beginning{at: mark.at + markAhead.Milliseconds()}.newID()
		case clientID != "":
			entry.Presented = Digest(clientID) // not ClientID: it is no grant of the client
		}
		var there *GrantEntry
		there, refused = appendEntry(ctx, log, entry, time.Now().Add(maxCodeLifetime))
		if there == nil || beginningOf(there.Nonce).covers(mark) {
			break
		}
		place = there.Seq + 1
	}
	return refused
}

// A log has one place for every two seconds. Marks that are made faster take
// the places of times to come, so a sign-in has to read them. After this many,
// a mark is for all clients and for a few seconds to come: marks that follow
// need no entry, and the user cannot sign in for so long.
const (
	maxMarksAhead = 500
	markAhead     = 4 * time.Second
)

// markPlace returns the first place for a mark that is made at a time, in
// milliseconds since 1970. A search for marks after a beginning starts there,
// and reads no earlier ones.
func markPlace(at int64) int { return int(max(at, 0)/2000) + 1 }

// covers reports whether b is the time of a mark that ends whatever other ends,
// for all clients. Such a mark is of no process, so only clocks are compared
// with it.
func (b beginning) covers(other beginning) bool {
	return b.process == [6]byte{} && b.at >= other.at
}

// outlived reports whether what the user granted to a client was revoked after
// began, the beginning of a new grant. It must be called after the new grant is
// in the log: a revocation writes its mark first and lists the grants
// afterwards.
func (s *Server) outlived(
	ctx context.Context, began beginning, user *User, client *Client,
) (bool, *Error) {
	outlived := false
	first := markPlace(began.at - maxClockSkew.Milliseconds())
	refused := eachEntry(ctx, s.can.log, userLog+user.ID, first, func(mark *GrantEntry) bool {
		outlived = (mark.Presented == "" || mark.Presented == Digest(client.ID)) &&
			began.mayPrecede(beginningOf(mark.Nonce), s.options.ClockSkew)
		return !outlived
	})
	return outlived, refused
}
