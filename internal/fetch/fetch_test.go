package fetch

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsPublic(t *testing.T) {
	for _, text := range []string{"1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"} {
		require.True(t, isPublic(netip.MustParseAddr(text)), text)
	}
	for _, text := range []string{"127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "100.64.0.1", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.1",
		"224.0.0.1", "255.255.255.255", "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1",
		"64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "fc00::1", "fd12:3456::1", "fe80::1%eth0",
		"fec0::1", "ff02::1", "2001:db8::1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1",
		"2620:4f:8000::1", "100::1", "100:0:0:1::1", "3fff::1", "5f00::1", "2001:0:7f00:1::"} {
		require.False(t, isPublic(netip.MustParseAddr(text)), text)
	}
}

// An address on a private network is not reached: by its number, by a name that
// resolves to it, nor by a redirect.
func TestAttack_PrivateAddresses(t *testing.T) {
	var reached atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	c := New(Options{TLS: server.Client().Transport.(*http.Transport).TLSClientConfig})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433"} {
		_, err := c.PostForm(t.Context(), "https://"+host+":"+port+"/", url.Values{})
		require.Error(t, err, host)
		_, _, err = c.Get(t.Context(), "https://"+host+":"+port+"/", "*/*")
		require.Error(t, err, host)
	}
	require.Zero(t, reached.Load())
	for _, address := range []string{"http://1.1.1.1/", "ftp://example.com", "https://", "https://u:p@example.com/",
		"https://example.com/#x", "file:///etc/passwd", "https:example.com", "%"} {
		require.Error(t, c.Check(address), address)
	}
}

func TestAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/good", http.StatusFound)
		case "/large":
			fmt.Fprint(w, strings.Repeat("x", 6<<10))
		case "/endless":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/missing":
			http.NotFound(w, r)
		default:
			fmt.Fprint(w, r.Method, r.FormValue("a"))
		}
	}))
	defer server.Close()
	c := New(Options{AllowLoopback: true, Timeout: 300 * time.Millisecond})
	text, _, err := c.Get(t.Context(), server.URL+"/good", "*/*")
	require.NoError(t, err)
	require.Equal(t, "GET", string(text))
	for _, path := range []string{"/redirect", "/large", "/endless", "/missing"} {
		_, _, err := c.Get(t.Context(), server.URL+path, "*/*")
		require.Error(t, err, path)
	}
	status, err := c.PostForm(t.Context(), server.URL+"/redirect", url.Values{"a": {"1"}})
	require.NoError(t, err)
	require.Equal(t, 302, status)
	status, err = c.PostForm(t.Context(), server.URL+"/x", url.Values{"a": {"1"}})
	require.NoError(t, err)
	require.Equal(t, 200, status)
}

// An answer that is no document differs from an outage.
func TestAnOutageIsNoAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hangs-up":
			panic(http.ErrAbortHandler)
		case "/short":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "short")
		case "/encoded":
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "{}")
		case "/large":
			fmt.Fprint(w, strings.Repeat("x", 5<<10+1))
		case "/headers":
			w.Header().Set("X-Large", strings.Repeat("x", 17<<10))
			fmt.Fprint(w, "{}")
		default:
			status, err := strconv.Atoi(r.URL.Path[1:])
			if err == nil {
				w.Header().Set("Location", "/200")
				w.WriteHeader(status)
			}
			fmt.Fprint(w, r.Header)
		}
	}))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	c := New(Options{AllowLoopback: true})
	for _, path := range []string{"/201", "/301", "/307", "/400", "/401", "/403", "/404", "/410", "/encoded", "/large"} {
		_, _, err := c.Get(t.Context(), server.URL+path, "*/*")
		require.ErrorIs(t, err, ErrAnswer, path)
	}
	for _, path := range []string{"/408", "/429", "/500", "/502", "/503", "/hangs-up", "/short", "/headers"} {
		_, _, err := c.Get(t.Context(), server.URL+path, "*/*")
		require.Error(t, err, path)
		require.NotErrorIs(t, err, ErrAnswer, path)
	}
	text, _, err := c.Get(t.Context(), server.URL+"/200", "text/plain")
	require.NoError(t, err)
	require.Equal(t, "map[Accept:[text/plain] Connection:[close] User-Agent:[oauth2server]]", string(text))
}

// The wait for room is part of the time that a request has.
func TestRoomIsWaitedForInTime(t *testing.T) {
	held, release := make(chan bool), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			held <- true
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	}))
	defer server.Close()
	c := New(Options{AllowLoopback: true, InFlight: 1, Timeout: 300 * time.Millisecond})
	var slow sync.WaitGroup
	slow.Go(func() { c.Get(context.Background(), server.URL+"/slow", "*/*") })
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := c.Get(ctx, server.URL, "*/*")
	require.ErrorIs(t, err, context.Canceled)
	slow.Wait() // in time, and then there is room
	_, _, err = c.Get(t.Context(), server.URL, "*/*")
	require.NoError(t, err)

	c.inFlight <- struct{}{} // as if by others, who hold it for ever
	began := time.Now()
	_, _, err = c.Get(t.Context(), server.URL, "*/*")
	require.ErrorIs(t, err, ErrBusy)
	require.NotErrorIs(t, err, ErrAnswer)
	require.Less(t, time.Since(began), 5*time.Second)
	close(release)
}

// A name that resolves to a private address is refused when the connection is
// made, for each of its addresses, and it is resolved once.
func TestAttack_NamesThatResolveInside(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	server.StartTLS()
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	names := newNames(t, map[string][]string{
		"metadata.example": {"169.254.169.254"},
		"home.example":     {"127.0.0.1"},
		"mixed.example":    {"10.0.0.1", "127.0.0.1"},
		"six.example":      {"::1", "fd00::1", "::ffff:127.0.0.1"},
	})
	config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com" // whom the certificate is for
	c := New(Options{TLS: config, Resolver: names.resolver()})
	for host := range names.addresses {
		_, _, err := c.Get(t.Context(), "https://"+host+":"+port+"/", "*/*")
		require.ErrorContains(t, err, "not public", host)
		require.Equal(t, 1, names.asked(host), "%s is resolved once", host)
	}

	// What is checked is the address that is dialed, not the name: one of two is
	// refused, and the other one is reached.
	c = New(Options{TLS: config, Resolver: names.resolver(), AllowLoopback: true})
	for _, host := range []string{"home.example", "mixed.example"} {
		_, _, err = c.Get(t.Context(), "https://"+host+":"+port+"/", "*/*")
		require.NoError(t, err, host)
	}

	// A name that later resolves to a private address is refused then.
	names.set("home.example", "10.0.0.1")
	_, _, err = c.Get(t.Context(), "https://home.example:"+port+"/", "*/*")
	require.ErrorContains(t, err, "not public")
	require.Equal(t, 3, names.asked("home.example"))
}

// names is a name server.
type names struct {
	conn      net.PacketConn
	mu        sync.Mutex
	addresses map[string][]string
	questions map[string]int // for addresses of IPv4
}

func newNames(t *testing.T, addresses map[string][]string) *names {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &names{conn: conn, addresses: addresses, questions: map[string]int{}}
	var served sync.WaitGroup
	served.Go(n.serve)
	t.Cleanup(func() { conn.Close(); served.Wait() })
	return n
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("udp", n.conn.LocalAddr().String())
	}}
}

func (n *names) set(host string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses[host] = addresses
}

func (n *names) asked(host string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.questions[host]
}

func (n *names) serve() {
	packet := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		n.conn.WriteTo(n.answer(packet[:size]), from)
	}
}

// answer answers a question about addresses (RFC 1035, section 4).
func (n *names) answer(question []byte) []byte {
	var labels []string
	at := 12
	for question[at] != 0 {
		length := int(question[at])
		labels = append(labels, string(question[at+1:at+1+length]))
		at += 1 + length
	}
	kind := binary.BigEndian.Uint16(question[at+1:])
	host := strings.Join(labels, ".")
	n.mu.Lock()
	defer n.mu.Unlock()
	if kind == 1 {
		n.questions[host]++
	}
	answer := append([]byte(nil), question[:at+5]...)
	copy(answer[2:], []byte{0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	for _, text := range n.addresses[host] {
		addr := netip.MustParseAddr(text)
		if addr.Is4() != (kind == 1) {
			continue
		}
		answer[7]++
		answer = append(answer, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(addr.AsSlice())))
		answer = append(answer, addr.AsSlice()...)
	}
	return answer
}
