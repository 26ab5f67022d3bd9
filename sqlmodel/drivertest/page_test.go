// This file has the Go of docs/sql.md, and runs it.

package drivertest

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"gorm.io/gorm"
	gormtests "gorm.io/gorm/utils/tests"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// The page and this file have the same Go, word for word.
func TestThePageIsCompiled(t *testing.T) {
	page, err := os.ReadFile("../../docs/sql.md")
	require.NoError(t, err)
	source, err := os.ReadFile("page_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(page, -1)
	require.Len(t, blocks, 5)
	for _, block := range blocks {
		require.Contains(t, string(source), "\n\n"+string(block[1]))
	}
}

func open(ctx context.Context, driver, source string, dialect sqlmodel.Dialect) (*sqlmodel.Model, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(20) // times the number of processes: less than the server allows
	db.SetMaxIdleConns(20)
	db.SetConnMaxLifetime(30 * time.Minute)
	model := sqlmodel.New(db, dialect, nil)
	return model, model.Migrate(ctx)
}

func sqliteFile(path string) string {
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)"}}
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: pragmas.Encode()}).String()
}

func TestSQLiteThatFailsLater(t *testing.T) {
	for source, want := range map[string]string{
		":memory:":                         "memory",
		filepath.Join(t.TempDir(), "a.db"): "busy timeout",
	} {
		db, err := sql.Open("sqlite", source)
		require.NoError(t, err)
		defer db.Close()
		m := sqlmodel.New(db, sqlmodel.SQLite, nil)
		require.ErrorContains(t, m.Migrate(t.Context()), want)
		require.ErrorContains(t, m.Check(t.Context()), want)
		db.SetMaxOpenConns(1)
		require.NoError(t, m.Migrate(t.Context()))
		require.NoError(t, m.Check(t.Context()))
	}
}

func TestSQLiteByThePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's 100% #1?.db")
	model, err := open(t.Context(), "sqlite", sqliteFile(path), sqlmodel.SQLite)
	require.NoError(t, err)
	require.NoError(t, model.AddClient(t.Context(), &oauth2server.Client{ID: "app"}, secret))
	require.FileExists(t, path)
	db, err := sql.Open("sqlite", sqliteFile(path))
	require.NoError(t, err)
	defer db.Close()
	for pragma, want := range map[string]string{"busy_timeout": "10000", "journal_mode": "wal", "synchronous": "2"} {
		var got string
		require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
}

// sweep runs until ctx ends. Start it with go.
func sweep(ctx context.Context, deleteExpired func(context.Context) (int64, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Hour):
		}
		if _, err := deleteExpired(ctx); err != nil {
			log.Print(err)
		}
	}
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		var swept []time.Duration
		began := time.Now()
		sweep(ctx, func(context.Context) (int64, error) {
			swept = append(swept, time.Since(began))
			return 0, context.DeadlineExceeded
		})
		require.Equal(t, []time.Duration{time.Hour, 2 * time.Hour}, swept)
	})
}

// model has your users and apps, and our codes, tokens and logs.
type model struct {
	*sqlmodel.Grants
	accounts *accounts // yours
}

func (m model) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	app, err := m.accounts.app(ctx, id)
	switch {
	case err != nil:
		return nil, err // oauth2server.ErrNotFound, if there is no such app
	case secret != "" && !app.accepts(secret):
		return nil, oauth2server.ErrNotFound
	}
	return &oauth2server.Client{ID: id, RedirectURIs: app.callbacks, Public: app.public,
		Grants: app.grants, Scope: app.scope}, nil
}

// GetUser checks passwords for the password grant, and for Authorize(nil).
func (m model) GetUser(ctx context.Context, name, password string, _ *oauth2server.Client) (*oauth2server.User, error) {
	account, err := m.accounts.signIn(ctx, name, password)
	if err != nil {
		return nil, err // oauth2server.ErrNotFound, if name or password is wrong
	}
	return &oauth2server.User{ID: account.id}, nil
}

// accounts stand for what a program has.
type accounts struct{ apps map[string]app }

type app struct {
	secret    string
	callbacks []string
	public    bool
	grants    []string
	scope     oauth2server.Scope
}

func (a app) accepts(secret string) bool { return a.secret == secret }

func (a *accounts) app(_ context.Context, id string) (app, error) {
	found, ok := a.apps[id]
	if !ok {
		return found, oauth2server.ErrNotFound
	}
	return found, nil
}

type account struct{ id string }

func (a *accounts) signIn(_ context.Context, name, password string) (account, error) {
	if password != "123456" {
		return account{}, oauth2server.ErrNotFound
	}
	return account{"of " + name}, nil
}

func ofGORM(db *gorm.DB, dialect sqlmodel.Dialect) (*sqlmodel.Grants, error) {
	handle, err := db.DB()
	if err != nil {
		return nil, err
	}
	return sqlmodel.NewGrants(handle, dialect, nil), nil
}

// driver is what ent.NewClient(ent.Driver(driver)) was given.
func ofEnt(driver *entsql.Driver, dialect sqlmodel.Dialect) *sqlmodel.Grants {
	return sqlmodel.NewGrants(driver.DB(), dialect, nil)
}

func ofBun(db *bun.DB, dialect sqlmodel.Dialect) *sqlmodel.Grants {
	return sqlmodel.NewGrants(db.DB, dialect, nil)
}

// ofPool is for programs that use pgx without database/sql, such as sqlc's code for pgx/v5.
func ofPool(pool *pgxpool.Pool) *sqlmodel.Grants {
	return sqlmodel.NewGrants(stdlib.OpenDBFromPool(pool), sqlmodel.PostgreSQL, &sqlmodel.Options{NoPrepare: true})
}

// Each mapper hands over the handle that it was made with.
func TestMappersHandOverTheirDatabase(t *testing.T) {
	s := sqlite(t)
	byGORM, err := gorm.Open(gormtests.DummyDialector{}, &gorm.Config{ConnPool: s.open(t)})
	require.NoError(t, err)
	ofGORM, err := ofGORM(byGORM, s.dialect)
	require.NoError(t, err)
	for name, grants := range map[string]*sqlmodel.Grants{
		"gorm": ofGORM,
		"ent":  ofEnt(entsql.OpenDB("sqlite3", s.open(t)), s.dialect),
		"bun":  ofBun(bun.NewDB(s.open(t), sqlitedialect.New()), s.dialect),
	} {
		t.Run(name, func(t *testing.T) { testPage(t, grants) })
	}
}

// testPage goes through the life of a token with users and clients of the program's own.
func testPage(t *testing.T, grants *sqlmodel.Grants) {
	require.NoError(t, grants.Migrate(t.Context()))
	own := &accounts{map[string]app{"app": {secret, []string{"https://app.example/callback"}, false,
		[]string{"authorization_code", "refresh_token", "password"}, oauth2server.Scope{"read"}}}}
	srv, err := oauth2server.New(model{grants, own}, &oauth2server.Options{Grants: []string{"password", "refresh_token"}})
	require.NoError(t, err)
	post := func(form url.Values) (token string) {
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("app", secret)
		w := httptest.NewRecorder()
		srv.Token(nil).ServeHTTP(w, r)
		found := regexp.MustCompile(`"access_token":"([^"]+)"`).FindStringSubmatch(w.Body.String())
		if found == nil {
			require.NotEqual(t, http.StatusOK, w.Code)
			return ""
		}
		return found[1]
	}
	form := url.Values{"grant_type": {"password"}, "username": {"andy"}, "password": {"wrong"}}
	require.Empty(t, post(form))
	form.Set("password", "123456")
	token := post(form)
	status := func() int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		srv.Authenticate()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "of andy", oauth2server.UserFromContext(r.Context()).ID)
		})).ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusOK, status())
	delete(own.apps, "app")
	require.NoError(t, grants.RevokeClient(t.Context(), "app"))
	require.Equal(t, http.StatusUnauthorized, status())
}
