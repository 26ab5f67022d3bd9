// Package mongotest gives tests a MongoDB-compatible server: the one whose URI
// is in OAUTH2SERVER_MONGODB_URI, or the command tools/ferretdb, which is built
// for the purpose and started once for each test binary. Without a server,
// tests fail and are not skipped. A [Proxy] breaks the traffic between a client
// and that server, and a [Fake] server gives answers that FerretDB would not.
package mongotest

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Variable is the environment variable that names a server to use instead of
// FerretDB.
const Variable = "OAUTH2SERVER_MONGODB_URI"

// timeout bounds what a working server does within milliseconds.
const timeout = 30 * time.Second

// shared is the server of the test binary. It ends with this process, which
// holds the other end of its standard input.
var shared = sync.OnceValues(func() (*Server, error) { return start("") })

// URI returns the URI of the server that the tests of this binary share.
func URI(t testing.TB) string {
	t.Helper()
	if uri := os.Getenv(Variable); uri != "" {
		return uri
	}
	server, err := shared()
	require.NoError(t, err)
	return server.URI()
}

// IsFerretDB reports whether the tests run on FerretDB, which lacks TTL
// indexes, retryable writes and transactions.
func IsFerretDB() bool { return os.Getenv(Variable) == "" }

// Database returns an empty database that no other test uses, on the shared
// server. It is dropped when the test ends. opts are applied to its client
// after the URI.
func Database(t testing.TB, opts ...*options.ClientOptions) *mongo.Database {
	t.Helper()
	db := Connect(t, URI(t), opts...).Database(name(t))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := db.Drop(ctx); err != nil {
			t.Errorf("mongotest: dropping the database: %v", err)
		}
	})
	return db
}

// DatabaseURI returns a URI with an empty database, as from [Database], for
// programs that take a URI.
func DatabaseURI(t testing.TB) string {
	t.Helper()
	return naming(URI(t), Database(t).Name())
}

// naming returns uri with another database. The driver still signs in at the
// one that uri names, or else at admin.
func naming(uri, database string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	hosts, query, _ := strings.Cut(rest, "?")
	hosts, before, _ := strings.Cut(hosts, "/")
	if strings.Contains(hosts, "@") && !strings.Contains(strings.ToLower(query), "authsource=") {
		query = strings.TrimSuffix("authSource="+cmp.Or(before, "admin")+"&"+query, "&")
	}
	return scheme + "://" + hosts + "/" + database + "?" + query
}

// Connect returns a client that is disconnected when the test ends. Its
// operations take half a minute at most.
func Connect(t testing.TB, uri string, opts ...*options.ClientOptions) *mongo.Client {
	t.Helper()
	return connect(t,
		append([]*options.ClientOptions{options.Client().ApplyURI(uri).SetTimeout(timeout)}, opts...)...)
}

func connect(t testing.TB, opts ...*options.ClientOptions) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := client.Disconnect(ctx); err != nil {
			t.Errorf("mongotest: disconnecting: %v", err)
		}
	})
	return client
}

// name returns a valid name for a database that contains the name of the test,
// in case it is left behind.
func name(t testing.TB) string {
	readable := strings.Map(func(r rune) rune {
		if r < 'A' || r > 'z' || 'Z' < r && r < 'a' {
			return '_'
		}
		return r
	}, t.Name())
	return readable[:min(len(readable), 30)] + "_" + rand.Text()[:16]
}
