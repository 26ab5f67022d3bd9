// This file has what the program calls, not the server: lists of grants,
// revocation and deletion of what has expired.

package main

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// UserGrants returns the live grants of a user, for a page of connected apps.
// The first and the last entry of each grant are enough.
func (m *model) UserGrants(ctx context.Context, userID string) ([]*oauth2server.Grant, error) {
	entries, err := m.entries(ctx, `SELECT record FROM oauth_grant_log WHERE user_id = $1`, userID)
	if err != nil {
		return nil, err
	}
	for _, id := range oauth2server.GrantLogs(entries) {
		last, err := m.entries(ctx,
			`SELECT record FROM oauth_grant_log WHERE grant_id = $1 ORDER BY seq DESC LIMIT 1`, id)
		if err != nil {
			return nil, err
		}
		entries = append(entries, last...)
	}
	return oauth2server.LiveGrants(entries), nil
}

// RevokeUser ends every grant of a user, also for requests in flight. Call it
// when the password changes.
func (m *model) RevokeUser(ctx context.Context, userID string) error {
	if userID == "" { // entries without a user are stored so
		return nil
	}
	grants := m.grantIDs(ctx, `SELECT DISTINCT grant_id FROM oauth_grant_log WHERE user_id = $1`, userID)
	return oauth2server.RevokeUser(ctx, m, userID, "", grants)
}

// RevokeUserClient ends what a user granted to one client. The page of
// connected apps calls it.
func (m *model) RevokeUserClient(ctx context.Context, userID, clientID string) error {
	if userID == "" || clientID == "" {
		return nil
	}
	grants := m.grantIDs(ctx,
		`SELECT DISTINCT grant_id FROM oauth_grant_log WHERE user_id = $1 AND client_id = $2`,
		userID, clientID)
	return oauth2server.RevokeUser(ctx, m, userID, clientID, grants)
}

// grantIDs queries the database on each iteration, as RevokeUser requires.
func (m *model) grantIDs(ctx context.Context, query string, args ...any) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ids, err := m.strings(ctx, query, args...)
		if err != nil {
			yield("", err)
			return
		}
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

func (m *model) strings(ctx context.Context, query string, args ...any) (all []string, err error) {
	rows, err := m.shop.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, failure(ctx, err)
		}
		all = append(all, text)
	}
	return all, failure(ctx, rows.Err())
}

// DeleteExpired deletes what has expired. The hour allows for clocks that
// differ.
func (m *model) DeleteExpired(ctx context.Context) error {
	for _, statement := range []string{`DELETE FROM oauth_tokens WHERE expires_at < $1`,
		`DELETE FROM oauth_grant_log WHERE expires_at < $1`} {
		err := m.change(ctx, statement, time.Now().Add(-time.Hour).UnixMilli())
		if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
			return err
		}
	}
	return nil
}
