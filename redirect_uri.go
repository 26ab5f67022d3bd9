// This file checks redirection URIs, when a client is registered and when a
// request names one, and compares those of loopback hosts.

package oauth2server

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// CheckRedirectURI returns why uri cannot be registered as a redirection URI;
// nil if it can. It must be absolute, of printable ASCII, without fragment and
// user information (RFC 6749, section 3.1.2), of a scheme that runs no code in
// the browser, and without a response parameter in its query, as the client
// would get it twice. A host consists of letters, digits, hyphens and dots, or
// is an IP address, so that the answer goes to the host that people read.
//
// A loopback host is spelled 127.0.0.1, [::1] or localhost. A URI without a
// slash after its scheme needs a scheme with a dot, such as com.example.app:cb.
// Only public clients may have one, which [CheckClient] checks. Whether http is
// allowed for hosts other than loopback depends on
// [Options.InsecureAllowHTTPRedirects], so the server checks that.
func CheckRedirectURI(uri string) error {
	if err := checkTarget(uri); err != nil {
		return fmt.Errorf("oauth2server: redirection URI %q: %w", uri, err)
	}
	if isLoopbackOtherwise(uri) {
		return fmt.Errorf("oauth2server: redirection URI %q: write http://127.0.0.1, http://[::1] "+
			"or http://localhost, as no other spelling is compared", uri)
	}
	_, query, _ := strings.Cut(uri, "?")
	for part := range strings.SplitSeq(query, "&") {
		if isResponseParameter(part) {
			return fmt.Errorf("oauth2server: redirection URI %q: %q is a response parameter", uri, part)
		}
	}
	return nil
}

// codeSchemes are schemes for which a browser runs or shows the content of the
// URI itself, or of a local file.
var codeSchemes = []string{
	"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source",
}

// checkTarget returns why nothing may be redirected to uri, not even if a
// [RedirectURIValidator] allows it; nil if it may be.
func checkTarget(uri string) error {
	if isPlain(uri) {
		return checkAuthority(authorityOf(uri))
	}
	return checkParsed(uri)
}

func checkParsed(uri string) error {
	parsed, err := url.Parse(uri)
	switch {
	case !grammar.IsURIText(uri):
		return errors.New("not printable ASCII, or a character that a URI cannot have (RFC 3986, section 2)")
	case err != nil:
		return errors.New("not a URI")
	case parsed.Scheme == "":
		return errors.New("not absolute: it has no scheme")
	case slices.Contains(codeSchemes, parsed.Scheme):
		return fmt.Errorf("the scheme %s is not allowed", parsed.Scheme)
	case strings.Contains(uri, "#"):
		return errors.New("a fragment")
	case isRootless(uri):
		return checkRootless(uri, parsed.Scheme)
	case parsed.User != nil:
		return errors.New("user information")
	case parsed.Hostname() == "" && (parsed.Host != "" || parsed.Scheme == "http" || parsed.Scheme == "https"):
		return errors.New("no host")
	}
	return checkAuthority(authorityOf(uri))
}

// isPlain reports whether a URI is https, a host, and perhaps a path of
// characters that need no parser. Most are, and each code flow checks two.
func isPlain(uri string) bool {
	rest, found := strings.CutPrefix(uri, "https://")
	return found && !strings.HasPrefix(rest, "/") &&
		grammar.ConsistsOf(rest, func(c byte) bool { return grammar.IsUnreserved(c) || c == '/' })
}

// checkRootless checks a URI without a slash after its scheme. It is still
// absolute (RFC 3986, section 4.3), and an app may use it if its scheme is a
// reversed domain name (RFC 8252, section 7.1).
func checkRootless(uri, scheme string) error {
	_, rest, _ := strings.Cut(uri, ":")
	switch {
	case rest == "" || rest[0] == '?':
		return errors.New("nothing but a scheme")
	case scheme == "urn":
		return errors.New("a URN names no place to redirect to; " +
			"register a loopback URI (RFC 8252, section 7.3)")
	case !strings.Contains(scheme, "."):
		return errors.New("without a slash behind it, the scheme must be a domain name in reverse, " +
			"such as com.example.app (RFC 8252, section 7.1)")
	}
	return nil
}

// isRootless reports whether a URI has no slash after its scheme.
func isRootless(uri string) bool {
	_, rest, found := strings.Cut(uri, ":")
	return found && !strings.HasPrefix(rest, "/")
}

// authorityOf returns host and port as they are written. url.Parse would decode
// them.
func authorityOf(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	rest, found := strings.CutPrefix(rest, "//")
	if !found {
		return ""
	}
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// checkAuthority refuses hosts that people or browsers may read as another
// host: percent-encoded letters of other alphabets, and unusual spellings of an
// address.
func checkAuthority(authority string) error {
	host, port := splitPort(authority)
	if port != "" && !isPort(port) {
		return errors.New("the port is no number from 1 to 65535")
	}
	if literal, found := strings.CutPrefix(host, "["); found {
		address, err := netip.ParseAddr(strings.TrimSuffix(literal, "]"))
		if err != nil || !address.Is6() || address.Zone() != "" {
			return errors.New("the host is no IPv6 address")
		}
		return nil
	}
	switch {
	case host != "" && !grammar.ConsistsOf(host, isHostCharacter):
		return errors.New("the host may have letters, digits, hyphens and dots only; " +
			"write letters of other alphabets as punycode, and no wildcard")
	case host != "" && !areLabels(strings.TrimSuffix(host, ".")):
		return errors.New("a part of the host is empty or longer than 63 characters, " +
			"or begins or ends with a hyphen")
	case endsInNumber(host):
		if _, err := netip.ParseAddr(host); err != nil {
			return errors.New("the host ends in a number and is no IPv4 address")
		}
	}
	return nil
}

// areLabels reports whether the parts of host have a length and an order that
// RFC 1123, section 2.1, allows. The caller checks the characters.
func areLabels(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(host) <= 253
}

// splitPort splits what authorityOf returns. port includes the colon.
func splitPort(authority string) (host, port string) {
	end := strings.LastIndexByte(authority, ']') + 1 // of an IP literal
	if colon := strings.IndexByte(authority[end:], ':'); colon >= 0 {
		return authority[:end+colon], authority[end+colon:]
	}
	return authority, ""
}

// isPort reports whether text is a colon and a port.
func isPort(text string) bool {
	number, err := strconv.ParseUint(text[1:], 10, 16)
	return err == nil && number > 0
}

func isHostCharacter(c byte) bool { return grammar.IsUnreserved(c) && c != '_' && c != '~' }

// endsInNumber reports whether a browser takes a host for an IPv4 address (URL
// Standard, section 3.5).
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, found := strings.CutPrefix(strings.ToLower(last), "0x"); found {
		return hex == "" || grammar.ConsistsOf(hex, func(c byte) bool {
			return '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
		})
	}
	return grammar.ConsistsOf(last, func(c byte) bool { return '0' <= c && c <= '9' })
}

// sameButPort reports whether two loopback URIs differ at most in the port. A
// native app listens on any free port (RFC 8252, section 7.3); host, path and
// query must be as registered.
func sameButPort(registered, named string) bool {
	a, ok := cutLoopbackPort(registered)
	b, alsoOK := cutLoopbackPort(named)
	return ok && alsoOK && a == b
}

// cutLoopbackPort returns an http loopback URI without its port, with a slash
// for an empty path. It works on the text, as a parser accepts spellings that a
// browser or another parser reads differently.
func cutLoopbackPort(uri string) (string, bool) {
	if !strings.HasPrefix(uri, "http://") {
		return "", false
	}
	authority := authorityOf(uri)
	rest := uri[len("http://")+len(authority):]
	host, port := splitPort(authority)
	if !isLoopback(host) || port != "" && !isPort(port) {
		return "", false
	}
	if rest == "" || rest[0] == '?' {
		rest = "/" + rest
	}
	return "http://" + host + rest, true
}

// isLoopback reports whether a host, as it is written, is this machine. Names
// below localhost are too (RFC 6761, section 6.3).
func isLoopback(host string) bool {
	if below, found := strings.CutSuffix(host, ".localhost"); found {
		return grammar.ConsistsOf(below, isHostCharacter) && areLabels(below)
	}
	return host == "127.0.0.1" || host == "[::1]" || host == "localhost"
}

// isOwnDevice reports whether a browser reaches its own device by a host, in
// whatever spelling.
func isOwnDevice(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	address = address.Unmap()
	return isLoopback(host) || err == nil && (address.IsLoopback() || address.IsUnspecified())
}

// isLoopbackOtherwise reports whether an http URI has a loopback host in a
// spelling that isLoopback does not accept.
func isLoopbackOtherwise(uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	if _, loopback := cutLoopbackPort(uri); loopback || !grammar.EqualFold(scheme, "http") {
		return false
	}
	host, _ := splitPort(authorityOf(uri))
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return isLoopback(host) || err == nil && address == netip.IPv6Loopback()
}

// responseParameters are the parameters of an authorization response.
var responseParameters = []string{
	"code", "state", "iss", "error", "error_description", "error_uri",
	"access_token", "token_type", "expires_in",
}

func isResponseParameter(part string) bool {
	name, _, _ := strings.Cut(part, "=")
	name, err := url.QueryUnescape(name)
	return err == nil && slices.Contains(responseParameters, name)
}
