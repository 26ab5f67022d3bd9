// This file counts what was moved, and what was not and why.

package takeover

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is what a record is.
type Kind string

// The kinds of records.
const (
	Clients       Kind = "clients"
	Users         Kind = "users"
	Codes         Kind = "codes"
	AccessTokens  Kind = "access tokens"
	RefreshTokens Kind = "refresh tokens"
)

// Kinds are all kinds, in the order in which they are moved.
var Kinds = []Kind{Clients, Users, Codes, AccessTokens, RefreshTokens}

// Report counts what became of the records. A nil map has no counts. Reasons may
// name clients and users, and no secret, password, code or token.
type Report struct {
	Added, There, Expired map[Kind]int
	Refused               map[Kind]map[string]int // by reason
}

// Refusal is the error for a record that cannot be moved.
type Refusal struct {
	Kind   Kind
	Reason string
}

// Error returns the reason.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Kind, r.Reason) }

func refuse(kind Kind, format string, args ...any) error {
	return &Refusal{kind, fmt.Sprintf(format, args...)}
}

// outcome is what became of a record that was not refused.
type outcome int

const (
	added outcome = iota
	there
	expired
)

// count counts a record. It returns nil, so that callers can return that.
func (r *Report) count(kind Kind, o outcome) error {
	counts := []*map[Kind]int{added: &r.Added, there: &r.There, expired: &r.Expired}[o]
	if *counts == nil {
		*counts = map[Kind]int{}
	}
	(*counts)[kind]++
	return nil
}

func (r *Report) refuse(refusal *Refusal) {
	if r.Refused == nil {
		r.Refused = map[Kind]map[string]int{}
	}
	if r.Refused[refusal.Kind] == nil {
		r.Refused[refusal.Kind] = map[string]int{}
	}
	r.Refused[refusal.Kind][refusal.Reason]++
}

// refuseAs counts a refusal for a record of another kind too.
func (r *Report) refuseAs(kind Kind, err error) {
	if refusal := new(Refusal); errors.As(err, &refusal) {
		r.refuse(&Refusal{kind, refusal.Reason})
	}
}

// Refusals returns how many records of a kind were refused.
func (r *Report) Refusals(kind Kind) (n int) {
	for _, times := range r.Refused[kind] {
		n += times
	}
	return n
}

// String is a table of counts, and the reasons below it.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %8s %8s %8s %8s\n", "", "added", "there", "expired", "refused")
	for _, kind := range Kinds {
		fmt.Fprintf(&b, "%-14s %8d %8d %8d %8d\n", kind, r.Added[kind], r.There[kind], r.Expired[kind], r.Refusals(kind))
	}
	for _, kind := range Kinds {
		for _, reason := range slices.Sorted(maps.Keys(r.Refused[kind])) {
			fmt.Fprintf(&b, "refused: %d of %s: %s\n", r.Refused[kind][reason], kind, reason)
		}
	}
	return b.String()
}
