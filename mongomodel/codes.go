// This file stores authorization codes in their collection.

package mongomodel

import (
	"context"

	"github.com/seed-11d18166/oauth2server"
)

// SaveAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, _ *oauth2server.Client,
	_ *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	record, err := code.MarshalBinary()
	if err != nil {
		return nil, err
	}
	document := tokenDocument{Digest: oauth2server.Digest(code.Code), ClientID: clientID(code.Client),
		UserID: userID(code.User), GrantID: code.GrantID, Scope: code.Scope, ExpiresAt: code.ExpiresAt,
		Record: string(record)}
	if err := insertOnce(ctx, g.codes, document.Digest, document); err != nil {
		return nil, err
	}
	saved := *code
	return &saved, nil
}

// GetAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) GetAuthorizationCode(
	ctx context.Context, code string,
) (*oauth2server.AuthorizationCode, error) {
	var document tokenDocument
	if err := findOne(ctx, g.codes, byID(oauth2server.Digest(code)), &document); err != nil {
		return nil, err
	}
	found := oauth2server.AuthorizationCode{Code: code}
	return &found, document.read(g.codes, &found)
}

// RevokeAuthorizationCode implements [oauth2server.AuthorizationCodeModel]. The
// server does not call it, as the model has a log.
func (g *Grants) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	return removeOne(ctx, g.codes, ownRecord(oauth2server.Digest(code.Code)))
}
