// This file computes when codes, tokens, grants and log entries expire.

package oauth2server

import (
	"fmt"
	"time"
)

// expiry returns when something that is made now expires. A lifetime of the
// client's own, if it is not 0, takes precedence over the server's.
func expiry(now time.Time, clients, servers time.Duration) time.Time {
	lifetime := servers
	if clients != 0 {
		lifetime = clients
	}
	return storable(now.Add(lifetime))
}

// storable returns t in UTC and whole milliseconds, which every storage can
// keep.
func storable(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// earliest returns at, or limit if that is sooner and not zero.
func earliest(at, limit time.Time) time.Time {
	if !limit.IsZero() && limit.Before(at) {
		return limit
	}
	return at
}

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

func expired(at time.Time) bool { return !at.After(time.Now()) }

// never returns the expiry of an entry about a token that has none.
func never() time.Time { return time.Now().AddDate(100, 0, 0) }

// distant returns a time that is before never, and after any expiry.
func distant() time.Time { return time.Now().AddDate(50, 0, 0) }

// checkLifetime refuses numbers that were meant as seconds: 3600 is 3.6
// microseconds.
func checkLifetime(d time.Duration) error {
	if d != 0 && d < time.Second {
		return fmt.Errorf("%v is less than a second", d)
	}
	return nil
}

// maxClockSkew is the upper bound of [Options.ClockSkew].
const maxClockSkew = time.Minute

// maxCodeLifetime is the longest life of a code, and so the longest time
// between what a user began and the first log entry of its grant.
const maxCodeLifetime = 30 * 24 * time.Hour

// speaksUntil returns when both the refresh token and the access token beside
// it have expired.
func (t *Token) speaksUntil() time.Time {
	if t.AccessTokenExpiresAt.IsZero() || t.RefreshTokenExpiresAt.IsZero() {
		return never()
	}
	return latest(t.AccessTokenExpiresAt, t.RefreshTokenExpiresAt)
}

// refreshExpired reports whether the refresh token has expired.
func (t *Token) refreshExpired() bool {
	return !t.RefreshTokenExpiresAt.IsZero() && expired(t.RefreshTokenExpiresAt)
}

// speaksUntil returns when all tokens that an entry is about have expired.
func (e *GrantEntry) speaksUntil() time.Time {
	if e.AccessToken != "" && e.AccessTokenExpiresAt.IsZero() ||
		e.Successor != "" && e.SuccessorExpiresAt.IsZero() {
		return never()
	}
	return latest(e.AccessTokenExpiresAt, e.SuccessorExpiresAt)
}

// lives reports whether the access token of an entry may still work on a
// machine whose clock is behind.
func (e *GrantEntry) lives() bool {
	at := e.AccessTokenExpiresAt
	return e.AccessToken != "" && (at.IsZero() || !expired(at.Add(maxClockSkew)))
}

// markerMargin is how long a log entry stays after everything that it is about
// has expired, as clocks differ.
const markerMargin = 24 * time.Hour
