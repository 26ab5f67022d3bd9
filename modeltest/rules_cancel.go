// This file has the rule that a call whose context is over tells nothing else.

package modeltest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

var cancelRules = []rule{
	{
		name:  "cancelled",
		check: cancelled,
		reason: "a call whose context is over says nothing about what is stored, and must not " +
			"sound as if it did",
		harm: "a client that hung up is told that its token is unknown, and signs its user out; " +
			"or what nobody waits for is stored",
	},
}

func cancelled(ctx context.Context, t *trial) error {
	over, cancel := context.WithCancel(ctx)
	cancel()
	late, stop := context.WithDeadline(ctx, time.Now().Add(-time.Hour))
	defer stop()
	for _, ended := range []context.Context{over, late} {
		errs := []error{t.cancelledLookups(ctx, ended)}
		stored, err := t.store(ctx, t.on)
		if err != nil {
			return err
		}
		for i, unstored := range t.things() {
			errs = append(errs, t.cancelledThing(ctx, ended, stored[i], unstored))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// told returns nil if err reports that the context is over, or at least is none
// of the errors of the contract.
func told(ended context.Context, err error, call string) error {
	switch {
	case err == nil:
		return fmt.Errorf("%s succeeded though the context is over (%w)", call, ended.Err())
	case errors.Is(err, oauth2server.ErrNotFound), errors.Is(err, oauth2server.ErrExists):
		return fmt.Errorf("%s with a context that is over: the error is %q, want %q", call, err,
			ended.Err())
	}
	return nil
}

// cancelledThing makes every call about something that is stored and about
// something that is not, and checks that nothing changed.
func (t *trial) cancelledThing(ctx, ended context.Context, stored, unstored thing) error {
	_, found := stored.get(ended, t.on)
	_, missed := unstored.get(ended, t.on)
	if err := errors.Join(told(ended, found, stored.getting),
		told(ended, missed, stored.getting+" of what does not exist"),
		told(ended, unstored.save(ended, t.on), stored.saving)); err != nil {
		return err
	}
	if err := absent("%s, after %s with a context that was over", stored.getting,
		stored.saving)(unstored.get(ctx, t.on)); err != nil {
		return err
	}
	if stored.end == nil {
		return told(ended, stored.save(ended, t.on), stored.saving+" where something is")
	}
	if err := errors.Join(told(ended, stored.end(ended, t.on), stored.ending),
		told(ended, unstored.end(ended, t.on), stored.ending+" of what does not exist")); err != nil {
		return err
	}
	return present("%s, after %s with a context that was over", stored.getting,
		stored.ending)(stored.get(ctx, t.on))
}

func (t *trial) cancelledLookups(ctx, ended context.Context) error {
	var errs []error
	for _, row := range [][2]string{{t.Clients[0].ID, ""}, {t.Clients[0].ID, t.Clients[0].Secret},
		{unique(), ""}, {unique(), unique()}} {
		_, err := t.on.model.GetClient(ended, row[0], row[1])
		errs = append(errs, told(ended, err, "GetClient"))
	}
	if passwords.has(t) {
		for _, name := range []string{t.Users[0].Username, unique()} {
			_, err := t.on.users.GetUser(ended, name, t.Users[0].Password, t.Clients[0].Client)
			errs = append(errs, told(ended, err, "GetUser"))
		}
	}
	if t.on.clientUsers != nil {
		// It may need no storage, and answer as usual.
		_, usual := t.on.clientUsers.GetUserFromClient(ctx, t.Clients[0].Client)
		if _, err := t.on.clientUsers.GetUserFromClient(ended, t.Clients[0].Client); err != nil &&
			usual == nil {
			errs = append(errs, told(ended, err, "GetUserFromClient"))
		}
	}
	return errors.Join(errs...)
}
