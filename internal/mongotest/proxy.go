// This file is a proxy that loses, cuts, delays and forges what a client and
// its server send to each other.

package mongotest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Fault is what happens to a command on its way.
type Fault string

const (
	// CutBefore closes the connection; the server never sees the command.
	CutBefore Fault = "cut before it arrives"

	// CutAfter closes the connection after the server has executed the command;
	// the reply is lost.
	CutAfter Fault = "cut before the reply"

	// DropBefore loses the command and keeps the connection open, so no reply
	// comes.
	DropBefore Fault = "drop before it arrives"

	// DropAfter loses the reply and keeps the connection open.
	DropAfter Fault = "drop the reply"

	// Late holds the command back until [Proxy.Deliver], when its sender has
	// given up.
	Late Fault = "arrive late"
)

// Faults has all faults.
var Faults = []Fault{CutBefore, CutAfter, DropBefore, DropAfter, Late}

// Proxy stands between a client and its servers and lets everything pass but
// one command. It is no server of its own: the client dials through it, so it
// stands in front of every server that the client finds.
type Proxy struct {
	uri      string
	tls      *tls.Config // for the connections to the servers; nil without TLS
	closed   chan struct{}
	handlers sync.WaitGroup

	mu        sync.Mutex
	countdown int // commands until the fault; 0 if none is to come
	fault     Fault
	hit       func()
	release   chan struct{} // closed by Deliver
	delivered chan struct{} // closed after a late command was executed
	forge     func(name string, command, reply bson.Raw) bson.D
	conns     map[net.Conn]bool
}

// NewProxy returns a proxy in front of the servers at uri, which may be any
// that the driver takes: with several hosts, by SRV, with TLS, with
// credentials. It ends when the test does; the clients should have ended
// before.
func NewProxy(t testing.TB, uri string) *Proxy {
	t.Helper()
	p := &Proxy{uri: uri, closed: make(chan struct{}), conns: map[net.Conn]bool{}}
	opts := options.Client().ApplyURI(uri)
	require.NoError(t, opts.Validate())
	p.tls = opts.TLSConfig
	t.Cleanup(p.close)
	return p
}

// Connect returns a client whose connections go through the proxy. It is
// disconnected when the test ends. opts are applied after the URI.
func (p *Proxy) Connect(t testing.TB, opts ...*options.ClientOptions) *mongo.Client {
	t.Helper()
	through := options.Client().ApplyURI(p.uri).SetTimeout(timeout).SetDialer(p)
	// The proxy reads the messages: it does TLS itself, and nothing is
	// compressed.
	through.TLSConfig, through.Compressors = nil, nil
	return connect(t, append([]*options.ClientOptions{through}, opts...)...)
}

// DialContext connects a client to the server at address.
func (p *Proxy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	server, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if server, err = p.secured(ctx, server, address); err != nil {
		return nil, err
	}
	near, client := net.Pipe()
	if !p.track(client, server) {
		return nil, net.ErrClosed
	}
	p.handlers.Go(func() {
		defer p.untrack(client, server)
		for p.pass(client, server) == nil {
		}
	})
	return near, nil
}

// secured does the TLS handshake if the URI asks for TLS.
func (p *Proxy) secured(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	if p.tls == nil {
		return conn, nil
	}
	config := p.tls.Clone()
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config.ServerName = host
	}
	secured := tls.Client(conn, config)
	return secured, secured.HandshakeContext(ctx)
}

// Break makes fault happen to the n-th command from now, 1 being the next one.
// hit is called then. Commands of the connection itself, such as hello, are not
// counted.
func (p *Proxy) Break(n int, fault Fault, hit func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.countdown, p.fault, p.hit = n, fault, hit
	p.release, p.delivered = make(chan struct{}), make(chan struct{})
}

// Forge calls f with each command that Break counts, and its reply, after the
// server has executed it. What f returns goes to the client instead; nil leaves
// the reply as it is. Forge(nil) ends it.
func (p *Proxy) Forge(f func(name string, command, reply bson.Raw) bson.D) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forge = f
}

// Deliver sends the command that was held back, and returns when the server has
// executed it. Call it once, for [Late], after hit was called.
func (p *Proxy) Deliver() {
	p.mu.Lock()
	release, delivered := p.release, p.delivered
	p.mu.Unlock()
	close(release)
	select {
	case <-delivered:
	case <-p.closed:
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	close(p.closed)
	for conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.handlers.Wait()
}

// track makes close end the connections too. It returns false if the proxy is
// closed already.
func (p *Proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = true
	}
	select {
	case <-p.closed:
		for _, conn := range conns {
			conn.Close()
		}
		return false
	default:
		return true
	}
}

func (p *Proxy) untrack(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
		conn.Close()
	}
}

// counted reports whether a command is one that Break counts.
func counted(command string) bool {
	switch command {
	case "find", "insert", "delete", "getMore":
		return true
	}
	return false
}

// next returns the fault of a command.
func (p *Proxy) next(command string) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.countdown == 0 || !counted(command) {
		return ""
	}
	if p.countdown--; p.countdown > 0 {
		return ""
	}
	return p.fault
}

// pass forwards one message to the server and the reply back. An error ends the
// connection.
func (p *Proxy) pass(client, server net.Conn) error {
	message, err := readMessage(client)
	if err != nil {
		return err
	}
	fault := p.next(commandOf(message))
	switch fault {
	case CutBefore:
		p.hit()
		return io.ErrClosedPipe
	case DropBefore:
		p.hit()
		<-p.closed
		return io.ErrClosedPipe
	case Late:
		p.hit()
		select {
		case <-p.release:
		case <-p.closed:
			return io.ErrClosedPipe
		}
		defer close(p.delivered)
	}
	if _, err := server.Write(message); err != nil {
		return err
	}
	for more := true; more; {
		reply, err := readMessage(server)
		if err != nil {
			return err
		}
		more = moreToCome(reply)
		switch fault {
		case CutAfter:
			p.hit()
			return io.ErrClosedPipe
		case DropAfter:
			p.hit()
			<-p.closed
			return io.ErrClosedPipe
		case Late:
			return io.ErrClosedPipe // no client waits for it
		}
		if reply, err = p.forged(message, reply); err != nil {
			return err
		}
		if _, err := client.Write(reply); err != nil {
			return err
		}
	}
	return nil
}

// forged returns what the client reads instead of reply.
func (p *Proxy) forged(message, reply []byte) ([]byte, error) {
	p.mu.Lock()
	forge := p.forge
	p.mu.Unlock()
	if forge == nil || !counted(commandOf(message)) {
		return reply, nil
	}
	command, err := documentOf(message)
	if err != nil {
		return nil, err
	}
	answer, err := documentOf(reply)
	if err != nil {
		return nil, err
	}
	if other := forge(commandOf(message), command, answer); other != nil {
		return replyTo(message, other)
	}
	return reply, nil
}
