// This file reads the fields of documents that people may have written.

package mongomodel

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// maxSeconds is the longest lifetime that a number can mean: ten years. So a
// number of nanoseconds is refused, unless it is below a third of a second.
const maxSeconds = 10 * 365 * 24 * 60 * 60

// mustBe is the error of a field of the wrong type. It does not contain the
// value, which may be a secret.
func mustBe(what string, value bson.RawValue) error {
	return fmt.Errorf("has type %s, want %s", value.Type, what)
}

func readText(value bson.RawValue) (string, error) {
	text, ok := value.StringValueOK()
	if !ok {
		return "", mustBe("a string", value)
	}
	return text, nil
}

// readOptionalText reads a string; null is empty.
func readOptionalText(value bson.RawValue) (string, error) {
	if value.Type == bson.TypeNull {
		return "", nil
	}
	return readText(value)
}

// readAuthMethod reads the method by which a client authenticates. Those with a
// secret, or without, are told by the other fields.
func readAuthMethod(value bson.RawValue) (string, error) {
	text, err := readOptionalText(value)
	switch text {
	case "client_secret_basic", "client_secret_post", "none":
		return "", fmt.Errorf("is %q: leave it out, as public tells whether there is a secret", text)
	}
	return text, err
}

// readBool reads a boolean; null is false.
func readBool(value bson.RawValue) (bool, error) {
	yes, ok := value.BooleanOK()
	if !ok && value.Type != bson.TypeNull {
		return false, mustBe("true or false", value)
	}
	return yes, nil
}

// readTime reads a date; null is the zero time.
func readTime(value bson.RawValue) (time.Time, error) {
	if value.Type == bson.TypeNull {
		return time.Time{}, nil
	}
	at, ok := value.TimeOK()
	if !ok {
		return time.Time{}, mustBe("a date", value)
	}
	return at.UTC(), nil
}

// readList reads an array of strings, or words separated by spaces, as scopes
// are written (RFC 6749, section 3.3). null is an empty list.
func readList(value bson.RawValue) ([]string, error) {
	if value.Type == bson.TypeNull {
		return nil, nil
	}
	if text, ok := value.StringValueOK(); ok {
		if strings.Contains(text, ",") {
			return nil, errors.New("is a string with a comma: write an array of strings")
		}
		return strings.Fields(text), nil
	}
	array, ok := value.ArrayOK()
	if !ok {
		return nil, mustBe("an array of strings", value)
	}
	values, err := array.Values()
	if err != nil {
		return nil, err
	}
	words := make([]string, len(values))
	for i, element := range values {
		if words[i], ok = element.StringValueOK(); !ok {
			return nil, fmt.Errorf("has an element of type %s, want an array of strings",
				element.Type)
		}
	}
	return words, nil
}

// readLifetime reads a duration as Go writes it, "1h30m0s", or a number of
// seconds. "" and null are 0.
func readLifetime(value bson.RawValue) (time.Duration, error) {
	if value.Type == bson.TypeNull {
		return 0, nil
	}
	if text, ok := value.StringValueOK(); ok {
		if text == "" {
			return 0, nil
		}
		lifetime, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("must be a duration such as 1h30m0s: %w", err)
		}
		return lifetime, nil
	}
	seconds, ok := value.AsInt64OK()
	if exact, isDouble := value.DoubleOK(); isDouble && exact != math.Trunc(exact) {
		ok = false
	}
	switch {
	case !ok:
		return 0, mustBe("a duration such as \"1h30m0s\", or a whole number of seconds", value)
	case seconds < 0 || seconds > maxSeconds:
		return 0, fmt.Errorf("is %d: a number is in seconds, at most %d; "+
			"write a longer or exact one as \"1h30m0s\"", seconds, maxSeconds)
	}
	return time.Duration(seconds) * time.Second, nil
}

// readDigest reads the SHA-256 of a secret in base64url or another usual
// encoding.
func readDigest(value bson.RawValue) (credential.Digest, error) {
	text, err := readText(value)
	if err != nil {
		return credential.Digest{}, err
	}
	d, ok := credential.ParseDigest(text)
	if !ok {
		return d, errors.New("is not a SHA-256 in base64url or hexadecimal: write " +
			"oauth2server.Digest(secret)")
	}
	return d, nil
}
