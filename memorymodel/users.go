// This file registers users and finds them.

package memorymodel

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// user is a registered user, in two maps. It is replaced, never changed.
type user struct {
	record   oauth2server.User
	username string // as stored
	hash     string // of the password
	deleted  bool   // being revoked; now only in the map of IDs
}

// AddUser registers a user who signs in with username and password. Both are
// prepared by RFC 8265, so that it does not matter how they are typed. The
// error lists what is wrong with them ([oauth2server.CheckUser],
// [oauth2server.CheckUserPassword]), or an [oauth2server.ErrExists] if the ID
// or the username is taken.
func (m *Model) AddUser(u *oauth2server.User, username, password string) error {
	name, err := credential.CheckUser(u, username)
	if err := errors.Join(err, oauth2server.CheckUserPassword(password)); err != nil {
		return err
	}
	hash, err := m.passwords.Hash(password)
	if err != nil {
		return fmt.Errorf("memorymodel: user %q: %w", username, err)
	}
	return m.insertUser(&user{record: *u, username: name, hash: hash})
}

// AddUserHash registers a user by the hash of a password that another program
// made: bcrypt ($2a$, $2b$, $2y$), argon2id or scrypt in PHC format, or scrypt
// as Werkzeug writes it. When the user signs in, it is replaced by a hash of
// this package. The errors are those of [Model.AddUser]; a hash of another
// kind, or one that would take too long or too much memory, is an error too.
func (m *Model) AddUserHash(ctx context.Context, u *oauth2server.User, username, hash string) error {
	name, err := credential.CheckUser(u, username)
	if err := errors.Join(ctx.Err(), err); err != nil {
		return err
	}
	stored, err := m.passwords.Import(hash)
	if err != nil {
		return err
	}
	return m.insertUser(&user{record: *u, username: name, hash: stored})
}

func (m *Model) insertUser(u *user) error {
	m.registering.Lock()
	defer m.registering.Unlock()
	_, named := m.users.Load(u.username)
	if _, known := m.userIDs.Load(u.record.ID); named || known {
		return fmt.Errorf("memorymodel: username %q or ID %q is taken: %w",
			u.username, u.record.ID, oauth2server.ErrExists)
	}
	m.storeUser(u)
	m.userOrder.changed()
	return nil
}

// storeUser writes a user into both maps. The caller holds the lock.
func (m *Model) storeUser(u *user) {
	m.users.Store(u.username, u)
	m.userIDs.Store(u.record.ID, u)
}

// GetUser implements [oauth2server.PasswordModel].
func (m *Model) GetUser(
	ctx context.Context, username, password string, _ *oauth2server.Client,
) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u := &user{} // without a hash if the name is unknown
	raw, prepared := credential.Names(username)
	for _, name := range []string{prepared, raw} {
		if known, ok := m.users.Load(name); ok {
			u = known.(*user)
		}
	}
	fresh, err := m.passwords.Verify(ctx, u.hash, password)
	if errors.Is(err, oauth2server.ErrNotFound) {
		return nil, oauth2server.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("memorymodel: %w", err)
	}
	if fresh != "" {
		m.refreshHash(u, fresh)
	}
	found := u.record
	return &found, nil
}

// refreshHash replaces the hash of a user, unless the user was changed since.
func (m *Model) refreshHash(u *user, hash string) {
	m.registering.Lock()
	defer m.registering.Unlock()
	if there, ok := m.users.Load(u.username); ok && there == u {
		renewed := *u
		renewed.hash = hash
		m.storeUser(&renewed)
	}
}

// UserByID returns a registered user, or [oauth2server.ErrNotFound].
func (m *Model) UserByID(ctx context.Context, userID string) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u := m.user(userID)
	if u == nil {
		return nil, oauth2server.ErrNotFound
	}
	found := u.record
	return &found, nil
}

// user returns a registered user, or nil.
func (m *Model) user(id string) *user {
	known, ok := m.userIDs.Load(id)
	if !ok || known.(*user).deleted {
		return nil
	}
	return known.(*user)
}

// ListUsers returns the users whose IDs come after this one, in the order of
// IDs: at most limit of them, 1,000 at most, and 100 if limit is below 1. An
// empty after starts at the beginning; an empty page means that there are no
// more.
func (m *Model) ListUsers(
	ctx context.Context, after string, limit int,
) ([]*oauth2server.NamedUser, error) {
	var page []*oauth2server.NamedUser
	for id := range m.userOrder.after(&m.userIDs, after) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(page) == credential.Page(limit) {
			break
		}
		if u := m.user(id); u != nil {
			page = append(page, &oauth2server.NamedUser{User: u.record, Username: u.username})
		}
	}
	return page, ctx.Err()
}

// UpdateUser replaces the username and the Data of the user with this ID. The
// errors are those of [Model.AddUser], and [oauth2server.ErrNotFound] if there
// is no such user.
func (m *Model) UpdateUser(ctx context.Context, u *oauth2server.User, username string) error {
	name, err := credential.CheckUser(u, username)
	if err != nil {
		return err
	}
	return m.changeUser(ctx, u.ID, func(there user) (user, error) {
		if other, taken := m.users.Load(name); taken && other.(*user).record.ID != u.ID {
			return there,
				fmt.Errorf("memorymodel: username %q is taken: %w", name, oauth2server.ErrExists)
		}
		there.record, there.username = *u, name
		return there, nil
	})
}

// SetPassword gives a user another password. It revokes nothing: to end what
// was issued before, call [Grants.RevokeUser]. The error is
// [oauth2server.ErrNotFound] if there is no such user.
func (m *Model) SetPassword(ctx context.Context, userID, password string) error {
	hash, err := m.passwords.Hash(password)
	if err != nil {
		return err
	}
	return m.changeUser(ctx, userID, func(there user) (user, error) {
		there.hash = hash
		return there, nil
	})
}

// changeUser replaces a user by what change returns.
func (m *Model) changeUser(ctx context.Context, id string, change func(user) (user, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.registering.Lock()
	defer m.registering.Unlock()
	there := m.user(id)
	if there == nil {
		return oauth2server.ErrNotFound
	}
	changed, err := change(*there)
	if err != nil {
		return err
	}
	if changed.username != there.username {
		m.users.Delete(there.username)
	}
	m.storeUser(&changed)
	return nil
}

// DeleteUser deletes a user, who can no longer sign in, and revokes what was
// issued for them as [Grants.RevokeUser] does; until that is done, the ID is
// taken. After an error, call it again: an unknown user is no error.
func (m *Model) DeleteUser(ctx context.Context, userID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.closeUser(userID)
	if err := m.RevokeUser(ctx, userID); err != nil {
		return err
	}
	m.registering.Lock()
	defer m.registering.Unlock()
	if there, ok := m.userIDs.Load(userID); ok && there.(*user).deleted {
		m.userIDs.Delete(userID)
		m.userOrder.changed()
	}
	return nil
}

// closeUser makes sign-ins of the user fail.
func (m *Model) closeUser(id string) {
	m.registering.Lock()
	defer m.registering.Unlock()
	if there := m.user(id); there != nil {
		m.users.Delete(there.username)
		m.userIDs.Store(id, &user{record: there.record, deleted: true})
	}
}

// GetUserFromClient implements [oauth2server.ClientCredentialsModel]: the user
// that acts for the client has the client's ID behind "client:", which no other
// user can have.
func (m *Model) GetUserFromClient(
	ctx context.Context, c *oauth2server.Client,
) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if known := m.client(c.ID); known != nil {
		return &oauth2server.User{ID: known.userID}, nil
	}
	return credential.UserOf(c), nil
}
