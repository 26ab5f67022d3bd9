// Package credential is what the models of this module share about client
// secrets, usernames and passwords: what may be registered, what is stored
// instead, and how they are compared. It knows no storage.
package credential

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Rules has the options of a model that concern registration.
type Rules struct {
	AllowShortSecrets bool
	ExtensionGrants   []string // names that are not URIs
}

// CheckNew returns why a client cannot be registered with secret.
func (r Rules) CheckNew(c *oauth2server.Client, secret string) error {
	if c == nil {
		return r.CheckClient(c)
	}
	return errors.Join(r.CheckClient(c), r.CheckSecret(c, secret))
}

// CheckClient returns why a client cannot be registered.
func (r Rules) CheckClient(c *oauth2server.Client) error {
	return oauth2server.CheckClient(c, r.ExtensionGrants...)
}

// CheckSecret returns why secret cannot be the client's.
func (r Rules) CheckSecret(c *oauth2server.Client, secret string) error {
	err := oauth2server.CheckClientSecret(c, secret)
	if r.AllowShortSecrets && errors.Is(err, oauth2server.ErrShortSecret) {
		return nil
	}
	return err
}

// CheckUser returns the username as it is stored, and why the user cannot be
// registered under it.
func CheckUser(u *oauth2server.User, username string) (stored string, err error) {
	if err := oauth2server.CheckUser(u, username); err != nil {
		return "", err
	}
	if strings.HasPrefix(u.ID, clientUserPrefix) {
		return "", unfit("user ID %q: the prefix is for clients", u.ID)
	}
	stored, err = prepareName(username)
	if err != nil {
		return "", unfit("username %q: %w", username, err)
	}
	return stored, nil
}

// Page returns the size of a page for the limit of a caller: at most 1,000, and
// 100 if limit is below 1.
func Page(limit int) int {
	if limit < 1 {
		return 100
	}
	return min(limit, 1000)
}

// UserOf returns the user that acts for a client. Its ID is "client:" and the
// client's, which no other user has.
func UserOf(c *oauth2server.Client) *oauth2server.User {
	return &oauth2server.User{ID: clientUserPrefix + c.ID}
}

// clientUserPrefix keeps the users that act for clients apart from people (RFC
// 9700, section 4.15).
const clientUserPrefix = "client:"

// unfit returns the error for something that cannot be registered, as in the
// root package.
func unfit(format string, args ...any) error {
	return &oauth2server.Error{Code: oauth2server.InvalidArgument, Err: fmt.Errorf(format, args...)}
}

// FixedPublic returns the error for a change from a public to a confidential
// client, or back.
func FixedPublic(c *oauth2server.Client) error {
	return unfit("client %q: Public cannot change, as issued tokens would lose their protection: "+
		"delete the client, which ends them, and add it again", c.ID)
}

// NoSecret returns the error for a client that would have neither a secret nor
// another way to authenticate.
func NoSecret(c *oauth2server.Client) error {
	return unfit("client %q: it has no secret, so AuthMethod cannot be taken away: "+
		"delete the client, and add it again with a secret", c.ID)
}

// CheckKeep returns why a secret cannot be kept for that long.
func CheckKeep(keep time.Duration) error {
	if keep < 0 || 0 < keep && keep < time.Second {
		return unfit("cannot keep the old secret for %v: use 0 or at least a second", keep)
	}
	return nil
}
