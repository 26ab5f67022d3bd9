package oauth2server

import (
	"log/slog"
	"net/http"
	"time"
)

// Attempt is somebody's try at a client's secret or at a user's password, of which a program limits the rate
// (RFC 6749, section 2.3.1 and 4.3.2). It holds neither, but people do type a password where their name belongs:
// Username is for counting, not for a log.
type Attempt struct {
	// ClientID is the client's, as the request says: a stranger may have written it.
	ClientID string

	// Username is the user's, as the request says. Empty: it is the client's secret that is tried.
	Username string
}

// AttemptLimiter is asked before a client's secret or a user's password is tried;
// package ext/ratelimit has one. It may block, say until attempts under way have
// ended, but not beyond the end of r.Context(). With wait > 0 nothing is tried and
// done is not called: the answer is 429, with wait as Retry-After, in whole
// seconds and rounded up. Otherwise done, unless it is nil, is called exactly
// once, before the answer is sent: also after a panic of the model, and when the
// client hung up.
//
// failed reports that the secret or password was wrong: the model answered
// [ErrNotFound], nobody, or an [Error] or [ErrorCode] of its own. It is false for
// what tells nothing about the secret: a server_error, so every other error, and
// an [Error] with status 429 or from 500 on. So what has not failed need not have
// been right.
//
// The password grant asks twice, for the client and then for the user. A page or
// an extension grant of the program must count what it tries itself. An
// AttemptLimiter is called concurrently.
type AttemptLimiter func(r *http.Request, attempt Attempt) (done func(failed bool), wait time.Duration)

// try asks the program, tries, and tells it what came of that. A panic of the model is a fault like any other.
func try[T any](limit AttemptLimiter, r *http.Request, a Attempt, check func() (*T, *Error)) (_ *T, refused *Error) {
	if limit == nil {
		return check()
	}
	done, wait := limit(r, a)
	if wait > 0 {
		return nil, &Error{Code: InvalidRequest, Description: "Too many failed attempts. Try again later.",
			Status: http.StatusTooManyRequests, reason: "attempt_limited", wait: wait,
			sent: []slog.Attr{sentText("client_id", a.ClientID)}}
	}
	if done != nil {
		defer func() { done(refused.wrongGuess()) }()
	}
	return check()
}
