// This file keeps the log of each grant in its collection.

package mongomodel

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server"
)

// placeDigits is the fixed number of digits of a place in an _id, so that _ids
// sort like places.
const placeDigits = 10

// entryDocument is how a log entry is stored. Record is the whole of it.
type entryDocument struct {
	ID        string                 `bson:"_id"`
	GrantID   string                 `bson:"grant_id"` // the shard key; in every filter
	Seq       int                    `bson:"seq"`
	Kind      oauth2server.EntryKind `bson:"kind"`
	ClientID  string                 `bson:"client_id,omitempty"`
	UserID    string                 `bson:"user_id,omitempty"`
	Time      time.Time              `bson:"time,omitempty"`
	ExpiresAt time.Time              `bson:"oauth2_expires_at,omitempty"`
	Record    string                 `bson:"oauth2_record"`
}

// entryID returns the _id of a place. It is unique whatever a grant ID
// contains, as its end has a fixed length.
func entryID(grantID string, seq int) (string, error) {
	place := strconv.Itoa(seq)
	if seq < 0 || len(place) > placeDigits {
		return "", fmt.Errorf("mongomodel: place %d of a log is out of range", seq)
	}
	return grantID + ":" + "0000000000"[len(place):] + place, nil
}

// AppendGrant implements [oauth2server.GrantLog] by an insert: the first one
// gets the place. The entry that it returns with [oauth2server.ErrExists] is
// there for good, as a majority has it. If the server cannot promise that, the
// error is a fault.
func (g *Grants) AppendGrant(
	ctx context.Context, entry *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id, err := entryID(entry.GrantID, entry.Seq)
	if err != nil {
		return nil, err
	}
	record, err := entry.MarshalBinary()
	if err != nil {
		return nil, err
	}
	_, err = g.grants.InsertOne(alone(ctx), entryDocument{
		ID:        id,
		GrantID:   entry.GrantID,
		Seq:       entry.Seq,
		Kind:      entry.Kind,
		ClientID:  entry.ClientID,
		UserID:    entry.UserID,
		Time:      entry.Time,
		ExpiresAt: entry.ExpiresAt,
		Record:    string(record),
	})
	conflict := taken(g.grants, err, idIndex)
	if conflict == nil && err == nil {
		return entry, nil
	} else if conflict == nil {
		return nil, fault(ctx, "insert into "+g.grants.Name(), err)
	}
	return g.entryAt(ctx, id, entry, conflict)
}

// entryAt returns the entry at a place that an append found taken.
func (g *Grants) entryAt(
	ctx context.Context, id string, entry *oauth2server.GrantEntry, conflict *conflict,
) (*oauth2server.GrantEntry, error) {
	var document entryDocument
	err := findOne(ctx, g.grants,
		bson.D{{Key: "_id", Value: id}, {Key: "grant_id", Value: entry.GrantID}}, &document)
	if errors.Is(err, oauth2server.ErrNotFound) { // perhaps there is one that is not ours
		err = findOne(ctx, g.grants, byID(id), &document)
	}
	if errors.Is(err, oauth2server.ErrNotFound) {
		// It expired between the two commands, or the index is not ours. The
		// request may be retried.
		return nil, fmt.Errorf(
			"mongomodel: document %q of %s took the place and is gone: %w", id,
			g.grants.Name(), conflict.err)
	} else if err != nil {
		return nil, err
	}
	there, err := document.read(g.grants)
	switch {
	case err != nil:
		return nil, err
	case there.Nonce == entry.Nonce && entry.Nonce != "":
		return entry, nil // the reply to this very insert was lost
	}
	return there, oauth2server.ErrExists
}

// GrantEntries implements [oauth2server.GrantLog].
func (g *Grants) GrantEntries(
	ctx context.Context, grantID string, from int,
) ([]*oauth2server.GrantEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	first, err := entryID(grantID, max(from, 0))
	if err != nil {
		return nil, err
	}
	return g.findEntries(ctx, inLog(grantID, first),
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(oauth2server.GrantPage))
}

// inLog is the filter of the entries of a log from an _id on. It includes
// grant_id because the _ids of another grant can lie between these: its ID may
// begin with this one and a colon.
func inLog(grantID, first string) bson.D {
	return bson.D{
		{Key: "_id", Value: bson.D{{Key: "$gte", Value: first}, {Key: "$lt", Value: grantID + ";"}}},
		{Key: "grant_id", Value: grantID},
		marked(recordMark),
	}
}

func (g *Grants) findEntries(
	ctx context.Context, filter bson.D, opts ...options.Lister[options.FindOptions],
) ([]*oauth2server.GrantEntry, error) {
	cursor, err := g.grants.Find(alone(ctx), filter, opts...)
	if err != nil {
		return nil, fault(ctx, "find in "+g.grants.Name(), err)
	}
	var documents []entryDocument
	if err := cursor.All(ctx, &documents); err != nil {
		return nil, fault(ctx, "find in "+g.grants.Name(), err)
	}
	var entries []*oauth2server.GrantEntry
	for _, document := range documents {
		entry, err := document.read(g.grants)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// RevokeAccessTokens implements [oauth2server.GrantLog]. After an error, some
// of the tokens may be left.
func (g *Grants) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	return atOnce(ctx, len(digests), func(i int) error {
		err := removeOne(ctx, g.access, ownRecord(digests[i]))
		if errors.Is(err, oauth2server.ErrNotFound) {
			return nil
		}
		return err
	})
}

// commandsAtOnce is how many commands of a list run at the same time. One after
// the other would be too slow for a thief who refreshed all the time and got
// many access tokens.
const commandsAtOnce = 8

// atOnce calls do for 0 to n-1, some at the same time, until one fails.
func atOnce(ctx context.Context, n int, do func(i int) error) error {
	var group sync.WaitGroup
	var next atomic.Int64
	faults := make([]error, min(n, commandsAtOnce))
	for worker := range faults {
		group.Go(func() {
			for faults[worker] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				faults[worker] = do(i)
			}
		})
	}
	group.Wait()
	return errors.Join(append(faults, ctx.Err())...)
}

func (d entryDocument) read(c *mongo.Collection) (*oauth2server.GrantEntry, error) {
	var entry oauth2server.GrantEntry
	if err := entry.UnmarshalBinary([]byte(d.Record)); err != nil {
		return nil, fmt.Errorf("mongomodel: document %q of %s: %w", d.ID, c.Name(), err)
	}
	return &entry, nil
}
