// Package modeltest proves that a model keeps the contract of
// [oauth2server.Model] and of its optional interfaces. What the server promises
// depends on that contract, and most breaches stay unnoticed until two requests
// arrive at once, or an attacker tries.
//
//	func TestModel(t *testing.T) {
//		modeltest.Run(t, func(ctx context.Context) (*modeltest.Fixture, error) {
//			f := modeltest.Sample()
//			// Store f.Clients, f.Public and f.Users, then:
//			f.Model = store
//			return f, nil
//		})
//	}
//
// The rules are in a table. [Run] makes a subtest of each, so that -run
// 'TestModel/log-' tries the log alone; [Check] is for programs without package
// testing, such as a health check of a storage that was moved. The rule expiry
// waits for two seconds; the others only wait for the storage. Each rule gets a
// fixture of its own and closes it. Fixtures may share a storage, as a [Sample]
// and the rules never use a name twice.
//
// The interfaces of the model are detected as in [oauth2server.New], also
// through Unwrap. Hooks, such as ValidateScope, are not tested.
package modeltest

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// FixtureFunc makes a fixture. It is called once for each rule. ctx ends with
// the rule: do not tie to it what must live longer, such as a shared
// connection.
type FixtureFunc func(ctx context.Context) (*Fixture, error)

// Run tries each rule in a subtest of its name. If the fixture or the model
// lacks what a rule needs, the rule is skipped, and the message names what is
// missing. The error of a failure is a [*Violation].
func Run(t *testing.T, newFixture FixtureFunc) {
	t.Helper()
	stopped, broken := false, false
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if stopped {
				t.Skip("there is no fixture")
			}
			if r.last && broken {
				t.Skip("other rules are broken")
			}
			missing, err := r.try(t.Context(), newFixture)
			stopped = errors.As(err, new(*fixtureError))
			if err != nil {
				broken = true
				t.Error(err)
			}
			if missing != "" {
				t.Skip("needs " + missing)
			}
		})
	}
}

// Check tries each rule and joins the errors: the result is nil, or has
// Unwrap() []error with a [*Violation] for each rule that the model breaks.
// Rules for which the fixture or the model lacks something are left out. If
// newFixture fails or ctx is cancelled, Check stops, and that is the last of
// the errors.
func Check(ctx context.Context, newFixture FixtureFunc) error {
	var all []error
	for _, r := range rules {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(all, err)...)
		}
		if r.last && all != nil {
			break
		}
		_, err := r.try(ctx, newFixture)
		if err != nil {
			all = append(all, err)
		}
		if errors.As(err, new(*fixtureError)) {
			break
		}
	}
	return errors.Join(all...)
}

// Violation is the error for a rule that a model breaks.
type Violation struct {
	// Rule is the name of the rule, and of the subtest.
	Rule string

	// Seen is what the model did.
	Seen error

	// Reason is why there is such a rule.
	Reason string

	// Harm is what happens to a program whose model breaks it.
	Harm string
}

// Error returns several lines: the rule, what was seen, the reason and the
// harm.
func (v *Violation) Error() string {
	return fmt.Sprintf("rule %s is broken: %v\n\twhy it is a rule: %s\n\twhat it does:     %s",
		v.Rule, v.Seen, v.Reason, v.Harm)
}

// Unwrap returns what was seen.
func (v *Violation) Unwrap() error { return v.Seen }
