// This file finds out where a request comes from, through proxies.

package ratelimit

import (
	"net/http"
	"net/netip"
	"slices"
)

// Forwarded returns a [Limiter.Address] for a program behind its own proxies,
// which connect from the networks in proxies and add the address of the client
// to X-Forwarded-For or to Forwarded (RFC 7239). The zero Prefix stands for a
// proxy that connects by a Unix socket.
//
// A stranger can write these headers too, so they are trusted only from
// proxies, and read from the end: the first address that is not a proxy is the
// client, and what precedes it is ignored. Name only the proxies, not a network
// with other machines: everything from there is trusted.
//
// Addresses are read as proxies write them: with a port or without, IPv6 in
// brackets or bare, in quotes, with a zone. If a proxy writes something else
// (unknown, an obfuscated name, nothing), the result is the zero address: such
// requests share their buckets with each other, and with nobody whose address
// can be read. An obfuscated name gets no buckets of its own, as it may be
// another one for each request (RFC 7239, section 6.3). If a proxy sends none
// of the headers, the request is its own.
//
// A proxy that sets only one of the headers lets a stranger write the other. If
// they disagree, neither is trusted, and the result is the zero address. So
// nobody can choose buckets, or fill those of others, by a header that the
// proxy does not set. [ForwardedIn] does not read that one at all.
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

// ForwardedIn is [Forwarded] for proxies that write the named header. It reads
// no other. The header Forwarded is read by RFC 7239, every other one like
// X-Forwarded-For: as one address or a list.
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

// networks are the networks that our proxies connect from.
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

// client returns the last address in a header that is not a proxy. If all are,
// it returns the first: the request is the proxy's own. cut takes the last
// entry off a list. Only entries that proxies wrote are looked at, so what a
// stranger wrote costs nothing.
func (n networks) client(
	lines []string, cut func(list string) (rest string, last netip.Addr, more bool),
) netip.Addr {
	const most = 32 // proxies in a row
	var address netip.Addr
	entries := 0
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			line, address, more = cut(line)
			if !n.contain(address) { // an unreadable one is not contained
				return address
			}
			if entries++; entries == most {
				return netip.Addr{}
			}
		}
	}
	return address
}
