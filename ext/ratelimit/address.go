// This file reads addresses as connections and proxies write them.

package ratelimit

import (
	"net/http"
	"net/netip"
	"strings"
)

// peer returns the address at the other end of the connection. It is the zero
// address if there is none, as with a Unix socket.
func peer(r *http.Request) netip.Addr { return readAddress(r.RemoteAddr) }

// nat64 is the prefix under which IPv6-only servers see clients of IPv4
// (RFC 6052, section 2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// network returns what one subscriber has: an IPv4 address, or an IPv6 /64. All
// of IPv4 is in one /64 of NAT64, so there it is the address.
func network(address netip.Addr) netip.Addr {
	address = address.Unmap().WithZone("")
	if address.Is6() && !nat64.Contains(address) {
		return netip.PrefixFrom(address, 64).Masked().Addr()
	}
	return address
}

// readAddress reads an address with a port or without, IPv6 in brackets or
// bare, with a zone or without. The port and the zone are left out, and IPv4 in
// IPv6 is IPv4. It returns the zero address for anything else.
func readAddress(text string) netip.Addr {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		inner, port, closed := strings.Cut(inner, "]")
		if !closed || port != "" && port[0] != ':' {
			return netip.Addr{}
		}
		text = inner
	} else if strings.Count(text, ":") == 1 { // the form of connections; Parse would allocate an error
		text, _, _ = strings.Cut(text, ":")
	}
	address, err := netip.ParseAddr(text)
	if end := strings.LastIndexByte(text, ':'); err != nil && end >= 0 { // all eight groups, and a port
		address, _ = netip.ParseAddr(text[:end])
	}
	return address.Unmap().WithZone("")
}

// cutAddress takes the last address off a list like X-Forwarded-For.
func cutAddress(list string) (rest string, last netip.Addr, more bool) {
	comma := strings.LastIndexByte(list, ',')
	entry := strings.Trim(list[comma+1:], " \t")
	if len(entry) > 1 && entry[0] == '"' && entry[len(entry)-1] == '"' {
		entry = entry[1 : len(entry)-1]
	}
	return list[:max(comma, 0)], readAddress(entry), comma >= 0
}

// cutElement takes the last element off a list in Forwarded and reads the
// address of its client (RFC 7239, section 4). It looks for the beginning of
// the element from the end, which a proxy wrote: what a stranger wrote before
// it, such as a quotation mark that nothing closes, must not swallow it.
func cutElement(list string) (rest string, client netip.Addr, more bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"' && quoted:
			before := list[:i]
			quoted = (len(before)-len(strings.TrimRight(before, `\`)))%2 == 1 // it is escaped
		case list[i] == '"':
			quoted = true
		case list[i] == ',' && !quoted:
			return list[:i], readElement(list[i+1:]), true
		}
	}
	return "", readElement(list), false
}

// readElement returns the address in the parameter "for" of an element. It
// returns the zero address if the parameter is missing, is not an address, or
// occurs twice.
func readElement(element string) (client netip.Addr) {
	for found := false; ; {
		element = strings.TrimLeft(element, "; \t")
		if element == "" {
			return client
		}
		name, value, ok := strings.Cut(element, "=")
		if !ok {
			return netip.Addr{}
		}
		value, element, ok = cutValue(value)
		isClient := strings.EqualFold(name, "for")
		if !ok || isClient && found {
			return netip.Addr{}
		}
		if isClient {
			found, client = true, readAddress(value)
		}
	}
}

// cutValue takes a token or a quoted string off the beginning of an element,
// with the semicolon behind it.
func cutValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ";")
		return strings.TrimRight(value, " \t"), rest, true
	}
	var unquoted []byte
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		case '"':
			rest = strings.TrimLeft(text[i+1:], " \t")
			return string(unquoted), rest, rest == "" || rest[0] == ';'
		}
		unquoted = append(unquoted, text[i])
	}
	return "", "", false
}
