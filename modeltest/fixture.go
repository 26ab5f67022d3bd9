package modeltest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Fixture is a model with clients and users in it, that nothing else works on. [Sample] fills in all that is not
// the model's.
type Fixture struct {
	// Model is what is tested.
	Model oauth2server.Model

	// Peer is the same storage as another process sees it: a second model with a connection, a cache and locks of its
	// own. Nil: the rules about peers are skipped, and nothing shows that a lock or a cache of one process is not all
	// that there is. A storage that has one process only, such as memory, gives Model again.
	Peer oauth2server.Model

	// Clients are two confidential clients that are registered, with their secrets. The first may use every grant
	// that the model can, and has a redirection URI.
	Clients [2]Client

	// Public is a public client that is registered. Nil: the rules about it are skipped.
	Public *oauth2server.Client

	// Users are two users. With Username and Password they can sign in; if one cannot, the rules about
	// passwords are skipped.
	Users [2]User

	// Dump returns everything that the storage has at rest, as whoever steals a backup finds it: rows, documents or
	// values, in any form that keeps strings as they are stored. Nil: nothing shows that no secret is stored in clear.
	Dump func(ctx context.Context) ([]byte, error)

	// Close ends what the fixture needs. Nil: there is nothing to end.
	Close func() error
}

// Client is a client as it is registered, and its secret.
type Client struct {
	*oauth2server.Client
	Secret string
}

// User is somebody who signs in.
type User struct {
	ID, Username, Password string
}

// Sample returns a fixture without Model, Peer, Dump and Close: clients and users to register. Where the program's
// storage cannot take them, as it makes the ids itself, change the fixture to what was registered. IDs, names and
// secrets differ each time, so that many fixtures can share one storage. The passwords are longer than the 72 bytes
// that bcrypt takes: hash a digest of the password, as examples/custommodel does, or set shorter ones in Users.
func Sample() *Fixture {
	suffix := rand.Text()[:10]
	grants := []string{"authorization_code", "refresh_token", "client_credentials", "password"}
	client := func(name string) *oauth2server.Client {
		return &oauth2server.Client{ID: name + "-" + suffix, Grants: grants,
			RedirectURIs: []string{"https://" + name + ".example/callback", "https://" + name + ".example/%C3%BC?tenant=7"},
			Scope:        oauth2server.Scope{"read", "write:own"}, AccessTokenLifetime: 7 * time.Minute, RefreshTokenLifetime: 77 * time.Hour}
	}
	public := client("Phone")
	public.Public, public.RedirectURIs, public.Grants = true, []string{"http://127.0.0.1/callback"}, grants[:2]
	plain := &oauth2server.Client{ID: "Other-" + suffix, Grants: grants, RedirectURIs: []string{"https://other.example/callback"}}
	return &Fixture{
		Clients: [2]Client{{client("Web"), rand.Text() + "-a"}, {plain, rand.Text() + "-b"}},
		Public:  public,
		Users: [2]User{
			{"user-1-" + suffix, "andy-" + suffix, "correct horse battery staple " + rand.Text() + rand.Text() + rand.Text()},
			{"user-2-" + suffix, "zoë-" + suffix + "@example.org", "пароль Ünïcode 🔑 " + rand.Text()},
		},
	}
}

// fixtureError is one that says nothing about the model.
type fixtureError struct{ error }

func (e *fixtureError) Unwrap() error { return e.error }

// check finds what no rule can do without.
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
