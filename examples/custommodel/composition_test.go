// This file tests the same users and clients with Grants of other packages.

package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// Codes, tokens and logs in memory, or in MongoDB.
type (
	inMemory struct {
		*memorymodel.Grants
		people
	}
	inMongo struct {
		*mongomodel.Grants
		people
	}
)

func TestGrantsInMemory(t *testing.T) {
	source, grants := sqliteFile(filepath.Join(t.TempDir(), "shop.db")), memorymodel.NewGrants()
	db := func(t *testing.T) storage {
		s := openPeople(t, "sqlite", source)
		return storage{inMemory{grants, people{s}}, s, nil}
	}
	t.Run("contract", func(t *testing.T) { testContract(t, db(t), db(t)) })
	testStorage(t, db)
}

// The tests of mongomodel try the contract of its Grants.
func TestGrantsInMongoDB(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out MongoDB")
	}
	source, uri := sqliteFile(filepath.Join(t.TempDir(), "shop.db")), mongotest.DatabaseURI(t)
	testStorage(t, func(t *testing.T) storage {
		client, err := mongo.Connect(options.Client().ApplyURI(uri))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Disconnect(context.WithoutCancel(t.Context()))) })
		grants := mongomodel.NewGrants(client.Database("auth"), nil)
		require.NoError(t, grants.EnsureIndexes(t.Context()))
		s := openPeople(t, "sqlite", source)
		return storage{inMongo{grants, people{s}}, s, nil}
	})
}
