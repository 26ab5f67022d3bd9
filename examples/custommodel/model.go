// This file answers questions about the shop's customers and partners. Codes,
// tokens and the logs of grants are sqlmodel's.

package main

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// model is what oauth2server.New gets.
type model struct {
	*sqlmodel.Grants // codes, tokens and logs
	people           // users and clients
}

// people are the shop's customers and partners as users and clients.
type people struct{ shop *shop }

var (
	_ oauth2server.Model                  = model{}
	_ oauth2server.PasswordModel          = people{}
	_ oauth2server.ClientCredentialsModel = people{}
	_ oauth2server.ScopeValidator         = people{}
)

// newModel makes the tables of Grants beside those of the shop.
func newModel(ctx context.Context, s *shop, dialect sqlmodel.Dialect) (model, error) {
	m := model{sqlmodel.NewGrants(s.db, dialect, nil), people{s}}
	return m, m.Migrate(ctx)
}

func (p people) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	found, err := p.shop.partner(ctx, id)
	if err != nil {
		return nil, failure(ctx, err)
	}
	digest := oauth2server.Digest(secret)
	if secret != "" && subtle.ConstantTimeCompare([]byte(digest), []byte(found.secretDigest.String)) != 1 {
		return nil, oauth2server.ErrNotFound
	}
	return clientOf(id, found), nil
}

func (p people) GetUser(
	ctx context.Context, username, password string, _ *oauth2server.Client,
) (*oauth2server.User, error) {
	c, err := p.shop.signIn(ctx, username, password)
	if err != nil {
		return nil, failure(ctx, err)
	}
	return &oauth2server.User{ID: c.number, Data: c}, nil
}

// GetUserFromClient lets a partner act for itself. No customer has such an ID.
func (people) GetUserFromClient(ctx context.Context, c *oauth2server.Client) (*oauth2server.User, error) {
	return &oauth2server.User{ID: "partner:" + c.ID}, ctx.Err()
}

// ValidateScope grants "orders" if the client asks for no scope.
func (people) ValidateScope(
	_ context.Context, _ *oauth2server.User, _ *oauth2server.Client, scope oauth2server.Scope,
) (oauth2server.Scope, error) {
	if len(scope) == 0 {
		scope = oauth2server.Scope{"orders"}
	}
	return scope, nil
}

// failure translates err. Drivers have errors of their own for a cancelled ctx.
func failure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, sql.ErrNoRows):
		return oauth2server.ErrNotFound
	}
	return err
}
