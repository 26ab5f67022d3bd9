// This file registers users and finds them.

package sqlmodel

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

func (m *Model) userStatements() {
	const columns = `SELECT id, username, password_hash, data FROM {users} WHERE `
	const live = ` AND deleted_at IS NULL`
	m.findUser = m.statement("find a user", columns+`id = ?`+live)
	m.findUsername = m.statement("find a user", columns+`username = ?`+live)
	m.listUsers = m.statement("list users", columns+`id > ?`+live+` ORDER BY id LIMIT ?`)
	m.findOwner = m.statement("find a user", `SELECT id FROM {users} WHERE username = ?`) // deleted or not
	m.insertUser = m.statement("add a user",
		`INSERT INTO {users} (id, username, password_hash, data) VALUES (?, ?, ?, ?)`+m.dialect.ifFree())
	// The version changes each time, as MySQL does not count a row that stays as
	// it is.
	const change = `UPDATE {users} SET version = version + 1, `
	m.updateUser = m.statement("change a user", change+`username = ?, data = ? WHERE id = ?`+live)
	m.updateHash = m.statement("change a password", change+`password_hash = ? WHERE id = ?`+live)
	m.replaceHash = m.statement("replace a hash", change+`password_hash = ? WHERE id = ? AND password_hash = ?`)
	m.markUser = m.statement("delete a user", change+`deleted_at = ? WHERE id = ?`+live)
	m.deleteUser = m.statement("delete a user", `DELETE FROM {users} WHERE id = ? AND deleted_at IS NOT NULL`)
}

// user is a row of the table of users.
type user struct {
	oauth2server.NamedUser
	hash string
}

func scanUser(rows *sql.Rows) (*user, error) {
	var u user
	var data sql.NullString
	if err := rows.Scan(&u.ID, &u.Username, &u.hash, &data); err != nil {
		return nil, err
	}
	u.Data = decodeData(data)
	return &u, nil
}

// GetUser implements [oauth2server.PasswordModel]. Data is as in
// [Model.UserByID].
func (m *Model) GetUser(
	ctx context.Context, username, password string, _ *oauth2server.Client,
) (*oauth2server.User, error) {
	found, err := m.userByName(ctx, username)
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return nil, err
	}
	// Also for an unknown user, so that the time does not tell.
	fresh, err := m.passwords.Verify(ctx, found.hash, password)
	switch {
	case errors.Is(err, oauth2server.ErrNotFound):
		return nil, oauth2server.ErrNotFound
	case err != nil && found.hash != "":
		return nil, fmt.Errorf("sqlmodel: the password_hash of user %q: %w", found.ID, err)
	case err != nil:
		return nil, fmt.Errorf("sqlmodel: %w", err)
	case fresh != "":
		m.refreshHash(ctx, found, fresh)
	}
	return &found.User, nil
}

// userByName returns the user who signs in by this name. It is never nil, even
// with an error. It tries the name as typed before its prepared form, as people
// may have written rows by hand.
func (m *Model) userByName(ctx context.Context, username string) (*user, error) {
	raw, prepared := credential.Names(username)
	if !isText(raw) {
		return &user{}, errors.Join(ctx.Err(), oauth2server.ErrNotFound)
	}
	found, err := first(ctx, m.findUsername, scanUser, raw)
	if raw != prepared && errors.Is(err, oauth2server.ErrNotFound) {
		found, err = first(ctx, m.findUsername, scanUser, prepared)
	}
	if err != nil {
		return &user{}, err
	}
	return found, nil
}

// rehashTime is how long a sign-in waits for a hash to be replaced.
const rehashTime = time.Second

// refreshHash replaces the hash of a user, unless it was changed since. The user
// is signed in already, so a failure does not matter: the next sign-in tries
// again.
func (m *Model) refreshHash(ctx context.Context, u *user, hash string) {
	ctx, cancel := context.WithTimeout(ctx, rehashTime)
	defer cancel()
	m.replaceHash.exec(ctx, hash, u.ID, u.hash)
}

// UserByID returns a registered user, or [oauth2server.ErrNotFound]. Data is nil
// or a [encoding/json.RawMessage].
func (m *Model) UserByID(ctx context.Context, userID string) (*oauth2server.User, error) {
	if !isText(userID) {
		return nil, errors.Join(ctx.Err(), oauth2server.ErrNotFound)
	}
	found, err := first(ctx, m.findUser, scanUser, userID)
	if err != nil {
		return nil, err
	}
	return &found.User, nil
}

// ListUsers returns the users whose IDs come after this one, in the order of IDs:
// at most limit of them, 1,000 at most, and 100 if limit is below 1. An empty
// after starts at the beginning; an empty page means that there are no more.
func (m *Model) ListUsers(ctx context.Context, after string, limit int) ([]*oauth2server.NamedUser, error) {
	found, err := all(ctx, m.listUsers, scanUser, after, credential.Page(limit))
	var page []*oauth2server.NamedUser
	for _, u := range found {
		page = append(page, &u.NamedUser)
	}
	return page, err
}

// GetUserFromClient implements [oauth2server.ClientCredentialsModel]: the user
// that acts for the client has the ID "client:" followed by the client's, which
// no other user can have. It sends no statement.
func (m *Model) GetUserFromClient(ctx context.Context, c *oauth2server.Client) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return credential.UserOf(c), nil
}

// AddUser registers a user who signs in with username and password. Both are
// prepared by RFC 8265, so that it does not matter how they are typed. Data must
// be nil or have a JSON form. The error lists what is wrong with them
// ([oauth2server.CheckUser], [oauth2server.CheckUserPassword]), or an
// [oauth2server.ErrExists] if the ID or the username is taken, and nothing has
// changed then.
func (m *Model) AddUser(ctx context.Context, u *oauth2server.User, username, password string) error {
	name, err := credential.CheckUser(u, username)
	if err := errors.Join(err, oauth2server.CheckUserPassword(password)); err != nil {
		return err
	}
	hash, err := m.passwords.Hash(password)
	if err != nil {
		return fmt.Errorf("sqlmodel: user %q: %w", username, err)
	}
	return m.addUser(ctx, u, name, hash)
}

// AddUserHash registers a user by the hash of a password that another program
// made: bcrypt ($2a$, $2b$, $2y$), argon2id or scrypt in PHC format, or scrypt as
// Werkzeug writes it. When the user signs in, it is replaced by a hash of this
// package. The errors are those of [Model.AddUser]; a hash of another kind, or
// one that would take too long or too much memory, is an error too.
func (m *Model) AddUserHash(ctx context.Context, u *oauth2server.User, username, hash string) error {
	name, err := credential.CheckUser(u, username)
	if err != nil {
		return err
	}
	stored, err := m.passwords.Import(hash)
	if err != nil {
		return err
	}
	return m.addUser(ctx, u, name, stored)
}

func (m *Model) addUser(ctx context.Context, u *oauth2server.User, name, hash string) error {
	data, err := encodeData(u.Data)
	if err != nil {
		return fmt.Errorf("sqlmodel: user %q: Data: %w", name, err)
	}
	affected, err := m.insertUser.exec(ctx, u.ID, name, hash, data)
	if err == nil && affected != 1 {
		err = fmt.Errorf("sqlmodel: username %q or ID %q is taken: %w", name, u.ID, oauth2server.ErrExists)
	}
	return err
}

// UpdateUser replaces the username and the Data of the user with this ID. The
// errors are those of [Model.AddUser], and [oauth2server.ErrNotFound] if there is
// no such user.
func (m *Model) UpdateUser(ctx context.Context, u *oauth2server.User, username string) error {
	name, err := credential.CheckUser(u, username)
	if err != nil {
		return err
	}
	data, err := encodeData(u.Data)
	if err != nil {
		return fmt.Errorf("sqlmodel: user %q: Data: %w", username, err)
	}
	err = m.updateUser.change(ctx, name, data, u.ID)
	if err == nil || errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	// Drivers do not agree on how to say that the name is taken.
	if id, findErr := first(ctx, m.findOwner, text, name); findErr == nil && id != u.ID {
		return fmt.Errorf("sqlmodel: username %q: %w: %w", name, oauth2server.ErrExists, err)
	}
	return err
}

// SetPassword gives a user another password. It revokes nothing: to end what was
// issued before, call [Grants.RevokeUser]. The error is
// [oauth2server.ErrNotFound] if there is no such user.
func (m *Model) SetPassword(ctx context.Context, userID, password string) error {
	hash, err := m.passwords.Hash(password)
	switch {
	case err != nil:
		return err
	case !isText(userID):
		return errors.Join(ctx.Err(), oauth2server.ErrNotFound)
	}
	return m.updateHash.change(ctx, hash, userID)
}

// DeleteUser deletes a user, who can no longer sign in, and revokes what was
// issued for them as [Grants.RevokeUser] does; until that is done, ID and
// username are taken. After an error, call it again: an unknown user is no error.
func (m *Model) DeleteUser(ctx context.Context, userID string) error {
	if !isText(userID) {
		return ctx.Err()
	}
	if _, err := m.markUser.exec(ctx, time.Now().UnixMilli(), userID); err != nil {
		return err
	}
	if err := m.RevokeUser(ctx, userID); err != nil {
		return err
	}
	_, err := m.deleteUser.exec(ctx, userID)
	return err
}
