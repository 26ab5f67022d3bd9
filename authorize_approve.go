// This file answers an authorization request that was decided: with a code, a
// token or an error.

package oauth2server

import (
	"context"
	"net/http"
	"strconv"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// scopeFor implements [AuthorizationRequest.ScopeFor].
func (q *authorization) scopeFor(ctx context.Context, user *User) (Scope, *Error) {
	return q.server.validateScope(ctx, user, q.Client, q.Scope)
}

// approve implements [AuthorizationRequest.Approve].
func (q *authorization) approve(w http.ResponseWriter, r *http.Request, approval *Approval) {
	if !q.decide(r) {
		return
	}
	if r.Method != http.MethodPost && q.mustAsk() {
		q.refuse(w, r, consentNeeded())
		return
	}
	granted, refused := q.granted(r.Context(), approval)
	if refused != nil {
		q.refuse(w, r, refused)
		return
	}
	q.answer(w, r, approval.User, granted)
}

// deny implements [AuthorizationRequest.Deny].
func (q *authorization) deny(w http.ResponseWriter, r *http.Request, reason string) {
	if q.decide(r) {
		q.refuse(w, r, denied(reason))
	}
}

// fail implements [AuthorizationRequest.Fail].
func (q *authorization) fail(w http.ResponseWriter, r *http.Request, err error) {
	if !q.decide(r) {
		return
	}
	if err == nil {
		err = misuse("Fail needs an error")
	}
	q.refuse(w, r, modelFailure("the page", err, breach("%w", err)))
}

// decide reports whether this is the first decision. A page that decides twice
// has a mistake, but its first answer is already on its way.
func (q *authorization) decide(r *http.Request) bool {
	first := q.decided.CompareAndSwap(false, true)
	if !first {
		q.server.reportRefusal(r, q.event(), misuse("the page decided twice; the first decision stands"))
	}
	return first
}

// granted returns the part of an approval that the owner may grant.
func (q *authorization) granted(ctx context.Context, approval *Approval) (Scope, *Error) {
	if !approval.User.known() {
		return nil, misuse("Approve needs a user")
	}
	offered, refused := q.server.validateScope(ctx, approval.User, q.Client, q.Scope)
	if refused != nil {
		return nil, refused
	}
	if approval.All {
		return offered, nil
	}
	granted := offered.within(approval.Scope)
	if len(granted) == 0 && len(offered) > 0 {
		return nil, refusal(AccessDenied, "nothing_approved",
			"Access denied: the user granted nothing of the requested scope")
	}
	return granted, nil
}

// answer sends the client what the owner granted.
func (q *authorization) answer(
	w http.ResponseWriter, r *http.Request, owner *User, granted Scope,
) {
	send := q.sendCode
	if q.implicit() {
		send = q.sendToken
	}
	grantID := q.began.newID() // has when the request began, for a revocation in the meantime
	parameters, refused := send(r.Context(), owner, granted, grantID)
	if refused != nil {
		q.refuse(w, r, refused)
		return
	}
	event := q.event()
	event.Kind, event.UserID, event.GrantID, event.Scope = EventIssued, owner.ID, grantID, granted
	q.server.report(r, event)
	q.redirect(w, r, parameters)
}

// sendCode makes and saves a code (RFC 6749, section 4.1.2).
func (q *authorization) sendCode(
	ctx context.Context, owner *User, granted Scope, grantID string,
) ([]parameter, *Error) {
	s := q.server
	code, refused := generate(
		ctx, "GenerateAuthorizationCode", s.can.newCode, q.Client, owner, granted, grammar.IsVSCHAR)
	if refused != nil {
		return nil, refused
	}
	challenge := q.form.get("code_challenge")
	saved, err := s.can.codes.SaveAuthorizationCode(ctx, &AuthorizationCode{
		Code:                code,
		ExpiresAt:           expiry(0, s.options.AuthorizationCodeLifetime),
		RedirectURI:         q.form.get("redirect_uri"),
		Scope:               granted,
		Client:              q.Client,
		User:                owner,
		CodeChallenge:       challenge,
		CodeChallengeMethod: challengeMethod(challenge, q.form.get("code_challenge_method")),
		GrantID:             grantID,
	}, q.Client, owner)
	switch {
	case err != nil:
		return nil, modelFailure("SaveAuthorizationCode", err, breach("SaveAuthorizationCode: %w", err))
	case saved == nil || saved.Code == "":
		return nil, breach("SaveAuthorizationCode did not return the code")
	}
	parameters := make([]parameter, 0, 3) // room for state and iss
	return append(parameters, parameter{"code", saved.Code}), nil
}

// sendToken issues an access token, but never a refresh token (RFC 6749,
// section 4.2.2).
func (q *authorization) sendToken(
	ctx context.Context, owner *User, granted Scope, grantID string,
) ([]parameter, *Error) {
	wanted := &Token{User: owner, Scope: granted, GrantID: grantID}
	token, refused := q.server.issue(ctx, q.Client, wanted, false, q.began)
	if refused != nil && refused.Code == InvalidGrant {
		// The grant was revoked in the meantime. invalid_grant is no error of
		// this endpoint.
		refused = refusal(AccessDenied, refused.reason, "Access denied: the grant was revoked")
	}
	if refused != nil {
		return nil, refused
	}
	parameters := []parameter{{"access_token", token.AccessToken}, {"token_type", "Bearer"}}
	if seconds := expiresIn(token); seconds > 0 {
		parameters = append(parameters, parameter{"expires_in", strconv.FormatInt(seconds, 10)})
	}
	if len(token.Scope) > 0 {
		parameters = append(parameters, parameter{"scope", token.Scope.String()})
	}
	return parameters, nil
}

// refuse tells the client an error by redirect (RFC 6749, section 4.1.2.1).
func (q *authorization) refuse(w http.ResponseWriter, r *http.Request, refused *Error) {
	e := refused.sentFrom(atAuthorize)
	q.server.reportRefusal(r, q.event(), e)
	parameters := []parameter{{"error", string(e.Code)}}
	if e.Description != "" {
		parameters = append(parameters, parameter{"error_description", e.Description})
	}
	q.redirect(w, r, parameters)
}

// refuseUser shows a failed sign-in to the user, as it does not concern the
// client. A fault goes to the client.
func (q *authorization) refuseUser(w http.ResponseWriter, r *http.Request, refused *Error) {
	if refused.Code == ServerError {
		q.refuse(w, r, refused)
		return
	}
	q.server.showError(w, r, q.event(), refused)
}

// redirect sends the client an answer: parameters, its own state, and the
// issuer (RFC 9207), so that a client of several servers does not take one for
// another (RFC 9700, section 4.4).
func (q *authorization) redirect(
	w http.ResponseWriter, r *http.Request, parameters []parameter,
) {
	if q.State != "" {
		parameters = append(parameters, parameter{"state", q.State})
	}
	if issuer := q.server.options.Issuer; issuer != "" {
		parameters = append(parameters, parameter{"iss", issuer})
	}
	redirect(w, r, answerAt(q.RedirectURI, q.inFragment(), parameters))
}
