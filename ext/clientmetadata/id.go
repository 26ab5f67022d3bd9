// This file decides which addresses can be the ID of a client, before any of them
// is resolved.

package clientmetadata

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// maxID bounds an ID.
const maxID = 512

// parseID returns the address of a document. An ID has one spelling: one that
// two parsers could read differently is refused, and so is one with an IP
// address. It is stricter than the draft, section 3, which allows a port and
// advises against a query. With loopback, an ID may also be on this machine: by
// https or http, with a port.
func parseID(id string, loopback bool) (*url.URL, error) {
	scheme, rest, _ := strings.Cut(id, "://")
	host, path, hasPath := strings.Cut(rest, "/")
	local := loopback && isLoopback(host)
	switch {
	case scheme != "https" && !(local && scheme == "http"):
		return nil, errors.New("it is not https")
	case len(id) > maxID:
		return nil, errors.New("it is too long")
	case !hasPath || path == "":
		return nil, errors.New("it has no path")
	case !local && !isDomain(host):
		return nil, errors.New("its host is no domain name in lower case")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return nil, errors.New("its path has a dot segment")
		}
	}
	if strings.Contains("/"+path, "//") || !isPath(path) {
		return nil, errors.New("its path is not in its normal form, or it has a query or a fragment")
	}
	u, err := url.Parse(id)
	if err != nil || u.String() != id || u.Host != host {
		return nil, errors.New("it is not in its normal form")
	}
	return u, nil
}

// isDomain reports whether a host is a domain name of several labels (RFC 1123,
// section 2.1). The last one has no digits, unless it is punycode, so that no
// spelling of an IP address is one (URL Standard, section 3.5).
func isDomain(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			!consistsOf(label, "-"+digits+lower) {
			return false
		}
	}
	dot := strings.LastIndexByte(host, '.')
	last := host[dot+1:]
	return dot >= 0 && len(host) <= 253 && (consistsOf(last, lower) || strings.HasPrefix(last, "xn--"))
}

// isLoopback reports whether a host, with or without a port, is this machine.
func isLoopback(host string) bool {
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || port[0] == '0' {
			return false
		}
	}
	return name == "localhost" || name == "127.0.0.1"
}

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

	unreserved = digits + lower + upper + "-._~" // RFC 3986, section 2.3
)

// isPath reports whether a path is in its normal form (RFC 3986, section
// 6.2.2): what needs no escape has none, and escapes are in upper case. An
// escaped control, slash, backslash or percent sign is refused, as some servers
// decode it twice.
func isPath(path string) bool {
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '%':
			if i+2 >= len(path) || !consistsOf(path[i+1:i+3], digits+"ABCDEF") {
				return false
			}
			escaped, err := strconv.ParseUint(path[i+1:i+3], 16, 8)
			if err != nil || escaped < 0x20 || escaped == 0x7f || strings.IndexByte(unreserved+`/\%`, byte(escaped)) >= 0 {
				return false
			}
			i += 2
		case strings.IndexByte(unreserved+"/!$&'()*+,;=:@", c) < 0:
			return false
		}
	}
	return true
}

func consistsOf(text, characters string) bool {
	return text != "" && strings.Trim(text, characters) == ""
}
