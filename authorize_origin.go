// This file refuses forms that a page of another site sends to the
// authorization endpoint.

package oauth2server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
)

// trustOrigins prepares checkOrigin, and returns what is wrong with the
// options.
func (s *Server) trustOrigins() (wrong []error) {
	s.crossOrigin = http.NewCrossOriginProtection()
	for _, origin := range s.options.TrustedOrigins {
		written, err := checkOriginText(origin)
		if err == nil {
			err = s.crossOrigin.AddTrustedOrigin(written)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("option TrustedOrigins: %q: %w", origin, err))
		}
	}
	if issuer, err := url.Parse(s.options.Issuer); err == nil && issuer.Host != "" {
		// The error is ignored, as New checks Issuer by itself.
		s.crossOrigin.AddTrustedOrigin(asBrowsersWrite(issuer.Scheme + "://" + issuer.Host))
	}
	return wrong
}

// checkOrigin refuses a form that comes from another origin.
func (s *Server) checkOrigin(r *http.Request) *Error {
	err := s.crossOrigin.Check(r)
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	// Origin leaves out the scheme's default port, which Host may have.
	same := origin+":443" == "https://"+r.Host || origin+":80" == "http://"+r.Host
	if err == nil || site == "" && r.Host != "" && same {
		return nil
	}
	return &Error{
		Code:        AccessDenied,
		Description: "Access denied: the form came from another origin",
		Status:      http.StatusForbidden,
		Err:         err,
		reason:      "cross_origin",
		sent: []slog.Attr{
			sentText("origin", origin), sentText("host", r.Host), sentText("sec_fetch_site", site),
		},
	}
}
