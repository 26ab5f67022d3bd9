// This file has the two types of the package, and their options.

package sqlmodel

import (
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// Options are deviations from the defaults. The zero value is the safe one; nil
// means the zero value.
type Options struct {
	// Prefix begins the names of the tables: ASCII letters, digits and
	// underscores, 32 at most, the first of them no digit. Empty: "oauth2_".
	Prefix string

	// NoPrepare sends the text of each statement anew. It is for poolers that
	// may run each transaction on another connection, such as PgBouncer in its
	// transaction mode.
	NoPrepare bool

	// InsecureAllowShortSecrets lets clients have secrets of fewer than 22
	// characters. Such a secret can be guessed, most easily by anyone who sees
	// its digest in the database.
	InsecureAllowShortSecrets bool

	// PasswordCost is the cost of bcrypt: each step doubles the time that a
	// password takes. Below 4 it means 10; above 31, adding users and signing in
	// fail.
	PasswordCost int

	// ExtensionGrants names further grants that clients may have: those of
	// [oauth2server.Options.ExtensionGrants] that are not URIs. The five
	// built-in grants and absolute URIs are always allowed.
	ExtensionGrants []string
}

// Grants keeps codes, tokens and the log of each grant in a database. A program
// with users and clients of its own embeds it in its model, and adds GetClient
// and what else it needs. It is safe for concurrent use. What it returns belongs
// to the caller. Of the client and the user of a code or a token it returns only
// the ID.
type Grants struct {
	database
	grantsAlone bool // there are no tables for clients and users

	insertCode, findCode, deleteCode                  *statement
	insertToken, insertTokens, findToken, deleteToken *statement

	insertEntry, findEntry, findEntries       *statement
	userEntries, userGrants, userClientGrants *statement
	clientCodes, clientGrants                 *statement
	expiredCodes, expiredTokens, expiredLogs  *statement
}

// Model is [Grants] with clients and users.
type Model struct {
	*Grants
	options   Options
	passwords *credential.Passwords

	insertClient, findClient, updateClient, listClients *statement
	updateSecrets, deleteClient                         *statement
	insertFormer, findFormer, oldFormer, deleteFormer   *statement

	insertUser, findUser, findUsername, findOwner, listUsers *statement
	updateUser, updateHash, replaceHash                      *statement
	markUser, deleteUser                                     *statement
}

var (
	_ oauth2server.AccessTokenModel       = (*Grants)(nil)
	_ oauth2server.AccessTokenRevoker     = (*Grants)(nil)
	_ oauth2server.AuthorizationCodeModel = (*Grants)(nil)
	_ oauth2server.RefreshTokenModel      = (*Grants)(nil)
	_ oauth2server.GrantLog               = (*Grants)(nil)
	_ oauth2server.Model                  = (*Model)(nil)
	_ oauth2server.PasswordModel          = (*Model)(nil)
	_ oauth2server.ClientCredentialsModel = (*Model)(nil)
)

// New returns a Model that stores in db, which must not be nil. New sends
// nothing: if the database cannot be reached, the requests fail. Call
// [Grants.Migrate] before the first request, or [Grants.Check]. Both also report
// what is wrong with the arguments, as does each request.
func New(db *sql.DB, dialect Dialect, opts *Options) *Model {
	m := &Model{Grants: newGrants(db, dialect, opts)}
	if opts != nil {
		m.options = *opts
		m.options.ExtensionGrants = slices.Clone(opts.ExtensionGrants)
	}
	m.passwords = credential.NewPasswords(m.options.PasswordCost)
	m.clientStatements()
	m.userStatements()
	return m
}

// NewGrants is [New] for a program with clients and users of its own. Of the
// options it takes Prefix and NoPrepare.
func NewGrants(db *sql.DB, dialect Dialect, opts *Options) *Grants {
	g := newGrants(db, dialect, opts)
	g.grantsAlone = true
	return g
}

// prefixes matches prefixes that need no quotes in any dialect, and leave room
// for the names of indexes.
var prefixes = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,31}$`)

func newGrants(db *sql.DB, dialect Dialect, opts *Options) *Grants {
	if opts == nil {
		opts = &Options{}
	}
	prefix := opts.Prefix
	if prefix == "" {
		prefix = "oauth2_"
	}
	g := &Grants{database: database{db: db, dialect: dialect, prepare: !opts.NoPrepare}}
	if !prefixes.MatchString(prefix) {
		g.wrong = fmt.Errorf("sqlmodel: Options.Prefix %q: letters, digits and underscores, no digit first, 32 at most", prefix)
	}
	if !dialect.known() {
		g.wrong = errors.Join(g.wrong, fmt.Errorf("sqlmodel: %v is no dialect: use one of the constants", dialect))
	}
	var names []string
	for _, table := range []string{
		"codes", "tokens", "grants", "clients", "former_clients", "users", "versions", "people_versions",
	} {
		names = append(names, "{"+table+"}", prefix+table)
	}
	g.tables = strings.NewReplacer(names...)
	g.tokenStatements()
	g.grantStatements()
	return g
}
