package memorymodel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

type client struct {
	record oauth2server.Client
	secret credential.Digest    // of "" for a public client, which no secret has
	stub   *oauth2server.Client // the ID alone, for tokens to share
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
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.clients[c.ID]; taken {
		return fmt.Errorf("memorymodel: there is a client %q already", c.ID)
	}
	m.clients[c.ID] = client{copyClient(c), credential.DigestOf(secret), clientID(c)}
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
	m.mu.Lock()
	defer m.mu.Unlock()
	_, taken := m.users[username]
	if _, known := m.userIDs[u.ID]; taken || known {
		return fmt.Errorf("memorymodel: there is a user %q with the ID %q, or one of them, already", username, u.ID)
	}
	m.users[username], m.userIDs[u.ID] = user{*u, hash}, username
	return nil
}

// GetClient implements [oauth2server.Model].
func (m *Model) GetClient(ctx context.Context, clientID, clientSecret string) (*oauth2server.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	c, ok := m.clients[clientID]
	m.mu.RUnlock()
	if clientSecret != "" {
		// The comparison comes before ok is looked at: an unknown client costs what a known one does.
		same := c.secret.Matches(clientSecret)
		ok = ok && same
	}
	if !ok {
		return nil, oauth2server.ErrNotFound
	}
	found := copyClient(&c.record)
	return &found, nil
}

// GetUser implements [oauth2server.PasswordModel].
func (m *Model) GetUser(ctx context.Context, username, password string, _ *oauth2server.Client) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	u := m.users[username] // no hash if there is none
	m.mu.RUnlock()
	err := credential.CheckPassword(u.hash, password, m.options.PasswordCost)
	if errors.Is(err, oauth2server.ErrNotFound) {
		return nil, oauth2server.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("memorymodel: %w", err)
	}
	return &u.record, nil
}

// UserByID returns a user that was added; [oauth2server.ErrNotFound] if there is none.
func (m *Model) UserByID(ctx context.Context, userID string) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	username, ok := m.userIDs[userID]
	if !ok {
		return nil, oauth2server.ErrNotFound
	}
	found := m.users[username].record
	return &found, nil
}

// GetUserFromClient implements [oauth2server.ClientCredentialsModel]: the user that stands for the client has the
// client's ID behind "client:", which no other user can have.
func (m *Model) GetUserFromClient(ctx context.Context, c *oauth2server.Client) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return credential.UserOf(c), nil
}

func copyClient(c *oauth2server.Client) oauth2server.Client {
	own := *c
	own.RedirectURIs = slices.Clone(c.RedirectURIs)
	own.Grants = slices.Clone(c.Grants)
	own.Scope = slices.Clone(c.Scope)
	return own
}
