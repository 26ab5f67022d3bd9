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

// Grants keeps codes, tokens and the log of each grant in MongoDB. A program
// with users and clients of its own embeds it in its model, and adds GetClient
// and what else it needs. It is safe for concurrent use. What it returns belongs
// to the caller. Of the client and the user of a code or a token it returns only
// the ID.
type Grants struct {
	// misnamed is the error about the names of the collections, or nil.
	misnamed error

	codes, access, refresh, grants *mongo.Collection
}

// Model is [Grants] with clients and users. Its only state in memory is which
// kinds of password hashes it has seen.
type Model struct {
	*Grants
	options        Options
	passwords      *credential.Passwords
	clients, users *mongo.Collection
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
	// password takes. Below 4 it means 10; above 31, adding users and signing in
	// fail.
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
	m := &Model{Grants: NewGrants(db, opts)}
	if opts != nil {
		m.options = *opts
		m.options.ExtensionGrants = slices.Clone(opts.ExtensionGrants)
	}
	m.passwords = credential.NewPasswords(m.options.PasswordCost)
	m.clients = db.Collection(m.options.prefix()+"clients", m.options.handle())
	m.users = db.Collection(m.options.prefix()+"users", m.options.handle())
	return m
}

// NewGrants is [New] for a program with clients and users of its own. Of the
// options it takes Prefix, NoPrefix and Linearizable.
func NewGrants(db *mongo.Database, opts *Options) *Grants {
	if opts == nil {
		opts = &Options{}
	}
	g := &Grants{}
	for name, c := range map[string]**mongo.Collection{
		"authorization_codes": &g.codes, "access_tokens": &g.access, "refresh_tokens": &g.refresh, "grants": &g.grants,
	} {
		*c = db.Collection(opts.prefix()+name, opts.handle())
		// The names of clients and users have the same prefix and are shorter.
		g.misnamed = errors.Join(g.misnamed, checkName(db.Name(), opts.prefix()+name))
	}
	if opts.NoPrefix && opts.Prefix != "" {
		g.misnamed = errors.New("mongomodel: Options has both a Prefix and NoPrefix: leave one out")
	}
	return g
}

// prefix returns how the names of the collections begin.
func (o Options) prefix() string {
	if o.Prefix == "" && !o.NoPrefix {
		return DefaultPrefix
	}
	return o.Prefix
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
