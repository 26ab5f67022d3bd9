// Where requests come from, through proxies.

package ratelimit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
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

// addressOf returns where a request comes from. The header is names and values
// in turn.
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

// through is a row of a table: what a proxy of ours sends, and where it comes
// from.
type through struct {
	name   string
	header []string
	want   string
}

func requireAddresses(t *testing.T, rows []through) {
	address := Forwarded(ours)
	for _, row := range rows {
		require.Equal(t, row.want, addressOf(address, "127.0.0.1:5", row.header...), row.name)
		require.Equal(t, "192.0.2.1", addressOf(address, "192.0.2.1:5", row.header...), "%s, a stranger", row.name)
	}
}

func TestWhoIsAProxy(t *testing.T) {
	address := Forwarded(ours)
	for _, row := range []struct{ name, peer, want string }{
		{"a stranger", "192.0.2.1:5", "192.0.2.1"},
		{"a stranger, no port", "192.0.2.1", "192.0.2.1"},
		{"IPv4", "127.0.0.1:5", "198.51.100.7"},
		{"no port", "127.0.0.1", "198.51.100.7"},
		{"IPv6", "[::1]:5", "198.51.100.7"},
		{"a zone", "[fe80::1%eth0]:5", "198.51.100.7"},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:5", "198.51.100.7"},
		{"a network that is IPv4 in IPv6", "10.2.3.4:5", "198.51.100.7"},
		{"a Unix socket", "@", "198.51.100.7"},
		{"a Unix socket without a name", "", "198.51.100.7"},
		{"a Unix socket with a name", "/run/proxy.sock", "198.51.100.7"},
		{"no address, and no Unix socket", "pipe", "none"},
	} {
		require.Equal(t, row.want, addressOf(address, row.peer, xff, "198.51.100.7"), row.name)
		require.Equal(t, row.want, addressOf(address, row.peer, fwd, "for=198.51.100.7"), row.name)
	}
	require.Equal(t, "127.0.0.1", addressOf(Forwarded(nil), "127.0.0.1:5", xff, "198.51.100.7"), "no proxies")
	require.Equal(t, "none", addressOf(Forwarded(ours[:1]), "@", xff, "198.51.100.7"), "no Unix sockets")
}

func TestXForwardedFor(t *testing.T) {
	lines := func(lines ...string) (header []string) {
		for _, line := range lines {
			header = append(header, xff, line)
		}
		return header
	}
	const client = "198.51.100.7"
	requireAddresses(t, []through{
		{"a client", lines(client), client},
		{"a stranger who writes before the proxy does", lines("192.0.2.8, 192.0.2.9, 198.51.100.7"), client},
		{"… a header of their own", lines("192.0.2.9", client), client},
		{"… that they are a proxy", lines("192.0.2.9, 127.0.0.1, 198.51.100.7"), client},
		{"… a header without end", lines(strings.Repeat("10.1.0.1, ", 10_000) + client), client},
		{"two proxies of ours", lines("192.0.2.9, 198.51.100.7, 10.1.2.3"), client},
		{"two proxies of ours, two headers", lines("192.0.2.9, 198.51.100.7", "10.1.2.3"), client},
		{"three proxies of ours", lines("198.51.100.7:5, [::1]:5, ::ffff:10.1.2.3"), client},
		{"a proxy of ours asks for itself", lines("10.1.2.3"), "10.1.2.3"},
		{"… through another", lines("10.1.2.4, 10.1.2.3"), "10.1.2.4"},
		{"as many proxies as anybody may have", lines(client + strings.Repeat(", 10.1.0.1", 31)), client},
		{"one more", lines(client + strings.Repeat(", 10.1.0.1", 32)), "none"},
		{"many more, a header each", lines(slices.Repeat([]string{client, "10.1.0.1", "::1"}, 100)[1:]...), client},
		{"… all of them ours", lines(slices.Repeat([]string{"10.1.0.1", "::1"}, 100)...), "none"},

		{"a proxy that sends nothing", nil, "127.0.0.1"},
		{"a proxy that sends no address", lines("192.0.2.9, unknown"), "none"},
		{"… but unix:", lines("unix:"), "none"},
		{"… but an empty text", lines(""), "none"},
		{"… but an empty text behind a stranger's", lines("192.0.2.9, "), "none"},
		{"… but an empty text, in its own header", lines("192.0.2.9", ""), "none"},
		{"… as the second of ours", lines("192.0.2.9, unknown, 10.1.2.3"), "none"},

		{"port", lines("198.51.100.7:4711"), client},
		{"spaces", lines("192.0.2.9 ,\t 198.51.100.7 \t"), client},
		{"no spaces", lines("192.0.2.9,198.51.100.7"), client},
		{"quotes", lines(`"198.51.100.7"`), client},
		{"quotes, brackets, port", lines(`192.0.2.9, "[2001:db8::1]:4711"`), "2001:db8::1"},
		{"zone", lines("2001:db8::1%eth0"), "2001:db8::1"},
		{"one quote", lines(`"`), "none"},
	})
}

func TestStandardForwarded(t *testing.T) {
	const client = "198.51.100.7"
	for _, row := range []struct{ name, line, want string }{
		{"of RFC 7239", "for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"},
		{"of RFC 7239, IPv6", `For="[2001:db8:cafe::17]:4711"`, "2001:db8:cafe::17"},
		{"of RFC 7239, a list", "for=192.0.2.43, for=198.51.100.7", client},
		{"IPv6 without quotes", `for=[2001:db8::17]:4711;proto=https`, "2001:db8::17"},
		{"case and order", `proto=https;FOR=198.51.100.7;BY="_x;for=192.0.2.9"`, client},
		{"spaces", "for=192.0.2.43 , by=203.0.113.1 ; for=198.51.100.7 ;; ", client},
		{"escapes", `for="198.51\.100\.7";host="a\",b;for=192.0.2.9,c\\"`, client},
		{"a quote at the end", `for=192.0.2.9, host="\\\"";for=198.51.100.7`, client},
		{"several elements", `for=192.0.2.43, for="[2001:db8::9]", for=198.51.100.7`, client},
		{"two proxies of ours", `for=192.0.2.9, for="198.51.100.7:80", for="10.1.2.3:80";by="_a,b"`, client},

		{"unknown", "for=192.0.2.43, for=unknown", "none"},
		{"obfuscated", "for=192.0.2.43, for=_SEVKISEK", "none"},
		{"nothing of the client", "for=192.0.2.43, proto=https;by=10.1.2.3", "none"},
		{"two clients", "for=192.0.2.43;for=192.0.2.44", "none"},
		{"empty", "", "none"},
		{"empty element", "for=192.0.2.43, ", "none"},
		{"no parameter", "192.0.2.43", "none"},
		{"nothing between parameters", `host="a"for=192.0.2.43`, "none"},
		{"open quote", `for="192.0.2.43`, "none"},
		{"open escape", `for="192.0.2.43\`, "none"},

		{"a stranger's open quote", `for=192.0.2.43;by=", for=198.51.100.7`, client},
		{"… around ours", `for=192.0.2.43;by=", for="198.51.100.7"`, client},
		{"… with an escape", `for=192.0.2.43;by="\, for="198.51.100.7";host="x"`, client},
	} {
		requireAddresses(t, []through{
			{row.name, []string{fwd, row.line}, row.want},
			{row.name + ", behind a header of a stranger's", []string{fwd, "for=192.0.2.9", fwd, row.line}, row.want},
		})
	}
}

// A proxy that sets one header lets strangers write the other.
func TestBothHeaders(t *testing.T) {
	requireAddresses(t, []through{
		{"they agree", []string{xff, "198.51.100.7:80", fwd, "for=192.0.2.9, for=198.51.100.7"}, "198.51.100.7"},
		{"they do not", []string{xff, "198.51.100.7", fwd, "for=192.0.2.9"}, "none"},
		{"one is no address", []string{xff, "198.51.100.7", fwd, "for=unknown"}, "none"},
		{"the other is none", []string{xff, "unknown", fwd, "for=192.0.2.9"}, "none"},
	})
}

// One header is read, and every other might as well not be there.
func TestForwardedIn(t *testing.T) {
	all := []string{
		xff, "192.0.2.9, 198.51.100.1",
		fwd, "for=192.0.2.9, for=198.51.100.2;by=10.1.0.1",
		"X-Real-Ip", "198.51.100.3",
	}
	for _, row := range []struct{ header, want string }{
		{xff, "198.51.100.1"},
		{"x-forwarded-for", "198.51.100.1"},
		{fwd, "198.51.100.2"},
		{"forwarded", "198.51.100.2"},
		{"X-Real-IP", "198.51.100.3"},
		{"True-Client-Ip", "127.0.0.1"},
	} {
		address := ForwardedIn(row.header, ours)
		require.Equal(t, row.want, addressOf(address, "127.0.0.1:5", all...), row.header)
		require.Equal(t, "192.0.2.1", addressOf(address, "192.0.2.1:5", all...), row.header)
		require.Equal(t, "127.0.0.1", addressOf(address, "127.0.0.1:5"), row.header)
		require.Equal(t, "none", addressOf(address, "127.0.0.1:5", row.header, "unknown"), row.header)
	}
}

// A list of proxies that changes afterwards changes nothing.
func TestProxiesAreCopied(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	address := Forwarded(proxies)
	proxies[0] = netip.MustParsePrefix("0.0.0.0/0")
	require.Equal(t, "192.0.2.1", addressOf(address, "192.0.2.1:5", xff, "198.51.100.7"))
}

// proxied sends one secret through the proxy, with the header.
func (s *site) proxied(secret string, header ...string) int {
	return s.send(s.t.Context(), "127.0.0.1:5", "/token", withSecret("app", secret), header...).Code
}

// However a proxy writes addresses, one client's failures are that client's.
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
				require.Equal(t, 400, s.proxied("wrong", row.header, row.stranger))
			}
			require.Equal(t, 429, s.proxied(secret, row.header, row.stranger))
			require.Equal(t, 200, s.proxied(secret, row.header, row.owner))
			require.Equal(t, 200, s.proxied(secret), "the proxy itself")
		})
	}
}

// A stranger writes what the proxy does not overwrite: other addresses before
// their own, and the other header. They get no further, or to the one bucket of
// all who do that, and fill nobody's.
func TestAttack_HeadersThatAStrangerWrites(t *testing.T) {
	const stranger, victim = "203.0.113.9", "198.51.100.7"
	changing := func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }
	either := Forwarded(ours)
	for _, row := range []struct {
		name    string
		address func(*http.Request) netip.Addr
		header  func(i int) []string
	}{
		{"before their own", either, func(i int) []string {
			return []string{xff, victim + ", " + changing(i) + ", " + stranger}
		}},
		{"a header of their own", either, func(i int) []string {
			return []string{xff, changing(i), xff, stranger}
		}},
		{"no address before their own", either, func(i int) []string {
			return []string{xff, fmt.Sprintf("x%d, %s", i, stranger)}
		}},
		{"an open quote before their own", either, func(i int) []string {
			return []string{fwd, fmt.Sprintf(`for=%s;by=", for=%s`, changing(i), stranger)}
		}},
		{"the other header", either, func(i int) []string {
			return []string{xff, stranger, fwd, "for=" + changing(i)}
		}},
		{"the other header, with the victim's address", either, func(int) []string {
			return []string{xff, stranger, fwd, "for=" + victim}
		}},
		{"the other header, the other way round", either, func(i int) []string {
			return []string{fwd, "for=" + stranger, xff, changing(i)}
		}},
		{"the other header, which is not read", ForwardedIn(fwd, ours), func(i int) []string {
			return []string{fwd, "for=" + stranger, xff, changing(i)}
		}},
		{"an address of the same /64", either, func(i int) []string {
			return []string{xff, fmt.Sprintf("[2001:db8::%x]:%d", i, i)}
		}},
		{"names that change", either, func(i int) []string {
			return []string{fwd, fmt.Sprintf("for=_%d", i)}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			s.limiter.Address = row.address
			for i := range 3 {
				require.Equal(t, 400, s.proxied("wrong", row.header(i)...))
			}
			for i := range 20 {
				require.Equal(t, 429, s.proxied(secret, row.header(3+i)...))
			}
			require.Equal(t, 200, s.proxied(secret, xff, victim))
			require.Equal(t, 200, s.proxied(secret, fwd, "for="+victim))
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

// Whatever a stranger wrote before: the entry that the proxy adds is the
// client.
func FuzzForwarded(f *testing.F) {
	for _, text := range []string{
		"", "1.2.3.4", `for="`,
		`for=1.2.3.4;by="\`, `"\\\"`, "[::1]:80, unknown", ",,;=\t", `for=_x;FOR="[2001:db8::1]:1"`,
	} {
		f.Add(text)
	}
	address := Forwarded(ours)
	proxied := strings.NewReplacer("198.51.100.7", "10.1.0.1", "2001:db8::7", "::1")
	f.Fuzz(func(t *testing.T, before string) {
		for _, row := range []struct{ header, added, want string }{
			{xff, "198.51.100.7", "198.51.100.7"},
			{xff, `"[2001:db8::7]:4711"`, "2001:db8::7"},
			{fwd, "for=198.51.100.7;proto=https", "198.51.100.7"},
			{fwd, `by="_\"a,b";for="[2001:db8::7]:4711";host="\\"`, "2001:db8::7"},
		} {
			for _, header := range [][]string{
				{row.header, before + "," + row.added},
				{row.header, before, row.header, row.added},
				{row.header, before + ", " + row.added + ", " + proxied.Replace(row.added)}, // two proxies of ours
			} {
				require.Equal(t, row.want, addressOf(address, "127.0.0.1:5", header...))
			}
			addressOf(address, "127.0.0.1:5", row.header, before)
		}
	})
}
