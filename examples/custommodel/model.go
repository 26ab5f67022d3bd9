package main

import (
	"context"
	"crypto/subtle"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
)

// model answers oauth2server's questions from the shop. Codes and tokens become rows under their digest: who reads the
// table cannot use them.
type model struct{ shop *shop }

var (
	_ oauth2server.Model                  = (*model)(nil)
	_ oauth2server.AccessTokenModel       = (*model)(nil)
	_ oauth2server.AuthorizationCodeModel = (*model)(nil)
	_ oauth2server.RefreshTokenModel      = (*model)(nil)
	_ oauth2server.PasswordModel          = (*model)(nil)
)

func (m *model) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	p, ok := m.shop.partners[id]
	if secret != "" && subtle.ConstantTimeCompare([]byte(oauth2server.Digest(secret)), []byte(p.secretDigest)) != 1 {
		ok = false
	}
	if !ok {
		return nil, oauth2server.ErrNotFound
	}
	return &oauth2server.Client{ID: id, RedirectURIs: []string{p.callback}, Scope: oauth2server.Scope{"orders"},
		Grants: []string{"authorization_code", "refresh_token", "password"}, Data: p}, nil
}

func (m *model) GetUser(ctx context.Context, username, password string, _ *oauth2server.Client) (*oauth2server.User, error) {
	c, ok := m.shop.customers[username]
	if !ok {
		c = m.shop.nobody // so that an unknown address takes as long as a known one
	}
	if bcrypt.CompareHashAndPassword(c.password, []byte(password)) != nil || !ok {
		return nil, oauth2server.ErrNotFound
	}
	return &oauth2server.User{ID: c.number, Data: c}, nil
}

// ValidateScope gives "orders" to whoever asks for nothing.
func (m *model) ValidateScope(ctx context.Context, _ *oauth2server.User, _ *oauth2server.Client, scope oauth2server.Scope) (oauth2server.Scope, error) {
	if len(scope) == 0 {
		return oauth2server.Scope{"orders"}, nil
	}
	return scope, nil
}

// The tables: a letter for the kind of thing, and the digest.
func accessKey(token string) string  { return "a" + oauth2server.Digest(token) }
func refreshKey(token string) string { return "r" + oauth2server.Digest(token) }
func codeKey(code string) string     { return "c" + oauth2server.Digest(code) }

func (m *model) SaveToken(ctx context.Context, token *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User) (*oauth2server.Token, error) {
	row, err := token.MarshalBinary()
	if err != nil {
		return nil, err
	}
	m.shop.insert(accessKey(token.AccessToken), row)
	if token.RefreshToken != "" {
		m.shop.insert(refreshKey(token.RefreshToken), row)
	}
	return token, nil
}

func (m *model) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	return m.token(accessKey(accessToken))
}

func (m *model) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	return m.token(refreshKey(refreshToken))
}

func (m *model) token(key string) (*oauth2server.Token, error) {
	row, ok := m.shop.find(key)
	if !ok {
		return nil, oauth2server.ErrNotFound
	}
	token := new(oauth2server.Token)
	return token, token.UnmarshalBinary(row)
}

func (m *model) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return m.spend(refreshKey(token.RefreshToken))
}

// spend is the single-use gate.
func (m *model) spend(key string) error {
	if !m.shop.delete(key) {
		return oauth2server.ErrNotFound
	}
	return nil
}

func (m *model) SaveAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode, _ *oauth2server.Client, _ *oauth2server.User) (*oauth2server.AuthorizationCode, error) {
	row, err := code.MarshalBinary()
	if err != nil {
		return nil, err
	}
	m.shop.insert(codeKey(code.Code), row)
	return code, nil
}

func (m *model) GetAuthorizationCode(ctx context.Context, code string) (*oauth2server.AuthorizationCode, error) {
	row, ok := m.shop.find(codeKey(code))
	if !ok {
		return nil, oauth2server.ErrNotFound
	}
	found := new(oauth2server.AuthorizationCode)
	return found, found.UnmarshalBinary(row)
}

func (m *model) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	return m.spend(codeKey(code.Code))
}
