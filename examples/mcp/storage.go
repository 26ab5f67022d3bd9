// This file opens the storage, with the client app and the user andy.

package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// storage is what the page needs from a model. The server detects its other
// interfaces.
type storage interface {
	oauth2server.Model
	oauth2server.PasswordModel
}

// app is a client that is registered by hand. It may name any port.
var app = &oauth2server.Client{
	ID:           "app",
	Public:       true,
	RedirectURIs: []string{"http://127.0.0.1/callback"},
	Grants:       []string{"authorization_code", "refresh_token"},
}

// passwordCost is the cost of bcrypt. 0 means the default of the model; tests
// lower it.
var passwordCost = 0

var andy = &oauth2server.User{ID: "u1"}

// open returns a storage in the MongoDB at uri, in the database that uri names or
// else in "oauth2server"; without uri, in memory.
func open(ctx context.Context, uri string) (_ storage, close func(), err error) {
	if uri == "" {
		model := memorymodel.New(&memorymodel.Options{PasswordCost: passwordCost})
		return model, func() {}, errors.Join(model.AddClient(app, ""), model.AddUser(andy, "andy", "123456"))
	}
	at, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, nil, err
	}
	client, err := mongo.Connect(options.Client().SetTimeout(5 * time.Second).ApplyURI(uri))
	if err != nil {
		return nil, nil, err
	}
	close = func() { client.Disconnect(context.WithoutCancel(ctx)) }
	model := mongomodel.New(client.Database(cmp.Or(at.Database, "oauth2server")),
		&mongomodel.Options{PasswordCost: passwordCost})
	err = errors.Join(model.EnsureIndexes(ctx), once(model.AddClient(ctx, app, "")),
		once(model.AddUser(ctx, andy, "andy", "123456")))
	if err != nil {
		close()
		return nil, nil, err
	}
	return model, close, nil
}

// once returns nil for what an earlier start has added.
func once(err error) error {
	if errors.Is(err, oauth2server.ErrExists) {
		return nil
	}
	return err
}
