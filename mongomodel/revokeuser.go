package mongomodel

import (
	"context"
	"maps"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/seed-11d18166/oauth2server"
)

// RevokeUser ends every grant of a user, and every code that he has not redeemed yet: nothing that was issued for him
// works any more. Tokens without a grant, those of the client credentials grant, are not his. A user of whom nothing is
// known is no error; after an error, call it again. It takes three queries by index, and
// then the commands of revoking a grant for each of his.
func (m *Model) RevokeUser(ctx context.Context, userID string) error {
	return m.revokeWhere(ctx, byUser(userID))
}

// RevokeUserClient ends what a user granted to one client as [Model.RevokeUser] does, and of the rest only what shares a
// grant with it; see [oauth2server.Grant].
func (m *Model) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	return m.revokeWhere(ctx, append(byUser(userID), bson.E{Key: "client_id", Value: clientID}))
}

func byUser(userID string) bson.D { return bson.D{{Key: "user_id", Value: userID}, marked(recordMark)} }

func (m *Model) revokeWhere(ctx context.Context, filter bson.D) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Codes first: who redeems one after that finds its grant over, and who was faster is among the grants. Codes once
	// more: where consent is remembered, the grants may have brought forth another one meanwhile. As long as something of
	// a grant can be used, its log has an entry that names the user.
	ended := map[string]time.Time{}
	for _, c := range []*mongo.Collection{m.codes, m.grants, m.codes} {
		grants := map[string]time.Time{}
		if err := collectGrants(ctx, c, filter, grants); err != nil {
			return err
		}
		maps.DeleteFunc(grants, func(id string, _ time.Time) bool { _, done := ended[id]; return done })
		if err := m.revokeGrants(ctx, grants); err != nil {
			return err
		}
		maps.Copy(ended, grants)
	}
	return nil
}

func (m *Model) revokeGrants(ctx context.Context, grants map[string]time.Time) error {
	for id, until := range grants {
		if err := oauth2server.RevokeGrant(ctx, m, id, until); err != nil {
			return err
		}
	}
	return nil
}

// collectGrants adds the grants that the documents name, with the latest expiry of those.
func collectGrants(ctx context.Context, c *mongo.Collection, filter bson.D, grants map[string]time.Time) error {
	cursor, err := c.Find(alone(ctx), filter)
	if err != nil {
		return fault(ctx, "find in "+c.Name(), err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	for cursor.Next(ctx) {
		var document struct {
			GrantID   string    `bson:"grant_id"`
			ExpiresAt time.Time `bson:"oauth2_expires_at"`
		}
		if err := cursor.Decode(&document); err != nil {
			return fault(ctx, "find in "+c.Name(), err)
		}
		if id := document.GrantID; id != "" && !document.ExpiresAt.Before(grants[id]) {
			grants[id] = document.ExpiresAt
		}
	}
	return fault(ctx, "find in "+c.Name(), cursor.Err())
}
