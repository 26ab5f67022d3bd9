// This file turns what went wrong into what the client is told and what goes to
// the log.

package oauth2server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// ErrorCode is an error code of RFC 6749, section 4.1.2.1 and 5.2, or of RFC
// 6750, section 3.1. It is an error itself: errors.Is(err, InvalidGrant) is
// true for every [Error] with that code, also through %w.
type ErrorCode string

// The error codes, each with its [ErrorCode.Status]. A model may return one, or
// an [Error], to choose what the client is told.
const (
	InvalidRequest          ErrorCode = "invalid_request"           // 400
	InvalidClient           ErrorCode = "invalid_client"            // 400 or 401: RFC 6749, section 5.2
	InvalidGrant            ErrorCode = "invalid_grant"             // 400
	InvalidScope            ErrorCode = "invalid_scope"             // 400
	UnauthorizedClient      ErrorCode = "unauthorized_client"       // 400
	UnsupportedGrantType    ErrorCode = "unsupported_grant_type"    // 400
	UnsupportedResponseType ErrorCode = "unsupported_response_type" // 400
	UnsupportedTokenType    ErrorCode = "unsupported_token_type"    // 400; RFC 7009, section 2.2.1
	AccessDenied            ErrorCode = "access_denied"             // 400
	InvalidToken            ErrorCode = "invalid_token"             // 401
	InsufficientScope       ErrorCode = "insufficient_scope"        // 403
	InvalidTarget           ErrorCode = "invalid_target"            // 400; RFC 8707, section 2
	ServerError             ErrorCode = "server_error"              // 503

	// UnauthorizedRequest means that a request carries no token at all (401).
	// It is never sent: the answer names the authentication scheme and nothing
	// else (RFC 6750, section 3.1).
	UnauthorizedRequest ErrorCode = "unauthorized_request"

	// InvalidArgument means that the program is wrong, not the request (500):
	// [New] returns it. It is never sent; clients are told server_error.
	InvalidArgument ErrorCode = "invalid_argument"
)

// Error returns the code.
func (c ErrorCode) Error() string { return string(c) }

// Status returns the HTTP status of the code; 400 for a code of an extension
// that is not listed here.
func (c ErrorCode) Status() int {
	if known, ok := errorCodes[c]; ok {
		return known.status
	}
	return http.StatusBadRequest
}

// endpoint is a set of the places that answer with errors.
type endpoint uint8

const (
	atAuthorize endpoint = 1 << iota // in a redirect to the client
	atToken                          // where clients call themselves
	atResource
	everywhere = atAuthorize | atToken | atResource
)

// errorCodes has the status of each code and the places that may send it.
// Elsewhere, say invalid_token from a model's GetUser, a code would mean
// something else to the client, so it becomes a server_error.
var errorCodes = map[ErrorCode]struct {
	status int
	at     endpoint
}{
	InvalidRequest:          {http.StatusBadRequest, everywhere},
	InvalidClient:           {http.StatusBadRequest, atToken},
	InvalidGrant:            {http.StatusBadRequest, atToken},
	InvalidScope:            {http.StatusBadRequest, atAuthorize | atToken},
	UnauthorizedClient:      {http.StatusBadRequest, atAuthorize | atToken},
	UnsupportedGrantType:    {http.StatusBadRequest, atToken},
	UnsupportedResponseType: {http.StatusBadRequest, atAuthorize | atToken}, // RFC 9126, section 2.3
	UnsupportedTokenType:    {http.StatusBadRequest, atToken},
	AccessDenied:            {http.StatusBadRequest, atAuthorize | atToken},
	InvalidTarget:           {http.StatusBadRequest, atAuthorize | atToken},
	InvalidToken:            {http.StatusUnauthorized, atResource},
	UnauthorizedRequest:     {http.StatusUnauthorized, atResource},
	InsufficientScope:       {http.StatusForbidden, atResource},
	ServerError:             {http.StatusServiceUnavailable, everywhere},
	InvalidArgument:         {http.StatusInternalServerError, 0},
}

// Error is what a client is told, and why. Err and Reason never leave the
// process, and of a server_error only Code, Status and Reference do.
type Error struct {
	// Code is sent as error.
	Code ErrorCode

	// Description is sent as error_description. Characters that RFC 6749,
	// section 5.2, excludes are replaced. A server_error is sent with a fixed
	// text instead.
	Description string

	// Status is the HTTP status. 0 stands for that of the code.
	Status int

	// Header has further fields for the answer, such as Retry-After. Those that
	// the server writes itself are left out. Optional. It has no effect where
	// the client is told by redirect.
	Header http.Header

	// Challenge has further parameters for the challenge in WWW-Authenticate,
	// such as `acr_values="gold"` (RFC 9470, section 3). Optional.
	Challenge string

	// Err is the cause, for the log; optional.
	Err error

	// Reason is a stable word for the log and for [Event.Reason]. Empty: a word
	// that says that the program chose the error.
	Reason string

	// Reference is a short random word in an error that is shown to a person,
	// and in its log record. See [Options.ErrorHandler]. Empty elsewhere.
	Reference string

	reason string        // the server's own word in place of Reason
	sent   []slog.Attr   // what the request has about it; logged at Debug only
	allow  string        // for 405: the methods that are allowed
	wait   time.Duration // for Retry-After; 0: none
	scope  Scope         // what a route required
	bearer bool          // the bearer token was refused
	scheme string        // by which it was presented; empty: Bearer
	token  *Token        // the bearer token, if it was found
}

// Error returns code, description and cause, for the log.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause. It is nil for a nil *Error, which a model may
// return as an error that is not nil.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// Is reports whether target is the error's code.
func (e *Error) Is(target error) bool {
	code, ok := target.(ErrorCode)
	return ok && e != nil && code == e.Code
}

// status returns the status to send. A Status that is no error's is ignored.
func (e *Error) status() int {
	if http.StatusBadRequest <= e.Status && e.Status <= 599 {
		return e.Status
	}
	return e.Code.Status()
}

// sentFrom returns e as place may send it: with a code that has a meaning
// there, and a description of characters that are allowed.
func (e *Error) sentFrom(place endpoint) *Error {
	known, ok := errorCodes[e.Code]
	switch {
	case ok && known.at&place == 0, !ok && !grammar.IsNQSCHAR(string(e.Code)):
		return breach("%w cannot be sent from here", e)
	case e.Code == ServerError:
		own := *e
		own.Description, own.Header, own.Challenge = "The server could not answer. Try again later.", nil, ""
		return &own
	case e.Description == "" || grammar.IsNQSCHAR(e.Description):
		return e
	}
	own := *e
	own.Description = strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < 0x20 || r > 0x7E || r == '\\':
			return '?'
		}
		return r
	}, e.Description)
	return &own
}

// wrongGuess reports whether what was tried counts as wrong. A model that
// refuses by an error of its own may mean just that, whatever the code. Faults,
// and rate limits of the model, tell nothing about what was tried.
func (e *Error) wrongGuess() bool {
	if e == nil || e.Code == ServerError {
		return false
	}
	status := e.status()
	return status < http.StatusInternalServerError && status != http.StatusTooManyRequests
}

// refusal returns an error that the request itself caused. reason is its word
// in docs/reasons.md.
func refusal(code ErrorCode, reason, description string) *Error {
	return &Error{Code: code, Description: description, reason: reason}
}

func wrongMethod(allowed string) *Error {
	return &Error{
		Code:        InvalidRequest,
		Description: "Invalid request: method must be " + strings.ReplaceAll(allowed, ", ", " or "),
		Status:      http.StatusMethodNotAllowed,
		reason:      "method",
		allow:       allowed,
	}
}

// missing and invalid name the parameter at fault.
func missing(parameter string) *Error {
	return refusal(InvalidRequest, "parameter_missing", "Missing parameter: `"+parameter+"`")
}

func invalid(parameter string) *Error {
	return refusal(InvalidRequest, "parameter_invalid", "Invalid parameter: `"+parameter+"`")
}

func repeatedAuthorization() *Error {
	return refusal(InvalidRequest, "authorization_repeated",
		"Invalid request: more than one Authorization header")
}

func unknownToken() *Error { return invalidToken("token_unknown") }

func invalidToken(reason string) *Error {
	return refusal(InvalidToken, reason, "Invalid token: access token is invalid")
}

// breach returns a server_error that a repetition will not mend: the model
// broke its contract.
func breach(format string, args ...any) *Error {
	return standing("model_contract", format, args...)
}

// misuse returns a server_error that the program caused, by its setup of the
// server or by a call.
func misuse(format string, args ...any) *Error {
	return standing("program_mistake", format, args...)
}

// cannotWork returns the text of the panic of a handler that cannot work.
func cannotWork(handler string, mistake *Error) string {
	cause := strings.TrimPrefix(mistake.Err.Error(), "oauth2server: ")
	return "oauth2server: " + handler + " cannot work: " + cause
}

func standing(reason, format string, args ...any) *Error {
	return &Error{
		Code:   ServerError,
		Status: http.StatusInternalServerError,
		Err:    fmt.Errorf("oauth2server: "+format, args...),
		reason: reason,
	}
}

// modelFailure turns what a method of the model returned into what the client
// is told: notFound for [ErrNotFound], an [Error] or [ErrorCode] as the model
// chose it, server_error for everything else.
func modelFailure(method string, err error, notFound *Error) *Error {
	if e := asError(err); e != nil {
		return e
	}
	if errors.Is(err, ErrNotFound) {
		return notFound
	}
	cause := fmt.Errorf("%s: %w%s", method, err, meantAsNotFound(err))
	return &Error{Code: ServerError, reason: "model_fault", Err: cause}
}

// meantAsNotFound returns a hint for the log if a storage's own word for "not
// found" reached the server, which takes it for a fault.
func meantAsNotFound(err error) string {
	text := err.Error()
	for _, theirs := range []string{
		"no rows in result set", "no documents in result", "record not found",
		"redis: nil", "key not found",
	} {
		if strings.Contains(text, theirs) {
			return " (for what is not there, return oauth2server.ErrNotFound)"
		}
	}
	return ""
}

// found returns nil if a method of the model found something, and a refusal if
// it did not. notFound builds that refusal, which is rarely needed.
func found[T any](method string, value *T, err error, notFound func() *Error) *Error {
	if err != nil {
		return modelFailure(method, err, notFound())
	}
	if value == nil {
		return notFound()
	}
	return nil
}

// foundUser is found for a user, who must have an ID. If notFound returns nil,
// the result without a user is nil, nil.
func foundUser(method string, user *User, err error, notFound func() *Error) (*User, *Error) {
	if refused := found(method, user, err, notFound); refused != nil {
		return nil, refused
	}
	if err != nil || !user.known() {
		return nil, notFound()
	}
	return user, nil
}

// asError returns the [Error] or [ErrorCode] in err as an [Error]; nil if there
// is none.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		if e == nil {
			return breach("the model returned a nil *Error as an error")
		}
		return e
	}
	var code ErrorCode
	if errors.As(err, &code) {
		return &Error{Code: code, Err: err, reason: "chosen_by_program"}
	}
	return nil
}

// orNil returns refused as an error. It keeps a nil *Error from becoming an
// error that is not nil.
func orNil[T any](value T, refused *Error) (T, error) {
	if refused != nil {
		return value, refused
	}
	return value, nil
}
