// This file finds, inserts and deletes documents of ours, and tells them from
// those of other programs in a collection of the same name.

package mongomodel

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/seed-11d18166/oauth2server"
)

// Each document of ours has the mark of its collection, a field that other
// programs are not likely to use. A document without it is not read, changed or
// deleted.
const (
	recordMark = "oauth2_record" // codes, tokens and log entries
	clientMark = "grants"
	userMark   = "password_hash"
)

// expiryField is the field of the TTL indexes. Other programs are not likely to
// use the name, so the server does not delete their documents.
const expiryField = "oauth2_expires_at"

// document is a type that documents of ours are decoded into.
type document interface{ mark() string }

func (*tokenDocument) mark() string  { return recordMark }
func (*entryDocument) mark() string  { return recordMark }
func (*clientDocument) mark() string { return clientMark }
func (*userDocument) mark() string   { return userMark }

func marked(mark string) bson.E {
	return bson.E{Key: mark, Value: bson.D{{Key: "$exists", Value: true}}}
}

// byID is the filter of the document with that _id, ours or not. The value is
// always a string, so nothing in a request can become an operator.
func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// ownRecord, ownClient and ownUser are the filters of the document with that
// _id if it is ours. Updates and deletes use them.
func ownRecord(id string) bson.D { return append(byID(id), marked(recordMark)) }
func ownClient(id string) bson.D { return append(byID(id), marked(clientMark)) }
func ownUser(id string) bson.D   { return append(byID(id), marked(userMark)) }

// byUsername is the filter of the user with that name. It includes the mark
// because the index of usernames covers only documents of ours.
func byUsername(name string) bson.D {
	return bson.D{{Key: "username", Value: name}, marked(userMark)}
}

// findOne decodes the document that matches the filter into found. Without one,
// the error is [oauth2server.ErrNotFound]. A document that is not ours, or
// cannot be decoded, is a fault that names it.
func findOne(ctx context.Context, c *mongo.Collection, filter bson.D, found document) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, field := range filter {
		if text, ok := field.Value.(string); ok && !utf8.ValidString(text) {
			return oauth2server.ErrNotFound // BSON cannot hold the value, so nothing is stored under it
		}
	}
	raw, err := c.FindOne(alone(ctx), filter).Raw()
	switch {
	case errors.Is(err, mongo.ErrNoDocuments) && ctx.Err() == nil:
		return oauth2server.ErrNotFound
	case err != nil:
		return fault(ctx, "find in "+c.Name(), err)
	}
	return decode(c, raw, found)
}

// decode reads a document of ours into found.
func decode(c *mongo.Collection, raw bson.Raw, found document) error {
	if _, err := raw.LookupErr(found.mark()); err != nil {
		return fmt.Errorf("mongomodel: document %s of %s is not ours: it has no field %q; "+
			"the model needs collections of its own (Options.Prefix)", raw.Lookup("_id"), c.Name(),
			found.mark())
	}
	if err := bson.Unmarshal(raw, found); err != nil {
		return fmt.Errorf("mongomodel: document %s of %s: %w", raw.Lookup("_id"), c.Name(), err)
	}
	return nil
}

// insertOnce stores document under id, which must be free. If the same record
// is there already, that is success: the reply to an earlier insert was lost.
func insertOnce(ctx context.Context, c *mongo.Collection, id string, document tokenDocument) error {
	_, err := c.InsertOne(alone(ctx), document)
	conflict := taken(c, err, idIndex)
	if conflict == nil {
		return fault(ctx, "insert into "+c.Name(), err)
	}
	var there tokenDocument
	if err := findOne(ctx, c, byID(id), &there); err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	if there.Record == document.Record {
		return nil
	}
	return fmt.Errorf("mongomodel: %s: another document has this digest: %w", c.Name(), conflict)
}

// removeOne deletes the document that matches the filter. It is the single-use
// gate: of concurrent callers, one finds the document there.
func removeOne(ctx context.Context, c *mongo.Collection, filter bson.D) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	result, err := c.DeleteOne(alone(ctx), filter)
	if err != nil {
		return fault(ctx, "delete from "+c.Name(), err)
	}
	if result.DeletedCount == 0 {
		return oauth2server.ErrNotFound
	}
	return nil
}

// alone returns ctx without the caller's session. The documents of a grant must
// be on a majority at once: they must not wait for the caller's transaction,
// nor be undone with it.
func alone(ctx context.Context) context.Context {
	if mongo.SessionFromContext(ctx) == nil {
		return ctx
	}
	return sessionless{ctx}
}

type sessionless struct{ context.Context }

// Value hides the session.
func (c sessionless) Value(key any) any {
	value := c.Context.Value(key)
	if _, ok := value.(*mongo.Session); ok {
		return nil
	}
	return value
}
