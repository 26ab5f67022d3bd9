// This file checks the strings of a registration: IDs, secrets, usernames and
// passwords.

package oauth2server

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server/internal/grammar"
)

// Limits of what can be registered, so that a request fits into
// [Options.MaxFormBytes] and into the limits of proxies.
const (
	maxRegistered    = 2048 // bytes of an ID, a secret, a redirection URI
	maxPasswordBytes = 4096
)

// minSecretLength is the length of 128 random bits in base64.
const minSecretLength = 22

// ErrShortSecret is wrapped in the error of [CheckClientSecret] for a secret
// with fewer than 22 characters, if nothing else is wrong with it.
const ErrShortSecret = modelError("the secret has fewer than 22 characters, so it could be guessed: " +
	"make it with crypto/rand.Text")

func checkClientID(id string) error {
	switch {
	case id == "":
		return errors.New("the client has no ID")
	case !grammar.IsVSCHAR(id):
		return errors.New("the ID must be printable ASCII (RFC 6749, appendix A.1)")
	}
	return checkLength("the ID", id, maxRegistered)
}

func checkSecret(client *Client, secret string) error {
	switch {
	case client.Public && secret != "":
		return errors.New("a public client cannot have a secret")
	case client.AuthMethod != "" && secret != "":
		return errors.New("a client with an AuthMethod cannot have a secret")
	case client.Public || client.AuthMethod != "":
		return nil
	case secret == "":
		return errors.New("a confidential client needs a secret")
	case strings.HasSuffix(secret, "\n"):
		return errors.New("the secret ends in a newline, perhaps of the file that it was read from: " +
			"cut that off")
	case !grammar.IsVSCHAR(secret):
		return errors.New("the secret must be printable ASCII (RFC 6749, appendix A.2)")
	case len(secret) < minSecretLength:
		return ErrShortSecret
	}
	return checkLength("the secret", secret, maxRegistered)
}

func checkUserID(id string) error {
	switch {
	case id == "":
		return errors.New("the user has no ID")
	case !utf8.ValidString(id):
		return errors.New("the ID is not UTF-8")
	case strings.ContainsFunc(id, unicode.IsControl):
		return errors.New("the ID has a control character")
	}
	return checkLength("the ID", id, maxRegistered)
}

// checkUserText checks text that users type into a sign-in form.
func checkUserText(what, text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("a user needs a %s", what)
	case !utf8.ValidString(text):
		return fmt.Errorf("the %s is not UTF-8", what)
	case !grammar.IsUnicodeNoCRLF(text):
		return fmt.Errorf("the %s has a line break or another control character", what)
	}
	return checkLength("the "+what, text, most)
}

func checkLength(what, text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("%s has %d bytes, and may have %d", what, len(text), most)
	}
	return nil
}
