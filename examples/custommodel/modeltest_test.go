// This file runs the rules for models.

package main

import (
	"context"
	"testing"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/modeltest"
)

// testContract runs the rules of the contract. The second storage stands for
// another process.
func testContract(t *testing.T, one, other storage) {
	modeltest.Run(t, func(ctx context.Context) (*modeltest.Fixture, error) {
		f := modeltest.Sample()
		f.Model, f.Peer, f.Dump = one.composed, other.composed, one.dump
		for _, c := range f.Clients {
			if err := register(ctx, one.shop, c.Client, c.Secret); err != nil {
				return nil, err
			}
		}
		for _, u := range f.Users {
			if err := one.shop.addCustomer(ctx, u.ID, u.Username, u.Password); err != nil {
				return nil, err
			}
		}
		return f, register(ctx, one.shop, f.Public, "")
	})
}

// register adds c as a partner, and reduces c to what the shop stores of a
// partner.
func register(ctx context.Context, s *shop, c *oauth2server.Client, secret string) error {
	c.RedirectURIs, c.Scope = c.RedirectURIs[:1], oauth2server.Scope{"orders"}
	c.AccessTokenLifetime, c.RefreshTokenLifetime = 0, 0
	return s.addPartner(ctx, c.ID, secret, c.RedirectURIs[0])
}
