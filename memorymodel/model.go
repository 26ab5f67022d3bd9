// Package memorymodel is an [oauth2server.Model] in memory, for tests,
// demonstrations and programs whose sign-ins need not survive a restart. It has
// every interface that stores something and none of the hooks. A program adds
// hooks by embedding *Model in a type of its own.
//
//	model := memorymodel.New(nil)
//	err := model.AddClient(&oauth2server.Client{
//		ID:           "app",
//		RedirectURIs: []string{"https://app.example/callback"},
//		Grants:       []string{"authorization_code", "refresh_token"},
//	}, secret)
//	err = model.AddUser(&oauth2server.User{ID: "u1"}, "andy", password)
//
// Codes, tokens and client secrets are kept as SHA-256 digests, passwords as
// hashes. Every operation takes constant time, however much is stored. Each
// save drops a little of what has expired; there is no goroutine to stop.
package memorymodel

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
	"github.com/seed-11d18166/oauth2server/internal/digest"
	"github.com/seed-11d18166/oauth2server/internal/extra"
)

// Model keeps clients, users, codes and tokens in maps. It is safe for
// concurrent use; readers wait only while another goroutine writes to the same
// shard of a map. What it returns belongs to the caller. Of the client and the
// user of a code or token it returns only the ID.
type Model struct {
	options   Options
	passwords *credential.Passwords

	registering sync.Mutex // held while users change, as a user has two keys
	clients     sync.Map   // *client by ID
	users       sync.Map   // *user by username
	userIDs     sync.Map   // *user by ID
	clientOrder order
	userOrder   order
	sharing     sharing

	deletedMu sync.Mutex
	deleted   []deleted // clients, the earliest first

	codes   table[*storedCode]
	access  table[*accessToken]
	refresh table[*refreshToken]
	grants  table[*grant]
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

// Options are deviations from the defaults. The zero value is the safe one; nil
// means the zero value.
type Options struct {
	// InsecureAllowShortSecrets lets AddClient take secrets of fewer than 22
	// characters, which can be guessed.
	InsecureAllowShortSecrets bool

	// PasswordCost is the cost of bcrypt: each step doubles the time that a
	// password takes. 0 means 10.
	PasswordCost int

	// ExtensionGrants names further grants that clients may have: those of
	// [oauth2server.Options.ExtensionGrants] that are not URIs. The five
	// built-in grants and absolute URIs are always allowed.
	ExtensionGrants []string
}

// New returns an empty Model.
func New(opts *Options) *Model {
	m := &Model{}
	if opts != nil {
		m.options = *opts
		m.options.ExtensionGrants = slices.Clone(opts.ExtensionGrants)
	}
	m.passwords = credential.NewPasswords(m.options.PasswordCost)
	return m
}

// key is the digest of a secret string.
type key [sha256.Size]byte

func keyOf(secret string) key { return digest.Of(secret) }

// SaveToken implements [oauth2server.Model]. Either string may be empty: then
// only the other token is stored.
func (m *Model) SaveToken(
	ctx context.Context, token *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User,
) (*oauth2server.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	attributes, err := extra.Canonical(token.Extra)
	if err != nil {
		_, err = token.MarshalBinary() // its error tells the server whose mistake it was
		return nil, err
	}
	stored, now := m.store(token, attributes), time.Now()
	if token.AccessToken != "" {
		m.access.put(keyOf(token.AccessToken), (*accessToken)(stored), now)
	}
	if token.RefreshToken != "" {
		m.refresh.put(keyOf(token.RefreshToken), (*refreshToken)(stored), now)
	}
	if attributes != nil {
		saved := *token
		saved.Extra = extra.Copy(attributes)
		return &saved, nil
	}
	return token, nil
}

// GetAccessToken implements [oauth2server.AccessTokenModel].
func (m *Model) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	stored, err := find(ctx, &m.access, accessToken)
	if err != nil {
		return nil, err
	}
	found := (*storedToken)(stored).load()
	found.AccessToken = accessToken
	return found, nil
}

// RevokeAccessToken implements [oauth2server.AccessTokenRevoker].
func (m *Model) RevokeAccessToken(ctx context.Context, accessToken string) error {
	return remove(ctx, &m.access, accessToken)
}

// GetRefreshToken implements [oauth2server.RefreshTokenModel].
func (m *Model) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	stored, err := find(ctx, &m.refresh, refreshToken)
	if err != nil {
		return nil, err
	}
	found := (*storedToken)(stored).load()
	found.RefreshToken = refreshToken
	return found, nil
}

// RevokeToken implements [oauth2server.RefreshTokenModel].
func (m *Model) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return remove(ctx, &m.refresh, token.RefreshToken)
}

// SaveAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (m *Model) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, _ *oauth2server.Client,
	_ *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.codes.put(keyOf(code.Code), m.storeCode(code), time.Now())
	return code, nil
}

// GetAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (m *Model) GetAuthorizationCode(
	ctx context.Context, code string,
) (*oauth2server.AuthorizationCode, error) {
	stored, err := find(ctx, &m.codes, code)
	if err != nil {
		return nil, err
	}
	found := stored.load()
	found.Code = code
	return found, nil
}

// RevokeAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (m *Model) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	return remove(ctx, &m.codes, code.Code)
}

// find returns what is stored under secret. The result is shared and must not
// be changed.
func find[T record](ctx context.Context, t *table[T], secret string) (found T, err error) {
	if err := ctx.Err(); err != nil {
		return found, err
	}
	found, ok := t.get(keyOf(secret))
	if !ok {
		return found, oauth2server.ErrNotFound
	}
	return found, nil
}

func remove[T record](ctx context.Context, t *table[T], secret string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !t.remove(keyOf(secret)) {
		return oauth2server.ErrNotFound
	}
	return nil
}
