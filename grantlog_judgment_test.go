package oauth2server

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// world is a grant, its owner and perhaps a thief, and two machines whose
// clocks differ. Time is in ticks that are longer than window and skew, so
// "within the window" means "in this tick": at its beginning, or a window
// later. All parts are small enough to try every run of events.
type world struct {
	log  []*GrantEntry
	made map[string]int // the place of the entry that made a token
	tick int
	busy int  // presentations in this tick
	late bool // one of them was at its end

	owner    string    // the token that the owner has
	requests []request // the owner's, under way

	stolen  []string // the thief's token
	theft   bool     // the thief has stolen
	showed  bool     // and used a token since the owner's last answer
	answers int      // the owner's since then, with the thief in between

	dead bool
}

// request is one that the owner has sent. got is the successor that the server
// answered, or "" before that.
type request struct{ token, got string }

// ruleSet is a set of rules to explore. It judges a token by the entries that
// follow the first, which made the token.
type ruleSet func(entries []*GrantEntry, made int, presented string, now time.Time, process string) ruling

const (
	window = time.Second
	skew   = 5 * time.Second
	tick   = 100 * time.Second
)

var (
	rightRules = refreshRules{window: window, skew: skew}
	paced      = refreshRules{window: window, skew: skew, interval: tick, burst: 2}
)

// fold judges entries in memory. Entries after the first decisive one must make
// no difference, so they are not read.
func (rules refreshRules) fold(
	entries []*GrantEntry, made int, presented string, now time.Time, process string,
) ruling {
	rules.process = process
	j := rules.judge(presented, made, entries[0].Pace, now)
	for _, e := range entries[1:] {
		if !j.read(e) {
			break
		}
	}
	return j.ruling()
}

// moment is when in a tick a request arrives, and at which of two machines
// whose clocks differ by the skew.
type moment struct{ late, ahead bool }

var moments = []moment{{false, false}, {false, true}, {true, false}, {true, true}}

// process names the machine at which a request arrives.
func (m moment) process() string { return fmt.Sprint("ahead ", m.ahead, " ") }

func (w *world) now(m moment) time.Time {
	now := time.Unix(0, 0).Add(time.Duration(w.tick) * tick)
	if m.late {
		now = now.Add(window)
	}
	if m.ahead {
		now = now.Add(skew)
	}
	return now
}

func (w *world) judge(rules ruleSet, token string, m moment) ruling {
	made := w.made[token]
	return rules(w.log[made-1:], made, token, w.now(m), m.process())
}

// present is a request at the token endpoint, up to its last storage operation.
func (w *world) present(rules ruleSet, token string, m moment) (successor string, fault string) {
	w.busy++
	w.late = w.late || m.late
	r := w.judge(rules, token, m)
	switch r.verdict {
	case rotate:
		successor = fmt.Sprintf("t%d", r.place)
		w.made[successor] = r.place
		w.log = append(w.log, &GrantEntry{Seq: r.place, Kind: EntryRotate, Nonce: m.process(),
			Time: w.now(m), Presented: token, Successor: successor, Pace: r.pace})
	case retry:
		successor = r.rotation.Successor
		w.log = append(w.log, &GrantEntry{Seq: r.place, Kind: EntryRetry, Nonce: m.process(),
			Time: w.now(m), Presented: token, Pace: r.pace})
	case theft:
		w.dead = true
		return "", ""
	case tooOften:
		return "", ""
	default:
		return "", "unexpected verdict " + string(r.verdict)
	}
	return successor, w.line(rules)
}

// line checks I1: one token is current, and the log has no gaps.
func (w *world) line(rules ruleSet) string {
	var current []string
	for token := range w.made {
		rotated := slices.ContainsFunc(w.log, func(e *GrantEntry) bool {
			return e.Kind == EntryRotate && e.Presented == token
		})
		if r := w.judge(rules, token, moment{true, true}); r.verdict == rotate && !rotated {
			current = append(current, token)
		}
	}
	for i, e := range w.log {
		if e.Seq != i+1 {
			return fmt.Sprintf("I1: place %d holds entry %d", i+1, e.Seq)
		}
	}
	if len(current) > 1 {
		return fmt.Sprintf("I1: %d tokens are current", len(current))
	}
	return ""
}

// unbounded checks that time bounds the log, if there is a rate.
func (w *world) unbounded() string {
	since := w.now(moment{true, true}).Sub(time.Unix(0, 0))
	if most := paced.burst + 2 + int(since/paced.interval); len(w.log) > most {
		return fmt.Sprintf("a log of %d entries after %v", len(w.log), since)
	}
	return ""
}

func (w *world) clone() *world {
	own := *w
	own.log, own.requests, own.stolen = slices.Clone(w.log), slices.Clone(w.requests), slices.Clone(w.stolen)
	own.made = make(map[string]int, len(w.made))
	for token, place := range w.made {
		own.made[token] = place
	}
	return &own
}

// moments returns those that may come in this tick: time does not go back.
func (w *world) moments() []moment {
	return slices.DeleteFunc(slices.Clone(moments), func(m moment) bool { return w.late && !m.late })
}

// key returns what the future depends on: for each token that a party has, or
// could be given, its position in the log. Names and places do not matter, so
// tokens are numbered in the order of their appearance.
func (w *world) key(rules ruleSet) string {
	var b strings.Builder
	numbers := map[string]int{}
	var told []string
	name := func(token string) int {
		if _, ok := numbers[token]; !ok && token != "" {
			numbers[token] = len(numbers) + 1
			told = append(told, token)
		}
		return numbers[token]
	}
	fmt.Fprint(&b, name(w.owner), w.busy, w.late, w.theft, w.showed, w.answers)
	for _, r := range w.requests {
		fmt.Fprint(&b, " r", name(r.token), name(r.got))
	}
	for _, token := range w.stolen {
		fmt.Fprint(&b, " s", name(token))
	}
	for i := 0; i < len(told); i++ {
		b.WriteString(" ")
		for _, m := range w.moments() {
			r := w.judge(rules, told[i], m)
			fmt.Fprint(&b, r.verdict)
			if !r.pace.IsZero() {
				fmt.Fprint(&b, r.pace.Sub(w.now(m)))
			}
		}
		var rotation *GrantEntry
		retries := 0
		for _, e := range w.log[w.made[told[i]]:] {
			if e.Presented == told[i] && e.Kind == EntryRotate {
				rotation, retries = e, 0
			} else if e.Presented == told[i] && !e.Time.Before(w.now(moment{})) {
				retries++
			}
		}
		// Else no request is given the successor any more.
		if rotation != nil && w.judge(rules, told[i], moment{true, true}).verdict != theft {
			later := w.clone()
			later.tick, later.late = later.tick+1, false
			fmt.Fprint(&b, name(rotation.Successor), max(rotation.Time.Sub(w.now(moment{})), -time.Second),
				retries, later.judge(rules, told[i], moment{}).verdict)
		}
	}
	return b.String()
}

// step is one event. next is its consequence, and fault the promise that it
// breaks.
type step struct {
	what  string
	next  *world
	fault string
}

// honest returns the events of an owner whose replies get lost, and who may ask
// twice at once (two tabs). If patient, the owner's requests arrive and are
// answered in the tick in which they are sent, and the owner does not use a new
// token while an older request is unanswered.
func (w *world) honest(rules ruleSet, patient bool) (steps []step) {
	add := func(what string, do func(*world) string) {
		next := w.clone()
		fault := do(next)
		steps = append(steps, step{what, next, fault})
	}
	same := !slices.ContainsFunc(w.requests, func(r request) bool { return r.token != w.owner })
	if len(w.requests) < 2 && (same || !patient) {
		add("send "+w.owner, func(n *world) string {
			n.requests = append(n.requests, request{token: n.owner})
			return ""
		})
	}
	for i, r := range w.requests {
		for _, m := range w.arrivals(r.got == "") {
			add(fmt.Sprint("arrive ", r.token, m), func(n *world) (fault string) {
				n.requests[i].got, fault = n.present(rules, r.token, m)
				if n.requests[i].got == "" && fault == "" && !n.dead {
					n.requests = slices.Delete(n.requests, i, i+1) // refused with "come back later"
					return n.unbounded()
				}
				if n.dead && !n.theft {
					return "I3: the owner was signed out, and nobody stole anything"
				}
				// I2: in one tick, all that present the same token get the same
				// successor.
				for _, other := range n.requests {
					if fault == "" && !n.dead && patient && n.requests[i].got != "" &&
						other.token == r.token && other.got != "" && other.got != n.requests[i].got {
						return "I2: two successors of one token"
					}
				}
				return fault
			})
		}
		add("lose "+r.token, func(n *world) string { n.requests = slices.Delete(n.requests, i, i+1); return "" })
		if r.got != "" {
			add("deliver "+r.got, func(n *world) string {
				n.owner, n.requests = r.got, slices.Delete(n.requests, i, i+1)
				return ""
			})
		}
	}
	if len(w.requests) == 0 || !patient {
		add("wait", func(n *world) string { n.tick, n.busy, n.late = n.tick+1, 0, false; return "" })
	}
	return steps
}

// arrivals returns the moments at which a request may arrive, if it has not yet
// and enough others have.
func (w *world) arrivals(under bool) []moment {
	if !under || w.busy >= 3 {
		return nil
	}
	return w.moments()
}

// stealing adds a thief who once copies the owner's token, and uses any token
// at any time.
func (w *world) stealing(rules ruleSet) (steps []step) {
	steps = w.honest(rules, true)
	if !w.theft {
		next := w.clone()
		next.theft, next.stolen = true, []string{w.owner}
		steps = append(steps, step{"steal " + w.owner, next, ""})
	}
	for _, token := range w.stolen {
		for _, m := range w.arrivals(true) {
			steps = append(steps, w.abuse(rules, token, m))
		}
	}
	return steps
}

func (w *world) abuse(rules ruleSet, token string, m moment) step {
	next := w.clone()
	got, fault := next.present(rules, token, m)
	next.showed = true
	if got != "" && !slices.Contains(next.stolen, got) {
		next.stolen = append(next.stolen, got)
	}
	// A theft that would be detected now always will be, so the thief could as
	// well stop.
	next.stolen = slices.DeleteFunc(next.stolen, func(token string) bool {
		return next.judge(rules, token, moment{}).verdict == theft &&
			next.judge(rules, token, moment{true, true}).verdict == theft
	})
	return step{fmt.Sprint("abuse ", token, m), next, fault}
}

// apart returns the events without retries inside the window: each presentation
// has a tick of its own.
func (w *world) apart(rules ruleSet) (steps []step) {
	for _, how := range []struct{ delivered, ahead bool }{{true, false}, {false, false}, {true, true}, {false, true}} {
		n := w.clone()
		n.tick, n.busy, n.late = n.tick+1, 0, false
		got, fault := n.present(rules, n.owner, moment{ahead: how.ahead})
		if how.delivered && got != "" {
			n.owner = got
			if n.theft && n.showed {
				n.answers, n.showed = n.answers+1, false
			}
			if n.answers >= 2 && !n.dead {
				fault = "I4: the owner was answered twice, and the thief goes on"
			}
		}
		if n.dead && !n.theft {
			fault = "I3: the owner was signed out, and nobody stole anything"
		}
		steps = append(steps, step{fmt.Sprint("refresh ", w.owner, how), n, fault})
	}
	if !w.theft {
		n := w.clone()
		n.theft, n.stolen = true, []string{w.owner}
		return append(steps, step{"steal " + w.owner, n, ""})
	}
	for _, token := range w.stolen {
		for _, ahead := range []bool{false, true} {
			later := w.clone()
			later.tick, later.busy, later.late = later.tick+1, 0, false
			steps = append(steps, later.abuse(rules, token, moment{ahead: ahead}))
		}
	}
	return steps
}

// explore tries every run of events, up to the first fault that begins with
// until. It returns the faults that it found, each with the shortest run that
// shows it.
func explore(
	rules ruleSet, events func(w *world) []step, until string,
) (states, transitions int, faults map[string]string) {
	type node struct {
		w   *world
		how string
	}
	start := &world{made: map[string]int{"t1": 1}, owner: "t1",
		log: []*GrantEntry{{Seq: 1, Kind: EntryGrant, Successor: "t1"}}}
	queue, seen := []node{{start, ""}}, map[string]bool{start.key(rules): true}
	faults = map[string]string{}
	most := math.MaxInt
	if testing.Short() {
		most = 1000 // those with the fewest steps
	}
	for ; len(queue) > 0 && states < most; queue = queue[1:] {
		states++
		for _, s := range events(queue[0].w) {
			transitions++
			how := queue[0].how + ", " + s.what
			if s.fault != "" {
				if faults[s.fault] == "" {
					faults[s.fault] = how
				}
				if until != "" && strings.HasPrefix(s.fault, until) {
					return states, transitions, faults
				}
				continue
			}
			if s.next.dead {
				continue
			}
			if key := s.next.key(rules); !seen[key] {
				seen[key] = true
				queue = append(queue, node{s.next, how})
			}
		}
	}
	return states, transitions, faults
}

// sameUntilUsed is a rule that looks kinder: the same successor however late,
// as long as it was not used.
func sameUntilUsed(entries []*GrantEntry, made int, presented string, now time.Time, process string) ruling {
	r := rightRules.fold(entries, made, presented, now, process)
	for _, e := range entries {
		if r.verdict == rotate && e.Kind == EntryRotate && e.Presented == presented {
			return ruling{verdict: retry, place: r.place, rotation: e}
		}
	}
	return r
}

// forgiving lets a superseded token be used.
func forgiving(entries []*GrantEntry, made int, presented string, now time.Time, process string) ruling {
	own := slices.DeleteFunc(slices.Clone(entries), func(e *GrantEntry) bool {
		return e.Kind == EntryRotate && e.Presented != presented && e.Seq != made
	})
	r := rightRules.fold(own, made, presented, now, process)
	r.place = entries[len(entries)-1].Seq + 1
	return r
}

func TestRefreshRulesExplored(t *testing.T) {
	withLostReplies := func(rules ruleSet) func(*world) []step {
		return func(w *world) []step { return w.honest(rules, true) }
	}
	withAThief := func(rules ruleSet) func(*world) []step { return func(w *world) []step { return w.stealing(rules) } }
	outsideTheWindow := func(rules ruleSet) func(*world) []step {
		return func(w *world) []step { return w.apart(rules) }
	}
	impatient := func(rules ruleSet) func(*world) []step {
		return func(w *world) []step { return w.honest(rules, false) }
	}
	none := refreshRules{window: -1}
	for _, row := range []struct {
		name   string
		rules  ruleSet
		events func(ruleSet) func(*world) []step
		breaks string // "": none
	}{
		{"lost replies and two tabs", rightRules.fold, withLostReplies, ""},
		{"a thief at any time", rightRules.fold, withAThief, ""},
		{"a thief, nobody within the window", rightRules.fold, outsideTheWindow, ""},
		{"no window, nobody within it", none.fold, outsideTheWindow, ""},
		{"a rate, lost replies and two tabs", paced.fold, withLostReplies, ""},
		{"a rate, a thief at any time", paced.fold, withAThief, ""},

		// The promises rest on these assumptions: without them they break, and
		// the exploration finds it.
		{"a client that is not patient", rightRules.fold, impatient, "I3"},
		{"no allowance for clocks", refreshRules{window: window}.fold, withLostReplies, "I2"},
		{"strict rotation", refreshRules{window: window, skew: skew, strict: true}.fold, withLostReplies, "I3"},
		{"no window", none.fold, withLostReplies, "I2"},
		{"the same successor until it is used", sameUntilUsed, outsideTheWindow, "I4"},
		{"superseded tokens go on", forgiving, outsideTheWindow, "I1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			states, transitions, faults := explore(row.rules, row.events(row.rules), row.breaks)
			t.Logf("%d states, %d transitions", states, transitions)
			if row.breaks == "" {
				require.Empty(t, faults)
				return
			}
			var found []string
			for fault, how := range faults {
				t.Logf("%s: %s", fault, how)
				found = append(found, fault[:2])
			}
			require.Contains(t, found, row.breaks)
		})
	}
}
