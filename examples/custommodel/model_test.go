// This file tests the model over HTTP.

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// storage is a model of people and Grants, with what the tests look at.
type storage struct {
	composed
	shop *shop
	dump func(context.Context) ([]byte, error) // nil: the package of Grants tests it
}

// composed has the methods of people, and those that the Grants of all packages
// have.
type composed interface {
	oauth2server.Model
	oauth2server.AccessTokenModel
	oauth2server.AccessTokenRevoker
	oauth2server.AuthorizationCodeModel
	oauth2server.RefreshTokenModel
	oauth2server.GrantLog
	oauth2server.PasswordModel
	oauth2server.ClientCredentialsModel
	oauth2server.ScopeValidator
	UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error)
	RevokeUser(ctx context.Context, userID string) error
	RevokeUserClient(ctx context.Context, userID, clientID string) error
	RevokeClient(ctx context.Context, clientID string) error
}

// database opens the same database each time, by another handle, as a process
// would.
type database func(t *testing.T) storage

// sqlite returns a database in a new file.
func sqlite(t *testing.T) database {
	path := filepath.Join(t.TempDir(), "the shop's, 100% #1?.db")
	return func(t *testing.T) storage {
		m := open(t, "sqlite", sqliteFile(path), sqlmodel.SQLite)
		require.FileExists(t, path)
		return m
	}
}

func open(t *testing.T, driver, source string, dialect sqlmodel.Dialect) storage {
	t.Helper()
	s := openPeople(t, driver, source)
	m, err := newModel(t.Context(), s, dialect)
	require.NoError(t, err)
	return storage{m, s, func(ctx context.Context) ([]byte, error) {
		return s.dump(ctx, "customers", "partners", "oauth2_codes", "oauth2_tokens", "oauth2_grants")
	}}
}

func openPeople(t *testing.T, driver, source string) *shop {
	t.Helper()
	s, err := openShop(t.Context(), driver, source)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.db.Close()) })
	s.cost = bcrypt.MinCost
	require.NoError(t, s.addSamples(t.Context()))
	return s
}

func TestSQLite(t *testing.T) { testDatabase(t, sqlite(t)) }

// testDatabase has the tests for each database.
func testDatabase(t *testing.T, db database) {
	t.Run("contract", func(t *testing.T) { testContract(t, db(t), db(t)) })
	testStorage(t, db)
	t.Run("delete expired", func(t *testing.T) { testDeleteExpired(t, db(t).composed.(model)) })
}

// testStorage has the tests for each storage of codes, tokens and logs.
func testStorage(t *testing.T, db database) {
	t.Run("story", func(t *testing.T) { testStory(t, db(t)) })
	t.Run("refresh at two servers", func(t *testing.T) { testTwoServers(t, db(t), db(t)) })
	t.Run("revoke user", func(t *testing.T) { testRevokeUser(t, db(t), composed.RevokeUser) })
	t.Run("revoke client of user", func(t *testing.T) {
		testRevokeUser(t, db(t), func(m composed, ctx context.Context, userID string) error {
			return m.RevokeUserClient(ctx, userID, "till")
		})
	})
	t.Run("a partner goes", func(t *testing.T) { testPartnerGoes(t, db(t)) })
}

// serve starts an authorization server, and returns what its client knows of it.
func serve(t *testing.T, m storage) (*httptest.Server, oauth2.Config) {
	t.Helper()
	handler, err := newHandler(m.composed)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, oauth2.Config{ClientID: "till", ClientSecret: "a-secret-that-nobody-guesses",
		RedirectURL: "https://till.example/callback",
		Endpoint: oauth2.Endpoint{AuthURL: server.URL + "/authorize", TokenURL: server.URL + "/token",
			AuthStyle: oauth2.AuthStyleInHeader}}
}

func testStory(t *testing.T, m storage) {
	server, config := serve(t, m)

	// The code flow, with the shop's own sign-in form standing elsewhere.
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	verifier := oauth2.GenerateVerifier()
	res, err := browser.PostForm(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)),
		url.Values{"username": {"andy@example.com"}, "password": {"123456"}})
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	answer, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	token, err := config.Exchange(t.Context(), answer.Query().Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	require.Equal(t, "the orders of customer K-17\n", get(t, config.Client(t.Context(), token), server.URL+"/orders"))

	refreshed, err := refresh(t.Context(), config, token)
	require.NoError(t, err)
	require.Equal(t, "the orders of customer K-17\n", get(t, config.Client(t.Context(), refreshed),
		server.URL+"/orders"))
	again, err := refresh(t.Context(), config, token)
	require.NoError(t, err, "the reply may have been lost")
	require.Equal(t, refreshed.RefreshToken, again.RefreshToken)
	require.NotEqual(t, refreshed.AccessToken, again.AccessToken)

	_, err = config.Exchange(t.Context(), answer.Query().Get("code"), oauth2.VerifierOption(verifier))
	require.ErrorContains(t, err, "invalid_grant", "a code works once")

	// The owner disconnects the app.
	require.NoError(t, m.RevokeUserClient(t.Context(), "K-17", "till"))
	for _, old := range []*oauth2.Token{token, refreshed, again} {
		_, err = refresh(t.Context(), config, old)
		require.ErrorContains(t, err, "invalid_grant")
		require.Equal(t, http.StatusUnauthorized, status(t, config.Client(t.Context(), old), server.URL+"/orders"))
	}

	_, err = config.PasswordCredentialsToken(t.Context(), "andy@example.com", "wrong")
	require.ErrorContains(t, err, "invalid_grant")
	_, err = config.PasswordCredentialsToken(t.Context(), "nobody@example.com", "123456")
	require.ErrorContains(t, err, "invalid_grant")
	_, err = config.PasswordCredentialsToken(t.Context(), "andy@example.com", "123456")
	require.NoError(t, err)
	config.ClientSecret = "wrong"
	_, err = config.PasswordCredentialsToken(t.Context(), "andy@example.com", "123456")
	require.ErrorContains(t, err, "invalid_client")

	if m.dump == nil {
		return
	}
	rows, err := m.dump(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(rows), "K-17")
	for _, secret := range []string{answer.Query().Get("code"), token.AccessToken, token.RefreshToken,
		refreshed.RefreshToken} {
		require.NotContains(t, string(rows), secret)
	}
}

// A client that refreshes at two servers at once gets the same successor from
// both.
func testTwoServers(t *testing.T, one, other storage) {
	_, first := serve(t, one)
	_, second := serve(t, other)
	token, err := first.PasswordCredentialsToken(t.Context(), "andy@example.com", "123456")
	require.NoError(t, err)
	var (
		wg         sync.WaitGroup
		mu         sync.Mutex
		successors = map[string]int{}
	)
	for i := range 16 {
		config := first
		if i%2 == 1 {
			config = second
		}
		wg.Go(func() {
			refreshed, err := refresh(t.Context(), config, token)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				successors[err.Error()]++
				return
			}
			successors[refreshed.RefreshToken]++
		})
	}
	wg.Wait()
	require.Len(t, successors, 1, "%v", successors)
}

func testRevokeUser(t *testing.T, m storage, revoke func(m composed, ctx context.Context, userID string) error) {
	ctx := t.Context()
	require.NoError(t, m.shop.addCustomer(ctx, "K-18", "bea@example.com", "654321"))
	server, config := serve(t, m)
	andys, err := config.PasswordCredentialsToken(ctx, "andy@example.com", "123456")
	require.NoError(t, err)
	var beas []*oauth2.Token
	for range 3 {
		token, err := config.PasswordCredentialsToken(ctx, "bea@example.com", "654321")
		require.NoError(t, err)
		beas = append(beas, token)
	}
	beas[0], err = refresh(ctx, config, beas[0])
	require.NoError(t, err)
	// A code that nobody has redeemed yet.
	code := &oauth2server.AuthorizationCode{Code: "bea's code, " + t.Name(),
		ExpiresAt: time.Now().Add(time.Minute), GrantID: "bea's grant, " + t.Name(),
		RedirectURI: config.RedirectURL, Scope: oauth2server.Scope{"orders"},
		Client: &oauth2server.Client{ID: "till"}, User: &oauth2server.User{ID: "K-18"}}
	_, err = m.SaveAuthorizationCode(ctx, code, code.Client, code.User)
	require.NoError(t, err)

	shown := func() (names []string) {
		grants, err := m.UserGrants(ctx, "K-18")
		require.NoError(t, err)
		for _, g := range grants {
			names = append(names, g.ClientID)
		}
		return names
	}
	require.Equal(t, []string{"till", "till", "till"}, shown())
	require.NoError(t, m.RevokeUserClient(ctx, "K-18", "another"))
	require.NoError(t, m.RevokeUser(ctx, ""), "as which entries are stored that name nobody")
	require.NoError(t, m.RevokeUserClient(ctx, "K-18", ""))
	require.Len(t, shown(), 3)

	require.NoError(t, revoke(m, ctx, "K-18"))
	require.NoError(t, revoke(m, ctx, "K-18"), "again")
	require.Empty(t, shown())
	for _, token := range beas {
		_, err := refresh(ctx, config, token)
		require.ErrorContains(t, err, "invalid_grant")
		require.Equal(t, http.StatusUnauthorized, status(t, config.Client(ctx, token), server.URL+"/orders"))
	}
	_, err = config.Exchange(ctx, code.Code)
	require.ErrorContains(t, err, "invalid_grant")
	_, err = refresh(ctx, config, andys)
	require.NoError(t, err, "another user's")

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, revoke(m, cancelled, "K-18"), context.Canceled)
}

// The shop deletes a partner in its own table, and then ends what the partner was
// granted.
func testPartnerGoes(t *testing.T, m storage) {
	ctx := t.Context()
	require.NoError(t, m.shop.addPartner(ctx, "kiosk", "another-secret-that-nobody-guesses",
		"https://kiosk.example/callback"))
	server, stays := serve(t, m)
	goes := stays
	goes.ClientID, goes.ClientSecret = "kiosk", "another-secret-that-nobody-guesses"
	var tokens []*oauth2.Token
	for _, config := range []oauth2.Config{goes, stays} {
		token, err := config.PasswordCredentialsToken(ctx, "andy@example.com", "123456")
		require.NoError(t, err)
		tokens = append(tokens, token)
	}
	_, err := m.shop.db.ExecContext(ctx, `DELETE FROM partners WHERE id = $1`, "kiosk")
	require.NoError(t, err)
	require.NoError(t, m.RevokeClient(ctx, "")) // nobody
	require.Equal(t, http.StatusOK, status(t, goes.Client(ctx, tokens[0]), server.URL+"/orders"), "not yet")
	require.NoError(t, m.RevokeClient(ctx, "kiosk"))
	require.Equal(t, http.StatusUnauthorized, status(t, goes.Client(ctx, tokens[0]), server.URL+"/orders"))
	_, err = refresh(ctx, goes, tokens[0])
	require.ErrorContains(t, err, "invalid_client")
	require.NoError(t, m.shop.addPartner(ctx, "kiosk", "another-secret-that-nobody-guesses",
		"https://kiosk.example/callback"))
	_, err = refresh(ctx, goes, tokens[0])
	require.ErrorContains(t, err, "invalid_grant", "what the former partner had")
	require.Equal(t, http.StatusOK, status(t, stays.Client(ctx, tokens[1]), server.URL+"/orders"))
}

func testDeleteExpired(t *testing.T, m model) {
	ctx, now := t.Context(), time.Now()
	_, err := m.DeleteExpired(ctx) // what other tests left
	require.NoError(t, err)
	client, user := &oauth2server.Client{ID: "till"}, &oauth2server.User{ID: "K-17"}
	for name, expires := range map[string]time.Time{"old": now.Add(-2 * time.Hour),
		"late": now.Add(-time.Minute), "new": now.Add(time.Hour), "eternal": {}} {
		_, err := m.SaveToken(ctx, &oauth2server.Token{AccessToken: name, AccessTokenExpiresAt: expires,
			RefreshToken:          name,
			RefreshTokenExpiresAt: expires, Client: client, User: user}, client, user)
		require.NoError(t, err)
	}
	// Of the second grant only the beginning may go.
	for _, e := range []oauth2server.GrantEntry{{GrantID: "over", Seq: 1}, {GrantID: "over", Seq: 2},
		{GrantID: "alive", Seq: 1}, {GrantID: "alive", Seq: 2}} {
		e.ExpiresAt = now.Add(-2 * time.Hour)
		if e.GrantID == "alive" && e.Seq == 2 {
			e.ExpiresAt = now.Add(time.Hour)
		}
		_, err := m.AppendGrant(ctx, &e)
		require.NoError(t, err)
	}
	for _, want := range []int64{5, 0} {
		deleted, err := m.DeleteExpired(ctx)
		require.NoError(t, err)
		require.Equal(t, want, deleted)
	}
	for _, name := range []string{"late", "new", "eternal"} {
		_, err := m.GetAccessToken(ctx, name)
		require.NoError(t, err, name)
		_, err = m.GetRefreshToken(ctx, name)
		require.NoError(t, err, name)
	}
	_, err = m.GetAccessToken(ctx, "old")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	for grantID, want := range map[string]int{"over": 0, "alive": 1} {
		entries, err := m.GrantEntries(ctx, grantID, 1)
		require.NoError(t, err)
		require.Len(t, entries, want, grantID)
	}
}

func refresh(ctx context.Context, config oauth2.Config, token *oauth2.Token) (*oauth2.Token, error) {
	return config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
}

// dump returns all that is stored in these tables.
func (s *shop) dump(ctx context.Context, tables ...string) ([]byte, error) {
	var all strings.Builder
	for _, table := range tables {
		rows, err := s.db.QueryContext(ctx, "SELECT * FROM "+table)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return nil, err
		}
		row, fields := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			fields[i] = &row[i]
		}
		for rows.Next() {
			if err := rows.Scan(fields...); err != nil {
				return nil, err
			}
			fmt.Fprintf(&all, "%s: %s\n", table, fmt.Sprintln(row...))
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return []byte(all.String()), nil
}

func get(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	res, err := client.Get(address)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

func status(t *testing.T, client *http.Client, address string) int {
	t.Helper()
	res, err := client.Get(address)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}
