// This file lets the program limit how often a client's secret or a user's
// password is tried.

package oauth2server

import (
	"log/slog"
	"net/http"
	"time"
)

// Attempt is one try at a client's secret or at a user's password, whose rate a
// program limits (RFC 6749, section 2.3.1 and 4.3.2). It holds neither. But
// people do type a password where their name belongs, so Username is for
// counting, not for a log.
type Attempt struct {
	// ClientID is the client's ID as the request gives it. Anybody may have
	// written it. A Basic header with "+" or "%" may name one of two clients, as
	// many clients do not encode it; there is an attempt for each.
	ClientID string

	// Username is the user's name as the request gives it. Empty: the client's
	// secret is tried.
	Username string
}

// AttemptLimiter is called before a client's secret or a user's password is
// tried; package ext/ratelimit has one. It may block, for example until
// attempts under way have ended, but not beyond the end of r.Context(). With
// wait > 0 nothing is tried and done is not called: the answer is 429, with
// wait as Retry-After, in whole seconds and rounded up. Otherwise done, which
// may be nil, is called exactly once, before the answer is sent, even after a
// panic of the model or when the client hung up.
//
// failed reports that the secret or password was wrong: the model returned
// [ErrNotFound], no client or user, or an [Error] or [ErrorCode] of its own. It
// is false for a result that tells nothing about the secret: a server_error, so
// every other error, and an [Error] with status 429 or from 500 on. So false
// does not prove that the secret was right.
//
// The password grant calls it twice, first for the client and then for the
// user. A page or an extension grant must count what it tries itself. An
// AttemptLimiter is called concurrently.
type AttemptLimiter func(r *http.Request, attempt Attempt) (done func(failed bool), wait time.Duration)

// try runs check if limit allows it, and reports the result to limit. If check
// panics, done is called with false, as after any other fault.
func try[T any](
	limit AttemptLimiter, r *http.Request, a Attempt, check func() (*T, *Error),
) (_ *T, refused *Error) {
	if limit == nil {
		return check()
	}
	done, wait := limit(r, a)
	if wait > 0 {
		return nil, &Error{
			Code:        InvalidRequest,
			Description: "Too many failed attempts. Try again later.",
			Status:      http.StatusTooManyRequests,
			reason:      "attempt_limited",
			wait:        wait,
			sent:        []slog.Attr{sentText("client_id", a.ClientID)},
		}
	}
	if done != nil {
		defer func() { done(refused.wrongGuess()) }()
	}
	return check()
}
