package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// What the program calls, not the server.

// RevokeUser ends every grant of a user, say when the password changes. What still works has a row, so the rows of the
// codes and tokens tell which grants there are.
func (m *model) RevokeUser(ctx context.Context, userID string) error {
	for grantID := ""; ; {
		var until int64
		err := m.shop.db.QueryRowContext(ctx, `SELECT grant_id, COALESCE(MAX(expires_at), 0) FROM oauth_tokens
			WHERE user_id = $1 AND grant_id > $2 GROUP BY grant_id ORDER BY grant_id LIMIT 1`, userID, grantID).Scan(&grantID, &until)
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
