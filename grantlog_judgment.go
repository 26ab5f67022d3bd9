// This file decides, by the log of a grant, what becomes of a refresh token
// that is presented.

package oauth2server

import (
	"strings"
	"time"
)

// maxRetries is how often a rotated token may be used again within the window,
// or within a minute if that is longer. It bounds what a client in a loop can
// make.
const maxRetries = 16

// A grant may be refreshed ten times a minute on average, and 6,000 times at
// once after a pause. The average bounds the length of its log, and the burst
// bounds the entries of the last minutes, which a verdict may have to read.
const (
	refreshInterval = 6 * time.Second
	refreshBurst    = 6000
)

// verdict is what follows from a log for a refresh token that is presented.
type verdict string

const (
	rotate   verdict = "rotate"   // a new successor, at the ruling's place
	retry    verdict = "retry"    // the same successor again, an entry at the ruling's place
	theft    verdict = "theft"    // two parties have the token: the grant must end
	over     verdict = "over"     // the grant ended before
	tooOften verdict = "tooOften" // no verdict on the grant: come back later
	broken   verdict = "broken"   // the model lost the token's place
)

// ruling is a verdict, and what to write into the log for it.
type ruling struct {
	verdict
	place    int
	rotation *GrantEntry   // for retry: what made the successor
	pace     time.Time     // if tokens are given: GrantEntry.Pace of the entry to write
	wait     time.Duration // for tooOften: how long the client has to wait
}

// refreshRules are the options that a verdict depends on.
type refreshRules struct {
	window   time.Duration // how long the same successor is given again; not positive: never
	process  string        // the beginning of the nonces that this process makes
	skew     time.Duration // how far the clocks of other processes differ
	strict   bool          // nothing is given twice
	interval time.Duration // between the entries of a grant, on average
	burst    int           // how many of them may be made at once; 0: any number
}

// judgment turns the entries that follow the one that made a refresh token into
// a verdict. It depends on nothing else. docs/refresh.md explains the rules,
// and grantlog_judgment_test.go explores them.
type judgment struct {
	rules     *refreshRules
	presented string // the digest of the token
	now       time.Time

	decided  verdict     // empty: not yet
	place    int         // behind the last entry
	pace     time.Time   // of the last entry
	until    time.Time   // when what the entries speak of has expired
	rotation *GrantEntry // the one that made the current successor of presented
	repeats  int         // how often presented was used lately
	used     bool        // whether somebody presented that successor
}

// judge begins the judgment of a token that was made at place made, when its
// grant had the given pace.
func (rules *refreshRules) judge(presented string, made int, pace, now time.Time) judgment {
	return judgment{rules: rules, presented: presented, now: now, place: made + 1, pace: pace}
}

// read takes the next entry and reports whether later ones could change the
// verdict. For a token that was stolen long ago, one page is enough.
func (j *judgment) read(e *GrantEntry) (more bool) {
	j.place, j.pace = e.Seq+1, e.Pace
	j.until = latest(j.until, e.speaksUntil())
	if e.Presented == j.presented && j.now.Sub(e.Time) <= max(j.rules.window, time.Minute) {
		j.repeats++
	}
	switch {
	case e.Kind == EntryRevoked:
		j.decided = over
	case e.Successor == j.presented:
		j.decided = broken
	case e.Kind == EntryRotate && e.Presented == j.presented:
		j.rotation = e
	case e.Kind == EntryRotate && j.rotation == nil:
		// The client with the token before this one asked again, and got
		// another in its place.
		j.decided = theft
	case j.rotation != nil && e.Presented == j.rotation.Successor:
		j.used = true
	}
	if j.rotation != nil && j.decided == "" &&
		(j.rules.strict || j.used && !j.rules.within(j.rotation, j.now)) {
		j.decided = theft
	}
	return j.decided == ""
}

// within reports whether an entry is not older than the window. The clock of
// another process may differ, so its entries may look older, or come from the
// future.
func (rules *refreshRules) within(e *GrantEntry, now time.Time) bool {
	age := now.Sub(e.Time)
	if !strings.HasPrefix(e.Nonce, rules.process) {
		age -= rules.skew
	}
	return rules.window > 0 && age <= rules.window
}

// ruling returns the verdict on the entries that were read.
func (j *judgment) ruling() ruling {
	r := ruling{verdict: rotate, place: j.place}
	switch {
	case j.decided != "":
		return ruling{verdict: j.decided}
	case j.rotation != nil && j.repeats > maxRetries:
		return ruling{verdict: tooOften}
	case j.rotation != nil && j.rules.within(j.rotation, j.now):
		r.verdict, r.rotation = retry, j.rotation
	}
	var wait time.Duration
	if r.pace, wait = j.rules.keepPace(j.pace, j.now); wait > 0 {
		return ruling{verdict: tooOften, wait: wait}
	}
	return r
}

// keepPace returns the pace of a grant after one more entry, or how long that
// entry has to wait. A pace is when the entries so far would have been made at
// one each interval: the generic cell rate algorithm.
func (rules *refreshRules) keepPace(pace, now time.Time) (next time.Time, wait time.Duration) {
	if rules.burst == 0 {
		return pace, 0
	}
	next = latest(pace, now).Add(rules.interval).UTC().Truncate(time.Millisecond)
	if ahead := next.Sub(now) - time.Duration(rules.burst)*rules.interval; ahead > 0 {
		return pace, ahead
	}
	return next, 0
}
