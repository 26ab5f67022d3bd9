package modeltest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"github.com/seed-11d18166/oauth2server"
)

var clientRules = []rule{
	{"client-comes-back", nil, clientComesBack,
		"the server judges every request by the client's record: its redirection URIs, grants, scope, lifetimes, and whether it is public",
		"clients that are registered cannot sign anybody in, or one may do what it was never allowed"},
}

// clientComesBack: looked up and authenticated, each client is what was registered.
func clientComesBack(ctx context.Context, t *trial) error {
	for _, h := range t.both() {
		for _, c := range t.Clients {
			for _, secret := range []string{"", c.Secret} {
				call := fmt.Sprintf("%s: GetClient(%q, its own secret)", h.name, c.ID)
				if secret == "" {
					call = fmt.Sprintf("%s: GetClient(%q, no secret)", h.name, c.ID)
				}
				found, err := h.model.GetClient(ctx, c.ID, secret)
				if err := present("%s", call)(found, err); err != nil {
					return err
				}
				if err := same(call, c.Client, found, "Data"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// wrongSecrets are near to the right one, and nothing that a comparison could take for it.
func wrongSecrets(secret, others string) map[string]string {
	digest := sha256.Sum256([]byte(secret))
	return map[string]string{
		"another client's secret":    others,
		"the secret but its last":    secret[:len(secret)-1],
		"the secret and a space":     secret + " ",
		"the secret after a space":   " " + secret,
		"the secret twice":           secret + secret,
		"the secret in another case": swapCase(secret),
		"the secret's Digest":        oauth2server.Digest(secret),
		"the secret's SHA-256":       hex.EncodeToString(digest[:]),
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}
