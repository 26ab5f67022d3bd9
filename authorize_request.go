// This file is what a page sees of an authorization request.

package oauth2server

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// AuthorizationRequest is a request that [Server.Authorize] found valid: the
// client is known, and the answer will go to one of its redirection URIs. A
// page gets it from [AuthorizationRequestFromContext]. It ends with
// [AuthorizationRequest.Approve], [AuthorizationRequest.Deny] or
// [AuthorizationRequest.Fail], or answers with a form and is called again.
//
// What the owner fills in is in r.PostForm; r.Form and r.FormValue mix it with
// what the client wrote into the URL. The fields must not be changed.
type AuthorizationRequest struct {
	// Client is the client that asks.
	Client *Client

	// RedirectURI is where the answer goes.
	RedirectURI string

	// ResponseType is "code", or "token" for the implicit grant.
	ResponseType string

	// Scope is what the client asks for; empty if it named no scope.
	// [AuthorizationRequest.ScopeFor] returns what the owner may grant of it.
	Scope Scope

	// Resource is what the tokens will be for: the URL of one of
	// [Options.Resources]. Empty: what is none of them. The owner should see it.
	Resource string

	// State is the client's own value, which the answer repeats.
	State string

	// User is the user that [Options.AuthenticateUser] returned; nil if nobody
	// is signed in, or if there is no such function.
	User *User

	by   authorizer
	form *form // a pointer, so that printing the request does not print a password in it
}

// authorizer is what a [Server] does with an AuthorizationRequest.
type authorizer interface {
	scopeFor(ctx context.Context, user *User) (Scope, *Error)
	parameters() url.Values
	approve(w http.ResponseWriter, r *http.Request, approval Approval)
	deny(w http.ResponseWriter, r *http.Request, reason string)
	fail(w http.ResponseWriter, r *http.Request, err error)
}

// ScopeFor returns what user may grant the client: what the client asks for,
// narrowed by [ScopeValidator], or the default if the client named no scope.
// The error is an [Error]: invalid_scope, or a fault.
func (q *AuthorizationRequest) ScopeFor(ctx context.Context, user *User) (Scope, error) {
	if !user.known() {
		return nil, misuse("ScopeFor needs a user")
	}
	return orNil(q.by.scopeFor(ctx, user))
}

// Parameters returns the request's own parameters, for the hidden fields of a
// form that is sent to a URL other than the request's. Anything else that the
// client wrote is left out, as it could take the place of the page's own
// fields.
func (q *AuthorizationRequest) Parameters() url.Values { return q.by.parameters() }

// Param returns a parameter of the request, as an extension resolved it; empty
// if it is absent, empty or repeated.
func (q *AuthorizationRequest) Param(name string) string { return q.form.get(name) }

// Params returns all values of a parameter that may repeat, as resource may
// (RFC 8707, section 2).
func (q *AuthorizationRequest) Params(name string) []string {
	return append(q.form.query.values(name), q.form.body.values(name)...)
}

// RedirectHost returns where the answer goes, for the page: a host in ASCII, with
// its port unless that is the default one or the host a loopback one, or the
// scheme of an app, such as "cursor:". local reports whether a program on the owner's device gets it. Any
// program there can pose as this client, so the page should say so.
func (q *AuthorizationRequest) RedirectHost() (host string, local bool) {
	if at, loopback := cutLoopbackPort(q.RedirectURI); loopback {
		host, _ = splitPort(authorityOf(at))
		return host, true
	}
	scheme, _, _ := strings.Cut(strings.ToLower(q.RedirectURI), ":")
	if scheme != "https" && scheme != "http" {
		return scheme + ":", true
	}
	_, host, _ = strings.Cut(asBrowsersWrite(scheme+"://"+authorityOf(q.RedirectURI)), "://")
	name, _ := splitPort(host)
	return host, isOwnDevice(name) // https too: a program there may have a certificate for it
}

// ClientHost returns the host that publishes the document which says what the
// client is; empty if there is no document. The page should show it beside the
// name, which anybody may choose.
func (q *AuthorizationRequest) ClientHost() string {
	scheme, _, _ := strings.Cut(q.Client.ID, "://") // http: on this machine, for tests
	if !q.Client.SelfAsserted || scheme != "https" && scheme != "http" {
		return ""
	}
	host, _ := splitPort(authorityOf(q.Client.ID))
	return strings.ToLower(host)
}

// Approval is what the resource owner decided.
type Approval struct {
	// User is the owner. Nil is a mistake of the page; the client is told
	// server_error.
	User *User

	// Scope is what the owner granted, on a page where they can choose. What
	// exceeds [AuthorizationRequest.ScopeFor] is left out. Empty grants
	// nothing: the client is told access_denied, unless there was no scope to
	// grant. Boxes of a form need a name of their own, as "scope" is the
	// client's parameter.
	Scope Scope

	// All grants all of [AuthorizationRequest.ScopeFor], whatever Scope is. It
	// is for a page where the owner can only agree or deny.
	All bool

	// Authentication is how and when the owner signed in, for extensions that
	// tell it to the client, as OpenID Connect does. It is kept with the code
	// and its tokens. Nil: not known.
	Authentication *Authentication

	// Online grants access only as long as the owner is there: the client gets
	// no refresh token.
	Online bool
}

// Approve answers the client with a code, or with a token in the implicit
// grant. It writes the response, even when something fails: then the client is
// told by redirect. Only the first call of Approve, Deny or Fail counts.
//
// Approving without a POST, as a page does that remembers consent, works for
// confidential clients only. Anybody can pose as a public client, so its owner
// must be asked each time (RFC 6749, section 10.2; RFC 8252, section 8.6),
// unless [Options.InsecureApprovePublicClients] is set. The owner of a client
// that is [Client.SelfAsserted] is asked each time in any case.
func (q *AuthorizationRequest) Approve(w http.ResponseWriter, r *http.Request, approval Approval) {
	q.by.approve(w, r, approval)
}

// Deny tells the client access_denied. reason is the description; empty stands
// for a general one.
func (q *AuthorizationRequest) Deny(w http.ResponseWriter, r *http.Request, reason string) {
	q.by.deny(w, r, reason)
}

// Fail tells the client that the page cannot ask. err is what
// [AuthorizationRequest.ScopeFor] returned, or a fault of the page. An [Error]
// or [ErrorCode] is sent if the client may get it. For any other error the
// client is told server_error, and the cause goes to the log.
func (q *AuthorizationRequest) Fail(w http.ResponseWriter, r *http.Request, err error) {
	q.by.fail(w, r, err)
}
