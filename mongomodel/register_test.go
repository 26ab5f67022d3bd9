package mongomodel_test

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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
	page, err := m.ListClients(ctx, "", 0)
	require.NoError(t, err)
	page[0].Data = decoded(t, page[0].Data)
	require.Equal(t, []*oauth2server.Client{&client}, page)

	require.NoError(t, m.DeleteClient(ctx, client.ID))
	left := documents(t, db, "clients")
	require.Len(t, left, 1)
	require.Equal(t, []string{"_id", "deleted_at", "grants"}, slices.Sorted(maps.Keys(left[0])), "nothing else is left of it")
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

// What both models promise is in the root's tests: this is what a database alone does.
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
	require.WithinDuration(t, time.Now().Add(time.Hour), stored["former_secret_until"].(bson.DateTime).Time(), time.Minute)
	require.NoError(t, m.SetClientSecret(ctx, "web", secret))
	stored = documents(t, db, "clients")[1]
	require.NotContains(t, stored, "former_secret_digest")
	require.NotContains(t, stored, "former_secret_until")
}

// What people write into a document otherwise, and what cannot be meant otherwise.
func TestClientsWrittenByHand(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	clients := db.Collection(prefix + "clients")
	digest := oauth2server.Digest(secret)
	sum := sha256.Sum256([]byte(secret))
	with := func(fields ...bson.E) bson.D {
		return append(bson.D{{Key: "grants", Value: bson.A{"client_credentials"}}, {Key: "secret_digest", Value: digest}}, fields...)
	}
	plain := oauth2server.Client{Grants: []string{"client_credentials"}}
	words := plain
	words.Grants = []string{"client_credentials", "password"}
	for name, row := range map[string]struct {
		document bson.D
		want     oauth2server.Client
	}{
		"least":             {with(), plain},
		"nulls":             {with(bson.E{Key: "public", Value: nil}, bson.E{Key: "scope", Value: nil}, bson.E{Key: "redirect_uris", Value: nil}, bson.E{Key: "access_token_lifetime", Value: nil}, bson.E{Key: "data", Value: nil}, bson.E{Key: "deleted_at", Value: nil}), plain},
		"more":              {with(bson.E{Key: "created_at", Value: time.Now()}, bson.E{Key: "owner", Value: "x"}), plain},
		"also another's":    {with(bson.E{Key: "clientSecret", Value: secret}, bson.E{Key: "redirect_uris", Value: bson.A{callback}}, bson.E{Key: "redirectUris", Value: "x"}), oauth2server.Client{Grants: plain.Grants, RedirectURIs: []string{callback}}},
		"a text":            {bson.D{{Key: "grants", Value: "client_credentials"}, {Key: "secret_digest", Value: digest}}, plain},
		"words":             {bson.D{{Key: "grants", Value: " client_credentials  password "}, {Key: "secret_digest", Value: digest}}, words},
		"scope words":       {with(bson.E{Key: "scope", Value: "read write"}), oauth2server.Client{Grants: plain.Grants, Scope: oauth2server.Scope{"read", "write"}}},
		"uri":               {with(bson.E{Key: "redirect_uris", Value: callback}), oauth2server.Client{Grants: plain.Grants, RedirectURIs: []string{callback}}},
		"seconds":           {with(bson.E{Key: "access_token_lifetime", Value: 3600}), oauth2server.Client{Grants: plain.Grants, AccessTokenLifetime: time.Hour}},
		"seconds of script": {with(bson.E{Key: "refresh_token_lifetime", Value: 3600.0}), oauth2server.Client{Grants: plain.Grants, RefreshTokenLifetime: time.Hour}},
		"long seconds":      {with(bson.E{Key: "refresh_token_lifetime", Value: int64(86400)}), oauth2server.Client{Grants: plain.Grants, RefreshTokenLifetime: 24 * time.Hour}},
		"none":              {with(bson.E{Key: "access_token_lifetime", Value: 0}), plain},
		"empty":             {with(bson.E{Key: "access_token_lifetime", Value: ""}), plain},
		"a duration":        {with(bson.E{Key: "access_token_lifetime", Value: "90m"}), oauth2server.Client{Grants: plain.Grants, AccessTokenLifetime: 90 * time.Minute}},
		"padded":            {bson.D{{Key: "grants", Value: bson.A{"client_credentials"}}, {Key: "secret_digest", Value: digest + "="}}, plain},
		"hexadecimal":       {bson.D{{Key: "grants", Value: bson.A{"client_credentials"}}, {Key: "secret_digest", Value: hex.EncodeToString(sum[:])}}, plain},
	} {
		require.NoError(t, second(clients.InsertOne(ctx, append(bson.D{{Key: "_id", Value: name}}, row.document...))))
		row.want.ID = name
		got, err := m.GetClient(ctx, name, secret)
		require.NoError(t, err, name)
		require.Equal(t, &row.want, got, name)
		require.ErrorIs(t, second(m.GetClient(ctx, name, secret+"x")), oauth2server.ErrNotFound, name)
		require.NoError(t, m.UpdateClient(ctx, got), name)
		require.NoError(t, m.RotateClientSecret(ctx, name, secret+"2", time.Hour), name)
		require.NoError(t, second(m.GetClient(ctx, name, secret)), name)
		require.NoError(t, second(m.GetClient(ctx, name, secret+"2")), name)
		require.NoError(t, m.DeleteClient(ctx, name), name)
	}
	require.NoError(t, second(clients.InsertOne(ctx, bson.D{{Key: "_id", Value: "phone"}, {Key: "grants", Value: nil}, {Key: "public", Value: true}, {Key: "secret_digest", Value: digest}})))
	require.NoError(t, second(m.GetClient(ctx, "phone", "")))
	require.ErrorIs(t, second(m.GetClient(ctx, "phone", secret)), oauth2server.ErrNotFound)

	// What cannot be used is a fault that names collection, _id and field, also where no secret is asked for. It does not
	// have the value, which may be a secret.
	for name, row := range map[string]struct {
		document bson.D
		want     []string
	}{
		"number":         {bson.D{{Key: "grants", Value: 7}}, []string{`"grants"`, "array of strings"}},
		"commas":         {bson.D{{Key: "grants", Value: "password,refresh_token"}}, []string{`"grants"`, "comma"}},
		"mixed":          {bson.D{{Key: "grants", Value: bson.A{"password", 7}}}, []string{`"grants"`, "int"}},
		"uris":           {with(bson.E{Key: "redirect_uris", Value: bson.D{}}), []string{`"redirect_uris"`}},
		"scope":          {with(bson.E{Key: "scope", Value: true}), []string{`"scope"`}},
		"both":           {with(bson.E{Key: "scope", Value: true}, bson.E{Key: "redirect_uris", Value: 7}), []string{`"scope"`, `"redirect_uris"`}},
		"public":         {with(bson.E{Key: "public", Value: "yes"}), []string{`"public"`}},
		"an hour":        {with(bson.E{Key: "access_token_lifetime", Value: "an hour"}), []string{`"access_token_lifetime"`, "1h30m0s"}},
		"half seconds":   {with(bson.E{Key: "access_token_lifetime", Value: 1.5}), []string{`"access_token_lifetime"`, "whole number"}},
		"nanoseconds":    {with(bson.E{Key: "refresh_token_lifetime", Value: int64(time.Hour)}), []string{`"refresh_token_lifetime"`, "in seconds"}},
		"negative":       {with(bson.E{Key: "refresh_token_lifetime", Value: -1}), []string{`"refresh_token_lifetime"`, "in seconds"}},
		"in clear":       {bson.D{{Key: "grants", Value: nil}, {Key: "secret_digest", Value: secret}}, []string{`"secret_digest"`, "SHA-256"}},
		"no digest":      {bson.D{{Key: "grants", Value: nil}}, []string{`"secret_digest" is missing`}},
		"empty digest":   {bson.D{{Key: "grants", Value: nil}, {Key: "secret_digest", Value: ""}}, []string{`"secret_digest"`}},
		"null digest":    {bson.D{{Key: "grants", Value: nil}, {Key: "secret_digest", Value: nil}}, []string{`"secret_digest"`}},
		"former":         {with(bson.E{Key: "former_secret_digest", Value: 7}), []string{`"former_secret_digest"`}},
		"until":          {with(bson.E{Key: "former_secret_until", Value: "tomorrow"}), []string{`"former_secret_until"`, "date"}},
		"deleted":        {with(bson.E{Key: "deleted_at", Value: "yesterday"}), []string{`"deleted_at"`, "date"}},
		"of egg":         {bson.D{{Key: "clientId", Value: "i"}, {Key: "clientSecret", Value: secret}, {Key: "redirectUris", Value: bson.A{callback}}, {Key: "grants", Value: bson.A{"password"}}}, []string{`"clientSecret" is not read: write "secret_digest"`, `"redirectUris" is not read: write "redirect_uris"`}},
		"of node":        {with(bson.E{Key: "accessTokenLifetime", Value: 3600}), []string{`"accessTokenLifetime" is not read: write "access_token_lifetime"`}},
		"of a developer": {with(bson.E{Key: "redirect_uri", Value: callback}), []string{`"redirect_uri" is not read`}},
	} {
		require.NoError(t, second(clients.InsertOne(ctx, append(bson.D{{Key: "_id", Value: name}}, row.document...))))
		for _, presented := range []string{"", secret} {
			err := second(m.GetClient(ctx, name, presented))
			require.Error(t, err, name)
			require.NotErrorIs(t, err, oauth2server.ErrNotFound, name)
			require.NotContains(t, err.Error(), secret, name)
			for _, part := range append(row.want, "oauth2_clients", `"`+name+`"`) {
				require.ErrorContains(t, err, part, name)
			}
		}
	}
	require.ErrorContains(t, second(m.ListClients(ctx, "scope", 0)), "former_secret_until", "a list does not leave them out")
}

// The server answers that it has a fault, and the log says which document and which field.
func TestBrokenClientsAreInTheLog(t *testing.T) {
	db, m := start(t)
	require.NoError(t, second(db.Collection(prefix+"clients").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "shop"},
		{Key: "grants", Value: bson.A{"client_credentials"}}, {Key: "clientSecret", Value: secret}})))
	var log strings.Builder
	server, err := oauth2server.New(m, &oauth2server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	request := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader("grant_type=client_credentials"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("shop", secret)
	answer := httptest.NewRecorder()
	server.Token(nil).ServeHTTP(answer, request)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	for _, part := range []string{"model_fault", "oauth2_clients", "shop", "clientSecret", "secret_digest"} {
		require.Contains(t, log.String(), part)
	}
	require.NotContains(t, log.String()+answer.Body.String(), secret)
}

// A hash is replaced by one conditional update. That this fails, or never ends, does not keep anybody out.
func TestASignInDoesNotNeedTheRehash(t *testing.T) {
	for name, fails := range map[string]func() bson.D{
		"refused":  func() bson.D { return mongotest.Refusal(1, "Internal", "no") },
		"too late": func() bson.D { time.Sleep(time.Hour); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var updates []bson.Raw
				client := mongotest.Fake(t, func(command string, sent bson.Raw) bson.D {
					switch command {
					case "find":
						return mongotest.Found("d.c", bson.D{{Key: "_id", Value: "u1"}, {Key: "username", Value: "andy"}, {Key: "password_hash", Value: foreignHash}})
					case "update":
						updates = append(updates, slices.Clone(sent))
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
				require.Len(t, updates, 1)
				require.Equal(t, "u1", updates[0].Lookup("updates", "0", "q", "_id").StringValue())
				require.Equal(t, foreignHash, updates[0].Lookup("updates", "0", "q", "password_hash").StringValue(), "unless it was changed since")
				_, err = m.GetUser(t.Context(), "andy", "wrong", nil)
				require.ErrorIs(t, err, oauth2server.ErrNotFound)
				require.Len(t, updates, 1)
			})
		})
	}
}

func TestUsersWrittenByHand(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	users := db.Collection(prefix + "users")
	hashes := map[string]string{
		"bcrypt":   "$2b$05$dRyBfYlZ5XCivfXuROxQIeEwrhjyoHyWOyN1JMXOoggg5SddCrAUy",
		"php":      "$2y$05$WMmKbhSYxUnEth3XcvFr2u21QwqdDhSgxlpuvdmM59a05DmkL/Gwq",
		"argon2id": "$argon2id$v=19$m=256,t=2,p=2$tyn4Rg7hTx/ObGeLHfUMPA$6T1O3Somw8wS/h+81d138w",
		"scrypt":   "$scrypt$ln=4,r=8,p=1$U0FMVFNBTFRTQUxUU0FMVA$2AuX2iG4qfh8yqhCzcsdB/6ILLCjOF8DtM2wh1v5PNk",
	}
	for name, hash := range hashes {
		require.NoError(t, second(users.InsertOne(ctx, bson.D{{Key: "_id", Value: name}, {Key: "username", Value: name}, {Key: "password_hash", Value: hash}})))
		require.ErrorIs(t, second(m.GetUser(ctx, name, "another", nil)), oauth2server.ErrNotFound, name)
		require.NoError(t, second(m.GetUser(ctx, name, "pass word", nil)), name)
	}
	for _, document := range documents(t, db, "users") {
		require.Regexp(t, `^\$2a\$04\$`, document["password_hash"], "they signed in")
	}
	for name, row := range map[string]struct {
		hash any
		want string
	}{
		"number":  {7, "must be a string"},
		"empty":   {"", "is empty"},
		"null":    {nil, "must be a string"},
		"unknown": {"5f4dcc3b5aa765d61d8327deb882cf99", "no known kind"},
		"bomb":    {"$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "too much work"},
		"faulty":  {"$2x$05$WMmKbhSYxUnEth3XcvFr2u21QwqdDhSgxlpuvdmM59a05DmkL/Gwq", "faulty"},
	} {
		require.NoError(t, second(users.InsertOne(ctx, bson.D{{Key: "_id", Value: name}, {Key: "username", Value: name}, {Key: "password_hash", Value: row.hash}})))
		err := second(m.GetUser(ctx, name, "p", nil))
		for _, part := range []string{"oauth2_users", `document "` + name + `"`, `"password_hash"`, row.want} {
			require.ErrorContains(t, err, part, name)
		}
		require.NotErrorIs(t, err, oauth2server.ErrNotFound)
		if text, ok := row.hash.(string); ok && text != "" {
			require.NotContains(t, err.Error(), text)
		}
	}
	id := bson.NewObjectID()
	require.NoError(t, second(users.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "username", Value: "object"}, {Key: "password_hash", Value: hashes["php"]}})))
	require.ErrorContains(t, second(m.GetUser(ctx, "object", "pass word", nil)), `field "_id" is of type objectID, and must be a string`)
}

// Names that were stored before they were prepared sign in as they did, and are not taken by others.
func TestOlderNames(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	users := db.Collection(prefix + "users")
	hash := documents(t, db, "users")[0]["password_hash"] // of "a password"
	for id, name := range map[string]string{"wide": "\uff5aoe", "fox": "\U0001F98A", "apart": "jose\u0301"} {
		require.NoError(t, second(users.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "username", Value: name}, {Key: "password_hash", Value: hash}})))
		got, err := m.GetUser(ctx, name, "a password", nil)
		require.NoError(t, err)
		require.Equal(t, id, got.ID)
		require.ErrorIs(t, second(m.GetUser(ctx, name, "another", nil)), oauth2server.ErrNotFound)
		require.NoError(t, m.UpdateUser(ctx, &oauth2server.User{ID: id, Data: bson.M{"seen": true}}, name), "%s keeps the name", id)
	}
	got, err := m.GetUser(ctx, "\U0001F98A", "a password", nil)
	require.NoError(t, err)
	require.Equal(t, "fox", got.ID)
	require.NotNil(t, got.Data)
	require.ErrorIs(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "\U0001F98A"), oauth2server.InvalidArgument)
	got, err = m.GetUser(ctx, "jos\u00e9", "a password", nil)
	require.NoError(t, err, "an update prepares it")
	require.Equal(t, "apart", got.ID)

	require.NoError(t, second(users.InsertOne(ctx, bson.D{{Key: "_id", Value: "old"}, {Key: "username", Value: "ann\uff41"}, {Key: "password_hash", Value: hash}})))
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
	m := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: bcrypt.MinCost}) // without EnsureIndexes
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

// An unknown name costs a hash of the same cost as a known one. This one cannot be made, so it was tried.
func TestUnknownUsersCostAHash(t *testing.T) {
	m := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: 99})
	err := second(m.GetUser(t.Context(), "nobody", "p", nil))
	require.ErrorContains(t, err, "mongomodel: ")
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
}
