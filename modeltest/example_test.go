package modeltest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/modeltest"
)

// newFixture registers the clients and users of a sample with the model. A model with a database behind it gives Peer a
// second model with a connection of its own, and Dump all rows.
func newFixture(context.Context) (*modeltest.Fixture, error) {
	f, model := modeltest.Sample(), memorymodel.New(&memorymodel.Options{PasswordCost: 4})
	err := model.AddClient(f.Public, "")
	for _, c := range f.Clients {
		err = errors.Join(err, model.AddClient(c.Client, c.Secret))
	}
	for _, u := range f.Users {
		err = errors.Join(err, model.AddUser(&oauth2server.User{ID: u.ID}, u.Username, u.Password))
	}
	f.Model, f.Peer = model, model
	return f, err
}

func ExampleRun() {
	TestModel := func(t *testing.T) { // in earnest: func TestModel(t *testing.T)
		modeltest.Run(t, newFixture)
	}
	_ = TestModel
}

// forgetful is a model that loses the scope of its tokens.
type forgetful struct{ *memorymodel.Model }

func (f forgetful) GetAccessToken(ctx context.Context, accessToken string) (*oauth2server.Token, error) {
	token, err := f.Model.GetAccessToken(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	token.Scope = nil
	return token, nil
}

func ExampleCheck() {
	err := modeltest.Check(context.Background(), func(ctx context.Context) (*modeltest.Fixture, error) {
		f, err := newFixture(ctx)
		f.Model = forgetful{f.Model.(*memorymodel.Model)}
		return f, err
	})
	if broken := (*modeltest.Violation)(nil); errors.As(err, &broken) {
		fmt.Println(broken.Rule)
		fmt.Println(broken.Seen)
	}

	// Output:
	// token-comes-back
	// GetAccessToken of a token: Scope is "", want "read Scope"
}
