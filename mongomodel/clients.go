// This file registers clients and finds them.

package mongomodel

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// GetClient implements [oauth2server.Model]. Data is a [bson.Raw] if the client
// has any: read it with [bson.Unmarshal].
func (m *Model) GetClient(ctx context.Context, clientID, clientSecret string) (*oauth2server.Client, error) {
	document, err := m.findClient(ctx, byID(clientID))
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return nil, err
	}
	if clientSecret != "" {
		// The comparison comes before err is looked at: an unknown client costs
		// what a known one does.
		if same := document.secrets.Matches(clientSecret); err == nil && !same {
			err = oauth2server.ErrNotFound
		}
	}
	if err != nil {
		return nil, err
	}
	return &document.client, nil
}

// findClient returns the document of a client that is registered. It is never
// nil, even with an error.
func (m *Model) findClient(ctx context.Context, filter bson.D) (*clientDocument, error) {
	var document clientDocument
	if err := findOne(ctx, m.clients, filter, &document); err != nil {
		return &clientDocument{}, err
	}
	if document.deleted {
		return &clientDocument{}, oauth2server.ErrNotFound
	}
	return &document, nil
}

// AddClient registers a client. A confidential one needs a secret that nobody
// can guess: make it with [crypto/rand.Text]. A public one has none. Data must
// be nil or what BSON can write as a document: a struct, a map. The error is
// everything that is wrong with the client ([oauth2server.CheckClient],
// [oauth2server.CheckClientSecret]), or an [oauth2server.ErrExists] if the ID
// is taken, and nothing has changed then. An ID whose client was deleted can be
// used again: AddClient first ends once more what was granted to that client.
func (m *Model) AddClient(ctx context.Context, c *oauth2server.Client, secret string) error {
	if err := m.rules().CheckNew(c, secret); err != nil {
		return err
	}
	settings, err := settingsOf(c)
	if err != nil {
		return err
	}
	document := clientFields{ID: c.ID, Public: c.Public, Settings: settings}
	if !c.Public {
		document.SecretDigest = credential.DigestOf(secret).String()
	}
	if err := m.endFormer(ctx, c.ID); err != nil {
		return err
	}
	_, err = m.clients.InsertOne(ctx, document)
	if conflict := taken(m.clients, err, idIndex); conflict != nil {
		return fmt.Errorf("mongomodel: client %q: %w", c.ID, conflict)
	}
	return fault(ctx, "insert into "+m.clients.Name(), err)
}

// endFormer ends once more what was granted to a client that had this ID and
// was deleted: something may have been under way then. If the ID is taken it
// ends nothing, and leaves it to the insert to say so.
func (m *Model) endFormer(ctx context.Context, id string) error {
	deleted, err := exists(ctx, m.clients, ownClient(deletedPrefix+id))
	if err != nil || !deleted {
		return err
	}
	taken, err := exists(ctx, m.clients, byID(id))
	if err != nil || taken {
		return err
	}
	return m.revokeClient(ctx, id)
}

func (m *Model) rules() credential.Rules {
	return credential.Rules{
		AllowShortSecrets: m.options.InsecureAllowShortSecrets,
		ExtensionGrants:   m.options.ExtensionGrants,
	}
}

// ListClients returns the clients whose IDs come after this one, in the order
// of IDs: as many as limit says, 1,000 at the most, and 100 if it is below 1.
// An empty after starts at the beginning; a page without clients means that
// there are no more.
func (m *Model) ListClients(ctx context.Context, after string, limit int) ([]*oauth2server.Client, error) {
	var page []*oauth2server.Client
	err := list(ctx, m.clients, after, limit, func(d *clientDocument) { page = append(page, &d.client) })
	return page, err
}

// UpdateClient replaces everything about a client but its secrets, at once. The
// error is everything that is wrong with it; Public cannot change, as what was
// issued to the client would then need a secret that nobody has, or none. It is
// [oauth2server.ErrNotFound] if there is no client with this ID.
func (m *Model) UpdateClient(ctx context.Context, c *oauth2server.Client) error {
	if err := m.rules().CheckClient(c); err != nil {
		return err
	}
	settings, err := settingsOf(c)
	if err != nil {
		return err
	}
	err = update(ctx, m.clients, append(liveClient(c.ID), ofKind(c.Public)), set(settings))
	if !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	if _, err := m.findClient(ctx, ownClient(c.ID)); err != nil {
		return err
	}
	return credential.FixedPublic(c)
}

// SetClientSecret gives a confidential client another secret; the ones before
// end at once. What was issued to the client lives on.
// [oauth2server.ErrNotFound] if there is no such client.
func (m *Model) SetClientSecret(ctx context.Context, clientID, secret string) error {
	return m.RotateClientSecret(ctx, clientID, secret, 0)
}

// RotateClientSecret gives a confidential client another secret, and the one
// that it has stays valid for keep, so that the client can be changed in the
// meantime. One that is still valid from an earlier call ends at once. Calling
// it again with the same secret changes nothing. [oauth2server.ErrNotFound] if
// there is no such client.
func (m *Model) RotateClientSecret(ctx context.Context, clientID, secret string, keep time.Duration) error {
	if err := credential.CheckKeep(keep); err != nil {
		return err
	}
	for range updateTries {
		document, err := m.findClient(ctx, ownClient(clientID))
		if err != nil {
			return err
		}
		if err := m.rules().CheckSecret(&document.client, secret); err != nil || document.client.Public {
			return err
		}
		// The filter finds nothing if somebody else was faster: then the secret
		// that goes on is another one.
		found := append(liveClient(clientID), bson.E{Key: "secret_digest", Value: document.digest})
		replaced := document.secrets.Replaced(credential.DigestOf(secret), keep)
		err = update(ctx, m.clients, found, secretsUpdate(replaced))
		if !errors.Is(err, oauth2server.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("mongomodel: client %q: its secret is being changed by others; try again", clientID)
}

// updateTries is how often a change is tried when others change the same.
const updateTries = 10

// secretsUpdate is the update that stores them.
func secretsUpdate(s credential.Secrets) bson.D {
	fields := bson.D{{Key: "secret_digest", Value: s.Current.String()}}
	if s.FormerUntil.IsZero() {
		gone := bson.D{{Key: formerDigest, Value: ""}, {Key: formerUntil, Value: ""}}
		return append(set(fields), bson.E{Key: "$unset", Value: gone})
	}
	fields = append(fields, bson.E{Key: formerDigest, Value: s.Former.String()},
		bson.E{Key: formerUntil, Value: s.FormerUntil})
	return set(fields)
}

// deletedPrefix stands before the ID of a deleted client, in the _id of the
// document that remembers it. No client has such an ID, as it is not ASCII.
const deletedPrefix = "deleted\u2014"

// DeleteClient deletes a client and ends what was granted to it: its codes, its
// refresh tokens and the access tokens that came with them. Access tokens of
// the client credentials grant live until they expire. A document that
// remembers the ID stays in the collection, so that [Model.AddClient] can end
// what a request left that was under way, if the ID is used again; one that lasts
// longer than that is not stopped. After an error call it again.
// [oauth2server.ErrNotFound] if there was no client with this ID. It takes five
// commands, two of them queries by index, and then those of revoking a grant
// for each of the client's.
func (m *Model) DeleteClient(ctx context.Context, clientID string) error {
	live, err := exists(ctx, m.clients, ownClient(clientID))
	if err != nil {
		return err
	}
	if live {
		err = m.forget(ctx, clientID)
	} else if live, err = exists(ctx, m.clients, ownClient(deletedPrefix+clientID)); err == nil && !live {
		err = oauth2server.ErrNotFound
	}
	if err != nil {
		return err
	}
	return m.revokeClient(ctx, clientID)
}

// forget deletes a client, after it has stored the document that remembers its
// ID.
func (m *Model) forget(ctx context.Context, clientID string) error {
	// With the mark of clients, as it is a document of ours.
	memory := bson.D{
		{Key: "_id", Value: deletedPrefix + clientID},
		{Key: clientMark, Value: bson.A{}},
		{Key: deletedAt, Value: time.Now().UTC()},
	}
	_, err := m.clients.InsertOne(alone(ctx), memory)
	if taken(m.clients, err, idIndex) == nil && err != nil {
		return fault(ctx, "insert into "+m.clients.Name(), err)
	}
	if err := removeOne(ctx, m.clients, ownClient(clientID)); !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	return nil
}

// exists reports whether there is a document that the filter names.
func exists(ctx context.Context, c *mongo.Collection, filter bson.D) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	for _, field := range filter {
		if text, ok := field.Value.(string); ok && !utf8.ValidString(text) {
			return false, nil // nothing is stored under what BSON cannot hold
		}
	}
	err := c.FindOne(alone(ctx), filter, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, fault(ctx, "find in "+c.Name(), err)
}

// liveClient is the filter of a client of ours that was not deleted.
func liveClient(id string) bson.D { return append(ownClient(id), live) }

// ofKind is the filter of public or of confidential clients. People who write a
// document by hand may leave the field out.
func ofKind(public bool) bson.E {
	if public {
		return bson.E{Key: "public", Value: true}
	}
	return bson.E{Key: "public", Value: bson.D{{Key: "$ne", Value: true}}}
}

// live is the condition that something was not deleted: it has no such time.
var live = bson.E{Key: deletedAt, Value: nil}

// update changes the one document that the filter names, in a transaction of
// the caller's if there is one.
func update(ctx context.Context, c *mongo.Collection, filter, change bson.D) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	result, err := c.UpdateOne(ctx, filter, change)
	if err == nil && result.MatchedCount == 0 {
		return oauth2server.ErrNotFound
	}
	return fault(ctx, "update in "+c.Name(), err)
}

// set is the update that replaces these fields.
func set(fields any) bson.D { return bson.D{{Key: "$set", Value: fields}} }

// list calls each with the documents of ours whose _ids come after this one.
func list[T any, P interface {
	*T
	document
}](ctx context.Context, c *mongo.Collection, after string, limit int, each func(P)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var of P
	limit = credential.Page(limit)
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}, marked(of.mark()), live}
	// One more than the limit fits into the reply, so that the cursor ends with
	// it.
	page := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)).SetBatchSize(int32(limit) + 1)
	cursor, err := c.Find(alone(ctx), filter, page)
	if err != nil {
		return fault(ctx, "find in "+c.Name(), err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	for cursor.Next(ctx) {
		found := P(new(T))
		if err := decode(c, cursor.Current, found); err != nil {
			return err
		}
		each(found)
	}
	return fault(ctx, "find in "+c.Name(), cursor.Err())
}
