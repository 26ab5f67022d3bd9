package modeltest

// This file has models that drop what has not expired.

import (
	"context"
	"sync"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// isOver reports whether something expired; what never does is zero.
func isOver(at time.Time) bool { return !at.IsZero() && at.Before(time.Now()) }

// dropIf makes a lookup that no longer finds what is over.
func dropIf[T any](get func(context.Context, string) (*T, error), over func(*T) bool) func(context.Context,
	string) (*T, error) {
	return func(ctx context.Context, text string) (*T, error) {
		found, err := get(ctx, text)
		if err == nil && over(found) {
			return nil, oauth2server.ErrNotFound
		}
		return found, err
	}
}

// dropLog drops the whole log when one of its entries is over.
func dropLog(which func(entries []*entry) *entry) func(*Fixture, *altered) {
	return func(f *Fixture, a *altered) {
		a.grantEntries = func(ctx context.Context, id string, from int) ([]*entry, error) {
			all, err := a.Model.GrantEntries(ctx, id, 1)
			if len(all) > 0 && isOver(which(all).ExpiresAt) {
				return nil, err
			}
			return a.Model.GrantEntries(ctx, id, from)
		}
	}
}

// since keeps when something was first seen, and reports whether that is a second ago.
type since struct{ times sync.Map }

func (s *since) over(what string) bool {
	first, _ := s.times.LoadOrStore(what, time.Now())
	return time.Since(first.(time.Time)) >= time.Second
}

var expiryDefects = []defect{
	{"a log that lives as long as its first entry", "expiry", dropLog(func(all []*entry) *entry { return all[0] })},
	{"a log that lives as long as its last entry", "expiry",
		dropLog(func(all []*entry) *entry { return all[len(all)-1] })},
	{"log entries that live for a second", "expiry", func(f *Fixture, a *altered) {
		var first since
		a.grantEntries = func(ctx context.Context, id string, from int) ([]*entry, error) {
			if first.over(id) {
				return nil, ctx.Err()
			}
			return a.Model.GrantEntries(ctx, id, from)
		}
	}},
	{"a refresh token that lives as long as its access token", "expiry", func(f *Fixture, a *altered) {
		a.getRefreshToken = dropIf(a.Model.GetRefreshToken,
			func(t *token) bool { return isOver(t.AccessTokenExpiresAt) })
	}},
	{"a refresh token that lives as long as its access token, in another process", "expiry",
		func(f *Fixture, a *altered) {
			peer := &altered{Model: a.Model, users: a.users}
			peer.getRefreshToken = dropIf(a.Model.GetRefreshToken,
				func(t *token) bool { return isOver(t.AccessTokenExpiresAt) })
			f.Peer = peer
		}},
	{"a refresh token without an expiry that lives for a second", "expiry", func(f *Fixture, a *altered) {
		var first since
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			return dropIf(a.Model.GetRefreshToken,
				func(t *token) bool { return t.RefreshTokenExpiresAt.IsZero() && first.over(text) })(ctx, text)
		}
	}},
	{"an access token that lives as long as its refresh token", "expiry", func(f *Fixture, a *altered) {
		a.getAccessToken = dropIf(a.Model.GetAccessToken,
			func(t *token) bool { return isOver(t.RefreshTokenExpiresAt) })
	}},
	{"access tokens that live for a second", "expiry", func(f *Fixture, a *altered) {
		var first since
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return dropIf(a.Model.GetAccessToken, func(*token) bool { return first.over(text) })(ctx, text)
		}
	}},
	{"codes that live for a second", "expiry", func(f *Fixture, a *altered) {
		var first since
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			return dropIf(a.Model.GetAuthorizationCode, func(*code) bool { return first.over(text) })(ctx, text)
		}
	}},
}
