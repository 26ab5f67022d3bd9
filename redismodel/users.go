// This file registers users and finds them.

package redismodel

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// The keys of all users have one hash tag, as a script changes them together.
// So a cluster has all users on one server.
func (s *store) recordsKey() string { return s.prefix + "{users}:records" } // by ID
func (s *store) namesKey() string   { return s.prefix + "{users}:names" }   // the IDs by username
func (s *store) idsKey() string     { return s.prefix + "{users}:ids" }     // in their order

// markKey is that of the mark which stays when a user is deleted.
func (s *store) markKey(id string) string { return s.prefix + "{users}:deleted:" + id }

// userRecord is a user as they are stored, as JSON.
type userRecord struct {
	Username string          `json:"username"`
	Hash     string          `json:"password_hash"`
	Data     json.RawMessage `json:"data,omitempty"`
	Deleted  bool            `json:"deleted,omitempty"` // what they granted is being revoked
}

// user is a userRecord as it was read.
type user struct {
	oauth2server.NamedUser
	record userRecord
	stored string
	mark   string // when one is added: of an earlier one with this ID
}

func parseUser(id, stored string) (*user, error) {
	u := user{stored: stored}
	if err := json.Unmarshal([]byte(stored), &u.record); err != nil {
		return nil, fmt.Errorf("redismodel: user %q: %w", id, err)
	}
	u.ID, u.Username, u.Data = id, u.record.Username, decodeData(u.record.Data)
	return &u, nil
}

// userByID returns a user, deleted or not.
func (m *Model) userByID(ctx context.Context, id string) (*user, error) {
	stored, err := text(m.send(ctx, "find a user", plain("HGET", m.recordsKey(), id)))
	if err != nil {
		return nil, err
	}
	return parseUser(id, stored)
}

// liveUser returns a user who is not deleted.
func (m *Model) liveUser(ctx context.Context, id string) (*user, error) {
	found, err := m.userByID(ctx, id)
	if err == nil && found.record.Deleted {
		return nil, oauth2server.ErrNotFound
	}
	return found, err
}

// GetUser implements [oauth2server.PasswordModel]. Data is as in
// [Model.UserByID].
func (m *Model) GetUser(
	ctx context.Context, username, password string, _ *oauth2server.Client,
) (*oauth2server.User, error) {
	found, err := m.userByName(ctx, username)
	if errors.Is(err, oauth2server.ErrNotFound) {
		found = &user{}
	} else if err != nil {
		return nil, err
	}
	// Also for an unknown user, so that the time does not tell.
	fresh, err := m.passwords.Verify(ctx, found.record.Hash, password)
	switch {
	case errors.Is(err, oauth2server.ErrNotFound):
		return nil, oauth2server.ErrNotFound
	case err != nil && found.ID != "":
		return nil, fmt.Errorf("redismodel: the password_hash of user %q: %w", found.ID, err)
	case err != nil:
		return nil, fmt.Errorf("redismodel: %w", err)
	case fresh != "":
		m.refreshHash(ctx, found, fresh)
	}
	return &found.User, nil
}

// userByName returns the user who signs in by this name.
func (m *Model) userByName(ctx context.Context, username string) (*user, error) {
	_, prepared := credential.Names(username)
	id, err := text(m.send(ctx, "find a user", plain("HGET", m.namesKey(), prepared)))
	if err != nil {
		return nil, err
	}
	found, err := m.liveUser(ctx, id)
	if err == nil && found.Username != prepared {
		return nil, oauth2server.ErrNotFound // the name changed in between
	}
	return found, err
}

// rehashTime is how long a sign-in waits for a hash to be replaced.
const rehashTime = time.Second

// refreshHash replaces the hash of a user, unless it was changed since. The user
// is signed in already, so a failure does not matter: the next sign-in tries
// again.
func (m *Model) refreshHash(ctx context.Context, u *user, hash string) {
	ctx, cancel := context.WithTimeout(ctx, rehashTime)
	defer cancel()
	record := u.record
	record.Hash = hash
	m.swapUser(ctx, "replace a hash", u, &record)
}

// swapUser replaces the record that was read by another, or deletes it if
// record is nil, and returns 1. It returns 0 if the record was changed since,
// and -1 if the name is taken.
func (m *Model) swapUser(ctx context.Context, what string, old *user, record *userRecord) (int64, error) {
	var stored []byte
	var name string
	if record != nil {
		var err error
		if stored, err = json.Marshal(record); err != nil {
			return 0, fmt.Errorf("redismodel: user %q: %w", old.ID, err)
		}
		name = record.Username
	}
	c := command{swapUser, []string{m.recordsKey(), m.namesKey(), m.idsKey()},
		[]any{old.ID, old.stored, old.Username, stored, name}}
	if old.stored == "" || record == nil {
		mark := old.mark
		if record == nil {
			mark = rand.Text()
		}
		c.keys, c.args = append(c.keys, m.markKey(old.ID)), append(c.args, mark, keepDeleted.Milliseconds())
	}
	all, err := m.write(ctx, what, c)
	if err != nil {
		return 0, err
	}
	result, _ := all[0].(int64)
	return result, nil
}

// UserByID returns a registered user, or [oauth2server.ErrNotFound]. Data is nil
// or a [encoding/json.RawMessage].
func (m *Model) UserByID(ctx context.Context, userID string) (*oauth2server.User, error) {
	found, err := m.liveUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	return &found.User, nil
}

// ListUsers returns the users whose IDs come after this one, in the order of IDs:
// at most limit of them, 1,000 at most, and 100 if limit is below 1. An empty
// after starts at the beginning; an empty page means that there are no more.
func (m *Model) ListUsers(ctx context.Context, after string, limit int) (page []*oauth2server.NamedUser, err error) {
	for len(page) == 0 {
		ids, err := m.page(ctx, m.idsKey(), after, limit)
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		fields := make([]any, len(ids))
		for i, id := range ids {
			fields[i] = id
		}
		all, err := m.send(ctx, "list users", plain("HMGET", m.recordsKey(), fields...))
		if err != nil {
			return nil, err
		}
		for i, stored := range texts(all[0]) {
			if stored == "" {
				continue // deleted in between
			}
			found, err := parseUser(ids[i], stored)
			if err != nil {
				return nil, err
			}
			if !found.record.Deleted {
				page = append(page, &found.NamedUser)
			}
		}
		after = ids[len(ids)-1]
	}
	return page, nil
}

// GetUserFromClient implements [oauth2server.ClientCredentialsModel]: the user
// that acts for the client has the ID "client:" followed by the client's, which
// no other user can have. It sends nothing.
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
		return fmt.Errorf("redismodel: user %q: %w", username, err)
	}
	return m.addUser(ctx, u, name, hash)
}

// AddUserHash registers a user by the hash of a password that another program
// made: bcrypt ($2a$, $2b$, $2y$), argon2id or scrypt in PHC format, or scrypt as
// Werkzeug writes it. When the user signs in, it is replaced by a hash of this
// package. The errors are those of [Model.AddUser]; a hash of another kind, or
// one that would take too long or too much memory, is an error too. Adding the
// same user with the same hash again is none.
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
		return fmt.Errorf("redismodel: user %q: Data: %w", name, err)
	}
	mark, err := text(m.send(ctx, "find a deleted user", plain("GET", m.markKey(u.ID))))
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	none := &user{NamedUser: oauth2server.NamedUser{User: oauth2server.User{ID: u.ID}}, mark: mark}
	result, err := m.swapUser(ctx, "add a user", none, &userRecord{Username: name, Hash: hash, Data: data})
	if err == nil && result != 1 {
		err = fmt.Errorf("redismodel: username %q or ID %q is taken: %w", name, u.ID, oauth2server.ErrExists)
	}
	return err
}

// changeUser replaces the record of a user by what change makes of it.
func (m *Model) changeUser(ctx context.Context, id string, change func(*userRecord)) error {
	for range changes {
		found, err := m.liveUser(ctx, id)
		if err != nil {
			return err
		}
		record := found.record
		change(&record)
		switch result, err := m.swapUser(ctx, "change a user", found, &record); {
		case err != nil || result == 1:
			return err
		case result == -1:
			return fmt.Errorf("redismodel: username %q: %w", record.Username, oauth2server.ErrExists)
		}
	}
	return fmt.Errorf("redismodel: user %q: they changed at the same time; try again", id)
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
		return fmt.Errorf("redismodel: user %q: Data: %w", username, err)
	}
	return m.changeUser(ctx, u.ID, func(r *userRecord) { r.Username, r.Data = name, data })
}

// SetPassword gives a user another password. It revokes nothing: to end what was
// issued before, call [Grants.RevokeUser]. The error is
// [oauth2server.ErrNotFound] if there is no such user.
func (m *Model) SetPassword(ctx context.Context, userID, password string) error {
	hash, err := m.passwords.Hash(password)
	if err != nil {
		return err
	}
	return m.changeUser(ctx, userID, func(r *userRecord) { r.Hash = hash })
}

// DeleteUser deletes a user, who can no longer sign in, and revokes what was
// issued for them as [Grants.RevokeUser] does; until that is done, ID and
// username are taken. After an error, call it again: an unknown user is no error.
func (m *Model) DeleteUser(ctx context.Context, userID string) error {
	err := m.changeUser(ctx, userID, func(r *userRecord) { r.Deleted = true })
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	if err := m.RevokeUser(ctx, userID); err != nil {
		return err
	}
	found, err := m.userByID(ctx, userID)
	switch {
	case errors.Is(err, oauth2server.ErrNotFound):
		return nil
	case err != nil || !found.record.Deleted:
		return err // somebody deleted the user and added them again
	}
	_, err = m.swapUser(ctx, "delete a user", found, nil)
	return err
}
