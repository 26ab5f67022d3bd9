// This file registers clients and finds them.

package memorymodel

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// client is a registered client. It is replaced, never changed.
type client struct {
	record  *oauth2server.Client // nil: deleted
	secrets credential.Secrets
	userID  string // of the user that the client acts as
}

// AddClient registers a client. A confidential client needs a secret that
// cannot be guessed: make it with [crypto/rand.Text]. A public client has none,
// nor has one with an AuthMethod.
// The error lists everything that is wrong with the client
// ([oauth2server.CheckClient], [oauth2server.CheckClientSecret]), or an
// [oauth2server.ErrExists] if the ID is taken. An ID whose client was deleted
// can be used again: AddClient first revokes again what was granted to that
// client.
func (m *Model) AddClient(c *oauth2server.Client, secret string) error {
	if err := m.rules().CheckNew(c, secret); err != nil {
		return err
	}
	added := &client{record: copyClient(c), userID: credential.UserOf(c).ID}
	if secret != "" {
		added.secrets.Current = credential.DigestOf(secret)
	}
	for {
		there, taken := m.clients.LoadOrStore(c.ID, added)
		switch {
		case !taken:
			m.clientOrder.changed()
			return nil
		case there.(*client).record != nil:
			return fmt.Errorf("memorymodel: client %q: %w", c.ID, oauth2server.ErrExists)
		}
		if err := m.RevokeClient(context.Background(), c.ID); err != nil {
			return err
		}
		if m.clients.CompareAndSwap(c.ID, there, added) {
			return nil
		}
	}
}

func (m *Model) rules() credential.Rules {
	return credential.Rules{
		AllowShortSecrets: m.options.InsecureAllowShortSecrets,
		ExtensionGrants:   m.options.ExtensionGrants,
	}
}

// nobody stands in for a client that does not exist, so that a secret is
// compared all the same.
var nobody client

// GetClient implements [oauth2server.Model].
func (m *Model) GetClient(
	ctx context.Context, clientID, clientSecret string,
) (*oauth2server.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := m.client(clientID)
	ok := c != nil
	if !ok {
		c = &nobody
	}
	if clientSecret != "" {
		// Compare before looking at ok, so that an unknown client takes as long
		// as a known one.
		same := c.secrets.Matches(clientSecret)
		ok = ok && same
	}
	if !ok {
		return nil, oauth2server.ErrNotFound
	}
	return copyClient(c.record), nil
}

// client returns a registered client, or nil.
func (m *Model) client(id string) *client {
	known, ok := m.clients.Load(id)
	if !ok || known.(*client).record == nil {
		return nil
	}
	return known.(*client)
}

// ListClients returns the clients whose IDs come after this one, in the order
// of IDs: at most limit of them, 1,000 at most, and 100 if limit is below 1. An
// empty after starts at the beginning; an empty page means that there are no
// more.
func (m *Model) ListClients(
	ctx context.Context, after string, limit int,
) ([]*oauth2server.Client, error) {
	var page []*oauth2server.Client
	for id := range m.clientOrder.after(&m.clients, after) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(page) == credential.Page(limit) {
			break
		}
		if c := m.client(id); c != nil {
			page = append(page, copyClient(c.record))
		}
	}
	return page, ctx.Err()
}

// UpdateClient replaces everything about a client but its secrets, at once. The
// error lists everything that is wrong with it. Public cannot change: issued
// tokens would lose the protection of the secret, or need one that does not
// exist. The error is [oauth2server.ErrNotFound] if no client has this ID.
func (m *Model) UpdateClient(ctx context.Context, c *oauth2server.Client) error {
	if err := m.rules().CheckClient(c); err != nil {
		return err
	}
	return m.changeClient(ctx, c.ID, func(there client) (client, error) {
		if there.record.Public != c.Public {
			return there, credential.FixedPublic(c)
		}
		if !c.Public && c.AuthMethod == "" && there.secrets.Current == (credential.Secrets{}).Current {
			return there, credential.NoSecret(c)
		}
		there.record = copyClient(c)
		return there, nil
	})
}

// SetClientSecret gives a confidential client a new secret; earlier ones end at
// once. What was issued to the client stays valid. The error is
// [oauth2server.ErrNotFound] if there is no such client.
func (m *Model) SetClientSecret(ctx context.Context, clientID, secret string) error {
	return m.RotateClientSecret(ctx, clientID, secret, 0)
}

// RotateClientSecret gives a confidential client a new secret. The current one
// stays valid for keep, so that the client can be reconfigured in the meantime;
// one that is still valid from an earlier call ends at once. keep is 0 or at
// least a second; with 0, the current one ends at once too. Otherwise, calling
// it again with the same secret changes nothing. The error is
// [oauth2server.ErrNotFound] if there is no such client.
func (m *Model) RotateClientSecret(
	ctx context.Context, clientID, secret string, keep time.Duration,
) error {
	if err := credential.CheckKeep(keep); err != nil {
		return err
	}
	return m.changeClient(ctx, clientID, func(there client) (client, error) {
		if err := m.rules().CheckSecret(there.record, secret); err != nil {
			return there, err
		}
		if secret == "" {
			return there, nil // the client has none
		}
		there.secrets = there.secrets.Replaced(credential.DigestOf(secret), keep)
		return there, nil
	})
}

// changeClient replaces a client by what change returns. It tries again if
// another call replaced the client first.
func (m *Model) changeClient(ctx context.Context, id string, change func(client) (client, error)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		there := m.client(id)
		if there == nil {
			return oauth2server.ErrNotFound
		}
		changed, err := change(*there)
		if err != nil {
			return err
		}
		if m.clients.CompareAndSwap(id, there, &changed) {
			return nil
		}
	}
}

// DeleteClient deletes a client and ends what was granted to it, as
// [Grants.RevokeClient] does. The ID stays known for a day, so that
// [Model.AddClient] can end what a request in flight still stored; a request
// that takes longer is not stopped. After an error, call it again. The error is
// [oauth2server.ErrNotFound] if no client had this ID.
func (m *Model) DeleteClient(ctx context.Context, clientID string) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		there, ok := m.clients.Load(clientID)
		if !ok {
			return oauth2server.ErrNotFound
		}
		tombstone := &client{}
		if there.(*client).record == nil || m.clients.CompareAndSwap(clientID, there, tombstone) {
			return m.end(ctx, deleted{clientID, tombstone, time.Now()})
		}
	}
}

// keepDeleted is how long the ID of a deleted client stays known.
const keepDeleted = 24 * time.Hour

// deleted is the ID of a deleted client, until it is forgotten.
type deleted struct {
	clientID  string
	tombstone *client
	at        time.Time
}

// end ends what was granted to a deleted client, and forgets those that were
// deleted long ago. It ends theirs once more, as a request that was in flight
// may have stored something.
func (m *Model) end(ctx context.Context, last deleted) error {
	m.deletedMu.Lock()
	defer m.deletedMu.Unlock()
	m.deleted = append(m.deleted, last)
	old := 0
	gone := map[string]bool{last.clientID: true}
	for ; last.at.Sub(m.deleted[old].at) > keepDeleted; old++ {
		if d := m.deleted[old]; m.isDeleted(d) {
			gone[d.clientID] = true
		}
	}
	if err := m.revokeClients(ctx, gone); err != nil {
		return err
	}
	for _, d := range m.deleted[:old] {
		m.clients.CompareAndDelete(d.clientID, d.tombstone)
	}
	m.deleted = m.deleted[old:]
	return nil
}

// isDeleted reports whether nobody has added a client with this ID since.
func (m *Model) isDeleted(d deleted) bool {
	there, ok := m.clients.Load(d.clientID)
	return ok && there.(*client) == d.tombstone
}
