package oauth2server

import (
	"fmt"
	"time"
)

// expiry is when something that lives so long ends, in UTC and whole milliseconds, which every storage can keep.
func expiry(clients, servers time.Duration) time.Time {
	lifetime := servers
	if clients != 0 {
		lifetime = clients
	}
	return time.Now().Add(lifetime).UTC().Truncate(time.Millisecond)
}

// earliest is at, or limit if that is sooner and there is one.
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

// never is the expiry of an entry about a token that has none.
func never() time.Time { return time.Now().AddDate(100, 0, 0) }

// distant is before whatever never expires.
func distant() time.Time { return time.Now().AddDate(50, 0, 0) }

// checkLifetime finds numbers that were meant as seconds: 3600 is 3.6 microseconds.
func checkLifetime(d time.Duration) error {
	if d != 0 && d < time.Second {
		return fmt.Errorf("%v is less than a second", d)
	}
	return nil
}

// maxClockSkew bounds ClockSkew.
const maxClockSkew = time.Minute

// maxCodeLifetime is the longest life of a code, and so the longest time that
// something is under way for a user before its grant is in the log.
const maxCodeLifetime = 30 * 24 * time.Hour

// speaksUntil is when a refresh token and the access token beside it expire.
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

// speaksUntil is when the tokens that an entry is about expire.
func (e *GrantEntry) speaksUntil() time.Time {
	if e.AccessToken != "" && e.AccessTokenExpiresAt.IsZero() || e.Successor != "" && e.SuccessorExpiresAt.IsZero() {
		return never()
	}
	return latest(e.AccessTokenExpiresAt, e.SuccessorExpiresAt)
}

// lives reports whether the access token of an entry may still be good, on a
// machine whose clock is behind.
func (e *GrantEntry) lives() bool {
	return e.AccessToken != "" && (e.AccessTokenExpiresAt.IsZero() || !expired(e.AccessTokenExpiresAt.Add(maxClockSkew)))
}

// markerMargin is how long a log entry stays after the last thing that it
// speaks of has expired: clocks differ.
const markerMargin = 24 * time.Hour
