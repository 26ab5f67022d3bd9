package mongomodel_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/filled"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// decoded replaces a Data that came from the database by what it says.
func decoded(t testing.TB, data any) map[string]any {
	t.Helper()
	require.IsType(t, bson.Raw{}, data)
	var document map[string]any
	require.NoError(t, bson.Unmarshal(data.(bson.Raw), &document))
	return document
}

func TestAClientComesBack(t *testing.T) {
	ctx := t.Context()
	m := mongomodel.New(mongotest.Database(t), nil)
	var client oauth2server.Client
	filled.Struct(&client)
	require.NoError(t, m.AddClient(ctx, &oauth2server.Client{ID: client.ID, Public: true}, ""))
	got, err := m.GetClient(ctx, client.ID, "")
	require.NoError(t, err)
	require.Equal(t, &oauth2server.Client{ID: client.ID, Public: true}, got)

	client.RedirectURIs = []string{callback, "https://other.example/cb"}
	require.NoError(t, m.UpdateClient(ctx, &client))
	for range 2 { // the second time it is written from what was read
		got, err = m.GetClient(ctx, client.ID, "")
		require.NoError(t, err)
		require.NoError(t, m.UpdateClient(ctx, got))
		got.Data = decoded(t, got.Data)
		require.Equal(t, &client, got)
	}
	require.NoError(t, m.DeleteClient(ctx, client.ID))
	require.NoError(t, m.AddClient(ctx, &client, ""))
	got, err = m.GetClient(ctx, client.ID, "")
	require.NoError(t, err)
	got.Data = decoded(t, got.Data)
	require.Equal(t, &client, got)
}

func TestRegisteringClients(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	const other = "another-client-secret-of-good-length"
	require.ErrorIs(t, m.AddClient(ctx, &oauth2server.Client{ID: "web"}, other), oauth2server.ErrExists)
	require.NoError(t, second(m.GetClient(ctx, "web", secret)), "the first one is as it was")
	require.ErrorContains(t, m.AddClient(ctx, &oauth2server.Client{ID: "a"}, "qwerty"), "fewer than 22")
	require.ErrorContains(t, m.AddClient(ctx, &oauth2server.Client{ID: "a", Data: 7}, secret), `client "a"`)
	require.ErrorContains(t, m.AddClient(ctx, &oauth2server.Client{}, secret), "no ID")

	require.ErrorContains(t, m.UpdateClient(ctx, &oauth2server.Client{ID: "web", RedirectURIs: []string{"javascript:x"}}), "redirection URI")
	require.ErrorIs(t, m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Public: true}), oauth2server.ErrNotFound)
	require.ErrorContains(t, m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Data: 7}), `client "web"`)
	require.NoError(t, m.UpdateClient(ctx, &oauth2server.Client{ID: "web"}))
	client, err := m.GetClient(ctx, "web", secret)
	require.NoError(t, err)
	require.Empty(t, client.RedirectURIs)

	require.ErrorContains(t, m.SetClientSecret(ctx, "web", "qwerty"), "fewer than 22")
	require.ErrorContains(t, m.SetClientSecret(ctx, "web", ""), "needs a secret")
	require.NoError(t, m.SetClientSecret(ctx, "web", other))
	require.NoError(t, second(m.GetClient(ctx, "web", other)))
	require.ErrorIs(t, second(m.GetClient(ctx, "web", secret)), oauth2server.ErrNotFound)
	require.ErrorIs(t, second(m.GetClient(ctx, "web", oauth2server.Digest(other))), oauth2server.ErrNotFound)

	require.NoError(t, m.AddClient(ctx, &oauth2server.Client{ID: "app", Public: true}, ""))
	require.ErrorIs(t, m.SetClientSecret(ctx, "app", secret), oauth2server.ErrNotFound)
	require.ErrorIs(t, second(m.GetClient(ctx, "app", secret)), oauth2server.ErrNotFound)
	require.NoError(t, second(m.GetClient(ctx, "app", "")))

	require.NoError(t, m.DeleteClient(ctx, "web"))
	require.ErrorIs(t, second(m.GetClient(ctx, "web", "")), oauth2server.ErrNotFound)

	short := mongomodel.New(db, &mongomodel.Options{InsecureAllowShortSecrets: true})
	require.NoError(t, short.AddClient(ctx, &oauth2server.Client{ID: "demo"}, "qwerty"))
	require.NoError(t, short.SetClientSecret(ctx, "demo", "azerty"))
	require.NoError(t, second(m.GetClient(ctx, "demo", "azerty")))
}

// Who writes documents by hand may leave a field out, and is told of one that makes no sense.
func TestClientsWrittenByHand(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	clients := db.Collection(prefix + "clients")
	for _, document := range []bson.D{
		{{Key: "_id", Value: "least"}, {Key: "grants", Value: nil}},
		{{Key: "_id", Value: "broken"}, {Key: "grants", Value: nil}, {Key: "access_token_lifetime", Value: "an hour"}},
		{{Key: "_id", Value: "secret"}, {Key: "grants", Value: nil}, {Key: "secret_digest", Value: "in clear, by mistake"}},
	} {
		require.NoError(t, second(clients.InsertOne(ctx, document)))
	}
	got, err := m.GetClient(ctx, "least", "")
	require.NoError(t, err)
	require.Equal(t, &oauth2server.Client{ID: "least"}, got)
	require.ErrorIs(t, second(m.GetClient(ctx, "least", "x")), oauth2server.ErrNotFound)
	require.ErrorContains(t, second(m.GetClient(ctx, "broken", "")), `client "broken": time: invalid duration`)
	require.ErrorIs(t, second(m.GetClient(ctx, "secret", "in clear, by mistake")), oauth2server.ErrNotFound)
}

func TestRegisteringUsers(t *testing.T) {
	ctx := t.Context()
	m := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: bcrypt.MinCost}) // without EnsureIndexes
	andy := &oauth2server.User{ID: "u1", Data: map[string]any{"name": "Andy"}}
	require.NoError(t, m.AddUser(ctx, andy, "andy", "a password"))
	require.ErrorIs(t, m.AddUser(ctx, &oauth2server.User{ID: "u2"}, "andy", "p"), oauth2server.ErrExists)
	require.ErrorIs(t, m.AddUser(ctx, &oauth2server.User{ID: "u1"}, "bert", "p"), oauth2server.ErrExists)
	require.ErrorContains(t, m.AddUser(ctx, &oauth2server.User{}, "bert", "p"), "needs an ID")
	require.ErrorContains(t, m.AddUser(ctx, &oauth2server.User{ID: "u2"}, "bert", ""), "a password")
	require.ErrorContains(t, m.AddUser(ctx, &oauth2server.User{ID: "u2", Data: 7}, "bert", "p"), `user "bert"`)
	require.ErrorContains(t, m.AddUser(ctx, &oauth2server.User{ID: "client:web"}, "bert", "p"), "for clients")
	require.NoError(t, m.AddUser(ctx, &oauth2server.User{ID: "u2"}, "bert", "p"))
	bert, err := m.GetUser(ctx, "bert", "p", nil)
	require.NoError(t, err)
	require.Equal(t, &oauth2server.User{ID: "u2"}, bert)

	got, err := m.GetUser(ctx, "andy", "a password", nil)
	require.NoError(t, err)
	byID, err := m.UserByID(ctx, "u1")
	require.NoError(t, err)
	require.Equal(t, got, byID)
	got.Data = decoded(t, got.Data)
	require.Equal(t, andy, got)

	err = m.UpdateUser(ctx, andy, "bert")
	if mongotest.IsFerretDB() { // which refuses with an error of its own
		require.ErrorContains(t, err, "UNIQUE constraint")
	} else {
		require.ErrorIs(t, err, oauth2server.ErrExists)
	}
	require.ErrorContains(t, m.UpdateUser(ctx, andy, ""), "needs an ID")
	require.ErrorContains(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1", Data: 7}, "andrew"), `user "andrew"`)
	require.NoError(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "andrew"))
	got, err = m.GetUser(ctx, "andrew", "a password", nil)
	require.NoError(t, err)
	require.Equal(t, &oauth2server.User{ID: "u1"}, got)
	require.ErrorIs(t, second(m.GetUser(ctx, "andy", "a password", nil)), oauth2server.ErrNotFound)

	require.ErrorContains(t, m.SetPassword(ctx, "u1", ""), "a password")
	require.NoError(t, m.SetPassword(ctx, "u1", "another"))
	require.NoError(t, second(m.GetUser(ctx, "andrew", "another", nil)))
	require.ErrorIs(t, second(m.GetUser(ctx, "andrew", "a password", nil)), oauth2server.ErrNotFound)

	stands, err := m.GetUserFromClient(ctx, &oauth2server.Client{ID: "web"})
	require.NoError(t, err)
	require.Equal(t, "client:web", stands.ID)
}

func TestOneNameForOneUser(t *testing.T) {
	ctx := t.Context()
	m := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	ids := make(chan string, 8)
	for _, id := range "abcdefgh" {
		ids <- string(id)
	}
	through, err := race(cap(ids), func() error {
		return m.AddUser(ctx, &oauth2server.User{ID: <-ids}, "andy", "p")
	}, oauth2server.ErrExists)
	require.NoError(t, err)
	require.Equal(t, 1, through)
}

// An unknown name costs a hash of the same cost as a known one. This one cannot be made, so it was tried.
func TestUnknownUsersCostAHash(t *testing.T) {
	m := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: 99})
	err := second(m.GetUser(t.Context(), "nobody", "p", nil))
	require.ErrorContains(t, err, "mongomodel: ")
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
}
