// This file deletes what has expired, for servers without TTL indexes.

package mongomodel

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// codeRetention is how long a code stays after its expiry, so that a client
// that presents it late learns that it has expired.
const codeRetention = time.Hour

// perishable is a collection whose documents are deleted some time after they
// expire.
type perishable struct {
	*mongo.Collection
	retention time.Duration
	parties   []string // fields that RevokeUser and DeleteClient search
}

func (g *Grants) perishables() []perishable {
	return []perishable{
		{g.codes, codeRetention, []string{"client_id"}}, {g.access, 0, nil}, {g.refresh, 0, nil},
		{g.grants, 0, []string{"user_id", "client_id"}},
	}
}

// DeleteExpired deletes what a TTL index would, and returns how many documents
// it deleted. Call it now and then if the server has no TTL indexes; otherwise
// it does no harm. It deletes at most 1,000 documents per command. When ctx
// ends, it stops between two commands, and what it deleted stays deleted.
// Expired tokens are refused whether or not they are deleted.
func (g *Grants) DeleteExpired(ctx context.Context) (int64, error) {
	var deleted int64
	for _, c := range g.perishables() {
		before := time.Now().Add(-c.retention)
		for more := true; more; {
			var n int64
			var err error
			n, more, err = c.deleteSome(ctx, before)
			deleted += n
			if err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

// deleteBatch is how many documents one command of DeleteExpired deletes.
const deleteBatch = 1000

// deleteSome deletes a batch of what expired before a time. more reports
// whether there may be more.
func (c perishable) deleteSome(
	ctx context.Context, before time.Time,
) (deleted int64, more bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	expired := bson.D{{Key: expiryField, Value: bson.D{{Key: "$lt", Value: before}}}, marked(recordMark)}
	ids, err := c.ids(ctx, expired)
	if err != nil || len(ids) == 0 {
		return 0, false, fault(ctx, "find in "+c.Name(), err)
	}
	// Filter by time again: another document may be there by now.
	batch := append(expired, bson.E{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}})
	result, err := c.DeleteMany(alone(ctx), batch)
	if result != nil {
		deleted = result.DeletedCount
	}
	return deleted, len(ids) == deleteBatch, fault(ctx, "delete from "+c.Name(), err)
}

// ids returns the _ids of a batch of the documents that match the filter.
func (c perishable) ids(ctx context.Context, filter bson.D) (ids bson.A, err error) {
	// A batch of one more than the limit, so that the cursor ends with the
	// first reply.
	only := options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).
		SetLimit(deleteBatch).SetBatchSize(deleteBatch + 1)
	cursor, err := c.Find(alone(ctx), filter, only)
	if err != nil {
		return nil, err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	for cursor.Next(ctx) {
		id := cursor.Current.Lookup("_id")
		ids = append(ids, bson.RawValue{Type: id.Type, Value: slices.Clone(id.Value)})
	}
	return ids, cursor.Err()
}
