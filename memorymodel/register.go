package memorymodel

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
)

// minSecret is the length in characters of 128 random bits in base64.
const minSecret = 22

// clientUserPrefix keeps the users that stand for clients apart from people (RFC 9700, section 4.15).
const clientUserPrefix = "client:"

type client struct {
	record oauth2server.Client
	secret digest               // of "" for a public client, which no secret has
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
	switch {
	case c.ID == "":
		return errors.New("memorymodel: the client has no ID")
	case c.Public && secret != "":
		return fmt.Errorf("memorymodel: client %q is public and cannot have a secret", c.ID)
	case !c.Public && secret == "":
		return fmt.Errorf("memorymodel: client %q is confidential and needs a secret", c.ID)
	case !c.Public && len(secret) < minSecret && !m.options.InsecureAllowShortSecrets:
		return fmt.Errorf("memorymodel: client %q: the secret has fewer than %d characters", c.ID, minSecret)
	}
	for _, uri := range c.RedirectURIs {
		if err := oauth2server.CheckRedirectURI(uri); err != nil {
			return fmt.Errorf("memorymodel: client %q: %w", c.ID, err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.clients[c.ID]; taken {
		return fmt.Errorf("memorymodel: there is a client %q already", c.ID)
	}
	m.clients[c.ID] = client{copyClient(c), digestOf(secret), clientID(c)}
	return nil
}

// AddUser registers a user who signs in with username and password. The error says that ID or username is missing or
// taken, or that the password is empty.
func (m *Model) AddUser(u *oauth2server.User, username, password string) error {
	switch {
	case u.ID == "" || username == "" || password == "":
		return errors.New("memorymodel: a user needs an ID, a username and a password")
	case strings.HasPrefix(u.ID, clientUserPrefix):
		return fmt.Errorf("memorymodel: user ID %q: the prefix is for clients", u.ID)
	}
	hash, err := hashPassword(password, m.options.PasswordCost)
	if err != nil {
		return fmt.Errorf("memorymodel: user %q: %w", username, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.users[username]; taken || m.userIDs[u.ID] {
		return fmt.Errorf("memorymodel: there is a user %q with the ID %q, or one of them, already", username, u.ID)
	}
	m.users[username], m.userIDs[u.ID] = user{*u, hash}, true
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
		// Digest and comparison come before ok is looked at: an unknown client costs what a known one does.
		presented := digestOf(clientSecret)
		same := subtle.ConstantTimeCompare(presented[:], c.secret[:]) == 1
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
	u, ok := m.users[username]
	m.mu.RUnlock()
	if !ok {
		// An unknown name costs what a known one does.
		var err error
		if u.hash, err = hashPassword(password, m.options.PasswordCost); err != nil {
			return nil, err
		}
		return nil, oauth2server.ErrNotFound
	}
	err := bcrypt.CompareHashAndPassword(u.hash, condense(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return nil, oauth2server.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("memorymodel: %w", err)
	}
	return &u.record, nil
}

// GetUserFromClient implements [oauth2server.ClientCredentialsModel]: the user that stands for the client has the
// client's ID behind "client:", which no other user can have.
func (m *Model) GetUserFromClient(ctx context.Context, c *oauth2server.Client) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &oauth2server.User{ID: clientUserPrefix + c.ID}, nil
}

func hashPassword(password string, cost int) ([]byte, error) {
	if cost == 0 {
		cost = bcrypt.DefaultCost
	}
	return bcrypt.GenerateFromPassword(condense(password), cost)
}

// condense makes 44 characters of any password: bcrypt reads 72 bytes at the most, and stops at a NUL.
func condense(password string) []byte {
	digest := sha256.Sum256([]byte(password))
	return base64.StdEncoding.AppendEncode(nil, digest[:])
}

func copyClient(c *oauth2server.Client) oauth2server.Client {
	own := *c
	own.RedirectURIs = slices.Clone(c.RedirectURIs)
	own.Grants = slices.Clone(c.Grants)
	own.Scope = slices.Clone(c.Scope)
	return own
}
