// Package millis converts times to milliseconds since 1970, as they are stored,
// with 0 for the zero time.
package millis

import "time"

// Of returns t in milliseconds. It is 0 only for the zero time, which means
// never; the beginning of 1970 becomes 1.
func Of(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if ms := t.UnixMilli(); ms != 0 {
		return ms
	}
	return 1
}

// Time reverses [Of], to the millisecond and in UTC.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
