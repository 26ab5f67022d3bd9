package oauth2server

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// exchangeCode is the authorization code grant (RFC 6749, section 4.1.3).
func (s *Server) exchangeCode(ctx context.Context, g *GrantRequest) (*Token, error) {
	presented := g.Param("code")
	switch {
	case presented == "":
		return nil, missing("code")
	case !grammar.IsVSCHAR(presented):
		return nil, invalid("code")
	}
	code, refused := s.findCode(ctx, presented)
	if refused != nil {
		return nil, refused
	}
	g.concerns(code.User, code.GrantID)
	if refused := s.checkCode(code, g.Client); refused != nil {
		return nil, refused
	}
	if s.can.log == nil {
		// Spend the code before anything about it is tried: a failed guess must burn it, otherwise the verifier could be
		// searched online. RFC 7636, section 4.6; RFC 6749, section 4.1.2.
		if err := s.can.codes.RevokeAuthorizationCode(ctx, code); err != nil {
			return nil, modelFailure("RevokeAuthorizationCode", err, invalidCode("code_spent"))
		}
	}
	if refused := s.proveCode(code, g); refused != nil {
		return nil, s.burn(ctx, code, refused)
	}
	if refused := s.checkUser(ctx, code.User, g.Client, code.GrantID); refused != nil {
		return nil, refused
	}
	scope, refused := s.validateScope(ctx, code.User, g.Client, code.Scope)
	if refused != nil {
		return nil, refused
	}
	return orNil(s.redeem(ctx, g.Client, code, scope))
}

// proveCode looks at what shows that the code was given to who redeems it.
func (s *Server) proveCode(code *AuthorizationCode, g *GrantRequest) *Error {
	if refused := s.verifyPKCE(code, g.Client, g.Param("code_verifier")); refused != nil {
		return refused
	}
	presented := g.Param("redirect_uri")
	same := presented == code.RedirectURI
	if code.RedirectURI == "" { // the request named none, and was answered at the one that is registered
		same = presented == "" || slices.Contains(g.Client.RedirectURIs, presented)
	}
	if !same {
		return &Error{Code: InvalidGrant, Description: "Invalid grant: `redirect_uri` is not that of the authorization request",
			reason: "redirect_uri_mismatch", sent: []slog.Attr{sentText("redirect_uri", presented),
				slog.String("authorized", cmp.Or(code.RedirectURI, strings.Join(g.Client.RedirectURIs, " ")))}}
	}
	return nil
}

// burn spends a code in the log because an attempt on it was refused. A code that was redeemed before is left alone:
// otherwise anyone who finds one could end the grant of its owner. What is no fault of the client spends nothing.
func (s *Server) burn(ctx context.Context, code *AuthorizationCode, refused *Error) *Error {
	if s.can.log == nil || refused.Code == ServerError {
		return refused
	}
	entry := &GrantEntry{GrantID: code.GrantID, Seq: 1, Kind: EntryBurnt, Presented: Digest(code.Code)}
	if _, fault := appendEntry(ctx, s.can.log, entry, code.ExpiresAt); fault != nil {
		return fault
	}
	return refused
}

// redeem issues the tokens that a code stands for. With a log, the code is spent by the entry that the tokens need.
func (s *Server) redeem(ctx context.Context, client *Client, code *AuthorizationCode, scope Scope) (*Token, *Error) {
	token := &Token{User: code.User, Scope: scope, GrantID: code.GrantID}
	issued, refused := s.prepare(ctx, client, token, 1, s.mayRefresh(client))
	if refused != nil || s.can.log == nil {
		return issued, refused
	}
	there, refused := s.begin(ctx, issued, token, Digest(code.Code), code.ExpiresAt)
	switch {
	case refused != nil:
		return nil, refused
	case there == nil:
		return s.unlessOutlived(ctx, issued, beginningOf(code.GrantID))
	}
	s.discard(ctx, issued)
	return nil, s.refuseReplay(ctx, code, there)
}

// refuseReplay refuses a code whose log has the entry there. A second request
// that proves that the code is its own shows that two parties have it, which
// ends the grant (RFC 6749, section 4.1.2). If it comes soon, with the S256
// verifier, it is from the client's own page, as some redeem twice within
// milliseconds, or from somebody who can read the page's memory: ending the
// grant would not stop them.
func (s *Server) refuseReplay(ctx context.Context, code *AuthorizationCode, there *GrantEntry) *Error {
	switch {
	case there.Kind != EntryGrant:
		return invalidCode("code_spent")
	case code.CodeChallengeMethod == methodS256 && !s.rules.strict && s.rules.within(there, time.Now()):
		return invalidCode(reasonRepeated)
	}
	if fault := s.revokeGrant(ctx, code.GrantID, time.Time{}); fault != nil {
		return fault
	}
	return invalidCode(reasonReplayed)
}

// findCode returns what the model has of a code.
func (s *Server) findCode(ctx context.Context, presented string) (*AuthorizationCode, *Error) {
	code, err := s.can.codes.GetAuthorizationCode(ctx, presented)
	if refused := found("GetAuthorizationCode", code, err, func() *Error { return invalidCode("code_unknown") }); refused != nil {
		return nil, refused
	}
	if code.Client == nil || !code.User.known() {
		return nil, breach("GetAuthorizationCode did not return a code with its client and user")
	}
	if code.Code != presented { // a model that keeps digests does not know it
		own := *code
		own.Code = presented
		code = &own
	}
	return code, nil
}

// checkCode says whether the client may redeem the code. A foreign client's attempt leaves it to its owner.
func (s *Server) checkCode(code *AuthorizationCode, client *Client) *Error {
	switch {
	case code.Client.ID != client.ID:
		return invalidCode("code_of_another_client")
	case code.ExpiresAt.IsZero():
		return breach("GetAuthorizationCode did not return a code with its expiry")
	case s.can.log != nil && code.GrantID == "":
		return breach("GetAuthorizationCode did not return a code with its GrantID")
	case expired(code.ExpiresAt):
		return refusal(InvalidGrant, "code_expired", "Invalid grant: authorization code has expired")
	case code.RedirectURI != "" && checkTarget(code.RedirectURI) != nil:
		return refusal(InvalidGrant, "redirect_uri_not_allowed", "Invalid grant: `redirect_uri` is not a valid URI")
	}
	return nil
}

func invalidCode(reason string) *Error {
	return refusal(InvalidGrant, reason, "Invalid grant: authorization code is invalid")
}
