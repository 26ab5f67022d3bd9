// This file lists what a user granted, and ends it.

package mongomodel

import (
	"context"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server"
)

// UserGrants returns the grants of a user that still work, the most recently
// used first. It takes one indexed query, and two commands for each live grant,
// however often it was used.
func (g *Grants) UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := g.findEntries(ctx, byUser(userID))
	if err != nil {
		return nil, err
	}
	logs := oauth2server.GrantLogs(entries)
	last := make([][]*oauth2server.GrantEntry, len(logs))
	err = atOnce(ctx, len(logs), func(i int) (err error) {
		last[i], err = g.findEntries(ctx, inLog(logs[i], logs[i]+":"),
			options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(1))
		return err
	})
	return oauth2server.LiveGrants(slices.Concat(append(last, entries)...)), err
}

// RevokeUser ends every grant of a user, and every code that is not redeemed
// yet: when it returns, nothing works that began before the call. See
// [oauth2server.RevokeUser]. Tokens of the client credentials grant are not
// affected. An unknown user is no error; after an error, call it again. It
// takes two commands and an indexed query, and for each grant the commands that
// revoke it.
func (g *Grants) RevokeUser(ctx context.Context, userID string) error {
	return g.revokeUser(ctx, userID, "", byUser(userID))
}

// RevokeUserClient is [Grants.RevokeUser] for what the user granted to one
// client. Other clients lose only what shares a grant with it; see
// [oauth2server.Grant].
func (g *Grants) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	if clientID == "" {
		return nil
	}
	return g.revokeUser(ctx, userID, clientID,
		append(byUser(userID), bson.E{Key: "client_id", Value: clientID}))
}

func byUser(userID string) bson.D { return bson.D{{Key: "user_id", Value: userID}, marked(recordMark)} }

func (g *Grants) revokeUser(ctx context.Context, userID, clientID string, filter bson.D) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	grants := func(yield func(string, error) bool) {
		found, err := grantsOf(ctx, g.grants, filter)
		if err != nil {
			yield("", err)
			return
		}
		for id := range found {
			if !yield(id, nil) {
				return
			}
		}
	}
	return oauth2server.RevokeUser(ctx, g, userID, clientID, grants)
}

// RevokeClient ends the codes of a client, its refresh tokens, and the access
// tokens that came with them. Access tokens of the client credentials grant live
// until they expire. Call it after you have deleted a client of your own; a
// request in flight can still store something. It takes two indexed queries,
// and for each grant the commands that revoke it.
func (g *Grants) RevokeClient(ctx context.Context, clientID string) error {
	if err := ctx.Err(); err != nil || clientID == "" {
		return err
	}
	filter := bson.D{{Key: "client_id", Value: clientID}, marked(recordMark)}
	grants, err := grantsOf(ctx, g.codes, filter)
	if err != nil {
		return err
	}
	others, err := grantsOf(ctx, g.grants, filter)
	if err != nil {
		return err
	}
	maps.Copy(grants, others)
	for id := range grants {
		if err := oauth2server.RevokeGrant(ctx, g, id); err != nil {
			return err
		}
	}
	return nil
}

// grantsOf returns the grants that the documents of a collection name.
func grantsOf(ctx context.Context, c *mongo.Collection, filter bson.D) (map[string]bool, error) {
	cursor, err := c.Find(alone(ctx), filter)
	if err != nil {
		return nil, fault(ctx, "find in "+c.Name(), err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	grants := map[string]bool{}
	for cursor.Next(ctx) {
		var document struct {
			GrantID string `bson:"grant_id"`
		}
		if err := cursor.Decode(&document); err != nil {
			return nil, fault(ctx, "find in "+c.Name(), err)
		}
		if document.GrantID != "" {
			grants[document.GrantID] = true
		}
	}
	return grants, fault(ctx, "find in "+c.Name(), cursor.Err())
}
