// This file stores access and refresh tokens in their collections.

package mongomodel

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/seed-11d18166/oauth2server"
)

// tokenDocument is a stored code or token. Record has all of it; the rest is
// for indexes and for people.
type tokenDocument struct {
	Digest   string   `bson:"_id"`
	ClientID string   `bson:"client_id,omitempty"`
	UserID   string   `bson:"user_id,omitempty"`
	GrantID  string   `bson:"grant_id,omitempty"`
	Scope    []string `bson:"scope,omitempty"`
	// Left out if zero, so that the TTL index ignores it
	ExpiresAt time.Time `bson:"oauth2_expires_at,omitempty"`
	Record    string    `bson:"oauth2_record"`
}

// SaveToken implements [oauth2server.Model]. Saving the same token again is no
// error; another one with the same string is. Either string may be empty: then
// only the other token is stored.
func (g *Grants) SaveToken(
	ctx context.Context, token *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User,
) (*oauth2server.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	record, err := token.MarshalBinary()
	if err != nil {
		return nil, err
	}
	document := tokenDocument{
		ClientID: clientID(token.Client),
		UserID:   userID(token.User),
		GrantID:  token.GrantID,
		Scope:    token.Scope,
		Record:   string(record),
	}
	if token.AccessToken != "" {
		document.Digest, document.ExpiresAt = oauth2server.Digest(token.AccessToken),
			token.AccessTokenExpiresAt
		if err := insertOnce(ctx, g.access, document.Digest, document); err != nil {
			return nil, err
		}
	}
	if token.RefreshToken != "" {
		document.Digest, document.ExpiresAt = oauth2server.Digest(token.RefreshToken),
			token.RefreshTokenExpiresAt
		if len(token.GrantScope) > 0 {
			document.Scope = token.GrantScope // a refresh can ask for all of it
		}
		if err := insertOnce(ctx, g.refresh, document.Digest, document); err != nil {
			return nil, err
		}
	}
	saved := *token
	return &saved, nil
}

// GetAccessToken implements [oauth2server.AccessTokenModel].
func (g *Grants) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	var document tokenDocument
	if err := findOne(ctx, g.access, byID(oauth2server.Digest(accessToken)), &document); err != nil {
		return nil, err
	}
	found := oauth2server.Token{AccessToken: accessToken}
	return &found, document.read(g.access, &found)
}

// GetRefreshToken implements [oauth2server.RefreshTokenModel].
func (g *Grants) GetRefreshToken(ctx context.Context, refreshToken string) (*oauth2server.Token, error) {
	var document tokenDocument
	if err := findOne(ctx, g.refresh, byID(oauth2server.Digest(refreshToken)), &document); err != nil {
		return nil, err
	}
	found := oauth2server.Token{RefreshToken: refreshToken}
	return &found, document.read(g.refresh, &found)
}

// RevokeAccessToken implements [oauth2server.AccessTokenRevoker].
func (g *Grants) RevokeAccessToken(ctx context.Context, accessToken string) error {
	return removeOne(ctx, g.access, ownRecord(oauth2server.Digest(accessToken)))
}

// RevokeToken implements [oauth2server.RefreshTokenModel]. The server calls it
// only for tokens that it did not hand out; otherwise the log decides.
func (g *Grants) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return removeOne(ctx, g.refresh, ownRecord(oauth2server.Digest(token.RefreshToken)))
}

// read fills value with what the document stores.
func (d tokenDocument) read(c *mongo.Collection, value interface{ UnmarshalBinary([]byte) error }) error {
	if err := value.UnmarshalBinary([]byte(d.Record)); err != nil {
		return fmt.Errorf("mongomodel: document %q of %s: %w", d.Digest, c.Name(), err)
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
