// Where requests come from, through proxies.

package ratelimit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ours are the proxies of the tests.
var ours = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.1.0.0/16"),
	netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::ffff:10.2.0.0/112"), {},
}

// addressOf returns where a request comes from whose header is made of names and values in turn.
func addressOf(find func(*http.Request) netip.Addr, peer string, header ...string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = peer
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if address := find(r); address.IsValid() {
		return address.String()
	}
	return "none"
}

const (
	xff = "X-Forwarded-For"
	fwd = "Forwarded"
)

func TestForwarded(t *testing.T) {
	address := Forwarded(ours)
	for _, c := range []struct {
		name, peer string
		header     []string
		want       string
	}{
		{"nobody in between", "192.0.2.1:5", nil, "192.0.2.1"},
		{"nobody in between, no port", "192.0.2.1", nil, "192.0.2.1"},
		{"a stranger who writes the header", "192.0.2.1:5", []string{xff, "198.51.100.7"}, "192.0.2.1"},
		{"a stranger who writes the other", "192.0.2.1:5", []string{fwd, "for=198.51.100.7"}, "192.0.2.1"},
		{"a stranger who says that he is a proxy", "192.0.2.1:5", []string{xff, "127.0.0.1"}, "192.0.2.1"},
		{"the proxy", "127.0.0.1:5", []string{xff, "198.51.100.7"}, "198.51.100.7"},
		{"the proxy, no port", "127.0.0.1", []string{xff, "198.51.100.7"}, "198.51.100.7"},
		{"the proxy, over IPv6", "[::1]:5", []string{xff, "2001:db8::7"}, "2001:db8::7"},
		{"the proxy, with a zone", "[fe80::1%eth0]:5", []string{xff, "2001:db8::7"}, "2001:db8::7"},
		{"the proxy, IPv4 in IPv6", "[::ffff:127.0.0.1]:5", []string{xff, "::ffff:198.51.100.7"}, "198.51.100.7"},
		{"the proxy's network, IPv4 in IPv6", "10.2.3.4:5", []string{xff, "198.51.100.7"}, "198.51.100.7"},
		{"the proxy, by a Unix socket", "@", []string{xff, "198.51.100.7"}, "198.51.100.7"},
		{"the proxy, by a Unix socket without a name", "", []string{xff, "198.51.100.7"}, "198.51.100.7"},
		{"the proxy, by a Unix socket with a name", "/run/proxy.sock", []string{xff, "198.51.100.7"}, "198.51.100.7"},
		{"no address, no Unix socket", "pipe", []string{xff, "198.51.100.7"}, "none"},

		{"a stranger who writes before the proxy does", "127.0.0.1:5", []string{xff, "192.0.2.8, 192.0.2.9, 198.51.100.7"}, "198.51.100.7"},
		{"… in a header of his own", "127.0.0.1:5", []string{xff, "192.0.2.9", xff, "198.51.100.7"}, "198.51.100.7"},
		{"… that he is a proxy", "127.0.0.1:5", []string{xff, "192.0.2.9, 127.0.0.1, 198.51.100.7"}, "198.51.100.7"},
		{"… a header without end", "127.0.0.1:5", []string{xff, strings.Repeat("10.1.0.1, ", 10_000) + "198.51.100.7"}, "198.51.100.7"},
		{"two proxies of ours", "127.0.0.1:5", []string{xff, "192.0.2.9, 198.51.100.7, 10.1.2.3"}, "198.51.100.7"},
		{"two proxies of ours, two headers", "127.0.0.1:5", []string{xff, "192.0.2.9, 198.51.100.7", xff, "10.1.2.3"}, "198.51.100.7"},
		{"three proxies of ours", "@", []string{xff, "198.51.100.7:5, [::1]:5, ::ffff:10.1.2.3"}, "198.51.100.7"},
		{"a proxy of ours asks for itself", "127.0.0.1:5", []string{xff, "10.1.2.3"}, "10.1.2.3"},
		{"… through another", "127.0.0.1:5", []string{xff, "10.1.2.4, 10.1.2.3"}, "10.1.2.4"},
		{"more proxies than anybody has", "127.0.0.1:5", []string{xff, "198.51.100.7" + strings.Repeat(", 10.1.0.1", 32)}, "none"},
		{"as many as somebody may have", "127.0.0.1:5", []string{xff, "198.51.100.7" + strings.Repeat(", 10.1.0.1", 31)}, "198.51.100.7"},
		{"… a header each", "127.0.0.1:5", strings.Split(xff+"|198.51.100.7"+strings.Repeat("|"+xff+"|10.1.0.1", 31), "|"), "198.51.100.7"},

		{"a proxy that says nothing", "127.0.0.1:5", nil, "127.0.0.1"},
		{"a proxy that says no address", "127.0.0.1:5", []string{xff, "192.0.2.9, unknown"}, "none"},
		{"… but unix:", "127.0.0.1:5", []string{xff, "unix:"}, "none"},
		{"… but an empty text", "127.0.0.1:5", []string{xff, ""}, "none"},
		{"… but an empty text behind a stranger's", "127.0.0.1:5", []string{xff, "192.0.2.9, "}, "none"},
		{"a proxy of ours that says nothing of its client", "127.0.0.1:5", []string{xff, "192.0.2.9, unknown, 10.1.2.3"}, "none"},
		{"port", "127.0.0.1:5", []string{xff, "198.51.100.7:4711"}, "198.51.100.7"},
		{"spaces", "127.0.0.1:5", []string{xff, "192.0.2.9 ,\t 198.51.100.7 \t"}, "198.51.100.7"},
		{"no spaces", "127.0.0.1:5", []string{xff, "192.0.2.9,198.51.100.7"}, "198.51.100.7"},
		{"quotes", "127.0.0.1:5", []string{xff, `"198.51.100.7"`}, "198.51.100.7"},
		{"quotes, brackets, port", "127.0.0.1:5", []string{xff, `192.0.2.9, "[2001:db8::1]:4711"`}, "2001:db8::1"},
		{"zone", "127.0.0.1:5", []string{xff, "2001:db8::1%eth0"}, "2001:db8::1"},
		{"one quote", "127.0.0.1:5", []string{xff, `"`}, "none"},

		{"standard", "127.0.0.1:5", []string{fwd, "for=192.0.2.60;proto=http;by=203.0.113.43"}, "192.0.2.60"},
		{"standard, IPv6", "127.0.0.1:5", []string{fwd, `For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"standard, IPv6 without quotes", "127.0.0.1:5", []string{fwd, `for=[2001:db8::17]:4711;proto=https`}, "2001:db8::17"},
		{"standard, case and order", "127.0.0.1:5", []string{fwd, `proto=https;FOR=192.0.2.60;BY="_x;for=192.0.2.9"`}, "192.0.2.60"},
		{"standard, spaces", "127.0.0.1:5", []string{fwd, "for=192.0.2.43 , by=203.0.113.1 ; for=198.51.100.17 ;; "}, "198.51.100.17"},
		{"standard, escapes", "127.0.0.1:5", []string{fwd, `for="198.51\.100\.17";host="a\",b;for=192.0.2.9,c\\"`}, "198.51.100.17"},
		{"standard, a quote at the end of what is escaped", "127.0.0.1:5", []string{fwd, `for=192.0.2.9, host="\\\"";for=198.51.100.17`}, "198.51.100.17"},
		{"standard, several elements", "127.0.0.1:5", []string{fwd, `for=192.0.2.43, for="[2001:db8::9]", for=198.51.100.17`}, "198.51.100.17"},
		{"standard, several headers", "127.0.0.1:5", []string{fwd, "for=192.0.2.43", fwd, "for=198.51.100.17"}, "198.51.100.17"},
		{"standard, two proxies of ours", "127.0.0.1:5", []string{fwd, `for=192.0.2.9, for="198.51.100.17:80", for="10.1.2.3:80";by="_a,b"`}, "198.51.100.17"},
		{"standard, unknown", "127.0.0.1:5", []string{fwd, "for=192.0.2.43, for=unknown"}, "none"},
		{"standard, obfuscated", "127.0.0.1:5", []string{fwd, "for=192.0.2.43, for=_SEVKISEK"}, "none"},
		{"standard, nothing of the client", "127.0.0.1:5", []string{fwd, "for=192.0.2.43, proto=https;by=10.1.2.3"}, "none"},
		{"standard, two clients", "127.0.0.1:5", []string{fwd, "for=192.0.2.43;for=192.0.2.44"}, "none"},
		{"standard, empty", "127.0.0.1:5", []string{fwd, ""}, "none"},
		{"standard, empty element", "127.0.0.1:5", []string{fwd, "for=192.0.2.43, "}, "none"},
		{"standard, no parameter", "127.0.0.1:5", []string{fwd, "192.0.2.43"}, "none"},
		{"standard, nothing between parameters", "127.0.0.1:5", []string{fwd, `host="a"for=192.0.2.43`}, "none"},
		{"standard, open quote", "127.0.0.1:5", []string{fwd, `for="192.0.2.43`}, "none"},
		{"standard, open escape", "127.0.0.1:5", []string{fwd, `for="192.0.2.43\`}, "none"},
		{"standard, a stranger's open quote", "127.0.0.1:5", []string{fwd, `for=192.0.2.43;by=", for=198.51.100.17`}, "198.51.100.17"},
		{"standard, … around ours", "127.0.0.1:5", []string{fwd, `for=192.0.2.43;by=", for="198.51.100.17"`}, "198.51.100.17"},
		{"standard, … with an escape", "127.0.0.1:5", []string{fwd, `for=192.0.2.43;by="\, for="198.51.100.17";host="x"`}, "198.51.100.17"},

		{"both, and they agree", "127.0.0.1:5", []string{xff, "198.51.100.7:80", fwd, "for=192.0.2.9, for=198.51.100.7"}, "198.51.100.7"},
		{"both, and they do not", "127.0.0.1:5", []string{xff, "198.51.100.7", fwd, "for=192.0.2.9"}, "none"},
		{"both, and one is no address", "127.0.0.1:5", []string{xff, "198.51.100.7", fwd, "for=unknown"}, "none"},
		{"both, and the other is none", "127.0.0.1:5", []string{xff, "unknown", fwd, "for=192.0.2.9"}, "none"},
	} {
		require.Equal(t, c.want, addressOf(address, c.peer, c.header...), c.name)
	}
	require.Equal(t, "127.0.0.1", addressOf(Forwarded(nil), "127.0.0.1:5", xff, "198.51.100.7"), "no proxies")
	require.Equal(t, "none", addressOf(Forwarded(ours[:1]), "@", xff, "198.51.100.7"), "no proxies by Unix sockets")
}

// One header is read, and every other might as well not be there.
func TestForwardedIn(t *testing.T) {
	all := []string{xff, "192.0.2.9, 198.51.100.1", fwd, "for=192.0.2.9, for=198.51.100.2;by=10.1.0.1", "X-Real-Ip", "198.51.100.3"}
	for header, want := range map[string]string{xff: "198.51.100.1", "x-forwarded-for": "198.51.100.1", fwd: "198.51.100.2",
		"forwarded": "198.51.100.2", "X-Real-IP": "198.51.100.3", "True-Client-Ip": "127.0.0.1"} {
		address := ForwardedIn(header, ours)
		require.Equal(t, want, addressOf(address, "127.0.0.1:5", all...), header)
		require.Equal(t, "192.0.2.1", addressOf(address, "192.0.2.1:5", all...), header)
		require.Equal(t, "127.0.0.1", addressOf(address, "127.0.0.1:5"), header)
		require.Equal(t, "none", addressOf(address, "127.0.0.1:5", header, "unknown"), header)
	}
}

// A list of proxies that changes afterwards changes nothing.
func TestProxiesAreCopied(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	address := Forwarded(proxies)
	proxies[0] = netip.MustParsePrefix("0.0.0.0/0")
	require.Equal(t, "192.0.2.1", addressOf(address, "192.0.2.1:5", xff, "198.51.100.7"))
}

// However a proxy writes addresses, one client's failures are that client's: row B7.
func TestAttack_AddressesThatAProxyWrites(t *testing.T) {
	for _, row := range []struct{ header, stranger, owner string }{
		{xff, "203.0.113.9", "198.51.100.7"},
		{xff, "203.0.113.9:4711", "198.51.100.7:4711"},
		{xff, "[2001:db8:1::9]:4711", "[2001:db8:2::7]:4711"},
		{xff, "[2001:db8:1::9]", "[2001:db8:2::7]"},
		{xff, "2001:db8:1::9", "2001:db8:2::7"},
		{xff, `"[2001:db8:1::9]:4711"`, `"[2001:db8:2::7]:4711"`},
		{xff, "::ffff:203.0.113.9", "::ffff:198.51.100.7"},
		{xff, "[64:ff9b::203.0.113.9]:4711", "[64:ff9b::198.51.100.7]:4711"},
		{xff, "unknown", "198.51.100.7"},
		{xff, "", "198.51.100.7"},
		{fwd, "for=203.0.113.9", "for=198.51.100.7"},
		{fwd, `for="203.0.113.9:4711"`, `for="198.51.100.7:4711"`},
		{fwd, `for="[2001:db8:1::9]:4711"`, `for="[2001:db8:2::7]:4711"`},
		{fwd, "proto=https;For=203.0.113.9;by=127.0.0.1", "proto=https;For=198.51.100.7;by=127.0.0.1"},
		{fwd, "for=unknown", "for=198.51.100.7"},
		{fwd, "for=_hidden", "for=198.51.100.7"},
	} {
		t.Run(row.header+": "+row.stranger, func(t *testing.T) {
			s := newSite(t)
			s.limiter.Address = Forwarded(ours)
			for range 3 {
				require.Equal(t, 400, s.send(t.Context(), "127.0.0.1:5", "/token", withSecret("app", "wrong"), row.header, row.stranger).Code)
			}
			require.Equal(t, 429, s.send(t.Context(), "127.0.0.1:5", "/token", withSecret("app", secret), row.header, row.stranger).Code)
			require.Equal(t, 200, s.send(t.Context(), "127.0.0.1:5", "/token", withSecret("app", secret), row.header, row.owner).Code)
			require.Equal(t, 200, s.secret("127.0.0.1:5", "app", secret), "the proxy itself")
		})
	}
}

// A stranger writes what the proxy does not overwrite: other addresses before his own, and the other header. He gets no
// further, or to the one bucket of those who do that, and fills nobody's.
func TestAttack_HeadersThatAStrangerWrites(t *testing.T) {
	const stranger, victim = "203.0.113.9", "198.51.100.7"
	for _, row := range []struct {
		name    string
		address func([]netip.Prefix) func(*http.Request) netip.Addr
		header  func(i int) []string
	}{
		{"before his own", Forwarded, func(i int) []string { return []string{xff, fmt.Sprintf("%s, 192.0.2.%d, %s", victim, i, stranger)} }},
		{"a header of his own", Forwarded, func(i int) []string { return []string{xff, fmt.Sprintf("192.0.2.%d", i), xff, stranger} }},
		{"no address before his own", Forwarded, func(i int) []string { return []string{xff, fmt.Sprintf("x%d, %s", i, stranger)} }},
		{"the other header", Forwarded, func(i int) []string { return []string{xff, stranger, fwd, fmt.Sprintf("for=192.0.2.%d", i)} }},
		{"the other header, the victim's address", Forwarded, func(int) []string { return []string{xff, stranger, fwd, "for=" + victim} }},
		{"the other header, the other way round", Forwarded, func(i int) []string { return []string{fwd, "for=" + stranger, xff, fmt.Sprintf("192.0.2.%d", i)} }},
		{"the other header, which is not read", func(p []netip.Prefix) func(*http.Request) netip.Addr { return ForwardedIn(fwd, p) },
			func(i int) []string { return []string{fwd, "for=" + stranger, xff, fmt.Sprintf("192.0.2.%d", i)} }},
		{"an address of the same /64", Forwarded, func(i int) []string { return []string{xff, fmt.Sprintf("[2001:db8::%x]:%d", i, i)} }},
		{"names that change", Forwarded, func(i int) []string { return []string{fwd, fmt.Sprintf("for=_%d", i)} }},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			s.limiter.Address = row.address(ours)
			send := func(fields url.Values, header ...string) int {
				return s.send(t.Context(), "127.0.0.1:5", "/token", fields, header...).Code
			}
			for i := range 3 {
				require.Equal(t, 400, send(withSecret("app", "wrong"), row.header(i)...))
			}
			for i := range 20 {
				require.Equal(t, 429, send(withSecret("app", secret), row.header(3+i)...))
			}
			require.Equal(t, 200, send(withSecret("app", secret), xff, victim))
			require.Equal(t, 200, send(withSecret("app", secret), fwd, "for="+victim))
		})
	}
}

// A header without end is no work: what a stranger wrote is not read.
func TestAttack_HeaderWithoutEnd(t *testing.T) {
	address := Forwarded(ours)
	requests := map[string]*http.Request{}
	for name, header := range map[string]http.Header{
		"list":             {xff: {strings.Repeat("10.1.0.1, ", 100_000) + "198.51.100.7"}},
		"list of proxies":  {xff: {strings.Repeat("10.1.0.1, ", 100_000) + "10.1.0.1"}},
		"headers":          {xff: append(strings.Split(strings.Repeat("10.1.0.1,", 100_000), ","), "10.1.0.1")},
		"standard":         {fwd: {strings.Repeat(`for="10.1.0.1\\";by="`, 50_000) + ", for=198.51.100.7"}},
		"standard, quotes": {fwd: {strings.Repeat(`\"`, 500_000)}},
		"standard, escape": {fwd: {`for="` + strings.Repeat(`\`, 1_000_000) + `"`}},
		"one entry":        {xff: {strings.Repeat("1:", 500_000)}},
		"one zone":         {xff: {"fe80::1%" + strings.Repeat(":", 1_000_000)}},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header = "127.0.0.1:5", header
		requests[name] = r
	}
	for name, r := range requests {
		began := time.Now()
		address(r)
		require.Less(t, time.Since(began), 5*time.Second, name)
	}
}

// Whatever a stranger wrote before: the entry that the proxy adds is the client.
func FuzzForwarded(f *testing.F) {
	for _, text := range []string{"", "1.2.3.4", `for="`, `for=1.2.3.4;by="\`, `"\\\"`, "[::1]:80, unknown", ",,;=\t", `for=_x;FOR="[2001:db8::1]:1"`} {
		f.Add(text)
	}
	address := Forwarded(ours)
	f.Fuzz(func(t *testing.T, before string) {
		for _, row := range []struct{ header, added, want string }{
			{xff, "198.51.100.7", "198.51.100.7"},
			{xff, `"[2001:db8::7]:4711"`, "2001:db8::7"},
			{fwd, "for=198.51.100.7;proto=https", "198.51.100.7"},
			{fwd, `by="_\"a,b";for="[2001:db8::7]:4711";host="\\"`, "2001:db8::7"},
		} {
			require.Equal(t, row.want, addressOf(address, "127.0.0.1:5", row.header, before+","+row.added))
			require.Equal(t, row.want, addressOf(address, "127.0.0.1:5", row.header, before, row.header, row.added))
			require.Equal(t, row.want, addressOf(address, "127.0.0.1:5", row.header, before+", "+row.added+", "+strings.NewReplacer(
				"198.51.100.7", "10.1.0.1", "2001:db8::7", "::1").Replace(row.added)))
			addressOf(address, "127.0.0.1:5", row.header, before)
		}
	})
}
