// This file sorts the driver's errors: a fault, or a key that is taken.

package mongomodel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/seed-11d18166/oauth2server"
)

// fault wraps err with what was being done. When a context has ended, the
// driver may return the network error of the connection that it closed, so the
// context's own error is added.
func fault(ctx context.Context, what string, err error) error {
	switch ended := ctx.Err(); {
	case err == nil:
		return nil
	case ended != nil && !errors.Is(err, ended):
		return fmt.Errorf("mongomodel: %s: %w: %w", what, ended, err)
	}
	return fmt.Errorf("mongomodel: %s: %w", what, err)
}

// Names of the unique indexes.
const (
	idIndex       = "_id_"
	usernameIndex = "username_1"
)

// conflict is the error of a write whose key is taken. It wraps
// [oauth2server.ErrExists].
type conflict struct {
	collection string
	index      string // "" if the server did not name it
	err        error
}

func (c *conflict) Error() string {
	index := "index " + c.index
	if c.index == "" {
		index = "a unique index"
	}
	return fmt.Sprintf("%v (%s of %s)", oauth2server.ErrExists, index, c.collection)
}

func (c *conflict) Unwrap() []error { return []error{oauth2server.ErrExists, c.err} }

// taken returns the conflict that the error of a write to c reports: another
// document has the key, and a majority has that document. It is nil if err is
// nil or a fault. index is used if the server does not name one.
func taken(c *mongo.Collection, err error, index string) *conflict {
	if !mongo.IsDuplicateKeyError(err) {
		return nil
	}
	// With a write concern error, the document is not on a majority yet and can
	// still be rolled back: that is not a decision.
	if write := (mongo.WriteException{}); errors.As(err, &write) && write.WriteConcernError != nil {
		return nil
	}
	if named := indexIn(err.Error()); named != "" {
		index = named
	}
	return &conflict{c.Name(), index, err}
}

// indexIn returns the name of the index in MongoDB's text: "E11000 duplicate
// key error collection: db.users index: username_1 dup key: …".
func indexIn(text string) string {
	_, rest, _ := strings.Cut(text, " index: ")
	name, _, found := strings.Cut(rest, " dup key")
	if !found {
		return ""
	}
	return name
}

// takenUser is taken for the insert of a user. If the server does not name the
// index, it checks whether the ID was taken.
func takenUser(ctx context.Context, c *mongo.Collection, err error, userID string) *conflict {
	conflict := taken(c, err, "")
	if conflict == nil || conflict.index != "" {
		return conflict
	}
	switch err := c.FindOne(alone(ctx), byID(userID)).Err(); {
	case err == nil:
		conflict.index = idIndex
	case errors.Is(err, mongo.ErrNoDocuments):
		conflict.index = usernameIndex
	}
	return conflict
}
