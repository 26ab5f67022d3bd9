// This file finds out where a request comes from, through proxies.

package ratelimit

import (
	"net/http"
	"net/netip"
	"slices"
)

// Forwarded is a [Limiter.Address] for a program behind proxies of its own,
// which connect from the networks in proxies and add the address of the client
// to X-Forwarded-For or to Forwarded (RFC 7239). The zero Prefix stands for a
// proxy that connects by a Unix socket.
//
// A stranger may write these headers too, so they are believed only from
// proxies, and read from their ends: the first address that is no proxy's is
// the client, and what is before it is the stranger's. Name only the proxies,
// not a network in which others are: what comes from there is believed.
//
// Addresses are read as proxies write them: with a port or without, IPv6 in
// brackets or bare, in quotes, with a zone. If a proxy writes something else
// (unknown, an obfuscated name, nothing), the result is the zero address: such
// requests share their buckets with each other, and with nobody whose address
// can be read. An obfuscated name gets no buckets of its own, as it may be
// another one for each request (RFC 7239, section 6.3). A proxy that sends none
// of the headers asks for itself.
//
// A proxy that sets only one of the headers lets a stranger write the other. If
// they do not agree, neither is believed, and the result is the zero address.
// So nobody can choose buckets, or fill those of others, by a header that the
// proxy does not set. [ForwardedIn] does not even read that one.
func Forwarded(proxies []netip.Prefix) func(*http.Request) netip.Addr {
	trusted := newNetworks(proxies)
	return func(r *http.Request) netip.Addr {
		address := peer(r)
		if !trusted.sent(r, address) {
			return address
		}
		listed, standard := r.Header[xForwardedFor], r.Header[forwarded]
		switch {
		case len(listed) == 0 && len(standard) == 0:
			return address
		case len(standard) == 0:
			return trusted.client(listed, cutAddress)
		case len(listed) == 0:
			return trusted.client(standard, cutElement)
		}
		address = trusted.client(listed, cutAddress)
		if trusted.client(standard, cutElement) != address {
			return netip.Addr{}
		}
		return address
	}
}

// ForwardedIn is [Forwarded] for proxies that are known to write the named
// header. It reads no other. Forwarded is read by RFC 7239, and every other
// header like X-Forwarded-For, as a list of addresses, or as one.
func ForwardedIn(header string, proxies []netip.Prefix) func(*http.Request) netip.Addr {
	trusted, name, cut := newNetworks(proxies), http.CanonicalHeaderKey(header), cutAddress
	if name == forwarded {
		cut = cutElement
	}
	return func(r *http.Request) netip.Addr {
		address := peer(r)
		if lines := r.Header[name]; len(lines) > 0 && trusted.sent(r, address) {
			return trusted.client(lines, cut)
		}
		return address
	}
}

const (
	xForwardedFor = "X-Forwarded-For"
	forwarded     = "Forwarded"
)

// networks are those that proxies of ours connect from.
type networks []netip.Prefix

// newNetworks returns a copy in which IPv4 in IPv6 is IPv4, as addresses are.
func newNetworks(prefixes []netip.Prefix) networks {
	n := slices.Clone(prefixes)
	for i, p := range n {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			n[i] = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
	}
	return n
}

func (n networks) contain(address netip.Addr) bool {
	return slices.ContainsFunc(n, func(p netip.Prefix) bool { return p.Contains(address) })
}

// sent reports whether a proxy sent r, which came from address.
func (n networks) sent(r *http.Request, address netip.Addr) bool {
	if n.contain(address) {
		return true
	}
	unix := r.RemoteAddr == "" || r.RemoteAddr[0] == '@' || r.RemoteAddr[0] == '/'
	return unix && slices.Contains(n, netip.Prefix{})
}

// client returns the last address in a header that is no proxy's, or if there
// is none the first, as a proxy asked for itself. cut takes the last entry off
// a list. Only entries that proxies wrote are looked at, so what a stranger
// wrote costs nothing.
func (n networks) client(lines []string, cut func(list string) (rest string, last netip.Addr, more bool)) netip.Addr {
	const most = 32 // proxies in a row
	var address netip.Addr
	entries := 0
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			line, address, more = cut(line)
			if !n.contain(address) { // one that cannot be read is not contained
				return address
			}
			if entries++; entries == most {
				return netip.Addr{}
			}
		}
	}
	return address
}
