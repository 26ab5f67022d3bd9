// This file gives clients to a program that stores them.

package registration

import (
	"context"
	"crypto/rand"

	"github.com/seed-11d18166/oauth2server"
)

// Store stores clients that registered themselves. The model's GetClient finds
// them. See [StoreFunc] for the models of the library.
//
// Delete what nobody uses: clients without a sign-in after a day, and those
// that were not used for 90 days. In a table with the columns created and used:
//
//	DELETE FROM clients WHERE id LIKE 'dcr.%' AND
//		(used IS NULL AND created < now() - interval '1 day' OR used < now() - interval '90 days')
//
// SaveClient sets created. [oauth2server.Options.OnEvent] sets used, for events
// of the kinds issued, refreshed and retried with such a ClientID; once a day
// for each client is enough. A client that was deleted is told invalid_client,
// and most then register again, but not all do. Access tokens that it has live
// until they expire. To put a client out at once, delete it, and call
// RevokeClient of the model.
type Store interface {
	// SaveClient stores a client, with its secret or a digest of it. The secret
	// is empty for a public client. The ID is new and begins with "dcr.". Store
	// at least ID, Public, RedirectURIs and Grants, and Name and URI to show
	// them; the store may set lifetimes of tokens. An [oauth2server.Error] is
	// sent to the client; any other error is a server_error. It is called
	// concurrently.
	SaveClient(ctx context.Context, client *oauth2server.Client, secret string) error
}

// StoreFunc makes a function a [Store], such as the method AddClient of a
// mongomodel:
//
//	registration.Stored(registration.StoreFunc(model.AddClient), nil)
type StoreFunc func(ctx context.Context, client *oauth2server.Client, secret string) error

// SaveClient calls f.
func (f StoreFunc) SaveClient(ctx context.Context, client *oauth2server.Client, secret string) error {
	return f(ctx, client, secret)
}

// saveClient gives a client a random ID and, unless it is public, a secret, and
// stores it.
func saveClient(ctx context.Context, store Store, client *oauth2server.Client) (secret string, err error) {
	client.ID = "dcr." + rand.Text()
	if !client.Public {
		secret = rand.Text()
	}
	return secret, store.SaveClient(ctx, client, secret)
}
