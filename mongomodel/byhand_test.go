// Clients and users whose documents people wrote.

package mongomodel_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/seed-11d18166/oauth2server"
)

// write inserts a document under an _id.
func write(t *testing.T, c *mongo.Collection, id any, fields bson.M) {
	t.Helper()
	document := maps.Clone(fields)
	document["_id"] = id
	require.NoError(t, second(c.InsertOne(context.Background(), document)))
}

// byHand returns the smallest document of a client, with one more field; nil is
// null there. Without a name no field is added.
func byHand(field string, value any) bson.M {
	document := bson.M{"grants": bson.A{"client_credentials"}, "secret_digest": oauth2server.Digest(secret)}
	if field != "" {
		document[field] = value
	}
	return document
}

// What people write into a document in other ways, and which can mean one thing
// only.
func TestClientsWrittenByHand(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	clients := db.Collection(prefix + "clients")
	digest := oauth2server.Digest(secret)
	sum := sha256.Sum256([]byte(secret))
	type client = oauth2server.Client
	plain := []string{"client_credentials"}
	for name, row := range map[string]struct {
		document bson.M
		want     client
	}{
		"least":             {byHand("", nil), client{}},
		"null public":       {byHand("public", nil), client{}},
		"null scope":        {byHand("scope", nil), client{}},
		"null uris":         {byHand("redirect_uris", nil), client{}},
		"null lifetime":     {byHand("access_token_lifetime", nil), client{}},
		"null data":         {byHand("data", nil), client{}},
		"null time":         {byHand("deleted_at", nil), client{}},
		"more":              {byHand("created_at", time.Now()), client{}},
		"a text":            {byHand("grants", "client_credentials"), client{}},
		"words":             {byHand("grants", " password  x:y "), client{Grants: []string{"password", "x:y"}}},
		"scope words":       {byHand("scope", "read write"), client{Scope: oauth2server.Scope{"read", "write"}}},
		"uri":               {byHand("redirect_uris", callback), client{RedirectURIs: []string{callback}}},
		"seconds":           {byHand("access_token_lifetime", 3600), client{AccessTokenLifetime: time.Hour}},
		"seconds of script": {byHand("refresh_token_lifetime", 3600.0), client{RefreshTokenLifetime: time.Hour}},
		"long seconds":      {byHand("refresh_token_lifetime", int64(60)), client{RefreshTokenLifetime: time.Minute}},
		"none":              {byHand("access_token_lifetime", 0), client{}},
		"empty":             {byHand("access_token_lifetime", ""), client{}},
		"a duration":        {byHand("access_token_lifetime", "90m"), client{AccessTokenLifetime: 90 * time.Minute}},
		"padded":            {byHand("secret_digest", digest+"="), client{}},
		"hexadecimal":       {byHand("secret_digest", hex.EncodeToString(sum[:])), client{}},
		"also another's":    {byHand("clientSecret", secret), client{}},
	} {
		write(t, clients, name, row.document)
		if row.want.ID = name; row.want.Grants == nil {
			row.want.Grants = plain
		}
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
	write(t, clients, "phone", byHand("public", true))
	require.NoError(t, second(m.GetClient(ctx, "phone", "")))
	require.ErrorIs(t, second(m.GetClient(ctx, "phone", secret)), oauth2server.ErrNotFound)
}

// What cannot be used is a fault that names collection, _id and field, also
// where no secret is asked for. It does not have the value, which may be a
// secret.
func TestBrokenClientsWrittenByHand(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	notRead := func(got, want string) string { return `"` + got + `" is not read: write "` + want + `"` }
	for name, row := range map[string]struct {
		document bson.M
		want     string
	}{
		"number":       {byHand("grants", 7), `"grants" has type 32-bit integer, want an array of strings`},
		"commas":       {byHand("grants", "password,refresh_token"), `"grants" is a string with a comma`},
		"mixed":        {byHand("grants", bson.A{"password", 7}), `"grants" has an element of type 32-bit integer`},
		"uris":         {byHand("redirect_uris", bson.D{}), `"redirect_uris"`},
		"scope":        {byHand("scope", true), `"scope"`},
		"public":       {byHand("public", "yes"), `"public" has type string, want true or false`},
		"an hour":      {byHand("access_token_lifetime", "an hour"), `"access_token_lifetime" must be a duration`},
		"half seconds": {byHand("access_token_lifetime", 1.5), `a whole number of seconds`},
		"nanoseconds":  {byHand("refresh_token_lifetime", int64(time.Hour)), `a number is in seconds`},
		"negative":     {byHand("refresh_token_lifetime", -1), `"refresh_token_lifetime" is -1`},
		"in clear":     {byHand("secret_digest", secret), `"secret_digest" is not a SHA-256`},
		"no digest":    {bson.M{"grants": nil}, `"secret_digest" is missing`},
		"empty digest": {byHand("secret_digest", ""), `"secret_digest" is not a SHA-256`},
		"null digest":  {byHand("secret_digest", nil), `"secret_digest" has type null`},
		"former":       {byHand("former_secret_digest", 7), `"former_secret_digest"`},
		"until":        {byHand("former_secret_until", "tomorrow"), `"former_secret_until" has type string`},
		"deleted":      {byHand("deleted_at", "yesterday"), `"deleted_at"`},
		"of egg": {bson.M{"grants": nil, "clientId": "i", "clientSecret": secret},
			notRead("clientSecret", "secret_digest")},
		"of egg, URIs": {byHand("redirectUris", bson.A{callback}), notRead("redirectUris", "redirect_uris")},
		"of node": {byHand("accessTokenLifetime", 3600),
			notRead("accessTokenLifetime", "access_token_lifetime")},
		"of a developer": {byHand("redirect_uri", callback), notRead("redirect_uri", "redirect_uris")},
	} {
		write(t, db.Collection(prefix+"clients"), name, row.document)
		for _, presented := range []string{"", secret} {
			err := second(m.GetClient(ctx, name, presented))
			require.NotErrorIs(t, err, oauth2server.ErrNotFound, name)
			for _, part := range []string{row.want, "oauth2_clients", `"` + name + `"`} {
				require.ErrorContains(t, err, part, name)
			}
			require.NotContains(t, err.Error(), secret, name)
		}
	}
	both := byHand("scope", true)
	both["redirect_uris"] = 7
	write(t, db.Collection(prefix+"clients"), "~", both)
	err := second(m.GetClient(ctx, "~", ""))
	require.ErrorContains(t, err, `"scope"`)
	require.ErrorContains(t, err, `"redirect_uris"`, "all of them")
	require.ErrorContains(t, second(m.ListClients(ctx, "uris", 0)), `"~"`, "a list does not leave them out")
}

// The server answers that it has a fault, and the log says which document and
// which field.
func TestBrokenClientsAreInTheLog(t *testing.T) {
	db, m := start(t)
	write(t, db.Collection(prefix+"clients"), "shop", bson.M{"grants": bson.A{"client_credentials"},
		"clientSecret": secret})
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

func TestUsersWrittenByHand(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	users := db.Collection(prefix + "users")
	user := func(name string, hash any) bson.M { return bson.M{"username": name, "password_hash": hash} }
	for name, hash := range map[string]string{
		"bcrypt":   "$2b$05$dRyBfYlZ5XCivfXuROxQIeEwrhjyoHyWOyN1JMXOoggg5SddCrAUy",
		"php":      foreignHash,
		"argon2id": "$argon2id$v=19$m=256,t=2,p=2$tyn4Rg7hTx/ObGeLHfUMPA$6T1O3Somw8wS/h+81d138w",
		"scrypt":   "$scrypt$ln=4,r=8,p=1$U0FMVFNBTFRTQUxUU0FMVA$2AuX2iG4qfh8yqhCzcsdB/6ILLCjOF8DtM2wh1v5PNk",
	} {
		write(t, users, name, user(name, hash))
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
		"number":  {7, "want a string"},
		"empty":   {"", "is empty"},
		"null":    {nil, "want a string"},
		"unknown": {"5f4dcc3b5aa765d61d8327deb882cf99", "unknown kind"},
		"bomb": {"$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
			"too much work"},
		"faulty": {strings.Replace(foreignHash, "$2y$", "$2x$", 1), "faulty"},
	} {
		write(t, users, name, user(name, row.hash))
		err := second(m.GetUser(ctx, name, "p", nil))
		for _, part := range []string{"oauth2_users", `document "` + name + `"`, `"password_hash"`, row.want} {
			require.ErrorContains(t, err, part, name)
		}
		require.NotErrorIs(t, err, oauth2server.ErrNotFound)
		if text, ok := row.hash.(string); ok && text != "" {
			require.NotContains(t, err.Error(), text)
		}
	}
	write(t, users, bson.NewObjectID(), user("object", foreignHash))
	require.ErrorContains(t, second(m.GetUser(ctx, "object", "pass word", nil)),
		`field "_id" has type objectID, want a string`)
}
