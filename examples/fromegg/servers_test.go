//go:build servers

// This file reads the tables of other servers from PostgreSQL.

package main

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/examples/internal/takeover"
	"github.com/seed-11d18166/oauth2server/internal/servers"
)

// PostgreSQL knows uuid, jsonb and timestamps as types. Each table has several
// pages, and the connection is the only one.
func TestTablesOfPostgreSQL(t *testing.T) {
	server, err := servers.PostgreSQL(t.Context(), servers.SQL("pgx"), "fsync=off")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	db, err := sql.Open("pgx", server.Source)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	exec(t, db, `CREATE TABLE users (id uuid PRIMARY KEY, username text, password text);
		CREATE TABLE oauth_clients (client_id text, client_secret text, redirect_uri text,
			PRIMARY KEY (client_id, client_secret));
		CREATE TABLE oauth_tokens (id uuid PRIMARY KEY, access_token text, access_token_expires_on timestamp,
			client_id text, refresh_token text, refresh_token_expires_on timestamp, user_id uuid);
		CREATE TABLE oauth_access_tokens (access_token text PRIMARY KEY, scope text, client_id text, user_id uuid,
			expires timestamp);
		CREATE TABLE oauth_refresh_tokens (refresh_token text PRIMARY KEY, client_id text, user_id uuid,
			expires timestamp);
		CREATE TABLE oauth2_tokens (id bigserial PRIMARY KEY, code text, access text, refresh text, data jsonb);
		CREATE TABLE oauth2_clients (id text PRIMARY KEY, data jsonb);
		INSERT INTO users VALUES ('`+andyID+`', 'andy', '123456');
		INSERT INTO users SELECT gen_random_uuid(), i, '5f4dcc3b5aa765d61d8327deb882cf99' FROM generate_series(1, 1201) i;
		INSERT INTO oauth_clients SELECT 'app', repeat('s', 20) || i, '' FROM generate_series(1001, 2201) i;
		INSERT INTO oauth_tokens SELECT gen_random_uuid(), 'a' || i, timestamp '2020-01-01', 'app', 'r' || i,
			timestamp '2100-01-01', '`+andyID+`' FROM generate_series(1, 1201) i;
		INSERT INTO oauth_access_tokens SELECT 'a' || i, 'read', 'app', '`+andyID+`', timestamp '2100-01-01'
			FROM generate_series(1, 1201) i;
		INSERT INTO oauth_refresh_tokens SELECT 'r' || i, 'app', '`+andyID+`', timestamp '2020-01-01'
			FROM generate_series(1, 1201) i;
		INSERT INTO oauth2_tokens (code, access, refresh, data) SELECT '', 'a' || i, 'r' || i,
			'{"ClientID": "1001", "UserID": "u1", "AccessCreateAt": "2020-01-01T00:00:00Z", "AccessExpiresIn": 1}'
			FROM generate_series(1, 1201) i;
		INSERT INTO oauth2_clients SELECT i, jsonb_build_object('ID', i::text, 'Secret', repeat('s', 20) || i)
			FROM generate_series(1001, 2201) i`)
	grants := func(c *takeover.Client) { c.Grants = []string{"refresh_token"} }
	goOAuth2 := takeover.GoOAuth2Tables{Tokens: "oauth2_tokens", Clients: "oauth2_clients"}
	for _, row := range []struct {
		source takeover.Source
		want   string
	}{
		{takeover.Node(db, takeover.NodeOneTable, time.UTC, grants),
			"clients 1 0 0 1200\nusers 1 0 0 1201\ncodes 0 0 0 0\naccess tokens 0 0 1201 0\nrefresh tokens 1201 0 0 0\n"},
		{takeover.Node(db, takeover.NodeTwoTables, time.UTC, grants),
			"clients 1 0 0 1200\nusers 1 0 0 1201\ncodes 0 0 0 0\naccess tokens 1201 0 0 0\nrefresh tokens 0 0 1201 0\n"},
		{takeover.GoOAuth2(db, goOAuth2, grants),
			"clients 1201 0 0 0\nusers 0 0 0 0\ncodes 0 0 0 0\naccess tokens 0 0 1201 0\nrefresh tokens 1201 0 0 0"},
	} {
		report, err := takeover.Import(t.Context(), row.source, opened(t, ""), nil)
		require.NoError(t, err)
		require.Contains(t, table(report.String()), row.want)
	}
}
