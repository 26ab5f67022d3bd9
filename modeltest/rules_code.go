// This file has the rules about authorization codes.

package modeltest

import (
	"context"
	"fmt"

	"github.com/seed-11d18166/oauth2server"
)

var codeRules = []rule{
	{
		name:  "code-comes-back",
		needs: []need{codes},
		check: codeComesBack,
		reason: "what the owner granted, to whom and with which PKCE challenge, is between the " +
			"two halves of the flow in the model only",
		harm: "a lost challenge or redirection URI is no longer demanded, so a stolen code works " +
			"(RFC 7636, RFC 9700, section 4.5); a lost CodeChallengeMethod counts as plain and " +
			"is refused; without expiry, client or user no code can be redeemed",
	},
	{
		name:  "code-exact",
		needs: []need{codes},
		check: codeExact,
		reason: "a code is found by exactly the string that was given out, and not by what is " +
			"stored of it",
		harm: "codes can be guessed with fewer tries, or read from a backup; or an unknown code " +
			"is answered as a fault of the server",
	},
	{
		name:   "code-apart",
		needs:  []need{codes},
		check:  codeApart,
		reason: "each code has its own client and owner, and spending one says nothing about the others",
		harm: "an owner's consent is used for another client or another person; or one sign-in " +
			"breaks those of others",
	},
	{name: "code-copies", needs: []need{codes}, check: codeCopies,
		reason: "what is given to the model and what it returns belongs to nobody else",
		harm:   "a handler that changes a value in one request changes what another request is granted"},
	{
		name:  "code-single-use",
		needs: []need{codes},
		check: codeSingleUse,
		reason: "RevokeAuthorizationCode is the gate that lets a code through once, whatever " +
			"happens at the same time and on other machines (RFC 6749, section 4.1.2)",
		harm: "a code that was stolen is redeemed by the thief too; or nobody can redeem one",
	},
	{name: "code-wide", needs: []need{codes}, check: codeWide,
		reason: "redirection URIs, scopes and challenges may be long, and need not be ASCII",
		harm:   "sign-ins of the one client with the long URI fail, or end with a scope that was cut"},
}

func codeComesBack(ctx context.Context, t *trial) error {
	full, expired, sparse := t.newCode(), t.newCode(), t.newCode()
	expired.ExpiresAt = past()
	sparse.RedirectURI, sparse.CodeChallenge, sparse.CodeChallengeMethod, sparse.Scope = "", "", "", nil
	for _, row := range []struct {
		name string
		code *oauth2server.AuthorizationCode
	}{{"a code", full}, {"a code without what is optional", sparse}, {"an expired code", expired}} {
		if err := t.codeComesBack(ctx, row.name, row.code, row.code == expired); err != nil {
			return err
		}
	}
	return nil
}

// codeComesBack saves a code and compares what comes back. An expired one may
// be gone.
func (t *trial) codeComesBack(
	ctx context.Context, name string, code *oauth2server.AuthorizationCode, expired bool,
) error {
	want := pictureOf(code)
	saved, err := t.on.saveCode(ctx, code)
	if err != nil {
		return err
	}
	if err := same("what SaveAuthorizationCode returned for "+name, want, saved, "Code"); err != nil {
		return err
	}
	call := "GetAuthorizationCode of " + name
	found, err := t.on.codes.GetAuthorizationCode(ctx, saved.Code)
	if expired && absent("")(found, err) == nil {
		return nil
	}
	if err := present("%s", call)(found, err); err != nil {
		return err
	}
	if found.Code != "" && found.Code != saved.Code {
		return fmt.Errorf("%s returned another Code than was asked for", call)
	}
	return same(call, want, found, "Code")
}

func codeExact(ctx context.Context, t *trial) error {
	saved, err := t.on.saveCode(ctx, t.newCode())
	if err != nil {
		return err
	}
	for _, wrong := range append(alike("code", saved.Code), near{"the empty string", ""}) {
		if err := absent("GetAuthorizationCode(%s)",
			wrong.name)(t.on.codes.GetAuthorizationCode(ctx, wrong.text)); err != nil {
			return err
		}
		other := t.newCode()
		other.Code = wrong.text
		if err := gone(t.on.codes.RevokeAuthorizationCode(ctx, other),
			"RevokeAuthorizationCode(%s)", wrong.name); err != nil {
			return err
		}
	}
	return present("GetAuthorizationCode, after others were tried")(
		t.on.codes.GetAuthorizationCode(ctx, saved.Code))
}

func codeApart(ctx context.Context, t *trial) error {
	var all []*oauth2server.AuthorizationCode
	for i := range 4 {
		code := t.newCode()
		code.Client, code.User = t.client(i/2), t.user(i%2)
		saved, err := t.on.saveCode(ctx, code)
		if err != nil {
			return err
		}
		all = append(all, presentedCode(code, saved.Code))
	}
	for i, code := range all {
		found, err := t.on.codes.GetAuthorizationCode(ctx, code.Code)
		if err := present("GetAuthorizationCode of the last %d of four codes, after the others "+
			"were revoked", 4-i)(found, err); err != nil {
			return err
		}
		if err := ownersOf("GetAuthorizationCode", found.Client, found.User, t.client(i/2), t.user(i%2)); err != nil {
			return err
		}
		if err := t.on.codes.RevokeAuthorizationCode(ctx, presentedCode(found, code.Code)); err != nil {
			return fmt.Errorf("RevokeAuthorizationCode of one of four codes: %w", err)
		}
	}
	return nil
}

func codeCopies(ctx context.Context, t *trial) error {
	given := t.newCode()
	saved, err := t.on.saveCode(ctx, given)
	if err != nil {
		return err
	}
	code := saved.Code
	return copies(ctx, "GetAuthorizationCode", given, saved,
		func(ctx context.Context) (*oauth2server.AuthorizationCode, error) {
			return t.on.codes.GetAuthorizationCode(ctx, code)
		})
}

func codeSingleUse(ctx context.Context, t *trial) error {
	return t.singleUse(ctx, "RevokeAuthorizationCode", func() (*gate, error) {
		saved, err := t.on.saveCode(ctx, t.newCode())
		if err != nil {
			return nil, err
		}
		found, err := t.on.codes.GetAuthorizationCode(ctx, saved.Code)
		if err := present("GetAuthorizationCode")(found, err); err != nil {
			return nil, err
		}
		return &gate{
			pass: func(h *handle) error {
				return h.codes.RevokeAuthorizationCode(ctx, presentedCode(found, saved.Code))
			},
			left: func() error {
				return absent("GetAuthorizationCode after RevokeAuthorizationCode")(
					t.on.codes.GetAuthorizationCode(ctx, saved.Code))
			},
		}, nil
	})
}

func codeWide(ctx context.Context, t *trial) error {
	if codeComesBack(ctx, t) != nil {
		return nil // short values do not come back either: code-comes-back reports it
	}
	code := t.newCode()
	code.RedirectURI, code.Scope, code.CodeChallenge = wideURI, wideScope(), wideChallenge
	return t.codeComesBack(ctx, "a code with long values", code, false)
}

// presentedCode returns the value that the server passes to the gate: what was
// found, with the string that the client presented.
func presentedCode(found *oauth2server.AuthorizationCode, code string) *oauth2server.AuthorizationCode {
	own := *found
	own.Code = code
	return &own
}
