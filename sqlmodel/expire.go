// This file deletes what has expired.

package sqlmodel

import (
	"context"
	"time"
)

// retention is how long something stays after its expiry: a client that presents
// it late learns that it has expired, and clocks may differ.
const retention = time.Hour

// DeleteExpired deletes what expired more than an hour ago, and returns how many
// rows it deleted. Call it every hour, for example; several processes may do so
// at once. One statement deletes at most 1,000 rows. If ctx ends or a statement
// fails, DeleteExpired returns the error, and what it deleted stays deleted.
// Expired tokens are refused whether or not they are deleted.
func (g *Grants) DeleteExpired(ctx context.Context) (deleted int64, err error) {
	before := time.Now().Add(-retention).UnixMilli()
	for _, statement := range []*statement{g.expiredCodes, g.expiredTokens, g.expiredLogs} {
		for more := true; more; {
			some, err := statement.exec(ctx, before)
			deleted += some
			if err != nil {
				return deleted, err
			}
			more = some > 0
		}
	}
	return deleted, nil
}

// keepFormer is how long the ID of a deleted client stays known.
const keepFormer = 24 * time.Hour

// DeleteExpired is [Grants.DeleteExpired], and forgets the clients that were
// deleted more than a day ago. It ends what was granted to them once more, as a
// request in flight may have stored something that lives longer.
func (m *Model) DeleteExpired(ctx context.Context) (deleted int64, err error) {
	deleted, err = m.Grants.DeleteExpired(ctx)
	before := time.Now().Add(-keepFormer).UnixMilli()
	for err == nil {
		var ids []string
		if ids, err = all(ctx, m.oldFormer, text, before); len(ids) == 0 {
			break
		}
		for _, id := range ids {
			if err := m.endFormer(ctx, id); err != nil {
				return deleted, err
			}
			n, err := m.deleteFormer.exec(ctx, id, before)
			deleted += n
			if err != nil {
				return deleted, err
			}
		}
	}
	return deleted, err
}
