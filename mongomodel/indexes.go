package mongomodel

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// codeRetention is how long a code stays after its expiry, so that who presents it late is told that.
const codeRetention = time.Hour

// notImplemented is the code of the error for an index option that the server does not have.
const notImplemented = 238

// perishable is a collection whose documents go some time after their expires_at.
type perishable struct {
	*mongo.Collection
	retention time.Duration
	byUser    bool // RevokeUser looks here
}

func (m *Model) perishables() []perishable {
	return []perishable{{m.codes, codeRetention, true}, {m.access, 0, false}, {m.refresh, 0, false}, {m.grants, 0, true}}
}

// EnsureIndexes makes the indexes that are missing. It may be called at every start, by many processes at once; on
// large collections the first call takes its time. What has expired is then deleted by the server, usually within a
// minute. A server that knows no TTL indexes gets plain ones, and needs [Model.DeleteExpired].
func (m *Model) EnsureIndexes(ctx context.Context) error {
	if err := m.ensureUsernames(ctx); err != nil {
		return err
	}
	for _, c := range m.perishables() {
		ttl := options.Index().SetExpireAfterSeconds(int32(c.retention / time.Second))
		err := ensureIndex(ctx, c.Collection, "expires_at", ttl)
		if server := mongo.ServerError(nil); errors.As(err, &server) && server.HasErrorCode(notImplemented) {
			err = ensureIndex(ctx, c.Collection, "expires_at", options.Index())
		}
		if err != nil {
			return err
		}
		if c.byUser {
			// Sparse: in a log, an entry that issued nothing names nobody.
			if err := ensureIndex(ctx, c.Collection, "user_id", options.Index().SetSparse(true)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ensureUsernames makes usernames unique.
func (m *Model) ensureUsernames(ctx context.Context) error {
	return ensureIndex(ctx, m.users, "username", options.Index().SetUnique(true))
}

func ensureIndex(ctx context.Context, c *mongo.Collection, field string, opts *options.IndexOptionsBuilder) error {
	_, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: field, Value: 1}}, Options: opts})
	return fault(ctx, "index "+field+" of "+c.Name(), err)
}

// DeleteExpired deletes what a TTL index would, and returns how many documents that were: for a server without, to be
// called now and then. Elsewhere it does no harm. What has expired is refused whether it was deleted or not.
func (m *Model) DeleteExpired(ctx context.Context) (int64, error) {
	var deleted int64
	for _, c := range m.perishables() {
		before := time.Now().Add(-c.retention)
		result, err := c.DeleteMany(ctx, bson.D{{Key: "expires_at", Value: bson.D{{Key: "$lt", Value: before}}}})
		if err != nil {
			return deleted, fault(ctx, "delete from "+c.Name(), err)
		}
		deleted += result.DeletedCount
	}
	return deleted, nil
}
