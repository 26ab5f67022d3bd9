// This file registers clients and finds them.

package redismodel

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
	"github.com/seed-11d18166/oauth2server/internal/plainjson"
)

func (s *store) clientKey(id string) string { return s.prefix + "client:" + id }
func (s *store) clientsKey() string         { return s.prefix + "clients" }

// clientRecord is a client as it is stored, as JSON under its ID.
type clientRecord struct {
	Public               bool               `json:"public,omitempty"`
	Secret               string             `json:"secret_digest,omitempty"`
	FormerSecret         string             `json:"former_secret_digest,omitempty"`
	FormerUntil          time.Time          `json:"former_secret_until,omitzero"`
	RedirectURIs         []string           `json:"redirect_uris,omitempty"`
	Grants               []string           `json:"grants,omitempty"`
	Scope                oauth2server.Scope `json:"scope,omitempty"`
	AuthMethod           string             `json:"auth_method,omitempty"`
	AccessTokenLifetime  time.Duration      `json:"access_token_lifetime_ns,omitempty"`
	RefreshTokenLifetime time.Duration      `json:"refresh_token_lifetime_ns,omitempty"`
	Name                 string             `json:"name,omitempty"`
	URI                  string             `json:"uri,omitempty"`
	SelfAsserted         bool               `json:"self_asserted,omitempty"`
	Data                 json.RawMessage    `json:"data,omitempty"`
	Deleted              bool               `json:"deleted,omitempty"` // all that is kept, with Version

	// Version differs after each change, and between two attempts to add a
	// client.
	Version string `json:"version"`
}

// set copies what UpdateClient replaces.
func (r *clientRecord) set(c *oauth2server.Client) (err error) {
	r.RedirectURIs, r.Grants, r.Scope, r.AuthMethod = c.RedirectURIs, c.Grants, c.Scope, c.AuthMethod
	r.AccessTokenLifetime, r.RefreshTokenLifetime = c.AccessTokenLifetime, c.RefreshTokenLifetime
	r.Name, r.URI, r.SelfAsserted = c.Name, c.URI, c.SelfAsserted
	r.Data, err = encodeData(c.Data)
	if err != nil {
		return fmt.Errorf("redismodel: client %q: Data: %w", c.ID, err)
	}
	return nil
}

// encodeData writes an application's own record as JSON; nil is none.
func encodeData(data any) (json.RawMessage, error) {
	if data == nil {
		return nil, nil
	}
	return json.Marshal(data)
}

func decodeData(data json.RawMessage) any {
	if data == nil {
		return nil
	}
	return data
}

// client is a clientRecord as it was read.
type client struct {
	oauth2server.Client
	secrets credential.Secrets
	record  clientRecord
	stored  string
}

// readPlain reads the record of most clients without encoding/json, as nearly
// every request reads one. If it returns false, r is of no use.
func (r *clientRecord) readPlain(stored string) bool {
	f := plainjson.Reader(stored)
	f.Bool("public", &r.Public)
	f.String("secret_digest", &r.Secret)
	f.Strings("redirect_uris", &r.RedirectURIs)
	f.Strings("grants", &r.Grants)
	f.Strings("scope", (*[]string)(&r.Scope))
	f.String("auth_method", &r.AuthMethod)
	f.Int64("access_token_lifetime_ns", (*int64)(&r.AccessTokenLifetime))
	f.Int64("refresh_token_lifetime_ns", (*int64)(&r.RefreshTokenLifetime))
	f.String("name", &r.Name)
	f.String("uri", &r.URI)
	f.Bool("self_asserted", &r.SelfAsserted)
	f.String("version", &r.Version)
	return f.Done()
}

func parseClient(id, stored string) (*client, error) {
	c := client{stored: stored}
	if !c.record.readPlain(stored) {
		c.record = clientRecord{}
		if err := json.Unmarshal([]byte(stored), &c.record); err != nil {
			return nil, fmt.Errorf("redismodel: client %q: %w", id, err)
		}
	}
	r := &c.record
	c.Client = oauth2server.Client{ID: id, Public: r.Public, RedirectURIs: r.RedirectURIs, Grants: r.Grants,
		Scope: r.Scope, AuthMethod: r.AuthMethod, AccessTokenLifetime: r.AccessTokenLifetime,
		RefreshTokenLifetime: r.RefreshTokenLifetime, Name: r.Name, URI: r.URI, SelfAsserted: r.SelfAsserted,
		Data: decodeData(r.Data)}
	var ok, formerOK bool
	c.secrets.Current, ok = credential.ParseDigest(r.Secret)
	c.secrets.Former, formerOK = credential.ParseDigest(r.FormerSecret)
	c.secrets.FormerUntil = r.FormerUntil
	switch {
	case r.Deleted:
	case !ok && r.Secret != "", !formerOK && r.FormerSecret != "":
		return nil, fmt.Errorf("redismodel: client %q: a secret's digest is no SHA-256", id)
	case r.Secret == "" && !c.Public && c.AuthMethod == "":
		return nil, fmt.Errorf("redismodel: client %q has no secret and is not public", id)
	}
	return &c, nil
}

// GetClient implements [oauth2server.Model]. Data is nil or a [json.RawMessage].
func (m *Model) GetClient(
	ctx context.Context, clientID, clientSecret string,
) (*oauth2server.Client, error) {
	found, err := m.clientByID(ctx, clientID)
	if err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
		return nil, err
	}
	if clientSecret != "" {
		// Compare before looking at err, so that an unknown client takes as long
		// as a known one.
		if same := found.secrets.Matches(clientSecret); err == nil && !same {
			err = oauth2server.ErrNotFound
		}
	}
	if err != nil {
		return nil, err
	}
	return &found.Client, nil
}

// clientByID returns a registered client. It is never nil, even with an error.
func (m *Model) clientByID(ctx context.Context, id string) (*client, error) {
	found, err := m.knownClient(ctx, id)
	if err == nil && found.record.Deleted {
		err = oauth2server.ErrNotFound
	}
	if err != nil {
		return &client{}, err
	}
	return found, nil
}

// knownClient returns a client that is registered, or was deleted not long ago.
func (m *Model) knownClient(ctx context.Context, id string) (*client, error) {
	stored, err := text(m.send(ctx, "find a client", plain("GET", m.clientKey(id))))
	if err != nil {
		return nil, err
	}
	return parseClient(id, stored)
}

// swapClient replaces a record of a client by another, and reports whether the
// old one was still there. The commands of around are sent before it and after
// it.
func (m *Model) swapClient(
	ctx context.Context, what, id, old string, r clientRecord, around ...command,
) (bool, error) {
	r.Version = rand.Text()
	stored, err := json.Marshal(r)
	if err != nil {
		return false, fmt.Errorf("redismodel: client %q: %w", id, err)
	}
	args := []any{old, stored}
	if r.Deleted {
		args = append(args, "PX", keepDeleted.Milliseconds())
	}
	commands := append(around, command{swap, []string{m.clientKey(id)}, args})
	all, err := m.write(ctx, what, append(commands, around...)...)
	return err == nil && all[len(around)] == int64(1), err
}

// AddClient registers a client. A confidential client needs a secret that cannot
// be guessed: make it with [crypto/rand.Text]. A public client has none, nor has
// one with an AuthMethod. Data must be nil or have a JSON form. The error lists
// everything that is wrong with the client ([oauth2server.CheckClient],
// [oauth2server.CheckClientSecret]), or an [oauth2server.ErrExists] if the ID is
// taken, and nothing has changed then. An ID whose client was deleted can be used
// again: AddClient first revokes again what was granted to that client.
func (m *Model) AddClient(ctx context.Context, c *oauth2server.Client, secret string) error {
	if err := m.rules().CheckNew(c, secret); err != nil {
		return err
	}
	record := clientRecord{Public: c.Public}
	if err := record.set(c); err != nil {
		return err
	}
	if secret != "" {
		record.Secret = credential.DigestOf(secret).String()
	}
	former, err := m.endFormer(ctx, c.ID)
	if err != nil {
		return err
	}
	// The ID is listed before the record is there, so that no client is missing
	// if this call fails half-way; and again after it, as DeleteClient may have
	// taken the ID out in between.
	listed := plain("ZADD", m.clientsKey(), 0, c.ID)
	added, err := m.swapClient(ctx, "add a client", c.ID, former, record, listed)
	if err == nil && !added {
		err = clientExists(c.ID)
	}
	return err
}

func clientExists(id string) error {
	return fmt.Errorf("redismodel: client %q: %w", id, oauth2server.ErrExists)
}

// endFormer revokes again what was granted to a deleted client with this ID, as
// requests may have been in flight when it was deleted. That can live longer than
// the deletion is known, so it does not depend on it. endFormer returns what is
// stored about the deletion, or "".
func (m *Model) endFormer(ctx context.Context, id string) (stored string, err error) {
	found, err := m.knownClient(ctx, id)
	switch {
	case errors.Is(err, oauth2server.ErrNotFound):
	case err != nil:
		return "", err
	case !found.record.Deleted:
		return "", clientExists(id)
	default:
		stored = found.stored
	}
	return stored, m.RevokeClient(ctx, id)
}

func (m *Model) rules() credential.Rules {
	return credential.Rules{
		AllowShortSecrets: m.options.InsecureAllowShortSecrets,
		ExtensionGrants:   m.options.ExtensionGrants,
	}
}

// ListClients returns the clients whose IDs come after this one, in the order of
// IDs: at most limit of them, 1,000 at most, and 100 if limit is below 1. An
// empty after starts at the beginning; an empty page means that there are no
// more.
func (m *Model) ListClients(ctx context.Context, after string, limit int) (page []*oauth2server.Client, err error) {
	for len(page) == 0 {
		ids, err := m.page(ctx, m.clientsKey(), after, limit)
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		var gets []command
		for _, id := range ids {
			gets = append(gets, plain("GET", m.clientKey(id)))
		}
		all, err := m.send(ctx, "list clients", gets...)
		if err != nil {
			return nil, err
		}
		for i, reply := range all {
			stored, ok := reply.(string)
			if !ok {
				continue // it was deleted, or added half-way
			}
			found, err := parseClient(ids[i], stored)
			if err != nil {
				return nil, err
			}
			if !found.record.Deleted {
				page = append(page, &found.Client)
			}
		}
		after = ids[len(ids)-1]
	}
	return page, nil
}

// page returns the IDs of a list that come after one.
func (m *Model) page(ctx context.Context, key, after string, limit int) ([]string, error) {
	from := "-"
	if after != "" {
		from = "(" + after
	}
	all, err := m.send(ctx, "list IDs", plain("ZRANGE", key, from, "+", "BYLEX", "LIMIT", 0, credential.Page(limit)))
	if err != nil {
		return nil, err
	}
	return texts(all[0]), nil
}

// changes is how often a change is tried when others change the same record.
const changes = 10

// changeClient replaces the record of a client by what change returns. nil means
// that it stays.
func (m *Model) changeClient(ctx context.Context, id string, change func(*client) (*clientRecord, error)) error {
	for range changes {
		found, err := m.clientByID(ctx, id)
		if err != nil {
			return err
		}
		record, err := change(found)
		if err != nil || record == nil {
			return err
		}
		changed, err := m.swapClient(ctx, "change a client", id, found.stored, *record)
		if err != nil || changed {
			return err
		}
	}
	return fmt.Errorf("redismodel: client %q: it changed at the same time; try again", id)
}

// UpdateClient replaces everything about a client but its secrets, at once. The
// error lists everything that is wrong with it. Public cannot change: issued
// tokens would lose the protection of the secret, or need one that does not
// exist. The error is [oauth2server.ErrNotFound] if no client has this ID.
func (m *Model) UpdateClient(ctx context.Context, c *oauth2server.Client) error {
	if err := m.rules().CheckClient(c); err != nil {
		return err
	}
	return m.changeClient(ctx, c.ID, func(there *client) (*clientRecord, error) {
		switch {
		case there.Public != c.Public:
			return nil, credential.FixedPublic(c)
		case !c.Public && c.AuthMethod == "" && there.record.Secret == "":
			return nil, credential.NoSecret(c)
		}
		record := there.record
		return &record, record.set(c)
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
// one that is still valid from an earlier call ends at once. Calling it again
// with the same secret changes nothing. The error is [oauth2server.ErrNotFound]
// if there is no such client.
func (m *Model) RotateClientSecret(
	ctx context.Context, clientID, secret string, keep time.Duration,
) error {
	if err := credential.CheckKeep(keep); err != nil {
		return err
	}
	return m.changeClient(ctx, clientID, func(there *client) (*clientRecord, error) {
		if err := m.rules().CheckSecret(&there.Client, secret); err != nil || secret == "" {
			return nil, err
		}
		replaced := there.secrets.Replaced(credential.DigestOf(secret), keep)
		record := there.record
		record.Secret, record.FormerSecret, record.FormerUntil = replaced.Current.String(), "", replaced.FormerUntil
		if !replaced.FormerUntil.IsZero() {
			record.FormerSecret = replaced.Former.String()
		}
		return &record, nil
	})
}

// DeleteClient deletes a client and ends what was granted to it, as
// [Grants.RevokeClient] does. If the ID is used again, [Model.AddClient] ends what a
// request in flight still stored; a request that takes longer is not stopped. After
// an error, call it again. The error is [oauth2server.ErrNotFound] if no client had
// this ID; it is not if one was deleted within the last day.
func (m *Model) DeleteClient(ctx context.Context, clientID string) error {
	err := m.changeClient(ctx, clientID, func(*client) (*clientRecord, error) {
		// Out of the list before it is gone; see AddClient.
		_, err := m.write(ctx, "delete a client", plain("ZREM", m.clientsKey(), clientID))
		return &clientRecord{Deleted: true}, err
	})
	gone := errors.Is(err, oauth2server.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	if err := m.RevokeClient(ctx, clientID); err != nil || !gone {
		return err
	}
	_, err = m.knownClient(ctx, clientID)
	return err
}
