// This file refuses forms that a page of another site sends to the
// authorization endpoint.

package oauth2server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// trustOrigins prepares checkOrigin, and returns what is wrong with the
// options.
func (s *Server) trustOrigins() (wrong []error) {
	s.crossOrigin = http.NewCrossOriginProtection()
	for _, origin := range s.options.TrustedOrigins {
		err := checkAuthority(authorityOf(origin))
		if err == nil {
			err = checkCanonical(authorityOf(origin))
		}
		if err == nil {
			err = s.crossOrigin.AddTrustedOrigin(asBrowsersWrite(origin))
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

// checkCanonical refuses an authority that browsers write in another way, so
// that no form could come from it (URL Standard, section 3.5).
func checkCanonical(authority string) error {
	host, port := splitPort(authority)
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case strings.HasPrefix(port, ":0"):
		return errors.New("the port begins with a zero")
	case err == nil && address.Is4In6():
		return errors.New("write the address as IPv4")
	case err == nil && address.Is6() && "["+address.String()+"]" != host:
		return fmt.Errorf("write the address as [%s]", address)
	}
	return nil
}

// asBrowsersWrite returns an origin in lower case and without the default port
// of its scheme (RFC 6454, section 4).
func asBrowsersWrite(origin string) string {
	origin = strings.ToLower(origin)
	scheme, _, _ := strings.Cut(origin, ":")
	return strings.TrimSuffix(origin, map[string]string{"https": ":443", "http": ":80"}[scheme])
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
