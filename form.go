// This file reads the parameters of a request, from its query and from its
// body.

package oauth2server

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/bodies"
	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// maxParameters is how many parameters a query or a body may have, known or
// not.
const maxParameters = 512

// form holds the parameters of a request.
type form struct{ query, body parameters }

// posted is a form with room for the parameters of most requests, and for a
// reader of the body: reading them allocates the body's text alone.
type posted struct {
	form
	space [6]parameter
	again bodies.Restored // the body, for those who read it after the server
}

// parameters are all of a query or of a body, in their order.
type parameters []parameter

// parameter is a name and a value, of a request or of an answer.
type parameter struct{ name, value string }

// The parameters that the server reads itself must not repeat (RFC 6749,
// section 3.1 and 3.2). Others may: resource can repeat (RFC 8707, section 2),
// and a page's form has fields of its own.
var (
	authorizationParameters = []string{
		"response_type", "client_id", "redirect_uri", "scope", "state",
		"code_challenge", "code_challenge_method", "response_mode", "allowed",
	}
	tokenParameters = []string{
		"grant_type", "client_id", "client_secret", "redirect_uri", "scope",
		"code", "code_verifier", "refresh_token", "username", "password",
	}
	// What extensions of the token endpoint read (RFC 7521, RFC 8628, RFC
	// 8693).
	extensionParameters = []string{
		"assertion", "client_assertion", "client_assertion_type", "device_code", "subject_token",
		"subject_token_type", "actor_token", "actor_token_type", "requested_token_type",
	}
	assertionParameters = []string{"client_assertion", "client_assertion_type"} // RFC 7521, section 4.2
	// RFC 7009 and RFC 7662, section 2.1.
	statusParameters = []string{"token", "token_type_hint", "client_id", "client_secret"}
)

// get returns the value of a parameter. One without a value counts as absent
// (RFC 6749, section 3.1). So does one with several values, as none can be
// trusted; see repeated.
func (f form) get(name string) string {
	value, _ := f.lookup(name)
	return value
}

// repeats reports whether the parameter has several values. Query and body are
// one request: the same value in both counts once.
func (f form) repeats(name string) bool {
	_, repeated := f.lookup(name)
	return repeated
}

func (f form) lookup(name string) (value string, repeated bool) {
	query, again := f.query.single(name)
	body, againInBody := f.body.single(name)
	switch {
	case again, againInBody, query != "" && body != "" && query != body:
		return "", true
	case body != "":
		return body, false
	}
	return query, false
}

// single returns the one value of a name that is not empty, and reports whether
// there are more.
func (all parameters) single(name string) (value string, repeated bool) {
	for i := range all {
		p := &all[i]
		if p.value == "" || p.name != name {
			continue
		}
		if value != "" {
			return "", true
		}
		value = p.value
	}
	return value, false
}

// values returns all values of a name, in their order.
func (all parameters) values(name string) (values []string) {
	for _, p := range all {
		if p.name == name {
			values = append(values, p.value)
		}
	}
	return values
}

// byName returns the parameters as net/http does.
func (all parameters) byName() url.Values { return byName(all) }

func byName(all []parameter) url.Values {
	values := make(url.Values, len(all))
	for _, p := range all {
		values[p.name] = append(values[p.name], p.value)
	}
	return values
}

// parametersOf returns the parameters of a form that net/http parsed.
func parametersOf(values url.Values) parameters {
	all := make(parameters, 0, len(values))
	for name, several := range values {
		for _, value := range several {
			all = append(all, parameter{name, value})
		}
	}
	return all
}

// repeated returns a refusal if one of the parameters has several values.
func (f form) repeated(parameters []string) *Error {
	for _, name := range parameters {
		if f.repeats(name) {
			return refusal(InvalidRequest, "parameter_repeated", "Repeated parameter: `"+name+"`")
		}
	}
	return nil
}

// parseForm parses urlencoded parameters (RFC 6749, appendix B) as browsers
// write them: a semicolon is data (URL Standard, section 5.1). What needs no
// decoding is not copied. The parameters are in space if they fit.
func parseForm(encoded string, space []parameter) (parameters, *Error) {
	if encoded == "" {
		return nil, nil
	}
	many := strings.Count(encoded, "&") + 1
	if many > maxParameters {
		return nil, tooMany()
	}
	all := parameters(space[:0])
	if many > cap(all) {
		all = make(parameters, 0, many)
	}
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil {
			// The errors quote a piece of the form, which may be part of a
			// password.
			return nil, refusal(InvalidRequest, "form_malformed",
				"Invalid request: the parameters are malformed: a percent sign escapes nothing")
		}
		all = append(all, parameter{name, value})
	}
	return all, nil
}

const readAlready = "a middleware has read the body: " +
	"it must leave it to be read again, or call ParseForm"

// readBody reads the parameters in the body of r and leaves the body to be
// read again. A body of more than limit bytes is refused. If a middleware has
// parsed the form, the parameters are taken from r.PostForm.
func (p *posted) readBody(r *http.Request, limit int64) (refused *Error) {
	if r.PostForm != nil || r.Body == nil {
		p.body = parametersOf(r.PostForm)
		return refuseLarge(r.PostForm, limit)
	}
	text, err := bodies.ReadAtMost(r.Body, limit)
	if err != nil {
		return unreadable(err)
	}
	if int64(len(text)) > limit {
		return tooLarge()
	}
	switch {
	case text == "" && r.ContentLength > 0:
		return misuse("%s", readAlready)
	case text == "" && r.ContentLength < 0 && r.Body != http.NoBody: // a length was not sent
		return &Error{
			Code:        InvalidRequest,
			Description: "Invalid request: the body is empty",
			Err:         errors.New("unless it was sent so, " + readAlready),
			reason:      "form_unreadable",
		}
	}
	p.again = bodies.Restore(text, r.Body)
	r.Body = &p.again
	p.body, refused = parseForm(text, p.space[min(len(p.query), len(p.space)):])
	return refused
}

// unreadable returns the refusal of a body that could not be read, or only up
// to a limit that the program set.
func unreadable(err error) *Error {
	if limit := (*http.MaxBytesError)(nil); errors.As(err, &limit) {
		return tooLarge()
	}
	return &Error{
		Code:        InvalidRequest,
		Description: "Invalid request: the body could not be read",
		Err:         err,
		reason:      "form_unreadable",
	}
}

// peekBody returns the parameters of an urlencoded body and leaves it to be
// read again. A body over the limit, or one that is no form after all, has
// none. The body of a GET, HEAD or DELETE has no meaning (RFC 6750, section
// 2.2; RFC 9110, section 9.3).
func peekBody(r *http.Request, limit int64) parameters {
	switch {
	case r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch,
		!isForm(r):
		return nil
	case r.PostForm != nil || r.Body == nil:
		return parametersOf(r.PostForm)
	}
	text, err := bodies.ReadAtMost(r.Body, limit)
	if err != nil || int64(len(text)) > limit { // the next reader meets the same error, or reads on
		r.Body = bodies.Resume(text, r.Body)
		return nil
	}
	again := bodies.Restore(text, r.Body)
	r.Body = &again
	all, refused := parseForm(text, nil)
	if refused != nil {
		return nil
	}
	return all
}

// refuseLarge applies the limits of readBody to a form that a middleware
// parsed.
func refuseLarge(values url.Values, limit int64) *Error {
	var count int
	var size int64
	for name, several := range values {
		count += len(several)
		for _, value := range several {
			size += int64(len(name) + len(value))
		}
	}
	switch {
	case size > limit:
		return tooLarge()
	case count > maxParameters:
		return tooMany()
	}
	return nil
}

func tooMany() *Error {
	return refusal(InvalidRequest, "form_too_many", "Invalid request: too many parameters")
}

func tooLarge() *Error {
	return &Error{
		Code:        InvalidRequest,
		Description: "Invalid request: the request is too large",
		Status:      http.StatusRequestEntityTooLarge,
		reason:      "form_too_large",
	}
}

const formType = "application/x-www-form-urlencoded"

// isForm reports whether the body of r is an urlencoded form. The parameters of
// the content type have no meaning (RFC 6749, appendix B).
func isForm(r *http.Request) bool {
	contentType := r.Header.Get("Content-Type")
	if contentType == formType {
		return true
	}
	if !strings.Contains(contentType, ";") {
		return mediaType(contentType) == formType
	}
	// With a malformed parameter there is an error, but the type is still
	// returned.
	parsed, _, _ := mime.ParseMediaType(withoutRepetitions(contentType))
	return parsed == formType
}

// withoutRepetitions leaves out repeated parameters of a content type, as a
// client and a proxy may both have set them. net/http would take that for no
// type at all.
func withoutRepetitions(contentType string) string {
	parts := strings.Split(strings.ToLower(strings.ReplaceAll(contentType, `"`, "")), ";")
	distinct := parts[:0]
	for _, part := range parts {
		if part = strings.TrimSpace(part); !slices.Contains(distinct, part) {
			distinct = append(distinct, part)
		}
	}
	return strings.Join(distinct, ";")
}

// mediaType returns a content type without its parameters.
func mediaType(contentType string) string {
	contentType, _, _ = strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(contentType))
}

func wrongContent(r *http.Request) *Error {
	sent := mediaType(r.Header.Get("Content-Type"))
	switch {
	case sent == formType:
		return refusal(InvalidRequest, "content_type",
			"Invalid request: the content type has a parameter twice, with different values")
	case !isMediaType(sent):
		sent = "of no type"
	}
	return refusal(InvalidRequest, "content_type",
		"Invalid request: the content must be "+formType+", and is "+sent)
}

// isMediaType reports whether text is a media type (RFC 9110, section 8.3.1),
// and short enough to repeat.
func isMediaType(text string) bool {
	name, subtype, found := strings.Cut(text, "/")
	token := func(c byte) bool { return grammar.IsUnreserved(c) && c != '~' || c == '+' }
	return found && len(text) <= 100 &&
		grammar.ConsistsOf(name, token) && grammar.ConsistsOf(subtype, token)
}

// secretParameters must not be in a URL, which logs, histories and Referer
// headers keep (RFC 6749, section 2.3.1).
var secretParameters = []string{
	"client_secret", "code", "code_verifier", "refresh_token", "password", "token",
	"assertion", "client_assertion", "device_code", "subject_token", "actor_token",
}

// refuseQuery refuses an endpoint's known parameters in the URL: a secret, or a
// value that contradicts the body, as a proxy may have checked the other one.
// client is the client that sent the request.
func (f form) refuseQuery(rawQuery string, client *Client, known []string) *Error {
	if rawQuery == "" {
		return nil
	}
	query, refused := parseForm(rawQuery, nil)
	if refused != nil {
		return refused
	}
	for _, p := range query {
		name := p.name
		if !slices.Contains(known, name) {
			continue
		}
		if slices.Contains(secretParameters, name) {
			return refusal(InvalidRequest, "secret_in_query",
				"Invalid request: `"+name+"` must not be in the URL")
		}
		inBody := f.get(name)
		if name == "client_id" {
			inBody = client.ID // which may have come by Basic
		}
		value, repeated := query.single(name)
		if repeated || value != "" && inBody != "" && value != inBody {
			return refusal(InvalidRequest, "parameter_repeated", "Repeated parameter: `"+name+"`")
		}
	}
	return nil
}
