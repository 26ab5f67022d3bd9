// This file has the rule that no secret is stored in clear.

package modeltest

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

var dumpRules = []rule{
	{
		name:  "clear-text",
		needs: []need{dump},
		check: clearText,
		reason: "whoever reads a backup must not be able to use what is in it: tokens, codes and " +
			"secrets are stored as digests, passwords as hashes",
		harm: "who steals a backup signs in as every user and every client",
	},
	{
		name:  "password-digest",
		needs: []need{dump, passwords},
		check: passwordDigest,
		reason: "the digest of a password is computed a billion times a second, so passwords " +
			"need argon2id, scrypt or bcrypt and a salt",
		harm: "who steals a backup has most of the passwords within days",
	},
}

// readDump calls act, which stores something, and returns the dump after it.
func (t *trial) readDump(ctx context.Context, act func() error) ([]byte, error) {
	before, err := t.Dump(ctx)
	if err != nil {
		return nil, fmt.Errorf("Fixture.Dump: %w", err)
	}
	if err := act(); err != nil {
		return nil, err
	}
	after, err := t.Dump(ctx)
	if err != nil {
		return nil, fmt.Errorf("Fixture.Dump: %w", err)
	}
	if bytes.Equal(before, after) {
		return nil, errors.New("Fixture.Dump returned the same after a token was stored: it is " +
			"not of this storage")
	}
	return after, nil
}

func clearText(ctx context.Context, t *trial) error {
	secrets := []near{{"a client secret", t.Clients[0].Secret}, {"a client secret", t.Clients[1].Secret},
		{"a password", t.Users[0].Password}, {"a password", t.Users[1].Password}}
	rest, err := t.readDump(ctx, func() error {
		token, err := t.on.saveToken(ctx, t.newToken())
		if err != nil {
			return err
		}
		secrets = append(secrets, near{"an access token", token.AccessToken},
			near{"a refresh token", token.RefreshToken})
		if t.on.codes == nil {
			return nil
		}
		code, err := t.on.saveCode(ctx, t.newCode())
		if err == nil {
			secrets = append(secrets, near{"an authorization code", code.Code})
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		if form := formIn(rest, secret.text); form != "" {
			return fmt.Errorf("what is at rest contains %s, %s", secret.name, form)
		}
	}
	return nil
}

func passwordDigest(ctx context.Context, t *trial) error {
	rest, err := t.readDump(ctx, func() error {
		_, err := t.on.saveToken(ctx, t.newToken())
		return err
	})
	if err != nil {
		return err
	}
	for _, u := range t.Users {
		password := []byte(u.Password)
		digest5, digest1, digest256, digest512 := md5.Sum(password), sha1.Sum(password),
			sha256.Sum256(password), sha512.Sum512(password)
		for name, digest := range map[string][]byte{"MD5": digest5[:], "SHA-1": digest1[:],
			"SHA-256": digest256[:], "SHA-512": digest512[:]} {
			if form := formIn(rest, string(digest)); form != "" {
				return fmt.Errorf("what is at rest contains the %s of a password, %s", name, form)
			}
		}
	}
	return nil
}

// formIn returns the form in which rest has a secret, or "". For text, it looks
// for the longest part that is the same however strings are quoted.
func formIn(rest []byte, secret string) string {
	if len(secret) < 4 {
		return "" // it would be found by chance
	}
	text := plainest(secret)
	if len(text) >= 8 && bytes.Contains(rest, []byte(text)) || bytes.Contains(rest, []byte(secret)) {
		return "as it is"
	}
	lower := bytes.ToLower(rest)
	if bytes.Contains(lower, []byte(hex.EncodeToString([]byte(secret)))) {
		return "in hexadecimal"
	}
	if decimal := strings.Trim(fmt.Sprint([]byte(secret)), "[]"); bytes.Contains(rest, []byte(decimal)) {
		return "as numbers"
	}
	// Base64 in any alphabet, also in the midst of something longer: the
	// characters that depend on neighbours are left out.
	standard := bytes.ReplaceAll(bytes.ReplaceAll(rest, []byte("-"), []byte("+")), []byte("_"),
		[]byte("/"))
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + secret))
		first, last := []int{0, 2, 3}[shift], len(encoded)
		if (len(secret)+shift)%3 != 0 {
			last--
		}
		if bytes.Contains(standard, []byte(encoded[first:last])) {
			return "in base64"
		}
	}
	return ""
}

// plainest returns the longest part of printable ASCII without quotes,
// backslashes and the like.
func plainest(s string) (longest string) {
	for _, part := range strings.FieldsFunc(s,
		func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune("\"'`\\<>&/", r) }) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}
