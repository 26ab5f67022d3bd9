// This file has the checks of appending to a log.

package modeltest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-11d18166/oauth2server"
)

func logNeverOverwrites(ctx context.Context, t *trial) error {
	id := unique()
	first := t.newEntry(id, 1)
	first.Kind = "rotate"
	nonce, want := first.Nonce, pictureOf(first)
	twin := *first // only the nonce differs: another attempt
	twin.Nonce = unique()
	bare := &oauth2server.GrantEntry{
		GrantID:   id,
		Seq:       1,
		Kind:      "revoked",
		Nonce:     unique(),
		Time:      first.Time,
		ExpiresAt: first.ExpiresAt,
	}
	if err := t.on.appendTo(ctx, first, t.newEntry(id, 2)); err != nil {
		return err
	}
	for _, second := range []*oauth2server.GrantEntry{t.newEntry(id, 1), &twin, bare} {
		there, err := t.on.log.AppendGrant(ctx, second)
		if err := existing(there, err); err != nil {
			return fmt.Errorf("AppendGrant where another entry is: %w", err)
		}
		if there.Nonce != nonce {
			return errors.New("AppendGrant where another entry is: ErrExists came with an entry " +
				"that is not the one that was there first")
		}
		if err := same("what AppendGrant returned as what is there", want, there); err != nil &&
			logComesBack(ctx, t) == nil {
			return err
		}
	}
	found, err := t.on.entriesOf(ctx, id, 1, 2)
	if err == nil && found[0].Nonce != nonce {
		err = errors.New("GrantEntries after another append at the place returned that one, " +
			"want the first")
	}
	return err
}

// existing returns an error unless this is the answer of an append to a place
// that is taken.
func existing(there *oauth2server.GrantEntry, err error) error {
	switch {
	case err == nil:
		return errors.New("the error is nil, want ErrExists")
	case !errors.Is(err, oauth2server.ErrExists):
		return fmt.Errorf("the error is %q, want ErrExists", err)
	case there == nil:
		return errors.New("ErrExists came without the entry that is there")
	}
	return nil
}

// logRepeat appends an entry again, as a driver does that got no reply. nil and
// ErrExists are both right.
func logRepeat(ctx context.Context, t *trial) error {
	id := unique()
	entry := t.newEntry(id, 1)
	nonce := entry.Nonce
	if err := t.on.appendTo(ctx, entry); err != nil {
		return err
	}
	again := *entry
	there, err := t.on.log.AppendGrant(ctx, &again)
	if err != nil && !errors.Is(err, oauth2server.ErrExists) {
		return fmt.Errorf("AppendGrant of an entry that is there already: the error is %q, want "+
			"nil or ErrExists", err)
	}
	if err != nil && there != nil && there.Nonce != nonce {
		return errors.New("AppendGrant of an entry that is there already returned another Nonce, " +
			"want its own")
	}
	found, err := t.on.entriesOf(ctx, id, 1, 1)
	if err == nil && found[0].Nonce != nonce {
		err = errors.New("GrantEntries after a repeated append returned another Nonce")
	}
	return err
}

func logRace(ctx context.Context, t *trial) error {
	if logNeverOverwrites(ctx, t) != nil {
		return nil // no race is needed: log-never-overwrites reports it
	}
	for range rounds {
		if err := t.appendRace(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// appendRace lets a crowd append at one place. A caller that gets a fault
// counts as neither first nor second.
func (t *trial) appendRace(ctx context.Context) error {
	id := unique()
	var entries, there [crowd]*oauth2server.GrantEntry
	var nonces [crowd]string
	for i := range entries {
		entries[i] = t.newEntry(id, 1)
		nonces[i] = entries[i].Nonce
	}
	errs := t.storm(func(h *handle, i int) (err error) {
		there[i], err = h.log.AppendGrant(ctx, entries[i])
		return err
	})
	won, fault := count(errs, oauth2server.ErrExists)
	if won > 1 {
		return fmt.Errorf("%d of %d concurrent appends at one place succeeded, want 1", won, crowd)
	}
	if won == 0 && fault == nil {
		return fmt.Errorf("none of %d concurrent appends at one place succeeded, though no call "+
			"failed; want 1", crowd)
	}
	if won == 0 {
		if _, err := t.on.log.AppendGrant(ctx, t.newEntry(id, 1)); err != nil &&
			!errors.Is(err, oauth2server.ErrExists) {
			return fmt.Errorf(
				"none of %d concurrent appends got through, nor another after them: %w", crowd, err)
		}
	}
	found, err := t.on.entriesOf(ctx, id, 1, 1)
	if err != nil {
		return err
	}
	for i, err := range errs {
		switch {
		case err == nil && found[0].Nonce != nonces[i]:
			return errors.New("the entry of the append that succeeded is not the one that is there")
		case errors.Is(err, oauth2server.ErrExists) &&
			(there[i] == nil || there[i].Nonce != found[0].Nonce):
			return errors.New("an append that was too late was not told the entry that is there")
		}
	}
	return nil
}

// logUsedStaysFound spends a code and two refresh tokens in the log.
func logUsedStaysFound(ctx context.Context, t *trial) error {
	id := unique()
	var look []func() error // for everything used so far
	if t.on.codes != nil {
		code := t.newCode()
		code.GrantID = id
		saved, err := t.on.saveCode(ctx, code)
		if err != nil {
			return err
		}
		look = append(look, func() error {
			return present("GetAuthorizationCode of a code that was redeemed")(
				t.on.codes.GetAuthorizationCode(ctx, saved.Code))
		})
	}
	var used string // the digest
	for place := 1; place <= 3; place++ {
		token := t.newToken()
		token.GrantID, token.GrantSeq = id, place
		if t.on.refresh == nil {
			token.GrantSeq = 0
		}
		saved, err := t.on.saveToken(ctx, token)
		if err != nil {
			return err
		}
		entry := t.newEntry(id, place)
		if place > 1 {
			entry.Kind, entry.Presented = "rotate", used
		}
		if err := t.on.appendTo(ctx, entry); err != nil {
			return err
		}
		for _, look := range look {
			if err := look(); err != nil {
				return err
			}
		}
		if t.on.refresh != nil {
			text := saved.RefreshToken
			used = oauth2server.Digest(text)
			now, err := t.on.refresh.GetRefreshToken(ctx, text)
			// If not, token-comes-back reports it.
			keeps := err == nil && now != nil && now.GrantSeq == place
			look = append(look, func() error {
				found, err := t.on.refresh.GetRefreshToken(ctx, text)
				if err := present("GetRefreshToken of a token that was used")(found, err); err != nil {
					return err
				}
				if keeps && found.GrantSeq != place {
					return fmt.Errorf("GetRefreshToken of a token that was used: GrantSeq is %d, "+
						"want %d as it was", found.GrantSeq, place)
				}
				return nil
			})
		}
	}
	return nil
}

// manyDigests is more than some storages take in one statement.
const manyDigests = 1100

func logRevokesAccess(ctx context.Context, t *trial) error {
	var live [3]oauth2server.Token
	for i := range live {
		saved, err := t.on.saveToken(ctx, t.newToken())
		if err != nil {
			return err
		}
		live[i] = *saved
		if err := present("GetAccessToken")(t.on.tokens.GetAccessToken(ctx, saved.AccessToken)); err != nil {
			return err
		}
	}
	var code *oauth2server.AuthorizationCode
	if t.on.codes != nil {
		var err error
		if code, err = t.on.saveCode(ctx, t.newCode()); err != nil {
			return err
		}
	}
	digests := []string{oauth2server.Digest(live[0].AccessToken)}
	for range manyDigests {
		digests = append(digests, unique())
	}
	digests = append(digests, oauth2server.Digest(live[1].AccessToken))
	for _, row := range []struct {
		name    string
		digests []string
	}{{"no digest", nil}, {"two tokens and many that are gone", digests}, {"what is gone", digests[:1]}} {
		if err := t.on.log.RevokeAccessTokens(ctx, row.digests...); err != nil {
			return fmt.Errorf("RevokeAccessTokens of %s: %w", row.name, err)
		}
	}
	for i, token := range live {
		expect, whose := absent, "was"
		if i == 2 {
			expect, whose = present, "was not"
		}
		err := expect("GetAccessToken of a token whose Digest %s given to RevokeAccessTokens",
			whose)(t.on.tokens.GetAccessToken(ctx, token.AccessToken))
		if err == nil && token.RefreshToken != "" {
			err = present("GetRefreshToken after RevokeAccessTokens")(
				t.on.refresh.GetRefreshToken(ctx, token.RefreshToken))
		}
		if err != nil {
			return err
		}
	}
	if code != nil {
		return present("GetAuthorizationCode after RevokeAccessTokens")(
			t.on.codes.GetAuthorizationCode(ctx, code.Code))
	}
	return nil
}
