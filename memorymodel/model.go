// Package memorymodel is an [oauth2server.Model] in memory, with every interface that stores something and none of the
// hooks: for tests, demonstrations and programs whose sign-ins need not survive a restart. A program adds hooks by
// embedding *Model in a type of its own.
//
//	model := memorymodel.New(nil)
//	err := model.AddClient(&oauth2server.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"},
//		Grants: []string{"authorization_code", "refresh_token"}}, secret)
//	err = model.AddUser(&oauth2server.User{ID: "u1"}, "andy", password)
//
// Codes, tokens and client secrets are kept as SHA-256 digests, passwords as bcrypt hashes. Every operation takes
// constant time, however much is stored. What has expired is dropped bit by bit whenever something is saved; there is
// no goroutine to stop.
package memorymodel

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Model keeps clients, users, codes and tokens in maps. It is safe for concurrent use. What it returns belongs to the
// caller; of the client and the user of a code or token it returns the ID.
type Model struct {
	options Options

	mu      sync.RWMutex
	clients map[string]client
	users   map[string]user                // by username
	userIDs map[string]string              // the username
	scopes  map[string]*oauth2server.Scope // by text, shared by what is stored
	codes   table[oauth2server.AuthorizationCode]
	access  table[storedToken]
	refresh table[storedToken]
	grants  table[grant]
}

var (
	_ oauth2server.Model                  = (*Model)(nil)
	_ oauth2server.AccessTokenModel       = (*Model)(nil)
	_ oauth2server.AccessTokenRevoker     = (*Model)(nil)
	_ oauth2server.AuthorizationCodeModel = (*Model)(nil)
	_ oauth2server.RefreshTokenModel      = (*Model)(nil)
	_ oauth2server.GrantLog               = (*Model)(nil)
	_ oauth2server.PasswordModel          = (*Model)(nil)
	_ oauth2server.ClientCredentialsModel = (*Model)(nil)
)

// Options are the deviations from the default. The zero value is the safe one; nil is allowed.
type Options struct {
	// InsecureAllowShortSecrets lets AddClient take secrets of fewer than 22 characters, which somebody could guess.
	InsecureAllowShortSecrets bool

	// PasswordCost is the cost of bcrypt: each step doubles the time that a password takes. 0: 10.
	PasswordCost int
}

// New returns an empty Model.
func New(opts *Options) *Model {
	m := &Model{
		clients: make(map[string]client),
		users:   make(map[string]user),
		userIDs: make(map[string]string),
		scopes:  make(map[string]*oauth2server.Scope),
		codes:   newTable[oauth2server.AuthorizationCode](),
		access:  newTable[storedToken](),
		refresh: newTable[storedToken](),
		grants:  newTable[grant](),
	}
	if opts != nil {
		m.options = *opts
	}
	return m
}

// digest is the key that stands for a secret string.
type digest [sha256.Size]byte

func digestOf(s string) digest { return sha256.Sum256([]byte(s)) }

// SaveToken implements [oauth2server.Model].
func (m *Model) SaveToken(ctx context.Context, token *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User) (*oauth2server.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, now := m.store(token), time.Now()
	m.access.put(digestOf(token.AccessToken), stored, token.AccessTokenExpiresAt, now)
	if token.RefreshToken != "" {
		m.refresh.put(digestOf(token.RefreshToken), stored, token.RefreshTokenExpiresAt, now)
	}
	saved := *token
	return &saved, nil
}

// GetAccessToken implements [oauth2server.AccessTokenModel].
func (m *Model) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	token, err := find(ctx, m, &m.access, accessToken)
	if err != nil {
		return nil, err
	}
	found := token.load()
	found.AccessToken = accessToken
	return found, nil
}

// RevokeAccessToken implements [oauth2server.AccessTokenRevoker].
func (m *Model) RevokeAccessToken(ctx context.Context, accessToken string) error {
	return remove(ctx, m, &m.access, accessToken)
}

// GetRefreshToken implements [oauth2server.RefreshTokenModel].
func (m *Model) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	token, err := find(ctx, m, &m.refresh, refreshToken)
	if err != nil {
		return nil, err
	}
	found := token.load()
	found.RefreshToken = refreshToken
	return found, nil
}

// RevokeToken implements [oauth2server.RefreshTokenModel].
func (m *Model) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return remove(ctx, m, &m.refresh, token.RefreshToken)
}

// SaveAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (m *Model) SaveAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode, _ *oauth2server.Client, _ *oauth2server.User) (*oauth2server.AuthorizationCode, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stored := copyCode(code)
	stored.Code = ""
	m.mu.Lock()
	defer m.mu.Unlock()
	m.codes.put(digestOf(code.Code), *stored, code.ExpiresAt, time.Now())
	saved := *code
	return &saved, nil
}

// GetAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (m *Model) GetAuthorizationCode(ctx context.Context, code string) (*oauth2server.AuthorizationCode, error) {
	stored, err := find(ctx, m, &m.codes, code)
	if err != nil {
		return nil, err
	}
	found := copyCode(stored)
	found.Code = code
	return found, nil
}

// RevokeAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (m *Model) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	return remove(ctx, m, &m.codes, code.Code)
}

// find returns what is stored under secret. It is shared and must not be changed.
func find[T any](ctx context.Context, m *Model, t *table[T], secret string) (*T, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := digestOf(secret)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if found, ok := t.entries[key]; ok {
		return &found.value, nil
	}
	return nil, oauth2server.ErrNotFound
}

// remove is the single-use gate: one caller finds the entry there.
func remove[T any](ctx context.Context, m *Model, t *table[T], secret string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	key := digestOf(secret)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := t.entries[key]; !ok {
		return oauth2server.ErrNotFound
	}
	delete(t.entries, key)
	return nil
}
