// This file opens the storage and registers the clients and the user of the
// demonstration.

package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// storage is what the pages need from a model. The server detects its other
// interfaces.
type storage interface {
	oauth2server.Model
	oauth2server.PasswordModel
	oauth2server.GrantLog // which keeps the signing keys, too
	UserByID(ctx context.Context, userID string) (*oauth2server.User, error)
	UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error)
	RevokeUserClient(ctx context.Context, userID, clientID string) error
}

// The secret of the demonstration is short. A real one comes from
// crypto/rand.Text, and both options stay away.
const allowShortSecrets = true

// sealingSecret seals the signing keys in the storage. A real one comes from
// where the program keeps its secrets.
const sealingSecret = "as little of a secret as the client's: qwerty"

// signingAlgorithm is that of the signing keys. Empty means the default of
// ext/keys; tests choose a faster one.
var signingAlgorithm = ""

// passwordCost is the cost of bcrypt. 0 means the default of the model; tests
// lower it.
var passwordCost = 0

// demoUser signs in as andy with the password 123456.
var demoUser = &oauth2server.User{ID: "1", Data: profile{
	Name: "Andy", Username: "andy", Email: "andy@example.com"}}

// demoScope is what the clients of the demonstration may ask for.
var demoScope = oauth2server.Scope{"read", "write", "openid", "profile", "email"}

// registration is a client and its secret; a public one has none.
type registration struct {
	*oauth2server.Client
	secret string
}

// demoClients returns the clients of the demonstration, with redirection URIs
// at base.
func demoClients(base string) []registration {
	return []registration{
		{&oauth2server.Client{
			ID:           clientID,
			RedirectURIs: []string{base + callbackPath},
			Grants: []string{"authorization_code", "refresh_token", "client_credentials",
				"password"},
			Scope: demoScope,
			Data:  profile{Name: "Demo Web App", SignedOutURIs: []string{base + signedOutPath}},
		}, clientSecret},
		{&oauth2server.Client{
			ID:           "spa",
			Public:       true,
			RedirectURIs: []string{base + "/spa/"},
			Grants:       []string{"authorization_code", "refresh_token"},
			Scope:        demoScope,
			Data:         profile{Name: "Demo Browser App"},
		}, ""},
	}
}

// openMemory returns a storage in memory.
func openMemory(base string) (storage, error) {
	m := memorymodel.New(
		&memorymodel.Options{InsecureAllowShortSecrets: allowShortSecrets, PasswordCost: passwordCost})
	for _, c := range demoClients(base) {
		if err := m.AddClient(c.Client, c.secret); err != nil {
			return nil, err
		}
	}
	return m, m.AddUser(demoUser, "andy", "123456")
}

// mongoTimeout is how long a request waits for MongoDB, unless the URI has
// timeoutMS.
const mongoTimeout = 5 * time.Second

// openMongo returns a storage on the MongoDB at uri, in the database that uri
// names or else in "oauth2server". It registers the clients and the user,
// unless they are there from an earlier start.
func openMongo(ctx context.Context, uri, base string) (model storage, close func(), err error) {
	client, err := mongo.Connect(options.Client().SetTimeout(mongoTimeout).ApplyURI(uri))
	if err != nil {
		return nil, nil, err
	}
	close = func() { client.Disconnect(context.WithoutCancel(ctx)) }
	m := mongomodel.New(client.Database(databaseName(uri)), &mongomodel.Options{
		InsecureAllowShortSecrets: allowShortSecrets,
		PasswordCost:              passwordCost,
	})
	if err := registerOnce(ctx, m, base); err != nil {
		close()
		return nil, nil, err
	}
	return m, close, nil
}

// registerOnce may be called at every start. It keeps what is there, and only
// updates the addresses of the clients, as the port may be another one now.
func registerOnce(ctx context.Context, m *mongomodel.Model, base string) error {
	if err := m.EnsureIndexes(ctx); err != nil {
		return err
	}
	for _, c := range demoClients(base) {
		err := m.AddClient(ctx, c.Client, c.secret)
		if errors.Is(err, oauth2server.ErrExists) {
			err = m.UpdateClient(ctx, c.Client)
		}
		if err != nil {
			return err
		}
	}
	if err := m.AddUser(ctx, demoUser, "andy", "123456"); !errors.Is(err, oauth2server.ErrExists) {
		return err
	}
	return nil
}

// databaseName returns the path of a URI: what is between the hosts and the
// options.
func databaseName(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	_, path, _ := strings.Cut(rest, "/")
	if name, _, _ := strings.Cut(path, "?"); name != "" {
		return name
	}
	return "oauth2server"
}
