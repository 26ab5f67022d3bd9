package mongotest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

func TestAFakeServerAnswers(t *testing.T) {
	var asked []string
	client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
		asked = append(asked, name+" "+command.Lookup(name).StringValue())
		switch name {
		case "find":
			return mongotest.Found("d.c", bson.D{{Key: "_id", Value: command.Lookup("filter", "_id")}})
		case "insert":
			if command.Lookup("documents", "0", "_id").StringValue() == "taken" {
				return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}, {Key: "writeErrors", Value: bson.A{
					bson.D{{Key: "index", Value: 0}, {Key: "code", Value: 11000}, {Key: "errmsg", Value: "E11000"}}}}}
			}
			return nil
		}
		return mongotest.Refusal(59, "CommandNotFound", "no such command")
	})
	c, ctx := client.Database("d").Collection("c"), t.Context()
	var found bson.M
	require.NoError(t, c.FindOne(ctx, bson.D{{Key: "_id", Value: "a"}}).Decode(&found))
	require.Equal(t, bson.M{"_id": "a"}, found)
	_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: "b"}})
	require.NoError(t, err)
	_, err = c.InsertOne(ctx, bson.D{{Key: "_id", Value: "taken"}})
	require.True(t, mongo.IsDuplicateKeyError(err))
	_, err = c.DeleteOne(ctx, bson.D{})
	require.ErrorContains(t, err, "no such command")
	require.Equal(t, []string{"find c", "insert c", "insert c", "delete c"}, asked)
}

// A fake server needs no network, so that an hour passes at once.
func TestAFakeServerInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := mongotest.Fake(t, func(string, bson.Raw) bson.D {
			time.Sleep(time.Hour) // of the bubble's clock
			return mongotest.Found("d.c")
		}, options.Client().SetTimeout(2*time.Hour))
		begin := time.Now()
		c := client.Database("d").Collection("c")
		require.ErrorIs(t, c.FindOne(t.Context(), bson.D{}).Err(), mongo.ErrNoDocuments)
		require.GreaterOrEqual(t, time.Since(begin), time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, c.FindOne(ctx, bson.D{}).Err(), context.DeadlineExceeded)
	})
}
