package oauth2server

import (
	"context"
	"errors"
	"slices"
	"time"
)

// markerMargin is how long a log entry stays after the last thing that it speaks of has expired: clocks differ.
const markerMargin = 24 * time.Hour

// revocationTimeout bounds a revocation that goes on after its client hung up.
const revocationTimeout = time.Minute

// RevokeGrant ends a grant for good: its code cannot be redeemed, its refresh tokens cannot be used, and its access
// tokens are deleted. When it returns nil, nothing of the grant works any more, whatever was under way; after an error,
// call it again. A grant that is over already, or of which nothing is known, is no error.
//
// until is when the last thing expires that the caller knows of and the log does not: a code that was not redeemed, a
// refresh token of the time before there was a log. Zero: there is no such thing. An access token of that time is not
// in the log, and is not deleted.
func RevokeGrant(ctx context.Context, log GrantLog, grantID string, until time.Time) error {
	for tried := 0; ; {
		entries, refused := readEntries(ctx, log, grantID, 1, tried)
		if refused != nil {
			return refused
		}
		place, over, last := endOf(entries, 1)
		if !over {
			there, refused := appendEntry(ctx, log, &GrantEntry{GrantID: grantID, Seq: place, Kind: kindRevoked}, latest(until, last))
			if refused != nil {
				return refused
			}
			if there != nil {
				tried = place // a request was faster: what it issued has to go too
				continue
			}
		}
		// Nothing is appended after "revoked", and an access token is saved before its entry is appended: these are all.
		if digests := liveAccessTokens(entries); len(digests) > 0 {
			if err := log.RevokeAccessTokens(ctx, digests...); err != nil {
				return modelFailure(err, breach("RevokeAccessTokens: %w", err))
			}
		}
		return nil
	}
}

// endOf returns the next free place of a log, from the entries that are there from place from on; whether it is over;
// and until when what they speak of lives.
func endOf(entries []*GrantEntry, from int) (place int, over bool, until time.Time) {
	place = from
	for _, e := range entries {
		place, over, until = e.Seq+1, over || e.Kind == kindRevoked, latest(until, e.ExpiresAt.Add(-markerMargin))
	}
	return place, over, until
}

// readEntries reads a log. tried is a place that turned out to be taken: the log must show by what, or whoever reads it
// would try it again for ever.
func readEntries(ctx context.Context, log GrantLog, grantID string, from, tried int) ([]*GrantEntry, *Error) {
	entries, err := log.GrantEntries(ctx, grantID, from)
	if err != nil {
		return nil, modelFailure(err, breach("GrantEntries: %w", err))
	}
	last := from - 1
	for _, e := range entries {
		if e == nil || e.Seq <= last {
			return nil, breach("GrantEntries returned a nil entry, or entries out of order")
		}
		last = e.Seq
	}
	if last < tried {
		return nil, breach("GrantEntries did not return the entry that AppendGrant found at place %d", tried)
	}
	return entries, nil
}

// liveAccessTokens are the newest first: they live longest, if the deletion is stopped half-way.
func liveAccessTokens(entries []*GrantEntry) (digests []string) {
	for _, e := range slices.Backward(entries) {
		if e.AccessToken != "" && (e.AccessTokenExpiresAt.IsZero() || !expired(e.AccessTokenExpiresAt)) {
			digests = append(digests, e.AccessToken)
		}
	}
	return digests
}

// revokeGrant ends a grant because of what a request showed. Who asked may hang up: that must not stop it half-way.
func (s *Server) revokeGrant(ctx context.Context, grantID string) *Error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revocationTimeout)
	defer cancel()
	if err := RevokeGrant(ctx, s.can.log, grantID, time.Time{}); err != nil {
		return modelFailure(err, breach("RevokeGrant: %w", err))
	}
	return nil
}

// appendEntry completes entry, which speaks of nothing that lives longer than until, and appends it. It returns nil when
// the entry is in the log, and what is there instead when the place is taken. What carries this attempt's nonce is its
// own, of which the reply was lost.
func appendEntry(ctx context.Context, log GrantLog, entry *GrantEntry, until time.Time) (there *GrantEntry, refused *Error) {
	own := *entry
	// 132 of the random bits are enough to tell attempts apart.
	own.Nonce, own.Time = newID()[:22], time.Now().UTC().Truncate(time.Millisecond)
	if own.Successor != "" && own.SuccessorExpiresAt.IsZero() {
		until = never()
	}
	own.ExpiresAt = latest(own.Time, until, own.AccessTokenExpiresAt, own.SuccessorExpiresAt).Add(markerMargin)
	there, err := log.AppendGrant(ctx, &own)
	switch {
	case err == nil:
		return nil, nil
	case !errors.Is(err, ErrExists):
		return nil, modelFailure(err, breach("AppendGrant: %w", err))
	case there == nil:
		return nil, breach("AppendGrant returned ErrExists without the entry that is there")
	case there.Nonce == own.Nonce:
		return nil, nil
	}
	return there, nil
}

// never is the expiry of an entry about a refresh token that has none.
func never() time.Time { return time.Now().AddDate(100, 0, 0) }

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
