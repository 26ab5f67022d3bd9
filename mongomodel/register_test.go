package mongomodel_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

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
	db := mongotest.Database(t)
	m := mongomodel.New(db, &mongomodel.Options{ExtensionGrants: []string{"another"}})
	var client oauth2server.Client
	filled.Struct(&client)
	client.Public = false // it has an AuthMethod
	bare := &oauth2server.Client{ID: client.ID, AuthMethod: "private_key_jwt"}
	require.NoError(t, m.AddClient(ctx, bare, ""))
	got, err := m.GetClient(ctx, client.ID, "")
	require.NoError(t, err)
	require.Equal(t, bare, got)

	client.RedirectURIs = []string{callback, "https://other.example/cb"}
	require.NoError(t, m.UpdateClient(ctx, &client))
	for range 2 { // the second time it is written from what was read
		got, err = m.GetClient(ctx, client.ID, "")
		require.NoError(t, err)
		require.NoError(t, m.UpdateClient(ctx, got))
		got.Data = decoded(t, got.Data)
		require.Equal(t, &client, got)
	}
	page, err := m.ListClients(ctx, "", 0)
	require.NoError(t, err)
	page[0].Data = decoded(t, page[0].Data)
	require.Equal(t, []*oauth2server.Client{&client}, page)

	require.NoError(t, m.DeleteClient(ctx, client.ID))
	left := documents(t, db, "clients")
	require.Len(t, left, 1)
	require.Equal(t, []string{"_id", "deleted_at", "grants"}, slices.Sorted(maps.Keys(left[0])),
		"nothing else is left of it")
	require.Equal(t, "deleted\u2014"+client.ID, left[0]["_id"])
	require.ErrorIs(t, second(m.GetClient(ctx, "deleted\u2014"+client.ID, "")), oauth2server.ErrNotFound)
	page, err = m.ListClients(ctx, "", 0)
	require.NoError(t, err)
	require.Empty(t, page)
	require.NoError(t, m.AddClient(ctx, &client, ""))
	got, err = m.GetClient(ctx, client.ID, "")
	require.NoError(t, err)
	got.Data = decoded(t, got.Data)
	require.Equal(t, &client, got)
}

// What both models promise is in the root's tests: this is what a database
// alone does.
func TestRegisteringClients(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	require.ErrorContains(t, m.AddClient(ctx, &oauth2server.Client{ID: "a", Data: 7}, secret), `client "a": Data`)
	require.ErrorContains(t, m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Data: 7}), `client "web": Data`)
	require.ErrorIs(t, second(m.GetClient(ctx, "web", oauth2server.Digest(secret))), oauth2server.ErrNotFound)
	short := mongomodel.New(db, &mongomodel.Options{InsecureAllowShortSecrets: true})
	require.ErrorIs(t, m.AddClient(ctx, &oauth2server.Client{ID: "demo"}, "qwerty"), oauth2server.ErrShortSecret)
	require.NoError(t, short.AddClient(ctx, &oauth2server.Client{ID: "demo"}, "qwerty"))
	require.NoError(t, short.SetClientSecret(ctx, "demo", "azerty"))
	require.NoError(t, second(m.GetClient(ctx, "demo", "azerty")))

	const another = "another-client-secret-of-good-length"
	require.NoError(t, m.RotateClientSecret(ctx, "web", another, time.Hour))
	stored := documents(t, db, "clients")[1]
	require.Equal(t, oauth2server.Digest(another), stored["secret_digest"])
	require.Equal(t, oauth2server.Digest(secret), stored["former_secret_digest"])
	require.WithinDuration(t, time.Now().Add(time.Hour),
		stored["former_secret_until"].(bson.DateTime).Time(), time.Minute)
	require.NoError(t, m.SetClientSecret(ctx, "web", secret))
	stored = documents(t, db, "clients")[1]
	require.NotContains(t, stored, "former_secret_digest")
	require.NotContains(t, stored, "former_secret_until")
}

// Names that were stored before they were prepared sign in as they did, and are
// not taken by others.
func TestOlderNames(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	users := db.Collection(prefix + "users")
	hash := documents(t, db, "users")[0]["password_hash"] // of "a password"
	for id, name := range map[string]string{"wide": "\uff5aoe", "fox": "\U0001F98A", "apart": "jose\u0301"} {
		write(t, users, id, bson.M{"username": name, "password_hash": hash})
		got, err := m.GetUser(ctx, name, "a password", nil)
		require.NoError(t, err)
		require.Equal(t, id, got.ID)
		require.ErrorIs(t, second(m.GetUser(ctx, name, "another", nil)), oauth2server.ErrNotFound)
		seen := &oauth2server.User{ID: id, Data: bson.M{"seen": true}}
		require.NoError(t, m.UpdateUser(ctx, seen, name), "%s keeps the name", id)
	}
	got, err := m.GetUser(ctx, "\U0001F98A", "a password", nil)
	require.NoError(t, err)
	require.Equal(t, "fox", got.ID)
	require.NotNil(t, got.Data)
	require.ErrorIs(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "\U0001F98A"), oauth2server.InvalidArgument)
	got, err = m.GetUser(ctx, "jos\u00e9", "a password", nil)
	require.NoError(t, err, "an update prepares it")
	require.Equal(t, "apart", got.ID)

	write(t, users, "old", bson.M{"username": "ann\uff41", "password_hash": hash})
	require.ErrorIs(t, m.AddUser(ctx, &oauth2server.User{ID: "new"}, "ann\uff41", "p"), oauth2server.ErrExists)
	require.NoError(t, m.AddUser(ctx, &oauth2server.User{ID: "new"}, "anna", "another"))
	got, err = m.GetUser(ctx, "ann\uff41", "a password", nil)
	require.NoError(t, err)
	require.Equal(t, "old", got.ID, "whoever has that very name comes first")
	got, err = m.GetUser(ctx, "anna", "another", nil)
	require.NoError(t, err)
	require.Equal(t, "new", got.ID)
}

func TestRegisteringUsers(t *testing.T) {
	ctx := t.Context()
	// Without EnsureIndexes.
	m := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	andy := &oauth2server.User{ID: "u1", Data: map[string]any{"name": "Andy"}}
	require.NoError(t, m.AddUser(ctx, andy, "andy", "a password"))
	require.ErrorIs(t, m.AddUser(ctx, &oauth2server.User{ID: "u2"}, "andy", "p"), oauth2server.ErrExists)
	require.ErrorContains(t, m.AddUser(ctx, &oauth2server.User{ID: "u2", Data: 7}, "bert", "p"), `user "bert": Data`)
	require.ErrorContains(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1", Data: 7}, "andrew"), `user "andrew": Data`)

	got, err := m.GetUser(ctx, "andy", "a password", nil)
	require.NoError(t, err)
	byID, err := m.UserByID(ctx, "u1")
	require.NoError(t, err)
	require.Equal(t, got, byID)
	page, err := m.ListUsers(ctx, "", 0)
	require.NoError(t, err)
	require.Equal(t, []*oauth2server.NamedUser{{User: *got, Username: "andy"}}, page)
	got.Data = decoded(t, got.Data)
	require.Equal(t, andy, got)

	require.NoError(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "andrew"))
	got, err = m.GetUser(ctx, "andrew", "a password", nil)
	require.NoError(t, err)
	require.Equal(t, &oauth2server.User{ID: "u1"}, got)

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

// An unknown name costs a hash of the same cost as a known one. This one cannot
// be made, so it was tried.
func TestUnknownUsersCostAHash(t *testing.T) {
	m := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: 99})
	err := second(m.GetUser(t.Context(), "nobody", "p", nil))
	require.ErrorContains(t, err, "mongomodel: ")
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
}

// A hash is replaced by one conditional update. That this fails, or never ends,
// does not keep anybody out.
func TestASignInDoesNotNeedTheRehash(t *testing.T) {
	for name, fails := range map[string]func() bson.D{
		"refused":  func() bson.D { return mongotest.Refusal(1, "Internal", "no") },
		"too late": func() bson.D { time.Sleep(time.Hour); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				updates := make(chan bson.Raw, 2)
				client := mongotest.Fake(t, func(command string, sent bson.Raw) bson.D {
					switch command {
					case "find":
						return mongotest.Found("d.c", bson.D{{Key: "_id", Value: "u1"},
							{Key: "username", Value: "andy"},
							{Key: "password_hash", Value: foreignHash}})
					case "update":
						updates <- slices.Clone(sent)
						return fails()
					}
					return nil
				})
				m := mongomodel.New(client.Database("d"), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
				begin := time.Now()
				got, err := m.GetUser(t.Context(), "andy", "pass word", nil)
				require.NoError(t, err)
				require.Equal(t, "u1", got.ID)
				require.LessOrEqual(t, time.Since(begin), time.Second)
				query := (<-updates).Lookup("updates", "0", "q").Document()
				require.Equal(t, "u1", query.Lookup("_id").StringValue())
				require.Equal(t, foreignHash, query.Lookup("password_hash").StringValue(),
					"unless it was changed since")
				_, err = m.GetUser(t.Context(), "andy", "wrong", nil)
				require.ErrorIs(t, err, oauth2server.ErrNotFound)
				require.Empty(t, updates)
			})
		})
	}
}
