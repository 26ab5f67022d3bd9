// This file tells the program and its log what happened to each request.

package oauth2server

import (
	"cmp"
	"log/slog"
	"net/http"
)

// reporter tells the program and its log what happened to requests.
type reporter struct {
	logger  *slog.Logger
	onEvent func(*http.Request, Event)
}

// report tells the program what happened to a request.
func (s *reporter) report(r *http.Request, e Event) {
	if s.onEvent != nil {
		s.onEvent(r, e)
	}
}

// reportRefusal logs a refusal and tells the program. The texts of faults go to
// the log and nowhere else.
func (s *reporter) reportRefusal(r *http.Request, e Event, refused *Error) {
	e.Kind, e.Scope = EventRefused, nil
	e.Error, e.Reason = refused.Code, cmp.Or(refused.reason, refused.Reason, "chosen_by_program")
	switch e.Reason {
	case reasonReplayed, reasonRepeated:
		e.Kind = EventReplayed
	case reasonReused:
		e.Kind = EventReused
	}
	s.logRefusal(r, e, refused)
	s.report(r, e)
}

// logRefusal logs what was refused and why. Refusals that happen all the time,
// of requests without a good token and of clients that hung up, are logged at
// Debug.
func (s *reporter) logRefusal(r *http.Request, e Event, refused *Error) {
	ctx, level := r.Context(), slog.LevelInfo
	switch {
	case e.Kind != EventRefused && e.Reason != reasonRepeated:
		// First, so that a thief who hangs up cannot keep a theft out of the
		// log.
		level = slog.LevelWarn
	case ctx.Err() != nil || e.Endpoint == EndpointAuthenticate && e.Error != ServerError:
		level = slog.LevelDebug
	case e.Error == ServerError:
		level = slog.LevelError
	}
	if !s.logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("endpoint", string(e.Endpoint)),
		slog.String("error", string(e.Error)),
		slog.String("reason", e.Reason),
	}
	for _, known := range []struct{ name, value string }{
		{"grant_type", e.GrantType}, {"client", e.ClientID}, {"user", e.UserID}, {"grant", e.GrantID},
	} {
		if known.value != "" {
			attrs = append(attrs, slog.String(known.name, known.value))
		}
	}
	if refused.Description != "" && e.Error != ServerError { // a fault always has the same one
		attrs = append(attrs, slog.String("description", refused.Description))
	}
	if refused.Reference != "" {
		attrs = append(attrs, slog.String("reference", refused.Reference))
	}
	if refused.Err != nil {
		attrs = append(attrs, slog.String("cause", refused.Err.Error()))
	}
	if len(refused.sent) > 0 && s.logger.Enabled(ctx, slog.LevelDebug) {
		attrs = append(attrs, slog.Attr{Key: "sent", Value: slog.GroupValue(refused.sent...)})
	}
	s.logger.LogAttrs(ctx, level, "oauth2server: refused", attrs...)
}
