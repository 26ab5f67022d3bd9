// This file has the rules about the log of a grant.

package modeltest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

var logRules = []rule{
	{
		name:   "log-comes-back",
		needs:  []need{log},
		check:  logComesBack,
		reason: "the log decides from what its entries say: digests, times, and the sealed successor",
		harm: "a client that lost a reply cannot get its token again, theft is not seen, or " +
			"access tokens survive a revocation",
	},
	{
		name:  "log-never-overwrites",
		needs: []need{log},
		check: logNeverOverwrites,
		reason: "AppendGrant puts an entry where nothing is: what was committed must stay, and " +
			"who comes second must learn what is there",
		harm: "a code is redeemed twice, a stolen refresh token works beside the owner's, and a " +
			"revocation is undone",
	},
	{
		name:  "log-repeat",
		needs: []need{log},
		check: logRepeat,
		reason: "a reply may get lost on the way from the storage, and a driver may ask again: " +
			"the nonce shows that it is the same attempt",
		harm: "a sign-in that succeeded looks like a replay, and the grant is revoked",
	},
	{
		name:  "log-race",
		needs: []need{log},
		check: logRace,
		reason: "of all that append at one place, on any number of machines, one is first; the " +
			"others are told who",
		harm: "two requests both believe that they won, so that both of two tokens live, and the " +
			"owner is signed out as a thief",
	},
	{
		name:   "log-order",
		needs:  []need{log},
		check:  logOrder,
		reason: "the log is judged from a place on, entry by entry, to its end",
		harm:   "an entry that is missing or in the wrong place turns a retry into a theft, or hides one",
	},
	{name: "log-gaps", needs: []need{log}, check: logGaps,
		reason: "entries expire one by one, so that places may be missing",
		harm:   "the rest of a log is not seen: who is a thief, and that the grant was revoked"},
	{name: "log-none", needs: []need{log}, check: logNone,
		reason: "a grant of which nothing is known has an empty log, and that is no error",
		harm:   "revocation of a code that nobody redeemed yet fails, and so does signing a user out"},
	{
		name:  "log-apart",
		needs: []need{log},
		check: logApart,
		reason: "a grant id is an exact string: an entry is stored under it and its place, and " +
			"under nothing that looks alike",
		harm: "what one owner does revokes the grant of another, or leaves it alive",
	},
	{name: "log-copies", needs: []need{log}, check: logCopies,
		reason: "what is given to the model and what it returns belongs to nobody else",
		harm:   "the history of a grant is changed after it was written"},
	{name: "log-wide", needs: []need{log}, check: logWide,
		reason: "grant ids and scopes may be long, and need not be ASCII; what is sealed is binary",
		harm:   "the sign-ins of the one client with long values fail, or cannot be refreshed"},
	{
		name:  "log-outlives",
		needs: []need{log},
		check: logOutlives,
		reason: "an entry stays until its own ExpiresAt, whatever it speaks of has expired " +
			"before: spent must stay spent",
		harm: "a code or a refresh token that was used works again a while later",
	},
	{
		name:  "log-used-stays-found",
		needs: []need{log},
		check: logUsedStaysFound,
		reason: "with a log, GetAuthorizationCode and GetRefreshToken go on finding what was " +
			"used, as the log decides about it",
		harm: "a replay is taken for a mistyped code, so that theft goes unseen; and a client " +
			"that lost a reply is signed out",
	},
	{name: "log-revokes-access", needs: []need{log, tokens}, check: logRevokesAccess,
		reason: "RevokeAccessTokens ends the access tokens of a grant, given by Digest, and nothing else",
		harm:   "whoever stole a token goes on after the grant was revoked; or others are signed out"},
}

// appendTo appends entries and returns an error for anything but success.
func (h *handle) appendTo(ctx context.Context, entries ...*oauth2server.GrantEntry) error {
	for _, e := range entries {
		seq := e.Seq
		if _, err := h.log.AppendGrant(ctx, e); err != nil {
			return fmt.Errorf("AppendGrant at place %d, where nothing is: %w", seq, err)
		}
	}
	return nil
}

// entriesOf reads a log, page by page, and returns an error unless it has want
// entries.
func (h *handle) entriesOf(
	ctx context.Context, grantID string, from, want int,
) (entries []*oauth2server.GrantEntry, err error) {
	for {
		page, err := h.log.GrantEntries(ctx, grantID, from)
		if err != nil {
			return nil, fmt.Errorf("GrantEntries: %w", err)
		}
		if left := want - len(entries); len(page) > left ||
			len(page) < min(left, oauth2server.GrantPage) {
			return nil, fmt.Errorf("GrantEntries from place %d on returned %d entries; there are "+
				"%d, and %d make a page",
				from, len(page), left, oauth2server.GrantPage)
		}
		for _, e := range page {
			if e == nil {
				return nil, errors.New("GrantEntries returned a nil entry")
			}
			from = e.Seq + 1
		}
		if entries = append(entries, page...); len(page) < oauth2server.GrantPage {
			return entries, nil
		}
	}
}

func logComesBack(ctx context.Context, t *trial) error {
	id := unique()
	full := t.newEntry(id, 1)
	sparse := &oauth2server.GrantEntry{
		GrantID:   id,
		Seq:       2,
		Kind:      "revoked",
		Nonce:     unique(),
		Time:      full.Time,
		ExpiresAt: full.ExpiresAt,
	}
	future := t.newEntry(id, 3)
	future.Kind = "a kind of a later version"
	return t.entriesComeBack(ctx, id, full, sparse, future)
}

func (t *trial) entriesComeBack(
	ctx context.Context, id string, entries ...*oauth2server.GrantEntry,
) error {
	var want []picture
	for _, e := range entries {
		want = append(want, pictureOf(e))
	}
	if err := t.on.appendTo(ctx, entries...); err != nil {
		return err
	}
	found, err := t.on.entriesOf(ctx, id, 1, len(entries))
	if err != nil {
		return err
	}
	for i := range found {
		if err := same(fmt.Sprintf("GrantEntries, place %d", i+1), want[i], found[i]); err != nil {
			return err
		}
	}
	return nil
}

func logWide(ctx context.Context, t *trial) error {
	if logComesBack(ctx, t) != nil {
		return nil // short values do not come back either: log-comes-back reports it
	}
	id := wideID()
	entry := t.newEntry(id, 1)
	entry.Scope, entry.Sealed = wideScope(), nil
	for i := range 1 << 10 {
		entry.Sealed = append(entry.Sealed, byte(i))
	}
	return t.entriesComeBack(ctx, id, entry)
}

func logGaps(ctx context.Context, t *trial) error {
	id := unique()
	if err := t.on.appendTo(ctx, t.newEntry(id, 3), t.newEntry(id, 4), t.newEntry(id, 7)); err != nil {
		return err
	}
	if _, err := t.on.entriesOf(ctx, id, 1, 3); err != nil {
		return fmt.Errorf("a log with the places 3, 4 and 7: %w", err)
	}
	return nil
}

func logNone(ctx context.Context, t *trial) error {
	_, err := t.on.entriesOf(ctx, unique(), 1, 0)
	return err
}

// logOrder uses more places than fit in one digit, and than most storages
// return in a page.
func logOrder(ctx context.Context, t *trial) error {
	const places = 1030
	id := unique()
	for place := 1; place <= places; place++ {
		if err := t.on.appendTo(ctx, t.newEntry(id, place)); err != nil {
			return err
		}
	}
	for _, from := range []int{1, 2, 10, 101, places, places + 1} {
		entries, err := t.on.entriesOf(ctx, id, from, places+1-from)
		if err != nil {
			return err
		}
		for i, e := range entries {
			if e.Seq != from+i {
				return fmt.Errorf("GrantEntries from place %d on returned place %d as number %d",
					from, e.Seq, i+1)
			}
		}
	}
	return nil
}

// logApart uses IDs that a storage could confuse, by themselves or together
// with a place.
func logApart(ctx context.Context, t *trial) error {
	id := "Grant-" + unique()
	ids := []string{id, swapCase(id), id + " ", id[:len(id)-1], id + "1", id + ":1", id + ":1:",
		id + "/1", id + "%", id[:len(id)-1] + "_", id + "*",
		id + "é", id + "e\u0301"}
	const places = 12 // id + "1" at place 2, and id at place 12
	for _, id := range ids {
		for place := 1; place <= places; place++ {
			if err := t.on.appendTo(ctx, t.newEntry(id, place)); err != nil {
				return fmt.Errorf("grant %q, beside those of like ids: %w", id, err)
			}
		}
	}
	for _, id := range ids {
		entries, err := t.on.entriesOf(ctx, id, 1, places)
		if err != nil {
			return fmt.Errorf("grant %q, beside those of like ids: %w", id, err)
		}
		for _, e := range entries {
			if e.GrantID != id {
				return fmt.Errorf("GrantEntries of %q returned an entry of %q", id, e.GrantID)
			}
		}
	}
	return nil
}

func logCopies(ctx context.Context, t *trial) error {
	id := unique()
	given := t.newEntry(id, 1)
	nonce := given.Nonce
	if err := t.on.appendTo(ctx, given); err != nil {
		return err
	}
	read := func(ctx context.Context) (*oauth2server.GrantEntry, error) {
		entries, err := t.on.entriesOf(ctx, id, 1, 1)
		if err != nil {
			return nil, err
		}
		return entries[0], nil
	}
	if err := copies(ctx, "GrantEntries", given, nil, read); err != nil {
		return err
	}
	there := func(ctx context.Context) (*oauth2server.GrantEntry, error) {
		there, err := t.on.log.AppendGrant(ctx, t.newEntry(id, 1))
		if errors.Is(err, oauth2server.ErrExists) {
			err = nil
		}
		return there, err
	}
	if found, err := there(ctx); err != nil || found == nil || found.Nonce != nonce {
		return nil // log-never-overwrites reports it
	}
	return copies(ctx, "AppendGrant where an entry is", nil, nil, there)
}

func logOutlives(ctx context.Context, t *trial) error {
	id := unique()
	entry := t.newEntry(id, 1)
	entry.Time, entry.AccessTokenExpiresAt, entry.SuccessorExpiresAt = past(), past(), past()
	entry.ExpiresAt = time.Now().UTC().Truncate(time.Millisecond).Add(time.Hour)
	if err := t.on.appendTo(ctx, entry); err != nil {
		return err
	}
	for range 8 { // a sweep may run when something is stored
		if err := t.on.appendTo(ctx, t.newEntry(unique(), 1)); err != nil {
			return err
		}
	}
	_, err := t.on.entriesOf(ctx, id, 1, 1)
	if err != nil {
		return fmt.Errorf("an entry that expires in an hour, of tokens that have expired: %w", err)
	}
	return nil
}
