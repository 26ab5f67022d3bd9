// Package millis has times as they are stored: in milliseconds since 1970, with
// 0 for the zero time.
package millis

import "time"

// Of is 0 for the zero time alone. What expired at the beginning of 1970 is not
// what never expires, so it is 1.
func Of(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if ms := t.UnixMilli(); ms != 0 {
		return ms
	}
	return 1
}

// Time is the time that [Of] was given, to the millisecond, in UTC.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
