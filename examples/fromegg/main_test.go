// This file tests the import from MongoDB.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/takeover"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

const (
	andyID = "cc7e237c-b83f-49ec-b6be-167672a12eef"
	bobID  = "0a8a1bd8-4d3c-4b9e-93a7-6a4f2c1f9b52"
)

// secret is a string of 40 hexadecimal digits, as node-oauth2-server makes them.
func secret(n int) string { return fmt.Sprintf("%040x", 0x9f36f4f0f90c+n) }

// old is a database as the article's program writes it.
type old struct {
	uri string
	db  *mongo.Database
}

func newOld(t *testing.T) old {
	uri := mongotest.DatabaseURI(t)
	db, shut, err := database(uri)
	require.NoError(t, err)
	t.Cleanup(shut)
	return old{uri, db}
}

// insert adds documents to a collection, with what Mongoose adds to them.
func (o old) insert(t *testing.T, collection string, documents ...bson.D) {
	for _, document := range documents {
		document = append(append(bson.D{{Key: "_id", Value: bson.NewObjectID()}}, document...),
			bson.E{Key: "__v", Value: int32(0)})
		_, err := o.db.Collection(collection).InsertOne(t.Context(), document)
		require.NoError(t, err)
	}
}

func clientDocument(id, secret, uris, grants string) bson.D {
	return bson.D{{Key: "clientId", Value: id}, {Key: "clientSecret", Value: secret},
		{Key: "redirectUri", Value: uris}, {Key: "grants", Value: grants}}
}

func userDocument(id, username, password string) bson.D {
	return bson.D{{Key: "userId", Value: id}, {Key: "username", Value: username},
		{Key: "password", Value: password}, {Key: "creatAt", Value: time.Now()}}
}

func tokenDocument(token string, lives time.Duration, client, user string) bson.D {
	return bson.D{{Key: "token", Value: token}, {Key: "expiresAt", Value: time.Now().Add(lives)},
		{Key: "scope", Value: "read"}, {Key: "clientId", Value: client}, {Key: "userId", Value: user}}
}

func codeDocument(code string, lives time.Duration, client, user string) bson.D {
	return bson.D{{Key: "code", Value: code}, {Key: "expiresAt", Value: time.Now().Add(lives)},
		{Key: "redirectUri", Value: "https://app.example/callback"}, {Key: "scope", Value: ""},
		{Key: "clientId", Value: client}, {Key: "userId", Value: user}}
}

// filled returns a database with records of each kind, some of them alive.
func filled(t *testing.T) old {
	o := newOld(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	require.NoError(t, err)
	o.insert(t, "clients",
		clientDocument("123456", "qwerty", "http://127.0.0.1:7001, https://app.example/callback",
			"authorization_code,refresh_token"),
		clientDocument("wrong", secret(0), "https://wrong.example/", "authorization_code,refreshtoken"))
	o.insert(t, "users",
		userDocument(andyID, "andy", "123456"),
		userDocument(bobID, "bob", "$2b$"+strings.TrimPrefix(string(hash), "$2a$")),
		userDocument("3", "andy", "another"),
		userDocument("4", "eve", "5f4dcc3b5aa765d61d8327deb882cf99"),
		bson.D{{Key: "userId", Value: "5"}, {Key: "username", Value: int32(5)}})
	o.insert(t, "authcodes",
		codeDocument(secret(1), time.Minute, "123456", andyID),
		codeDocument(secret(2), -time.Minute, "123456", andyID))
	o.insert(t, "tokens",
		tokenDocument(secret(11), time.Hour, "123456", andyID),
		tokenDocument(secret(12), -time.Hour, "123456", andyID),
		tokenDocument(secret(13), time.Hour, "123456", bobID),
		tokenDocument(secret(14), time.Hour, "wrong", andyID),
		tokenDocument(secret(15), time.Hour, "123456", "nobody"),
		tokenDocument("", time.Hour, "123456", andyID))
	o.insert(t, "refreshtokens",
		tokenDocument(secret(21), 14*24*time.Hour, "123456", andyID),
		tokenDocument(secret(22), -time.Hour, "123456", andyID),
		tokenDocument(secret(23), 14*24*time.Hour, "123456", bobID))
	return o
}

const firstReport = `added there expired refused
clients 1 0 0 1
users 2 0 0 3
codes 1 0 1 0
access tokens 2 0 1 3
refresh tokens 2 0 1 0
refused: 1 of clients: client "wrong": grant "refreshtoken": it is unknown; "refresh_token" was probably meant
refused: 1 of users: a field is not of the article's type
refused: 1 of users: user "andy": the name is another's
refused: 1 of users: user "eve": the password looks like a hash of MD5 or SHA
refused: 1 of access tokens: the client is not there
refused: 1 of access tokens: the user is not there
refused: 1 of access tokens: there is no token`

const secondReport = `added there expired refused
clients 0 1 0 1
users 0 2 0 3
codes 0 1 1 0
access tokens 0 2 1 3
refresh tokens 0 2 1 0
`

// importer returns the model at an address, and a function that runs the import
// into it: by the program, unless the model is in memory.
func importer(t *testing.T, o old, address string) (model stored, again func() string) {
	model = opened(t, address)
	return model, func() string {
		var out bytes.Buffer
		if address != "" {
			require.NoError(t, run(t.Context(), []string{"-from", o.uri, "-to", address, "-short-secrets"}, &out))
			return out.String()
		}
		report, err := takeover.Import(t.Context(), takeover.Egg(o.db), model, nil)
		require.NoError(t, err)
		return report.String()
	}
}

// Live tokens, codes, passwords and secrets go on working in each model.
func TestWhatIsAliveGoesOn(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model, again := importer(t, filled(t), address)
			report := again()
			require.Equal(t, firstReport, table(report))
			for _, hidden := range []string{"qwerty", "$2b$", "5f4dcc3b5aa765d61d8327deb882cf99", secret(0)[:38]} {
				require.NotContains(t, report, hidden)
			}
			s := serve(t, model, "123456", "qwerty")

			s.opens(secret(11), andyID)
			s.refuses(secret(12))
			s.refuses(secret(14))
			s.refuses(secret(15))

			first, err := s.refresh(secret(21))
			require.NoError(t, err)
			s.opens(first.AccessToken, andyID)
			require.Equal(t, "read", first.Extra("scope"))
			repeated, err := s.refresh(secret(21))
			require.NoError(t, err)
			require.Equal(t, first.RefreshToken, repeated.RefreshToken, "its reply may have been lost")
			second, err := s.refresh(first.RefreshToken)
			require.NoError(t, err)
			require.NotEqual(t, first.RefreshToken, second.RefreshToken)
			s.invalid(s.refresh(secret(22)))

			s.RedirectURL = "https://app.example/callback"
			token, err := s.Exchange(t.Context(), secret(1))
			require.NoError(t, err)
			s.opens(token.AccessToken, andyID)
			s.invalid(s.Exchange(t.Context(), secret(1)))
			s.refuses(token.AccessToken) // two parties have the code
			s.invalid(s.Exchange(t.Context(), secret(2)))

			s.RedirectURL = "http://127.0.0.1:7001"
			require.Equal(t, andyID, s.signIn("andy", "123456"))
			require.Equal(t, bobID, s.signIn("bob", "hunter2"))
			require.Empty(t, s.signIn("andy", "another"))
			require.Empty(t, s.signIn("eve", "password"))

			thief := serve(t, model, "123456", "qwertz")
			_, err = thief.refresh(secret(23))
			require.ErrorContains(t, err, "invalid_client")
		})
	}
}

// The owner sees what was moved and can end it. A second run does not bring it
// back, and changes nothing else.
func TestSecondRun(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model, again := importer(t, filled(t), address)
			again()
			s := serve(t, model, "123456", "qwerty")
			next, err := s.refresh(secret(21))
			require.NoError(t, err)
			s.RedirectURL = "https://app.example/callback"
			_, err = s.Exchange(t.Context(), secret(1))
			require.NoError(t, err)
			grants, err := model.UserGrants(t.Context(), bobID)
			require.NoError(t, err)
			require.Len(t, grants, 2, "one of each token")
			for _, grant := range grants {
				require.Equal(t, oauth2server.Scope{"read"}, grant.Scope)
				require.Equal(t, "123456", grant.ClientID)
			}
			entries, err := model.GrantEntries(t.Context(), oauth2server.Digest(secret(23)), 1)
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add((14+31)*24*time.Hour), entries[0].ExpiresAt, time.Minute,
				"later entries do not repeat the names for 30 days")
			kept, err := model.(oauth2server.RefreshTokenModel).GetRefreshToken(t.Context(), secret(23))
			require.NoError(t, err)
			require.Equal(t, kept.RefreshTokenExpiresAt, kept.AccessTokenExpiresAt,
				"zero would be a grant that never expires, whose names are never repeated")
			require.NoError(t, model.RevokeUser(t.Context(), bobID))
			before := dump(t, address)

			require.True(t, strings.HasPrefix(table(again()), secondReport))

			require.Equal(t, before, dump(t, address))
			s.refuses(secret(13))
			s.invalid(s.refresh(secret(23)))
			s.opens(secret(11), andyID)
			last, err := s.refresh(next.RefreshToken)
			require.NoError(t, err)
			s.invalid(s.Exchange(t.Context(), secret(1)))

			require.NoError(t, model.RevokeUser(t.Context(), andyID))
			s.refuses(secret(11))
			s.refuses(last.AccessToken)
			s.invalid(s.refresh(last.RefreshToken))
		})
	}
}

// dump returns all documents of a MongoDB, and nothing for other addresses.
func dump(t *testing.T, address string) (all map[string][]bson.D) {
	if !strings.HasPrefix(address, "mongodb:") {
		return nil
	}
	db, shut, err := database(address)
	require.NoError(t, err)
	defer shut()
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	require.NoError(t, err)
	all = map[string][]bson.D{}
	for _, name := range names {
		found, err := db.Collection(name).Find(t.Context(), bson.D{})
		require.NoError(t, err)
		var documents []bson.D
		require.NoError(t, found.All(t.Context(), &documents))
		all[name] = documents
	}
	require.NotEmpty(t, all["oauth2_grants"])
	return all
}

// What was issued for a user who is refused is refused too: "client:123456" is
// whom that client acts as for itself.
func TestTokensOfRefusedUsers(t *testing.T) {
	t.Parallel()
	o := filled(t)
	o.insert(t, "users", userDocument("client:123456", "mallory", "123456"))
	o.insert(t, "tokens", tokenDocument(secret(31), time.Hour, "123456", "client:123456"),
		tokenDocument(secret(32), time.Hour, "123456", "4"))
	model, again := importer(t, o, "")
	for range 2 {
		require.Contains(t, again(), "refused: 3 of access tokens: the user is not there")
	}
	s := serve(t, model, "123456", "qwerty")
	s.refuses(secret(31))
	s.refuses(secret(32))
	s.opens(secret(11), andyID)
}

// A code must not live longer than the memory of a revoked user.
func TestCodeThatLivesTooLong(t *testing.T) {
	t.Parallel()
	o := filled(t)
	o.insert(t, "authcodes", codeDocument(secret(3), 31*24*time.Hour, "123456", andyID))
	model, again := importer(t, o, "")
	require.Contains(t, again(), "refused: 1 of codes: it lives for more than 30 days")
	_, err := model.GetAuthorizationCode(t.Context(), secret(3))
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
}

// "default: uuid()" in a schema gives all users of one process the same ID.
func TestSharedIDs(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	o.insert(t, "clients", clientDocument("123456", "qwerty", "http://127.0.0.1:7001", "authorization_code"))
	o.insert(t, "users", userDocument(andyID, "andy", "123456"), userDocument(andyID, "bob", "654321"),
		userDocument(bobID, "carl", "123456"))
	o.insert(t, "tokens", tokenDocument(secret(1), time.Hour, "123456", andyID),
		tokenDocument(secret(2), time.Hour, "123456", bobID))
	o.insert(t, "authcodes", codeDocument(secret(3), time.Minute, "123456", andyID))
	to := mongotest.DatabaseURI(t)
	args := []string{"-from", o.uri, "-to", to, "-short-secrets"}
	err := run(t.Context(), args, &bytes.Buffer{})
	require.ErrorContains(t, err, `"`+andyID+`": ["andy" "bob"]`)
	require.NotContains(t, err.Error(), "carl")
	model := opened(t, to)
	_, err = model.GetClient(t.Context(), "123456", "")
	require.ErrorIs(t, err, oauth2server.ErrNotFound, "nothing was written")

	for range 2 {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), append(args, "-new-ids"), &out))
		require.Contains(t, out.String(), "1 of access tokens: the user's ID is that of 2 users")
		require.Contains(t, out.String(), "1 of codes: the user's ID is that of 2 users")
	}
	s := serve(t, model, "123456", "qwerty")
	s.RedirectURL = "http://127.0.0.1:7001"
	s.refuses(secret(1))
	s.opens(secret(2), bobID)
	require.Equal(t, bobID, s.signIn("carl", "123456"))
	andy, bob := s.signIn("andy", "123456"), s.signIn("bob", "654321")
	require.Len(t, andy, 24)
	require.Len(t, bob, 24)
	require.NotEqual(t, andy, bob)
}

// Without -short-secrets, clients with short secrets are refused, and so are
// their tokens. Without -to, the program reports what would happen.
func TestShortSecrets(t *testing.T) {
	t.Parallel()
	o := filled(t)
	to := mongotest.DatabaseURI(t)
	for _, row := range []struct {
		args []string
		want string
	}{
		{nil, "clients 0 0 0 2\n"},
		{[]string{"-short-secrets"}, "clients 1 0 0 1\n"},
		{[]string{"-to", to}, "access tokens 0 0 1 5\nrefresh tokens 0 0 1 2\n"},
		{[]string{"-to", to, "-short-secrets"}, "access tokens 2 0 1 3\nrefresh tokens 2 0 1 0\n"},
	} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), append(row.args, "-from", o.uri), &out))
		require.Contains(t, table(out.String()), row.want, row.args)
		require.Equal(t, !strings.Contains(strings.Join(row.args, " "), "-short-secrets"),
			strings.Contains(out.String(), "fewer than 22 characters"), out.String())
	}
}

// After an error at any write, a second run moves the rest.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	o := filled(t)
	for after := 0; ; after++ {
		model := opened(t, "")
		_, err := takeover.Import(t.Context(), takeover.Egg(o.db), &breaking{model, after}, nil)
		if err == nil {
			require.Equal(t, 2*4, after, "two for each token")
			break
		}
		require.ErrorContains(t, err, "the disk is full")
		_, err = takeover.Import(t.Context(), takeover.Egg(o.db), model, nil)
		require.NoError(t, err)
		s := serve(t, model, "123456", "qwerty")
		s.opens(secret(11), andyID)
		s.opens(secret(13), bobID)
		_, err = s.refresh(secret(21))
		require.NoError(t, err)
		next, err := s.refresh(secret(23))
		require.NoError(t, err)
		require.NoError(t, model.RevokeUser(t.Context(), bobID))
		s.refuses(secret(13))
		s.refuses(next.AccessToken)
	}
}

// breaking is a model that fails to write tokens and logs after some writes.
type breaking struct {
	stored
	after int
}

func (b *breaking) write() error {
	if b.after--; b.after < 0 {
		return errors.New("the disk is full")
	}
	return nil
}

func (b *breaking) SaveToken(
	ctx context.Context, token *oauth2server.Token, client *oauth2server.Client, user *oauth2server.User,
) (*oauth2server.Token, error) {
	if err := b.write(); err != nil {
		return nil, err
	}
	return b.stored.SaveToken(ctx, token, client, user)
}

func (b *breaking) AppendGrant(
	ctx context.Context, entry *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	if err := b.write(); err != nil {
		return nil, err
	}
	return b.stored.AppendGrant(ctx, entry)
}

// A database whose name is misspelt is empty.
func TestNothingIsThere(t *testing.T) {
	o := newOld(t)
	err := run(t.Context(), []string{"-from", o.uri}, &bytes.Buffer{})
	require.ErrorContains(t, err, "none of the article's collections")
}

func TestArguments(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"", "-from: "},
		{"-from mongodb://andy:hunter2@127.0.0.1/", "names no database"},
		{"-from mongodb://andy:hunter2%ZZ@127.0.0.1/egg", "-from: "},
		{"-from mongodb://127.0.0.1/egg -to redis://andy:hunter2@127.0.0.1/", `the scheme "redis" is not known: use mongodb, mongodb+srv, postgres`},
		{"-from mongodb://127.0.0.1/egg more", `unexpected argument "more"`},
		{"-what", "-what"},
	} {
		err := run(t.Context(), strings.Fields(row.args), &bytes.Buffer{})
		require.ErrorContains(t, err, row.want, row.args)
		require.NotContains(t, err.Error(), "hunter2")
	}
	var help bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, &help))
	require.Contains(t, help.String(), "-short-secrets")
}
