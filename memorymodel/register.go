package memorymodel

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

type client struct {
	record *oauth2server.Client
	secret credential.Digest // of "" for a public client, which no secret has
	userID string            // of who the client acts as
}

type user struct {
	record oauth2server.User
	hash   []byte
}

// AddClient registers a client. A confidential one needs a secret that nobody can guess: make it with
// [crypto/rand.Text]. A public one has none. The error says what is wrong with the client, that the id is taken, or
// that the secret is short; see [Options.InsecureAllowShortSecrets].
func (m *Model) AddClient(c *oauth2server.Client, secret string) error {
	if err := credential.CheckClient(c, secret, m.options.InsecureAllowShortSecrets); err != nil {
		return fmt.Errorf("memorymodel: %w", err)
	}
	added := &client{copyClient(c), credential.DigestOf(secret), credential.UserOf(c).ID}
	if _, taken := m.clients.LoadOrStore(c.ID, added); taken {
		return fmt.Errorf("memorymodel: there is a client %q already", c.ID)
	}
	return nil
}

// AddUser registers a user who signs in with username and password. The error says that ID or username is missing or
// taken, or that the password is empty.
func (m *Model) AddUser(u *oauth2server.User, username, password string) error {
	if err := credential.CheckUser(u, username); err != nil {
		return fmt.Errorf("memorymodel: %w", err)
	}
	hash, err := credential.HashPassword(password, m.options.PasswordCost)
	if err != nil {
		return fmt.Errorf("memorymodel: user %q: %w", username, err)
	}
	m.registering.Lock()
	defer m.registering.Unlock()
	_, taken := m.users.Load(username)
	if _, known := m.usernames.Load(u.ID); taken || known {
		return fmt.Errorf("memorymodel: there is a user %q with the ID %q, or one of them, already", username, u.ID)
	}
	m.users.Store(username, &user{*u, hash})
	m.usernames.Store(u.ID, username)
	return nil
}

// nobody is whom a secret is compared with when there is no such client.
var nobody client

// GetClient implements [oauth2server.Model].
func (m *Model) GetClient(ctx context.Context, clientID, clientSecret string) (*oauth2server.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	known, ok := m.clients.Load(clientID)
	c := &nobody
	if ok {
		c = known.(*client)
	}
	if clientSecret != "" {
		// The comparison comes before ok is looked at: an unknown client costs what a known one does.
		same := c.secret.Matches(clientSecret)
		ok = ok && same
	}
	if !ok {
		return nil, oauth2server.ErrNotFound
	}
	return copyClient(c.record), nil
}

// GetUser implements [oauth2server.PasswordModel].
func (m *Model) GetUser(ctx context.Context, username, password string, _ *oauth2server.Client) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u := &user{} // no hash if there is none
	if known, ok := m.users.Load(username); ok {
		u = known.(*user)
	}
	err := credential.CheckPassword(u.hash, password, m.options.PasswordCost)
	if errors.Is(err, oauth2server.ErrNotFound) {
		return nil, oauth2server.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("memorymodel: %w", err)
	}
	found := u.record
	return &found, nil
}

// UserByID returns a user that was added; [oauth2server.ErrNotFound] if there is none.
func (m *Model) UserByID(ctx context.Context, userID string) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	username, ok := m.usernames.Load(userID)
	if !ok {
		return nil, oauth2server.ErrNotFound
	}
	known, _ := m.users.Load(username)
	found := known.(*user).record
	return &found, nil
}

// GetUserFromClient implements [oauth2server.ClientCredentialsModel]: the user that stands for the client has the
// client's ID behind "client:", which no other user can have.
func (m *Model) GetUserFromClient(ctx context.Context, c *oauth2server.Client) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if known, ok := m.clients.Load(c.ID); ok {
		return &oauth2server.User{ID: known.(*client).userID}, nil
	}
	return credential.UserOf(c), nil
}
