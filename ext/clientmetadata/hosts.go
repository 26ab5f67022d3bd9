// This file bounds how often a host is asked, so that nobody can attack it
// through this server.

package clientmetadata

import (
	"hash/maphash"
	"time"
)

// hosts has a token bucket for each host, which holds a minute's requests.
// Strangers choose the hosts, so the number of buckets is fixed, and two hosts
// may share one.
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
