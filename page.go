package oauth2server

import (
	"html"
	"io"
	"net/http"
	"strings"
)

// errorPage is what a browser's user sees when there is nobody to redirect to: what to do, and for the developer of the
// client code and description. It is put together by hand because html/template would make the linker keep every
// method of the program.
func errorPage(e *Error) string {
	advice := "The application that sent you here made a mistake, or the link is broken."
	switch {
	case e.status() == http.StatusTooManyRequests:
		advice = "Wait for a while, then go back and try again."
	case e.Code == AccessDenied:
		advice = "Go back and try again."
	}
	return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Authorization error</title></head>
<body><h1>This authorization request cannot be answered</h1>
<p>` + advice + ` Nothing was granted.</p>
<p><code>` + html.EscapeString(string(e.Code)) + `</code> ` + html.EscapeString(e.Description) + `</p></body></html>
`
}

// showError answers the browser itself: a page for people, a JSON document for programs.
func (s *Server) showError(w http.ResponseWriter, r *http.Request, about Event, refused *Error) {
	if refused.bearer || errorCodes[refused.Code].at == atResource {
		s.WriteError(w, r, refused)
		return
	}
	e := refused.sentFrom(everywhere)
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

// protectPage keeps a page that signs people in or asks for consent out of frames (RFC 9700, section 4.16) and caches.
// The referrer policy is not no-referrer: with that, browsers send "Origin: null" with the form, and the protection
// against cross-origin POSTs would refuse the owner's own sign-in.
func protectPage(header http.Header) {
	setHeaders(header, []string{"Cache-Control", "no-store", "Content-Security-Policy", "frame-ancestors 'none'",
		"X-Frame-Options", "DENY", "Referrer-Policy", "same-origin"})
}
