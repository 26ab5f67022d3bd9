package mongomodel_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

var collections = []string{"clients", "users", "authorization_codes", "access_tokens", "refresh_tokens", "grants"}

// foreign are documents of other programs, with all that could make the model
// take them for its own.
func foreign() []bson.D {
	past := time.Now().Add(-48 * time.Hour)
	return []bson.D{
		{{Key: "_id", Value: bson.NewObjectID()}},
		{{Key: "_id", Value: 7}, {Key: "expires_at", Value: past}},
		{{Key: "_id", Value: "acme"}, {Key: "name", Value: "ACME Corp."}, {Key: "public", Value: true},
			{Key: "redirect_uris", Value: bson.A{callback}}},
		{{Key: "_id", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "user_id", Value: "u1"},
			{Key: "client_id", Value: "web"}},
		{{Key: "_id", Value: "andy"}, {Key: "username", Value: "andrew"}, {Key: "user_id", Value: "u1"}},
		{{Key: "_id", Value: "bert"}, {Key: "username", Value: nil}, {Key: "user_id", Value: 1}},
		{{Key: "_id", Value: "g:0000000001"}, {Key: "grant_id", Value: "g"}, {Key: "seq", Value: 1},
			{Key: "user_id", Value: "u1"}},
		{{Key: "_id", Value: "h:0000000009"}, {Key: "grant_id", Value: "g"}, {Key: "user_id", Value: "u1"},
			{Key: "record", Value: `{"v":1}`}, {Key: "expires_at", Value: past}},
		{{Key: "_id", Value: oauth2server.Digest("taken")}, {Key: "grant_id", Value: 7},
			{Key: "user_id", Value: bson.A{"u1"}},
			{Key: "scope", Value: "read"}, {Key: "expires_at", Value: "yesterday"}},
	}
}

// plant puts the foreign documents into every collection of the model.
func plant(t *testing.T, db *mongo.Database, prefix string) {
	t.Helper()
	for _, name := range collections {
		for _, document := range foreign() {
			_, err := db.Collection(prefix+name).InsertOne(t.Context(), document)
			require.NoError(t, err)
		}
	}
}

// kept are the documents that plant planted, byte for byte.
func kept(t *testing.T, db *mongo.Database, prefix string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, name := range collections {
		for _, document := range foreign() {
			id := document[0].Value
			filter := bson.D{{Key: "_id", Value: id}}
			if _, random := id.(bson.ObjectID); random {
				filter = bson.D{{Key: "_id", Value: bson.D{{Key: "$type", Value: "objectId"}}}}
			}
			raw, err := db.Collection(prefix+name).FindOne(t.Context(), filter).Raw()
			require.NoError(t, err, "%s %v", name, id)
			all[name] = append(all[name], string(raw))
		}
	}
	return all
}

// Documents of other programs are left alone, whatever the model does.
func TestForeignDocuments(t *testing.T) {
	for _, own := range []*mongomodel.Options{nil, {NoPrefix: true}} {
		prefix := prefix
		if own != nil {
			prefix = ""
		}
		t.Run("prefix "+prefix, func(t *testing.T) {
			db := mongotest.Database(t)
			plant(t, db, prefix)
			before := kept(t, db, prefix)
			everything(t, mongomodel.New(db, &mongomodel.Options{NoPrefix: own != nil, PasswordCost: bcrypt.MinCost}))
			require.Equal(t, before, kept(t, db, prefix))
			for name, documents := range before {
				count, err := db.Collection(prefix+name).CountDocuments(t.Context(), bson.D{})
				require.NoError(t, err)
				require.GreaterOrEqual(t, count, int64(len(documents)), name)
			}
		})
	}
}

// everything calls all methods, on what is there, on what is not, and on what
// is not ours.
func everything(t *testing.T, m *mongomodel.Model) {
	ctx := t.Context()
	register(t, m)
	s := newSite(t, m)
	first := s.signIn(t)
	second := s.refresh(ctx, first.Token)
	require.Equal(t, http.StatusOK, second.status)
	require.Equal(t, second.Token, s.refresh(ctx, first.Token).Token)
	s.authorize(t)
	grants, err := m.UserGrants(ctx, "u1")
	require.NoError(t, err)
	require.Len(t, grants, 1, "what is not ours is no grant")

	past := time.Now().Add(-48 * time.Hour).Truncate(time.Millisecond)
	_, err = m.SaveToken(ctx, &oauth2server.Token{AccessToken: "old", AccessTokenExpiresAt: past,
		RefreshToken: "old", RefreshTokenExpiresAt: past}, nil, nil)
	require.NoError(t, err)
	deleted, err := m.DeleteExpired(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, deleted, "what is not ours does not expire")

	require.NoError(t, m.RevokeUserClient(ctx, "u1", "web"))
	require.NoError(t, m.RevokeUser(ctx, "u1"))
	require.False(t, s.works(second.Access))
	foreignByID(t, m)
	entries, err := m.GrantEntries(ctx, "g", 1)
	require.NoError(t, err)
	require.Empty(t, entries, "a log has nothing of others")

	require.NoError(t, m.RevokeAccessTokens(ctx, oauth2server.Digest("taken"), "acme"))
	for name, attempt := range attempts(m) {
		require.ErrorIs(t, attempt(ctx), oauth2server.ErrNotFound, name)
	}
	for name, attempt := range others(m) {
		require.NoError(t, attempt(ctx), name)
	}
	require.NoError(t, m.DeleteUser(ctx, "u1"))
	require.NoError(t, m.DeleteUser(ctx, "andy"))
	require.NoError(t, m.DeleteClient(ctx, "web"))
}

// foreignByID asks for documents that are not ours by their _id. A look-up
// names the document; what would change or delete it does not find it.
func foreignByID(t *testing.T, m *mongomodel.Model) {
	ctx := t.Context()
	taken := oauth2server.Digest("taken")
	for name, named := range map[string]struct {
		err        error
		collection string
		id         string
	}{
		"GetClient":            {second(m.GetClient(ctx, "acme", "")), "clients", "acme"},
		"GetClient, secret":    {second(m.GetClient(ctx, "acme", secret)), "clients", "acme"},
		"UserByID":             {second(m.UserByID(ctx, "andy")), "users", "andy"},
		"GetAccessToken":       {second(m.GetAccessToken(ctx, "taken")), "access_tokens", taken},
		"GetRefreshToken":      {second(m.GetRefreshToken(ctx, "taken")), "refresh_tokens", taken},
		"GetAuthorizationCode": {second(m.GetAuthorizationCode(ctx, "taken")), "authorization_codes", taken},
		"SaveToken": {second(m.SaveToken(ctx, &oauth2server.Token{AccessToken: "taken"}, nil,
			nil)), "access_tokens", taken},
		"SaveToken, refresh": {second(m.SaveToken(ctx, &oauth2server.Token{RefreshToken: "taken"}, nil,
			nil)), "refresh_tokens", taken},
		"SaveAuthorizationCode": {second(m.SaveAuthorizationCode(ctx,
			&oauth2server.AuthorizationCode{Code: "taken"}, nil, nil)),
			"authorization_codes", taken},
		"AppendGrant": {second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g", Seq: 1,
			Nonce: "n"})), "grants", "g:0000000001"},
		"AppendGrant, other": {second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "h", Seq: 9,
			Nonce: "n"})), "grants", "h:0000000009"},
	} {
		require.ErrorContains(t, named.err, `document "`+named.id+`" of `, name)
		require.ErrorContains(t, named.err, named.collection+" is not ours", name)
		require.NotErrorIs(t, named.err, oauth2server.ErrNotFound, name)
		require.NotErrorIs(t, named.err, oauth2server.ErrExists, name)
	}
	for name, err := range map[string]error{
		"GetUser":           second(m.GetUser(ctx, "andrew", "a password", nil)),
		"RevokeAccessToken": m.RevokeAccessToken(ctx, "taken"),
		"RevokeToken":       m.RevokeToken(ctx, &oauth2server.Token{RefreshToken: "taken"}),
		"RevokeAuthorizationCode": m.RevokeAuthorizationCode(ctx,
			&oauth2server.AuthorizationCode{Code: "taken"}),
		"UpdateClient":    m.UpdateClient(ctx, &oauth2server.Client{ID: "acme", Public: true}),
		"SetClientSecret": m.SetClientSecret(ctx, "acme", secret),
		"DeleteClient":    m.DeleteClient(ctx, "acme"),
		"UpdateUser":      m.UpdateUser(ctx, &oauth2server.User{ID: "andy"}, "n"),
		"SetPassword":     m.SetPassword(ctx, "andy", "p"),
	} {
		require.ErrorIs(t, err, oauth2server.ErrNotFound, name)
	}
	require.ErrorIs(t, m.AddClient(ctx, &oauth2server.Client{ID: "acme"}, secret), oauth2server.ErrExists)
	require.ErrorIs(t, m.AddUser(ctx, &oauth2server.User{ID: "andy"}, "n", "p"), oauth2server.ErrExists)
}

// A document of ours that somebody broke is named, with the field.
func TestBrokenDocuments(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	digest := oauth2server.Digest("x")
	for _, row := range []struct {
		collection string
		document   bson.D
		look       func() error
		want       []string
	}{
		{"access_tokens", bson.D{{Key: "_id", Value: digest}, {Key: "oauth2_record", Value: 7}},
			func() error { return second(m.GetAccessToken(ctx, "x")) },
			[]string{digest, "oauth2_access_tokens", "oauth2_record"}},
		{"refresh_tokens", bson.D{{Key: "_id", Value: digest}, {Key: "oauth2_record", Value: "{"}},
			func() error { return second(m.GetRefreshToken(ctx, "x")) }, []string{digest, "oauth2_refresh_tokens"}},
		{"authorization_codes", bson.D{{Key: "_id", Value: digest}, {Key: "oauth2_record", Value: ""}},
			func() error { return second(m.GetAuthorizationCode(ctx, "x")) },
			[]string{digest, "oauth2_authorization_codes"}},
		{"grants", bson.D{{Key: "_id", Value: "x:0000000001"}, {Key: "grant_id", Value: "x"},
			{Key: "oauth2_record", Value: "[]"}},
			func() error { return second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "x", Seq: 1})) },
			[]string{"x:0000000001", "oauth2_grants"}},
		{"clients", bson.D{{Key: "_id", Value: "x"}, {Key: "grants", Value: 7}},
			func() error { return second(m.GetClient(ctx, "x", "")) }, []string{`"x"`, "oauth2_clients", "grants"}},
		{"users", bson.D{{Key: "_id", Value: "x"}, {Key: "password_hash", Value: 7}},
			func() error { return second(m.UserByID(ctx, "x")) }, []string{`"x"`, "oauth2_users", "password_hash"}},
	} {
		_, err := db.Collection(prefix+row.collection).InsertOne(ctx, row.document)
		require.NoError(t, err)
		err = row.look()
		require.NotErrorIs(t, err, oauth2server.ErrNotFound)
		for _, part := range row.want {
			require.ErrorContains(t, err, part)
		}
	}
}

// What docs/mongodb.md says to do with documents from before the mark.
func TestDocumentsOfBefore(t *testing.T) {
	ctx := t.Context()
	db := mongotest.Database(t)
	old := mongomodel.New(db, &mongomodel.Options{Prefix: "old_", PasswordCost: bcrypt.MinCost})
	register(t, old)
	s := newSite(t, old)
	got := s.signIn(t)
	for _, name := range collections {
		all := db.Collection("old_" + name)
		// Back to what it was.
		_, err := all.UpdateMany(ctx, bson.D{}, renaming("oauth2_record", "record", "oauth2_expires_at", "expires_at"))
		require.NoError(t, err)
		command := bson.D{{Key: "renameCollection", Value: db.Name() + ".old_" + name},
			{Key: "to", Value: db.Name() + "." + prefix + name}}
		require.NoError(t, db.Client().Database("admin").RunCommand(ctx, command).Err())
	}
	m := mongomodel.New(db, &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	require.ErrorContains(t, second(m.GetAccessToken(ctx, got.Access)), "is not ours")
	for _, name := range collections[2:] {
		filter := bson.D{{Key: "record", Value: bson.D{{Key: "$type", Value: "string"}}}}
		_, err := db.Collection(prefix+name).UpdateMany(ctx, filter,
			renaming("record", "oauth2_record", "expires_at", "oauth2_expires_at"))
		require.NoError(t, err)
	}
	require.NoError(t, m.EnsureIndexes(ctx))
	now := newSite(t, m)
	require.True(t, now.works(got.Access))
	require.Equal(t, http.StatusOK, now.refresh(ctx, got.Token).status)
	require.NoError(t, m.RevokeUser(ctx, "u1"))
	require.False(t, now.works(got.Access))
}

func renaming(names ...string) bson.D {
	var fields bson.D
	for pair := range slices.Chunk(names, 2) {
		fields = append(fields, bson.E{Key: pair[0], Value: pair[1]})
	}
	return bson.D{{Key: "$rename", Value: fields}}
}

func TestPrefix(t *testing.T) {
	ctx := t.Context()
	for want, opts := range map[string]*mongomodel.Options{
		"oauth2_": nil,
		"auth_":   {Prefix: "auth_"},
		"auth.":   {Prefix: "auth."},
		"":        {NoPrefix: true},
	} {
		db := mongotest.Database(t)
		m := mongomodel.New(db, opts)
		require.NoError(t, m.EnsureIndexes(ctx))
		require.NoError(t, m.AddClient(ctx, &oauth2server.Client{ID: "web"}, secret))
		var names []string
		for _, name := range collections {
			names = append(names, want+name)
		}
		got, err := db.ListCollectionNames(ctx, bson.D{})
		require.NoError(t, err)
		require.ElementsMatch(t, names, got)
	}
}

// A prefix that no collection can have is refused at wiring, and nothing is
// stored if that goes unnoticed.
func TestPrefixesThatCannotBe(t *testing.T) {
	ctx := t.Context()
	db := mongotest.Database(t)
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'a'
	}
	for why, opts := range map[string]*mongomodel.Options{
		`"$" and NUL`:   {Prefix: "a$"},
		"NUL are":       {Prefix: "a\x00b"},
		"begins with":   {Prefix: "system."},
		`or "."`:        {Prefix: ".a"},
		"not UTF-8":     {Prefix: "\xff"},
		"more than 235": {Prefix: string(long)},
		"leave one out": {Prefix: "a_", NoPrefix: true},
	} {
		m := mongomodel.New(db, opts)
		require.ErrorContains(t, m.EnsureIndexes(ctx), why)
		require.ErrorContains(t, m.EnsureIndexes(ctx), "mongomodel: Options")
		require.ErrorContains(t, m.AddUser(ctx, &oauth2server.User{ID: "u"}, "n", "p"), why)
	}
	require.NoError(t, mongomodel.New(db, &mongomodel.Options{Prefix: "système_"}).EnsureIndexes(ctx))
	for _, prefix := range []string{"a$", ".a"} {
		m := mongomodel.New(db, &mongomodel.Options{Prefix: prefix})
		require.Error(t, m.AddClient(ctx, &oauth2server.Client{ID: "x"}, secret))
		require.Error(t, second(m.SaveToken(ctx, &oauth2server.Token{AccessToken: "x"}, nil, nil)))
	}
}

// Usernames are unique among our users only.
func TestTheUsernameIndexIsOurs(t *testing.T) {
	var created []bson.Raw
	client := mongotest.Fake(t, func(name string, command bson.Raw) bson.D {
		if name == "createIndexes" && command.Lookup(name).StringValue() == prefix+"users" {
			created = append(created, slices.Clone(command))
		}
		return nil
	})
	require.NoError(t, mongomodel.New(client.Database("d"), nil).EnsureIndexes(context.Background()))
	require.Len(t, created, 1)
	index := created[0].Lookup("indexes", "0").Document()
	require.True(t, index.Lookup("unique").Boolean())
	require.JSONEq(t, `{"password_hash":{"$exists":true}}`, index.Lookup("partialFilterExpression").Document().String())
}
