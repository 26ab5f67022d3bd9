package oauth2server

import (
	"log/slog"
	"strings"
)

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	// EventIssued: a code or an implicit token was made for a client ([EndpointAuthorize]), or a token ([EndpointToken]).
	EventIssued EventKind = "issued"

	// EventRefreshed: a refresh token was used, for the first time, or again when nobody had used what it got.
	EventRefreshed EventKind = "refreshed"

	// EventRetried: a refresh token was used again within [Options.RefreshRetryWindow], and got the same successor.
	EventRetried EventKind = "retried"

	// EventReplayed: a code was redeemed a second time, by somebody who proved
	// that it was theirs. Two parties have it, so the grant is over. With
	// [Event.Reason] "code_repeated" they had the PKCE verifier too, and were
	// fast: then it is the client that redeems twice, and the grant goes on.
	EventReplayed EventKind = "replayed"

	// EventReused: a refresh token was used that two parties must have. It was stolen, so the grant is over.
	EventReused EventKind = "reused"

	// EventRevoked: the client revoked the grant that [Event.GrantID] names. Empty: a single token.
	EventRevoked EventKind = "revoked"

	// EventRefused: nothing was given, and [Event.Reason] says why.
	EventRefused EventKind = "refused"
)

// Endpoint is a part of a server that requests come to.
type Endpoint string

// The endpoints. EndpointAuthenticate is the API, whose requests
// [ResourceServer.Authenticate] lets pass.
const (
	EndpointAuthorize    Endpoint = "authorize"
	EndpointToken        Endpoint = "token"
	EndpointRevoke       Endpoint = "revoke"
	EndpointIntrospect   Endpoint = "introspect"
	EndpointMetadata     Endpoint = "metadata"
	EndpointAuthenticate Endpoint = "authenticate"
)

// Event is what became of a request, for an audit; see [Options.OnEvent]. It holds no token, no code and no
// password, and of what a request says only a scope that was granted: what identifies somebody is there only once it was
// found in the model.
type Event struct {
	// Kind is what happened.
	Kind EventKind

	// Endpoint is where the request came.
	Endpoint Endpoint

	// GrantType is that of a token request for a grant that is on. Empty elsewhere.
	GrantType string

	// ClientID is whose request it was, or at [EndpointAuthenticate] whose token. Empty: not known.
	ClientID string

	// UserID is the owner of what was issued, revoked or refused. Empty: not known.
	UserID string

	// GrantID is the authorization concerned; see [Token.GrantID]. Empty: none, or not known.
	GrantID string

	// Scope is what was granted. Empty for what was refused.
	Scope Scope

	// Error is what the client was told. Empty: it was not refused.
	Error ErrorCode

	// Reason is one of the words in docs/reasons.md. Empty: it was not refused.
	Reason string
}

// Reasons of refusals that are more than that.
const (
	reasonReplayed = "code_replayed"
	reasonRepeated = "code_repeated"
	reasonReused   = "refresh_token_reused"
)

// maxSentText bounds what is logged of a stranger's text, in bytes.
const maxSentText = 200

// sentText is what a request says, for the log at Debug: people do paste a
// secret where an ID belongs.
func sentText(name, text string) slog.Attr {
	if len(text) > maxSentText {
		text = strings.ToValidUTF8(text[:maxSentText], "") + "..."
	}
	return slog.String(name, text)
}
