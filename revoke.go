package oauth2server

import (
	"context"
	"slices"
	"time"
)

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

// finishRevocation is the refusal for a grant that is over. Whoever ended it may have been stopped half-way, so the rest
// is done first.
func (s *Server) finishRevocation(ctx context.Context, grantID string) *Error {
	if fault := s.revokeGrant(ctx, grantID); fault != nil {
		return fault
	}
	return grantOver()
}

func grantOver() *Error {
	return refusal(InvalidGrant, "grant_revoked", "Invalid grant: the grant was revoked")
}
