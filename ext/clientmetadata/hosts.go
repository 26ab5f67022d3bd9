// This file bounds how often a host is asked, so that nobody attacks a third party
// by way of this server.

package clientmetadata

import (
	"hash/maphash"
	"time"
)

// hosts counts requests to hosts in a fixed space, as strangers choose the names:
// a host may share its count with another one. It is a bucket for each, which
// holds a minute's requests and is refilled all the time.
type hosts struct {
	seed      maphash.Seed
	perMinute int
	full      [4096]time.Time // when the bucket will be full again
}

// take reports whether a host may be asked once more.
func (h *hosts) take(host string, now time.Time) bool {
	full := &h.full[maphash.String(h.seed, host)%uint64(len(h.full))]
	if full.Before(now) {
		*full = now
	}
	next := full.Add(time.Minute / time.Duration(h.perMinute))
	if next.Sub(now) > time.Minute {
		return false
	}
	*full = next
	return true
}
