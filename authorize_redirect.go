// This file checks the redirection URI of an authorization request and builds
// the answer that goes there.

package oauth2server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/bodies"
	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// redirectURI returns where the answer to an authorization request goes, or why
// it may go nowhere. named is the request's redirect_uri, which refuseTarget
// has checked; empty if there is none.
func (s *Server) redirectURI(ctx context.Context, client *Client, named string) (string, *Error) {
	switch {
	case len(client.RedirectURIs) == 0:
		return "", refusal(InvalidClient, "client_without_redirect_uri",
			"Invalid client: no redirection URI is registered")
	case named == "" && len(client.RedirectURIs) > 1:
		return "", missing("redirect_uri") // RFC 6749, section 3.1.2.3
	}
	target := named
	var refused *Error
	if named == "" {
		target = client.RedirectURIs[0]
		refused = s.refuseTarget(target)
	} else {
		refused = s.matchRedirectURI(ctx, client, named)
	}
	if refused == nil && client.SelfAsserted {
		refused = refuseInClear(target)
	}
	if refused == nil && isRootless(target) && !client.Public {
		refused = refusal(InvalidRequest, "redirect_uri_not_allowed",
			"Invalid request: `redirect_uri`: "+
				"without a slash behind its scheme it is for public clients only")
	}
	return target, refused
}

// matchRedirectURI refuses a URI that is not registered. Any port will do for
// a loopback address (RFC 8252, section 7.3). A model's ValidateRedirectURI
// decides in place of these rules, unless the client asserts itself.
func (s *Server) matchRedirectURI(ctx context.Context, client *Client, named string) *Error {
	if s.can.redirectURIs != nil && !client.SelfAsserted {
		ok, err := s.can.redirectURIs.ValidateRedirectURI(ctx, named, client)
		switch {
		case err != nil:
			return modelFailure("ValidateRedirectURI", err, unregistered(client, named))
		case !ok:
			return unregistered(client, named)
		}
		return nil
	}
	for _, registered := range client.RedirectURIs {
		if named == registered || sameButPort(registered, named) {
			return nil
		}
	}
	return unregistered(client, named)
}

func unregistered(client *Client, named string) *Error {
	return &Error{
		Code:        InvalidRequest,
		Description: "Invalid request: `redirect_uri` is not one that is registered",
		reason:      "redirect_uri_unregistered",
		sent: []slog.Attr{
			sentText("redirect_uri", named), slog.Any("registered", client.RedirectURIs),
		},
	}
}

// refuseTarget refuses a redirection URI that no client may have, or that would
// send the answer in clear over a network (RFC 9700, section 2.6).
func (s *Server) refuseTarget(uri string) *Error {
	if err := checkTarget(uri); err != nil {
		return &Error{
			Code:        InvalidRequest,
			Description: "Invalid request: `redirect_uri`: " + err.Error(),
			reason:      "redirect_uri_not_allowed",
			sent:        []slog.Attr{sentText("redirect_uri", uri)},
		}
	}
	if s.options.InsecureAllowHTTPRedirects {
		return nil
	}
	return refuseInClear(uri)
}

// refuseInClear refuses http, unless the host is this machine.
func refuseInClear(uri string) *Error {
	scheme, _, _ := strings.Cut(uri, ":")
	_, loopback := cutLoopbackPort(uri)
	if grammar.EqualFold(scheme, "http") && !loopback {
		return &Error{
			Code: InvalidRequest,
			Description: "Invalid request: `redirect_uri` must be https; " +
				"http is for 127.0.0.1, [::1] and localhost",
			reason: "redirect_uri_in_clear",
			sent:   []slog.Attr{sentText("redirect_uri", uri)},
		}
	}
	return nil
}

// answerAt returns a redirection URI with parameters in its query or in its
// fragment. The registered query stays, byte by byte (RFC 6749, section 3.1.2),
// except for parameters that only the server may send.
func answerAt(target string, fragment bool, parameters []parameter) string {
	base, query, _ := strings.Cut(target, "?")
	var buffer [512]byte // enough for most answers
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

// redirect sends the browser to location, by 302, or by 303 after a POST: 307
// would repeat the POST, with the owner's password, at the client (RFC 9700,
// section 4.12). A script cannot see where a redirect goes, so it gets the
// location as a value.
func redirect(w http.ResponseWriter, r *http.Request, location string) {
	buffer := bodies.Buffer()
	body, status := (*buffer)[:0], http.StatusFound
	switch {
	case acceptsJSON(r):
		body = append(appendString(append(body, `{"location":`...), location), '}')
		status = http.StatusOK
		setHeaders(w.Header(), unstored, ofJSON)
	default:
		if r.Method == http.MethodPost {
			status = http.StatusSeeOther
		}
		// The link is for schemes that a browser does not follow by itself (RFC
		// 9110, section 15.4).
		body = append(appendAttribute(append(body, `<a href="`...), location), "\">Continue</a>\n"...)
		setHeaders(w.Header(), unstored, []string{"Location", location}, ofHTML)
	}
	w.WriteHeader(status)
	w.Write(body) // an error means that the browser hung up
	bodies.Release(buffer, body)
}

// appendAttribute appends a URI as the value of a quoted attribute. The
// ampersand is the only character of a URI that has a meaning there; see
// grammar.IsURIText.
func appendAttribute(b []byte, uri string) []byte {
	for i := range len(uri) {
		if b = append(b, uri[i]); uri[i] == '&' {
			b = append(b, "amp;"...)
		}
	}
	return b
}

// acceptsJSON reports whether a request asks for JSON rather than for a page.
func acceptsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}
