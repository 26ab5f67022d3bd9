// This file registers clients and finds them.

package sqlmodel

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

func (m *Model) clientStatements() {
	const columns = `id, public, secret_digest, former_secret_digest, former_secret_until, redirect_uris, grants,
		scope, auth_method, access_token_lifetime, refresh_token_lifetime, name, uri, self_asserted, data`
	m.findClient = m.statement("find a client", `SELECT version, `+columns+` FROM {clients} WHERE id = ?`)
	m.listClients = m.statement("list clients",
		`SELECT version, `+columns+` FROM {clients} WHERE id > ? ORDER BY id LIMIT ?`)
	m.insertClient = m.statement("add a client", `INSERT INTO {clients} (`+columns+`)
		VALUES (?, ?, ?, '', NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`+m.dialect.ifFree())
	// The version changes each time, as MySQL does not count a row that stays as
	// it is.
	m.updateClient = m.statement("change a client", `UPDATE {clients} SET redirect_uris = ?, grants = ?, scope = ?,
		auth_method = ?, access_token_lifetime = ?, refresh_token_lifetime = ?, name = ?, uri = ?,
		self_asserted = ?, data = ?, version = version + 1
		WHERE id = ? AND public = ? AND (? OR secret_digest <> '')`)
	m.updateSecrets = m.statement("change a client's secret", `UPDATE {clients} SET secret_digest = ?,
		former_secret_digest = ?, former_secret_until = ?, version = version + 1 WHERE id = ? AND version = ?`)
	m.deleteClient = m.statement("delete a client", `DELETE FROM {clients} WHERE id = ?`)
	m.insertFormer = m.statement("remember a deleted client",
		`INSERT INTO {former_clients} (id, deleted_at) VALUES (?, ?)`+m.dialect.orSet("deleted_at"))
	m.findFormer = m.statement("find a deleted client", `SELECT id FROM {former_clients} WHERE id = ?`)
	m.oldFormer = m.statement("find deleted clients",
		`SELECT id FROM {former_clients} WHERE deleted_at < ? ORDER BY deleted_at LIMIT 100`)
	m.deleteFormer = m.statement("forget a deleted client",
		`DELETE FROM {former_clients} WHERE id = ? AND deleted_at < ?`)
}

// client is a row of the table of clients.
type client struct {
	oauth2server.Client
	secrets credential.Secrets
	version int64
}

func scanClient(rows *sql.Rows) (*client, error) {
	var c client
	var digest, former, uris, grants, scope, access, refresh string
	var until sql.NullInt64
	var data sql.NullString
	err := rows.Scan(&c.version, &c.ID, &c.Public, &digest, &former, &until, &uris, &grants, &scope, &c.AuthMethod,
		&access, &refresh, &c.Name, &c.URI, &c.SelfAsserted, &data)
	if err != nil {
		return nil, err
	}
	c.RedirectURIs, c.Grants, c.Scope = words(uris), words(grants), words(scope)
	c.Data = decodeData(data)
	var errs [4]error
	c.AccessTokenLifetime, errs[0] = time.ParseDuration(access)
	c.RefreshTokenLifetime, errs[1] = time.ParseDuration(refresh)
	c.secrets.Current, errs[2] = parseDigest(digest)
	c.secrets.Former, errs[3] = parseDigest(former)
	if until.Valid {
		c.secrets.FormerUntil = time.UnixMilli(until.Int64).UTC()
	}
	if digest == "" && !c.Public && c.AuthMethod == "" {
		errs[2] = errors.New("secret_digest is empty: a client that has no secret is public")
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("client %q: %w", c.ID, err)
	}
	return &c, nil
}

func parseDigest(text string) (credential.Digest, error) {
	d, ok := credential.ParseDigest(text)
	if !ok && text != "" {
		return d, errors.New("a secret's digest is no SHA-256 in base64url or hexadecimal: " +
			"write oauth2server.Digest(secret)")
	}
	return d, nil
}

// words reads a list without spaces in its elements.
func words(text string) []string {
	if found := strings.Fields(text); len(found) > 0 {
		return found
	}
	return nil
}

// settings are the columns that UpdateClient replaces.
func settings(c *oauth2server.Client) ([]any, error) {
	data, err := encodeData(c.Data)
	if err != nil {
		return nil, fmt.Errorf("sqlmodel: client %q: Data: %w", c.ID, err)
	}
	return []any{strings.Join(c.RedirectURIs, " "), strings.Join(c.Grants, " "), strings.Join(c.Scope, " "),
		c.AuthMethod, c.AccessTokenLifetime.String(), c.RefreshTokenLifetime.String(), c.Name, c.URI,
		c.SelfAsserted, data}, nil
}

// encodeData writes an application's own record as JSON; nil is NULL.
func encodeData(data any) (text sql.NullString, err error) {
	if data == nil {
		return text, nil
	}
	written, err := json.Marshal(data)
	return sql.NullString{String: string(written), Valid: err == nil}, err
}

func decodeData(text sql.NullString) any {
	if !text.Valid {
		return nil
	}
	return json.RawMessage(text.String)
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
	if !isText(id) {
		return &client{}, errors.Join(ctx.Err(), oauth2server.ErrNotFound)
	}
	found, err := first(ctx, m.findClient, scanClient, id)
	if err != nil {
		return &client{}, err
	}
	return found, nil
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
	columns, err := settings(c)
	if err != nil {
		return err
	}
	digest := ""
	if secret != "" {
		digest = credential.DigestOf(secret).String()
	}
	if err := m.endFormer(ctx, c.ID); err != nil {
		return err
	}
	affected, err := m.insertClient.exec(ctx, append([]any{c.ID, c.Public, digest}, columns...)...)
	if err == nil && affected != 1 {
		err = fmt.Errorf("sqlmodel: client %q: %w", c.ID, oauth2server.ErrExists)
	}
	return err
}

// endFormer revokes again what was granted to a deleted client with this ID, as
// requests may have been in flight when it was deleted. If the ID is taken, it
// does nothing: the insert will fail.
func (m *Model) endFormer(ctx context.Context, id string) error {
	_, err := first(ctx, m.findFormer, text, id)
	if errors.Is(err, oauth2server.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if _, err := m.clientByID(ctx, id); !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	return m.RevokeClient(ctx, id)
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
func (m *Model) ListClients(ctx context.Context, after string, limit int) ([]*oauth2server.Client, error) {
	found, err := all(ctx, m.listClients, scanClient, after, credential.Page(limit))
	var page []*oauth2server.Client
	for _, c := range found {
		page = append(page, &c.Client)
	}
	return page, err
}

// UpdateClient replaces everything about a client but its secrets, at once. The
// error lists everything that is wrong with it. Public cannot change: issued
// tokens would lose the protection of the secret, or need one that does not
// exist. The error is [oauth2server.ErrNotFound] if no client has this ID.
func (m *Model) UpdateClient(ctx context.Context, c *oauth2server.Client) error {
	if err := m.rules().CheckClient(c); err != nil {
		return err
	}
	columns, err := settings(c)
	if err != nil {
		return err
	}
	needsNoSecret := c.Public || c.AuthMethod != ""
	err = m.updateClient.change(ctx, append(columns, c.ID, c.Public, needsNoSecret)...)
	if !errors.Is(err, oauth2server.ErrNotFound) {
		return err
	}
	there, err := m.clientByID(ctx, c.ID)
	switch {
	case err != nil:
		return err
	case there.Public == c.Public:
		return credential.NoSecret(c)
	}
	return credential.FixedPublic(c)
}

// SetClientSecret gives a confidential client a new secret; earlier ones end at
// once. What was issued to the client stays valid. The error is
// [oauth2server.ErrNotFound] if there is no such client.
func (m *Model) SetClientSecret(ctx context.Context, clientID, secret string) error {
	return m.RotateClientSecret(ctx, clientID, secret, 0)
}

// changes is how often a change is tried when others change the same row.
const changes = 10

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
	for range changes {
		found, err := m.clientByID(ctx, clientID)
		if err != nil {
			return err
		}
		if err := m.rules().CheckSecret(&found.Client, secret); err != nil || secret == "" {
			return err
		}
		replaced := found.secrets.Replaced(credential.DigestOf(secret), keep)
		former := ""
		if !replaced.FormerUntil.IsZero() {
			former = replaced.Former.String()
		}
		err = m.updateSecrets.change(ctx, replaced.Current.String(), former, millis(replaced.FormerUntil),
			clientID, found.version)
		if !errors.Is(err, oauth2server.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("sqlmodel: client %q: it changed at the same time; try again", clientID)
}

// DeleteClient deletes a client and ends what was granted to it, as
// [Grants.RevokeClient] does. A row in another table remembers the ID for a day,
// until [Model.DeleteExpired]: if it is used again, [Model.AddClient] can end
// what a request in flight still stored; a request that takes longer is not
// stopped. After an error, call it again. The error is
// [oauth2server.ErrNotFound] if no client had this ID.
func (m *Model) DeleteClient(ctx context.Context, clientID string) error {
	_, err := m.clientByID(ctx, clientID)
	switch {
	case err == nil:
		if _, err := m.insertFormer.exec(ctx, clientID, time.Now().UnixMilli()); err != nil {
			return err
		}
		if _, err := m.deleteClient.exec(ctx, clientID); err != nil {
			return err
		}
	case !errors.Is(err, oauth2server.ErrNotFound) || !isText(clientID):
		return err
	default:
		if _, err := first(ctx, m.findFormer, text, clientID); err != nil {
			return err
		}
	}
	return m.RevokeClient(ctx, clientID)
}
