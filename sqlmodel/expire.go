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
