// This file answers the questions of oauth2server from the shop's database.

package main

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding"
	"errors"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// model implements the interfaces of oauth2server on the shop's database; see
// schema.sql. Each step is one statement, so there are no transactions and no
// locks, and any number of processes may share the database.
type model struct{ shop *shop }

var (
	_ oauth2server.Model                  = (*model)(nil)
	_ oauth2server.AccessTokenModel       = (*model)(nil)
	_ oauth2server.AccessTokenRevoker     = (*model)(nil)
	_ oauth2server.AuthorizationCodeModel = (*model)(nil)
	_ oauth2server.RefreshTokenModel      = (*model)(nil)
	_ oauth2server.GrantLog               = (*model)(nil)
	_ oauth2server.PasswordModel          = (*model)(nil)
	_ oauth2server.ClientCredentialsModel = (*model)(nil)
)

func (m *model) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	p, err := m.shop.partner(ctx, id)
	if err != nil {
		return nil, failure(ctx, err)
	}
	if secret != "" &&
		subtle.ConstantTimeCompare([]byte(oauth2server.Digest(secret)),
			[]byte(p.secretDigest.String)) != 1 {
		return nil, oauth2server.ErrNotFound
	}
	return clientOf(id, p), nil
}

// clientOf returns the client of a partner.
func clientOf(id string, p partner) *oauth2server.Client {
	client := &oauth2server.Client{
		ID:           id,
		RedirectURIs: []string{p.callback},
		Scope:        oauth2server.Scope{"orders"},
		Grants:       []string{"authorization_code", "refresh_token"},
		Public:       !p.secretDigest.Valid,
		Data:         p,
	}
	if !client.Public {
		client.Grants = append(client.Grants, "client_credentials", "password")
	}
	return client
}

func (m *model) GetUser(
	ctx context.Context, username, password string, _ *oauth2server.Client,
) (*oauth2server.User, error) {
	c, err := m.shop.signIn(ctx, username, password)
	if err != nil {
		return nil, failure(ctx, err)
	}
	return &oauth2server.User{ID: c.number, Data: c}, nil
}

// GetUserFromClient lets a partner act for itself, under an ID that no customer
// has.
func (m *model) GetUserFromClient(
	ctx context.Context, client *oauth2server.Client,
) (*oauth2server.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &oauth2server.User{ID: "partner:" + client.ID}, nil
}

// SaveToken needs no transaction for its two rows: after a failure, neither
// token leaves the server.
func (m *model) SaveToken(
	ctx context.Context, token *oauth2server.Token, client *oauth2server.Client, user *oauth2server.User,
) (*oauth2server.Token, error) {
	var err error
	if token.AccessToken != "" { // always so when the server calls it
		err = m.save(ctx, "access", token.AccessToken, client, user, token.GrantID,
			token.AccessTokenExpiresAt, token)
	}
	if err == nil && token.RefreshToken != "" {
		err = m.save(ctx, "refresh", token.RefreshToken, client, user, token.GrantID,
			token.RefreshTokenExpiresAt, token)
	}
	return token, err
}

func (m *model) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	token := &oauth2server.Token{AccessToken: accessToken}
	return token, m.find(ctx, token, findToken, "access", oauth2server.Digest(accessToken))
}

func (m *model) RevokeAccessToken(ctx context.Context, accessToken string) error {
	return m.change(ctx, deleteToken, "access", oauth2server.Digest(accessToken))
}

func (m *model) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	token := &oauth2server.Token{RefreshToken: refreshToken}
	return token, m.find(ctx, token, findToken, "refresh", oauth2server.Digest(refreshToken))
}

func (m *model) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return m.change(ctx, deleteToken, "refresh", oauth2server.Digest(token.RefreshToken))
}

func (m *model) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, client *oauth2server.Client,
	user *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	return code, m.save(ctx, "code", code.Code, client, user, code.GrantID, code.ExpiresAt, code)
}

func (m *model) GetAuthorizationCode(
	ctx context.Context, presented string,
) (*oauth2server.AuthorizationCode, error) {
	code := &oauth2server.AuthorizationCode{Code: presented}
	return code, m.find(ctx, code, findToken, "code", oauth2server.Digest(presented))
}

func (m *model) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	return m.change(ctx, deleteToken, "code", oauth2server.Digest(code.Code))
}

// AppendGrant relies on the primary key, so that a place is taken once.
func (m *model) AppendGrant(
	ctx context.Context, entry *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	record, err := entry.MarshalBinary()
	if err != nil {
		return nil, err
	}
	err = m.change(
		ctx, `INSERT INTO oauth_grant_log (grant_id, seq, client_id, user_id, expires_at, record)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		entry.GrantID, entry.Seq, entry.ClientID, entry.UserID, entry.ExpiresAt.UnixMilli(),
		string(record))
	if !errors.Is(err, oauth2server.ErrNotFound) {
		return entry, err
	}
	there := new(oauth2server.GrantEntry)
	err = m.find(ctx, there, `SELECT record FROM oauth_grant_log WHERE grant_id = $1 AND seq = $2`,
		entry.GrantID, entry.Seq)
	if err != nil {
		return nil, err
	}
	return there, oauth2server.ErrExists
}

func (m *model) GrantEntries(
	ctx context.Context, grantID string, from int,
) ([]*oauth2server.GrantEntry, error) {
	return m.entries(ctx, `SELECT record FROM oauth_grant_log WHERE grant_id = $1 AND seq >= $2
		ORDER BY seq LIMIT $3`, grantID, from, oauth2server.GrantPage)
}

func (m *model) entries(
	ctx context.Context, query string, args ...any,
) (entries []*oauth2server.GrantEntry, err error) {
	rows, err := m.shop.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		entry := new(oauth2server.GrantEntry)
		if err := read(rows, entry); err != nil {
			return nil, failure(ctx, err)
		}
		entries = append(entries, entry)
	}
	return entries, failure(ctx, rows.Err())
}

func (m *model) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	for _, digest := range digests {
		if err := m.change(ctx, deleteToken, "access", digest); err != nil &&
			!errors.Is(err, oauth2server.ErrNotFound) {
			return err
		}
	}
	return nil
}

const (
	findToken   = `SELECT record FROM oauth_tokens WHERE kind = $1 AND digest = $2`
	deleteToken = `DELETE FROM oauth_tokens WHERE kind = $1 AND digest = $2`
)

func (m *model) save(
	ctx context.Context, kind, secret string, client *oauth2server.Client, user *oauth2server.User,
	grantID string, expires time.Time, thing encoding.BinaryMarshaler,
) error {
	record, err := thing.MarshalBinary()
	if err != nil {
		return err
	}
	return m.change(
		ctx, `INSERT INTO oauth_tokens (kind, digest, client_id, user_id, grant_id, expires_at, record)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, kind, oauth2server.Digest(secret), client.ID, user.ID, grantID,
		sql.NullInt64{Int64: expires.UnixMilli(), Valid: !expires.IsZero()}, string(record))
}

func (m *model) find(
	ctx context.Context, thing encoding.BinaryUnmarshaler, query string, args ...any,
) error {
	return failure(ctx, read(m.shop.db.QueryRowContext(ctx, query, args...), thing))
}

// read decodes the only column of a row.
func read(row interface{ Scan(...any) error }, thing encoding.BinaryUnmarshaler) error {
	var record []byte
	if err := row.Scan(&record); err != nil {
		return err
	}
	return thing.UnmarshalBinary(record)
}

// change returns ErrNotFound if the statement changed nothing. That is the
// single-use gate: of concurrent statements that delete a row, or insert one
// with the same key, only one changes something.
func (m *model) change(ctx context.Context, statement string, args ...any) error {
	result, err := m.shop.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return failure(ctx, err)
	}
	changed, err := result.RowsAffected()
	if err == nil && changed == 0 {
		return oauth2server.ErrNotFound
	}
	return err
}

// failure translates err into the errors of the contract. Drivers have their
// own errors for a cancelled context.
func failure(ctx context.Context, err error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, sql.ErrNoRows):
		return oauth2server.ErrNotFound
	}
	return err
}
