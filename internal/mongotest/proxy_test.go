package mongotest

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// counts is a server that counts the documents that it is given.
type counts struct {
	mu       sync.Mutex
	inserted int
	signedIn []string
}

func (c *counts) answer(name string, command bson.Raw) bson.D {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch name {
	case "insert":
		c.inserted++
	case "saslStart":
		_, payload := command.Lookup("payload").Binary()
		c.signedIn = append(c.signedIn, string(payload))
		return bson.D{{Key: "ok", Value: 1}, {Key: "conversationId", Value: 1}, {Key: "done", Value: true},
			{Key: "payload", Value: bson.Binary{}}}
	}
	return nil
}

// listen starts a fake server and returns where.
func (c *counts) listen(t *testing.T, secure *tls.Config) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	(&fake{answer: c.answer, hello: alone}).listen(t, listener)
	return address
}

// A proxy takes every URI that the driver takes.
func TestAProxyForEveryURI(t *testing.T) {
	certificate := httptest.NewTLSServer(nil)
	t.Cleanup(certificate.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, pem.EncodeToMemory(
		&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate().Raw}), 0o600))
	for name, uri := range map[string]func(t *testing.T, c *counts) string{
		"one host": func(t *testing.T, c *counts) string {
			return "mongodb://" + c.listen(t, nil) + "/?replicaSet=fake"
		},
		"a direct connection": func(t *testing.T, c *counts) string {
			return "mongodb://" + c.listen(t, nil) + "/?directConnection=true"
		},
		"credentials": func(t *testing.T, c *counts) string {
			return "mongodb://andy:p%40ss@" + c.listen(t,
				nil) + "/?replicaSet=fake&authMechanism=PLAIN&authSource=$external"
		},
		"several hosts": severalHosts,
		"SRV": func(t *testing.T, c *counts) string {
			_, port, _ := net.SplitHostPort(c.listen(t, nil))
			resolve(t, port)
			return "mongodb+srv://db.cluster.example/?tls=false&replicaSet=fake"
		},
		"TLS": func(t *testing.T, c *counts) string {
			return "mongodb://" + c.listen(t, certificate.TLS) + "/?replicaSet=fake&tls=true&tlsCAFile=" + authority
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c counts
			proxy := NewProxy(t, uri(t, &c))
			db := proxy.Connect(t, options.Client().SetRetryWrites(false)).Database("d")
			insert := func() error {
				_, err := db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}})
				return err
			}
			require.NoError(t, insert())
			hits := 0
			for _, fault := range []Fault{CutBefore, CutAfter} {
				proxy.Break(1, fault, func() { hits++ })
				require.Error(t, insert())
			}
			proxy.Forge(func(name string, command, reply bson.Raw) bson.D {
				require.Equal(t, "insert", name)
				require.EqualValues(t, 1, command.Lookup("documents", "0", "_id").AsInt64())
				require.EqualValues(t, 1, reply.Lookup("ok").AsInt64())
				return Refusal(1, "InternalError", "forged")
			})
			require.ErrorContains(t, insert(), "forged")
			proxy.Forge(nil)
			require.NoError(t, insert())
			require.Equal(t, 2, hits)
			require.Equal(t, 4, c.inserted, "one of five was cut before it arrived")
			if name == "credentials" {
				require.Contains(t, c.signedIn, "\x00andy\x00p@ss")
			}
		})
	}
}

// severalHosts is a replica set whose second member is the primary.
func severalHosts(t *testing.T, c *counts) string {
	var listeners []net.Listener
	var hosts []any
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners, hosts = append(listeners, listener), append(hosts, listener.Addr().String())
	}
	for i, listener := range listeners {
		server := &fake{hello: func(address string) bson.D { return member(address, hosts[1].(string), hosts...) }}
		server.answer = func(name string, command bson.Raw) bson.D {
			if i == 0 {
				return Refusal(10107, "NotWritablePrimary", "not primary")
			}
			return c.answer(name, command)
		}
		server.listen(t, listener)
	}
	return "mongodb://" + hosts[0].(string) + "," + hosts[1].(string) + "/?replicaSet=fake"
}

// resolve makes this process look names up in a DNS of the test until it ends:
// each SRV record names a.cluster.example at port, each A record 127.0.0.1.
func resolve(t *testing.T, port string) {
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	number, err := net.LookupPort("tcp", port)
	require.NoError(t, err)
	var servers sync.WaitGroup
	t.Cleanup(servers.Wait)
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe() // no packets, so the resolver speaks as over TCP
		servers.Go(func() {
			defer server.Close()
			for answerDNS(server, uint16(number)) == nil {
			}
		})
		return client, nil
	}}
}

// answerDNS answers one query (RFC 1035, section 4; SRV: RFC 2782).
func answerDNS(conn net.Conn, port uint16) error {
	var size [2]byte
	if _, err := conn.Read(size[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := conn.Read(query); err != nil {
		return err
	}
	end := 12 // behind the header: the name, its type, its class
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	var data []byte
	switch kind {
	case 1: // A
		data = []byte{127, 0, 0, 1}
	case 33: // SRV
		data = append(binary.BigEndian.AppendUint16(make([]byte, 4), port), "\x01a\x07cluster\x07example\x00"...)
	}
	reply := append([]byte{}, query[:2]...)
	reply = append(reply, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	reply = append(reply, query[12:end+5]...)
	if data != nil {
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 60)
		reply = append(binary.BigEndian.AppendUint16(reply, uint16(len(data))), data...)
	}
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	return err
}
