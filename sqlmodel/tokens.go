// This file stores codes and tokens under their digests.

package sqlmodel

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-11d18166/oauth2server"
)

// The kinds of tokens in their table.
const (
	accessToken  = "access"
	refreshToken = "refresh"
)

func (g *Grants) tokenStatements() {
	const tokens = `INSERT INTO {tokens} (kind, digest, client_id, user_id, grant_id, expires_at, record) VALUES `
	const row = `(?, ?, ?, ?, ?, ?, ?)`
	g.insertCode = g.statement("save a code",
		`INSERT INTO {codes} (digest, client_id, user_id, grant_id, expires_at, record)
		VALUES (?, ?, ?, ?, ?, ?)`+g.dialect.ifFree())
	g.findCode = g.statement("find a code", `SELECT record FROM {codes} WHERE digest = ?`)
	g.deleteCode = g.statement("delete a code", `DELETE FROM {codes} WHERE digest = ?`)
	g.insertToken = g.statement("save a token", tokens+row+g.dialect.ifFree())
	g.insertTokens = g.statement("save tokens", tokens+row+", "+row+g.dialect.ifFree())
	g.findToken = g.statement("find a token", `SELECT record FROM {tokens} WHERE digest = ? AND kind = ?`)
	g.deleteToken = g.statement("delete a token", `DELETE FROM {tokens} WHERE digest = ? AND kind = ?`)
}

// SaveToken implements [oauth2server.Model], by one statement. Saving the same
// token again is no error; another one with the same string is. Either string may
// be empty: then only the other token is stored.
func (g *Grants) SaveToken(
	ctx context.Context, token *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User,
) (*oauth2server.Token, error) {
	record, err := token.MarshalBinary()
	if err := errors.Join(err, checkIDs(clientID(token.Client), userID(token.User))); err != nil {
		return nil, err
	}
	var rows [][]any
	for _, one := range []struct {
		kind, secret string
		expiresAt    any
	}{
		{accessToken, token.AccessToken, millis(token.AccessTokenExpiresAt)},
		{refreshToken, token.RefreshToken, millis(token.RefreshTokenExpiresAt)},
	} {
		if one.secret != "" {
			rows = append(rows, []any{one.kind, oauth2server.Digest(one.secret), clientID(token.Client),
				userID(token.User), token.GrantID, one.expiresAt, string(record)})
		}
	}
	switch len(rows) {
	case 0:
		err = ctx.Err()
	case 1:
		err = g.insert(ctx, g.insertToken, rows)
	default:
		err = g.insert(ctx, g.insertTokens, rows)
	}
	if err != nil {
		return nil, err
	}
	saved := *token
	return &saved, nil
}

// insert stores tokens whose digests must be free. If the same record is there
// already, that is success: the reply to an earlier insert was lost.
func (g *Grants) insert(ctx context.Context, statement *statement, rows [][]any) error {
	affected, err := statement.exec(ctx, slices.Concat(rows...)...)
	if err != nil || affected == int64(len(rows)) {
		return err
	}
	for _, row := range rows {
		kind, digest, record := row[0], row[1], row[len(row)-1]
		there, err := first(ctx, g.findToken, text, digest, kind)
		if err != nil {
			return err
		}
		if there != record {
			return fmt.Errorf("sqlmodel: another %v token has this digest: %w", kind, oauth2server.ErrExists)
		}
	}
	return nil
}

// GetAccessToken implements [oauth2server.AccessTokenModel].
func (g *Grants) GetAccessToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	found := &oauth2server.Token{AccessToken: token}
	return found, find(ctx, g.findToken, found, oauth2server.Digest(token), accessToken)
}

// GetRefreshToken implements [oauth2server.RefreshTokenModel].
func (g *Grants) GetRefreshToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	found := &oauth2server.Token{RefreshToken: token}
	return found, find(ctx, g.findToken, found, oauth2server.Digest(token), refreshToken)
}

// RevokeAccessToken implements [oauth2server.AccessTokenRevoker].
func (g *Grants) RevokeAccessToken(ctx context.Context, token string) error {
	return g.deleteToken.change(ctx, oauth2server.Digest(token), accessToken)
}

// RevokeToken implements [oauth2server.RefreshTokenModel]. The server calls it
// only for tokens that it did not hand out; otherwise the log decides.
func (g *Grants) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return g.deleteToken.change(ctx, oauth2server.Digest(token.RefreshToken), refreshToken)
}

// revokedAtOnce is how many tokens one statement revokes.
const revokedAtOnce = 100

// RevokeAccessTokens implements [oauth2server.GrantLog]. After an error, some of
// the tokens may be left.
func (g *Grants) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	for some := range slices.Chunk(digests, revokedAtOnce) {
		args := []any{accessToken}
		for _, digest := range some {
			args = append(args, digest)
		}
		statement := g.statement("revoke tokens", `DELETE FROM {tokens} WHERE kind = ? AND digest IN (?`+
			strings.Repeat(", ?", len(some)-1)+`)`)
		if _, err := statement.once().exec(ctx, args...); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// SaveAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, _ *oauth2server.Client, _ *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	record, err := code.MarshalBinary()
	if err := errors.Join(err, checkIDs(clientID(code.Client), userID(code.User))); err != nil {
		return nil, err
	}
	digest := oauth2server.Digest(code.Code)
	affected, err := g.insertCode.exec(ctx, digest, clientID(code.Client), userID(code.User), code.GrantID,
		millis(code.ExpiresAt), string(record))
	if err != nil {
		return nil, err
	}
	if affected != 1 {
		switch there, err := first(ctx, g.findCode, text, digest); {
		case err != nil:
			return nil, err
		case there != string(record):
			return nil, fmt.Errorf("sqlmodel: another code has this digest: %w", oauth2server.ErrExists)
		}
	}
	saved := *code
	return &saved, nil
}

// GetAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) GetAuthorizationCode(
	ctx context.Context, code string,
) (*oauth2server.AuthorizationCode, error) {
	found := &oauth2server.AuthorizationCode{Code: code}
	return found, find(ctx, g.findCode, found, oauth2server.Digest(code))
}

// RevokeAuthorizationCode implements [oauth2server.AuthorizationCodeModel]. The
// server does not call it, as the model has a log.
func (g *Grants) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	return g.deleteCode.change(ctx, oauth2server.Digest(code.Code))
}

// find fills found with the record that a statement returns.
func find(ctx context.Context, s *statement, found encoding.BinaryUnmarshaler, args ...any) error {
	record, err := first(ctx, s, text, args...)
	if err != nil {
		return err
	}
	if err := found.UnmarshalBinary([]byte(record)); err != nil {
		return fmt.Errorf("sqlmodel: %s: %w", s.what, err)
	}
	return nil
}

func clientID(c *oauth2server.Client) string {
	if c == nil {
		return ""
	}
	return c.ID
}

func userID(u *oauth2server.User) string {
	if u == nil {
		return ""
	}
	return u.ID
}
