// This file reads what OpenID Connect adds to an authorization request, and
// checks it.

package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/internal/jose"
)

// The errors by which a page answers a request without asking the user
// (OpenID Connect Core 1.0, section 3.1.2.6): [oauth2server.AuthorizationRequest.Fail]
// takes them.
const (
	LoginRequired            oauth2server.ErrorCode = "login_required"
	ConsentRequired          oauth2server.ErrorCode = "consent_required"
	InteractionRequired      oauth2server.ErrorCode = "interaction_required"
	AccountSelectionRequired oauth2server.ErrorCode = "account_selection_required"
)

// Request is what a client asks of the page (OpenID Connect Core 1.0, section
// 3.1.2.1).
type Request struct {
	// OpenID means that the client wants to know who the user is. Otherwise no
	// other field is set, and MaxAge is negative.
	OpenID bool

	// Silent means that nothing may be shown: the page approves at once, or
	// fails with [LoginRequired] or [ConsentRequired].
	Silent bool

	// SignInAgain means that the user must prove who they are, even if they are
	// signed in.
	SignInAgain bool

	// MaxAge is how long ago the user may have signed in. Zero: they must sign
	// in now. Negative: however long.
	MaxAge time.Duration

	// AskConsent means that the page must ask for consent, even if it has it.
	// SelectAccount means that it must ask which account to use.
	AskConsent, SelectAccount bool

	// LoginHint is what the client believes the user signs in with. Anybody may
	// have written it.
	LoginHint string

	// HintSubject is the subject that the client expects: that of an ID token
	// that it showed, or one that it names in the parameter claims. Empty: none.
	// An approval by another user is refused.
	HintSubject string

	// ACRValues and UILocales are what the client prefers, best first.
	ACRValues, UILocales []string

	// EssentialACR is what the client insists on: an approval with another
	// [oauth2server.Authentication.Context] is refused. Nil: nothing.
	EssentialACR []string

	// Claims are the claims that the client names in the parameter claims; see
	// [Options.ClaimsByName].
	Claims []string

	// Display is "page", "popup", "touch" or "wap"; empty: not said.
	Display string

	nonce  string
	claims claimsRequest
}

// claimsRequest is the parameter claims (OpenID Connect Core 1.0, section 5.5).
type claimsRequest struct {
	UserInfo map[string]*claimRequest `json:"userinfo,omitempty"`
	IDToken  map[string]*claimRequest `json:"id_token,omitempty"`
}

// claimRequest is how one claim is asked for; nil: without more.
type claimRequest struct {
	Essential bool  `json:"essential,omitempty"`
	Value     any   `json:"value,omitempty"`
	Values    []any `json:"values,omitempty"`
}

var (
	prompts  = []string{"none", "login", "consent", "select_account"}
	displays = []string{"page", "popup", "touch", "wap"}
)

// The most that a request may have of these, in bytes.
const (
	maxNonce  = 1024
	maxClaims = 8 << 10
)

// AuthorizationParameters implements [oauth2server.AuthorizationExtender].
func (p *Provider) AuthorizationParameters() []string {
	return []string{"nonce", "prompt", "max_age", "display", "ui_locales", "id_token_hint", "login_hint",
		"acr_values", "claims"}
}

// Request returns what the client asks of the page, which is only called for
// well-formed requests. An error, as when the keys are unavailable, is for
// [oauth2server.AuthorizationRequest.Fail].
func (p *Provider) Request(ctx context.Context, q *oauth2server.AuthorizationRequest) (*Request, error) {
	r := &Request{OpenID: q.Scope.Contains("openid"), MaxAge: -1}
	if !r.OpenID {
		return r, nil
	}
	r.LoginHint, r.nonce = q.Param("login_hint"), q.Param("nonce")
	r.ACRValues, r.UILocales = strings.Fields(q.Param("acr_values")), strings.Fields(q.Param("ui_locales"))
	if display := q.Param("display"); slices.Contains(displays, display) {
		r.Display = display
	}
	if len(r.nonce) > maxNonce || !utf8.ValidString(r.nonce) {
		return nil, malformed("nonce")
	}
	for _, prompt := range strings.Fields(q.Param("prompt")) {
		switch prompt {
		case "none":
			r.Silent = true
		case "login":
			r.SignInAgain = true
		case "consent":
			r.AskConsent = true
		case "select_account":
			r.SelectAccount = true
		default:
			return nil, malformed("prompt")
		}
	}
	if r.Silent && (r.SignInAgain || r.AskConsent || r.SelectAccount) {
		return nil, malformed("prompt")
	}
	if text := q.Param("max_age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return nil, malformed("max_age")
		}
		r.MaxAge = time.Duration(seconds) * time.Second
		r.SignInAgain = r.SignInAgain || seconds == 0 && !r.Silent
	}
	if text := q.Param("claims"); text != "" {
		if len(text) > maxClaims || json.Unmarshal([]byte(text), &r.claims) != nil {
			return nil, malformed("claims")
		}
		names := slices.Collect(maps.Keys(r.claims.UserInfo))
		names = slices.AppendSeq(names, maps.Keys(r.claims.IDToken))
		slices.Sort(names)
		r.Claims = slices.Compact(names)
	}
	if hint := q.Param("id_token_hint"); hint != "" {
		claims, err := p.readHint(ctx, hint)
		switch {
		case errors.Is(err, keys.ErrUnavailable):
			return nil, err
		case err != nil:
			return nil, malformed("id_token_hint")
		}
		r.HintSubject = claims.Subject
	}
	return r, r.readWanted()
}

// readWanted takes what the parameter claims demands of the user and of the
// sign-in (OpenID Connect Core 1.0, section 5.5.1 and 5.5.1.1).
func (r *Request) readWanted() error {
	for _, by := range []map[string]*claimRequest{r.claims.UserInfo, r.claims.IDToken} {
		for _, value := range by["sub"].wanted() {
			subject, ok := value.(string)
			if !ok || r.HintSubject != "" && r.HintSubject != subject {
				return malformed("claims")
			}
			r.HintSubject = subject
		}
	}
	acr := r.claims.IDToken["acr"]
	for _, value := range acr.wanted() {
		text, ok := value.(string)
		if !ok {
			return malformed("claims")
		}
		r.ACRValues = append(r.ACRValues, text)
		if acr.Essential {
			r.EssentialACR = append(r.EssentialACR, text)
		}
	}
	return nil
}

// NeedsSignIn reports whether a user who signed in at a time must do so again,
// as far as MaxAge says; see also SignInAgain.
func (r *Request) NeedsSignIn(since time.Time) bool {
	return r.MaxAge >= 0 && time.Since(since) > r.MaxAge
}

func malformed(parameter string) *oauth2server.Error {
	return &oauth2server.Error{
		Code:        oauth2server.InvalidRequest,
		Description: "Invalid parameter: `" + parameter + "`",
		Reason:      "oidc_parameter",
	}
}

// hint is what is read of an ID token that a client shows.
type hint struct {
	Issuer   string        `json:"iss"`
	Subject  string        `json:"sub"`
	Audience jose.Audience `json:"aud"`
	Session  string        `json:"sid"`
}

// readHint reads an ID token that this provider signed. It may have expired
// (OpenID Connect Core 1.0, section 3.1.2.1).
func (p *Provider) readHint(ctx context.Context, token string) (*hint, error) {
	h := new(hint)
	if err := p.ring.Verify(ctx, token, "", h); err != nil {
		return nil, err
	}
	if h.Issuer != p.server.Issuer() || h.Subject == "" || len(h.Audience) == 0 {
		return nil, errors.New("oidc: not an ID token of this provider")
	}
	return h, nil
}

// notOffered are parameters that are refused, so that no client relies on them
// (OpenID Connect Core 1.0, section 3.1.2.6).
var notOffered = []struct {
	parameter string
	code      oauth2server.ErrorCode
}{
	{"request", "request_not_supported"},
	{"request_uri", "request_uri_not_supported"},
	{"registration", "registration_not_supported"},
}

// CheckAuthorization implements [oauth2server.AuthorizationExtender].
func (p *Provider) CheckAuthorization(
	ctx context.Context, q *oauth2server.AuthorizationRequest,
) error {
	for _, not := range notOffered {
		if q.Param(not.parameter) != "" && q.Scope.Contains("openid") {
			return &oauth2server.Error{Code: not.code, Reason: "oidc_not_offered",
				Description: "`" + not.parameter + "` is not supported"}
		}
	}
	_, err := p.Request(ctx, q)
	return err
}

// kept is what the provider keeps with a code and its tokens.
type kept struct {
	Nonce  string        `json:"nonce,omitempty"`
	Claims claimsRequest `json:"claims,omitzero"`
}

// formTime is how long an owner may take between signing in and approving. The
// page enforces prompt and max_age; this is a second check.
const formTime = 10 * time.Minute

// ApproveAuthorization implements [oauth2server.AuthorizationExtender]. It
// refuses an approval by another user than [Request.HintSubject], and one by a
// user who signed in too long ago.
func (p *Provider) ApproveAuthorization(
	ctx context.Context, q *oauth2server.AuthorizationRequest,
	approval *oauth2server.Approval, details *oauth2server.Details,
) error {
	r, err := p.Request(ctx, q)
	if err != nil || !r.OpenID || !approval.Scope.Contains("openid") {
		return err
	}
	if r.HintSubject != "" {
		subject, err := p.subject(approval.User, q.Client)
		if err != nil {
			return err
		}
		if subject != r.HintSubject {
			return refused(LoginRequired, "oidc_other_user", "another user is signed in")
		}
	}
	if r.SignInAgain || r.MaxAge >= 0 {
		if approval.Authentication == nil || approval.Authentication.Time.IsZero() {
			return errors.New("the page must tell when the user signed in: Approval.Authentication")
		}
		age, most := time.Since(approval.Authentication.Time), max(r.MaxAge, 0)
		if r.SignInAgain {
			most = 0
		}
		if !r.Silent { // otherwise nobody has read a page
			most = max(most, formTime)
		}
		if age > most {
			return refused(LoginRequired, "oidc_signed_in_too_long_ago", "the user must sign in again")
		}
	}
	if len(r.EssentialACR) > 0 {
		if a := approval.Authentication; a == nil || !slices.Contains(r.EssentialACR, a.Context) {
			return refused("unmet_authentication_requirements", "oidc_acr", "the user did not sign in as asked")
		}
	}
	if p.options.RequireOfflineAccess && !approval.Scope.Contains("offline_access") {
		details.Online = true
	}
	return details.Set(name, kept{Nonce: r.nonce, Claims: r.claims})
}

func refused(code oauth2server.ErrorCode, reason, why string) error {
	return &oauth2server.Error{Code: code, Reason: reason, Description: fmt.Sprintf("%s: %s", code, why)}
}
