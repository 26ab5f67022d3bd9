package mongomodel

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// tokenDocument is how codes and tokens are stored. Record is the whole of it; the rest is for indexes and for people.
type tokenDocument struct {
	Digest    string    `bson:"_id"`
	ClientID  string    `bson:"client_id,omitempty"`
	UserID    string    `bson:"user_id,omitempty"`
	GrantID   string    `bson:"grant_id,omitempty"`
	Scope     []string  `bson:"scope,omitempty"`
	ExpiresAt time.Time `bson:"expires_at,omitempty"` // not there if zero: then a TTL index leaves the document alone
	Record    string    `bson:"record"`
}

// SaveToken implements [oauth2server.Model]. A token that was saved before, exactly so, is no error; another one with
// the same string is.
func (m *Model) SaveToken(ctx context.Context, token *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User) (*oauth2server.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	record, err := token.MarshalBinary()
	if err != nil {
		return nil, err
	}
	document := tokenDocument{Digest: oauth2server.Digest(token.AccessToken), ClientID: clientID(token.Client),
		UserID: userID(token.User), GrantID: token.GrantID, Scope: token.Scope,
		ExpiresAt: token.AccessTokenExpiresAt, Record: string(record)}
	if err := insertOnce(ctx, m.access, document.Digest, document); err != nil {
		return nil, err
	}
	if token.RefreshToken != "" {
		document.Digest, document.ExpiresAt = oauth2server.Digest(token.RefreshToken), token.RefreshTokenExpiresAt
		if len(token.GrantScope) > 0 {
			document.Scope = token.GrantScope // what it can be refreshed to
		}
		if err := insertOnce(ctx, m.refresh, document.Digest, document); err != nil {
			return nil, err
		}
	}
	saved := *token
	return &saved, nil
}

// GetAccessToken implements [oauth2server.AccessTokenModel].
func (m *Model) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	var document tokenDocument
	if err := findOne(ctx, m.access, byID(oauth2server.Digest(accessToken)), &document); err != nil {
		return nil, err
	}
	found := oauth2server.Token{AccessToken: accessToken}
	return &found, document.read(&found)
}

// GetRefreshToken implements [oauth2server.RefreshTokenModel].
func (m *Model) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	var document tokenDocument
	if err := findOne(ctx, m.refresh, byID(oauth2server.Digest(refreshToken)), &document); err != nil {
		return nil, err
	}
	found := oauth2server.Token{RefreshToken: refreshToken}
	return &found, document.read(&found)
}

// RevokeAccessToken implements [oauth2server.AccessTokenRevoker].
func (m *Model) RevokeAccessToken(ctx context.Context, accessToken string) error {
	return removeOne(ctx, m.access, oauth2server.Digest(accessToken))
}

// RevokeToken implements [oauth2server.RefreshTokenModel]. As there is a log, the server does not call it.
func (m *Model) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return removeOne(ctx, m.refresh, oauth2server.Digest(token.RefreshToken))
}

// read completes what the document stores.
func (d tokenDocument) read(value interface{ UnmarshalBinary([]byte) error }) error {
	if err := value.UnmarshalBinary([]byte(d.Record)); err != nil {
		return fmt.Errorf("mongomodel: document %s: %w", d.Digest, err)
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
