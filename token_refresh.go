// This file exchanges a refresh token for new tokens. With a log, it also
// answers retries and detects theft.

package oauth2server

import (
	"context"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
	"github.com/seed-11d18166/oauth2server/internal/seal"
)

// refresh is the refresh token grant (RFC 6749, section 6).
func (s *Server) refresh(ctx context.Context, g *GrantRequest) (*Token, error) {
	presented := g.Param("refresh_token")
	switch {
	case presented == "":
		return nil, missing("refresh_token")
	case !grammar.IsVSCHAR(presented):
		return nil, invalid("refresh_token")
	}
	old, refused := s.findRefreshToken(ctx, presented)
	if refused != nil {
		return nil, refused
	}
	g.concerns(old.User, old.GrantID)
	if refused := s.checkRefreshToken(old, g); refused != nil {
		return nil, refused
	}
	if refused := s.checkUser(ctx, old.User, g.Client, old.GrantID); refused != nil {
		return nil, refused
	}
	scope, refused := s.refreshedScope(ctx, g, old)
	if refused != nil {
		return nil, refused
	}
	next := Token{
		User:           old.User,
		Scope:          scope,
		GrantID:        old.GrantID,
		GrantScope:     old.granted(),
		GrantExpiresAt: old.GrantExpiresAt,
		Extra:          old.Extra,
		Resource:       old.Resource,
		Details:        old.Details.bound(g.confirmation),
	}
	// A public client has no secret, so anyone who has its refresh token could
	// use it: it is always replaced. RFC 9700, section 2.2.2.
	replace := g.Client.Public || s.options.RefreshRotation != RotateNever
	g.event.Kind = EventRefreshed
	switch {
	case s.can.log != nil:
		f := &refreshing{s: s, g: g, old: old, next: next}
		return orNil(f.answer(ctx, replace))
	case replace:
		if err := s.can.refresh.RevokeToken(ctx, old); err != nil {
			return nil, modelFailure("RevokeToken", err, invalidRefreshToken("refresh_token_spent"))
		}
	}
	return orNil(s.prepare(ctx, g.Client, &next, 0, replace))
}

// findRefreshToken returns the stored refresh token.
func (s *Server) findRefreshToken(ctx context.Context, presented string) (*Token, *Error) {
	token, err := s.can.refresh.GetRefreshToken(ctx, presented)
	unknown := func() *Error { return invalidRefreshToken("refresh_token_unknown") }
	if refused := found("GetRefreshToken", token, err, unknown); refused != nil {
		return nil, refused
	}
	if token.Client == nil || !token.User.known() {
		return nil, breach("GetRefreshToken did not return a token with its client and user")
	}
	if token.RefreshToken != presented { // a model that stores digests does not know it
		own := *token
		own.RefreshToken = presented
		token = &own
	}
	return token, nil
}

// checkRefreshToken refuses a token that the client may not use.
func (s *Server) checkRefreshToken(token *Token, g *GrantRequest) *Error {
	switch {
	case token.Client.ID != g.Client.ID:
		return invalidRefreshToken("refresh_token_of_another_client")
	case s.can.log != nil && token.GrantID == "":
		return lostGrantID()
	case token.refreshExpired():
		return refusal(InvalidGrant, "refresh_token_expired", "Invalid grant: refresh token has expired")
	}
	if refused := checkRebinding(g.Client, token.Details.confirmation(), g.confirmation); refused != nil {
		return refused
	}
	return s.resources.renamed(g.Params("resource"), token.Resource)
}

func lostGrantID() *Error {
	return breach("GetRefreshToken did not return a token with its GrantID")
}

func invalidRefreshToken(reason string) *Error {
	return refusal(InvalidGrant, reason, "Invalid grant: refresh token is invalid")
}

// refreshedScope returns the part of the granted scope that the request asks
// for, or all of it if the request names none. It never exceeds what the client
// may have and what the model grants at this time. A request for more gets the
// part that was granted (RFC 6749, sections 3.3 and 6).
func (s *Server) refreshedScope(ctx context.Context, g *GrantRequest, old *Token) (Scope, *Error) {
	granted := old.granted()
	asked, refused := askedScope(g.form)
	if refused != nil {
		return nil, refused
	}
	scope := granted
	if r := s.resources.at(old.Resource); r != nil {
		asked, _ = r.known(asked, s.extensionScopes) // some clients ask for what no server has
	}
	if len(asked) > 0 {
		if scope = asked.within(granted); len(scope) == 0 {
			return nil, refusal(InvalidScope, "scope_beyond_grant",
				"Invalid scope: the owner granted nothing of it")
		}
	}
	if len(scope) == 0 {
		return nil, nil // the grant has no scope
	}
	if scope = g.Client.narrow(scope); len(scope) == 0 {
		return nil, beyondClient(g.Client, granted)
	}
	return s.validateScope(ctx, old.User, g.Client, scope)
}

// refreshing is one refresh request, if the model is a [GrantLog].
type refreshing struct {
	s    *Server
	g    *GrantRequest
	old  *Token
	next Token // what is to be issued

	presented string // the digest of the old refresh token; empty until entries are read

	issued *Token    // the token that is prepared and was not sent yet
	until  time.Time // when all tokens in the entries read so far have expired
}

// answer appends an entry to the log of the grant, and returns the tokens that
// this entry stands for. Usually the place after the entry that made old is
// free, so it tries that first. If the place is taken, it reads and judges the
// log, again and again until no other request is faster.
func (f *refreshing) answer(ctx context.Context, replace bool) (*Token, *Error) {
	if f.until = f.old.RefreshTokenExpiresAt; f.until.IsZero() {
		f.until = never()
	}
	j := f.judgment()
	if !replace {
		answer, line, refused := f.use(ctx)
		if refused != nil || answer != nil {
			return answer, refused
		}
		j = line
	}
	for {
		r := j.ruling()
		answer, there, refused := f.try(ctx, r)
		switch {
		case refused != nil:
			return nil, refused
		case there == nil:
			return answer, nil
		}
		if j, refused = f.read(ctx); refused != nil {
			return nil, refused
		}
		if j.place <= r.place && j.decided == "" {
			return nil, breach("GrantEntries did not return the entry that AppendGrant found at place %d",
				r.place)
		}
	}
}

// try does what a ruling demands. It returns the entry that took the place
// before, if another request was faster.
func (f *refreshing) try(ctx context.Context, r ruling) (answer *Token, there *GrantEntry, refused *Error) {
	if refused = f.refuse(ctx, r); refused != nil {
		f.discard(ctx)
		return nil, nil, refused
	}
	answer, entry, refused := f.prepare(ctx, r)
	if refused != nil {
		return nil, nil, refused
	}
	there, refused = appendEntry(ctx, f.s.can.log, entry, f.until)
	if refused == nil && there == nil && r.rotation != nil {
		f.g.event.Kind = EventRetried
	}
	return answer, there, refused
}

// use answers without replacing the refresh token. It reads the log of the
// grant after its own entry is appended: an ending writes there first, and
// looks for uses after that, so one of the two sees the other. If the token was
// replaced before rotation was turned off, use returns neither token nor
// refusal, and answer goes on with j.
func (f *refreshing) use(ctx context.Context) (answer *Token, j judgment, refused *Error) {
	s := f.s
	if f.issued, refused = s.prepare(ctx, f.g.Client, &f.next, 0, false); refused != nil {
		return nil, j, refused
	}
	entry := s.entryFor(EntryRetry, 0, &f.next, f.issued, f.old, f.old.RefreshToken)
	if refused = appendUse(ctx, s.can.log, entry); refused == nil {
		j, refused = f.read(ctx)
	}
	if refused != nil || j.decided != "" || j.rotation != nil {
		f.discard(ctx)
		return nil, j, refused
	}
	return f.issued, j, nil
}

// judgment returns a judgment of the old token, before any entry was read.
func (f *refreshing) judgment() judgment {
	return f.s.rules.judge(f.presented, f.old.GrantSeq, f.old.GrantPace, time.Now())
}

// read judges the entries after the one that made the old token. After a page
// without a verdict it checks whether the grant has ended, as the rest, which
// may be long, need not be read then.
func (f *refreshing) read(ctx context.Context) (j judgment, refused *Error) {
	log, grantID, n := f.s.can.log, f.old.GrantID, 0
	f.presented = Digest(f.old.RefreshToken)
	j = f.judgment()
	refused = eachEntry(ctx, log, grantID, j.place, func(e *GrantEntry) bool {
		n++
		return j.read(e) && n < GrantPage
	})
	if refused == nil && n == GrantPage && j.decided == "" {
		ended := false
		if ended, _, refused = endState(ctx, log, grantID); ended {
			j.decided = over
		} else if refused == nil {
			refused = eachEntry(ctx, log, grantID, j.place, j.read)
		}
	}
	f.until = latest(f.until, j.until)
	return j, refused
}

// refuse acts on a verdict that gives no tokens, and returns the refusal; nil
// for other verdicts.
func (f *refreshing) refuse(ctx context.Context, r ruling) *Error {
	s, grantID := f.s, f.old.GrantID
	switch r.verdict {
	case theft:
		begun, _, fault := endState(ctx, s.can.log, grantID)
		if fault == nil && !begun {
			fault = s.revokeGrant(ctx, grantID, time.Time{})
		}
		switch {
		case fault != nil:
			return fault
		case begun:
			return s.finishRevocation(ctx, grantID)
		}
		return invalidRefreshToken(reasonReused)
	case over:
		return s.finishRevocation(ctx, grantID)
	case tooOften:
		return usedTooOften(r.wait)
	case broken:
		return breach("GetRefreshToken returned a token without its GrantSeq")
	}
	return nil
}

// prepare returns what the client gets, and the entry that must be in the log
// first.
func (f *refreshing) prepare(
	ctx context.Context, r ruling,
) (answer *Token, entry *GrantEntry, refused *Error) {
	s := f.s
	// A retry can use the access token of an attempt whose place was taken.
	if f.issued == nil || r.verdict == rotate {
		f.next.GrantPace = r.pace
		f.issued, refused = s.prepare(ctx, f.g.Client, &f.next, r.place, r.verdict == rotate)
		if refused != nil {
			return nil, nil, refused
		}
	}
	if r.verdict == rotate {
		return f.rotate(r)
	}
	return f.repeat(r)
}

// rotate returns an answer with a new refresh token, and its entry.
func (f *refreshing) rotate(r ruling) (*Token, *GrantEntry, *Error) {
	if f.issued.RefreshToken == "" {
		return nil, nil, breach("SaveToken did not return the refresh token")
	}
	entry := f.s.entryFor(EntryRotate, r.place, &f.next, f.issued, f.old, f.old.RefreshToken)
	entry.Pace = r.pace
	// Only a client that presents the old token can read the successor.
	entry.Sealed = seal.Seal(f.old.RefreshToken, f.issued.RefreshToken, entry.Successor)
	return f.issued, entry, nil
}

// repeat returns an answer with the successor that was sent before, and its
// entry.
func (f *refreshing) repeat(r ruling) (*Token, *GrantEntry, *Error) {
	made := r.rotation
	successor, err := seal.Open(made.Sealed, f.old.RefreshToken, made.Successor, made.GrantID)
	if err != nil {
		return nil, nil, breach("%w", err)
	}
	own := *f.issued
	own.RefreshToken, own.RefreshTokenExpiresAt, own.GrantSeq = "", time.Time{}, 0
	entry := f.s.entryFor(EntryRetry, r.place, &f.next, &own, f.old, f.old.RefreshToken)
	entry.Pace = r.pace
	// The last entry of a log must show when the grant ends.
	entry.SuccessorExpiresAt = made.SuccessorExpiresAt
	own.RefreshToken, own.RefreshTokenExpiresAt = successor, made.SuccessorExpiresAt
	own.GrantSeq = made.Seq
	return &own, entry, nil
}

// discard deletes prepared tokens that were never sent.
func (f *refreshing) discard(ctx context.Context) {
	if f.issued != nil {
		f.s.discard(ctx, f.issued)
	}
	f.issued = nil
}
