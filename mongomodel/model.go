package mongomodel

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/seed-11d18166/oauth2server"
)

// Model keeps clients, users, codes, tokens and the log of each grant in MongoDB. It is safe for concurrent use and has
// no state of its own. What it returns belongs to the caller; of the client and the user of a code or token it returns
// the ID.
type Model struct {
	options Options

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

// Options are the deviations from the default. The zero value is the safe one; nil is allowed.
type Options struct {
	// Prefix stands before the names of the collections, "oauth2_" for instance: for a database that has a collection
	// of users already. Empty: none.
	Prefix string

	// InsecureAllowShortSecrets lets clients have secrets of fewer than 22 characters, which somebody could guess, all
	// the more who sees the digest in the database.
	InsecureAllowShortSecrets bool

	// PasswordCost is the cost of bcrypt: each step doubles the time that a password takes. 0: 10.
	PasswordCost int
}

// New returns a Model that stores in db, which must not be nil. It sends nothing: a server that cannot be reached is a
// fault of the requests. Call [Model.EnsureIndexes] before the first one.
func New(db *mongo.Database, opts *Options) *Model {
	m := &Model{}
	if opts != nil {
		m.options = *opts
	}
	journaled := true
	handle := options.Collection().
		// Also on a server without a replica set, where majority alone does not wait for the journal.
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}).
		SetReadConcern(readconcern.Local()).
		SetReadPreference(readpref.Primary()).
		SetBSONOptions(&options.BSONOptions{}).
		SetRegistry(bson.NewRegistry())
	for name, c := range m.collections() {
		*c = db.Collection(m.options.Prefix+name, handle)
	}
	return m
}

func (m *Model) collections() map[string]**mongo.Collection {
	return map[string]**mongo.Collection{
		"clients": &m.clients, "users": &m.users, "authorization_codes": &m.codes,
		"access_tokens": &m.access, "refresh_tokens": &m.refresh, "grants": &m.grants,
	}
}

// byID is the filter of the document with that _id. The value is a string, whatever a request made of it: it is never
// taken for an operator.
func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// findOne decodes the document that the filter names into found. None is [oauth2server.ErrNotFound].
func findOne(ctx context.Context, c *mongo.Collection, filter bson.D, found any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, field := range filter {
		if text, ok := field.Value.(string); ok && !utf8.ValidString(text) {
			return oauth2server.ErrNotFound // nothing is stored under what BSON cannot say
		}
	}
	err := c.FindOne(ctx, filter).Decode(found)
	if errors.Is(err, mongo.ErrNoDocuments) && ctx.Err() == nil {
		return oauth2server.ErrNotFound
	}
	return fault(ctx, "find in "+c.Name(), err)
}

// insertOnce stores document under id, where nothing may be. That the same record is there already is success: then the
// reply to an insert of it was lost.
func insertOnce(ctx context.Context, c *mongo.Collection, id string, document tokenDocument) error {
	_, err := c.InsertOne(ctx, document)
	if !mongo.IsDuplicateKeyError(err) {
		return fault(ctx, "insert into "+c.Name(), err)
	}
	var there tokenDocument
	if err := findOne(ctx, c, byID(id), &there); err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	if there.Record == document.Record {
		return nil
	}
	return fmt.Errorf("mongomodel: %s: there is another document with this digest", c.Name())
}

// removeOne is the single-use gate: of all who ask, one finds the document there.
func removeOne(ctx context.Context, c *mongo.Collection, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	result, err := c.DeleteOne(ctx, byID(id))
	if err != nil {
		return fault(ctx, "delete from "+c.Name(), err)
	}
	if result.DeletedCount == 0 {
		return oauth2server.ErrNotFound
	}
	return nil
}

// fault says what was done when err happened. What the driver reports of a context that ended need not say so: a
// network error, say, of the connection that was closed therefore.
func fault(ctx context.Context, what string, err error) error {
	switch ended := ctx.Err(); {
	case err == nil:
		return nil
	case ended != nil && !errors.Is(err, ended):
		return fmt.Errorf("mongomodel: %s: %w: %w", what, ended, err)
	}
	return fmt.Errorf("mongomodel: %s: %w", what, err)
}
