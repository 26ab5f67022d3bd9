package oauth2server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CheckRedirectURI says what keeps uri from being registered as a redirection URI; nil when nothing does. It must be
// absolute, of printable ASCII, without fragment and user information (RFC 6749, section 3.1.2), of a scheme that
// runs no code in the browser, and without a response parameter in its query: the client would see two of them.
// Models call it when a client is registered. That http is for loopback hosts only is for the server to see:
// [Options.InsecureAllowHTTPRedirects].
func CheckRedirectURI(uri string) error {
	if err := checkTarget(uri); err != nil {
		return fmt.Errorf("oauth2server: redirection URI %q: %w", uri, err)
	}
	_, query, _ := strings.Cut(uri, "?")
	for part := range strings.SplitSeq(query, "&") {
		if isResponseParameter(part) {
			return fmt.Errorf("oauth2server: redirection URI %q: %q is a response parameter", uri, part)
		}
	}
	return nil
}

// codeSchemes make a browser run or show what the URI itself contains.
var codeSchemes = []string{"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"}

// checkTarget is what every redirection URI must be, whoever vouches for it.
func checkTarget(uri string) error {
	parsed, err := url.Parse(uri)
	switch {
	case err != nil:
		return errors.New("not a URI")
	case !isURIText(uri):
		return errors.New("not printable ASCII")
	case parsed.Scheme == "" || parsed.Opaque != "":
		return errors.New("not absolute")
	case slices.Contains(codeSchemes, parsed.Scheme):
		return errors.New("the scheme is not allowed")
	case parsed.Host == "" && (parsed.Scheme == "http" || parsed.Scheme == "https"):
		return errors.New("no host")
	case parsed.User != nil || strings.Contains(parsed.Host, "@"):
		return errors.New("user information")
	case strings.Contains(uri, "#"):
		return errors.New("a fragment")
	}
	return nil
}

// refuseTarget refuses a redirection URI that must not be one, or that would carry the answer in clear over a network
// (RFC 9700, section 2.6).
func (s *Server) refuseTarget(uri string) *Error {
	if err := checkTarget(uri); err != nil {
		return &Error{Code: InvalidRequest, Description: "Invalid request: `redirect_uri` is not a valid URI", Err: err,
			reason: "redirect_uri_not_allowed"}
	}
	scheme, _, _ := strings.Cut(uri, ":")
	if _, loopback := cutLoopbackPort(uri); equalFold(scheme, "http") && !loopback && !s.options.InsecureAllowHTTPRedirects {
		return refusal(InvalidRequest, "redirect_uri_in_clear",
			"Invalid request: `redirect_uri` must be https; http is for 127.0.0.1, [::1] and localhost")
	}
	return nil
}

// redirectURI returns where the answer to an authorization request goes, or why nothing may be sent anywhere.
// named is the request's redirect_uri, found to be a possible target; "" when there is none.
func (s *Server) redirectURI(ctx context.Context, client *Client, named string) (string, *Error) {
	switch {
	case len(client.RedirectURIs) == 0:
		return "", refusal(InvalidClient, "client_without_redirect_uri", "Invalid client: missing client `redirectUri`")
	case named != "":
		return named, s.matchRedirectURI(ctx, client, named)
	case len(client.RedirectURIs) > 1:
		return "", missing("redirect_uri") // RFC 6749, section 3.1.2.3
	}
	only := client.RedirectURIs[0]
	return only, s.refuseTarget(only)
}

func (s *Server) matchRedirectURI(ctx context.Context, client *Client, named string) *Error {
	if s.can.redirectURIs != nil {
		ok, err := s.can.redirectURIs.ValidateRedirectURI(ctx, named, client)
		switch {
		case err != nil:
			return modelFailure(err, unregistered())
		case !ok:
			return unregistered()
		}
		return nil
	}
	for _, registered := range client.RedirectURIs {
		if named == registered || client.Public && sameButPort(registered, named) {
			return nil
		}
	}
	return unregistered()
}

func unregistered() *Error {
	return refusal(InvalidRequest, "redirect_uri_unregistered", "Invalid request: `redirect_uri` does not match client value")
}

// sameButPort compares two loopback URIs. A native app listens on whatever port is free (RFC 8252, section 7.3); host,
// path and query are as registered.
func sameButPort(registered, named string) bool {
	a, ok := cutLoopbackPort(registered)
	b, alsoOK := cutLoopbackPort(named)
	return ok && alsoOK && a == b
}

// cutLoopbackPort returns a loopback URI without its port. It works on the text: a parser forgives what a browser, or
// the next parser, reads differently.
func cutLoopbackPort(uri string) (string, bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]", "http://localhost"} {
		rest, ok := strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			rest = strings.TrimLeft(port, "0123456789")
			if digits := len(port) - len(rest); digits == 0 || digits > 5 {
				return "", false
			}
		}
		return host + rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", false
}

// parameter is a name and a value for the client, in the order of the answer.
type parameter struct{ name, value string }

// responseParameters are what an authorization response may carry.
var responseParameters = []string{"code", "state", "iss", "error", "error_description", "error_uri",
	"access_token", "token_type", "expires_in"}

func isResponseParameter(part string) bool {
	name, _, _ := strings.Cut(part, "=")
	name, err := url.QueryUnescape(name)
	return err == nil && slices.Contains(responseParameters, name)
}

// answerAt puts parameters behind the redirection URI, in its query or in the fragment. The registered query stays, byte
// by byte (RFC 6749, section 3.1.2), but for parameters that only the server may send.
func answerAt(target string, fragment bool, parameters []parameter) string {
	base, query, _ := strings.Cut(target, "?")
	var buffer [512]byte // for most
	answer, before := append(buffer[:0], base...), byte('?')
	for part := range strings.SplitSeq(query, "&") {
		if part != "" && !isResponseParameter(part) {
			answer = append(append(answer, before), part...)
			before = '&'
		}
	}
	if fragment {
		before = '#'
	}
	for _, p := range parameters {
		answer = append(append(append(answer, before), p.name...), '=')
		answer = append(answer, url.QueryEscape(p.value)...)
		before = '&'
	}
	return string(answer)
}

// redirect sends the browser to location. Only 302, and 303 after a POST: 307 would repeat the POST, and the owner's
// password with it, at the client (RFC 9700, section 4.12).
func redirect(w http.ResponseWriter, r *http.Request, location string) {
	setHeaders(w.Header(), unstored, []string{"Location", location})
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	w.WriteHeader(status)
}
