// This file answers an authorization request that was decided: with a code, a
// token or an error.

package oauth2server

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// scopeFor implements [AuthorizationRequest.ScopeFor].
func (q *authorization) scopeFor(ctx context.Context, user *User) (Scope, *Error) {
	return q.server.validateScope(ctx, user, q.Client, q.Scope)
}

// approve implements [AuthorizationRequest.Approve].
func (q *authorization) approve(w http.ResponseWriter, r *http.Request, approval Approval) {
	if !q.decide(r) {
		return
	}
	if r.Method != http.MethodPost && q.mustAsk() {
		q.refuse(w, r, consentNeeded())
		return
	}
	granted, refused := q.granted(r.Context(), &approval)
	if refused != nil {
		q.refuseDecided(w, r, refused)
		return
	}
	approval.Scope = granted
	q.answer(w, r, &approval)
}

// parameters implements [AuthorizationRequest.Parameters].
func (q *authorization) parameters() url.Values {
	values, names := url.Values{}, q.server.authorizationParameters
	if q.resolver != nil { // what was sent names the request
		names = append([]string{"client_id"}, q.server.resolverParameters...)
	}
	for _, name := range names {
		if name == "allowed" {
			continue // the owner decides, not the client
		}
		if value := q.sent.get(name); value != "" {
			values.Set(name, value)
		}
	}
	if resource := q.Params("resource"); len(resource) > 0 && len(q.server.resources) > 0 && q.resolver == nil {
		values["resource"] = resource
	}
	return values
}

// deny implements [AuthorizationRequest.Deny].
func (q *authorization) deny(w http.ResponseWriter, r *http.Request, reason string) {
	if !q.decide(r) {
		return
	}
	q.refuseDecided(w, r, denied(reason))
}

// refuseDecided tells the client an error that ends the request. After a fault
// the owner may try again.
func (q *authorization) refuseDecided(w http.ResponseWriter, r *http.Request, refused *Error) {
	if refused.Code != ServerError {
		if spent := q.spendRequest(r.Context()); spent != nil {
			refused = spent
		}
	}
	q.refuse(w, r, refused)
}

// fail implements [AuthorizationRequest.Fail].
func (q *authorization) fail(w http.ResponseWriter, r *http.Request, err error) {
	if !q.decide(r) {
		return
	}
	if err == nil {
		err = misuse("Fail needs an error")
	}
	q.refuseDecided(w, r, modelFailure("the page", err, breach("%w", err)))
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

// answer sends the client what the owner granted: approval.Scope.
func (q *authorization) answer(w http.ResponseWriter, r *http.Request, approval *Approval) {
	grantID := q.began.newID() // has when the request began, for a revocation in the meantime
	details, refused := q.details(r.Context(), approval)
	var parameters []parameter
	switch {
	case refused != nil:
	case q.implicit():
		// Spent first: a token that does not leave would be a grant all the same.
		if refused = q.spendRequest(r.Context()); refused == nil {
			parameters, refused = q.sendToken(r.Context(), approval, grantID, details)
		}
	default:
		if parameters, refused = q.sendCode(r.Context(), approval, grantID, details); refused == nil {
			refused = q.spendRequest(r.Context())
		}
	}
	if refused != nil {
		q.refuse(w, r, refused)
		return
	}
	event := q.event()
	event.Kind, event.UserID, event.GrantID, event.Scope =
		EventIssued, approval.User.ID, grantID, approval.Scope
	q.server.report(r, event)
	q.redirect(w, r, parameters)
}

// details returns what is to be kept with the code and its tokens.
func (q *authorization) details(ctx context.Context, approval *Approval) (*Details, *Error) {
	extenders := q.server.ext.authorization
	if len(extenders) == 0 && approval.Authentication == nil && !approval.Online {
		return nil, nil
	}
	details := &Details{Authentication: approval.Authentication.clone(), Online: approval.Online}
	for _, e := range extenders {
		before := details.Clone()
		shown := &Approval{
			User:           &User{ID: approval.User.ID, Data: approval.User.Data},
			Scope:          slices.Clone(approval.Scope),
			Authentication: approval.Authentication.clone(),
			Online:         approval.Online,
		}
		if err := e.ApproveAuthorization(ctx, q.shown(), shown, details); err != nil {
			return nil, refusedBy(e, "ApproveAuthorization", err, invalidByExtension())
		}
		if !details.keeps(before, e.ExtensionName()) {
			return nil, lapse(e, "ApproveAuthorization replaced what others put into Details")
		}
	}
	for member := range details.Confirmation {
		if !slices.ContainsFunc(q.server.ext.binders, func(b TokenBinder) bool { return b.Confirms() == member }) {
			return nil, misuse("Details.Confirmation has %q, which no extension can check", member)
		}
	}
	details, err := details.canonical()
	if err != nil {
		return nil, misuse("%w", err)
	}
	return details, nil
}

// spendRequest uses up a request that an extension resolved. Of several answers
// to the same request only one leaves.
func (q *authorization) spendRequest(ctx context.Context) *Error {
	if q.spend == nil {
		return nil
	}
	if err := q.spend(ctx); err != nil {
		return refusedBy(q.resolver, "Spend", err,
			refusal(InvalidRequest, "request_spent", "Invalid request: it was answered already"))
	}
	return nil
}

// sendCode makes and saves a code (RFC 6749, section 4.1.2).
func (q *authorization) sendCode(
	ctx context.Context, approval *Approval, grantID string, details *Details,
) ([]parameter, *Error) {
	s, owner, granted := q.server, approval.User, approval.Scope
	code, refused := generate(
		ctx, "GenerateAuthorizationCode", s.can.newCode, q.Client, owner, granted, grammar.IsVSCHAR, "")
	if refused != nil {
		return nil, refused
	}
	challenge := q.form.get("code_challenge")
	saved, err := s.can.codes.SaveAuthorizationCode(ctx, &AuthorizationCode{
		Code:                code,
		ExpiresAt:           expiry(time.Now(), 0, s.options.AuthorizationCodeLifetime),
		RedirectURI:         q.form.get("redirect_uri"),
		Scope:               granted,
		Client:              q.Client,
		User:                owner,
		CodeChallenge:       challenge,
		CodeChallengeMethod: challengeMethod(challenge, q.form.get("code_challenge_method")),
		GrantID:             grantID,
		Resource:            q.Resource,
		Details:             details,
	}, q.Client, owner)
	switch {
	case err != nil:
		return nil, modelFailure("SaveAuthorizationCode", err, breach("SaveAuthorizationCode: %w", err))
	case saved == nil || saved.Code == "":
		return nil, breach("SaveAuthorizationCode did not return the code")
	case saved.Resource != q.Resource || !saved.Details.same(details):
		return nil, breach("SaveAuthorizationCode did not return the Resource and the Details of the code")
	}
	return append(q.parts[:0], parameter{"code", saved.Code}), nil
}

// sendToken issues an access token, but never a refresh token (RFC 6749,
// section 4.2.2).
func (q *authorization) sendToken(
	ctx context.Context, approval *Approval, grantID string, details *Details,
) ([]parameter, *Error) {
	wanted := &Token{
		User:     approval.User,
		Scope:    approval.Scope,
		GrantID:  grantID,
		Resource: q.Resource,
		Details:  details,
	}
	token, refused := q.server.issue(ctx, q.Client, wanted, false, q.began)
	if refused != nil && refused.Code == InvalidGrant {
		// The grant was revoked in the meantime. invalid_grant is no error of
		// this endpoint.
		refused = refusal(AccessDenied, refused.reason, "Access denied: the grant was revoked")
	}
	if refused != nil {
		return nil, refused
	}
	parameters := []parameter{{"access_token", token.AccessToken}, {"token_type", q.server.resource.tokenType(token)}}
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
	if mode := q.mode(); mode != nil {
		setHeaders(w.Header(), unstored)
		mode.Respond(w, r, &AuthorizationResponse{
			Client:      q.Client,
			RedirectURI: q.RedirectURI,
			Mode:        q.form.get("response_mode"),
			Parameters:  byName(parameters),
		})
		return
	}
	redirect(w, r, answerAt(q.RedirectURI, q.inFragment(), parameters))
}
