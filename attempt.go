package oauth2server

import "net/http"

// Attempt is somebody's try at a client's secret or at a user's password, of which a program limits the rate
// (RFC 6749, section 2.3.1 and 4.3.2). It holds neither, but people do type a password where their name belongs:
// Username is for counting, not for a log.
type Attempt struct {
	// ClientID is the client's, as the request says: a stranger may have written it.
	ClientID string

	// Username is the user's, as the request says. Empty: it is the client's secret that is tried.
	Username string
}

// mayAttempt asks the program before something is tried.
func (s *Server) mayAttempt(r *http.Request, a Attempt) *Error {
	if s.options.MayAttempt == nil || s.options.MayAttempt(r, a) {
		return nil
	}
	return &Error{Code: InvalidRequest, Description: "Too many failed attempts. Try again later.",
		Status: http.StatusTooManyRequests, reason: "attempt_limited"}
}

// attempted tells the program if what was tried was wrong, and returns refused. A fault of the storage is no attempt.
func (s *Server) attempted(r *http.Request, a Attempt, refused *Error) *Error {
	if refused != nil && refused.Code != ServerError && s.options.OnFailedAttempt != nil {
		s.options.OnFailedAttempt(r, a)
	}
	return refused
}
