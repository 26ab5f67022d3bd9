// This file makes the entries of logs, appends them and reads them.

package oauth2server

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Logs beside that of a grant, by their prefix. They are separate because an
// append to the log of a grant has to find its end first.
const (
	endLog  = "end:"  // of a grant: place 1 when it begins to end, place 2 when it has ended
	usesLog = "uses:" // of a grant: tokens issued without moving its line; see appendUse
	userLog = "user:" // of a user: when what they granted was revoked

	recordLog = "record:" // of no grant: a record of an extension; see LogRecords
)

// isReserved reports whether an ID is that of such a log, and so cannot be that
// of a grant.
func isReserved(grantID string) bool {
	return strings.HasPrefix(grantID, endLog) ||
		strings.HasPrefix(grantID, usesLog) ||
		strings.HasPrefix(grantID, userLog) ||
		strings.HasPrefix(grantID, recordLog)
}

// grantOf returns the ID of the grant that a log belongs to.
func grantOf(logID string) string {
	if id, found := strings.CutPrefix(logID, endLog); found {
		return id
	}
	return strings.TrimPrefix(logID, usesLog)
}

// appendEntry completes entry and appends it. The entry outlives until and the
// tokens that it is about. appendEntry returns nil if the entry is in the log,
// or the other entry if the place is taken. An entry with this attempt's nonce
// is its own: only the reply was lost.
func appendEntry(
	ctx context.Context, log GrantLog, entry *GrantEntry, until time.Time,
) (there *GrantEntry, refused *Error) {
	if entry.Nonce == "" {
		entry.Nonce = newNonce()
	}
	entry.Time = storable(time.Now())
	entry.ExpiresAt = latest(entry.ExpiresAt, entry.Time, until, entry.speaksUntil()).Add(markerMargin)
	there, err := log.AppendGrant(ctx, entry)
	switch {
	case err == nil:
		return nil, nil
	case !errors.Is(err, ErrExists):
		return nil, modelFailure("AppendGrant", err, breach("AppendGrant: %w", err))
	case there == nil:
		return nil, breach("AppendGrant returned ErrExists without the entry that is there")
	case there.Nonce == entry.Nonce:
		return nil, nil
	case there.Seq != entry.Seq:
		return nil, breach("AppendGrant returned ErrExists with the entry of place %d for place %d",
			there.Seq, entry.Seq)
	}
	return there, nil
}

// eachEntry calls visit with the entries of a log from place from on, page by
// page, until it returns false. So a long log takes no more memory than a short
// one.
func eachEntry(
	ctx context.Context, log GrantLog, logID string, from int, visit func(*GrantEntry) bool,
) *Error {
	for last := from - 1; ; {
		entries, err := log.GrantEntries(ctx, logID, last+1)
		if err != nil {
			return modelFailure("GrantEntries", err, breach("GrantEntries: %w", err))
		}
		for _, e := range entries {
			if e == nil || e.Seq <= last {
				return breach("GrantEntries returned a nil entry, or entries out of order")
			}
			if last = e.Seq; !visit(e) {
				return nil
			}
		}
		if len(entries) < GrantPage {
			return nil
		}
	}
}

// entryFor returns the log entry of issued, which is token as the model stored
// it. No token leaves the server before its entry is appended. presented is the
// code or the refresh token that was used; empty if there was none. old is that
// refresh token; nil if there was none, or if it belongs to another grant.
func (s *Server) entryFor(
	kind EntryKind, place int, token, issued, old *Token, presented string,
) *GrantEntry {
	// One text for the nonce and the digests, so one allocation.
	var buffer [nonceText + 3*digestText]byte
	text := appendDigest(appendNonce(buffer[:0]), issued.AccessToken)
	for _, more := range [...]string{issued.RefreshToken, presented} {
		if more != "" {
			text = appendDigest(text, more)
		}
	}
	texts := string(text)
	entry := &GrantEntry{
		GrantID:              token.GrantID,
		Seq:                  place,
		Kind:                 kind,
		Nonce:                texts[:nonceText],
		GrantExpiresAt:       s.grantExpiry(token),
		AccessToken:          texts[nonceText:][:digestText],
		AccessTokenExpiresAt: issued.AccessTokenExpiresAt,
	}
	texts = texts[nonceText+digestText:]
	if issued.RefreshToken != "" {
		entry.Successor, texts = texts[:digestText], texts[digestText:]
		entry.SuccessorExpiresAt = issued.RefreshTokenExpiresAt
	}
	entry.Presented = texts
	// A refresh token without a place comes from another server, so there is no
	// earlier entry.
	first := old == nil || old.GrantSeq == 0
	if until := entry.speaksUntil(); first || until.After(anchorEnd(old.speaksUntil())) {
		// No earlier entry that lasts as long has these.
		entry.ClientID, entry.UserID, entry.Scope = issued.Client.id(), token.User.id(), token.granted()
		entry.Resource = token.Resource
		entry.ExpiresAt = anchorEnd(until)
	}
	return entry
}

// anchorPeriod is how often the log of a grant names client, owner and scope
// again: once for all entries whose tokens expire in the same period.
const anchorPeriod = 30 * 24 * time.Hour

// anchorEnd returns the end of the period that t is in.
func anchorEnd(t time.Time) time.Time {
	if end := t.Truncate(anchorPeriod); end.Before(t) {
		return end.Add(anchorPeriod)
	}
	return t
}

// grantExpiry returns when the grant of token ends, however often it is
// refreshed; zero if it has no such limit.
func (s *Server) grantExpiry(token *Token) time.Time {
	switch {
	case !token.GrantExpiresAt.IsZero():
		return token.GrantExpiresAt
	case token.GrantID == "" || s.options.MaxGrantLifetime < 0:
		return time.Time{}
	}
	return expiry(time.Now(), 0, s.options.MaxGrantLifetime)
}
