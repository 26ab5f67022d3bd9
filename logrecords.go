// This file keeps records of extensions in a model's log of grants.

package oauth2server

import (
	"context"
	"errors"
	"time"
)

// LogRecords returns a [RecordModel] over a [GrantLog]: a record is a log with
// one entry, which has no user. [New] uses it for a model that is a GrantLog and
// no RecordModel. A record is stored as it is, so an extension that remembers a
// secret must seal it, or keep its [Digest].
func LogRecords(log GrantLog) RecordModel { return logRecords{log} }

type logRecords struct{ log GrantLog }

// SaveRecord implements [RecordModel]. The entry outlives the record by as much
// as clocks may differ, so that no machine forgets it early.
func (l logRecords) SaveRecord(
	ctx context.Context, key string, record []byte, expiresAt time.Time,
) error {
	end := expiresAt.UTC().Truncate(time.Millisecond)
	entry := &GrantEntry{
		GrantID:        recordLog + key,
		Seq:            1,
		Kind:           EntryRecord,
		Nonce:          newNonce(),
		Time:           time.Now().UTC().Truncate(time.Millisecond),
		ExpiresAt:      end.Add(maxClockSkew),
		GrantExpiresAt: end,
		Sealed:         record,
	}
	there, err := l.log.AppendGrant(ctx, entry)
	if errors.Is(err, ErrExists) && there != nil && there.Nonce == entry.Nonce {
		return nil // it is this record: only the reply was lost
	}
	return err
}

// GetRecord implements [RecordModel].
func (l logRecords) GetRecord(ctx context.Context, key string) ([]byte, error) {
	entries, err := l.log.GrantEntries(ctx, recordLog+key, 1)
	switch {
	case err != nil:
		return nil, err
	case len(entries) == 0 || entries[0] == nil || expired(entries[0].GrantExpiresAt):
		return nil, ErrNotFound
	}
	return entries[0].Sealed, nil
}
