package mongomodel_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

func TestEnsureIndexes(t *testing.T) {
	db, m := start(t)
	for range 2 {
		require.NoError(t, m.EnsureIndexes(t.Context()))
	}
	for collection, want := range map[string][]string{
		"clients": {"_id_"}, "users": {"_id_", "username_1"}, "access_tokens": {"_id_", "oauth2_expires_at_1"},
		"authorization_codes": {"_id_", "oauth2_expires_at_1", "client_id_1"},
		"refresh_tokens":      {"_id_", "oauth2_expires_at_1"},
		"grants":              {"_id_", "oauth2_expires_at_1", "user_id_1", "client_id_1"},
	} {
		specs, err := db.Collection(prefix + collection).Indexes().ListSpecifications(t.Context())
		require.NoError(t, err)
		var got []string
		for _, spec := range specs {
			got = append(got, spec.Name)
		}
		require.ElementsMatch(t, want, got, collection)
	}
}

// What is asked of the server, as FerretDB has neither TTL nor partial indexes.
func TestIndexesOnTheWire(t *testing.T) {
	var got []string
	answer := func(refused string) *mongomodel.Model {
		client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
			if name == "ping" {
				return nil
			}
			require.Equal(t, "createIndexes", name)
			index := command.Lookup("indexes", "0").Document()
			if _, err := index.LookupErr(refused); err == nil {
				return mongotest.Refusal(238, "NotImplemented", refused+" is not implemented")
			}
			got = append(got, command.Lookup(name).StringValue()+" "+index.String())
			return nil
		})
		return mongomodel.New(client.Database("d"), nil)
	}
	const name = `"name": "oauth2_expires_at_1"`
	usernames := `oauth2_users {"key": {"username": {"$numberInt":"1"}},"name": "username_1",`
	expiry := func(collection, ttl string) string {
		if ttl != "" {
			ttl = `"expireAfterSeconds": {"$numberInt":"` + ttl + `"},`
		}
		return collection + ` {"key": {"oauth2_expires_at": {"$numberInt":"1"}},` + ttl + name + `}`
	}
	by := func(field, collection string) string {
		return collection + ` {"key": {"` + field + `": {"$numberInt":"1"}},"name": "` + field + `_1","sparse": true}`
	}
	require.NoError(t, answer("nothing").EnsureIndexes(t.Context()))
	require.Equal(t, []string{
		usernames + `"unique": true,"partialFilterExpression": {"password_hash": {"$exists": true}}}`,
		expiry("oauth2_authorization_codes", "3600"), by("client_id", "oauth2_authorization_codes"),
		expiry("oauth2_access_tokens", "0"), expiry("oauth2_refresh_tokens", "0"),
		expiry("oauth2_grants", "0"), by("user_id", "oauth2_grants"), by("client_id", "oauth2_grants"),
	}, got)

	got = nil
	require.NoError(t, answer("expireAfterSeconds").EnsureIndexes(t.Context()))
	require.Equal(t, expiry("oauth2_authorization_codes", ""), got[1])
	require.Equal(t, expiry("oauth2_grants", ""), got[5])

	got = nil
	require.NoError(t, answer("partialFilterExpression").EnsureIndexes(t.Context()))
	require.Equal(t, usernames+`"sparse": true,"unique": true}`, got[0])

	require.ErrorContains(t, answer("sparse").EnsureIndexes(t.Context()),
		"index client_id of oauth2_authorization_codes: (NotImplemented)")
}

// A build may take longer than the client's timeout, but not longer than the
// caller's context.
func TestABuildTakesItsTime(t *testing.T) {
	const build = 3 * time.Hour
	for _, row := range []struct {
		name     string
		limit    time.Duration
		want     error
		atMost   time.Duration
		commands int32
	}{
		{"no limit", 0, nil, 8 * build, 8},
		{"a long one", 25 * time.Hour, nil, 8 * build, 8},
		{"one that ends in a build", 2 * time.Hour, context.DeadlineExceeded, 2 * time.Hour, 1},
		{"one shorter than the client's timeout", time.Second, context.DeadlineExceeded, time.Second, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var commands atomic.Int32
				client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
					if name == "ping" {
						return nil
					}
					require.Equal(t, "createIndexes", name)
					commands.Add(1)
					limit, err := command.LookupErr("maxTimeMS")
					require.Equal(t, row.limit == 0, err != nil, "no limit for the server, but the caller's: %v", limit)
					time.Sleep(build)
					return nil
				}, options.Client().SetTimeout(5*time.Second))
				ctx := t.Context()
				if row.limit != 0 {
					limited, cancel := context.WithTimeout(ctx, row.limit)
					defer cancel()
					ctx = limited
				}
				begin := time.Now()
				err := mongomodel.New(client.Database("d"), nil).EnsureIndexes(ctx)
				require.ErrorIs(t, err, row.want)
				require.LessOrEqual(t, time.Since(begin), row.atMost)
				require.Equal(t, row.commands, commands.Load())
			})
		})
	}
}

// The client's timeout holds for all else: for AddUser's index, and for finding
// out that there is no server.
func TestTheClientsTimeoutHolds(t *testing.T) {
	methods := attempts(nil)
	for name := range others(nil) {
		methods[name] = nil
	}
	for name := range methods {
		synctest.Test(t, func(t *testing.T) {
			client := mongotest.Fake(t, func(command string, sent bson.Raw) bson.D {
				// The driver leaves it out of a find that has a cursor.
				if _, err := sent.LookupErr("limit"); command != "find" || err == nil &&
					sent.Lookup("limit").AsInt64() == 1 {
					limit, ok := sent.Lookup("maxTimeMS").AsInt64OK()
					if !ok || limit > 5000 {
						t.Errorf("%s: the server is to give up too: %s", name, sent)
					}
				}
				time.Sleep(time.Hour)
				return nil
			}, options.Client().SetTimeout(5*time.Second))
			m := mongomodel.New(client.Database("d"), nil)
			attempt := attempts(m)[name]
			if attempt == nil {
				attempt = others(m)[name]
			}
			begin := time.Now()
			err := attempt(t.Context())
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.NotErrorIs(t, err, oauth2server.ErrNotFound, name)
			require.LessOrEqual(t, time.Since(begin), 5*time.Second, name)
		})
	}
}

func TestDeleteExpiredInBatches(t *testing.T) {
	ctx := t.Context()
	const expired = 2001
	var sent recorder
	db := mongotest.Database(t, sent.options())
	m := mongomodel.New(db, nil)
	var documents []any
	for i := range expired {
		documents = append(documents, bson.D{{Key: "_id", Value: fmt.Sprint(i)},
			{Key: "oauth2_expires_at", Value: time.Now().Add(-time.Hour)}, {Key: "oauth2_record", Value: "{}"}})
	}
	all := db.Collection(prefix + "refresh_tokens")
	fill := func() {
		_, err := all.InsertMany(ctx, documents)
		require.NoError(t, err)
		sent.take()
	}
	fill()
	deleted, err := m.DeleteExpired(ctx)
	require.NoError(t, err)
	require.EqualValues(t, expired, deleted)
	require.Equal(t, []string{"find authorization_codes", "find access_tokens",
		"find refresh_tokens", "delete refresh_tokens", "find refresh_tokens", "delete refresh_tokens",
		"find refresh_tokens", "delete refresh_tokens", "find grants"}, names(sent.take()))

	// Between two batches it looks whether it may go on.
	fill()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopping := mongotest.Connect(t, mongotest.URI(t), options.Client().SetMonitor(&event.CommandMonitor{
		Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) {
			if e.CommandName == "delete" {
				cancel()
			}
		}}))
	deleted, err = mongomodel.New(stopping.Database(db.Name()), nil).DeleteExpired(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1000, deleted)
	left, err := all.CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	require.EqualValues(t, expired-1000, left)
}

// A batch that somebody else deleted meanwhile is no error, nor is a document
// that was replaced by one that has not expired.
func TestDeleteExpiredWithOthers(t *testing.T) {
	finds := 0
	client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
		switch {
		case name == "find" && command.Lookup(name).StringValue() == prefix+"access_tokens" && finds == 0:
			finds++
			return mongotest.Found("d."+prefix+"access_tokens", bson.D{{Key: "_id", Value: "a"}})
		case name == "find":
			return mongotest.Found("d.c")
		}
		deletion := command.Lookup("deletes", "0", "q").Document()
		require.NoError(t, second(deletion.LookupErr("oauth2_expires_at", "$lt")), "it may have been replaced")
		require.NoError(t, second(deletion.LookupErr("oauth2_record")))
		return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}}
	})
	deleted, err := mongomodel.New(client.Database("d"), nil).DeleteExpired(t.Context())
	require.NoError(t, err)
	require.Zero(t, deleted)
}
func TestDeleteExpired(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	for name, expires := range map[string]time.Time{"past": now.Add(-time.Minute), "long past": now.Add(-2 * time.Hour),
		"future": now.Add(time.Minute), "never": {}} {
		require.NoError(t, second(m.SaveToken(ctx, &oauth2server.Token{AccessToken: name, AccessTokenExpiresAt: expires,
			RefreshToken: name, RefreshTokenExpiresAt: expires}, nil, nil)))
		require.NoError(t, second(m.SaveAuthorizationCode(ctx,
			&oauth2server.AuthorizationCode{Code: name, ExpiresAt: expires}, nil, nil)))
		require.NoError(t, second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: name, Seq: 1,
			ExpiresAt: expires})))
	}
	deleted, err := m.DeleteExpired(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 3*2+1, deleted)
	for collection, want := range map[string]int{"access_tokens": 2, "refresh_tokens": 2, "grants": 2,
		"authorization_codes": 3} {
		require.Len(t, documents(t, db, collection), want, collection)
	}
	require.ErrorIs(t, second(m.GetAuthorizationCode(ctx, "long past")), oauth2server.ErrNotFound)
	for _, name := range []string{"past", "future", "never"} {
		require.NoError(t, second(m.GetAuthorizationCode(ctx, name)), name)
	}
	require.Len(t, documents(t, db, "clients"), 1)
	require.Len(t, documents(t, db, "users"), 1)
}
