// This file logs access tokens that are issued without an entry in the log of
// their grant.

package oauth2server

import (
	"context"
	"math/rand/v2"
	"time"
)

// Some uses of a grant issue an access token without an entry in its own log:
// of a refresh token that is not rotated, or of an extension grant whose token
// joins. They only need to be found when the grant ends. So each takes any
// place in the slot of its time, and none has to read the ones before it. The
// number of places in a slot bounds how many there are.
const (
	useSlot     = 2 * time.Hour
	usesPerSlot = 4096
	useTries    = 16
	useSlots    = 1 << 18 // so that a place fits into 31 bits; slots of 59 years ago are free again
)

// appendUse appends an entry to the uses of a grant.
func appendUse(ctx context.Context, log GrantLog, entry *GrantEntry) *Error {
	entry.GrantID = usesLog + entry.GrantID
	slot := int(time.Now().Unix() / int64(useSlot/time.Second) % useSlots)
	for range useTries {
		entry.Seq = slot*usesPerSlot + rand.IntN(usesPerSlot)
		there, refused := appendEntry(ctx, log, entry, time.Time{})
		if refused != nil || there == nil {
			return refused
		}
	}
	return usedTooOften(0) // nearly all places are taken
}
