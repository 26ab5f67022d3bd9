// This file lists everything that a model can store, for rules that hold for
// all of it.

package modeltest

import (
	"context"

	"github.com/seed-11d18166/oauth2server"
)

// thing is something to store, with the calls that save, find and end it.
type thing struct {
	saving, getting, ending string // the methods

	save func(ctx context.Context, h *handle) error
	get  func(ctx context.Context, h *handle) (any, error)
	end  func(ctx context.Context, h *handle) error // nil: it cannot be ended
}

// things returns one of everything that the model can store. Nothing is stored
// yet.
func (t *trial) things() (all []thing) {
	if t.on.codes != nil {
		all = append(all, t.codeThing())
	}
	if t.on.tokens != nil {
		all = append(all, t.accessThings()...)
	}
	if t.on.refresh != nil {
		all = append(all, t.refreshThing())
	}
	if t.on.log != nil {
		all = append(all, t.entryThing())
	}
	return all
}

// store stores one of everything through h.
func (t *trial) store(ctx context.Context, h *handle) ([]thing, error) {
	all := t.things()
	for _, thing := range all {
		if err := thing.save(ctx, h); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (t *trial) codeThing() thing {
	given := t.newCode()
	code := given.Code
	return thing{"SaveAuthorizationCode", "GetAuthorizationCode", "RevokeAuthorizationCode",
		func(ctx context.Context, h *handle) error {
			saved, err := h.saveCode(ctx, given)
			if err == nil {
				code = saved.Code
			}
			return err
		},
		func(ctx context.Context, h *handle) (any, error) { return h.codes.GetAuthorizationCode(ctx, code) },
		func(ctx context.Context, h *handle) error {
			return h.codes.RevokeAuthorizationCode(ctx, presentedCode(given, code))
		},
	}
}

// accessThings returns an access token for each way in which the model can end
// one.
func (t *trial) accessThings() (all []thing) {
	if t.on.revoker != nil {
		all = append(all,
			t.accessThing("RevokeAccessToken", func(ctx context.Context, h *handle, token string) error {
				return h.revoker.RevokeAccessToken(ctx, token)
			}))
	}
	if t.on.log != nil {
		all = append(all,
			t.accessThing("RevokeAccessTokens", func(ctx context.Context, h *handle, token string) error {
				return h.log.RevokeAccessTokens(ctx, oauth2server.Digest(token))
			}))
	}
	if all == nil {
		all = append(all, t.accessThing("", nil))
		all[0].end = nil
	}
	return all
}

func (t *trial) accessThing(
	ending string, end func(ctx context.Context, h *handle, token string) error,
) thing {
	given := t.newToken()
	token := given.AccessToken
	return thing{"SaveToken", "GetAccessToken", ending,
		func(ctx context.Context, h *handle) error {
			saved, err := h.saveToken(ctx, given)
			if err == nil {
				token = saved.AccessToken
			}
			return err
		},
		func(ctx context.Context, h *handle) (any, error) { return h.tokens.GetAccessToken(ctx, token) },
		func(ctx context.Context, h *handle) error { return end(ctx, h, token) },
	}
}

func (t *trial) refreshThing() thing {
	given := t.newToken()
	token := given.RefreshToken
	return thing{"SaveToken", "GetRefreshToken", "RevokeToken",
		func(ctx context.Context, h *handle) error {
			saved, err := h.saveToken(ctx, given)
			if err == nil {
				token = saved.RefreshToken
			}
			return err
		},
		func(ctx context.Context, h *handle) (any, error) { return h.refresh.GetRefreshToken(ctx, token) },
		func(ctx context.Context, h *handle) error {
			return h.refresh.RevokeToken(ctx, presentedToken(given, token))
		},
	}
}

// entryThing returns a log with one entry. An empty log counts as not found.
func (t *trial) entryThing() thing {
	id := unique()
	return thing{saving: "AppendGrant", getting: "GrantEntries",
		save: func(ctx context.Context, h *handle) error { return h.appendTo(ctx, t.newEntry(id, 1)) },
		get: func(ctx context.Context, h *handle) (any, error) {
			entries, err := h.log.GrantEntries(ctx, id, 1)
			if err == nil && len(entries) == 0 {
				err = oauth2server.ErrNotFound
			}
			return entries, err
		},
	}
}
