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

// GetClient implements [oauth2server.Model]. Data is nil or a [bson.Raw]: read
// it with [bson.Unmarshal].
func (m *Model) GetClient(
	ctx context.Context, clientID, clientSecret string,
) (*oauth2server.Client, error) {
	document, err := m.findClient(ctx, byID(clientID))
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return nil, err
	}
	if clientSecret != "" {
		// Compare before looking at err, so that an unknown client takes as
		// long as a known one.
		if same := document.secrets.Matches(clientSecret); err == nil && !same {
			err = oauth2server.ErrNotFound
		}
	}
	if err != nil {
		return nil, err
	}
	return &document.client, nil
}

// findClient returns the document of a registered client. It is never nil, even
// with an error.
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

// AddClient registers a client. A confidential client needs a secret that
// cannot be guessed: make it with [crypto/rand.Text]. A public client has none,
// nor has one with an AuthMethod. Data must be nil or something that BSON writes as a document: a struct, a
// map. The error lists everything that is wrong with the client
// ([oauth2server.CheckClient], [oauth2server.CheckClientSecret]), or an
// [oauth2server.ErrExists] if the ID is taken, and nothing has changed then. An
// ID whose client was deleted can be used again: AddClient first revokes again
// what was granted to that client.
func (m *Model) AddClient(ctx context.Context, c *oauth2server.Client, secret string) error {
	if err := m.rules().CheckNew(c, secret); err != nil {
		return err
	}
	settings, err := settingsOf(c)
	if err != nil {
		return err
	}
	document := clientFields{ID: c.ID, Public: c.Public, Settings: settings}
	if secret != "" {
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

// endFormer revokes again what was granted to a deleted client with this ID, as
// requests may have been in flight when it was deleted. If the ID is taken, it
// does nothing: the insert will fail.
func (m *Model) endFormer(ctx context.Context, id string) error {
	deleted, err := exists(ctx, m.clients, ownClient(deletedPrefix+id))
	if err != nil || !deleted {
		return err
	}
	taken, err := exists(ctx, m.clients, byID(id))
	if err != nil || taken {
		return err
	}
	return m.RevokeClient(ctx, id)
}

func (m *Model) rules() credential.Rules {
	return credential.Rules{
		AllowShortSecrets: m.options.InsecureAllowShortSecrets,
		ExtensionGrants:   m.options.ExtensionGrants,
	}
}

// ListClients returns the clients whose IDs come after this one, in the order
// of IDs: at most limit of them, 1,000 at most, and 100 if limit is below 1. An
// empty after starts at the beginning; an empty page means that there are no
// more.
func (m *Model) ListClients(
	ctx context.Context, after string, limit int,
) ([]*oauth2server.Client, error) {
	var page []*oauth2server.Client
	err := list(ctx, m.clients, after, limit, func(d *clientDocument) { page = append(page, &d.client) })
	return page, err
}

// UpdateClient replaces everything about a client but its secrets, at once. The
// error lists everything that is wrong with it. Public cannot change: issued
// tokens would lose the protection of the secret, or need one that does not
// exist. The error is [oauth2server.ErrNotFound] if no client has this ID.
func (m *Model) UpdateClient(ctx context.Context, c *oauth2server.Client) error {
	if err := m.rules().CheckClient(c); err != nil {
		return err
	}
	settings, err := settingsOf(c)
	if err != nil {
		return err
	}
	filter := append(liveClient(c.ID), ofKind(c.Public))
	if !c.Public && c.AuthMethod == "" {
		filter = append(filter, bson.E{Key: "secret_digest", Value: bson.D{{Key: "$exists", Value: true}}})
	}
	err = update(ctx, m.clients, filter, set(settings))
	if !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	there, err := m.findClient(ctx, ownClient(c.ID))
	switch {
	case err != nil:
		return err
	case there.client.Public == c.Public:
		return credential.NoSecret(c)
	}
	return credential.FixedPublic(c)
}

// SetClientSecret gives a confidential client a new secret; earlier ones end at
// once. What was issued to the client stays valid. The error is
// [oauth2server.ErrNotFound] if there is no such client.
func (m *Model) SetClientSecret(ctx context.Context, clientID, secret string) error {
	return m.RotateClientSecret(ctx, clientID, secret, 0)
}

// RotateClientSecret gives a confidential client a new secret. The current one
// stays valid for keep, so that the client can be reconfigured in the meantime;
// one that is still valid from an earlier call ends at once. Calling it again
// with the same secret changes nothing. The error is [oauth2server.ErrNotFound]
// if there is no such client.
func (m *Model) RotateClientSecret(
	ctx context.Context, clientID, secret string, keep time.Duration,
) error {
	if err := credential.CheckKeep(keep); err != nil {
		return err
	}
	for range updateTries {
		document, err := m.findClient(ctx, ownClient(clientID))
		if err != nil {
			return err
		}
		if err := m.rules().CheckSecret(&document.client, secret); err != nil || secret == "" {
			return err
		}
		// The filter matches nothing if another call was faster: then the
		// former secret is a different one.
		found := append(liveClient(clientID), bson.E{Key: "secret_digest", Value: document.digest})
		replaced := document.secrets.Replaced(credential.DigestOf(secret), keep)
		err = update(ctx, m.clients, found, secretsUpdate(replaced))
		if !errors.Is(err, oauth2server.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("mongomodel: client %q: its secret changed at the same time; try again", clientID)
}

// updateTries is how often a change is tried when others change the same
// document.
const updateTries = 10

// secretsUpdate returns the update that stores s.
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

// DeleteClient deletes a client and ends what was granted to it, as
// [Grants.RevokeClient] does. A document that remembers the ID stays in the
// collection: if the ID is used again, [Model.AddClient] can end what a request
// in flight still stored; a request that takes longer is not stopped. After an error, call it again. The error is
// [oauth2server.ErrNotFound] if no client had this ID. It takes five commands,
// two of them queries by index, and then those of revoking a grant, for each
// grant of the client.
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
	return m.RevokeClient(ctx, clientID)
}

// forget deletes a client, after storing the document that remembers its ID.
func (m *Model) forget(ctx context.Context, clientID string) error {
	// It has the mark of clients, as it is a document of ours.
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

// exists reports whether a document matches the filter.
func exists(ctx context.Context, c *mongo.Collection, filter bson.D) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	for _, field := range filter {
		if text, ok := field.Value.(string); ok && !utf8.ValidString(text) {
			return false, nil // BSON cannot hold the value, so nothing is stored under it
		}
	}
	err := c.FindOne(alone(ctx), filter,
		options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, fault(ctx, "find in "+c.Name(), err)
}

// liveClient is the filter of a client of ours that was not deleted.
func liveClient(id string) bson.D { return append(ownClient(id), live) }

// ofKind is the filter of public or of confidential clients. In a document
// written by hand the field may be missing.
func ofKind(public bool) bson.E {
	if public {
		return bson.E{Key: "public", Value: true}
	}
	return bson.E{Key: "public", Value: bson.D{{Key: "$ne", Value: true}}}
}

// live is the condition that something was not deleted.
var live = bson.E{Key: deletedAt, Value: nil}

// update changes the one document that matches the filter, in the caller's
// transaction if there is one.
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

// set returns the update that replaces these fields.
func set(fields any) bson.D { return bson.D{{Key: "$set", Value: fields}} }

// list calls each for the documents of ours whose _id follows after.
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
	// A batch of one more than the limit, so that the cursor ends with the
	// first reply.
	page := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).
		SetLimit(int64(limit)).SetBatchSize(int32(limit) + 1)
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
