// Package credential is what our models share about the secrets of clients and the passwords of users: what may be
// registered, what is stored in their place, and how the two are compared. It knows no storage.
package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/digest"
)

// minSecret is the length in characters of 128 random bits in base64.
const minSecret = 22

// clientUserPrefix keeps the users that stand for clients apart from people (RFC 9700, section 4.15).
const clientUserPrefix = "client:"

// Digest stands for a client's secret. Secrets are random, so no salt is needed. The zero value is no secret's.
type Digest [sha256.Size]byte

// DigestOf returns the digest of a secret; that of "" is what a client has that has none.
func DigestOf(secret string) Digest { return digest.Of(secret) }

// ParseDigest reads what String wrote. Of anything else it makes the zero Digest, which no secret has.
func ParseDigest(text string) Digest {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(decoded) != len(Digest{}) {
		return Digest{}
	}
	return Digest(decoded)
}

// String returns the digest in base64url.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// Matches says in constant time whether secret is the one that d stands for. The empty secret is nobody's. A caller
// that found no client compares with the zero Digest, so that an unknown client costs what a known one does.
func (d Digest) Matches(secret string) bool {
	presented := DigestOf(secret)
	return subtle.ConstantTimeCompare(presented[:], d[:]) == 1 && secret != ""
}

// CheckClient says what keeps a client from being registered with secret: no ID, a redirection URI that may not be, a
// secret that a public client cannot have or a confidential one needs, or one that is too short, unless allowShort.
func CheckClient(c *oauth2server.Client, secret string, allowShort bool) error {
	switch {
	case c.ID == "":
		return errors.New("the client has no ID")
	case c.Public && secret != "":
		return fmt.Errorf("client %q is public and cannot have a secret", c.ID)
	case !c.Public && secret == "":
		return fmt.Errorf("client %q is confidential and needs a secret", c.ID)
	case !c.Public && len(secret) < minSecret && !allowShort:
		return fmt.Errorf("client %q: the secret has fewer than %d characters", c.ID, minSecret)
	}
	return CheckRedirectURIs(c)
}

// CheckRedirectURIs says what is wrong with the redirection URIs of a client.
func CheckRedirectURIs(c *oauth2server.Client) error {
	for _, uri := range c.RedirectURIs {
		if err := oauth2server.CheckRedirectURI(uri); err != nil {
			return fmt.Errorf("client %q: %w", c.ID, err)
		}
	}
	return nil
}

// CheckUser says what keeps a user from being registered: something is missing, or the ID is one of a client's user.
func CheckUser(u *oauth2server.User, username string) error {
	switch {
	case u.ID == "" || username == "":
		return errors.New("a user needs an ID, a username and a password")
	case strings.HasPrefix(u.ID, clientUserPrefix):
		return fmt.Errorf("user ID %q: the prefix is for clients", u.ID)
	}
	return nil
}

// UserOf returns the user that stands for a client: its ID is the client's behind "client:", which no other user has.
func UserOf(c *oauth2server.Client) *oauth2server.User {
	return &oauth2server.User{ID: clientUserPrefix + c.ID}
}

// HashPassword returns the bcrypt hash that is stored in place of a password. cost 0: 10. The empty password is refused.
func HashPassword(password string, cost int) ([]byte, error) {
	if password == "" {
		return nil, errors.New("a user needs an ID, a username and a password")
	}
	if cost == 0 {
		cost = bcrypt.DefaultCost
	}
	return bcrypt.GenerateFromPassword(condense(password), cost)
}

// CheckPassword returns nil if hash is password's, and [oauth2server.ErrNotFound] if it is not. Without a hash, as
// there is no such user, it makes one of that cost: an unknown name costs what a known one does.
func CheckPassword(hash []byte, password string, cost int) error {
	if hash == nil {
		if _, err := HashPassword("x"+password, cost); err != nil {
			return err
		}
		return oauth2server.ErrNotFound
	}
	err := bcrypt.CompareHashAndPassword(hash, condense(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return oauth2server.ErrNotFound
	}
	return err
}

// condense makes 44 characters of any password: bcrypt reads 72 bytes at the most, and stops at a NUL.
func condense(password string) []byte {
	sum := digest.Of(password)
	return base64.StdEncoding.AppendEncode(nil, sum[:])
}
