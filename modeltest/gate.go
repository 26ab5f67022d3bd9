// This file raises storms of concurrent calls at something that may let only
// one through.

package modeltest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-11d18166/oauth2server"
)

// gate is an operation that must let only one caller through.
type gate struct {
	pass func(h *handle) error
	left func() error // returns nil when nothing is left behind the gate
}

// rounds is how often a storm is repeated, so that a rare race shows.
const rounds = 4

// singleUse lets a storm of callers loose on each gate that make returns. A
// caller that gets a fault counts as neither in nor out.
func (t *trial) singleUse(ctx context.Context, call string, make func() (*gate, error)) error {
	for range rounds {
		g, err := make()
		if err != nil {
			return err
		}
		errs := t.storm(func(h *handle, _ int) error { return g.pass(h) })
		in, fault := count(errs, oauth2server.ErrNotFound)
		if in > 1 {
			return fmt.Errorf("%d of %d concurrent callers of %s got nil, want 1", in, crowd, call)
		}
		if in == 0 && fault == nil {
			return fmt.Errorf(
				"%s: none of %d concurrent callers got nil, though no call failed; want 1", call, crowd)
		}
		if in == 0 { // a call that failed may have gone through
			if err := g.pass(t.on); err != nil && !errors.Is(err, oauth2server.ErrNotFound) {
				return fmt.Errorf("%s: none of %d concurrent callers got through, nor another "+
					"after them: %w", call, crowd, err)
			}
		}
		if err := gone(g.pass(t.on), "%s of what was revoked", call); err != nil {
			return err
		}
		if err := g.left(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// count returns how many errors are nil, and one that is neither nil nor
// expected.
func count(errs []error, expected error) (none int, other error) {
	for _, err := range errs {
		switch {
		case err == nil:
			none++
		case !errors.Is(err, expected):
			other = err
		}
	}
	return none, other
}
