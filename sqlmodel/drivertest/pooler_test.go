//go:build servers

package drivertest

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

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
