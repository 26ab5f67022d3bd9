// This file ends grants, in an order that no request under way can outlive.

package oauth2server

import (
	"context"
	"strings"
	"time"
)

// RevokeGrant ends a grant for good, for a model whose grants are in its log:
// the code cannot be redeemed, refresh tokens cannot be used, and access tokens
// are deleted. When it returns nil, nothing of the grant works any more,
// whatever was under way. After an error, call it again. A grant that is
// unknown or already over is no error; for one that has ended completely, it
// only reads the log of its end.
//
// An access token that was issued before there was a log is not deleted, and a
// refresh token from that time works again after a year.
func RevokeGrant(ctx context.Context, model GrantLog, grantID string) error {
	if strings.HasPrefix(grantID, userLog) || strings.HasPrefix(grantID, recordLog) {
		return nil // no grant
	}
	if refused := endGrant(ctx, model, grantOf(grantID), time.Time{}); refused != nil {
		return refused
	}
	return nil
}

// unloggedLifetime is how long a grant stays ended that has no end of its own,
// or is not in its log: its code may not have been redeemed, or its refresh
// token be from before there was a log.
const unloggedLifetime = 365 * 24 * time.Hour

// endGrant is [RevokeGrant] for a caller that knows of something that is not in
// the log and expires at until. Zero: there is nothing.
func endGrant(ctx context.Context, log GrantLog, grantID string, until time.Time) *Error {
	_, done, refused := endState(ctx, log, grantID)
	if refused != nil || done {
		return refused
	}
	end := ending{log: log, grantID: grantID, next: 1, until: until}
	return end.run(ctx)
}

// The places in the log of a grant's end.
const (
	endBegun = 1
	endDone  = 2
)

// endState reports whether the end of a grant has begun, and whether everything
// of it was deleted.
func endState(ctx context.Context, log GrantLog, grantID string) (begun, done bool, refused *Error) {
	refused = eachEntry(ctx, log, endLog+grantID, endBegun, func(e *GrantEntry) bool {
		begun, done = true, e.Seq == endDone
		return true
	})
	return begun, done, refused
}

// ending is a grant that is to end.
type ending struct {
	log     GrantLog
	grantID string

	next             int       // the place after the last one that is taken
	revoked          int       // the first place that is known to be "revoked"; 0: none
	sure             bool      // that place was taken by an append, and not only read
	until            time.Time // when everything that the log is about has expired
	joinable         time.Time // when no program would ask to join the grant any more
	clientID, userID string    // the client that has the grant, and its owner
	tokens           []string  // access tokens that may live, of the first page
	more             bool      // there are others after that page
}

// run ends the grant. The log of its end is written first, because a request
// that issues a token without an entry in the grant's log reads the log of the
// end afterwards. A request that appends to the grant's log finds "revoked"
// there.
func (end *ending) run(ctx context.Context) *Error {
	if refused := eachEntry(ctx, end.log, end.grantID, 1, end.read); refused != nil {
		return refused
	}
	if end.next == 1 && end.until.IsZero() {
		end.until = time.Now().Add(unloggedLifetime)
	}
	if _, refused := end.append(ctx, endLog+end.grantID, endBegun); refused != nil {
		return refused
	}
	if refused := end.reach(ctx); refused != nil {
		return refused
	}
	if refused := end.deleteTokens(ctx); refused != nil {
		return refused
	}
	_, refused := end.append(ctx, endLog+end.grantID, endDone)
	return refused
}

// read takes an entry of the grant's log into account.
func (end *ending) read(e *GrantEntry) bool {
	end.until = latest(end.until, e.ExpiresAt.Add(-markerMargin))
	switch {
	case e.Kind != EntryRevoked:
		end.next = e.Seq + 1
		if end.joinable = e.GrantExpiresAt; end.joinable.IsZero() {
			end.joinable = time.Now().Add(unloggedLifetime)
		}
	case end.revoked == 0 || e.Seq < end.revoked:
		end.revoked = e.Seq
	}
	if end.userID == "" {
		end.clientID, end.userID = e.ClientID, e.UserID
	}
	if e.lives() {
		if end.more = end.more || len(end.tokens) == GrantPage; !end.more {
			end.tokens = append(end.tokens, e.AccessToken)
		}
	}
	return true
}

// firstBlock is how far ahead a log is blocked for the first time.
const firstBlock = 4

// reach puts "revoked" at the next place. If another request takes that place
// first, reach also blocks a place a little ahead, so that others cannot win
// forever: a request that reads the log finds the block, and one that does not
// read runs into it.
//
// Until the places before the block are taken, the grant is not over for
// requests that do not read. So a revocation that stops here must begin again,
// and every request that reads a block begins it again.
func (end *ending) reach(ctx context.Context) *Error {
	for ahead := firstBlock; end.revoked != end.next || !end.sure; {
		lost, refused := end.append(ctx, end.grantID, end.next)
		if refused != nil || lost == nil {
			return refused
		}
		end.sure = lost.Kind == EntryRevoked
		end.read(lost)
		if end.revoked != 0 {
			continue
		}
		block := lost.Seq + ahead
		if lost, refused = end.append(ctx, end.grantID, block); refused != nil {
			return refused
		}
		if lost == nil {
			end.revoked = block
			continue
		}
		if refused := eachEntry(ctx, end.log, end.grantID, end.next, end.read); refused != nil {
			return refused
		}
		if end.next <= block && end.revoked == 0 {
			return breach(
				"GrantEntries did not return the entry that AppendGrant found at place %d", block)
		}
		ahead *= 2
	}
	return nil
}

// append writes "revoked" at a place of a log, or returns the entry that is
// there. An append that finds the place taken has waited until the storage was
// sure of that entry; a read has not.
func (end *ending) append(ctx context.Context, logID string, place int) (*GrantEntry, *Error) {
	entry := &GrantEntry{GrantID: logID, Seq: place, Kind: EntryRevoked}
	if logID != end.grantID {
		return appendEntry(ctx, end.log, entry, latest(end.until, end.joinable))
	}
	// Only here, or a list of the user's grants would have this one twice.
	entry.ClientID, entry.UserID = end.clientID, end.userID
	return appendEntry(ctx, end.log, entry, end.until)
}

// deleteTokens deletes all access tokens of the grant. Nothing more is appended
// to a log that has its end, and an access token is saved before its entry is
// appended, so the logs have all of them.
func (end *ending) deleteTokens(ctx context.Context) *Error {
	deletion := deletion{ctx: ctx, log: end.log, tokens: end.tokens}
	if end.more {
		deletion.tokens = nil
		if refused := eachEntry(ctx, end.log, end.grantID, 1, deletion.read); refused != nil {
			return refused
		}
	}
	if refused := eachEntry(ctx, end.log, usesLog+end.grantID, 0, deletion.read); refused != nil {
		return refused
	}
	return deletion.flush()
}

// deletion deletes access tokens, a page at a time.
type deletion struct {
	ctx     context.Context
	log     GrantLog
	tokens  []string
	refused *Error
}

func (d *deletion) read(e *GrantEntry) bool {
	if e.lives() {
		d.tokens = append(d.tokens, e.AccessToken)
	}
	if len(d.tokens) >= GrantPage {
		d.refused = d.flush()
	}
	return d.refused == nil
}

func (d *deletion) flush() *Error {
	if d.refused != nil || len(d.tokens) == 0 {
		return d.refused
	}
	if err := d.log.RevokeAccessTokens(d.ctx, d.tokens...); err != nil {
		return modelFailure("RevokeAccessTokens", err, breach("RevokeAccessTokens: %w", err))
	}
	d.tokens = d.tokens[:0]
	return nil
}

// revokeGrant ends a grant because of what a request showed. A client that
// hangs up does not stop the revocation half-way.
func (s *Server) revokeGrant(ctx context.Context, grantID string, until time.Time) *Error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revocationTimeout)
	defer cancel()
	return endGrant(ctx, s.can.log, grantID, until)
}

// revocationTimeout bounds a revocation that goes on after its client hung up.
const revocationTimeout = time.Minute

// finishRevocation returns the refusal for a grant that is over. Its end may
// have stopped half-way, so the rest is done first.
func (s *Server) finishRevocation(ctx context.Context, grantID string) *Error {
	if fault := s.revokeGrant(ctx, grantID, time.Time{}); fault != nil {
		return fault
	}
	return grantOver()
}

func grantOver() *Error {
	return refusal(InvalidGrant, "grant_revoked", "Invalid grant: the grant was revoked")
}
