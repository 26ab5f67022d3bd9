// This file generates tokens and codes that nobody can guess.

package oauth2server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
)

// generate calls a model's own generator; method is its name. If there is none,
// generate returns ready, and newID if that is empty or the model returns an
// empty string.
func generate(
	ctx context.Context, method string, own generator,
	client *Client, user *User, scope Scope, wellFormed func(string) bool, ready string,
) (string, *Error) {
	switch {
	case own == nil && ready != "":
		return ready, nil
	case own == nil:
		return newID(), nil
	}
	generated, err := own(ctx, client, user, scope)
	switch {
	case err != nil:
		return "", modelFailure(method, err, breach("%s: %w", method, err))
	case generated == "":
		return newID(), nil
	case !wellFormed(generated) || len(generated) < minToken:
		return "", breach(
			"%s returned characters that may not be sent, or fewer than %d", method, minToken)
	}
	return generated, nil
}

// generator is a model's own method that generates a token or a code.
type generator func(ctx context.Context, client *Client, user *User, scope Scope) (string, error)

// minToken is the fewest printable characters that hold 128 bits.
const minToken = 20

// An ID is 32 random bytes in base64url: 43 characters that nobody can guess.
const (
	idBytes = 32
	idText  = 43
)

func newID() string {
	var random [idBytes]byte
	var text [idText]byte
	rand.Read(random[:]) // never fails: it ends the program instead
	base64.RawURLEncoding.Encode(text[:], random[:])
	return string(text[:])
}

// newIDs returns two IDs in one allocation.
func newIDs() (one, another string) {
	var random [2 * idBytes]byte
	var text [2 * idText]byte
	rand.Read(random[:])
	base64.RawURLEncoding.Encode(text[:idText], random[:idBytes])
	base64.RawURLEncoding.Encode(text[idText:], random[idBytes:])
	both := string(text[:])
	return both[:idText], both[idText:]
}
