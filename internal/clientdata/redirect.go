// This file decides where answers for a client that nobody vouches for may go.

package clientdata

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// DefaultSchemes are the private-use schemes without a dot of well-known apps.
var DefaultSchemes = []string{"cursor", "vscode", "vscode-insiders", "windsurf", "claude"}

// Limits of redirection URIs.
const (
	maxURIs      = 10
	maxURILength = 1024
)

// CheckSchemes returns an error if one of the schemes cannot be that of an app.
func CheckSchemes(schemes []string) error {
	for _, scheme := range schemes {
		err := oauth2server.CheckRedirectURI(scheme + "://callback")
		if err != nil || scheme != strings.ToLower(scheme) || scheme == "http" || scheme == "https" {
			return fmt.Errorf("%q is no scheme of an app, in lower case", scheme)
		}
	}
	return nil
}

// redirectURIs returns those of the URIs that an answer may go to. One that can
// only be an attack or a mistake is an error. One with an unknown scheme is
// left out, as it could start any program; clients name the URIs of all their
// editions, so the others stay.
func redirectURIs(asked, schemes []string) (allowed []string, err error) {
	if schemes == nil {
		schemes = DefaultSchemes
	}
	if len(asked) == 0 || len(asked) > maxURIs {
		return nil, wrongURI("`redirect_uris` must have from 1 to %d URIs", maxURIs)
	}
	for i, uri := range asked {
		known, err := checkURI(uri, schemes)
		if err != nil {
			return nil, wrongURI("number %d of `redirect_uris`: %w", i+1, err)
		}
		if known && !slices.Contains(allowed, uri) {
			allowed = append(allowed, uri)
		}
	}
	if len(allowed) == 0 {
		return nil, wrongURI("`redirect_uris` must have one that is https, " +
			"http on a loopback address, or has a private-use scheme with a dot")
	}
	return allowed, nil
}

// checkURI returns an error for a redirection URI that can only be an attack or
// a mistake. known reports whether answers may go to its scheme.
func checkURI(uri string, schemes []string) (known bool, err error) {
	if len(uri) > maxURILength {
		return false, fmt.Errorf("it has more than %d characters", maxURILength)
	}
	parsed, parseErr := url.Parse(uri)
	known = parseErr != nil || slices.Contains([]string{"", "http", "https"}, parsed.Scheme) ||
		strings.Contains(parsed.Scheme, ".") || slices.Contains(schemes, parsed.Scheme)
	if !known && oauth2server.CheckRedirectURI(parsed.Scheme+"://callback") == nil {
		return false, nil
	}
	if err := oauth2server.CheckRedirectURI(uri); err != nil {
		// Without the URI, which may be long.
		return false, errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("oauth2server: redirection URI %q: ", uri)))
	}
	if parsed.Scheme == "http" && !slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, parsed.Hostname()) {
		return false, errors.New("http is for 127.0.0.1, [::1] and localhost alone")
	}
	return known, nil
}

// isRootless reports whether a URI has no slash behind its scheme, which
// [oauth2server.CheckClient] allows public clients only.
func isRootless(uri string) bool {
	_, rest, found := strings.Cut(uri, ":")
	return found && !strings.HasPrefix(rest, "/")
}

func wrongURI(format string, args ...any) *oauth2server.Error {
	return refused(InvalidRedirectURI, "client_redirect_uri", format, args...)
}

// cleanURI returns the address of a page about a client; empty if people must
// not be sent there.
func cleanURI(uri string) string {
	// CheckRedirectURI refuses hosts that browsers may read differently.
	if len(uri) > maxURILength || !grammar.EqualFold(uri[:min(len(uri), 8)], "https://") ||
		oauth2server.CheckRedirectURI(uri) != nil {
		return ""
	}
	return uri
}
