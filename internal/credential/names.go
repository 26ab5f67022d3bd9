// This file prepares usernames and passwords (RFC 8265), so that different ways
// to type the same text are equal.

package credential

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/width"
)

// prepareName returns a username as it is stored: a name of one or more parts
// with spaces between them, each of the profile UsernameCasePreserved (RFC
// 8265, section 3.4 and 3.1).
func prepareName(name string) (string, error) {
	if len(name) > maxPrepared {
		return "", fmt.Errorf("longer than %d bytes", maxPrepared)
	}
	if strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") {
		return "", errors.New("a space at the beginning or the end (RFC 8265, section 3.1)")
	}
	parts := strings.Split(name, " ")
	for i, part := range parts {
		if part == "" {
			continue // several spaces in a row
		}
		prepared, err := precis.UsernameCasePreserved.String(part)
		if err != nil {
			return "", reason(part, err)
		}
		parts[i] = prepared
	}
	return strings.Join(parts, " "), nil
}

// maxPrepared bounds the texts that are prepared, in bytes. It is more than can
// be registered.
const maxPrepared = 8 << 10

// reason returns an error that names the character that is not allowed.
func reason(part string, err error) error {
	allowed := precis.UsernameCasePreserved.Allowed()
	for _, r := range part {
		for _, folded := range width.Fold.String(string(r)) {
			if !allowed.Contains(folded) {
				return fmt.Errorf("%U is not allowed in a username, or not in this position (RFC 8265, "+
					"section 3.4)", r)
			}
		}
	}
	return fmt.Errorf("not a username (RFC 8265, section 3.4): %w", err)
}

// Names returns the two forms under which the user who signs in as name may be
// stored. raw is name itself, which only older users may have. prepared is the
// form in which names are stored now. They are equal if preparing changes
// nothing, or fails.
func Names(name string) (raw, prepared string) {
	prepared, err := prepareName(name)
	if err != nil {
		return name, name
	}
	return name, prepared
}

// passwordForms returns what a password may have been when it was stored, the
// likelier form first: prepared by the profile OpaqueString (RFC 8265, section
// 4.2), and as it was typed. One form if they are the same, or if the tables do
// not know a character yet, say a new emoji.
func passwordForms(password string) []string {
	if len(password) > maxPrepared {
		return []string{password}
	}
	prepared, err := precis.OpaqueString.String(password)
	if err != nil || prepared == password {
		return []string{password}
	}
	return []string{prepared, password}
}
