// This file checks users: their passwords, and whether they may still act.

package oauth2server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// tryPassword returns the user with this name and password. wrong makes the
// refusal if there is none.
func (s *Server) tryPassword(
	r *http.Request, client *Client, username, password string, wrong func() *Error,
) (*User, *Error) {
	attempt := Attempt{ClientID: client.ID, Username: username}
	return try(s.options.LimitAttempts, r, attempt, func() (*User, *Error) {
		user, err := s.can.users.GetUser(r.Context(), username, password, client)
		return foundUser("GetUser", user, err, wrong)
	})
}

// checkUserCredentials refuses text that cannot be a username and a password
// (RFC 6749, appendix A.15 and A.16).
func checkUserCredentials(username, password string) *Error {
	switch {
	case username == "":
		return missing("username")
	case password == "":
		return missing("password")
	case !grammar.IsUnicodeNoCRLF(username):
		return invalid("username")
	case !grammar.IsUnicodeNoCRLF(password):
		return invalid("password")
	}
	return nil
}

func wrongUser(reason string) *Error {
	return refusal(InvalidGrant, reason, "Invalid grant: user credentials are invalid")
}

// checkUser asks the model whether the user may still act, if it is a
// [UserChecker]. If the user may not, the grant ends.
func (s *Server) checkUser(ctx context.Context, user *User, client *Client, grantID string) *Error {
	if s.can.checker == nil {
		return nil
	}
	err := s.can.checker.CheckUser(ctx, user, client)
	if err == nil {
		return nil
	}
	gone := refusal(InvalidGrant, "user_gone", "Invalid grant: the user may no longer act")
	refused := modelFailure("CheckUser", err, gone)
	// Only a plain ErrNotFound ends the grant, not an Error of the model's
	// choice.
	if s.can.log != nil && errors.Is(err, ErrNotFound) && asError(err) == nil {
		if fault := s.revokeGrant(ctx, grantID, time.Time{}); fault != nil {
			return fault
		}
	}
	return refused
}
