package mongotest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	first, second := mongotest.Database(t), mongotest.Database(t)
	_, err := first.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "a"}})
	require.NoError(t, err)
	count, err := second.Collection("c").CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	require.Zero(t, count)
}

func TestAServerThatIsKilledKeepsItsData(t *testing.T) {
	server := mongotest.Start(t, t.TempDir())
	uri := server.URI()
	insert := func(id string) error {
		client := mongotest.Connect(t, uri, options.Client().SetTimeout(2e9).SetServerSelectionTimeout(1e9))
		_, err := client.Database("d").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}})
		return err
	}
	require.NoError(t, insert("a"))
	server.Kill()
	require.Error(t, insert("b"))
	server.Restart(t)
	require.Equal(t, uri, server.URI())
	require.True(t, mongo.IsDuplicateKeyError(insert("a")))
	require.NoError(t, insert("b"))
}
