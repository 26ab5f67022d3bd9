package oauth2server

import (
	"slices"
	"time"
)

// The kinds of log entries; see [GrantEntry.Kind].
const (
	kindGrant   = "grant"
	kindRotate  = "rotate"
	kindRetry   = "retry"
	kindBurnt   = "burnt"
	kindRevoked = "revoked"
)

// maxRetries is how often a token that was rotated may be used again within the window, or within a minute if that is
// longer. It bounds what a loop can make.
const maxRetries = 16

// verdict is what a log says about a refresh token that is presented.
type verdict string

const (
	rotate   verdict = "rotate"   // a new successor, at the ruling's place
	retry    verdict = "retry"    // the same successor again, an entry at the ruling's place
	theft    verdict = "theft"    // two parties have the token: the grant must end
	over     verdict = "over"     // the grant ended before
	tooOften verdict = "tooOften" // no verdict on the grant: come back later
	broken   verdict = "broken"   // the model lost the token's place
)

// ruling is a verdict, and where it is to be written.
type ruling struct {
	verdict
	place    int
	rotation *GrantEntry // for retry: what made the successor
}

// refreshRules are the options that the log is judged by.
type refreshRules struct {
	window time.Duration // how long after a rotation the same successor is given again; not positive: never
	strict bool          // nothing is given twice
}

func (rules refreshRules) within(rotation *GrantEntry, now time.Time) bool {
	return rules.window > 0 && now.Sub(rotation.Time) <= rules.window
}

// isCurrent says, from the entries that follow the one that made a refresh token, whether it is the one that the grant
// goes on with: it was neither rotated nor superseded, and the grant is not over.
func isCurrent(entries []*GrantEntry) bool {
	return !slices.ContainsFunc(entries, func(e *GrantEntry) bool { return e.Kind == kindRotate || e.Kind == kindRevoked })
}

// judge folds the entries that follow the one that made a refresh token, which has the digest presented and was made
// at place made, into a verdict. It depends on nothing else: docs/refresh.md explains the rules, and their exploration
// is in grantlog_test.go.
func (rules refreshRules) judge(entries []*GrantEntry, made int, presented string, now time.Time) ruling {
	var (
		place    = made + 1
		rotation *GrantEntry // the one that made the current successor of presented
		repeats  int         // how often presented was used lately
		used     bool        // whether somebody presented that successor
	)
	for _, e := range entries {
		place = e.Seq + 1
		if e.Presented == presented && now.Sub(e.Time) <= max(rules.window, time.Minute) {
			repeats++
		}
		switch {
		case e.Kind == kindRevoked:
			return ruling{verdict: over}
		case e.Successor == presented:
			return ruling{verdict: broken}
		case e.Kind == kindRotate && e.Presented == presented:
			rotation = e
		case e.Kind == kindRotate && rotation == nil:
			// Whoever had the token before this one asked again, and got another in its place.
			return ruling{verdict: theft}
		case rotation != nil && e.Presented == rotation.Successor:
			used = true
		}
	}
	switch {
	case rotation == nil:
		return ruling{verdict: rotate, place: place}
	case rules.strict:
		return ruling{verdict: theft}
	case used && !rules.within(rotation, now):
		return ruling{verdict: theft}
	case repeats > maxRetries:
		return ruling{verdict: tooOften}
	case rules.within(rotation, now):
		return ruling{verdict: retry, place: place, rotation: rotation}
	}
	return ruling{verdict: rotate, place: place}
}
