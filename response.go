// This file writes the answers of the token endpoint, and those of the other
// endpoints that clients call.

package oauth2server

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/bodies"
	"github.com/seed-11d18166/oauth2server/internal/extra"
)

// WriteToken answers a token request with token (RFC 6749, section 5.1), as
// [Server.Token] does without next.
func (s *Server) WriteToken(w http.ResponseWriter, token *Token) {
	buffer := bodies.Buffer()
	body := appendToken((*buffer)[:0], token, s.resource.tokenType(token))
	var err error
	members := token.answer
	if s.options.AllowExtendedTokenAttributes && len(token.Extra) > 0 {
		members = maps.Clone(token.Extra)
		maps.Copy(members, token.answer)
	}
	if len(members) > 0 {
		body, err = appendMembers(body, members, standardMembers)
	}
	if err != nil {
		s.options.Logger.Error("oauth2server: an extended token attribute has no JSON form",
			"endpoint", "token", "error", string(ServerError), "reason", "model_contract", "cause", err)
		forbidStoring(w)
		writeErrorJSON(w, breach("%w", err).sentFrom(atToken))
		return
	}
	writeJSON(w, http.StatusOK, body, unstored)
	bodies.Release(buffer, body)
}

// appendToken appends the body of a token response (RFC 6749, section 5.1).
func appendToken(b []byte, token *Token, tokenType string) []byte {
	b = appendString(append(b, `{"access_token":`...), token.AccessToken)
	b = append(append(append(b, `,"token_type":"`...), tokenType...), '"')
	if seconds := expiresIn(token); seconds != 0 {
		b = strconv.AppendInt(append(b, `,"expires_in":`...), seconds, 10)
	}
	if token.RefreshToken != "" {
		b = appendString(append(b, `,"refresh_token":`...), token.RefreshToken)
	}
	if len(token.Scope) > 0 {
		b = appendString(append(b, `,"scope":`...), token.Scope.String())
	}
	return append(b, '}')
}

// expiresIn returns how long the access token still lives, in seconds, rounded
// and at least 1; 0 if the model returned no expiry.
func expiresIn(token *Token) int64 {
	if token.AccessTokenExpiresAt.IsZero() {
		return 0
	}
	return max(int64(time.Until(token.AccessTokenExpiresAt).Round(time.Second)/time.Second), 1)
}

// standardMembers are the members that an attribute in [Token.Extra] cannot
// replace.
var standardMembers = []string{
	"access_token", "token_type", "expires_in", "refresh_token", "scope",
	"error", "error_description", "error_uri",
}

// appendMembers adds the attributes that are not among the reserved members to
// a JSON object, which must not be empty.
func appendMembers(object []byte, attributes map[string]any, reserved []string) ([]byte, error) {
	attributes = maps.Clone(attributes)
	maps.DeleteFunc(attributes, func(name string, _ any) bool {
		// Some JSON parsers ignore the case of names.
		return slices.ContainsFunc(reserved, func(standard string) bool {
			return strings.EqualFold(standard, name)
		})
	})
	if len(attributes) == 0 {
		return object, nil
	}
	members, err := json.Marshal(attributes)
	if err != nil {
		if _, named := extra.Canonical(attributes); named != nil {
			return nil, named // this error has the path
		}
		return nil, err
	}
	object[len(object)-1] = ',' // in place of the closing brace
	return append(object, members[1:]...), nil
}

// refuseClient refuses a request that the client itself sent, and reports it
// (RFC 6749, section 5.2).
func (s *Server) refuseClient(w http.ResponseWriter, r *http.Request, about Event, refused *Error) {
	e := refused.sentFrom(atToken)
	s.reportRefusal(r, about, e)
	forbidStoring(w)
	if e.status() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+s.options.Realm+`"`)
	}
	writeErrorJSON(w, e)
}

// writeErrorJSON answers with an error document (RFC 6749, section 5.2).
func writeErrorJSON(w http.ResponseWriter, e *Error) {
	body, _ := json.Marshal(struct { // a string always has a JSON form
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{string(e.Code), e.Description})
	setErrorHeaders(w, e)
	writeJSON(w, e.status(), body, nil)
}

// setErrorHeaders tells the client which methods work, and when to try again
// (RFC 9110, section 10.2.1 and 10.2.3).
func setErrorHeaders(w http.ResponseWriter, e *Error) {
	for name, values := range e.Header {
		if name = http.CanonicalHeaderKey(name); !slices.Contains(ownHeaders, name) {
			w.Header()[name] = slices.Clone(values)
		}
	}
	if e.allow != "" {
		w.Header().Set("Allow", e.allow)
	}
	switch status := e.status(); {
	case e.wait > 0:
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.wait-1)/time.Second+1), 10)) // rounded up
	case w.Header().Get("Retry-After") != "": // of the error
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "60")
	}
}

// ownHeaders are the fields that the server or net/http writes, which
// [Error.Header] cannot replace.
var ownHeaders = []string{
	"Allow", "Cache-Control", "Connection", "Content-Length", "Content-Security-Policy", "Content-Type",
	"Location", "Pragma", "Referrer-Policy", "Trailer", "Transfer-Encoding", "Upgrade",
	"Www-Authenticate", "X-Content-Type-Options", "X-Frame-Options",
}

// unstored keeps codes and tokens out of caches (RFC 6749, section 5.1).
var unstored = []string{"Cache-Control", "no-store", "Pragma", "no-cache", "Referrer-Policy", "no-referrer"}

func forbidStoring(w http.ResponseWriter) { setHeaders(w.Header(), unstored) }

var (
	ofJSON = []string{"Content-Type", "application/json", "X-Content-Type-Options", "nosniff"}
	ofHTML = []string{"Content-Type", "text/html; charset=utf-8", "X-Content-Type-Options", "nosniff"}
)

// writeJSON answers with body. The header has the fields of more too.
func writeJSON(w http.ResponseWriter, status int, body []byte, more []string) {
	setHeaders(w.Header(), ofJSON, more)
	w.WriteHeader(status)
	w.Write(body) // an error means that the client hung up
}

// setHeaders sets header fields. In each list, every name is followed by its
// value. Names must be canonical. All values share one allocation; each has a
// capacity of one, so that appending to a field cannot change another.
func setHeaders(header http.Header, lists ...[]string) {
	size := 0
	for _, list := range lists {
		size += len(list) / 2
	}
	values := make([]string, 0, size)
	for _, list := range lists {
		for i := 0; i < len(list); i += 2 {
			n := len(values)
			values = append(values, list[i+1])
			header[list[i]] = values[n : n+1 : n+1]
		}
	}
}
