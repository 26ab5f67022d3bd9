package oauth2server

import (
	"log/slog"
	"net/http"
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

// try asks the program, tries, and tells it what came of that. A panic of the model is a fault like any other.
func try[T any](s *Server, r *http.Request, a Attempt, check func() (*T, *Error)) (_ *T, refused *Error) {
	if s.options.LimitAttempts == nil {
		return check()
	}
	done, wait := s.options.LimitAttempts(r, a)
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

// tryPassword returns the user whose password it is.
func (s *Server) tryPassword(r *http.Request, client *Client, username, password string, wrong func() *Error) (*User, *Error) {
	return try(s, r, Attempt{ClientID: client.ID, Username: username}, func() (*User, *Error) {
		user, err := s.can.users.GetUser(r.Context(), username, password, client)
		return foundUser("GetUser", user, err, wrong)
	})
}

// wrongGuess says that what was tried must be taken for wrong. A model that refuses by an error of its own may mean just
// that, whatever the code. Faults, and limits that it has itself, say nothing of what was tried.
func (e *Error) wrongGuess() bool {
	if e == nil || e.Code == ServerError {
		return false
	}
	status := e.status()
	return status < http.StatusInternalServerError && status != http.StatusTooManyRequests
}
