//go:build servers

// This file tests connections through poolers.

package drivertest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/modeltest"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// A pooler gives each transaction another connection, which lacks what was
// prepared on the last one.
func TestPoolers(t *testing.T) {
	s := postgreSQL(t)
	t.Run("with a pool of pgx", func(t *testing.T) {
		pool, err := pgxpool.New(t.Context(), s.source)
		require.NoError(t, err)
		defer pool.Close()
		testPage(t, ofPool(pool))
	})
	for _, c := range []struct {
		setting   string
		noPrepare bool
		prepared  bool
	}{
		{"", false, true},
		{"", true, true}, // by pgx itself
		{"&default_query_exec_mode=exec", true, false}, // for PgBouncer
	} {
		s := s
		s.source += c.setting
		db := s.open(t)
		db.SetMaxOpenConns(1)
		o := options()
		o.NoPrepare = c.noPrepare
		testPage(t, sqlmodel.NewGrants(db, s.dialect, o))
		var prepared int
		// The question itself may have been prepared.
		require.NoError(t, db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_prepared_statements
			WHERE statement NOT LIKE '%pg_prepared_statements%'`).Scan(&prepared))
		require.Equal(t, c.prepared, prepared > 0, "%+v: %d", c, prepared)
	}
}

// pgBouncer starts a pooler in transaction mode before a server.
func pgBouncer(t testing.TB, s server) server {
	behind, err := url.Parse(s.source)
	require.NoError(t, err)
	p := newProcess(t, "postgres")
	settings := filepath.Join(p.dir, "settings")
	require.NoError(t, os.WriteFile(settings, fmt.Appendf(nil, `[databases]
postgres = host=%s user=postgres
[pgbouncer]
pool_mode = transaction
default_pool_size = 5
auth_type = any
listen_addr =
listen_port = 6432
unix_socket_dir = %s
`, behind.Query().Get("host"), p.dir), 0o644))
	query := url.Values{"host": {p.dir}, "port": {"6432"}, "user": {"postgres"}, "default_query_exec_mode": {"exec"}}
	s.source = "postgres:///postgres?" + query.Encode()
	p.start(t, syscall.SIGINT, s, program(t, "pgbouncer"), settings)
	return s
}

func TestPgBouncer(t *testing.T) {
	s := pgBouncer(t, postgreSQL(t))
	query := url.Values{"sslmode": {"disable"}, "binary_parameters": {"yes"}}
	pq := s
	pq.driver = "postgres"
	behind, err := url.Parse(s.source)
	require.NoError(t, err)
	for _, name := range []string{"host", "port", "user"} {
		query[name] = behind.Query()[name]
	}
	pq.source = "postgres:///postgres?" + query.Encode()
	for _, s := range []server{s, pq} {
		t.Run(s.driver, func(t *testing.T) {
			db, peer := s.open(t), s.open(t)
			modeltest.Run(t, func(ctx context.Context) (*modeltest.Fixture, error) {
				o := options()
				o.NoPrepare = true
				return fixtureOf(ctx, db, peer, s, o)
			})
		})
	}
}
