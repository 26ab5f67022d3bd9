package oauth2server

import (
	"cmp"
	"log/slog"
	"net/http"
	"strings"
)

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	// EventIssued: a code or an implicit token was made for a client ([Event.Endpoint] "authorize"), or a token ("token").
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

// Event is what became of a request, for an audit; see [Options.OnEvent]. It holds no token, no code and no
// password, and of what a request says only a scope that was granted: what identifies somebody is there only once it was
// found in the model.
type Event struct {
	// Kind is what happened.
	Kind EventKind

	// Endpoint is "authorize", "token", "revoke", "introspect", "metadata" or "authenticate".
	Endpoint string

	// GrantType is that of a token request for a grant that is on. Empty elsewhere.
	GrantType string

	// ClientID is whose request it was, or at "authenticate" whose token. Empty: not known.
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

// report tells the program what became of a request.
func (s *ResourceServer) report(r *http.Request, e Event) {
	if s.options.OnEvent != nil {
		s.options.OnEvent(r, e)
	}
}

// reportRefusal logs a refusal and tells the program. The texts of faults go to the log and nowhere else.
func (s *ResourceServer) reportRefusal(r *http.Request, e Event, refused *Error) {
	e.Kind, e.Scope, e.Error, e.Reason = EventRefused, nil, refused.Code, cmp.Or(refused.reason, "chosen_by_program")
	switch e.Reason {
	case reasonReplayed, reasonRepeated:
		e.Kind = EventReplayed
	case reasonReused:
		e.Kind = EventReused
	}
	s.logRefusal(r, e, refused)
	s.report(r, e)
}

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

// logRefusal writes what was refused and why. A request with no token or an old one, and a client that hung up, are
// everyday business.
func (s *ResourceServer) logRefusal(r *http.Request, e Event, refused *Error) {
	ctx, level := r.Context(), slog.LevelInfo
	switch {
	case e.Kind != EventRefused && e.Reason != reasonRepeated: // first: a thief who hangs up must not keep it out of the log
		level = slog.LevelWarn
	case ctx.Err() != nil || e.Endpoint == "authenticate" && e.Error != ServerError:
		level = slog.LevelDebug
	case e.Error == ServerError:
		level = slog.LevelError
	}
	if !s.options.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("endpoint", e.Endpoint), slog.String("error", string(e.Error)), slog.String("reason", e.Reason)}
	for _, known := range []struct{ name, value string }{
		{"grant_type", e.GrantType}, {"client", e.ClientID}, {"user", e.UserID}, {"grant", e.GrantID},
	} {
		if known.value != "" {
			attrs = append(attrs, slog.String(known.name, known.value))
		}
	}
	if refused.Description != "" && e.Error != ServerError { // whose is always the same
		attrs = append(attrs, slog.String("description", refused.Description))
	}
	if refused.Reference != "" {
		attrs = append(attrs, slog.String("reference", refused.Reference))
	}
	if refused.Err != nil {
		attrs = append(attrs, slog.String("cause", refused.Err.Error()))
	}
	if len(refused.sent) > 0 && s.options.Logger.Enabled(ctx, slog.LevelDebug) {
		attrs = append(attrs, slog.Attr{Key: "sent", Value: slog.GroupValue(refused.sent...)})
	}
	s.options.Logger.LogAttrs(ctx, level, "oauth2server: refused", attrs...)
}
