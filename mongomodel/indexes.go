// The indexes of the collections.

package mongomodel

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
)

// notImplemented is the code of the error for an index option that the server
// does not have.
const notImplemented = 238

// buildTime is the most that an index may take where the caller sets no
// deadline. The driver sends no limit of more than 24 days to the server.
const buildTime = 365 * 24 * time.Hour

// EnsureIndexes makes the indexes that are missing. Call it at every start;
// many processes may do so at once. On large collections the first call takes
// its time: it has no limit but the deadline of ctx, whatever the timeout of
// the client is. What has expired is then deleted by the server, usually within
// a minute or two. A server without TTL indexes gets plain ones and needs
// [Model.DeleteExpired]. The error can also be about [Options.Prefix].
func (m *Model) EnsureIndexes(ctx context.Context) error {
	if m.misnamed != nil {
		return m.misnamed
	}
	// Within the client's timeout, so that a server that cannot be reached is
	// reported as soon as by other methods.
	if err := m.users.Database().Client().Ping(ctx, readpref.Primary()); err != nil {
		return fault(ctx, "ping", err)
	}
	// A deadline takes the place of the client's timeout. The caller's own,
	// which is sooner, still holds.
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	if err := m.ensureUsernames(ctx); err != nil {
		return err
	}
	for _, c := range m.perishables() {
		ttl := options.Index().SetExpireAfterSeconds(int32(c.retention / time.Second))
		if err := ensureIndex(ctx, c.Collection, expiryField, ttl, options.Index()); err != nil {
			return err
		}
		for _, field := range c.parties {
			// Sparse: in a log, an entry that issued nothing names nobody.
			if err := ensureIndex(ctx, c.Collection, field, options.Index().SetSparse(true), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// ensureUsernames makes usernames unique among the users of ours.
func (m *Model) ensureUsernames(ctx context.Context) error {
	if m.misnamed != nil {
		return m.misnamed
	}
	ours := options.Index().SetUnique(true).SetPartialFilterExpression(bson.D{marked(userMark)})
	return ensureIndex(ctx, m.users, "username", ours, options.Index().SetUnique(true).SetSparse(true))
}

// ensureIndex makes an index as wanted, or else as a server that lacks one of
// its options can make it. fallback nil: there is no other way.
func ensureIndex(ctx context.Context, c *mongo.Collection, field string, wanted, fallback *options.IndexOptionsBuilder) error {
	_, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: field, Value: 1}}, Options: wanted})
	if server := mongo.ServerError(nil); fallback != nil && errors.As(err, &server) && server.HasErrorCode(notImplemented) {
		return ensureIndex(ctx, c, field, fallback, nil)
	}
	return fault(ctx, "index "+field+" of "+c.Name(), err)
}
