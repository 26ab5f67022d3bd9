// This file has the rules about looking clients up and comparing their secrets.

package modeltest

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-11d18166/oauth2server"
)

var clientRules = []rule{
	{
		name:  "server-accepts",
		check: serverAccepts,
		reason: "New looks at every method of the model, and so finds those that are misspelt or " +
			"have another signature",
		harm: "the server does not start; and rules about the misspelt methods are skipped here, " +
			"as if they had not been meant",
	},
	{
		name:  "client-comes-back",
		check: clientComesBack,
		reason: "every request is judged by the client's record: redirection URIs, grants, " +
			"scope, lifetimes, public or not",
		harm: "a client that is registered cannot sign anybody in, or one may do what it was " +
			"never allowed",
	},
	{
		name:  "client-wrong-secret",
		check: clientWrongSecret,
		reason: "GetClient with a secret is the client authentication of RFC 6749, section 2.3: " +
			"only the very secret may pass",
		harm: "whoever knows a client's id, which is public, gets tokens in its name; or a wrong " +
			"secret is answered as a fault of the server",
	},
	{
		name:   "client-unknown",
		check:  clientUnknown,
		reason: "an id is an exact string, and of what is not registered there is no record",
		harm: "two clients that differ only in case or in a space are one; or a mistyped id is " +
			"answered as a fault of the server",
	},
	{
		name:  "client-public-secret",
		needs: []need{public},
		check: clientPublicSecret,
		reason: "a public client has no secret, so nothing that is presented as one can be right " +
			"(RFC 6749, section 2.1)",
		harm: "a request that claims to be authenticated is taken for authenticated, with a " +
			"secret that somebody made up",
	},
	{
		name:  "client-cache",
		check: clientCache,
		reason: "GetClient without a secret only looks a client up; what that finds, or a cache " +
			"keeps of it, proves nothing about a secret",
		harm: "after anybody opened the sign-in page of a client, any secret authenticates it " +
			"until the cache forgets; or the right one does not",
	},
	{
		name:   "client-copies",
		check:  clientCopies,
		reason: "what GetClient returns belongs to the caller, and a handler may change it",
		harm: "one request changes the redirection URIs or the scope of a client for every " +
			"request to come",
	},
}

// serverAccepts adds an extension grant, as New takes a model without any grant
// for that of a resource server.
func serverAccepts(_ context.Context, t *trial) error {
	none := func(context.Context, *oauth2server.GrantRequest) (*oauth2server.Token, error) { return nil, nil }
	options := quiet()
	options.ExtensionGrants = map[string]oauth2server.GrantFunc{"urn:modeltest:none": none}
	for _, h := range t.both() {
		if _, err := oauth2server.New(h.given, options); err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
	}
	return nil
}

func clientComesBack(ctx context.Context, t *trial) error {
	for _, h := range t.both() {
		clients := t.Clients[:]
		if t.Public != nil {
			clients = append(slices.Clone(clients), Client{t.Public, ""})
		}
		for _, c := range clients {
			for how, secret := range map[string]string{"no secret": "", "its secret": c.Secret} {
				call := fmt.Sprintf("%s: GetClient(%q, %s)", h.name, c.ID, how)
				found, err := h.model.GetClient(ctx, c.ID, secret)
				if err := present("%s", call)(found, err); err != nil {
					return err
				}
				if err := same(call, pictureOf(c.Client), found, "Data"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func clientWrongSecret(ctx context.Context, t *trial) error {
	for i, c := range t.Clients {
		for _, wrong := range append(alike("secret", c.Secret),
			near{"another client's secret", t.Clients[1-i].Secret}) {
			if err := absent("GetClient(%q, %s)", c.ID,
				wrong.name)(t.on.model.GetClient(ctx, c.ID, wrong.text)); err != nil {
				return err
			}
		}
	}
	return nil
}

func clientUnknown(ctx context.Context, t *trial) error {
	for _, c := range t.Clients {
		for _, id := range []string{unique(), "", swapCase(c.ID), c.ID + " ", " " + c.ID} {
			for _, secret := range []near{{"no secret", ""}, {"its secret", c.Secret}} {
				if id == c.ID { // it has no letters
					continue
				}
				found, err := t.on.model.GetClient(ctx, id, secret.text)
				if err := absent("GetClient(%q, %s), where there is %q", id, secret.name,
					c.ID)(found, err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func clientPublicSecret(ctx context.Context, t *trial) error {
	if clientWrongSecret(ctx, t) != nil {
		return nil // secrets are ignored: client-wrong-secret reports it
	}
	for _, secret := range []near{{"a made-up secret", unique()},
		{"another client's secret", t.Clients[0].Secret},
		{"its id", t.Public.ID}, {"a space", " "}, {"the word null", "null"}} {
		found, err := t.on.model.GetClient(ctx, t.Public.ID, secret.text)
		if err := absent("GetClient(%q, %s), which is a public client", t.Public.ID,
			secret.name)(found, err); err != nil {
			return err
		}
	}
	return nil
}

// clientCache tries wrong secrets again after calls that a cache could
// remember.
func clientCache(ctx context.Context, t *trial) error {
	for i, c := range t.Clients {
		wrong := t.Clients[1-i].Secret
		if absent("")(t.on.model.GetClient(ctx, c.ID, wrong)) != nil {
			return nil // no cache is needed for that: client-wrong-secret reports it
		}
		for _, h := range t.both() {
			for _, step := range []struct {
				secret, name string
				right        bool
			}{
				{wrong, "a wrong secret", false}, {"", "no secret", true},
				{wrong, "a wrong secret", false},
				{c.Secret, "its secret", true}, {wrong, "a wrong secret", false},
				{"", "no secret", true}, {c.Secret, "its secret", true},
			} {
				call := fmt.Sprintf("%s: GetClient(%q, %s), after other calls with that id", h.name,
					c.ID, step.name)
				expected := absent("%s", call)
				if step.right {
					expected = present("%s", call)
				}
				if err := expected(h.model.GetClient(ctx, c.ID, step.secret)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func clientCopies(ctx context.Context, t *trial) error {
	c := t.Clients[0]
	for _, secret := range []string{"", c.Secret} {
		get := func(ctx context.Context) (*oauth2server.Client, error) {
			return t.on.model.GetClient(ctx, c.ID, secret)
		}
		if err := copies(ctx, "GetClient", nil, nil, get); err != nil {
			return err
		}
	}
	return nil
}
