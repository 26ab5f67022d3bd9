package demo_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

// wire is a listener in memory, so that a test can have a clock of its own.
type wire struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

func newWire() *wire {
	closed := make(chan struct{})
	return &wire{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (l *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wire) Close() error   { l.close(); return nil }
func (l *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// dial connects and sends text.
func (l *wire) dial(t *testing.T, text string) net.Conn {
	client, server := net.Pipe()
	l.accepted <- server
	_, err := io.WriteString(client, text)
	require.NoError(t, err)
	return client
}

// Slow requests: nobody holds a connection by doing nothing.
func TestServeCutsOffWhoIsSlow(t *testing.T) {
	for _, c := range []struct {
		name, sent string
		most       time.Duration
	}{
		{"a header without end", "GET / HTTP/1.1\r\nHost: a\r\n", 10 * time.Second},
		{"a body without end", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1", 30 * time.Second},
		{"an answer that is not read", "GET /long HTTP/1.1\r\nHost: a\r\n\r\n", time.Minute},
		{"nothing more", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				listener, ended := newWire(), make(chan error, 1)
				go func() {
					ended <- demo.Serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						io.Copy(io.Discard, r.Body)
						if r.URL.Path == "/long" {
							w.Write(bytes.Repeat([]byte("x"), 1<<20))
						}
					}))
				}()
				started := time.Now()
				conn := listener.dial(t, c.sent)
				if c.most == time.Minute {
					time.Sleep(c.most) // it reads nothing, and the clock is the test's
					synctest.Wait()
				}
				_, err := io.Copy(io.Discard, conn)
				require.NoError(t, err)
				require.Equal(t, c.most, time.Since(started).Round(time.Second))
				require.NoError(t, conn.Close())
				stop()
				require.NoError(t, <-ended)
			})
		})
	}
}

// At the end, requests in flight have their time, and no more.
func TestServeEndsWell(t *testing.T) {
	for _, c := range []struct {
		takes, most time.Duration
		answer      string
	}{
		{3 * time.Second, 4 * time.Second, "done"},
		{time.Hour, 6 * time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			listener, ended := newWire(), make(chan error, 1)
			go func() {
				ended <- demo.Serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(c.takes):
						io.WriteString(w, "done")
					case <-r.Context().Done():
					}
				}))
			}()
			conn := listener.dial(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			synctest.Wait()
			stop()
			began := time.Now()
			answer, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.NoError(t, <-ended)
			require.LessOrEqual(t, time.Since(began), c.most)
			require.Contains(t, string(answer), c.answer)
		})
	}
}

func TestServeFailsWithItsListener(t *testing.T) {
	listener := newWire()
	require.NoError(t, listener.Close())
	require.ErrorIs(t, demo.Serve(t.Context(), listener, nil), net.ErrClosed)
}

func TestReachable(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 80}, "192.168.1.5:80"},
		{&net.TCPAddr{IP: net.IPv4zero, Port: 8080}, "127.0.0.1:8080"},
		{&net.TCPAddr{IP: net.IPv6unspecified, Port: 8080}, "127.0.0.1:8080"},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 8080}, "[::1]:8080"},
		{&net.UnixAddr{Name: "/run/a"}, "/run/a"},
	} {
		require.Equal(t, c.want, demo.Reachable(c.addr))
	}
}
