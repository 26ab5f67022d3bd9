package mongomodel_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/modeltest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// The peer is another client with connections of its own, as another process has.
func TestModel(t *testing.T) {
	t.Parallel()
	db := mongotest.Database(t)
	peer := mongotest.Connect(t, mongotest.URI(t)).Database(db.Name())
	fixtures := 0
	modeltest.Run(t, func(ctx context.Context) (*modeltest.Fixture, error) {
		fixtures++ // collections of its own, as FerretDB goes through all of one
		options := &mongomodel.Options{PasswordCost: bcrypt.MinCost, Prefix: fmt.Sprintf("rule%d_", fixtures)}
		f, m := modeltest.Sample(), mongomodel.New(db, options)
		f.Model, f.Peer = m, mongomodel.New(peer, options)
		f.Dump = func(ctx context.Context) ([]byte, error) {
			all, err := dump(ctx, db)
			return []byte(all), err
		}
		if err := m.EnsureIndexes(ctx); err != nil {
			return nil, err
		}
		for _, c := range f.Clients {
			if err := m.AddClient(ctx, c.Client, c.Secret); err != nil {
				return nil, err
			}
		}
		if err := m.AddClient(ctx, f.Public, ""); err != nil {
			return nil, err
		}
		for _, u := range f.Users {
			if err := m.AddUser(ctx, &oauth2server.User{ID: u.ID}, u.Username, u.Password); err != nil {
				return nil, err
			}
		}
		return f, nil
	})
}
