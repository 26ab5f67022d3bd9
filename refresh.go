package oauth2server

import (
	"context"
	"net/http"
	"time"
)

// refresh is the refresh token grant (RFC 6749, section 6).
func (s *Server) refresh(ctx context.Context, g *GrantRequest) (*Token, error) {
	presented := g.Param("refresh_token")
	switch {
	case presented == "":
		return nil, missing("refresh_token")
	case !isVSCHAR(presented):
		return nil, invalid("refresh_token")
	}
	old, refused := s.findRefreshToken(ctx, presented)
	if refused != nil {
		return nil, refused
	}
	g.concerns(old.User, old.GrantID)
	if refused := s.checkRefreshToken(old, g.Client); refused != nil {
		return nil, refused
	}
	granted := old.granted()
	scope, refused := refreshedScope(g, granted)
	if refused != nil {
		return nil, refused
	}
	next := &Token{User: old.User, Scope: scope, GrantID: old.GrantID, GrantScope: granted, GrantExpiresAt: old.GrantExpiresAt}
	// A public client's refresh token is nobody's but its bearer's, so it is always replaced. RFC 9700, section 2.2.2.
	replace := g.Client.Public || !s.options.DisableRefreshTokenRotation
	g.event.Kind = EventRefreshed
	if s.can.log != nil {
		return orNil(s.refreshInLog(ctx, g, old, next, replace))
	}
	if replace {
		if err := s.can.refresh.RevokeToken(ctx, old); err != nil {
			return nil, modelFailure(err, invalidRefreshToken("refresh_token_spent"))
		}
	}
	return orNil(s.prepare(ctx, g.Client, next, 0, replace))
}

// refreshInLog answers by an entry in the log of the grant. Most of the time the place after the one that made old is
// free, so that is tried first; if it is taken, the log is read and judged, as often as another request is faster.
func (s *Server) refreshInLog(ctx context.Context, g *GrantRequest, old, next *Token, replace bool) (*Token, *Error) {
	var (
		presented = Digest(old.RefreshToken)
		r         = ruling{verdict: rotate, place: old.GrantSeq + 1}
		until     = old.RefreshTokenExpiresAt
		issued    *Token
		refused   *Error
	)
	if until.IsZero() {
		until = never() // used for as long as the token lives
	}
	for {
		if !replace {
			r.verdict = retry
		}
		if issued == nil || r.verdict == rotate { // a retry has use for the access token of an attempt that failed
			if issued, refused = s.prepare(ctx, g.Client, next, r.place, r.verdict == rotate); refused != nil {
				return nil, refused
			}
		}
		answer, entry, refused := s.carryOut(r, old, next, issued, presented)
		if refused != nil {
			return nil, refused
		}
		there, refused := appendEntry(ctx, s.can.log, entry, until)
		if refused != nil {
			return nil, refused
		}
		if there == nil {
			if r.rotation != nil {
				g.event.Kind = EventRetried
			}
			return answer, nil
		}
		entries, refused := readEntries(ctx, s.can.log, old.GrantID, old.GrantSeq+1, r.place)
		if refused != nil {
			return nil, refused
		}
		_, _, last := endOf(entries, 0)
		until = latest(until, last)
		r = s.rules.judge(entries, old.GrantSeq, presented, time.Now())
		if refused := s.refuseRefresh(ctx, old.GrantID, r.verdict); refused != nil {
			s.discard(ctx, issued)
			return nil, refused
		}
	}
}

// carryOut returns what the client gets once the entry is in the log. presented is the digest of the old refresh token.
func (s *Server) carryOut(r ruling, old, next, issued *Token, presented string) (answer *Token, entry *GrantEntry, refused *Error) {
	if r.verdict == rotate {
		if issued.RefreshToken == "" {
			return nil, nil, breach("SaveToken did not return the refresh token")
		}
		sealed, err := seal(old.RefreshToken, old.GrantID, issued.RefreshToken)
		if err != nil {
			return nil, nil, breach("%w", err)
		}
		entry = s.entryFor(kindRotate, r.place, next, issued)
		entry.Presented, entry.Sealed = presented, sealed
		return issued, entry, nil
	}
	own := *issued
	own.RefreshToken, own.RefreshTokenExpiresAt, own.GrantSeq = "", time.Time{}, 0
	entry = s.entryFor(kindRetry, r.place, next, &own)
	entry.Presented = presented
	if r.rotation != nil {
		successor, err := unseal(old.RefreshToken, old.GrantID, r.rotation.Sealed)
		if err != nil {
			return nil, nil, breach("%w", err)
		}
		own.RefreshToken, own.RefreshTokenExpiresAt, own.GrantSeq = successor, r.rotation.SuccessorExpiresAt, r.rotation.Seq
	}
	return &own, entry, nil
}

// refuseRefresh is nil for a verdict that gives tokens.
func (s *Server) refuseRefresh(ctx context.Context, grantID string, v verdict) *Error {
	switch v {
	case theft:
		if fault := s.revokeGrant(ctx, grantID, time.Time{}); fault != nil {
			return fault
		}
		return invalidRefreshToken(reasonReused)
	case over:
		return s.finishRevocation(ctx, grantID)
	case tooOften:
		return &Error{Code: InvalidRequest, Description: "The refresh token was used too often. Try again later.",
			Status: http.StatusTooManyRequests, reason: "refresh_too_often"}
	case broken:
		return breach("GetRefreshToken returned a token without its GrantSeq")
	}
	return nil
}

// findRefreshToken returns what the model has of a refresh token.
func (s *Server) findRefreshToken(ctx context.Context, presented string) (*Token, *Error) {
	token, err := s.can.refresh.GetRefreshToken(ctx, presented)
	if refused := found(token, err, func() *Error { return invalidRefreshToken("refresh_token_unknown") }); refused != nil {
		return nil, refused
	}
	if token.Client == nil || !token.User.known() {
		return nil, breach("GetRefreshToken did not return a token with its client and user")
	}
	if token.RefreshToken != presented { // a model that keeps digests does not know it
		own := *token
		own.RefreshToken = presented
		token = &own
	}
	return token, nil
}

// checkRefreshToken says whether the client may use the token.
func (s *Server) checkRefreshToken(token *Token, client *Client) *Error {
	switch {
	case token.Client.ID != client.ID:
		return invalidRefreshToken("refresh_token_of_another_client")
	case s.can.log != nil && token.GrantID == "":
		return breach("GetRefreshToken did not return a token with its GrantID")
	case !token.RefreshTokenExpiresAt.IsZero() && expired(token.RefreshTokenExpiresAt):
		return refusal(InvalidGrant, "refresh_token_expired", "Invalid grant: refresh token has expired")
	}
	return nil
}

func invalidRefreshToken(reason string) *Error {
	return refusal(InvalidGrant, reason, "Invalid grant: refresh token is invalid")
}

// refreshedScope is what the request asks, at most what was granted; all of that when it asks nothing. A limit that the
// client was given since then holds.
func refreshedScope(g *GrantRequest, granted Scope) (Scope, *Error) {
	asked, refused := askedScope(g.form)
	switch {
	case refused != nil:
		return nil, refused
	case !granted.Contains(asked...):
		return nil, refusal(InvalidScope, "scope_beyond_grant", "Invalid scope: Unable to add extra scopes")
	case len(asked) == 0:
		asked = g.Client.narrow(granted)
	}
	if !g.Client.allows(asked) || len(asked) == 0 && len(granted) > 0 {
		return nil, invalidScope("scope_beyond_client")
	}
	return asked, nil
}
