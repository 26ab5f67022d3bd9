package oauth2server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// world is a grant, its owner and perhaps a thief. Time is in ticks that are longer than the window, so "within the
// window" means "in this tick". Whatever takes part is small enough for every run of events to be tried.
type world struct {
	log  []*GrantEntry
	made map[string]int // the place of the entry that made a token
	tick int
	busy int // presentations in this tick

	owner    string    // the token that the owner has
	requests []request // of the owner's, under way

	stolen  []string // what the thief has
	theft   bool     // he has stolen
	showed  bool     // and used something since the owner's last answer
	answers int      // of the owner since then, with the thief in between

	dead bool
}

// request is one that the owner has sent. got is the successor that the server answered; "": not yet.
type request struct{ token, got string }

// law is a set of rules to explore.
type law func(entries []*GrantEntry, made int, presented string, now time.Time) ruling

const window = time.Second

var rightRules = refreshRules{window: window}

func (w *world) now() time.Time { return time.Unix(int64(w.tick)*10, 0) }

func (w *world) judge(rules law, token string) ruling {
	made := w.made[token]
	return rules(w.log[made:], made, token, w.now())
}

// present is a request at the token endpoint, up to its last storage operation.
func (w *world) present(rules law, token string) (successor string, fault string) {
	w.busy++
	r := w.judge(rules, token)
	switch r.verdict {
	case rotate:
		successor = fmt.Sprintf("t%d", r.place)
		w.made[successor] = r.place
		w.log = append(w.log, &GrantEntry{Seq: r.place, Kind: kindRotate, Time: w.now(), Presented: token, Successor: successor})
	case retry:
		successor = r.rotation.Successor
		w.log = append(w.log, &GrantEntry{Seq: r.place, Kind: kindRetry, Time: w.now(), Presented: token})
	case theft:
		w.dead = true
		return "", ""
	default:
		return "", "unexpected verdict " + string(r.verdict)
	}
	return successor, w.line(rules)
}

// line checks I1: one token is current, and the log has no gaps.
func (w *world) line(rules law) string {
	var current []string
	for token := range w.made {
		if r := w.judge(rules, token); r.verdict == rotate && !slices.ContainsFunc(w.log, func(e *GrantEntry) bool { return e.Kind == kindRotate && e.Presented == token }) {
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

func (w *world) clone() *world {
	own := *w
	own.log, own.requests, own.stolen = slices.Clone(w.log), slices.Clone(w.requests), slices.Clone(w.stolen)
	own.made = make(map[string]int, len(w.made))
	for token, place := range w.made {
		own.made[token] = place
	}
	return &own
}

// key is what the future depends on: of each token that somebody has, or could be given, how the log stands to it.
// Names and places do not matter, so tokens are numbered as they are met.
func (w *world) key(rules law) string {
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
	fmt.Fprint(&b, name(w.owner), w.busy, w.theft, w.showed, w.answers)
	for _, r := range w.requests {
		fmt.Fprint(&b, " r", name(r.token), name(r.got))
	}
	for _, token := range w.stolen {
		fmt.Fprint(&b, " s", name(token))
	}
	for i := 0; i < len(told); i++ {
		r := w.judge(rules, told[i])
		var rotation *GrantEntry
		retries := 0
		for _, e := range w.log[w.made[told[i]]:] {
			if e.Presented == told[i] && e.Kind == kindRotate {
				rotation, retries = e, 0
			} else if e.Presented == told[i] && e.Time.Equal(w.now()) {
				retries++
			}
		}
		fmt.Fprint(&b, " ", r.verdict)
		if rotation != nil && r.verdict != theft { // else nobody is given the successor any more
			later := w.clone()
			later.tick++
			fmt.Fprint(&b, name(rotation.Successor), rotation.Time.Equal(w.now()), retries, later.judge(rules, told[i]).verdict)
		}
	}
	return b.String()
}

// step is one event; next has its consequence, and fault what promise it breaks.
type step struct {
	what  string
	next  *world
	fault string
}

// honest are the events of an owner whose replies get lost, and who may ask twice at once (two tabs).
// patient: what he sends arrives, and is answered, in the tick in which it is sent, and he does not use a token that he
// just got while an older request of his is unanswered.
func (w *world) honest(rules law, patient bool) (steps []step) {
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
		if r.got == "" && w.busy < 3 {
			add("arrive "+r.token, func(n *world) (fault string) {
				n.requests[i].got, fault = n.present(rules, r.token)
				if n.dead && !n.theft {
					return "I3: the owner was signed out, and nobody stole anything"
				}
				// I2: in one tick, all who present the same token get the same successor.
				for _, other := range n.requests {
					if fault == "" && !n.dead && patient && other.token == r.token && other.got != "" && other.got != n.requests[i].got {
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
		add("wait", func(n *world) string { n.tick, n.busy = n.tick+1, 0; return "" })
	}
	return steps
}

// stealing adds a thief who once copies the owner's token, and uses whatever he has whenever he likes.
func (w *world) stealing(rules law) (steps []step) {
	steps = w.honest(rules, true)
	if !w.theft {
		next := w.clone()
		next.theft, next.stolen = true, []string{w.owner}
		steps = append(steps, step{"steal " + w.owner, next, ""})
	}
	if w.busy < 3 {
		for _, token := range w.stolen {
			steps = append(steps, w.abuse(rules, token))
		}
	}
	return steps
}

func (w *world) abuse(rules law, token string) step {
	next := w.clone()
	got, fault := next.present(rules, token)
	next.showed = true
	if got != "" && !slices.Contains(next.stolen, got) {
		next.stolen = append(next.stolen, got)
	}
	// What would give him away now always will: he could as well stop.
	next.stolen = slices.DeleteFunc(next.stolen, func(token string) bool { return next.judge(rules, token).verdict == theft })
	return step{"abuse " + token, next, fault}
}

// apart are the events in which nobody repeats within the window: each presentation has a tick of its own.
func (w *world) apart(rules law) (steps []step) {
	for _, delivered := range []bool{true, false} {
		n := w.clone()
		n.tick, n.busy = n.tick+1, 0
		got, fault := n.present(rules, n.owner)
		if delivered && got != "" {
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
		steps = append(steps, step{fmt.Sprint("refresh ", w.owner, " ", delivered), n, fault})
	}
	if !w.theft {
		n := w.clone()
		n.theft, n.stolen = true, []string{w.owner}
		return append(steps, step{"steal " + w.owner, n, ""})
	}
	for _, token := range w.stolen {
		later := w.clone()
		later.tick, later.busy = later.tick+1, 0
		steps = append(steps, later.abuse(rules, token))
	}
	return steps
}

// explore tries every run of events, up to the first fault that begins with until, and returns the faults that it
// found, each with the shortest run that shows it.
func explore(rules law, events func(w *world) []step, until string) (states, transitions int, faults map[string]string) {
	type node struct {
		w   *world
		how string
	}
	start := &world{made: map[string]int{"t1": 1}, owner: "t1", log: []*GrantEntry{{Seq: 1, Kind: kindGrant, Successor: "t1"}}}
	queue, seen := []node{{start, ""}}, map[string]bool{start.key(rules): true}
	faults = map[string]string{}
	for ; len(queue) > 0; queue = queue[1:] {
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

// sameUntilUsed is a rule that looks kinder: the same successor however late, as long as nobody used it.
func sameUntilUsed(entries []*GrantEntry, made int, presented string, now time.Time) ruling {
	r := rightRules.judge(entries, made, presented, now)
	for _, e := range entries {
		if r.verdict == rotate && e.Kind == kindRotate && e.Presented == presented {
			return ruling{verdict: retry, place: r.place, rotation: e}
		}
	}
	return r
}

// forgiving lets a superseded token be used.
func forgiving(entries []*GrantEntry, made int, presented string, now time.Time) ruling {
	own := slices.DeleteFunc(slices.Clone(entries), func(e *GrantEntry) bool { return e.Kind == kindRotate && e.Presented != presented })
	r := rightRules.judge(own, made, presented, now)
	if len(entries) > 0 {
		r.place = entries[len(entries)-1].Seq + 1
	}
	return r
}

func TestRefreshRulesExplored(t *testing.T) {
	withLostReplies := func(rules law) func(*world) []step { return func(w *world) []step { return w.honest(rules, true) } }
	withAThief := func(rules law) func(*world) []step { return func(w *world) []step { return w.stealing(rules) } }
	outsideTheWindow := func(rules law) func(*world) []step { return func(w *world) []step { return w.apart(rules) } }
	impatient := func(rules law) func(*world) []step { return func(w *world) []step { return w.honest(rules, false) } }
	none := refreshRules{window: -1}
	for _, row := range []struct {
		name   string
		rules  law
		events func(law) func(*world) []step
		breaks string // "": nothing
	}{
		{"lost replies and two tabs", rightRules.judge, withLostReplies, ""},
		{"a thief at any time", rightRules.judge, withAThief, ""},
		{"a thief, nobody within the window", rightRules.judge, outsideTheWindow, ""},
		{"no window, nobody within it", none.judge, outsideTheWindow, ""},

		// What the promises rest on: without it they break, and the exploration finds out.
		{"a client that is not patient", rightRules.judge, impatient, "I3"},
		{"strict rotation", refreshRules{window, true}.judge, withLostReplies, "I3"},
		{"no window", none.judge, withLostReplies, "I2"},
		{"the same successor until it is used", sameUntilUsed, outsideTheWindow, "I4"},
		{"superseded tokens go on", forgiving, outsideTheWindow, "I1"},
	} {
		t.Run(row.name, func(t *testing.T) {
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
