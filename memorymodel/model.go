// Package memorymodel is an [oauth2server.Model] in memory, for tests,
// demonstrations and programs whose sign-ins need not survive a restart. It has
// every interface that stores something and none of the hooks. A program adds
// hooks by embedding *Model in a type of its own. With users and clients of its
// own, it embeds [Grants] instead.
//
//	model := memorymodel.New(nil)
//	err := model.AddClient(&oauth2server.Client{
//		ID:           "app",
//		RedirectURIs: []string{"https://app.example/callback"},
//		Grants:       []string{"authorization_code", "refresh_token"},
//	}, secret)
//	err = model.AddUser(&oauth2server.User{ID: "u1"}, "andy", password)
//
// Codes and tokens are kept as 160 bits of their SHA-256 digests, client
// secrets as whole digests, passwords as hashes. A request takes constant time,
// however much is stored; [Grants.UserGrants], [Grants.RevokeUser] and
// [Grants.RevokeClient] scan everything. Saving drops a little of what has
// expired; there is no goroutine to stop. Its memory is used again.
package memorymodel

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
	"github.com/seed-11d18166/oauth2server/internal/digest"
	"github.com/seed-11d18166/oauth2server/internal/extra"
	"github.com/seed-11d18166/oauth2server/internal/millis"
)

// Grants keeps codes, tokens and the log of each grant. A program with users
// and clients of its own embeds it in its model, and adds GetClient and what
// else it needs. It is safe for concurrent use; readers wait only while another
// goroutine writes to one of the same small parts. What it returns belongs to
// the caller. Of the client and the user of a code or token it returns only the
// ID.
type Grants struct {
	codes   table[text]
	access  table[text]
	refresh table[text]
	grants  table[grant]
	texts   texts
}

// Model is [Grants] with clients and users.
type Model struct {
	*Grants
	options   Options
	passwords *credential.Passwords

	registering sync.Mutex // held while users change, as a user has two keys
	clients     sync.Map   // *client by ID
	users       sync.Map   // *user by username
	userIDs     sync.Map   // *user by ID
	clientOrder order
	userOrder   order

	deletedMu sync.Mutex
	deleted   []deleted // clients, the earliest first
}

var (
	_ oauth2server.AccessTokenModel       = (*Grants)(nil)
	_ oauth2server.AccessTokenRevoker     = (*Grants)(nil)
	_ oauth2server.AuthorizationCodeModel = (*Grants)(nil)
	_ oauth2server.RefreshTokenModel      = (*Grants)(nil)
	_ oauth2server.GrantLog               = (*Grants)(nil)
	_ oauth2server.Model                  = (*Model)(nil)
	_ oauth2server.PasswordModel          = (*Model)(nil)
	_ oauth2server.ClientCredentialsModel = (*Model)(nil)
)

// Options are deviations from the defaults. The zero value is the safe one; nil
// means the zero value.
type Options struct {
	// InsecureAllowShortSecrets allows client secrets of fewer than 22
	// characters, which can be guessed.
	InsecureAllowShortSecrets bool

	// PasswordCost is the cost of bcrypt: each step doubles the time that a
	// password takes. Below 4 it means 10; above 31, adding users and signing
	// in fail.
	PasswordCost int

	// ExtensionGrants names further grants that clients may have: those of
	// [oauth2server.Options.ExtensionGrants] that are not URIs. The five
	// built-in grants and absolute URIs are always allowed.
	ExtensionGrants []string
}

// New returns an empty Model.
func New(opts *Options) *Model {
	m := &Model{Grants: NewGrants()}
	if opts != nil {
		m.options = *opts
		m.options.ExtensionGrants = slices.Clone(opts.ExtensionGrants)
	}
	m.passwords = credential.NewPasswords(m.options.PasswordCost)
	return m
}

// NewGrants returns an empty Grants.
func NewGrants() *Grants { return &Grants{} }

// key is 160 bits of the digest of a secret string: as hard to guess as a token
// should be (RFC 6749, section 10.10).
type key [20]byte

func keyOf(secret string) key {
	sum := digest.Of(secret)
	return key(sum[:])
}

// SaveToken implements [oauth2server.Model]. If AccessToken or RefreshToken is
// empty, only the other is stored. There is an error if Extra has a value that
// it may not have.
func (g *Grants) SaveToken(
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
	var buffer [enough]byte
	data := appendToken(buffer[:0], token)
	g.save(data, attached{attributes, token.Details.Clone()},
		under{&g.access, token.AccessToken, token.AccessTokenExpiresAt},
		under{&g.refresh, token.RefreshToken, token.RefreshTokenExpiresAt})
	if attributes != nil {
		saved := *token
		saved.Extra = extra.Copy(attributes)
		return &saved, nil
	}
	return token, nil
}

// GetAccessToken implements [oauth2server.AccessTokenModel].
func (g *Grants) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	var buffer [enough]byte
	data, more, err := find(ctx, &g.access, accessToken, buffer[:0])
	if err != nil {
		return nil, err
	}
	found := loadToken(data, more)
	found.AccessToken = accessToken
	return found, nil
}

// RevokeAccessToken implements [oauth2server.AccessTokenRevoker].
func (g *Grants) RevokeAccessToken(ctx context.Context, accessToken string) error {
	return remove(ctx, &g.access, accessToken)
}

// GetRefreshToken implements [oauth2server.RefreshTokenModel].
func (g *Grants) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	var buffer [enough]byte
	data, more, err := find(ctx, &g.refresh, refreshToken, buffer[:0])
	if err != nil {
		return nil, err
	}
	found := loadToken(data, more)
	found.RefreshToken = refreshToken
	return found, nil
}

// RevokeToken implements [oauth2server.RefreshTokenModel].
func (g *Grants) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return remove(ctx, &g.refresh, token.RefreshToken)
}

// SaveAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, _ *oauth2server.Client,
	_ *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var buffer [enough]byte
	g.save(appendCode(buffer[:0], code), attached{details: code.Details.Clone()},
		under{&g.codes, code.Code, code.ExpiresAt})
	return code, nil
}

// GetAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) GetAuthorizationCode(
	ctx context.Context, code string,
) (*oauth2server.AuthorizationCode, error) {
	var buffer [enough]byte
	data, more, err := find(ctx, &g.codes, code, buffer[:0])
	if err != nil {
		return nil, err
	}
	found := loadCode(string(data), more)
	found.Code = code
	return found, nil
}

// RevokeAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	return remove(ctx, &g.codes, code.Code)
}

// under is a table and the secret that finds a record there.
type under struct {
	table   *table[text]
	secret  string // empty: not in this table
	expires time.Time
}

// save stores data once, to be found in several ways, and drops some of what
// has expired.
func (g *Grants) save(data []byte, more attached, ways ...under) {
	var holders uint8
	for _, way := range ways {
		if way.secret != "" {
			holders++
		}
	}
	var stored text
	for _, way := range ways {
		if way.secret == "" {
			continue
		}
		k := keyOf(way.secret)
		if stored.first == 0 {
			stored = g.texts.put(&k, data, holders)
		}
		add(way.table, &g.texts, &k, stored, more, periodOf(millis.Of(way.expires)))
	}
}

// add adds a stored token or code to a table.
func add(t *table[text], all *texts, k *key, stored text, more attached, expires period) {
	s := t.of(*k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	p := s.add(all, k, expires)
	s.slots.at(p).record = stored
	if more.extra != nil || more.details != nil {
		if s.attached == nil {
			s.attached = make(map[place]attached)
		}
		s.attached[p] = more
	}
}

// find appends what is stored under secret to data.
func find(
	ctx context.Context, t *table[text], secret string, data []byte,
) (_ []byte, more attached, err error) {
	if err := ctx.Err(); err != nil {
		return nil, more, err
	}
	k := keyOf(secret)
	s := t.of(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.find(&k)
	if p == 0 {
		return nil, more, oauth2server.ErrNotFound
	}
	return s.texts.appendTo(data, s.slots.at(p).record), s.attached[p], nil
}

func remove(ctx context.Context, t *table[text], secret string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !t.remove(keyOf(secret)) {
		return oauth2server.ErrNotFound
	}
	return nil
}
