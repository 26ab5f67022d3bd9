package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// What the program calls, not the server.

// UserGrants returns what a user granted and what still works, for a page of connected apps.
func (m *model) UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error) {
	entries, err := m.entries(ctx, `SELECT record FROM oauth_grant_log WHERE user_id = $1`, userID)
	return oauth2server.LiveGrants(entries), err
}

// RevokeUser ends every grant of a user, say when the password changes.
func (m *model) RevokeUser(ctx context.Context, userID string) error {
	return m.revokeWhere(ctx, `user_id = $2`, userID)
}

// RevokeUserClient ends what a user granted to one client, say on that page.
func (m *model) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	return m.revokeWhere(ctx, `user_id = $2 AND client_id = $3`, userID, clientID)
}

// revokeWhere ends the grants of those codes and tokens. What still works has a row, so the rows tell which grants there
// are; codes once more, as where consent is remembered the grants may have brought forth another one meanwhile. The
// condition counts its arguments from $2.
func (m *model) revokeWhere(ctx context.Context, condition string, args ...any) error {
	if err := m.revokeRows(ctx, condition, args...); err != nil {
		return err
	}
	return m.revokeRows(ctx, `kind = 'code' AND `+condition, args...)
}

func (m *model) revokeRows(ctx context.Context, condition string, args ...any) error {
	for grantID := ""; ; {
		var until int64
		err := m.shop.db.QueryRowContext(ctx, `SELECT grant_id, COALESCE(MAX(expires_at), 0) FROM oauth_tokens
			WHERE grant_id > $1 AND `+condition+` GROUP BY grant_id ORDER BY grant_id LIMIT 1`,
			append([]any{grantID}, args...)...).Scan(&grantID, &until)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = oauth2server.RevokeGrant(ctx, m, grantID, time.UnixMilli(until))
		}
		if err != nil {
			return failure(ctx, err)
		}
	}
}

// DeleteExpired makes room. The hour is for clocks that differ. A log goes as a whole, when its last entry may: an end
// without its beginning would not tell that the grant's first place was taken.
func (m *model) DeleteExpired(ctx context.Context) error {
	for _, statement := range []string{`DELETE FROM oauth_tokens WHERE expires_at < $1`,
		`DELETE FROM oauth_grant_log WHERE expires_at < $1 AND grant_id NOT IN
			(SELECT grant_id FROM oauth_grant_log WHERE expires_at >= $1)`} {
		err := m.change(ctx, statement, time.Now().Add(-time.Hour).UnixMilli())
		if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
			return err
		}
	}
	return nil
}
