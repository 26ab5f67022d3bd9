package modeltest

// This file has models that break the rules about records, and models that lose
// what extensions keep with a code or a token.

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// keeper is a model with records of its own.
type keeper struct {
	*altered
	*drawer
}

func (k keeper) Unwrap() oauth2server.Model { return k.altered }

// drawer keeps records in memory.
type drawer struct {
	drawerFaults

	mu  sync.Mutex
	all map[string]keptRecord
}

// drawerFaults are what is wrong with a drawer.
type drawerFaults struct{ replaces, shares, eternal, forgets, late bool }

type keptRecord struct {
	text  []byte
	until time.Time
}

func (d *drawer) SaveRecord(_ context.Context, key string, record []byte, expiresAt time.Time) error {
	d.mu.Lock()
	_, there := d.all[key]
	if d.late { // it looks and writes in two steps
		d.mu.Unlock()
		time.Sleep(time.Millisecond)
		d.mu.Lock()
	}
	defer d.mu.Unlock()
	switch {
	case there && !d.replaces:
		return oauth2server.ErrExists
	case d.forgets:
		return nil
	case d.shares:
		d.all[key] = keptRecord{record, expiresAt}
	default:
		d.all[key] = keptRecord{bytes.Clone(record), expiresAt}
	}
	return nil
}

func (d *drawer) GetRecord(_ context.Context, key string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, there := d.all[key]
	if !there || !d.eternal && !found.until.After(time.Now()) {
		return nil, oauth2server.ErrNotFound
	}
	return bytes.Clone(found.text), nil
}

func withDrawer(faults drawerFaults) func(*Fixture, *altered) {
	return func(f *Fixture, a *altered) {
		k := keeper{a, &drawer{drawerFaults: faults, all: map[string]keptRecord{}}}
		f.Model, f.Peer = k, k
	}
}

// lose changes what the lookups of tokens and codes find.
func lose(inToken func(*token), inCode func(*code)) func(*Fixture, *altered) {
	return func(_ *Fixture, a *altered) {
		if inToken != nil {
			a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
				return edit(a.Model.GetAccessToken(ctx, text))(inToken)
			}
			a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
				return edit(a.Model.GetRefreshToken(ctx, text))(inToken)
			}
		}
		if inCode != nil {
			a.getCode = func(ctx context.Context, text string) (*code, error) {
				return edit(a.Model.GetAuthorizationCode(ctx, text))(inCode)
			}
		}
	}
}

var recordDefects = []defect{
	{"records are replaced", "record-once", withDrawer(drawerFaults{replaces: true})},
	{"records are looked for and written in two steps", "record-once", withDrawer(drawerFaults{late: true})},
	{"records share their bytes with the caller", "record-comes-back", withDrawer(drawerFaults{shares: true})},
	{"records never expire", "record-comes-back", withDrawer(drawerFaults{eternal: true})},
	{"records are not kept", "record-comes-back", withDrawer(drawerFaults{forgets: true})},
	{"the Details of tokens are lost", "token-comes-back", lose(func(t *token) { t.Details = nil }, nil)},
	{"the key of tokens is lost", "token-comes-back", lose(func(t *token) { t.Details.Confirmation = nil }, nil)},
	{"the resource of tokens is lost", "token-comes-back", lose(func(t *token) { t.Resource = "" }, nil)},
	{"the Details of codes are lost", "code-comes-back", lose(nil, func(c *code) { c.Details = nil })},
	{"the resource of codes is lost", "code-comes-back", lose(nil, func(c *code) { c.Resource = "" })},
	{"the resource of entries is lost", "log-comes-back", func(_ *Fixture, a *altered) {
		a.grantEntries = func(ctx context.Context, id string, from int) ([]*entry, error) {
			entries, err := a.Model.GrantEntries(ctx, id, from)
			for _, e := range entries {
				e.Resource = ""
			}
			return entries, err
		}
	}},
}

func TestAModelWithRecordsPasses(t *testing.T) {
	good := defect{breakIt: withDrawer(drawerFaults{})}
	for _, r := range recordRules {
		require.NoError(t, tryAlone(t, r, newBroken(good)), r.name)
	}
	require.NoError(t, check(t, newBroken(good)))
}
