// These tests keep the tables of other servers in SQLite, with the columns that
// the servers make in MySQL and PostgreSQL.

package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/examples/internal/takeover"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

func tables(t *testing.T, schema string) *sql.DB {
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	_, err = db.ExecContext(t.Context(), schema)
	require.NoError(t, err)
	return db
}

func exec(t *testing.T, db *sql.DB, statement string, args ...any) {
	_, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

// moveTwice moves a source into a model in memory, twice.
func moveTwice(t *testing.T, source takeover.Source) (model stored, report string) {
	model = opened(t, "")
	first, err := takeover.Import(t.Context(), source, model, nil)
	require.NoError(t, err)
	second, err := takeover.Import(t.Context(), source, model, nil)
	require.NoError(t, err)
	require.Empty(t, second.Added)
	for _, kind := range takeover.Kinds {
		require.Equal(t, first.Added[kind]+first.There[kind], second.There[kind], kind)
	}
	require.Equal(t, first.Refused, second.Refused)
	return model, table(first.String())
}

// data is the data column of go-oauth2's stores: models.Token of version 4, as
// JSON, with what the test sets.
func data(t *testing.T, set map[string]any) string {
	all := map[string]any{"ClientID": "app", "UserID": "u1", "RedirectURI": "", "Scope": "read", "Code": "",
		"CodeChallenge": "", "CodeChallengeMethod": "", "CodeCreateAt": time.Time{}, "CodeExpiresIn": 0, "Access": "",
		"AccessCreateAt": time.Now(), "AccessExpiresIn": 2 * time.Hour, "Refresh": "", "RefreshCreateAt": time.Now(),
		"RefreshExpiresIn": 72 * time.Hour, "Extension": map[string][]string{}}
	for name, value := range set {
		require.Contains(t, all, name)
		all[name] = value
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return string(text)
}

const goOAuth2Table = `CREATE TABLE oauth2_token (id INTEGER PRIMARY KEY, code TEXT, access TEXT, refresh TEXT,
	data TEXT)`

// goOAuth2 reads that table. The clients are in the program.
func goOAuth2(db *sql.DB) takeover.Source {
	return takeover.GoOAuth2(db, takeover.GoOAuth2Tables{Tokens: "oauth2_token"}, nil)
}

// withApp returns the model at an address, with the client "app" whose secret is
// secret(0).
func withApp(t *testing.T, address string) stored {
	model := opened(t, address)
	require.NoError(t, model.AddClient(t.Context(),
		&oauth2server.Client{ID: "app", Grants: []string{"refresh_token"}}, secret(0)))
	return model
}

func TestGoOAuth2(t *testing.T) {
	for name, schema := range map[string]string{
		"MySQL": `CREATE TABLE oauth2_token (id INTEGER PRIMARY KEY, expired_at BIGINT, code VARCHAR(512),
			access VARCHAR(512), refresh VARCHAR(512), data VARCHAR(2048));`,
		"PostgreSQL": `CREATE TABLE oauth2_token (id INTEGER PRIMARY KEY, created_at TIMESTAMPTZ, expires_at TIMESTAMPTZ,
			code TEXT NOT NULL, access TEXT NOT NULL, refresh TEXT NOT NULL, data JSONB NOT NULL);`,
	} {
		t.Run(name, func(t *testing.T) {
			db := tables(t, schema+`CREATE TABLE oauth2_clients (id TEXT PRIMARY KEY, secret TEXT NOT NULL,
				domain TEXT NOT NULL, data JSONB NOT NULL)`)
			for _, client := range []string{
				`{"ID":"app","Secret":"qwerty","Domain":"https://app.example","Public":false,"UserID":""}`,
				`{"ID":"spa","Secret":"","Domain":"https://spa.example","Public":true,"UserID":""}`} {
				exec(t, db, `INSERT INTO oauth2_clients VALUES (json_extract($1, '$.ID'), '', '', $1)`, client)
			}
			verifier := oauth2.GenerateVerifier()
			now, long := time.Now(), time.Now().Add(-100*time.Hour)
			for _, row := range []struct {
				code, access, refresh string
				data                  map[string]any
			}{
				{secret(1), "", "", map[string]any{"RedirectURI": "https://app.example/callback", "CodeCreateAt": now,
					"CodeExpiresIn": 10 * time.Minute, "Code": secret(1), "CodeChallengeMethod": "S256",
					"CodeChallenge": oauth2.S256ChallengeFromVerifier(verifier), "Extension": map[string][]string{"tenant": {"7"}}}},
				{"", "", "", map[string]any{"CodeCreateAt": now, "CodeExpiresIn": 10 * time.Minute, "Code": secret(2)}},
				{"", secret(11), secret(21), nil},
				{"", secret(12), secret(21), nil}, // refreshed, with the same refresh token
				{"", secret(13), "", map[string]any{"Refresh": secret(23)}},
				{"", "", secret(24), map[string]any{"Access": secret(14)}},
				{"", secret(15), secret(25), map[string]any{"AccessCreateAt": long, "RefreshExpiresIn": 0}},
				{"", secret(16), "", map[string]any{"AccessExpiresIn": 0}},
				{"", secret(17), "", map[string]any{"UserID": "", "Extension": map[string][]string{"tenant": {"7"}}}},
				{"", secret(18), secret(28), map[string]any{"AccessCreateAt": long, "RefreshCreateAt": long}},
				{"", secret(19), secret(29), map[string]any{"ClientID": "gone"}},
			} {
				exec(t, db, `INSERT INTO oauth2_token (code, access, refresh, data) VALUES ($1, $2, $3, $4)`,
					row.code, row.access, row.refresh, data(t, row.data))
			}
			exec(t, db, `INSERT INTO oauth2_token (code, access, refresh, data) VALUES ('', 'x', '', 'x')`)

			model, report := moveTwice(t, takeover.GoOAuth2(db, takeover.GoOAuth2Tables{
				Tokens: "oauth2_token", Clients: "oauth2_clients"}, func(c *takeover.Client) {
				c.Grants = []string{"authorization_code", "refresh_token"}
				c.RedirectURIs = []string{c.RedirectURIs[0] + "/callback"}
			}))

			require.Equal(t, `added there expired refused
clients 2 0 0 0
users 0 0 0 0
codes 1 0 0 0
access tokens 4 0 2 3
refresh tokens 3 1 1 1
refused: 1 of access tokens: data is not JSON
refused: 1 of access tokens: it never expires
refused: 1 of access tokens: the client is not there
refused: 1 of refresh tokens: the client is not there`, report)
			s := serve(t, model, "app", "qwerty")
			for _, token := range []string{secret(11), secret(12), secret(13)} {
				s.opens(token, "u1")
			}
			for _, token := range []string{secret(14), secret(15), secret(16), secret(18), secret(19)} {
				s.refuses(token)
			}
			s.opens(secret(17), "client:app")
			kept, err := model.(oauth2server.AccessTokenModel).GetAccessToken(t.Context(), secret(17))
			require.NoError(t, err)
			require.Equal(t, map[string]any{"tenant": []any{"7"}}, kept.Extra)
			for _, token := range []string{secret(21), secret(24), secret(25)} {
				next, err := s.refresh(token)
				require.NoError(t, err)
				_, err = s.refresh(next.RefreshToken)
				require.NoError(t, err)
			}
			s.invalid(s.refresh(secret(23)))
			s.invalid(s.refresh(secret(28)))
			s.RedirectURL = "https://app.example/callback"
			_, err = s.Exchange(t.Context(), secret(1), oauth2.VerifierOption(verifier))
			require.NoError(t, err)
			s.invalid(s.Exchange(t.Context(), secret(1), oauth2.VerifierOption(verifier)))
			s.invalid(s.Exchange(t.Context(), secret(2), oauth2.VerifierOption(verifier)))

			require.NoError(t, model.RevokeUser(t.Context(), "u1"))
			for _, token := range []string{secret(11), secret(12), secret(13)} {
				s.refuses(token)
			}
		})
	}
}

// "client:app" is whom that client acts as for itself. What was issued for a user
// with such an ID is refused, as is an ID that no user can have here.
func TestUserIDsOfClients(t *testing.T) {
	t.Parallel()
	db := tables(t, goOAuth2Table)
	for i, user := range []string{"client:app", "client:", "client:other", "a\x00b", "u1"} {
		exec(t, db, `INSERT INTO oauth2_token (code, access, refresh, data) VALUES ('', $1, $2, $3)`,
			secret(10+i), secret(20+i), data(t, map[string]any{"UserID": user}))
		exec(t, db, `INSERT INTO oauth2_token (code, access, refresh, data) VALUES ($1, '', '', $2)`, secret(30+i),
			data(t, map[string]any{"UserID": user, "CodeCreateAt": time.Now(), "CodeExpiresIn": time.Minute}))
	}
	model := withApp(t, "")
	const why = `the user's ID begins with "client:", which is for clients`
	const wrong = "the user's ID is too long, or has a control character"
	for range 2 {
		report, err := takeover.Import(t.Context(), goOAuth2(db), model, nil)
		require.NoError(t, err)
		reasons := map[string]int{why: 3, wrong: 1}
		require.Equal(t, map[takeover.Kind]map[string]int{takeover.Codes: reasons, takeover.AccessTokens: reasons,
			takeover.RefreshTokens: reasons}, report.Refused)
	}
	s := serve(t, model, "app", secret(0))
	s.refuses(secret(10))
	s.invalid(s.refresh(secret(20)))
	s.opens(secret(14), "u1")
}

// A run fails between a token and its log. Before the next run, the owner may end
// the grant, or a part of it expire.
func TestFailureBetweenTokenAndLog(t *testing.T) {
	for name, row := range map[string]struct {
		refresh string // the refresh token
		ended   bool
		expired string
		want    string // the report of the next run
		grants  int
	}{
		"pair":                       {refresh: secret(2), want: "access tokens 1 0 0 0\nrefresh tokens 1 0 0 0", grants: 1},
		"pair, ended":                {refresh: secret(2), ended: true, want: "access tokens 0 1 0 0\nrefresh tokens 0 1 0 0"},
		"pair, access token expired": {refresh: secret(2), expired: "AccessCreateAt", want: "access tokens 0 0 1 0\nrefresh tokens 1 0 0 0", grants: 1},
		"access token":               {want: "access tokens 1 0 0 0\nrefresh tokens 0 0 0 0", grants: 1},
	} {
		for kind, address := range addresses(t) {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				db := tables(t, goOAuth2Table)
				old := map[string]any{"AccessCreateAt": time.Now(), "RefreshCreateAt": time.Now()}
				exec(t, db, `INSERT INTO oauth2_token (code, access, refresh, data) VALUES ('', $1, $2, $3)`,
					secret(1), row.refresh, data(t, old))
				model := withApp(t, address)
				_, err := takeover.Import(t.Context(), goOAuth2(db), &breaking{model, 1}, nil)
				require.ErrorContains(t, err, "the disk is full")
				s := serve(t, model, "app", secret(0))
				s.invalid(s.refresh(secret(2)))
				if row.ended {
					require.NoError(t, model.RevokeUser(t.Context(), "u1"))
				}
				if row.expired != "" {
					old[row.expired] = time.Now().Add(-100 * time.Hour)
				}
				exec(t, db, `UPDATE oauth2_token SET data = $1`, data(t, old))

				for _, want := range []string{row.want, strings.ReplaceAll(row.want, "1 0 0 0", "0 1 0 0")} {
					report, err := takeover.Import(t.Context(), goOAuth2(db), model, nil)
					require.NoError(t, err)
					require.Contains(t, table(report.String()), want)
				}

				if row.grants > 0 && row.expired == "" {
					s.opens(secret(1), "u1")
				}
				if row.grants > 0 && row.refresh != "" {
					_, err := s.refresh(row.refresh)
					require.NoError(t, err)
				}
				grants, err := model.UserGrants(t.Context(), "u1")
				require.NoError(t, err)
				require.Len(t, grants, row.grants)
				require.NoError(t, model.RevokeUser(t.Context(), "u1"))
				s.refuses(secret(1))
				s.invalid(s.refresh(secret(2)))
			})
		}
	}
}

// An access token that outlives its refresh token does not come back by a second
// run after the owner ended the grant of both.
func TestAccessTokenOutlivesItsRefreshToken(t *testing.T) {
	t.Parallel()
	db := tables(t, goOAuth2Table)
	row := map[string]any{"AccessExpiresIn": 2 * time.Hour, "RefreshExpiresIn": time.Hour}
	exec(t, db, `INSERT INTO oauth2_token (code, access, refresh, data) VALUES ('', $1, $2, $3)`,
		secret(1), secret(2), data(t, row))
	model := withApp(t, "")
	move := func() string {
		report, err := takeover.Import(t.Context(), goOAuth2(db), model, nil)
		require.NoError(t, err)
		return table(report.String())
	}
	require.Contains(t, move(), "access tokens 1 0 0 0\nrefresh tokens 1 0 0 0")
	s := serve(t, model, "app", secret(0))
	s.opens(secret(1), "u1")
	require.NoError(t, model.RevokeUser(t.Context(), "u1"))

	row["RefreshCreateAt"] = time.Now().Add(-time.Hour) // the refresh token has expired since
	exec(t, db, `UPDATE oauth2_token SET data = $1`, data(t, row))

	require.Contains(t, move(), "access tokens 0 1 0 0\nrefresh tokens 0 0 1 0")
	s.refuses(secret(1))
}

func TestNode(t *testing.T) {
	const shared = `CREATE TABLE oauth_clients (client_id text, client_secret text, redirect_uri text,
			PRIMARY KEY (client_id, client_secret));
		CREATE TABLE users (id uuid PRIMARY KEY, username text, password text);
		INSERT INTO users VALUES ('` + andyID + `', 'andy', '123456');
		INSERT INTO oauth_clients VALUES ('app', 'qwerty', 'https://app.example/callback');
		INSERT INTO oauth_clients VALUES ('app', 'qwertz', 'https://app.example/callback');`
	// Node wrote the times of its own zone, without the zone.
	zone := time.FixedZone("Shanghai", 8*60*60)
	shown := func(in time.Duration) string {
		return time.Now().Add(in).In(zone).Format("2006-01-02 15:04:05.000")
	}
	for _, row := range []struct {
		name, schema string
		tokens       takeover.NodeTokens
		insert       []string
		scope        oauth2server.Scope
	}{
		{"express-oauth-server", `CREATE TABLE oauth_tokens (id uuid PRIMARY KEY, access_token text,
			access_token_expires_on timestamp, client_id text, refresh_token text, refresh_token_expires_on timestamp,
			user_id uuid)`, takeover.NodeOneTable, []string{
			`INSERT INTO oauth_tokens VALUES (1, '` + secret(1) + `', $1, 'app', '` + secret(2) + `', $1, '` + andyID + `')`,
			`INSERT INTO oauth_tokens VALUES (2, '` + secret(3) + `', $2, 'app', '` + secret(4) + `', $2, '` + andyID + `')`,
		}, nil},
		{"node-oauth2-server 2", `CREATE TABLE oauth_access_tokens (access_token text PRIMARY KEY, scope text,
			client_id text, user_id uuid, expires timestamp);
			CREATE TABLE oauth_refresh_tokens (refresh_token text PRIMARY KEY, client_id text, user_id uuid,
			expires timestamp)`, takeover.NodeTwoTables, []string{
			`INSERT INTO oauth_access_tokens VALUES ('` + secret(1) + `', 'read', 'app', '` + andyID + `', $1)`,
			`INSERT INTO oauth_access_tokens VALUES ('` + secret(3) + `', 'read', 'app', '` + andyID + `', $2)`,
			`INSERT INTO oauth_refresh_tokens VALUES ('` + secret(2) + `', 'app', '` + andyID + `', $1)`,
			`INSERT INTO oauth_refresh_tokens VALUES ('` + secret(4) + `', 'app', '` + andyID + `', $2)`,
		}, oauth2server.Scope{"read"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			db := tables(t, shared+row.schema)
			for _, statement := range row.insert {
				exec(t, db, statement, shown(time.Hour), shown(-time.Minute))
			}
			model, report := moveTwice(t, takeover.Node(db, row.tokens, zone, func(c *takeover.Client) {
				c.Grants = []string{"authorization_code", "password", "refresh_token"}
			}))
			require.Equal(t, `added there expired refused
clients 1 0 0 1
users 1 0 0 0
codes 0 0 0 0
access tokens 1 0 1 0
refresh tokens 1 0 1 0
refused: 1 of clients: client "app": there is another record of it`, report)
			s := serve(t, model, "app", "qwerty")
			s.RedirectURL = "https://app.example/callback"
			s.opens(secret(1), andyID)
			s.refuses(secret(3))
			token, err := model.(oauth2server.AccessTokenModel).GetAccessToken(t.Context(), secret(1))
			require.NoError(t, err)
			require.Equal(t, row.scope, token.Scope)
			require.WithinDuration(t, time.Now().Add(time.Hour), token.AccessTokenExpiresAt, time.Minute)
			next, err := s.refresh(secret(2))
			require.NoError(t, err)
			_, err = s.refresh(next.RefreshToken)
			require.NoError(t, err)
			s.invalid(s.refresh(secret(4)))
			require.Equal(t, andyID, s.signIn("andy", "123456"))
		})
	}
}

// Source and target may share the only connection of a database, so no query is
// open while records are moved. Each table has several pages.
func TestOneConnection(t *testing.T) {
	const many, pages = 1201, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1201)
		INSERT INTO `
	grants := func(c *takeover.Client) { c.Grants = []string{"refresh_token"} }
	hour := func(n time.Duration) string { return time.Now().UTC().Add(n * time.Hour).Format(time.DateTime) }
	for _, row := range []struct {
		name   string
		fill   func(db *sql.DB)
		source func(db *sql.DB) takeover.Source
		want   map[takeover.Kind]int // how many are expired or refused
	}{
		{"go-oauth2", func(db *sql.DB) {
			exec(t, db, goOAuth2Table+`; CREATE TABLE oauth2_clients (id TEXT PRIMARY KEY, data TEXT)`)
			exec(t, db, pages+`oauth2_clients SELECT i, 'no JSON' FROM n`)
			exec(t, db, `INSERT INTO oauth2_clients VALUES ('app', '{"ID":"app","Secret":"`+secret(0)+`"}')`)
			long := time.Now().Add(-100 * time.Hour)
			exec(t, db, pages+`oauth2_token (code, access, refresh, data) SELECT 'c' || i, 'a' || i, '', $1 FROM n`,
				data(t, map[string]any{"CodeCreateAt": long, "CodeExpiresIn": time.Hour, "AccessCreateAt": long}))
			exec(t, db, `INSERT INTO oauth2_token (code, access, refresh, data) VALUES ('', $1, '', $2)`, secret(1),
				data(t, nil))
		}, func(db *sql.DB) takeover.Source {
			return takeover.GoOAuth2(db, takeover.GoOAuth2Tables{Tokens: "oauth2_token", Clients: "oauth2_clients"}, grants)
		}, map[takeover.Kind]int{takeover.Clients: many, takeover.Codes: many, takeover.AccessTokens: many}},
		{"node", func(db *sql.DB) {
			exec(t, db, `CREATE TABLE oauth_clients (client_id text, client_secret text, redirect_uri text,
				PRIMARY KEY (client_id, client_secret));
				CREATE TABLE users (id uuid PRIMARY KEY, username text, password text);
				CREATE TABLE oauth_access_tokens (access_token text PRIMARY KEY, scope text, client_id text,
				user_id uuid, expires timestamp);
				CREATE TABLE oauth_refresh_tokens (refresh_token text PRIMARY KEY, client_id text, user_id uuid,
				expires timestamp)`)
			exec(t, db, `INSERT INTO oauth_clients VALUES ('app', '`+secret(0)+`', '')`)
			exec(t, db, pages+`oauth_clients SELECT 'app', 'secret' || i, '' FROM n`)
			exec(t, db, pages+`users SELECT 'id' || i, 'name' || i, '5f4dcc3b5aa765d61d8327deb882cf99' FROM n`)
			exec(t, db, `INSERT INTO users VALUES ('u1', 'andy', '123456')`)
			exec(t, db, pages+`oauth_access_tokens SELECT 'a' || i, '', 'app', 'u1', $1 FROM n`, hour(-1))
			exec(t, db, pages+`oauth_refresh_tokens SELECT 'r' || i, 'app', 'u1', $1 FROM n`, hour(-1))
			exec(t, db, `INSERT INTO oauth_access_tokens VALUES ($1, '', 'app', 'u1', $2)`, secret(1), hour(1))
		}, func(db *sql.DB) takeover.Source {
			return takeover.Node(db, takeover.NodeTwoTables, time.UTC, grants)
		}, map[takeover.Kind]int{takeover.Clients: many, takeover.Users: many, takeover.AccessTokens: many,
			takeover.RefreshTokens: many}},
	} {
		t.Run(row.name, func(t *testing.T) {
			db := tables(t, "")
			row.fill(db)
			model := sqlmodel.New(db, sqlmodel.SQLite, &sqlmodel.Options{Prefix: "new_", PasswordCost: passwordCost})
			require.NoError(t, model.Migrate(t.Context()))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()

			report, err := takeover.Import(ctx, row.source(db), model, nil)

			require.NoError(t, err)
			for _, kind := range takeover.Kinds {
				require.Equal(t, row.want[kind], report.Expired[kind]+report.Refusals(kind), kind)
			}
			serve(t, model, "app", secret(0)).opens(secret(1), "u1")
		})
	}
}
