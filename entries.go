package oauth2server

import (
	"context"
	"errors"
	"time"
)

// markerMargin is how long a log entry stays after the last thing that it speaks of has expired: clocks differ.
const markerMargin = 24 * time.Hour

// entryFor is the entry without which issued, which is what the model stored of token, must not leave the server.
func (s *Server) entryFor(kind string, place int, token, issued *Token) *GrantEntry {
	entry := &GrantEntry{GrantID: token.GrantID, Seq: place, Kind: kind, ClientID: issued.Client.id(), UserID: token.User.id(),
		Scope: token.granted(), GrantExpiresAt: s.grantExpiry(token), AccessToken: Digest(issued.AccessToken), AccessTokenExpiresAt: issued.AccessTokenExpiresAt}
	if issued.RefreshToken != "" {
		entry.Successor, entry.SuccessorExpiresAt = Digest(issued.RefreshToken), issued.RefreshTokenExpiresAt
	}
	return entry
}

// appendEntry completes entry, which speaks of nothing that lives longer than until, and appends it. It returns nil when
// the entry is in the log, and what is there instead when the place is taken. What carries this attempt's nonce is its
// own, of which the reply was lost.
func appendEntry(ctx context.Context, log GrantLog, entry *GrantEntry, until time.Time) (there *GrantEntry, refused *Error) {
	// 132 of the random bits are enough to tell attempts apart.
	entry.Nonce, entry.Time = newID()[:22], time.Now().UTC().Truncate(time.Millisecond)
	if entry.Successor != "" && entry.SuccessorExpiresAt.IsZero() {
		until = never()
	}
	entry.ExpiresAt = latest(entry.Time, until, entry.AccessTokenExpiresAt, entry.SuccessorExpiresAt).Add(markerMargin)
	there, err := log.AppendGrant(ctx, entry)
	switch {
	case err == nil:
		return nil, nil
	case !errors.Is(err, ErrExists):
		return nil, modelFailure(err, breach("AppendGrant: %w", err))
	case there == nil:
		return nil, breach("AppendGrant returned ErrExists without the entry that is there")
	case there.Nonce == entry.Nonce:
		return nil, nil
	}
	return there, nil
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

// parties returns whom a grant is for, and by; "" when nothing was issued yet.
func parties(entries []*GrantEntry) (clientID, userID string) {
	for _, e := range entries {
		if e.UserID != "" {
			return e.ClientID, e.UserID
		}
	}
	return "", ""
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
