package ratelimit

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Forwarded is a [Limiter.Address] for a program behind proxies of its own, which connect from those addresses. A stranger
// may write X-Forwarded-For as well, so it is believed only from them, and of its list only the last entry, which the
// proxy added. With two proxies in a row that is the outer one: let the inner one replace the list by what it believes.
func Forwarded(proxies []netip.Prefix) func(*http.Request) netip.Addr {
	return func(r *http.Request) netip.Addr {
		peer, _ := netip.ParseAddrPort(r.RemoteAddr)
		address := peer.Addr().Unmap()
		if !slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(address) }) {
			return address
		}
		lists := r.Header.Values("X-Forwarded-For")
		if len(lists) == 0 {
			return address
		}
		list := lists[len(lists)-1]
		last := strings.TrimSpace(list[strings.LastIndex(list, ",")+1:])
		if forwarded, err := netip.ParseAddr(last); err == nil {
			return forwarded.Unmap()
		}
		return address
	}
}
