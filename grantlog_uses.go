// This file logs access tokens that are issued without an entry in the log of
// their grant.

package oauth2server

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// Some uses of a grant issue an access token without an entry in the grant's
// own log: of a refresh token that is not rotated, or of an extension grant
// whose token joins. They must be found only when the grant ends. So each takes
// a free place in the slot of its time, and none has to read the ones before
// it. The number of places in a slot bounds the number of uses.
const (
	useSlot     = 2 * time.Hour
	usesPerSlot = 4096
	useTries    = 16
	useSlots    = 1 << 18 // so that a place fits into 31 bits; they begin again in October 2059
)

// usesBegin is when the first slot began, in seconds since 1970: in 2000.
const usesBegin = 946684800

// The log has two halves. The lower half has the uses whose client and owner
// are not named in the log of the grant: the first places of a slot name them,
// once for all uses that are alike. The upper half has the others. There the
// last places of a slot rise with time, so that the last entry is of the latest
// use.
const (
	usesUnnamed  = useSlots * usesPerSlot // where the upper half begins
	namesPerSlot = 256
	nameTries    = 4
	risingPlaces = 1024
	risingPeriod = useSlot / risingPlaces // the last use may be that much later than the last entry
)

// appendUse appends an entry to the uses of a grant. It names a client and an
// owner only if the log of the grant does not.
func appendUse(ctx context.Context, log GrantLog, entry *GrantEntry) *Error {
	now := time.Now()
	slot := int(max(now.Unix()-usesBegin, 0) / int64(useSlot/time.Second) % useSlots)
	use := use{entry: entry, log: log, first: slot * usesPerSlot}
	entry.GrantID = usesLog + entry.GrantID
	if entry.UserID != "" {
		return use.appendNamed(ctx)
	}
	rising := usesPerSlot - risingPlaces + int(now.Sub(now.Truncate(useSlot))/risingPeriod)
	use.first += usesUnnamed
	use.until = entry.speaksUntil().Add(risingPeriod)
	if there, refused := use.append(ctx, rising); refused != nil || there == nil {
		return refused
	}
	return use.appendAnywhere(ctx, 0, rising)
}

// use is an entry that is appended to a slot.
type use struct {
	entry *GrantEntry
	log   GrantLog
	first int       // the slot's first place
	until time.Time // how long the entry stays, whatever it is about
}

// append appends the entry at a place of the slot. appendEntry adds its margin to
// what the entry has, so each attempt begins without.
func (u *use) append(ctx context.Context, place int) (there *GrantEntry, refused *Error) {
	u.entry.Seq, u.entry.ExpiresAt = u.first+place, time.Time{}
	return appendEntry(ctx, u.log, u.entry, u.until)
}

// appendAnywhere appends the entry at a place that is free.
func (u *use) appendAnywhere(ctx context.Context, from, to int) *Error {
	for range useTries {
		there, refused := u.append(ctx, from+rand.IntN(to-from))
		if refused != nil || there == nil {
			return refused
		}
	}
	return usedTooOften(0) // nearly all places are taken
}

// appendNamed appends an entry that names a client and an owner. If an entry of
// the same slot names them for as long, this one need not.
func (u *use) appendNamed(ctx context.Context) *Error {
	hash := fnv.New32a()
	hash.Write([]byte(u.entry.ClientID + " " + u.entry.Scope.String() + " " + u.entry.Resource))
	place := int(hash.Sum32() % namesPerSlot)
	u.until = u.entry.speaksUntil().Add(useSlot) // for later ones of the slot
	for range nameTries {
		there, refused := u.append(ctx, place)
		if refused != nil || there == nil {
			return refused
		}
		if there.namesFor(u.entry) {
			u.entry.ClientID, u.entry.UserID, u.entry.Scope, u.entry.Resource = "", "", nil, ""
			return u.appendAnywhere(ctx, namesPerSlot, usesPerSlot)
		}
		place = (place + 1) % namesPerSlot
	}
	return u.appendAnywhere(ctx, namesPerSlot, usesPerSlot)
}

// namesFor reports whether an entry names the client, owner and scope of use,
// for as long as use is about something. Then use need not name them.
func (e *GrantEntry) namesFor(use *GrantEntry) bool {
	return e.ClientID == use.ClientID && e.UserID == use.UserID && e.Resource == use.Resource &&
		e.Scope.Contains(use.Scope...) &&
		!use.speaksUntil().After(e.ExpiresAt.Add(-markerMargin))
}

// isUse reports whether an entry is of the uses of a grant, and named whether
// the log of the grant names its client.
func (e *GrantEntry) isUse() (use, named bool) {
	use = strings.HasPrefix(e.GrantID, usesLog)
	return use, use && e.Seq >= usesUnnamed
}

// usedTooOften returns a refusal with 429, without a verdict on the grant. wait
// is 0 if it is not known how long the client has to wait.
func usedTooOften(wait time.Duration) *Error {
	return &Error{
		Code:        InvalidRequest,
		Description: "The grant was refreshed too often. Try again later.",
		Status:      http.StatusTooManyRequests,
		reason:      "refresh_too_often",
		wait:        wait,
	}
}
