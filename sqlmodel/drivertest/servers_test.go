//go:build servers

// This file starts PostgreSQL and MariaDB, and runs the tests on them.

package drivertest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/internal/servers"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// started ends a server with the test, which needs it.
func started(t testing.TB, s *servers.Server, err error) *servers.Server {
	require.NoError(t, err)
	t.Cleanup(func() {
		err := s.Stop()
		if err != nil || t.Failed() {
			t.Log(s.Output())
		}
		require.NoError(t, err)
	})
	return s
}

// postgreSQL starts a server.
func postgreSQL(t testing.TB) (server, *servers.Server) {
	s, err := servers.PostgreSQL(t.Context(), servers.SQL("pgx"), "fsync=off")
	started(t, s, err)
	return server{"PostgreSQL by pgx", "pgx", sqlmodel.PostgreSQL, s.Source}, s
}

// mariaDB starts a server.
func mariaDB(t testing.TB) server {
	process, err := servers.MariaDB(t.Context(), servers.SQL("mysql"), "--innodb-flush-log-at-trx-commit=0",
		"--innodb-buffer-pool-size=128M")
	s := server{"MariaDB", "mysql", sqlmodel.MariaDB, started(t, process, err).Source}
	// The worst collation that there is: it is blind to case and to spaces at
	// the end.
	_, err = s.open(t).ExecContext(t.Context(), "CREATE DATABASE app CHARACTER SET latin1 COLLATE latin1_general_ci")
	require.NoError(t, err)
	s.source = strings.TrimSuffix(s.source, "mysql") + "app"
	return s
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	s, _ := postgreSQL(t)
	t.Run("pgx", func(t *testing.T) {
		testModel(t, s)
		testHazards(t, s)
	})
	t.Run("pq", func(t *testing.T) {
		s := s
		s.driver = "postgres"
		testModel(t, s)
		testHazards(t, s)
	})
	t.Run("serializable", func(t *testing.T) {
		s := s
		s.source += "&default_transaction_isolation=serializable"
		testModel(t, s)
		testHazards(t, s)
	})
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	s := mariaDB(t)
	for _, parameters := range []string{
		"",
		"?clientFoundRows=true&interpolateParams=true&loc=Asia%2FTokyo&parseTime=true&time_zone=%27%2B09%3A00%27",
		"?tx_isolation=%27SERIALIZABLE%27&sql_mode=%27%27&charset=latin1",
	} {
		t.Run(parameters, func(t *testing.T) {
			s := s
			s.source += parameters
			testModel(t, s)
			testHazards(t, s)
		})
	}
}
