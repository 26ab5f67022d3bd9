// This file reads origins as browsers write them.

package oauth2server

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// checkOriginText returns an origin as browsers write it, or what is wrong with
// it.
func checkOriginText(origin string) (string, error) {
	err := checkAuthority(authorityOf(origin))
	if err == nil {
		err = checkCanonical(authorityOf(origin))
	}
	if err == nil {
		err = http.NewCrossOriginProtection().AddTrustedOrigin(asBrowsersWrite(origin))
	}
	return asBrowsersWrite(origin), err
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
