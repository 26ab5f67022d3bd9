// This file reads the tables of go-oauth2's stores, and those of the PostgreSQL
// example of node-oauth2-server.

package takeover

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// rows are some rows of a table.
type rows struct {
	columns, table, where string

	// key is the primary key of the table: columns of text, or one number.
	key    []string
	number bool
}

// page is how many rows are read at once.
const page = 500

// query returns the statement for the page behind a key, nil for the first page,
// and its arguments.
func (q rows) query(last []string) (statement string, args []any) {
	var keys []string
	for _, column := range q.key {
		keys = append(keys, q.table+"."+column) // not a column of the result
	}
	key := strings.Join(keys, ", ")
	statement = "SELECT " + key + ", " + q.columns + " FROM " + q.table + " WHERE (" +
		cmp.Or(q.where, "1 = 1") + ")"
	if last != nil {
		var places []string
		for i, value := range last {
			if q.number {
				// Not a parameter, which MySQL and PostgreSQL write differently.
				places = append(places, value)
				continue
			}
			places, args = append(places, fmt.Sprintf("$%d", i+1)), append(args, value)
		}
		statement += " AND (" + key + ") > (" + strings.Join(places, ", ") + ")"
	}
	return statement + " ORDER BY " + key + " LIMIT " + strconv.Itoa(page), args
}

// scanner reads the columns of a row.
type scanner func(into ...any) error

// read reads rows in pages. No query is open while a record is moved: the target
// may need the only connection.
func read[T any](db *sql.DB, q rows, scan func(scanner) (T, error)) Records[T] {
	type result struct {
		record T
		err    error
	}
	next := func(ctx context.Context, last []string) (some []result, end []string, err error) {
		statement, args := q.query(last)
		found, err := db.QueryContext(ctx, statement, args...)
		if err != nil {
			return nil, nil, err
		}
		defer found.Close()
		end = make([]string, len(q.key))
		var key []any
		for i := range end {
			key = append(key, &end[i])
		}
		for found.Next() {
			record, err := scan(func(into ...any) error { return found.Scan(slices.Concat(key, into)...) })
			some = append(some, result{record, err})
		}
		if q.number && len(some) > 0 {
			_, err = strconv.ParseInt(end[0], 10, 64)
		}
		return some, end, errors.Join(found.Err(), err)
	}
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			var last []string
			for {
				some, end, err := next(ctx, last)
				for _, one := range some {
					if !yield(one.record, one.err) {
						return
					}
				}
				if err != nil {
					var none T
					yield(none, err)
				}
				if err != nil || len(some) < page {
					return
				}
				last = end
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
	tokens := func(where string) rows {
		return rows{columns: "code, access, refresh, data", table: tables.Tokens, where: where,
			key: []string{"id"}, number: true}
	}
	source := Source{
		Codes: read(db, tokens("code <> ''"),
			func(scan scanner) (*oauth2server.AuthorizationCode, error) {
				row, err := scanGoOAuth2(scan, Codes)
				if err != nil {
					return nil, err
				}
				return row.authorizationCode()
			}),
		Tokens: read(db, tokens("access <> '' OR refresh <> ''"),
			func(scan scanner) (*oauth2server.Token, error) {
				row, err := scanGoOAuth2(scan, AccessTokens)
				if err != nil {
					return nil, err
				}
				return row.token()
			}),
	}
	if tables.Clients != "" {
		source.Clients = read(db, rows{columns: "data", table: tables.Clients, key: []string{"id"}},
			func(scan scanner) (*Client, error) {
				var data []byte
				var c struct {
					ID, Secret, Domain string
					Public             bool
				}
				if err := scan(&data); err != nil {
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

func scanGoOAuth2(scan scanner, kind Kind) (*goOAuth2Row, error) {
	var row goOAuth2Row
	var data []byte
	if err := scan(&row.code, &row.access, &row.refresh, &data); err != nil {
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
type NodeTokens []rows

// The two schemas.
var (
	// NodeOneTable is that of express-oauth-server: oauth_tokens.
	NodeOneTable = NodeTokens{{table: "oauth_tokens", key: []string{"id"},
		columns: `access_token, access_token_expires_on, refresh_token, refresh_token_expires_on,
		client_id, CAST(user_id AS VARCHAR(64)), ''`}}

	// NodeTwoTables is that of node-oauth2-server 2: oauth_access_tokens and
	// oauth_refresh_tokens.
	NodeTwoTables = NodeTokens{
		{table: "oauth_access_tokens", key: []string{"access_token"},
			columns: `access_token, expires, '', NULL, client_id, CAST(user_id AS VARCHAR(64)), scope`},
		{table: "oauth_refresh_tokens", key: []string{"refresh_token"},
			columns: `'', NULL, refresh_token, expires, client_id, CAST(user_id AS VARCHAR(64)), ''`},
	}
)

// Node reads the tables of the PostgreSQL example of node-oauth2-server, which
// has none for codes. zone is that of the process of Node, as the times in the
// tables have none. complete adds to a client what its table does not have:
// grants and scope. Neither may be nil.
func Node(db *sql.DB, tokens NodeTokens, zone *time.Location, complete func(*Client)) Source {
	var all []Records[*oauth2server.Token]
	for _, rows := range tokens {
		all = append(all, read(db, rows,
			func(scan scanner) (*oauth2server.Token, error) { return scanNode(scan, zone) }))
	}
	return Source{
		Clients: read(db, rows{columns: "client_id, client_secret, redirect_uri", table: "oauth_clients",
			key: []string{"client_id", "client_secret"}},
			func(scan scanner) (*Client, error) {
				var c Client
				var uri string
				err := scan(&c.ID, &c.Secret, &uri)
				if uri != "" {
					c.RedirectURIs = []string{uri}
				}
				complete(&c)
				return &c, err
			}),
		Users: read(db, rows{columns: "CAST(id AS VARCHAR(64)), username, password", table: "users",
			key: []string{"id"}},
			func(scan scanner) (*User, error) {
				var u User
				err := scan(&u.ID, &u.Username, &u.Password)
				u.Key = u.ID
				return &u, err
			}),
		Tokens: inTurn(all...),
	}
}

// scanNode reads a row of [NodeTokens].
func scanNode(scan scanner, zone *time.Location) (*oauth2server.Token, error) {
	token := &oauth2server.Token{Client: &oauth2server.Client{}, User: &oauth2server.User{}}
	var accessUntil, refreshUntil sql.NullTime
	var scope string
	err := scan(&token.AccessToken, &accessUntil, &token.RefreshToken, &refreshUntil, &token.Client.ID,
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
