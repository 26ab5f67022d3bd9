// Package sqlmodel is an [oauth2server.Model] on PostgreSQL, MySQL, MariaDB or
// SQLite, through database/sql. It has every interface that stores something and
// none of the hooks, and imports no driver. Any number of processes can share the
// database. The tests run on MariaDB, and not on MySQL itself.
//
//	db, err := sql.Open("pgx", source)
//	model := sqlmodel.New(db, sqlmodel.PostgreSQL, nil)
//	err = model.Migrate(ctx)
//	err = model.AddClient(ctx, &oauth2server.Client{
//		ID:           "app",
//		RedirectURIs: []string{"https://app.example/callback"},
//		Grants:       []string{"authorization_code", "refresh_token"},
//	}, secret)
//	err = model.AddUser(ctx, &oauth2server.User{ID: "u1"}, "andy", password)
//
// A program that has users and clients of its own embeds [Grants], and writes
// GetClient, and GetUser for passwords:
//
//	type model struct {
//		*sqlmodel.Grants // codes, tokens and the logs of grants
//		shop             *shop
//	}
//
//	func (m model) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error)
//	func (m model) GetUser(ctx context.Context, username, password string, _ *oauth2server.Client) (*oauth2server.User, error)
//
// # Statements
//
// Each step is one statement, which is prepared once for each connection. There
// are no transactions. The statements of a request are:
//
//	authenticate                 1  find a token
//	authorize                    2  find the client, save a code
//	client credentials           2  find the client, save a token
//	code exchange                5  find the client and the code; save both tokens, an entry of the log; find the
//	                                user's last revocation
//	refresh                      4  find the client and the token; save both tokens, an entry of the log
//
// If a serialization failure, a deadlock or a lock timeout kept a statement from
// taking effect, it is sent again, eight times in all. So any isolation level
// works.
//
// # Guarantees
//
// What was acknowledged lasts as long as the database keeps what it commits:
// leave fsync and synchronous_commit on in PostgreSQL, synchronous at FULL in
// SQLite, and innodb_flush_log_at_trx_commit at 1 in MySQL. Every statement
// must reach the primary: a replica does not yet know what was revoked. If a
// failover can lose commits, it can lose revocations; PostgreSQL has
// synchronous_standby_names for that.
//
// The program sets the limits of the pool: see [sql.DB.SetMaxOpenConns]. A method
// waits until its context ends, so give requests a deadline.
//
// # Rows
//
// Codes and tokens are stored under their [oauth2server.Digest]: nothing in the
// database can be presented as a credential. A record is the JSON that
// MarshalBinary of the stored value wrote, and the only column that is read back.
// Rows are found by the columns beside it. Times are milliseconds since 1970,
// lists are words with spaces between them, lifetimes as [time.Duration] writes
// them. Text is compared byte by byte, whatever the collation of the database.
// [Grants.Schema] returns the tables as SQL.
//
// See docs/sql.md for the settings of each driver, and for programs that use an
// object-relational mapper.
package sqlmodel
