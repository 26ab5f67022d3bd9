// This file reads the tables of go-oauth2's stores, and those of the PostgreSQL
// example of node-oauth2-server.

package takeover

import (
	"context"
	"database/sql"
	"encoding/json"
	"iter"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// rows reads what a query returns.
func rows[T any](db *sql.DB, query string, scan func(*sql.Rows) (T, error)) Records[T] {
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			var none T
			found, err := db.QueryContext(ctx, query)
			if err != nil {
				yield(none, err)
				return
			}
			defer found.Close()
			for found.Next() {
				if !yield(scan(found)) {
					return
				}
			}
			if err := found.Err(); err != nil {
				yield(none, err)
			}
		}
	}
}

// GoOAuth2Tables are the tables of a store for go-oauth2.
type GoOAuth2Tables struct {
	Tokens  string // oauth2_token in go-oauth2/mysql, oauth2_tokens in vgarvardt/go-oauth2-pg
	Clients string // oauth2_clients in vgarvardt/go-oauth2-pg; empty: they are in the program
}

// GoOAuth2 reads the tables of a store for go-oauth2, which has no users.
// complete adds to a client what go-oauth2 does not know: grants, scope, whole
// redirection URIs. It may be nil if there is no table of clients: then
// register those of the program before the import.
func GoOAuth2(db *sql.DB, tables GoOAuth2Tables, complete func(*Client)) Source {
	// A code or token that was used is blank in its column, and still in data.
	query := "SELECT code, access, refresh, data FROM " + tables.Tokens + " WHERE "
	source := Source{
		Codes: rows(db, query+"code <> '' ORDER BY id",
			func(r *sql.Rows) (*oauth2server.AuthorizationCode, error) {
				row, err := scanGoOAuth2(r, Codes)
				if err != nil {
					return nil, err
				}
				return row.authorizationCode()
			}),
		Tokens: rows(db, query+"access <> '' OR refresh <> '' ORDER BY id",
			func(r *sql.Rows) (*oauth2server.Token, error) {
				row, err := scanGoOAuth2(r, AccessTokens)
				if err != nil {
					return nil, err
				}
				return row.token()
			}),
	}
	if tables.Clients != "" {
		source.Clients = rows(db, "SELECT data FROM "+tables.Clients+" ORDER BY id",
			func(r *sql.Rows) (*Client, error) {
				var data []byte
				var c struct {
					ID, Secret, Domain string
					Public             bool
				}
				if err := r.Scan(&data); err != nil {
					return nil, err
				}
				if json.Unmarshal(data, &c) != nil {
					return nil, refuse(Clients, "data is not JSON")
				}
				client := &Client{oauth2server.Client{ID: c.ID, Public: c.Public}, c.Secret}
				if c.Public {
					client.Secret = ""
				}
				if c.Domain != "" {
					client.RedirectURIs = []string{c.Domain}
				}
				complete(client)
				return client, nil
			})
	}
	return source
}

// goOAuth2Row is a row, with the members of data that are needed. A lifetime of
// 0 means forever.
type goOAuth2Row struct {
	code, access, refresh string

	ClientID, UserID, RedirectURI, Scope             string
	CodeChallenge, CodeChallengeMethod               string
	CodeCreateAt, AccessCreateAt, RefreshCreateAt    time.Time
	CodeExpiresIn, AccessExpiresIn, RefreshExpiresIn time.Duration
	Extension                                        map[string][]string
}

func scanGoOAuth2(r *sql.Rows, kind Kind) (*goOAuth2Row, error) {
	var row goOAuth2Row
	var data []byte
	if err := r.Scan(&row.code, &row.access, &row.refresh, &data); err != nil {
		return nil, err
	}
	if json.Unmarshal(data, &row) != nil {
		return nil, refuse(kind, "data is not JSON")
	}
	return &row, nil
}

func after(from time.Time, lifetime time.Duration) time.Time {
	if lifetime == 0 {
		return time.Time{}
	}
	return from.Add(lifetime)
}

// user is whom the row is for. Without one, the client acts for itself.
func (row *goOAuth2Row) user() *oauth2server.User {
	if row.UserID == "" {
		return nil
	}
	return &oauth2server.User{ID: row.UserID}
}

func (row *goOAuth2Row) authorizationCode() (*oauth2server.AuthorizationCode, error) {
	scope, err := parseScope(Codes, row.Scope)
	code := &oauth2server.AuthorizationCode{
		Code:                row.code,
		ExpiresAt:           after(row.CodeCreateAt, row.CodeExpiresIn),
		RedirectURI:         row.RedirectURI,
		Scope:               scope,
		Client:              &oauth2server.Client{ID: row.ClientID},
		User:                row.user(),
		CodeChallenge:       row.CodeChallenge,
		CodeChallengeMethod: row.CodeChallengeMethod,
	}
	if code.CodeChallenge != "" && code.CodeChallengeMethod == "" {
		code.CodeChallengeMethod = "plain" // RFC 7636, section 4.3
	}
	return code, err
}

func (row *goOAuth2Row) token() (*oauth2server.Token, error) {
	scope, err := parseScope(AccessTokens, row.Scope)
	token := &oauth2server.Token{
		AccessToken:           row.access,
		AccessTokenExpiresAt:  after(row.AccessCreateAt, row.AccessExpiresIn),
		RefreshToken:          row.refresh,
		RefreshTokenExpiresAt: after(row.RefreshCreateAt, row.RefreshExpiresIn),
		Scope:                 scope,
		Client:                &oauth2server.Client{ID: row.ClientID},
		User:                  row.user(),
	}
	for name, values := range row.Extension {
		if token.Extra == nil {
			token.Extra = map[string]any{}
		}
		token.Extra[name] = values
	}
	return token, err
}

// NodeTokens selects the tokens in one of the two schemas that the PostgreSQL
// example of node-oauth2-server has had.
type NodeTokens []string

// The two schemas.
var (
	// NodeOneTable is that of express-oauth-server: oauth_tokens.
	NodeOneTable = NodeTokens{`SELECT access_token, access_token_expires_on, refresh_token, refresh_token_expires_on,
		client_id, CAST(user_id AS VARCHAR(64)), '' FROM oauth_tokens`}

	// NodeTwoTables is that of node-oauth2-server 2: oauth_access_tokens and
	// oauth_refresh_tokens.
	NodeTwoTables = NodeTokens{
		`SELECT access_token, expires, '', NULL, client_id, CAST(user_id AS VARCHAR(64)), scope
		FROM oauth_access_tokens`,
		`SELECT '', NULL, refresh_token, expires, client_id, CAST(user_id AS VARCHAR(64)), ''
		FROM oauth_refresh_tokens`,
	}
)

// Node reads the tables of the PostgreSQL example of node-oauth2-server, which
// has none for codes. zone is that of the process of Node, as the times in the
// tables have none. complete adds to a client what its table does not have:
// grants and scope. Neither may be nil.
func Node(db *sql.DB, tokens NodeTokens, zone *time.Location, complete func(*Client)) Source {
	var read []Records[*oauth2server.Token]
	for _, query := range tokens {
		read = append(read, rows(db, query,
			func(r *sql.Rows) (*oauth2server.Token, error) { return scanNode(r, zone) }))
	}
	return Source{
		Clients: rows(db, "SELECT client_id, client_secret, redirect_uri FROM oauth_clients ORDER BY client_id",
			func(r *sql.Rows) (*Client, error) {
				var c Client
				var uri string
				err := r.Scan(&c.ID, &c.Secret, &uri)
				if uri != "" {
					c.RedirectURIs = []string{uri}
				}
				complete(&c)
				return &c, err
			}),
		Users: rows(db, "SELECT CAST(id AS VARCHAR(64)), username, password FROM users ORDER BY id",
			func(r *sql.Rows) (*User, error) {
				var u User
				err := r.Scan(&u.ID, &u.Username, &u.Password)
				u.Key = u.ID
				return &u, err
			}),
		Tokens: inTurn(read...),
	}
}

// scanNode reads a row of [NodeTokens].
func scanNode(r *sql.Rows, zone *time.Location) (*oauth2server.Token, error) {
	token := &oauth2server.Token{Client: &oauth2server.Client{}, User: &oauth2server.User{}}
	var accessUntil, refreshUntil sql.NullTime
	var scope string
	err := r.Scan(&token.AccessToken, &accessUntil, &token.RefreshToken, &refreshUntil, &token.Client.ID,
		&token.User.ID, &scope)
	if err != nil {
		return nil, err
	}
	token.AccessTokenExpiresAt = in(zone, accessUntil)
	token.RefreshTokenExpiresAt = in(zone, refreshUntil)
	token.Scope, err = parseScope(AccessTokens, scope)
	return token, err
}

// in returns the time that a clock in zone showed.
func in(zone *time.Location, shown sql.NullTime) time.Time {
	if !shown.Valid {
		return time.Time{}
	}
	t := shown.Time
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}
