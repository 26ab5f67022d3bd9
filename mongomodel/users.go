package mongomodel

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// userDocument is how a user is stored. The ID is for good, as tokens carry it; the username may change.
type userDocument struct {
	ID           string        `bson:"_id"`
	Username     string        `bson:"username"`
	PasswordHash string        `bson:"password_hash"`
	Data         bson.RawValue `bson:"data"`
}

func (d userDocument) user() *oauth2server.User {
	return &oauth2server.User{ID: d.ID, Data: decodeData(d.Data)}
}

// GetUser implements [oauth2server.PasswordModel]. Data is as in [Model.UserByID].
func (m *Model) GetUser(ctx context.Context, username, password string, _ *oauth2server.Client) (*oauth2server.User, error) {
	var document userDocument
	var hash []byte // none: an unknown name costs what a known one does
	err := findOne(ctx, m.users, byUsername(username), &document)
	switch {
	case err == nil:
		hash = []byte(document.PasswordHash)
	case !errors.Is(err, oauth2server.ErrNotFound):
		return nil, err
	}
	err = credential.CheckPassword(hash, password, m.options.PasswordCost)
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return nil, fmt.Errorf("mongomodel: %w", err)
	} else if err != nil {
		return nil, err
	}
	return document.user(), nil
}

// UserByID returns a user that was added. Data is a [bson.Raw] if the user has any: read it with [bson.Unmarshal].
// [oauth2server.ErrNotFound] if there is none.
func (m *Model) UserByID(ctx context.Context, userID string) (*oauth2server.User, error) {
	var document userDocument
	if err := findOne(ctx, m.users, byID(userID), &document); err != nil {
		return nil, err
	}
	return document.user(), nil
}

// GetUserFromClient implements [oauth2server.ClientCredentialsModel]: the user that stands for the client has the
// client's ID behind "client:", which no other user can have. It asks no server.
func (m *Model) GetUserFromClient(ctx context.Context, c *oauth2server.Client) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return credential.UserOf(c), nil
}

// AddUser registers a user who signs in with username and password. Data must be nil or what BSON can write as a
// document. The error says what is missing; it is [oauth2server.ErrExists] if ID or username are taken, and nothing
// has changed then.
func (m *Model) AddUser(ctx context.Context, u *oauth2server.User, username, password string) error {
	if err := credential.CheckUser(u, username); err != nil {
		return fmt.Errorf("mongomodel: %w", err)
	}
	hash, err := credential.HashPassword(password, m.options.PasswordCost)
	if err != nil {
		return fmt.Errorf("mongomodel: user %q: %w", username, err)
	}
	data, err := encodeData(u.Data)
	if err != nil {
		return fmt.Errorf("mongomodel: user %q: %w", username, err)
	}
	// Without the index two users could share a name, so it is not left to who may have forgotten EnsureIndexes.
	if err := m.ensureUsernames(ctx); err != nil {
		return err
	}
	_, err = m.users.InsertOne(ctx, userDocument{u.ID, username, string(hash), data})
	if conflict := takenUser(ctx, m.users, err, u.ID); conflict != nil {
		return fmt.Errorf("mongomodel: user %q with the ID %q: %w", username, u.ID, conflict)
	}
	return fault(ctx, "insert into "+m.users.Name(), err)
}

// UpdateUser replaces the username and the Data of the user with this ID. [oauth2server.ErrNotFound] if there is none,
// [oauth2server.ErrExists] if the username is another's.
func (m *Model) UpdateUser(ctx context.Context, u *oauth2server.User, username string) error {
	if err := credential.CheckUser(u, username); err != nil {
		return fmt.Errorf("mongomodel: %w", err)
	}
	data, err := encodeData(u.Data)
	if err != nil {
		return fmt.Errorf("mongomodel: user %q: %w", username, err)
	}
	err = update(ctx, m.users, ownUser(u.ID), bson.D{{Key: "username", Value: username}, {Key: "data", Value: data}})
	if conflict := taken(m.users, err, usernameIndex); conflict != nil {
		return fmt.Errorf("mongomodel: username %q: %w", username, conflict)
	}
	return err
}

// SetPassword gives a user another password. To end what was issued to who knew the old one, call [Model.RevokeUser].
// [oauth2server.ErrNotFound] if there is no such user.
func (m *Model) SetPassword(ctx context.Context, userID, password string) error {
	hash, err := credential.HashPassword(password, m.options.PasswordCost)
	if err != nil {
		return fmt.Errorf("mongomodel: user ID %q: %w", userID, err)
	}
	return update(ctx, m.users, ownUser(userID), bson.D{{Key: "password_hash", Value: string(hash)}})
}

// DeleteUser deletes a user, who can no longer sign in, and then revokes what was issued for him as [Model.RevokeUser]
// does. After an error call it again: a user who is gone is no error.
func (m *Model) DeleteUser(ctx context.Context, userID string) error {
	if err := removeOne(ctx, m.users, ownUser(userID)); err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	return m.RevokeUser(ctx, userID)
}
