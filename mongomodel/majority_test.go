package mongomodel_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// noMajority is a write concern error: what is there may yet be rolled back.
var noMajority = bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64},
	{Key: "codeName", Value: "WriteConcernTimeout"},
	{Key: "errmsg", Value: "waiting for replication timed out"}}}

// duplicate is MongoDB's reply to an insert whose key is taken.
func duplicate(collection, index string) bson.D {
	return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}, {Key: "writeErrors", Value: bson.A{bson.D{
		{Key: "index", Value: 0}, {Key: "code", Value: 11000},
		{Key: "errmsg", Value: "E11000 duplicate key error collection: d." + collection + " index: " +
			index + ` dup key: { x: "y" }`}}}}}
}

// A duplicate key that no majority has decides nothing: it is a fault, to be
// retried, in each method that inserts or updates.
func TestADuplicateWithoutAMajority(t *testing.T) {
	ctx := t.Context()
	both := false
	client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
		switch name {
		case "insert", "update":
			reply := duplicate(command.Lookup(name).StringValue(), "_id_")
			if both {
				reply = append(reply, noMajority)
			}
			return reply
		case "find":
			return mongotest.Found("d.c", bson.D{{Key: "_id", Value: "x"},
				{Key: "oauth2_record", Value: `{"v":1,"nonce":"other"}`},
				{Key: "grants", Value: nil}, {Key: "public", Value: true}})
		}
		return nil
	})
	m := mongomodel.New(client.Database("d"), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	attempts := map[string]func() error{
		"AddClient":  func() error { return m.AddClient(ctx, &oauth2server.Client{ID: "x"}, secret) },
		"AddUser":    func() error { return m.AddUser(ctx, &oauth2server.User{ID: "x"}, "x", "p") },
		"UpdateUser": func() error { return m.UpdateUser(ctx, &oauth2server.User{ID: "x"}, "x") },
		"AppendGrant": func() error {
			there, err := m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "x", Seq: 1, Nonce: "own"})
			require.Equal(t, both, there == nil, "what is there is returned with ErrExists alone")
			return err
		},
		"SaveToken": func() error { return second(m.SaveToken(ctx, &oauth2server.Token{AccessToken: "x"}, nil, nil)) },
		"SaveAuthorizationCode": func() error {
			return second(m.SaveAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "x"}, nil, nil))
		},
	}
	for name, attempt := range attempts {
		both = false
		require.ErrorIs(t, attempt(), oauth2server.ErrExists, name)
		both = true
		err := attempt()
		require.NotErrorIs(t, err, oauth2server.ErrExists, name)
		require.ErrorContains(t, err, "waiting for replication timed out", name)
	}
}

// The same insert again is success once a majority has it, and no sooner.
func TestOwnInsertsWithoutAMajority(t *testing.T) {
	ctx := t.Context()
	db, direct := start(t)
	l := newLab(t, db, direct, false)
	token := &oauth2server.Token{AccessToken: "a", RefreshToken: "r"}
	code := &oauth2server.AuthorizationCode{Code: "c"}
	entry := &oauth2server.GrantEntry{GrantID: "g", Seq: 1, Nonce: "n"}
	for name, insert := range map[string]func() error{
		"token": func() error { return second(l.far.SaveToken(ctx, token, nil, nil)) },
		"code":  func() error { return second(l.far.SaveAuthorizationCode(ctx, code, nil, nil)) },
		"entry": func() error { return second(l.far.AppendGrant(ctx, entry)) },
	} {
		require.NoError(t, insert(), name)
		l.proxy.Forge(alsoNoMajority)
		require.ErrorContains(t, insert(), "waiting for replication", name)
		l.proxy.Forge(nil)
		require.NoError(t, insert(), name)
	}
}

// alsoNoMajority adds a write concern error to the replies to writes.
func alsoNoMajority(name string, _, reply bson.Raw) bson.D {
	if name != "insert" && name != "delete" {
		return nil
	}
	var forged bson.D
	if bson.Unmarshal(reply, &forged) != nil {
		return nil
	}
	return append(forged, noMajority)
}

// A place that is taken by something that no majority has ends no grant and
// revokes nothing: the request fails and may be repeated.
func TestFlowsWithoutAMajority(t *testing.T) {
	db, direct := start(t)
	for _, only := range []string{"grants", ""} {
		l := newLab(t, db, direct, false)
		ctx := t.Context()
		used, code := l.direct.authorize(t), l.direct.authorize(t)
		first := l.direct.exchange(ctx, used)
		next := l.direct.refresh(ctx, first.Token)
		grantID := grantOf(t, l.model, first.Token)
		before := l.chain(t, grantID)

		l.proxy.Forge(func(name string, command, reply bson.Raw) bson.D {
			if only != "" && command.Lookup(name).StringValue() != prefix+only {
				return nil
			}
			return alsoNoMajority(name, command, reply)
		})
		for _, a := range []answer{l.broken.exchange(ctx, used), l.broken.refresh(ctx, first.Token),
			l.broken.exchange(ctx, code)} {
			require.Equal(t, http.StatusServiceUnavailable, a.status)
			require.Empty(t, a.Access)
		}
		require.Equal(t, before, l.chain(t, grantID))
		require.Equal(t, http.StatusServiceUnavailable, l.broken.refresh(ctx, next.Token).status)
		require.Error(t, l.far.RevokeUser(ctx, "u1"), "it is not acknowledged")
		require.Error(t, oauth2server.RevokeGrant(ctx, l.far, "another"+only))
		l.proxy.Forge(nil)
		require.NoError(t, l.far.RevokeUser(ctx, "u1"))
		l.ended(t, first, next)
	}
}

// A conflict names the collection and the index.
func TestAConflictNamesItsIndex(t *testing.T) {
	ctx := t.Context()
	_, m := start(t)
	for want, err := range map[string]error{
		`client "web": oauth2server: exists already (index _id_ of oauth2_clients)`: m.AddClient(ctx,
			&oauth2server.Client{ID: "web"}, secret),
		`username "bert" or ID "u1" is taken: oauth2server: exists already (index _id_ of oauth2_users)`: m.AddUser(ctx,
			&oauth2server.User{ID: "u1"}, "bert", "p"),
		`username "andy" or ID "u2" is taken: oauth2server: exists already (index username_1 of oauth2_users)`: m.AddUser(ctx,
			&oauth2server.User{ID: "u2"}, "andy", "p"),
	} {
		require.ErrorIs(t, err, oauth2server.ErrExists)
		require.EqualError(t, err, "mongomodel: "+want)
		require.True(t, mongo.IsDuplicateKeyError(err), "the driver's error is in it")
	}

	index := ""
	client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
		switch name {
		case "insert", "update":
			return duplicate(command.Lookup(name).StringValue(), index)
		case "find":
			return mongotest.Found("d.c")
		}
		return nil
	})
	m = mongomodel.New(client.Database("d"), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	for _, index = range []string{"_id_", "username_1", "somebody's own"} {
		for _, err := range []error{
			m.AddClient(ctx, &oauth2server.Client{ID: "x"}, secret),
			m.AddUser(ctx, &oauth2server.User{ID: "x"}, "x", "p"),
			m.UpdateUser(ctx, &oauth2server.User{ID: "x"}, "x"),
		} {
			require.ErrorIs(t, err, oauth2server.ErrExists)
			require.ErrorContains(t, err, "(index "+index+" of oauth2_")
		}
		// An index that others made of the log is no place that is taken.
		there, err := m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "x", Seq: 1})
		require.Nil(t, there)
		require.NotErrorIs(t, err, oauth2server.ErrExists)
		require.ErrorContains(t, err, `"x:0000000001" of oauth2_grants`)
		require.ErrorContains(t, err, "index: "+index)
	}
}

// commands keeps what a fake server was asked.
type commands struct {
	mu  sync.Mutex
	all []bson.Raw
}

func (c *commands) keep(command bson.Raw) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, append(bson.Raw{}, command...))
}

// Each read can be made to ask whether the primary still is one.
func TestLinearizableReads(t *testing.T) {
	for level, opts := range map[string]*mongomodel.Options{"local": nil, "linearizable": {Linearizable: true}} {
		var asked commands
		client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
			asked.keep(command)
			if name == "find" {
				return mongotest.Found("d.c")
			}
			return nil
		}, options.Client().SetReadPreference(nil).SetTimeout(time.Minute))
		m := mongomodel.New(client.Database("d"), opts)
		for _, attempt := range attempts(m) {
			attempt(t.Context())
		}
		for _, attempt := range others(m) {
			attempt(t.Context())
		}
		finds := 0
		for _, command := range asked.all {
			if strings.HasPrefix(command.String(), `{"find"`) {
				finds++
				require.Equal(t, level, command.Lookup("readConcern", "level").StringValue(), command)
				require.Zero(t, command.Lookup("$readPreference").Value, "the primary")
			}
		}
		require.Greater(t, finds, 10)
	}
}

// A transaction of the caller's has no part in what the model stores: neither
// does it see less, nor is it undone.
func TestACallersTransaction(t *testing.T) {
	var asked commands
	client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
		asked.keep(command)
		if name == "find" {
			return mongotest.Found("d.c")
		}
		return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}}
	}, options.Client().SetRetryWrites(false))
	m := mongomodel.New(client.Database("d"), nil)
	session, err := client.StartSession()
	require.NoError(t, err)
	defer session.EndSession(context.Background())
	require.NoError(t, session.StartTransaction())
	ctx := mongo.NewSessionContext(t.Context(), session)
	methods := attempts(m)
	for name, method := range others(m) {
		methods[name] = method
	}
	for _, name := range []string{"AddClient", "AddUser", "AddUserHash", "UpdateClient", "SetClientSecret",
		"RotateClientSecret",
		"UpdateUser", "SetPassword", "EnsureIndexes"} {
		delete(methods, name) // registering may be part of it
	}
	for _, method := range methods {
		method(ctx)
	}
	require.NotEmpty(t, asked.all)
	for _, command := range asked.all {
		for _, field := range []string{"startTransaction", "autocommit", "txnNumber"} {
			require.Error(t, second(command.LookupErr(field)), command)
		}
		require.NotEqual(t, session.ID().String(), command.Lookup("lsid").Document().String())
	}
}
