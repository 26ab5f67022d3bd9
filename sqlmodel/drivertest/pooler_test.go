//go:build servers

// This file tests connections through poolers.

package drivertest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/internal/servers"
	"github.com/seed-11d18166/oauth2server/modeltest"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// A pooler gives each transaction another connection, which lacks what was
// prepared on the last one.
func TestPoolers(t *testing.T) {
	s, _ := postgreSQL(t)
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

func TestPgBouncer(t *testing.T) {
	s, behind := postgreSQL(t)
	pooler, err := servers.PgBouncer(t.Context(), servers.SQL("pgx"), behind, "default_pool_size = 5")
	pq := s
	pq.driver = "postgres"
	pq.source = started(t, pooler, err).Source + "&sslmode=disable&binary_parameters=yes"
	s.source = pooler.Source + "&default_query_exec_mode=exec"
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
