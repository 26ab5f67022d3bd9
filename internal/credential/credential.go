// Package credential is what our models share about the secrets of clients and
// the names and passwords of users: what may be registered, what is stored in
// its place, and how the two are compared. It knows no storage.
package credential

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// clientUserPrefix keeps the users that stand for clients apart from people
// (RFC 9700, section 4.15).
const clientUserPrefix = "client:"

// Rules are what the options of a model change about registration.
type Rules struct {
	AllowShortSecrets bool
	ExtensionGrants   []string // names of grants that are no URIs
}

// CheckNew returns what keeps a client from being registered with secret.
func (r Rules) CheckNew(c *oauth2server.Client, secret string) error {
	if c == nil {
		return r.CheckClient(c)
	}
	return errors.Join(r.CheckClient(c), r.CheckSecret(c, secret))
}

// CheckClient returns what keeps a client from being registered.
func (r Rules) CheckClient(c *oauth2server.Client) error {
	return oauth2server.CheckClient(c, r.ExtensionGrants...)
}

// CheckSecret returns what keeps secret from being the client's.
func (r Rules) CheckSecret(c *oauth2server.Client, secret string) error {
	err := oauth2server.CheckClientSecret(c, secret)
	if r.AllowShortSecrets && errors.Is(err, oauth2server.ErrShortSecret) {
		return nil
	}
	return err
}

// CheckUser returns the username as it is stored, and what keeps the user from
// being registered under it.
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

// Page returns the size of a page when a caller asks for limit.
func Page(limit int) int {
	if limit < 1 {
		return 100
	}
	return min(limit, 1000)
}

// UserOf returns the user that stands for a client: its ID is the client's
// behind "client:", which no other user has.
func UserOf(c *oauth2server.Client) *oauth2server.User {
	return &oauth2server.User{ID: clientUserPrefix + c.ID}
}

// unfit is the error of what cannot be registered, as in the root package.
func unfit(format string, args ...any) error {
	return &oauth2server.Error{Code: oauth2server.InvalidArgument, Err: fmt.Errorf(format, args...)}
}

// FixedPublic is the error of a change that would make a public client of a
// confidential one, or the other way round.
func FixedPublic(c *oauth2server.Client) error {
	return unfit("client %q: Public cannot change, as its tokens would lose their protection: "+
		"delete the client and add it anew, which ends them", c.ID)
}

// CheckKeep returns why a secret cannot be kept that long.
func CheckKeep(keep time.Duration) error {
	if keep < 0 || 0 < keep && keep < time.Second {
		return unfit("the old secret cannot be kept for %v: it is 0 or at least a second", keep)
	}
	return nil
}
