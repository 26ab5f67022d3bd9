// This file checks the URLs that clients are told, and completes paths to them.

package oauth2server

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// resolve returns the URL of an endpoint, which may be a path on the host of
// the issuer; empty if there is none.
func resolve(issuer, endpoint string) string {
	base, err := url.Parse(issuer)
	if err != nil || endpoint == "" {
		return ""
	}
	resolved, err := base.Parse(endpoint)
	if err != nil {
		return ""
	}
	return resolved.String()
}

// isCleanPath reports whether net/http serves a path as it stands.
func isCleanPath(p string) bool { return path.Clean(p) == p }

// checkPublicURL returns why clients may not be told a URL; nil if they may. It
// must be https, or http on a loopback host, without user information and
// fragment (RFC 8414, section 2; RFC 6749, section 3.1 and 3.2).
func checkPublicURL(text string, allowHTTP bool) error {
	parsed, err := url.Parse(text)
	_, loopback := cutLoopbackPort(text)
	switch {
	case err != nil, !grammar.IsURIText(text):
		return errors.New("not a URL")
	case parsed.Hostname() == "":
		return fmt.Errorf("%q has no scheme or no host", text)
	case parsed.User != nil || strings.Contains(text, "#"):
		return fmt.Errorf("%q has a user or a fragment", text)
	case checkAuthority(authorityOf(text)) != nil:
		return fmt.Errorf("%q: %w", text, checkAuthority(authorityOf(text)))
	case parsed.Scheme == "https", loopback, parsed.Scheme == "http" && allowHTTP:
		return nil
	case parsed.Scheme == "http":
		return fmt.Errorf("%q is not https; http is for loopback hosts, or, in development, "+
			"with the option InsecureHTTPIssuer", text)
	}
	return fmt.Errorf("%q is not https", text)
}
