package mongomodel_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// methods are all that ask a server.
func methods(m *mongomodel.Model) map[string]func(context.Context) error {
	all := attempts(m)
	for name, method := range others(m) {
		all[name] = method
	}
	return all
}

// What a server says that is no primary, that shuts down, that refuses or that
// is overloaded: a fault each time, and never a verdict.
func TestRefusalsAreFaults(t *testing.T) {
	for name, refusal := range map[string]bson.D{
		"steps down":   mongotest.Refusal(189, "PrimarySteppedDown", "stepped down"),
		"not primary":  mongotest.Refusal(10107, "NotWritablePrimary", "not primary"),
		"shuts down":   mongotest.Refusal(91, "ShutdownInProgress", "shutting down"),
		"interrupted":  mongotest.Refusal(11602, "InterruptedDueToReplStateChange", "interrupted"),
		"out of time":  mongotest.Refusal(50, "MaxTimeMSExpired", "operation exceeded time limit"),
		"unauthorized": mongotest.Refusal(13, "Unauthorized", "not authorized on d"),
		"no retries":   mongotest.Refusal(301, "CommandNotSupported", "Retryable writes are not supported"),
		"no journal": mongotest.Refusal(2, "BadValue",
			"cannot use 'j' option when a host does not have journaling enabled"),
		"no linearizable": mongotest.Refusal(123, "NotAReplicaSet",
			"node needs to be a replica set member to use read concern"),
		"stale shard":       mongotest.Refusal(13388, "StaleConfig", "shard version mismatch"),
		"too many requests": mongotest.Refusal(16500, "RequestRateTooLarge", "request rate is large"),
		"too large":         mongotest.Refusal(10334, "BSONObjectTooLarge", "object to insert too large"),
		"a key is too long": mongotest.Refusal(17280, "KeyTooLong", "key too large to index"),
	} {
		synctest.Test(t, func(t *testing.T) { // after a step-down the driver waits before it asks again
			client := mongotest.Fake(t, func(string, bson.Raw) bson.D { return refusal },
				options.Client().SetRetryReads(false).SetRetryWrites(false).SetTimeout(time.Minute))
			m := mongomodel.New(client.Database("d"), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
			text, _ := refusal[len(refusal)-1].Value.(string)
			for method, attempt := range methods(m) {
				err := attempt(t.Context())
				require.ErrorContains(t, err, text, "%s: %s", name, method)
				require.ErrorContains(t, err, "mongomodel: ", "%s: %s", name, method)
				require.NotErrorIs(t, err, oauth2server.ErrNotFound, "%s: %s", name, method)
				require.NotErrorIs(t, err, oauth2server.ErrExists, "%s: %s", name, method)
			}
		})
	}
}

// Within the client's timeout the driver asks again, and finds the new primary.
func TestAnElectionIsWaitedFor(t *testing.T) {
	for _, name := range []string{"GetAccessToken", "AppendGrant", "RevokeAccessToken"} {
		synctest.Test(t, func(t *testing.T) {
			var tries atomic.Int32
			client := mongotest.Fake(t, func(name string, _ bson.Raw) bson.D {
				if tries.Add(1) < 3 {
					return append(mongotest.Refusal(10107, "NotWritablePrimary", "not primary"),
						bson.E{Key: "errorLabels", Value: bson.A{"RetryableWriteError"}})
				}
				if name == "find" {
					return mongotest.Found("d.c")
				}
				return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}}
			}, options.Client().SetTimeout(time.Minute))
			err := methods(mongomodel.New(client.Database("d"), nil))[name](t.Context())
			if name == "GetAccessToken" {
				require.ErrorIs(t, err, oauth2server.ErrNotFound)
			} else {
				require.NoError(t, err)
			}
			require.EqualValues(t, 3, tries.Load())
		})
	}
}

// A server that refuses retryable writes works with retryWrites=false.
func TestRetryableWritesCanBeOff(t *testing.T) {
	for _, retries := range []bool{true, false} {
		client := mongotest.Fake(t, func(_ string, command bson.Raw) bson.D {
			if _, err := command.LookupErr("txnNumber"); err == nil {
				return mongotest.Refusal(301, "CommandNotSupported", "Retryable writes are not supported")
			}
			return nil
		}, options.Client().SetRetryWrites(retries))
		_, err := mongomodel.New(client.Database("d"), nil).AppendGrant(t.Context(),
			&oauth2server.GrantEntry{GrantID: "g", Seq: 1})
		if retries {
			require.ErrorContains(t, err, "Retryable writes are not supported")
		} else {
			require.NoError(t, err)
		}
	}
}

// A cursor does not survive its primary. Half a log is a fault, and no log.
func TestALostCursor(t *testing.T) {
	ctx := t.Context()
	entry := func(i int) any {
		e := oauth2server.GrantEntry{GrantID: "g", Seq: i, Kind: "grant", UserID: "u1", ClientID: "web",
			ExpiresAt: time.Now().Add(time.Hour)}
		record, err := e.MarshalBinary()
		require.NoError(t, err)
		return bson.D{{Key: "_id", Value: fmt.Sprint("g:", i)}, {Key: "grant_id", Value: "g"},
			{Key: "seq", Value: i}, {Key: "oauth2_record", Value: string(record)}}
	}
	var asked []string
	client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
		asked = append(asked, name)
		switch name {
		case "find":
			return mongotest.Batch("d.c", 5, entry(1), entry(2))
		case "getMore":
			return mongotest.Refusal(43, "CursorNotFound", "cursor id 5 not found")
		}
		return nil
	})
	m := mongomodel.New(client.Database("d"), nil)
	entries, err := m.GrantEntries(ctx, "g", 1)
	require.ErrorContains(t, err, "cursor id 5 not found")
	require.Empty(t, entries)
	grants, err := m.UserGrants(ctx, "u1")
	require.ErrorContains(t, err, "cursor id 5 not found")
	require.Empty(t, grants)
	asked = nil
	require.ErrorContains(t, m.RevokeUser(ctx, "u1"), "cursor id 5 not found")
	require.NotContains(t, asked, "delete")
	require.ErrorContains(t, second(m.DeleteExpired(ctx)), "cursor id 5 not found")
}

// A refused write is server_error over HTTP, with Retry-After, and the same
// request succeeds afterwards.
func TestAStepDownOverHTTP(t *testing.T) {
	db, direct := start(t)
	l := newLab(t, db, direct, false)
	ctx := t.Context()
	first := l.direct.signIn(t)
	l.proxy.Forge(func(string, bson.Raw, bson.Raw) bson.D {
		return mongotest.Refusal(189, "PrimarySteppedDown", "stepped down")
	})
	require.False(t, l.broken.works(first.Access))
	got := l.broken.refresh(ctx, first.Token)
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, "server_error", got.Error)
	l.proxy.Forge(nil)
	require.True(t, l.broken.works(first.Access))
	require.Equal(t, http.StatusOK, l.broken.refresh(ctx, first.Token).status)
}
