// This file has the rules about two processes on one storage.

package modeltest

import (
	"context"
	"errors"
	"fmt"
)

var peerRules = []rule{
	{name: "peer-sees-writes", needs: []need{peer}, check: peerSeesWrites,
		reason: "what one process stored, the next request may ask of another process, at once",
		harm:   "sign-ins fail now and then, the more machines there are the more often"},
	{
		name:  "peer-sees-revocation",
		needs: []need{peer},
		check: peerSeesRevocation,
		reason: "what one process revoked must be dead in all of them when the call returns: " +
			"nothing may answer from what it remembers",
		harm: "a token that was revoked, or a code that was used, works on the other machines " +
			"until their caches forget it",
	},
	{
		name:  "parallel-saves",
		check: parallelSaves,
		reason: "requests have nothing to do with each other, so none may fail or get lost " +
			"because of another",
		harm: "under load, tokens that were given out do not work, or sign-ins fail",
	},
}

// turns is how often a rule about two processes is tried in each direction.
const turns = 4

func peerSeesWrites(ctx context.Context, t *trial) error {
	for i := range 2 * turns {
		writer, reader := t.on, t.peer
		if i%2 == 1 {
			writer, reader = t.peer, t.on
		}
		all, err := t.store(ctx, writer)
		if err != nil {
			return fmt.Errorf("%s: %w", writer.name, err)
		}
		for _, thing := range all {
			if err := present("%s: %s of what %s stored", reader.name, thing.getting,
				writer.name)(thing.get(ctx, reader)); err != nil {
				return err
			}
		}
	}
	return nil
}

func peerSeesRevocation(ctx context.Context, t *trial) error {
	for i := range 2 * turns {
		ender, reader := t.on, t.peer
		if i%2 == 1 {
			ender, reader = t.peer, t.on
		}
		all, err := t.store(ctx, reader)
		if err != nil {
			return fmt.Errorf("%s: %w", reader.name, err)
		}
		for _, thing := range all {
			for _, h := range []*handle{reader, ender} { // let caches fill
				if present("")(thing.get(ctx, h)) != nil {
					return nil // peer-sees-writes reports it
				}
			}
			if thing.end == nil {
				continue
			}
			if err := thing.end(ctx, ender); err != nil {
				return fmt.Errorf("%s: %s of what was found: %w", ender.name, thing.ending, err)
			}
			if absent("")(thing.get(ctx, ender)) != nil {
				return nil // it was not revoked at all: other rules report it
			}
			if err := absent("%s: %s of what %s had revoked", reader.name, thing.getting,
				ender.name)(thing.get(ctx, reader)); err != nil {
				return err
			}
		}
	}
	return nil
}

func parallelSaves(ctx context.Context, t *trial) error {
	var stored [crowd][]thing
	errs := t.storm(func(h *handle, i int) (err error) {
		stored[i], err = t.store(ctx, h)
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("of %d callers that stored at once, each something else: %w", crowd, err)
	}
	for i, all := range stored {
		h := t.on
		if i%2 == 1 {
			h = t.peer
		}
		for _, thing := range all {
			if err := present("%s of what was stored while others stored something else",
				thing.getting)(thing.get(ctx, h)); err != nil {
				return err
			}
		}
	}
	return nil
}
