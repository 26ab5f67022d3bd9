// This file has the fixture that a program gives to the suite, and checks it.

package modeltest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Fixture is a model with clients and users in it that nothing else uses
// meanwhile. [Sample] fills in everything but the model.
type Fixture struct {
	// Model is the model to test.
	Model oauth2server.Model

	// Peer is the same storage as another process sees it: a second model with
	// a connection, a cache and locks of its own. Nil skips the rules about
	// peers, so that locks and caches which only work within one process go
	// unnoticed. For a storage of a single process, such as memory, set it to
	// Model.
	Peer oauth2server.Model

	// Clients are two registered confidential clients and their secrets. The
	// first may use every grant that the model supports, and has a redirection
	// URI.
	Clients [2]Client

	// Public is a registered public client. Nil skips the rules about it.
	Public *oauth2server.Client

	// Users are two users, who sign in with Username and Password. If one of
	// them has none, the rules about passwords are skipped.
	Users [2]User

	// Dump returns everything that the storage has at rest, as in a stolen
	// backup: rows, documents or values, in any form that keeps strings as they
	// are stored. Nil skips the rule that no secret is stored in clear.
	Dump func(ctx context.Context) ([]byte, error)

	// Close releases what the fixture holds. It is optional.
	Close func() error
}

// Client is a registered client and its secret.
type Client struct {
	*oauth2server.Client
	Secret string
}

// User is a user, and how they sign in.
type User struct {
	ID, Username, Password string
}

// Sample returns a fixture without Model, Peer, Dump and Close: clients and
// users to register. If the storage assigns its own IDs, change the fixture to
// what was registered. If it stores less of a client than there is, such as no
// scope or lifetimes, set Clients[i].Client and Public to what GetClient will
// return. IDs, names and secrets differ each time, so that many fixtures can
// share one storage. The passwords are longer than the 72 bytes that bcrypt
// takes: hash a digest of the password, as examples/custommodel does, or set
// shorter ones in Users.
func Sample() *Fixture {
	suffix := rand.Text()[:10]
	grants := []string{"authorization_code", "refresh_token", "client_credentials", "password"}
	client := func(name string) *oauth2server.Client {
		return &oauth2server.Client{
			ID:     name + "-" + suffix,
			Grants: grants,
			RedirectURIs: []string{"https://" + name + ".example/callback",
				"https://" + name + ".example/%C3%BC?tenant=7"},
			Scope:                oauth2server.Scope{"read", "write:own"},
			AccessTokenLifetime:  7 * time.Minute,
			RefreshTokenLifetime: 77 * time.Hour,
		}
	}
	public := client("Phone")
	public.Public, public.RedirectURIs, public.Grants = true, []string{"http://127.0.0.1/callback"}, grants[:2]
	plain := &oauth2server.Client{
		ID:           "Other-" + suffix,
		Grants:       grants,
		RedirectURIs: []string{"https://other.example/callback"},
	}
	return &Fixture{
		Clients: [2]Client{{client("Web"), rand.Text() + "-a"}, {plain, rand.Text() + "-b"}},
		Public:  public,
		Users: [2]User{
			{"user-1-" + suffix, "andy-" + suffix,
				"correct horse battery staple " + rand.Text() + rand.Text() + rand.Text()},
			{"user-2-" + suffix, "zoë-" + suffix + "@example.org", "пароль Ünïcode 🔑 " + rand.Text()},
		},
	}
}

// fixtureError is an error of the fixture, not of the model.
type fixtureError struct{ error }

func (e *fixtureError) Unwrap() error { return e.error }

// check returns an error if the fixture lacks what every rule needs.
func (f *Fixture) check() error {
	switch {
	case f == nil:
		return errors.New("it is nil")
	case f.Model == nil:
		return errors.New("its Model is nil")
	case f.Users[0].ID == "" || f.Users[0].ID == f.Users[1].ID:
		return errors.New("its Users must be two, each with an ID")
	}
	for i, c := range f.Clients {
		if c.Client == nil || c.ID == "" || c.Public || c.Secret == "" {
			return fmt.Errorf("its Clients[%d] must be a confidential client with an ID and a Secret", i)
		}
	}
	if f.Clients[0].ID == f.Clients[1].ID || f.Clients[0].Secret == f.Clients[1].Secret {
		return errors.New("its Clients must be two, with IDs and secrets of their own")
	}
	if f.Public != nil && (f.Public.ID == "" || !f.Public.Public) {
		return errors.New("its Public must be a public client with an ID, or nil")
	}
	return nil
}
