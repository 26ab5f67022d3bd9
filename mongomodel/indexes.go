// This file makes the indexes of the collections.

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

// EnsureIndexes creates missing indexes. Call it at every start; many processes
// may do so at once. On large collections the first call takes long: only the
// deadline of ctx limits it, not the timeout of the client. The server then
// deletes what has expired, usually within a minute or two. A server without
// TTL indexes gets plain ones and needs [Grants.DeleteExpired]. It also returns
// an error if [Options.Prefix] is wrong.
func (g *Grants) EnsureIndexes(ctx context.Context) error {
	return g.ensureIndexes(ctx, func(context.Context) error { return nil })
}

// EnsureIndexes is [Grants.EnsureIndexes], and makes usernames unique.
func (m *Model) EnsureIndexes(ctx context.Context) error {
	return m.ensureIndexes(ctx, m.ensureUsernames)
}

// ensureIndexes creates the indexes of codes, tokens and logs after those that
// first creates.
func (g *Grants) ensureIndexes(ctx context.Context, first func(context.Context) error) error {
	if g.misnamed != nil {
		return g.misnamed
	}
	// Ping within the client's timeout, so that an unreachable server is
	// reported as soon as by other methods.
	if err := g.grants.Database().Client().Ping(ctx, readpref.Primary()); err != nil {
		return fault(ctx, "ping", err)
	}
	// A deadline replaces the client's timeout. An earlier one of the caller
	// still applies.
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	if err := first(ctx); err != nil {
		return err
	}
	for _, c := range g.perishables() {
		ttl := options.Index().SetExpireAfterSeconds(int32(c.retention / time.Second))
		if err := ensureIndex(ctx, c.Collection, expiryField, ttl, options.Index()); err != nil {
			return err
		}
		for _, field := range c.parties {
			// Sparse, as log entries that issued nothing name nobody.
			if err := ensureIndex(ctx, c.Collection, field, options.Index().SetSparse(true), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildTime is how long an index may take if the caller sets no deadline. The
// driver sends no limit of more than 24 days to the server.
const buildTime = 365 * 24 * time.Hour

// ensureUsernames makes usernames unique among documents of ours.
func (m *Model) ensureUsernames(ctx context.Context) error {
	if m.misnamed != nil {
		return m.misnamed
	}
	ours := options.Index().SetUnique(true).SetPartialFilterExpression(bson.D{marked(userMark)})
	return ensureIndex(ctx, m.users, "username", ours, options.Index().SetUnique(true).SetSparse(true))
}

// ensureIndex creates an index as wanted, or with fallback if the server lacks
// an option. A nil fallback means that there is no other way.
func ensureIndex(
	ctx context.Context, c *mongo.Collection, field string, wanted, fallback *options.IndexOptionsBuilder,
) error {
	_, err := c.Indexes().CreateOne(ctx,
		mongo.IndexModel{Keys: bson.D{{Key: field, Value: 1}}, Options: wanted})
	if server := mongo.ServerError(nil); fallback != nil && errors.As(err, &server) &&
		server.HasErrorCode(notImplemented) {
		return ensureIndex(ctx, c, field, fallback, nil)
	}
	return fault(ctx, "index "+field+" of "+c.Name(), err)
}

// notImplemented is the code of the error for an index option that the server
// does not have.
const notImplemented = 238
