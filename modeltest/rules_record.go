// This file has the rules about what extensions keep.

package modeltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

var recordRules = []rule{
	{
		name:  "record-comes-back",
		needs: []need{records},
		check: recordComesBack,
		reason: "an extension reads what it kept, and what it must not find any more is not there: " +
			"a record is bytes, found under its own key until it expires",
		harm: "a request that was pushed cannot be found, or an expired one is used",
	},
	{
		name:  "record-once",
		needs: []need{records},
		check: recordOnce,
		reason: "of all who save a record under one key, on all machines, one succeeds: that is how " +
			"an extension sees that something was used before",
		harm: "an assertion or a proof that was intercepted works a second time",
	},
}

var records = need{"RecordModel", func(t *trial) bool { return t.on.records != nil }}

func recordComesBack(ctx context.Context, t *trial) error {
	key, until := "a key: "+unique(), time.Now().Add(time.Hour)
	want := []byte("a record \x00\xff, not text")
	given := bytes.Clone(want)
	if err := t.on.records.SaveRecord(ctx, key, given, until); err != nil {
		return fmt.Errorf("SaveRecord: %w", err)
	}
	given[0] ^= 0xFF
	for range 2 {
		got, err := t.peer.records.GetRecord(ctx, key)
		if err != nil {
			return fmt.Errorf("GetRecord: %w", err)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("GetRecord returned %q, want %q", got, want)
		}
		got[0] ^= 0xFF
	}
	if _, err := t.on.records.GetRecord(ctx, key+" "); !errors.Is(err, oauth2server.ErrNotFound) {
		return fmt.Errorf("GetRecord of an unknown key: the error is %v, want ErrNotFound", err)
	}
	key = unique()
	if err := t.on.records.SaveRecord(ctx, key, want, past()); err != nil {
		return fmt.Errorf("SaveRecord of a record that has expired: %w", err)
	}
	if _, err := t.on.records.GetRecord(ctx, key); !errors.Is(err, oauth2server.ErrNotFound) {
		return fmt.Errorf("GetRecord of a record that has expired: the error is %v, want ErrNotFound", err)
	}
	return nil
}

func recordOnce(ctx context.Context, t *trial) error {
	if recordComesBack(ctx, t) != nil {
		return nil // record-comes-back reports it
	}
	for range rounds {
		key, until := unique(), time.Now().Add(time.Hour)
		errs := t.storm(func(h *handle, i int) error {
			return h.records.SaveRecord(ctx, key, []byte{byte(i)}, until)
		})
		won, fault := count(errs, oauth2server.ErrExists)
		switch {
		case won > 1:
			return fmt.Errorf("%d of %d calls of SaveRecord with one key succeeded, want 1", won, crowd)
		case won == 0 && fault == nil:
			return fmt.Errorf("none of %d calls of SaveRecord succeeded, though no call failed; want 1", crowd)
		case won == 0:
			continue
		}
		if err := t.on.records.SaveRecord(ctx, key, nil, until); !errors.Is(err, oauth2server.ErrExists) {
			return fmt.Errorf("SaveRecord where a record is: the error is %v, want ErrExists", err)
		}
		got, err := t.on.records.GetRecord(ctx, key)
		if err != nil || len(got) != 1 || errs[got[0]] != nil {
			return fmt.Errorf("GetRecord did not return the record of the call that succeeded: %x, %v", got, err)
		}
	}
	return ctx.Err()
}
