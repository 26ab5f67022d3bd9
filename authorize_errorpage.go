// This file answers the browser itself if an authorization request must not be
// redirected.

package oauth2server

import (
	"crypto/rand"
	"html"
	"io"
	"net/http"
	"strings"
)

// showError answers the browser itself: with a page for people, with a JSON
// document for programs.
func (s *Server) showError(w http.ResponseWriter, r *http.Request, about Event, refused *Error) {
	// AuthenticateUser may accept bearer tokens: their refusal needs a
	// challenge.
	if refused.bearer || errorCodes[refused.Code].at == atResource {
		s.WriteError(w, r, refused)
		return
	}
	e := refused.sentFrom(everywhere).referenced()
	s.reportRefusal(r, about, e)
	forbidStoring(w)
	protectPage(w.Header())
	setErrorHeaders(w, e)
	switch {
	case s.options.ErrorHandler != nil:
		shown := *e
		shown.Status, shown.Err = e.status(), nil // the cause is in the log
		s.options.ErrorHandler(w, r, &shown)
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(e.status())
		io.WriteString(w, errorPage(e)) // an error means that the browser hung up
	default:
		writeErrorJSON(w, e)
	}
}

// referenced returns e with a new reference, in the alphabet of base32, so that
// people can read it out.
func (e *Error) referenced() *Error {
	own := *e
	own.Reference = rand.Text()[:8]
	return &own
}

// errorPage returns the page that a user sees if the browser cannot be
// redirected: what to do and a reference to quote, and for the client's
// developer the code and the description.
func errorPage(e *Error) string {
	title, advice := "The app sent a request that we cannot accept",
		"The app that sent you here made a mistake, or the link is broken. Nothing was granted."
	switch {
	case e.status() == http.StatusTooManyRequests:
		title, advice = "Too many attempts",
			"Wait for a while, then go back and try again. Nothing was granted."
	case e.status() == http.StatusForbidden:
		title, advice = "This form came from another site",
			"Go back to the app and begin again. Nothing was granted."
	case e.Code == AccessDenied:
		title, advice = "You are not signed in",
			"Go back and try again. Nothing was granted."
	case e.Code == ServerError, e.status() == http.StatusServiceUnavailable:
		title, advice = "We cannot answer at the moment",
			"Wait for a while, then go back and try again. Nothing was granted."
	}
	return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>` + title + `</title></head>
<body><h1>` + title + `</h1>
<p>` + advice + `</p>
<p><code>` + html.EscapeString(string(e.Code)) + `</code> ` + html.EscapeString(e.Description) + `</p>
<p>Reference: <code>` + e.Reference + `</code></p></body></html>
`
}

// protectPage keeps a page that signs people in or asks for consent out of
// frames (RFC 9700, section 4.16) and out of caches. The referrer policy is not
// no-referrer: with that, browsers send "Origin: null" with the form, and
// checkOrigin would refuse the owner's own sign-in.
func protectPage(header http.Header) {
	setHeaders(header, []string{
		"Cache-Control", "no-store",
		"Content-Security-Policy", "frame-ancestors 'none'",
		"X-Frame-Options", "DENY",
		"Referrer-Policy", "same-origin",
	})
}
