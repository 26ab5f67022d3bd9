// This file registers users and finds them.

package mongomodel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// userFields is a user as it is written. The ID never changes, as tokens carry
// it; the username may.
type userFields struct {
	ID           string        `bson:"_id"`
	Username     string        `bson:"username"`
	PasswordHash string        `bson:"password_hash"`
	Data         bson.RawValue `bson:"data"`
}

// userDocument is a user as it is read.
type userDocument struct {
	user    oauth2server.NamedUser
	hash    string
	deleted bool
}

// UnmarshalBSON reads a document. The error names each field that cannot be
// used.
func (d *userDocument) UnmarshalBSON(data []byte) error {
	fields, err := bson.Raw(data).Elements()
	if err != nil {
		return err
	}
	var wrong []string
	for _, field := range fields {
		if err := d.read(field.Key(), field.Value()); err != nil {
			wrong = append(wrong, fmt.Sprintf("field %q %v", field.Key(), err))
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

func (d *userDocument) read(name string, value bson.RawValue) (err error) {
	switch name {
	case "_id":
		d.user.ID, err = readText(value)
	case "username":
		d.user.Username, err = readText(value)
	case "password_hash":
		if d.hash, err = readText(value); err == nil && d.hash == "" {
			err = errors.New("is empty")
		}
	case "data":
		d.user.Data = decodeData(value)
	case deletedAt:
		_, err = readTime(value)
		d.deleted = value.Type != bson.TypeNull
	}
	return err
}

// GetUser implements [oauth2server.PasswordModel]. Data is as in
// [Model.UserByID].
func (m *Model) GetUser(
	ctx context.Context, username, password string, _ *oauth2server.Client,
) (*oauth2server.User, error) {
	document, err := m.findUsername(ctx, username)
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return nil, err
	}
	// Also for an unknown user, so that it takes as long
	fresh, err := m.passwords.Verify(ctx, document.hash, password)
	switch {
	case errors.Is(err, oauth2server.ErrNotFound):
		return nil, oauth2server.ErrNotFound
	case err != nil && document.hash != "":
		return nil, fmt.Errorf("mongomodel: document %q of %s: field %q: %w",
			document.user.ID, m.users.Name(), userMark, err)
	case err != nil:
		return nil, fmt.Errorf("mongomodel: %w", err)
	case fresh != "":
		m.refreshHash(ctx, document, fresh)
	}
	return &document.user.User, nil
}

// findUsername returns the document of the user who signs in by this name. It
// is never nil, even with an error. It tries the name as typed before its
// prepared form, as older users may have an unprepared name.
func (m *Model) findUsername(ctx context.Context, username string) (*userDocument, error) {
	var found userDocument
	raw, prepared := credential.Names(username)
	err := findOne(ctx, m.users, append(byUsername(raw), live), &found)
	if raw != prepared && errors.Is(err, oauth2server.ErrNotFound) {
		found = userDocument{}
		err = findOne(ctx, m.users, append(byUsername(prepared), live), &found)
	}
	if err != nil {
		return &userDocument{}, err
	}
	return &found, nil
}

// refreshHash replaces the hash of a user, unless it was changed since. The
// user is signed in already, so a failure does not matter: the next sign-in
// tries again.
func (m *Model) refreshHash(ctx context.Context, d *userDocument, hash string) {
	ctx, cancel := context.WithTimeout(alone(ctx), rehashTime)
	defer cancel()
	stale := append(byID(d.user.ID), bson.E{Key: userMark, Value: d.hash}) // so the document is ours
	update(ctx, m.users, stale, set(bson.D{{Key: userMark, Value: hash}}))
}

// rehashTime is how long a sign-in waits for a hash to be replaced.
const rehashTime = time.Second

// UserByID returns a registered user, or [oauth2server.ErrNotFound]. Data is
// nil or a [bson.Raw]: read it with [bson.Unmarshal].
func (m *Model) UserByID(ctx context.Context, userID string) (*oauth2server.User, error) {
	found, err := m.findUser(ctx, byID(userID))
	if err != nil {
		return nil, err
	}
	return &found.user.User, nil
}

func (m *Model) findUser(ctx context.Context, filter bson.D) (*userDocument, error) {
	var found userDocument
	if err := findOne(ctx, m.users, filter, &found); err != nil {
		return nil, err
	}
	if found.deleted {
		return nil, oauth2server.ErrNotFound
	}
	return &found, nil
}

// ListUsers returns the users whose IDs come after this one, in the order of
// IDs: at most limit of them, 1,000 at most, and 100 if limit is below 1. An
// empty after starts at the beginning; an empty page means that there are no
// more.
func (m *Model) ListUsers(
	ctx context.Context, after string, limit int,
) ([]*oauth2server.NamedUser, error) {
	var page []*oauth2server.NamedUser
	err := list(ctx, m.users, after, limit, func(d *userDocument) { page = append(page, &d.user) })
	return page, err
}

// GetUserFromClient implements [oauth2server.ClientCredentialsModel]: the user
// that acts for the client has the ID "client:" followed by the client's, which
// no other user can have. It sends no command.
func (m *Model) GetUserFromClient(
	ctx context.Context, c *oauth2server.Client,
) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return credential.UserOf(c), nil
}

// AddUser registers a user who signs in with username and password. Both are
// prepared by RFC 8265, so that it does not matter how they are typed. Data
// must be nil or what BSON can write as a document. The error lists what is
// wrong with them ([oauth2server.CheckUser], [oauth2server.CheckUserPassword]),
// or an [oauth2server.ErrExists] if the ID or the username is taken, and
// nothing has changed then.
func (m *Model) AddUser(ctx context.Context, u *oauth2server.User, username, password string) error {
	name, err := credential.CheckUser(u, username)
	if err := errors.Join(err, oauth2server.CheckUserPassword(password)); err != nil {
		return err
	}
	hash, err := m.passwords.Hash(password)
	if err != nil {
		return fmt.Errorf("mongomodel: user %q: %w", username, err)
	}
	return m.insertUser(ctx, u, username, userFields{ID: u.ID, Username: name, PasswordHash: hash})
}

// AddUserHash registers a user by the hash of a password that another program
// made: bcrypt ($2a$, $2b$, $2y$), argon2id or scrypt in PHC format, or scrypt
// as Werkzeug writes it. When the user signs in, it is replaced by a hash of
// this package. The errors are those of [Model.AddUser]; a hash of another
// kind, or one that would take too long or too much memory, is an error too.
func (m *Model) AddUserHash(ctx context.Context, u *oauth2server.User, username, hash string) error {
	name, err := credential.CheckUser(u, username)
	if err != nil {
		return err
	}
	stored, err := m.passwords.Import(hash)
	if err != nil {
		return err
	}
	return m.insertUser(ctx, u, username, userFields{ID: u.ID, Username: name, PasswordHash: stored})
}

// insertUser adds a user. username is the name as the caller gave it; fields
// has its prepared form.
func (m *Model) insertUser(
	ctx context.Context, u *oauth2server.User, username string, fields userFields,
) error {
	var err error
	if fields.Data, err = encodeData(u.Data); err != nil {
		return fmt.Errorf("mongomodel: user %q: Data: %w", username, err)
	}
	// Without the index two users could share a name, so it is made here too,
	// in case EnsureIndexes was not called.
	if err := m.ensureUsernames(ctx); err != nil {
		return err
	}
	if fields.Username != username {
		if err := m.requireFree(ctx, username); err != nil {
			return err
		}
	}
	_, err = m.users.InsertOne(ctx, fields)
	if conflict := takenUser(ctx, m.users, err, u.ID); conflict != nil {
		return fmt.Errorf("mongomodel: username %q or ID %q is taken: %w", username, u.ID, conflict)
	}
	return fault(ctx, "insert into "+m.users.Name(), err)
}

// requireFree returns an error if a user has exactly this name, without
// preparation: an older user may.
func (m *Model) requireFree(ctx context.Context, username string) error {
	err := findOne(ctx, m.users, byUsername(username), &userDocument{})
	switch {
	case err == nil:
		return fmt.Errorf("mongomodel: username %q is taken: %w", username, oauth2server.ErrExists)
	case errors.Is(err, oauth2server.ErrNotFound):
		return nil
	}
	return err
}

// UpdateUser replaces the username and the Data of the user with this ID. The
// errors are those of [Model.AddUser], and [oauth2server.ErrNotFound] if there
// is no such user.
func (m *Model) UpdateUser(ctx context.Context, u *oauth2server.User, username string) error {
	name, err := credential.CheckUser(u, username)
	if err != nil {
		if name, err = m.olderName(ctx, u, username, err); err != nil {
			return err
		}
	}
	data, err := encodeData(u.Data)
	if err != nil {
		return fmt.Errorf("mongomodel: user %q: Data: %w", username, err)
	}
	err = update(ctx, m.users, liveUser(u.ID),
		set(bson.D{{Key: "username", Value: name}, {Key: "data", Value: data}}))
	if conflict := taken(m.users, err, usernameIndex); conflict != nil {
		return fmt.Errorf("mongomodel: username %q: %w", username, conflict)
	}
	return err
}

// olderName returns username if the user has that name already, from a time
// when it could be registered. Otherwise it returns refused, the reason why it
// cannot be registered now.
func (m *Model) olderName(
	ctx context.Context, u *oauth2server.User, username string, refused error,
) (string, error) {
	if u == nil {
		return "", refused
	}
	there, err := m.findUser(ctx, ownUser(u.ID))
	switch {
	case err != nil && !errors.Is(err, oauth2server.ErrNotFound):
		return "", err
	case err != nil || there.user.Username != username || username == "":
		return "", refused
	}
	return username, nil
}

// SetPassword gives a user another password. It revokes nothing: to end what
// was issued before, call [Grants.RevokeUser]. The error is
// [oauth2server.ErrNotFound] if there is no such user.
func (m *Model) SetPassword(ctx context.Context, userID, password string) error {
	hash, err := m.passwords.Hash(password)
	if err != nil {
		return err
	}
	return update(ctx, m.users, liveUser(userID), set(bson.D{{Key: userMark, Value: hash}}))
}

// liveUser is the filter of a user of ours who was not deleted.
func liveUser(id string) bson.D { return append(ownUser(id), live) }

// DeleteUser deletes a user, who can no longer sign in, and revokes what was
// issued for them as [Grants.RevokeUser] does; until that is done, ID and
// username are taken. After an error, call it again: an unknown user is no
// error.
func (m *Model) DeleteUser(ctx context.Context, userID string) error {
	ctx = alone(ctx) // a revocation cannot be undone
	err := update(ctx, m.users, liveUser(userID), set(bson.D{{Key: deletedAt, Value: time.Now().UTC()}}))
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	if err := m.RevokeUser(ctx, userID); err != nil {
		return err
	}
	deleted := append(ownUser(userID), bson.E{Key: deletedAt, Value: bson.D{{Key: "$ne", Value: nil}}})
	if err := removeOne(ctx, m.users, deleted); err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	return nil
}
