package mongomodel_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/filled"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

func TestWhatIsSavedComesBack(t *testing.T) {
	ctx := t.Context()
	_, m := start(t)
	var token oauth2server.Token
	filled.Struct(&token)
	saved, err := m.SaveToken(ctx, &token, token.Client, token.User)
	require.NoError(t, err)
	require.Equal(t, &token, saved)

	access, err := m.GetAccessToken(ctx, token.AccessToken)
	require.NoError(t, err)
	access.RefreshToken = token.RefreshToken
	require.Equal(t, &token, access)
	refresh, err := m.GetRefreshToken(ctx, token.RefreshToken)
	require.NoError(t, err)
	refresh.AccessToken = token.AccessToken
	require.Equal(t, &token, refresh)

	var code oauth2server.AuthorizationCode
	filled.Struct(&code)
	savedCode, err := m.SaveAuthorizationCode(ctx, &code, code.Client, code.User)
	require.NoError(t, err)
	require.Equal(t, &code, savedCode)
	found, err := m.GetAuthorizationCode(ctx, code.Code)
	require.NoError(t, err)
	require.Equal(t, &code, found)

	var entry oauth2server.GrantEntry
	filled.Struct(&entry)
	_, err = m.AppendGrant(ctx, &entry)
	require.NoError(t, err)
	entries, err := m.GrantEntries(ctx, entry.GrantID, 1)
	require.NoError(t, err)
	require.Equal(t, []*oauth2server.GrantEntry{&entry}, entries)
}

func TestDocumentsAreReadable(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	var token oauth2server.Token
	filled.Struct(&token)
	_, err := m.SaveToken(ctx, &token, nil, nil)
	require.NoError(t, err)
	var code oauth2server.AuthorizationCode
	filled.Struct(&code)
	_, err = m.SaveAuthorizationCode(ctx, &code, nil, nil)
	require.NoError(t, err)
	_, err = m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g", Seq: 7, Kind: "grant", UserID: "u1",
		ClientID: "web",
		Time:     token.AccessTokenExpiresAt, ExpiresAt: token.AccessTokenExpiresAt})
	require.NoError(t, err)

	expiry := bson.NewDateTimeFromTime(token.AccessTokenExpiresAt)
	for collection, want := range map[string]bson.M{
		"access_tokens": {"_id": oauth2server.Digest(token.AccessToken), "client_id": "web", "user_id": "u1",
			"grant_id": token.GrantID, "scope": bson.A{"read", "Scope"}, "oauth2_expires_at": expiry},
		"refresh_tokens": {"_id": oauth2server.Digest(token.RefreshToken), "client_id": "web", "user_id": "u1",
			"grant_id": token.GrantID, "scope": bson.A{"read", "GrantScope"}, "oauth2_expires_at": expiry},
		"authorization_codes": {"_id": oauth2server.Digest(code.Code), "client_id": "web", "user_id": "u1",
			"grant_id": code.GrantID, "scope": bson.A{"read", "Scope"}, "oauth2_expires_at": expiry},
		"grants": {"_id": "g:0000000007", "grant_id": "g", "seq": int32(7), "kind": "grant", "client_id": "web",
			"user_id": "u1", "time": expiry, "oauth2_expires_at": expiry},
		"clients": {"_id": "web", "redirect_uris": bson.A{callback}, "scope": nil, "public": false, "data": nil,
			"grants":                bson.A{"authorization_code", "refresh_token", "client_credentials", "password"},
			"access_token_lifetime": "0s", "refresh_token_lifetime": "0s", "auth_method": "",
			"name": "", "uri": "", "self_asserted": false,
			"secret_digest": oauth2server.Digest(secret)},
	} {
		got := documents(t, db, collection)
		require.Len(t, got, 1, collection)
		if collection != "clients" {
			require.Contains(t, got[0]["oauth2_record"], `{"v":1,`, collection)
			delete(got[0], "oauth2_record")
		}
		require.Equal(t, want, got[0], collection)
	}

	_, err = m.SaveToken(ctx, &oauth2server.Token{AccessToken: "forever", RefreshToken: "forever"}, nil, nil)
	require.NoError(t, err)
	for _, collection := range []string{"access_tokens", "refresh_tokens"} {
		var found bson.M
		require.NoError(t, db.Collection(prefix+collection).FindOne(ctx,
			bson.D{{Key: "_id", Value: oauth2server.Digest("forever")}}).Decode(&found))
		require.NotContains(t, found, "oauth2_expires_at", "a TTL index would delete it")
	}
}

func TestNothingIsStoredInClear(t *testing.T) {
	db, m := start(t)
	s := newSite(t, m)
	code := s.authorize(t)
	first := s.exchange(t.Context(), code)
	second := s.refresh(t.Context(), first.Token)
	require.NotEmpty(t, second.Token)
	all, err := dump(t.Context(), db)
	require.NoError(t, err)
	require.Contains(t, all, oauth2server.Digest(second.Token))
	for _, credential := range []string{code, first.Access, first.Token, second.Access, second.Token,
		secret, "a password"} {
		require.NotContains(t, all, credential)
	}
}

func TestGatesLetOneThrough(t *testing.T) {
	ctx := t.Context()
	_, m := start(t)
	_, err := m.SaveToken(ctx, &oauth2server.Token{AccessToken: "a", RefreshToken: "r"}, nil, nil)
	require.NoError(t, err)
	_, err = m.SaveAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "c"}, nil, nil)
	require.NoError(t, err)
	for name, gate := range map[string]func() error{
		"code":    func() error { return m.RevokeAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "c"}) },
		"refresh": func() error { return m.RevokeToken(ctx, &oauth2server.Token{RefreshToken: "r"}) },
		"access":  func() error { return m.RevokeAccessToken(ctx, "a") },
	} {
		through, err := race(16, gate, oauth2server.ErrNotFound)
		require.NoError(t, err, name)
		require.Equal(t, 1, through, name)
	}
}

// race says how many of n concurrent attempts succeeded. The others must fail with lost.
func race(n int, attempt func() error, lost error) (succeeded int, err error) {
	var through atomic.Int32
	var wg sync.WaitGroup
	failed := make(chan error, n)
	for range n {
		wg.Go(func() {
			if err := attempt(); err == nil {
				through.Add(1)
			} else if !errors.Is(err, lost) {
				failed <- err
			}
		})
	}
	wg.Wait()
	close(failed)
	return int(through.Load()), <-failed
}

func TestNothingIsReplaced(t *testing.T) {
	ctx := t.Context()
	_, m := start(t)
	token := oauth2server.Token{AccessToken: "a", RefreshToken: "r", Scope: oauth2server.Scope{"read"}}
	code := oauth2server.AuthorizationCode{Code: "c", GrantID: "g"}
	for range 2 { // the second one is the first one again, whose reply was lost
		require.NoError(t, second(m.SaveToken(ctx, &token, nil, nil)))
		require.NoError(t, second(m.SaveAuthorizationCode(ctx, &code, nil, nil)))
	}
	token.Scope, code.GrantID = oauth2server.Scope{"write"}, "h"
	require.ErrorContains(t, second(m.SaveToken(ctx, &token, nil, nil)), "access_tokens: another document")
	token.AccessToken = "b"
	require.ErrorContains(t, second(m.SaveToken(ctx, &token, nil, nil)), "refresh_tokens: another document")
	require.ErrorContains(t, second(m.SaveAuthorizationCode(ctx, &code, nil, nil)), "authorization_codes: another")
	found, err := m.GetAccessToken(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, oauth2server.Scope{"read"}, found.Scope)
}

// A revocation must be seen, whatever the handle is good for otherwise.
func TestTheHandlesSettingsDoNotMatter(t *testing.T) {
	var sent recorder
	db := mongotest.Database(t, sent.options())
	careless := db.Client().Database(db.Name(), options.Database().SetWriteConcern(writeconcern.Unacknowledged()).
		SetReadPreference(readpref.SecondaryPreferred()).SetReadConcern(readconcern.Available()).
		SetBSONOptions(&options.BSONOptions{UseJSONStructTags: true, OmitEmpty: true, StringifyMapKeysWithFmt: true}))
	m := newModel(t, careless)
	s := newSite(t, m)
	sent.take()
	got := s.signIn(t)
	require.NoError(t, m.RevokeUser(t.Context(), "u1"))
	require.False(t, s.works(got.Access))
	writes := 0
	for _, e := range sent.take() {
		switch e.CommandName {
		case "insert", "delete":
			writes++
			require.Equal(t, "majority", e.Command.Lookup("writeConcern", "w").StringValue(), e.Command)
			require.True(t, e.Command.Lookup("writeConcern", "j").Boolean(), e.Command)
		case "find":
			require.Equal(t, "local", e.Command.Lookup("readConcern", "level").StringValue(), e.Command)
			if mode, err := e.Command.LookupErr("$readPreference", "mode"); err == nil {
				// the driver's for a single server
				require.Contains(t, []string{"primary", "primaryPreferred"}, mode.StringValue(), e.Command)
			}
		}
	}
	require.Equal(t, 10, writes) // code, tokens and entry; mark, end, "revoked", deletion, done; mark
}

// One of the two tokens may be saved alone: refresh tokens that another server
// issued, say.
func TestOneTokenAlone(t *testing.T) {
	ctx := t.Context()
	db, m := start(t)
	require.NoError(t, second(m.SaveToken(ctx, &oauth2server.Token{RefreshToken: "r"}, nil, nil)))
	require.Empty(t, documents(t, db, "access_tokens"))
	require.NoError(t, second(m.GetRefreshToken(ctx, "r")))
	require.ErrorIs(t, second(m.GetAccessToken(ctx, "")), oauth2server.ErrNotFound)
	require.NoError(t, second(m.SaveToken(ctx, &oauth2server.Token{RefreshToken: "s"}, nil, nil)), "a second one")

	require.NoError(t, second(m.SaveToken(ctx, &oauth2server.Token{AccessToken: "a"}, nil, nil)))
	require.Len(t, documents(t, db, "refresh_tokens"), 2)
	require.NoError(t, second(m.GetAccessToken(ctx, "a")))
	require.ErrorIs(t, second(m.GetRefreshToken(ctx, "")), oauth2server.ErrNotFound)
}
