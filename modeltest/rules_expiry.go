// This file has the rule that a storage drops nothing before its time.

package modeltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

var expiryRules = []rule{
	{
		name:  "expiry",
		check: expiry,
		reason: "each token, code and log entry has an expiry of its own, and a storage drops it " +
			"after that one only. The rule waits about two seconds: it does not see what a sweep " +
			"drops later, as the TTL monitor of MongoDB does once a minute, nor a fixed lifetime " +
			"that is longer",
		harm: "people are signed out when their access token expires; or a log forgets that a " +
			"token was used or that the grant was revoked, so that what was stolen works again",
	},
}

// After pause, what expires soon has expired, even if a storage counts in whole
// seconds and rounds up.
const (
	soon  = time.Second
	later = time.Hour
	pause = 2200 * time.Millisecond
)

// from returns the time after d, to the millisecond.
func from(d time.Duration) time.Time { return time.Now().UTC().Truncate(time.Millisecond).Add(d) }

// lasting is something stored that lives on when pause is over, though what is
// beside it does not.
type lasting struct {
	call string // the lookup, and what it finds
	get  func(ctx context.Context, h *handle) (any, error)
}

// expiry stores all of them first, as it waits only once.
func expiry(ctx context.Context, t *trial) error {
	var all []lasting
	for _, store := range []func(context.Context, *trial) ([]lasting, error){lastingTokens,
		lastingCodes, lastingEntries} {
		stored, err := store(ctx, t)
		if err != nil {
			return err
		}
		if !t.finds(ctx, stored) {
			return nil // not even before the pause: other rules report it
		}
		all = append(all, stored...)
	}
	if all == nil {
		return nil
	}
	if err := wait(ctx, pause); err != nil {
		return err
	}
	for _, l := range all {
		for _, h := range t.both() {
			if err := present("%s: after two seconds, %s", h.name, l.call)(l.get(ctx, h)); err != nil {
				return err
			}
		}
	}
	return nil
}

// finds reports whether both handles find all that was stored.
func (t *trial) finds(ctx context.Context, stored []lasting) bool {
	for _, l := range stored {
		for _, h := range t.both() {
			if present("")(l.get(ctx, h)) != nil {
				return false
			}
		}
	}
	return true
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lastingTokens stores pairs of which one token expires soon.
func lastingTokens(ctx context.Context, t *trial) (all []lasting, err error) {
	if t.on.refresh == nil && t.on.tokens == nil {
		return nil, nil
	}
	for _, row := range []struct {
		access, refresh time.Time
		call, of        string // the lookup, and what it finds
	}{
		{access: from(soon), refresh: from(later), call: "GetRefreshToken",
			of: "a refresh token that lives for an hour, beside an access token that lives for a second"},
		{access: from(soon), call: "GetRefreshToken",
			of: "a refresh token that never expires, beside an access token that lives for a second"},
		{access: from(later), refresh: from(soon), call: "GetAccessToken",
			of: "an access token that lives for an hour, beside a refresh token that lives for a second"},
		{access: from(later), refresh: from(later), call: "GetAccessToken",
			of: "an access token that lives for an hour, as its refresh token does"},
	} {
		at := slices.IndexFunc(t.on.kinds(), func(k kind) bool { return k.name == row.call })
		if at < 0 {
			continue
		}
		token := t.newToken()
		token.AccessTokenExpiresAt = row.access
		if t.on.refresh != nil {
			token.RefreshTokenExpiresAt = row.refresh
		}
		saved, err := t.on.saveToken(ctx, token)
		if err != nil {
			return nil, err
		}
		text := t.on.kinds()[at].text(saved)
		all = append(all,
			lasting{row.call + " of " + row.of, func(ctx context.Context, h *handle) (any, error) {
				return h.kinds()[at].get(ctx, text)
			}})
	}
	return all, nil
}

func lastingCodes(ctx context.Context, t *trial) ([]lasting, error) {
	if t.on.codes == nil {
		return nil, nil
	}
	code := t.newCode()
	code.ExpiresAt = from(later)
	saved, err := t.on.saveCode(ctx, code)
	if err != nil {
		return nil, err
	}
	text := saved.Code
	return []lasting{{"GetAuthorizationCode of a code that lives for an hour",
		func(ctx context.Context, h *handle) (any, error) {
			return h.codes.GetAuthorizationCode(ctx, text)
		}}}, nil
}

// lastingEntries stores logs of which one entry expires soon, the first or the
// last.
func lastingEntries(ctx context.Context, t *trial) (all []lasting, err error) {
	if t.on.log == nil {
		return nil, nil
	}
	for _, row := range []struct {
		expires [2]time.Time
		lasts   int // the place
		name    string
	}{
		{[2]time.Time{from(soon), from(later)}, 2,
			"an entry that lives for an hour, behind one that lives for a second"},
		{[2]time.Time{from(later), from(soon)}, 1,
			"an entry that lives for an hour, before one that lives for a second"},
	} {
		id := unique()
		for i, expires := range row.expires {
			entry := t.newEntry(id, i+1)
			entry.ExpiresAt = expires
			if err := t.on.appendTo(ctx, entry); err != nil {
				return nil, err
			}
		}
		all = append(all,
			lasting{"GrantEntries with " + row.name, func(ctx context.Context, h *handle) (any, error) {
				return h.entryAt(ctx, id, row.lasts)
			}})
	}
	return all, nil
}

// entryAt returns the entry at a place of a log.
func (h *handle) entryAt(
	ctx context.Context, grantID string, place int,
) (*oauth2server.GrantEntry, error) {
	entries, err := h.log.GrantEntries(ctx, grantID, 1)
	if err != nil {
		return nil, fmt.Errorf("GrantEntries: %w", err)
	}
	for _, e := range entries {
		if e != nil && e.Seq == place {
			return e, nil
		}
	}
	return nil, errors.New("the entry is not there")
}
