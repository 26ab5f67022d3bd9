// This file has the model's handles on its collections, and the options that
// decide their names and how they are read.

package mongomodel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// Model keeps clients, users, codes, tokens and the log of each grant in
// MongoDB. It is safe for concurrent use. Its only state in memory is which
// kinds of password hashes it has seen. What it returns belongs to the caller.
// Of the client and the user of a code or a token it returns only the ID.
type Model struct {
	options   Options
	passwords *credential.Passwords

	// misnamed is the error if the collections cannot have the names that the
	// options ask for.
	misnamed error

	clients, users, codes, access, refresh, grants *mongo.Collection
}

var (
	_ oauth2server.Model                  = (*Model)(nil)
	_ oauth2server.AccessTokenModel       = (*Model)(nil)
	_ oauth2server.AccessTokenRevoker     = (*Model)(nil)
	_ oauth2server.AuthorizationCodeModel = (*Model)(nil)
	_ oauth2server.RefreshTokenModel      = (*Model)(nil)
	_ oauth2server.GrantLog               = (*Model)(nil)
	_ oauth2server.PasswordModel          = (*Model)(nil)
	_ oauth2server.ClientCredentialsModel = (*Model)(nil)
)

// DefaultPrefix is the prefix of the collection names, unless [Options.Prefix]
// or [Options.NoPrefix] is set.
const DefaultPrefix = "oauth2_"

// Options are deviations from the defaults. The zero value is the safe one; nil
// means the zero value.
type Options struct {
	// Prefix is the prefix of the collection names. Empty means
	// [DefaultPrefix]. [Model.EnsureIndexes] refuses a prefix that MongoDB does
	// not allow: one with "$" or a NUL, one that begins with "system." or ".",
	// one that makes the names too long.
	Prefix string

	// NoPrefix names the collections without a prefix: "clients", "users" and
	// so on. Other programs are likely to use such names too; see the package
	// comment for what happens then. Prefix must be empty.
	NoPrefix bool

	// Linearizable makes each read confirm with a majority of the replica set
	// that the primary is still the primary. Without it, a revoked access token
	// can be accepted for some seconds while the members elect another primary:
	// see docs/scaling.md. With it, each read costs one more round trip between
	// the members, and waits if no majority can be reached, so give the client
	// a timeout. It needs a replica set or a sharded cluster of MongoDB.
	Linearizable bool

	// InsecureAllowShortSecrets lets clients have secrets of fewer than 22
	// characters. Such a secret can be guessed, most easily by anyone who sees
	// its digest in the database.
	InsecureAllowShortSecrets bool

	// PasswordCost is the cost of bcrypt: each step doubles the time that a
	// password takes. 0 means 10.
	PasswordCost int

	// ExtensionGrants names further grants that clients may have: those of
	// [oauth2server.Options.ExtensionGrants] that are not URIs. The five
	// built-in grants and absolute URIs are always allowed.
	ExtensionGrants []string
}

// New returns a Model that stores in db, which must not be nil. New sends
// nothing: if the server cannot be reached, the requests fail. Call
// [Model.EnsureIndexes] before the first request; it also reports what is wrong
// with the options.
func New(db *mongo.Database, opts *Options) *Model {
	m := &Model{}
	if opts != nil {
		m.options = *opts
		m.options.ExtensionGrants = slices.Clone(opts.ExtensionGrants)
	}
	m.passwords = credential.NewPasswords(m.options.PasswordCost)
	prefix := m.options.Prefix
	if prefix == "" && !m.options.NoPrefix {
		prefix = DefaultPrefix
	}
	handle := m.options.handle()
	for name, c := range m.collections() {
		*c = db.Collection(prefix+name, handle)
		m.misnamed = errors.Join(m.misnamed, checkName(db.Name(), prefix+name))
	}
	if m.options.NoPrefix && m.options.Prefix != "" {
		m.misnamed = errors.New("mongomodel: Options has both a Prefix and NoPrefix: leave one out")
	}
	return m
}

// handle returns the settings of each collection. They override those of the
// database.
func (o Options) handle() *options.CollectionOptionsBuilder {
	journaled := true
	reads := readconcern.Local()
	if o.Linearizable {
		reads = readconcern.Linearizable()
	}
	return options.Collection().
		// Journaled also on a server without a replica set, where majority
		// alone does not wait for the journal.
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}).
		SetReadConcern(reads).
		SetReadPreference(readpref.Primary()).
		SetBSONOptions(&options.BSONOptions{}).
		SetRegistry(bson.NewRegistry())
}

func (m *Model) collections() map[string]**mongo.Collection {
	return map[string]**mongo.Collection{
		"clients": &m.clients, "users": &m.users, "authorization_codes": &m.codes,
		"access_tokens": &m.access, "refresh_tokens": &m.refresh, "grants": &m.grants,
	}
}

// maxNamespace is how many bytes MongoDB allows for the names of a database and
// a sharded collection, with the dot between them. Others may have 20 more.
const maxNamespace = 235

// checkName returns an error if a collection cannot have this name.
func checkName(database, name string) error {
	why := ""
	switch {
	case strings.ContainsAny(name, "$\x00"):
		why = `"$" and NUL are not allowed`
	case strings.HasPrefix(name, "system."), strings.HasPrefix(name, "."):
		why = `no name begins with "system." or "."`
	case !utf8.ValidString(name):
		why = "it is not UTF-8"
	case len(database)+1+len(name) > maxNamespace:
		why = fmt.Sprintf("with the database it has more than %d bytes", maxNamespace)
	default:
		return nil
	}
	return fmt.Errorf("mongomodel: Options.Prefix: a collection cannot be named %q: %s", name, why)
}
