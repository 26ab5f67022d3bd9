// This file exchanges an authorization code for tokens.

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

// exchangeCode is the authorization code grant (RFC 6749, section 4.1.3). With
// a log, an entry spends the code: the first one of the grant, or one that
// burns the code if its proof fails.
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
	if refused := s.resources.renamed(g.Params("resource"), code.Resource); refused != nil {
		return nil, refused
	}
	if s.can.log == nil {
		// Spend the code before checking the verifier: a failed guess must burn
		// it, otherwise the verifier could be searched online. RFC 7636,
		// section 4.6; RFC 6749, section 4.1.2.
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
	// What the model grants may have changed since the user approved.
	scope, refused := s.validateScope(ctx, code.User, g.Client, code.Scope)
	if refused != nil {
		return nil, refused
	}
	return orNil(s.redeem(ctx, g, code, scope))
}

// findCode returns the stored code.
func (s *Server) findCode(ctx context.Context, presented string) (*AuthorizationCode, *Error) {
	code, err := s.can.codes.GetAuthorizationCode(ctx, presented)
	unknown := func() *Error { return invalidCode("code_unknown") }
	if refused := found("GetAuthorizationCode", code, err, unknown); refused != nil {
		return nil, refused
	}
	if code.Client == nil || !code.User.known() {
		return nil, breach("GetAuthorizationCode did not return a code with its client and user")
	}
	if code.Code != presented { // a model that stores digests does not know it
		own := *code
		own.Code = presented
		code = &own
	}
	return code, nil
}

// checkCode refuses a code that the client may not redeem. The attempt of
// another client does not spend it.
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
		return refusal(InvalidGrant, "redirect_uri_not_allowed",
			"Invalid grant: `redirect_uri` is not a valid URI")
	}
	return nil
}

// proveCode checks that the code was given to the client that redeems it: the
// PKCE verifier and the redirection URI.
func (s *Server) proveCode(code *AuthorizationCode, g *GrantRequest) *Error {
	if refused := s.verifyPKCE(code, g.Client, g.Param("code_verifier")); refused != nil {
		return refused
	}
	if !holds(code.Details.confirmation(), g.confirmation) {
		return keyMismatch()
	}
	presented := g.Param("redirect_uri")
	same := presented == code.RedirectURI
	if code.RedirectURI == "" {
		// The authorization request named none, so it was answered at the
		// client's only one.
		same = presented == "" || slices.Contains(g.Client.RedirectURIs, presented)
	}
	if !same {
		return &Error{
			Code:        InvalidGrant,
			Description: "Invalid grant: `redirect_uri` is not that of the authorization request",
			reason:      "redirect_uri_mismatch",
			sent: []slog.Attr{
				sentText("redirect_uri", presented),
				slog.String("authorized", cmp.Or(code.RedirectURI, strings.Join(g.Client.RedirectURIs, " "))),
			},
		}
	}
	return nil
}

// burn spends a code in the log, as an attempt to redeem it was refused. It
// does not touch a code that was redeemed before: otherwise anyone who finds
// one could end the owner's grant. A server_error is not the client's fault,
// and spends nothing.
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

// redeem issues the tokens for a code. With a log, the first entry of the grant
// spends the code: only one request can append it.
func (s *Server) redeem(
	ctx context.Context, g *GrantRequest, code *AuthorizationCode, scope Scope,
) (*Token, *Error) {
	token := &Token{
		User:     code.User,
		Scope:    scope,
		GrantID:  code.GrantID,
		Resource: code.Resource,
		Details:  code.Details.bound(g.confirmation),
	}
	refresh := s.mayRefresh(g.Client) && !code.Details.online()
	issued, refused := s.prepare(ctx, g.Client, token, 1, refresh)
	if refused != nil || s.can.log == nil {
		return issued, refused
	}
	there, refused := s.begin(ctx, issued, token, code.Code, code.ExpiresAt)
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
// with the right proof shows that two parties have the code, which ends the
// grant (RFC 6749, section 4.1.2). A quick repeat with the S256 verifier does
// not: some clients redeem twice within milliseconds, and an attacker who has
// the verifier too can read the client's memory, so ending the grant would not
// stop them.
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

func invalidCode(reason string) *Error {
	return refusal(InvalidGrant, reason, "Invalid grant: authorization code is invalid")
}
