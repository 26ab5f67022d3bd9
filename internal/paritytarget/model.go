// This file has the models of the parity suite, each with more functions than
// the one before.

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// store is shared by all configurations: the fixture, and three maps of codes
// and tokens, which a reset fills.
type store struct {
	*fixture
	users   map[string]userRecord
	clients map[string]clientRecord
	faults  map[string]*fault // by code or token

	mu      sync.Mutex
	codes   map[string]*oauth2server.AuthorizationCode
	access  map[string]*oauth2server.Token
	refresh map[string]*oauth2server.Token
	spent   map[string]bool // codes and refresh tokens that were used
}

func newStore(f *fixture) *store {
	s := &store{
		fixture: f,
		users:   map[string]userRecord{},
		clients: map[string]clientRecord{},
		faults:  map[string]*fault{},
	}
	for _, u := range f.Users {
		s.users[u.Username] = u
	}
	for _, c := range f.Clients {
		s.clients[c.ID] = c
	}
	for _, c := range f.AuthorizationCodes {
		s.faults[c.AuthorizationCode] = c.Fault
	}
	for _, t := range append(f.AccessTokens[:len(f.AccessTokens):len(f.AccessTokens)], f.RefreshTokens...) {
		s.faults[t.AccessToken+t.RefreshToken] = t.Fault
	}
	s.reset()
	return s
}

func (s *store) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.codes, s.access = map[string]*oauth2server.AuthorizationCode{}, map[string]*oauth2server.Token{}
	s.refresh, s.spent = map[string]*oauth2server.Token{}, map[string]bool{}
	for _, r := range s.AuthorizationCodes {
		s.codes[r.AuthorizationCode] = r.code(now)
	}
	for _, r := range s.AccessTokens {
		s.access[r.AccessToken] = r.token(now)
	}
	for _, r := range s.RefreshTokens {
		s.refresh[r.RefreshToken] = r.token(now)
	}
}

// endGrant drops every token of a grant. If a client presents its spent code or
// token again, the grant ends: RFC 6749, section 4.1.2; RFC 9700, section
// 4.14.2. The caller holds the lock.
func (s *store) endGrant(id string) {
	for _, tokens := range []map[string]*oauth2server.Token{s.access, s.refresh} {
		for key, token := range tokens {
			if token.GrantID == id {
				delete(tokens, key)
			}
		}
	}
}

// callsKey is the context key for the names of the model functions that a
// request called.
type callsKey struct{}

func called(ctx context.Context, name string) {
	if calls, ok := ctx.Value(callsKey{}).(*[]string); ok {
		*calls = append(*calls, name)
	}
}

// minimal is the model in the test of egg-oauth2-server.
type minimal struct {
	*store
	filterScope bool
}

func (m minimal) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	called(ctx, "getClient")
	r, ok := m.clients[id]
	if err := r.Fault.in("getClient"); err != nil {
		return nil, err
	}
	if !ok || secret != "" && (r.Secret == nil || *r.Secret != secret) {
		return nil, nil
	}
	return &oauth2server.Client{
		ID:                   r.ID,
		RedirectURIs:         r.RedirectURIs,
		Grants:               r.Grants,
		Public:               r.Secret == nil,
		AccessTokenLifetime:  time.Duration(r.AccessTokenLifetime) * time.Second,
		RefreshTokenLifetime: time.Duration(r.RefreshTokenLifetime) * time.Second,
		Data:                 r,
	}, nil
}

func (m minimal) GetUser(
	ctx context.Context, username, password string, _ *oauth2server.Client,
) (*oauth2server.User, error) {
	called(ctx, "getUser")
	r, ok := m.users[username]
	if err := r.Fault.in("getUser"); err != nil {
		return nil, err
	}
	if !ok || r.Password == nil || *r.Password != password {
		return nil, nil
	}
	return &oauth2server.User{ID: username}, nil
}

func (m minimal) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	called(ctx, "getAccessToken")
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.access[accessToken], m.faults[accessToken].in("getAccessToken")
}

func (m minimal) SaveToken(
	ctx context.Context, token *oauth2server.Token, client *oauth2server.Client, user *oauth2server.User,
) (*oauth2server.Token, error) {
	called(ctx, "saveToken")
	f := m.clients[client.ID].Fault
	if err := f.in("saveToken"); err != nil {
		return nil, err
	}
	if f.is("saveToken", "returns-nothing") {
		return nil, nil
	}
	m.mu.Lock()
	m.access[token.AccessToken] = token
	if token.RefreshToken != "" {
		m.refresh[token.RefreshToken] = token
	}
	m.mu.Unlock()
	saved := *token
	saved.Extra = m.SavedTokenExtras
	switch {
	case f.is("saveToken", "returns-without-client"):
		saved.Client = nil
	case f.is("saveToken", "returns-without-user"):
		saved.User = nil
	case f.is("saveToken", "returns-without-access-token-expiry"):
		saved.AccessTokenExpiresAt = time.Time{}
	}
	return &saved, nil
}

// unscoped has everything but validateScope.
type unscoped struct{ minimal }

func (m unscoped) GetUserFromClient(
	ctx context.Context, client *oauth2server.Client,
) (*oauth2server.User, error) {
	called(ctx, "getUserFromClient")
	name := m.clients[client.ID].User
	if _, ok := m.users[name]; !ok {
		return nil, nil
	}
	return &oauth2server.User{ID: name}, nil
}

func (m unscoped) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, client *oauth2server.Client,
	_ *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	called(ctx, "saveAuthorizationCode")
	if err := m.clients[client.ID].Fault.in("saveAuthorizationCode"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.codes[code.Code] = code
	return code, nil
}

func (m unscoped) GetAuthorizationCode(
	ctx context.Context, code string,
) (*oauth2server.AuthorizationCode, error) {
	called(ctx, "getAuthorizationCode")
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.codes[code], m.faults[code].in("getAuthorizationCode")
}

func (m unscoped) RevokeAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode,
) error {
	called(ctx, "revokeAuthorizationCode")
	return m.spend(code.Code, code.GrantID, m.faults[code.Code].in("revokeAuthorizationCode"))
}

func (m unscoped) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	called(ctx, "getRefreshToken")
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refresh[refreshToken], m.faults[refreshToken].in("getRefreshToken")
}

func (m unscoped) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	called(ctx, "revokeToken")
	return m.spend(token.RefreshToken, token.GrantID, m.faults[token.RefreshToken].in("revokeToken"))
}

// spend is the single-use gate. A spent code or token is still found, so that
// its reuse is noticed.
func (m unscoped) spend(secret, grantID string, fault error) error {
	if fault != nil {
		return fault
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spent[secret] {
		m.endGrant(grantID)
		return oauth2server.ErrNotFound
	}
	m.spent[secret] = true
	return nil
}

func (m unscoped) VerifyScope(
	ctx context.Context, token *oauth2server.Token, scope oauth2server.Scope,
) (bool, error) {
	called(ctx, "verifyScope")
	return token.Scope.Contains(scope...), nil
}

// scoped is the whole model.
type scoped struct{ unscoped }

func (m scoped) ValidateScope(
	ctx context.Context, user *oauth2server.User, _ *oauth2server.Client, scope oauth2server.Scope,
) (oauth2server.Scope, error) {
	called(ctx, "validateScope")
	switch {
	case m.users[user.ID].Fault.is("validateScope", "returns-nothing"):
		return nil, nil
	case len(scope) == 0:
		return m.DefaultScope, nil
	case m.Scopes.Contains(scope...):
		return scope, nil
	case !m.filterScope:
		return nil, nil
	}
	var known oauth2server.Scope
	for _, token := range scope {
		if m.Scopes.Contains(token) {
			known = append(known, token)
		}
	}
	return known, nil
}

// redirecting checks redirection URIs itself.
type redirecting struct{ scoped }

func (m redirecting) ValidateRedirectURI(
	ctx context.Context, uri string, client *oauth2server.Client,
) (bool, error) {
	called(ctx, "validateRedirectUri")
	first := client.RedirectURIs[0]
	return len(uri) >= len(first) && uri[:len(first)] == first, nil
}

// generating makes its own codes and tokens.
type generating struct{ scoped }

func (m generating) GenerateAccessToken(
	ctx context.Context, _ *oauth2server.Client, _ *oauth2server.User, _ oauth2server.Scope,
) (string, error) {
	called(ctx, "generateAccessToken")
	return random("cat."), nil
}

func (m generating) GenerateRefreshToken(
	ctx context.Context, _ *oauth2server.Client, _ *oauth2server.User, _ oauth2server.Scope,
) (string, error) {
	called(ctx, "generateRefreshToken")
	return random("crt."), nil
}

func (m generating) GenerateAuthorizationCode(
	ctx context.Context, _ *oauth2server.Client, _ *oauth2server.User, _ oauth2server.Scope,
) (string, error) {
	called(ctx, "generateAuthorizationCode")
	return random("cac."), nil
}

func random(prefix string) string {
	var b [12]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}
