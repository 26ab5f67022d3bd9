// This file runs the rules for models on a database.

package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	_ "modernc.org/sqlite"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/modeltest"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// server is a database with a driver.
type server struct {
	name, driver string
	dialect      sqlmodel.Dialect
	source       string
}

// open returns a handle with connections of its own, as another process has.
func (s server) open(t testing.TB) *sql.DB {
	db, err := sql.Open(s.driver, s.source)
	require.NoError(t, err)
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

var prefixes atomic.Int64

// options are those of a model with tables of its own.
func options() *sqlmodel.Options {
	return &sqlmodel.Options{PasswordCost: bcrypt.MinCost, Prefix: fmt.Sprintf("t%d_", prefixes.Add(1))}
}

func sqlite(t testing.TB) server {
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(OFF)"}}
	return server{"SQLite", "sqlite", sqlmodel.SQLite,
		"file:" + filepath.Join(t.TempDir(), "test.db") + "?" + pragmas.Encode()}
}

var tables = []string{"codes", "tokens", "grants", "clients", "former_clients", "users"}

// dump returns everything that is stored.
func dump(ctx context.Context, db *sql.DB, prefix string) (all []byte, err error) {
	for _, table := range tables {
		rows, err := db.QueryContext(ctx, "SELECT * FROM "+prefix+table)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return nil, err
		}
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return nil, err
			}
			for _, value := range values {
				all = append(append(all, value.String...), '\n')
			}
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func fixtureOf(ctx context.Context, db, peer *sql.DB, s server, o *sqlmodel.Options) (*modeltest.Fixture, error) {
	f, m := modeltest.Sample(), sqlmodel.New(db, s.dialect, o)
	f.Model, f.Peer = m, sqlmodel.New(peer, s.dialect, o)
	f.Dump = func(ctx context.Context) ([]byte, error) { return dump(ctx, db, o.Prefix) }
	if err := m.Migrate(ctx); err != nil {
		return nil, err
	}
	for _, c := range f.Clients {
		if err := m.AddClient(ctx, c.Client, c.Secret); err != nil {
			return nil, err
		}
	}
	if err := m.AddClient(ctx, f.Public, ""); err != nil {
		return nil, err
	}
	for _, u := range f.Users {
		if err := m.AddUser(ctx, &oauth2server.User{ID: u.ID}, u.Username, u.Password); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func testModel(t *testing.T, s server) {
	db, peer := s.open(t), s.open(t)
	modeltest.Run(t, func(ctx context.Context) (*modeltest.Fixture, error) {
		return fixtureOf(ctx, db, peer, s, options())
	})
}

func TestSQLite(t *testing.T) { testModel(t, sqlite(t)) }
