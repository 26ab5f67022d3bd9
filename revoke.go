package oauth2server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// Revoke returns the endpoint at which clients end tokens (RFC 7009), say when somebody signs out. It takes POST.
// A refresh token, also one that was used before, ends its whole grant: see [RevokeGrant]. An access token ends alone.
// Clients authenticate as at the token endpoint, public ones by naming themselves, and can end their own tokens only.
// A token that is unknown or has expired is answered with 200, as there is nothing left to do.
//
// If the model is no [GrantLog], a refresh token ends alone, and an access token needs an [AccessTokenRevoker]: without
// it the answer is unsupported_token_type. So it is without an [AccessTokenModel] for whatever is no refresh token and is
// not called one by token_type_hint: it may be an access token, and whose it is cannot be seen.
func (s *Server) Revoke() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event := Event{Endpoint: "revoke"}
		if refused := s.revoke(r, &event); refused != nil {
			s.refuseClient(w, r, event, refused)
			return
		}
		if event.Kind == EventRevoked {
			s.report(r, event)
		}
		forbidStoring(w)
		w.WriteHeader(http.StatusOK)
	})
}

// revoke fills in event as it finds out whom it concerns.
func (s *Server) revoke(r *http.Request, event *Event) *Error {
	f, refused := s.clientForm(r, statusParameters)
	if refused != nil {
		return refused
	}
	client, refused := s.authenticateClient(r, f, statusParameters, exemption{public: true})
	event.ClientID = client.id()
	if refused != nil {
		return refused
	}
	token, isRefreshToken, refused := s.lookUp(r, f)
	switch {
	case refused != nil:
		return refused
	case token == nil && s.tokens == nil && f.get("token_type_hint") != "refresh_token":
		return cannotRevoke() // it may be an access token that is good
	case token == nil:
		return nil
	}
	event.UserID, event.GrantID = token.User.id(), token.GrantID
	switch {
	case token.Client == nil:
		return breach("GetAccessToken did not return a token with its client")
	case token.Client.ID != client.ID:
		return refusal(UnauthorizedClient, "token_of_another_client", "Unauthorized client: the token is not the client's")
	case isRefreshToken && s.can.log != nil:
		refused = s.revokeGrant(r.Context(), token.GrantID, token.RefreshTokenExpiresAt)
	case isRefreshToken:
		event.GrantID = "" // of which the access tokens go on
		refused = unlessGone(s.can.refresh.RevokeToken(r.Context(), token))
	default:
		event.GrantID = ""
		refused = s.revokeAccessToken(r.Context(), token.AccessToken)
	}
	event.Kind = EventRevoked
	return refused
}

func (s *Server) revokeAccessToken(ctx context.Context, presented string) *Error {
	switch {
	case s.can.log != nil:
		return unlessGone(s.can.log.RevokeAccessTokens(ctx, Digest(presented)))
	case s.can.revoker != nil:
		return unlessGone(s.can.revoker.RevokeAccessToken(ctx, presented))
	}
	return cannotRevoke()
}

// cannotRevoke is for access tokens (RFC 7009, section 2.2.1).
func cannotRevoke() *Error {
	return refusal(UnsupportedTokenType, "token_type", "Unsupported token type: access tokens cannot be revoked here")
}

// unlessGone takes what is no longer there for success.
func unlessGone(err error) *Error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return nil
	}
	return modelFailure(err, nil)
}

// revocationTimeout bounds a revocation that goes on after its client hung up.
const revocationTimeout = time.Minute

// RevokeGrant ends a grant for good: its code cannot be redeemed, its refresh tokens cannot be used, and its access
// tokens are deleted. When it returns nil, nothing of the grant works any more, whatever was under way; after an error,
// call it again. A grant that is over already, or of which nothing is known, is no error.
//
// until is zero, unless the caller knows of something that the log does not and that expires then: a code that was not
// redeemed, a refresh token of the time before there was a log. An access token of that time is not in the log, and is
// not deleted.
func RevokeGrant(ctx context.Context, log GrantLog, grantID string, until time.Time) error {
	entries, refused := readEntries(ctx, log, grantID, 1, 0)
	if refused != nil {
		return refused
	}
	end := ending{next: 1, until: until}
	end.add(entries...)
	if refused := end.reach(ctx, log, grantID); refused != nil {
		return refused
	}
	// Nothing is appended to a log that has its end, and an access token is saved before its entry is appended: these are
	// all.
	if digests := liveAccessTokens(end.entries); len(digests) > 0 {
		if err := log.RevokeAccessTokens(ctx, digests...); err != nil {
			return modelFailure(err, breach("RevokeAccessTokens: %w", err))
		}
	}
	return nil
}

// ending is what is known of a log that is to end.
type ending struct {
	entries []*GrantEntry // without those that end it
	next    int           // the place behind them
	revoked int           // the first place that is known to be "revoked"; 0: none is
	until   time.Time     // when the last of what they speak of expires
}

func (end *ending) add(entries ...*GrantEntry) {
	for _, e := range entries {
		end.until = latest(end.until, e.ExpiresAt.Add(-markerMargin))
		switch {
		case e.Kind != kindRevoked:
			end.entries, end.next = append(end.entries, e), e.Seq+1
		case end.revoked == 0 || e.Seq < end.revoked:
			end.revoked = e.Seq
		}
	}
}

// firstBlock is how far ahead a log is blocked for the first time.
const firstBlock = 4

// reach makes "revoked" the next place. Requests may be faster, again and again, if somebody makes enough of them. So
// after the first place that is lost, the log is blocked further ahead: who reads it finds that it is over, who does
// not comes to the block, and the places before it are few. Until they are taken too, the grant is not over for who does
// not read: whoever is stopped here must begin again, and everybody who reads a block does.
func (end *ending) reach(ctx context.Context, log GrantLog, grantID string) *Error {
	for ahead := firstBlock; end.revoked != end.next; {
		lost, refused := end.append(ctx, log, grantID, end.next)
		if refused != nil || lost == nil {
			return refused
		}
		end.add(lost)
		if end.revoked != 0 {
			continue
		}
		block := lost.Seq + ahead
		if lost, refused = end.append(ctx, log, grantID, block); refused != nil {
			return refused
		}
		if lost == nil {
			end.revoked = block
			continue
		}
		entries, refused := readEntries(ctx, log, grantID, end.next, block)
		if refused != nil {
			return refused
		}
		end.add(entries...)
		ahead *= 2
	}
	return nil
}

// append writes "revoked" at a place, and returns what is there if something is.
func (end *ending) append(ctx context.Context, log GrantLog, grantID string, place int) (*GrantEntry, *Error) {
	entry := &GrantEntry{GrantID: grantID, Seq: place, Kind: kindRevoked}
	entry.ClientID, entry.UserID = parties(end.entries)
	there, refused := appendEntry(ctx, log, entry, end.until)
	if refused == nil && there != nil && there.Seq != place {
		return nil, breach("AppendGrant returned ErrExists with the entry of place %d for place %d", there.Seq, place)
	}
	return there, refused
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
func (s *Server) revokeGrant(ctx context.Context, grantID string, until time.Time) *Error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revocationTimeout)
	defer cancel()
	if err := RevokeGrant(ctx, s.can.log, grantID, until); err != nil {
		return modelFailure(err, breach("RevokeGrant: %w", err))
	}
	return nil
}

// finishRevocation is the refusal for a grant that is over. Whoever ended it may have been stopped half-way, so the rest
// is done first.
func (s *Server) finishRevocation(ctx context.Context, grantID string) *Error {
	if fault := s.revokeGrant(ctx, grantID, time.Time{}); fault != nil {
		return fault
	}
	return grantOver()
}

func grantOver() *Error {
	return refusal(InvalidGrant, "grant_revoked", "Invalid grant: the grant was revoked")
}
