package mongomodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// clientDocument is how a client is stored.
type clientDocument struct {
	ID           string `bson:"_id"`
	Public       bool   `bson:"public"`
	SecretDigest string `bson:"secret_digest,omitempty"` // a public client has none

	Settings clientSettings `bson:",inline"`
}

// clientSettings are what UpdateClient replaces.
type clientSettings struct {
	RedirectURIs         []string      `bson:"redirect_uris"`
	Grants               []string      `bson:"grants"`
	Scope                []string      `bson:"scope"`
	AccessTokenLifetime  string        `bson:"access_token_lifetime"`
	RefreshTokenLifetime string        `bson:"refresh_token_lifetime"`
	Data                 bson.RawValue `bson:"data"`
}

func settingsOf(c *oauth2server.Client) (clientSettings, error) {
	data, err := encodeData(c.Data)
	if err != nil {
		return clientSettings{}, fmt.Errorf("mongomodel: client %q: %w", c.ID, err)
	}
	return clientSettings{c.RedirectURIs, c.Grants, c.Scope, c.AccessTokenLifetime.String(),
		c.RefreshTokenLifetime.String(), data}, nil
}

func (d clientDocument) client() (*oauth2server.Client, error) {
	access, err := readLifetime(d.Settings.AccessTokenLifetime)
	refresh, err2 := readLifetime(d.Settings.RefreshTokenLifetime)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("mongomodel: client %q: %w", d.ID, err)
	}
	return &oauth2server.Client{ID: d.ID, RedirectURIs: d.Settings.RedirectURIs, Grants: d.Settings.Grants, Scope: d.Settings.Scope, Public: d.Public,
		AccessTokenLifetime: access, RefreshTokenLifetime: refresh, Data: decodeData(d.Settings.Data)}, nil
}

// readLifetime takes "" for none: who writes a client in a shell may leave it out.
func readLifetime(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}

// GetClient implements [oauth2server.Model]. Data is a [bson.Raw] if the client has any: read it with [bson.Unmarshal].
func (m *Model) GetClient(ctx context.Context, clientID, clientSecret string) (*oauth2server.Client, error) {
	var document clientDocument
	err := findOne(ctx, m.clients, byID(clientID), &document)
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return nil, err
	}
	if clientSecret != "" {
		// The comparison comes before err is looked at: an unknown client costs what a known one does.
		if same := credential.ParseDigest(document.SecretDigest).Matches(clientSecret); err == nil && !same {
			err = oauth2server.ErrNotFound
		}
	}
	if err != nil {
		return nil, err
	}
	return document.client()
}

// AddClient registers a client. A confidential one needs a secret that nobody can guess: make it with
// [crypto/rand.Text]. A public one has none. Data must be nil or what BSON can write as a document: a struct, a map.
// The error says what is wrong with the client, or that the secret is short; it is [oauth2server.ErrExists] if the ID
// is taken, and nothing has changed then.
func (m *Model) AddClient(ctx context.Context, c *oauth2server.Client, secret string) error {
	if err := credential.CheckClient(c, secret, m.options.InsecureAllowShortSecrets); err != nil {
		return fmt.Errorf("mongomodel: %w", err)
	}
	settings, err := settingsOf(c)
	if err != nil {
		return err
	}
	document := clientDocument{ID: c.ID, Public: c.Public, Settings: settings}
	if !c.Public {
		document.SecretDigest = credential.DigestOf(secret).String()
	}
	_, err = m.clients.InsertOne(ctx, document)
	if conflict := taken(m.clients, err, idIndex); conflict != nil {
		return fmt.Errorf("mongomodel: client %q: %w", c.ID, conflict)
	}
	return fault(ctx, "insert into "+m.clients.Name(), err)
}

// UpdateClient replaces everything about a client but its secret. [oauth2server.ErrNotFound] if there is none with
// this ID that is Public or not as c is: for that, delete it and add another.
func (m *Model) UpdateClient(ctx context.Context, c *oauth2server.Client) error {
	if err := credential.CheckRedirectURIs(c); err != nil {
		return fmt.Errorf("mongomodel: %w", err)
	}
	settings, err := settingsOf(c)
	if err != nil {
		return err
	}
	return update(ctx, m.clients, append(ownClient(c.ID), bson.E{Key: "public", Value: c.Public}), settings)
}

// SetClientSecret gives a confidential client another secret; the old one works no longer. What was issued to the client
// lives on. [oauth2server.ErrNotFound] if there is no such client, or it is public.
func (m *Model) SetClientSecret(ctx context.Context, clientID, secret string) error {
	if err := credential.CheckClient(&oauth2server.Client{ID: clientID}, secret, m.options.InsecureAllowShortSecrets); err != nil {
		return fmt.Errorf("mongomodel: %w", err)
	}
	return update(ctx, m.clients, append(ownClient(clientID), bson.E{Key: "public", Value: false}),
		bson.D{{Key: "secret_digest", Value: credential.DigestOf(secret).String()}})
}

// DeleteClient deletes a client: it gets no more tokens, and cannot refresh those that it has. Its access tokens live
// until they expire. [oauth2server.ErrNotFound] if there is none.
func (m *Model) DeleteClient(ctx context.Context, clientID string) error {
	return removeOne(ctx, m.clients, ownClient(clientID))
}

// update sets fields of the one document that the filter names.
func update(ctx context.Context, c *mongo.Collection, filter bson.D, fields any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	result, err := c.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: fields}})
	if err == nil && result.MatchedCount == 0 {
		return oauth2server.ErrNotFound
	}
	return fault(ctx, "update in "+c.Name(), err)
}

// encodeData writes an application's own record as a document.
func encodeData(data any) (bson.RawValue, error) {
	if data == nil {
		return bson.RawValue{Type: bson.TypeNull}, nil
	}
	document, err := bson.Marshal(data)
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: document}, err
}

func decodeData(data bson.RawValue) any {
	if document, ok := data.DocumentOK(); ok {
		return document
	}
	return nil
}
