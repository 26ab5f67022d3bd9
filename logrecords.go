// This file keeps records of extensions in a model's log of grants.

package oauth2server

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// LogRecords returns a [RecordModel] over a [GrantLog]: a record is a log with
// one entry, which has no user. [New] uses it for a model that is a GrantLog and
// no RecordModel. A record is stored as it is, so an extension that remembers a
// secret must seal it, or keep its [Digest].
func LogRecords(log GrantLog) RecordModel { return logRecords{log} }

type logRecords struct{ log GrantLog }

// The most that a record and its key may have, in bytes.
const (
	maxRecord    = 128 << 10
	maxRecordKey = 512
)

// SaveRecord implements [RecordModel]. The entry outlives the record by as much
// as clocks may differ, so that no machine forgets it early.
func (l logRecords) SaveRecord(
	ctx context.Context, key string, record []byte, expiresAt time.Time,
) error {
	switch {
	case expiresAt.IsZero():
		return errors.New("oauth2server: a record needs an expiry")
	case key == "" || len(key) > maxRecordKey || !utf8.ValidString(key):
		return fmt.Errorf("oauth2server: the key of a record has %d bytes of UTF-8; use 1 to %d",
			len(key), maxRecordKey)
	case len(record) > maxRecord:
		return fmt.Errorf("oauth2server: a record of %d bytes; %d are the most", len(record), maxRecord)
	}
	end := expiresAt.UTC().Truncate(time.Millisecond)
	entry := &GrantEntry{
		GrantID:        recordLog + key,
		Seq:            1,
		Kind:           EntryRecord,
		Nonce:          newNonce(),
		Time:           storable(time.Now()),
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
	case len(entries) == 0 || entries[0] == nil || entries[0].Kind != EntryRecord || entries[0].Seq != 1,
		expired(entries[0].GrantExpiresAt):
		return nil, ErrNotFound
	}
	return entries[0].Sealed, nil
}
