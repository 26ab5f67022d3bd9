// This file describes what became of a request, for audits and logs.

package oauth2server

import (
	"log/slog"
	"strings"
)

// EventKind is what happened.
type EventKind string

// The kinds of events.
const (
	// EventIssued: a code or an implicit token was made for a client
	// ([EndpointAuthorize]), or a token ([EndpointToken]).
	EventIssued EventKind = "issued"

	// EventRefreshed: a refresh token was used, for the first time, or again
	// when nobody had used what it got.
	EventRefreshed EventKind = "refreshed"

	// EventRetried: a refresh token was used again within
	// [Options.RefreshRetryWindow], and got the same successor.
	EventRetried EventKind = "retried"

	// EventReplayed: a code was redeemed a second time, by a party that proved
	// that it was theirs. Two parties have it, so the grant is over. With
	// [Event.Reason] "code_repeated" it had the PKCE verifier too, and was
	// fast: then the client itself redeems twice, and the grant goes on.
	EventReplayed EventKind = "replayed"

	// EventReused: a refresh token was used that two parties must have. It was
	// stolen, so the grant is over.
	EventReused EventKind = "reused"

	// EventRevoked: the client revoked the grant [Event.GrantID], or, if that
	// is empty, a single token.
	EventRevoked EventKind = "revoked"

	// EventRegistered: a client registered itself. An extension reports it.
	EventRegistered EventKind = "registered"

	// EventRefused: nothing was given; [Event.Reason] is why.
	EventRefused EventKind = "refused"
)

// Endpoint is a part of a server that requests come to.
type Endpoint string

// The endpoints. EndpointAuthenticate is the program's API, behind
// [ResourceServer.Authenticate].
const (
	EndpointAuthorize    Endpoint = "authorize"
	EndpointToken        Endpoint = "token"
	EndpointRevoke       Endpoint = "revoke"
	EndpointIntrospect   Endpoint = "introspect"
	EndpointMetadata     Endpoint = "metadata"
	EndpointAuthenticate Endpoint = "authenticate"
)

// Event is what became of a request, for an audit; see [Options.OnEvent]. It
// holds no token, no code and no password. Of the request's own text it has
// only a scope that was granted, and IDs only once the model found them.
type Event struct {
	// Kind is what happened.
	Kind EventKind

	// Endpoint is where the request came.
	Endpoint Endpoint

	// GrantType is that of a token request, if the grant is enabled. Empty
	// elsewhere.
	GrantType string

	// ClientID is the client that sent the request, or at
	// [EndpointAuthenticate] the client of the token. Empty: not known.
	ClientID string

	// UserID is the owner of what was issued, revoked or refused. Empty: not
	// known.
	UserID string

	// GrantID is the grant concerned; see [Token.GrantID]. Empty: none, or not
	// known.
	GrantID string

	// Scope is what was granted. Empty for what was refused.
	Scope Scope

	// Error is what the client was told. Empty: it was not refused.
	Error ErrorCode

	// Reason is one of the words in docs/reasons.md. Empty: it was not refused.
	Reason string
}

// The reasons of the refusals that are an EventReplayed or an EventReused.
const (
	reasonReplayed = "code_replayed"
	reasonRepeated = "code_repeated"
	reasonReused   = "refresh_token_reused"
)

// maxSentText bounds what is logged of a request's text, in bytes.
const maxSentText = 200

// sentText returns a text of the request for the log at Debug, and only there:
// people do paste a secret where an ID belongs.
func sentText(name, text string) slog.Attr {
	if len(text) > maxSentText {
		text = strings.ToValidUTF8(text[:maxSentText], "") + "..."
	}
	return slog.String(name, text)
}
