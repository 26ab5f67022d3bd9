// This file is a server that answers from a function of the test, for replies
// that FerretDB cannot be made to give.

package mongotest

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Answer returns the reply to a command; nil means {ok: 1}. It is called
// concurrently. It may block, as only one connection waits.
type Answer func(name string, command bson.Raw) bson.D

// FakeURI names the only host that a fake server answers for.
const FakeURI = "mongodb://fake:27017/?replicaSet=fake"

// Fake returns a client of a fake server that replies with answer. The driver
// takes it for the primary of a replica set. There is no network: with a fake
// server a test can run in a bubble of testing/synctest. opts are applied after
// FakeURI.
func Fake(t testing.TB, answer Answer, opts ...*options.ClientOptions) *mongo.Client {
	t.Helper()
	server := &fake{answer: answer, hello: alone}
	all := append([]*options.ClientOptions{options.Client().ApplyURI(FakeURI).SetDialer(server)}, opts...)
	client, err := mongo.Connect(all...)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Errorf("mongotest: disconnecting from the fake server: %v", err)
		}
		server.connections.Wait()
	})
	return client
}

type fake struct {
	answer      Answer
	hello       func(address string) bson.D
	connections sync.WaitGroup
}

// DialContext connects to the fake server, whatever the address.
func (f *fake) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	client, server := net.Pipe()
	f.connections.Go(func() { f.serveAll(server, address) })
	return client, nil
}

// listen serves connections until the test ends or the listener is closed.
func (f *fake) listen(t testing.TB, listener net.Listener) {
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.connections.Go(func() { f.serveAll(conn, listener.Addr().String()) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		accepting.Wait()
		f.connections.Wait()
	})
}

func (f *fake) serveAll(conn net.Conn, address string) {
	defer conn.Close()
	for f.serve(conn, address) == nil {
	}
}

func (f *fake) serve(conn net.Conn, address string) error {
	request, err := readMessage(conn)
	if err != nil {
		return err
	}
	command, err := documentOf(request)
	if err != nil {
		return err
	}
	reply, err := replyTo(request, f.reply(command, address))
	if err != nil {
		return err
	}
	_, err = conn.Write(reply)
	return err
}

func (f *fake) reply(command bson.Raw, address string) bson.D {
	elements, err := command.Elements()
	if err != nil || len(elements) == 0 {
		return Refusal(9, "FailedToParse", "no command")
	}
	switch name := elements[0].Key(); name {
	case "hello", "isMaster", "ismaster":
		return f.hello(address)
	case "endSessions":
		return bson.D{{Key: "ok", Value: 1}}
	default:
		if reply := f.answer(name, command); reply != nil {
			return reply
		}
		return bson.D{{Key: "ok", Value: 1}}
	}
}

// alone returns the hello of a primary without other members.
func alone(address string) bson.D { return member(address, address, address) }

// member returns the hello of a member of a replica set.
func member(address, primary string, hosts ...any) bson.D {
	return bson.D{
		{Key: "helloOk", Value: true},
		{Key: "isWritablePrimary", Value: address == primary},
		{Key: "secondary", Value: address != primary},
		{Key: "setName", Value: "fake"},
		{Key: "setVersion", Value: 1},
		{Key: "hosts", Value: bson.A(hosts)},
		{Key: "me", Value: address},
		{Key: "primary", Value: primary},
		{Key: "maxBsonObjectSize", Value: 16 << 20},
		{Key: "maxMessageSizeBytes", Value: maxMessage},
		{Key: "maxWriteBatchSize", Value: 100_000},
		{Key: "logicalSessionTimeoutMinutes", Value: 30},
		{Key: "minWireVersion", Value: 0},
		{Key: "maxWireVersion", Value: 25}, // MongoDB 8.0
		{Key: "ok", Value: 1},
	}
}

// Refusal returns the reply to a command that failed.
func Refusal(code int32, name, message string) bson.D {
	return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "codeName", Value: name},
		{Key: "errmsg", Value: message}}
}

// Found returns the reply to a find in a collection, named as
// database.collection, whose documents fit into one batch.
func Found(collection string, documents ...any) bson.D {
	return Batch(collection, 0, documents...)
}

// Batch returns the reply to a find that has more documents: getMore asks for
// them by the number of the cursor.
func Batch(collection string, cursor int64, documents ...any) bson.D {
	return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
		{Key: "id", Value: cursor}, {Key: "ns", Value: collection},
		{Key: "firstBatch", Value: append(bson.A{}, documents...)}}}}
}
