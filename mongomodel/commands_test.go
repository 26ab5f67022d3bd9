package mongomodel_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

// What doc.go says about the commands of a request.
func TestCommandsPerRequest(t *testing.T) {
	ctx := t.Context()
	var sent recorder
	db := mongotest.Database(t, sent.options())
	m := newModel(t, db)
	s := newSite(t, m)
	var code, grant string
	var first, refreshed answer
	ok := func(a answer) answer {
		t.Helper()
		require.Equal(t, http.StatusOK, a.status, a.Error)
		return a
	}
	for _, row := range []struct {
		flow string
		act  func()
		want []string
	}{
		{"authorize, with a sign-in by password", func() { code = s.authorize(t) },
			[]string{"find clients", "find users", "insert authorization_codes"}},
		{"client credentials", func() { ok(s.token(ctx, "grant_type", "client_credentials")) },
			[]string{"find clients", "insert access_tokens"}},
		{"code exchange", func() { first = ok(s.exchange(ctx, code)) },
			[]string{"find clients", "find authorization_codes", "insert access_tokens",
				"insert refresh_tokens", "insert grants",
				"find grants"}},
		{"authenticate", func() { require.True(t, s.works(first.Access)) },
			[]string{"find access_tokens"}},
		{"refresh", func() { refreshed = ok(s.refresh(ctx, first.Token)) },
			[]string{"find clients", "find refresh_tokens", "insert access_tokens", "insert refresh_tokens",
				"insert grants"}},
		{"refresh, asked twice", func() { require.Equal(t, refreshed.Token, ok(s.refresh(ctx, first.Token)).Token) },
			[]string{"find clients", "find refresh_tokens", "insert access_tokens", "insert refresh_tokens",
				"insert grants",
				"find grants", "find grants", "insert grants"}},
		{"password", func() {
			ok(s.token(ctx, "grant_type", "password", "username", "andy", "password",
				"a password"))
		},
			[]string{"find clients", "find users", "insert access_tokens", "insert refresh_tokens",
				"insert grants", "find grants"}},
		{"introspect an access token", func() {
			ok(s.post(ctx, s.server.Introspect(), "token", first.Access, "token_type_hint", "access_token"))
		},
			[]string{"find clients", "find access_tokens"}},
		{"introspect an access token, without a hint",
			func() { ok(s.post(ctx, s.server.Introspect(), "token", first.Access)) },
			[]string{"find clients", "find refresh_tokens", "find access_tokens"}},
		{"introspect a refresh token", func() { ok(s.post(ctx, s.server.Introspect(), "token", refreshed.Token)) },
			[]string{"find clients", "find refresh_tokens", "find grants"}},
		{"a page of connected apps, of two", func() {
			grants, err := m.UserGrants(ctx, "u1")
			require.NoError(t, err)
			require.Len(t, grants, 2)
		}, slices.Repeat([]string{"find grants"}, 1+2*2)},
		{"sign out", func() {
			token := s.signIn(t).Token
			sent.take()
			ok(s.post(ctx, s.server.Revoke(), "token", token))
		}, slices.Concat([]string{"find clients", "find refresh_tokens"}, revoking(1))},
		{"revoke a grant", func() {
			require.NoError(t, oauth2server.RevokeGrant(ctx, m, "unknown"))
		}, revoking(0)},
		{"revoke a grant with three access tokens", func() {
			token, err := m.GetAccessToken(ctx, first.Access)
			require.NoError(t, err)
			grant = token.GrantID
			sent.take()
			require.NoError(t, oauth2server.RevokeGrant(ctx, m, grant))
		}, revoking(3)},
		{"revoke it again", func() { require.NoError(t, oauth2server.RevokeGrant(ctx, m, grant)) },
			[]string{"find grants"}},
		{"a refresh that is refused", func() { require.Equal(t, "invalid_grant", s.refresh(ctx, first.Token).Error) },
			[]string{"find clients", "find refresh_tokens", "insert access_tokens", "insert refresh_tokens",
				"insert grants",
				"find grants", "find grants", "find grants", "delete access_tokens", "delete refresh_tokens"}},
	} {
		sent.take()
		row.act()
		require.Equal(t, row.want, names(sent.take()), row.flow)
	}
}

// revoking is what it takes to end a grant that has so many access tokens: to
// see that it has not ended and what it has, to write that it ends, to delete,
// and to write that it has ended.
func revoking(tokens int) []string {
	return slices.Concat([]string{"find grants", "find grants", "insert grants", "insert grants", "find grants"},
		slices.Repeat([]string{"delete access_tokens"}, tokens), []string{"insert grants"})
}

// The request path finds by _id, inserts one document or deletes one by _id, and nothing else.
func TestCommandsArePointOperations(t *testing.T) {
	ctx := t.Context()
	var sent recorder
	m := newModel(t, mongotest.Database(t, sent.options()))
	s := newSite(t, m)
	sent.take()
	code := s.authorize(t)
	first := s.exchange(ctx, code)
	s.refresh(ctx, first.Token)
	s.refresh(ctx, first.Token)
	require.True(t, s.works(first.Access))
	require.Equal(t, "invalid_grant", s.exchange(ctx, code).Error)
	require.Equal(t, http.StatusOK, s.post(ctx, s.server.Revoke(), "token", first.Token).status)
	require.False(t, s.works(first.Access))
	require.ErrorIs(t, m.RevokeAccessToken(ctx, first.Access), oauth2server.ErrNotFound)
	deletes := 0
	for _, e := range sent.take() {
		collection := collectionOf(e)
		switch e.CommandName {
		case "find":
			filter := e.Command.Lookup("filter").Document()
			if collection == "grants" {
				require.NoError(t, second(filter.LookupErr("grant_id")), "the shard key is missing: %s", filter)
			}
			if collection != "users" {
				require.NoError(t, second(filter.LookupErr("_id")), filter)
			}
		case "insert":
			documents, err := e.Command.Lookup("documents").Array().Values()
			require.NoError(t, err)
			require.Len(t, documents, 1)
		case "delete":
			deletes++
			deletion := e.Command.Lookup("deletes", "0")
			require.EqualValues(t, 1, deletion.Document().Lookup("limit").AsInt64())
			require.NotEmpty(t, deletion.Document().Lookup("q", "_id").StringValue())
		default:
			t.Errorf("%s %s", e.CommandName, collection)
		}
	}
	require.NotZero(t, deletes)
}

// The table in the documentation is the one that is tested.
func TestTheDocumentationHasTheNumbers(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, line := range []string{`authenticate +1 `, `authorize +2 `, `client credentials +2 `,
		`code exchange +6 `, `refresh +5 `,
		`when asked twice +\+3 `, `revoke a grant +6 `, `when it has ended +1 `} {
		require.Regexp(t, regexp.MustCompile(line), string(doc))
	}
}

// What docs/mongodb.md says about sizes, before compression.
func TestDocumentsAreSmall(t *testing.T) {
	db, m := start(t)
	s := newSite(t, m)
	s.refresh(t.Context(), s.signIn(t).Token)
	for collection, atMost := range map[string]int{"authorization_codes": 500, "access_tokens": 500,
		"refresh_tokens": 500, "grants": 800} {
		cursor, err := db.Collection(prefix+collection).Find(t.Context(), bson.D{})
		require.NoError(t, err)
		for cursor.Next(t.Context()) {
			t.Logf("%s: %d bytes", collection, len(cursor.Current))
			require.LessOrEqual(t, len(cursor.Current), atMost, cursor.Current)
		}
		require.NoError(t, cursor.Close(t.Context()))
	}
}

// needed reports whether a find looked only at the documents that it needed:
// MongoDB counts what it examined, FerretDB 1 tells whether its storage applied
// the filter. Other servers may tell neither: then known is false.
func needed(plan bson.Raw) (only, known bool) {
	if examined, err := plan.LookupErr("executionStats", "totalDocsExamined"); err == nil {
		n, ok := examined.AsInt64OK()
		return n == 1, ok
	}
	if pushed, err := plan.LookupErr("filterPushdown"); err == nil {
		return pushed.BooleanOK()
	}
	return false, false
}

func TestWhatAnExplanationTells(t *testing.T) {
	for explanation, want := range map[string][2]bool{
		`{"executionStats": {"totalDocsExamined": 1}}`:   {true, true},
		`{"executionStats": {"totalDocsExamined": 2}}`:   {false, true},
		`{"executionStats": {"totalDocsExamined": "1"}}`: {false, false},
		`{"filterPushdown": true}`:                       {true, true},
		`{"filterPushdown": false}`:                      {false, true},
		`{"queryPlanner": {"winningPlan": {}}, "ok": 1}`: {false, false},
		`{"executionStats": {"executionSuccess": true}}`: {false, false},
	} {
		var plan bson.Raw
		require.NoError(t, bson.UnmarshalExtJSON([]byte(explanation), false, &plan))
		only, known := needed(plan)
		require.Equal(t, want, [2]bool{only, known}, explanation)
	}
}

// A request looks at the documents that it needs, however many others there
// are.
func TestRequestsExamineWhatTheyNeed(t *testing.T) {
	ctx := t.Context()
	for _, others := range []int{10, 1000} {
		var sent recorder
		db := mongotest.Database(t, sent.options())
		m := newModel(t, db)
		s := newSite(t, m)
		for i := range others {
			expires := time.Now().Add(time.Hour)
			_, err := m.SaveToken(ctx, &oauth2server.Token{AccessToken: fmt.Sprint("a", i),
				AccessTokenExpiresAt: expires,
				RefreshToken:         fmt.Sprint("r", i), RefreshTokenExpiresAt: expires}, nil, nil)
			require.NoError(t, err)
		}
		first := s.exchange(ctx, s.authorize(t))
		sent.take()
		require.True(t, s.works(first.Access))
		require.Equal(t, http.StatusOK, s.refresh(ctx, first.Token).status)
		finds := 0
		for _, e := range sent.take() {
			if e.CommandName != "find" {
				continue
			}
			finds++
			find := bson.D{{Key: "find", Value: e.Command.Lookup("find")},
				{Key: "filter", Value: e.Command.Lookup("filter")}, {Key: "limit", Value: 1}}
			plan, err := db.RunCommand(ctx, bson.D{{Key: "explain", Value: find},
				{Key: "verbosity", Value: "executionStats"}}).Raw()
			require.NoError(t, err)
			only, known := needed(plan)
			if !known {
				t.Skipf("this server does not tell what it examined: %s", plan)
			}
			require.True(t, only, plan)
		}
		require.Equal(t, 3, finds)
	}
}
