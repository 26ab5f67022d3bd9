package fetch

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
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
		"fec0::1", "ff02::1", "2001:db8::1"} {
		require.False(t, isPublic(netip.MustParseAddr(text)), text)
	}
}

// An address on a private network is not reached: by its number, by a name that
// resolves to it, nor by a redirect (attack row 45).
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

	one := New(Options{AllowLoopback: true, InFlight: 1})
	one.inFlight <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = one.Get(ctx, server.URL, "*/*")
	require.ErrorIs(t, err, context.Canceled)
}
