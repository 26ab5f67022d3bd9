package mongotest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fault is what happens to a command on its way.
type Fault string

const (
	// CutBefore closes the connection; the server never sees the command.
	CutBefore Fault = "cut before it arrives"

	// CutAfter closes the connection once the server has carried the command out; the reply is lost.
	CutAfter Fault = "cut before the reply"

	// DropBefore loses the command and keeps the connection open: no reply ever comes.
	DropBefore Fault = "drop before it arrives"

	// DropAfter loses the reply and keeps the connection open.
	DropAfter Fault = "drop the reply"

	// Late keeps the command back until [Proxy.Deliver], when its sender has long given up.
	Late Fault = "arrive late"
)

// Faults are all of them.
var Faults = []Fault{CutBefore, CutAfter, DropBefore, DropAfter, Late}

// Proxy stands between a client and a server and lets everything pass but one command.
type Proxy struct {
	server   string
	listener net.Listener
	closed   chan struct{}
	handlers sync.WaitGroup

	mu        sync.Mutex
	countdown int // commands until the fault; 0: there is none to come
	fault     Fault
	hit       func()
	release   chan struct{} // closed by Deliver
	delivered chan struct{} // closed when a late command was carried out
	conns     map[net.Conn]bool
}

// NewProxy returns a proxy in front of the server at uri, which must name one host. It ends when the test does; the
// clients should have ended before.
func NewProxy(t testing.TB, uri string) *Proxy {
	t.Helper()
	_, rest, _ := strings.Cut(uri, "://")
	host, _, _ := strings.Cut(rest, "/")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{server: host, listener: listener, closed: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.handlers.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// URI is where clients connect.
func (p *Proxy) URI() string {
	return "mongodb://" + p.listener.Addr().String() + "/?directConnection=true"
}

// Break makes fault happen to the n-th command from now, 1 being the next one. hit is called then. What belongs to the
// connection alone, such as hello, is not counted.
func (p *Proxy) Break(n int, fault Fault, hit func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.countdown, p.fault, p.hit = n, fault, hit
	p.release, p.delivered = make(chan struct{}), make(chan struct{})
}

// Deliver sends the command that was kept back, and returns when the server has carried it out. It is for [Late], after
// hit was called, and once.
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
	close(p.closed)
	p.listener.Close()
	p.mu.Lock()
	for conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.handlers.Wait()
}

// track makes close end the connection too.
func (p *Proxy) track(conn net.Conn) (untrack func()) {
	p.mu.Lock()
	p.conns[conn] = true
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		delete(p.conns, conn)
		p.mu.Unlock()
		conn.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.handlers.Go(func() {
			defer p.track(client)()
			server, err := net.Dial("tcp", p.server)
			if err != nil {
				return
			}
			defer p.track(server)()
			for p.pass(client, server) == nil {
			}
		})
	}
}

// next says what is to happen to a command.
func (p *Proxy) next(command string) Fault {
	switch command {
	case "find", "insert", "delete", "getMore":
	default:
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.countdown == 0 {
		return ""
	}
	if p.countdown--; p.countdown > 0 {
		return ""
	}
	return p.fault
}

// pass brings one message to the server and the reply back. An error ends the connection.
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
			return io.ErrClosedPipe // nobody waits for it
		}
		if _, err := client.Write(reply); err != nil {
			return err
		}
	}
	return nil
}

const (
	headerSize = 16
	opMsg      = 2013
	maxMessage = 48_000_000
)

// readMessage reads one message of MongoDB's wire protocol: its length, its header and the rest.
func readMessage(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size < headerSize || size > maxMessage {
		return nil, fmt.Errorf("mongotest: a message of %d bytes", size)
	}
	message := make([]byte, size)
	copy(message, length[:])
	_, err := io.ReadFull(r, message[4:])
	return message, err
}

// commandOf is the name of the first member of the document in a message: after the header and the flags, the kind of the
// section, the length of the document and the type of the member.
func commandOf(message []byte) string {
	const at = headerSize + 4 + 1 + 4 + 1
	if len(message) < at || binary.LittleEndian.Uint32(message[12:]) != opMsg {
		return ""
	}
	name, _, _ := bytes.Cut(message[at:], []byte{0})
	return string(name)
}

// moreToCome says whether the server goes on without being asked, as in a stream of hellos.
func moreToCome(message []byte) bool {
	return len(message) >= headerSize+4 && binary.LittleEndian.Uint32(message[12:]) == opMsg &&
		binary.LittleEndian.Uint32(message[headerSize:])&2 != 0
}
