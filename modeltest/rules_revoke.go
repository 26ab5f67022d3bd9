// This file has the checks of revoking a token.

package modeltest

import (
	"context"
	"fmt"

	"github.com/seed-11d18166/oauth2server"
)

// presentedToken returns the value that the server passes to the gate: what was
// found, with the string that the client presented.
func presentedToken(found *oauth2server.Token, refreshToken string) *oauth2server.Token {
	own := *found
	own.RefreshToken = refreshToken
	return &own
}

// revokeAbsent tries to revoke something that is not a refresh token.
func (t *trial) revokeAbsent(ctx context.Context, wrong near) error {
	if t.on.refresh == nil {
		return nil
	}
	return gone(t.on.refresh.RevokeToken(ctx, presentedToken(t.newToken(), wrong.text)),
		"RevokeToken(%s)", wrong.name)
}

// revoke revokes a token, if the model has a method for its kind.
func (t *trial) revoke(
	ctx context.Context, k kind, found *oauth2server.Token, text string,
) (call string, err error) {
	switch {
	case k.name == "GetRefreshToken":
		return "RevokeToken", t.on.refresh.RevokeToken(ctx, presentedToken(found, text))
	case t.on.revoker != nil:
		return "RevokeAccessToken", t.on.revoker.RevokeAccessToken(ctx, text)
	}
	return "nothing", nil
}

func tokenApart(ctx context.Context, t *trial) error {
	var all []oauth2server.Token
	for i := range 4 {
		token := t.newToken()
		token.Client, token.User = t.client(i/2), t.user(i%2)
		saved, err := t.on.saveToken(ctx, token)
		if err != nil {
			return err
		}
		all = append(all, *saved)
	}
	for _, k := range t.on.kinds() {
		for i := range all {
			text := k.text(&all[i])
			if text == "" {
				continue
			}
			found, err := k.get(ctx, text)
			if err := present("%s of the last %d of four tokens, after the others were revoked",
				k.name, 4-i)(found, err); err != nil {
				return err
			}
			if err := ownersOf(k.name, found.Client, found.User, t.client(i/2), t.user(i%2)); err != nil {
				return err
			}
			if call, err := t.revoke(ctx, k, found, text); err != nil {
				return fmt.Errorf("%s of one of four tokens: %w", call, err)
			}
		}
	}
	return nil
}

// ownersOf compares the owners of a code or a token. It ignores a missing
// client or user, which the rules on what comes back report.
func ownersOf(
	call string, client *oauth2server.Client, user *oauth2server.User, ofClient *oauth2server.Client,
	ofUser *oauth2server.User,
) error {
	if client == nil || user == nil || client.ID == ofClient.ID && user.ID == ofUser.ID {
		return nil
	}
	return fmt.Errorf("%s returned client %q and user %q, want %q and %q", call, client.ID, user.ID,
		ofClient.ID, ofUser.ID)
}

func refreshSingleUse(ctx context.Context, t *trial) error {
	return t.singleUse(ctx, "RevokeToken", func() (*gate, error) {
		saved, err := t.on.saveToken(ctx, t.newToken())
		if err != nil {
			return nil, err
		}
		text := saved.RefreshToken
		found, err := t.on.refresh.GetRefreshToken(ctx, text)
		if err := present("GetRefreshToken")(found, err); err != nil {
			return nil, err
		}
		return &gate{
			pass: func(h *handle) error {
				return h.refresh.RevokeToken(ctx, presentedToken(found, text))
			},
			left: func() error {
				return absent("GetRefreshToken after RevokeToken")(
					t.on.refresh.GetRefreshToken(ctx, text))
			},
		}, nil
	})
}

func accessRevoked(ctx context.Context, t *trial) error {
	saved, err := t.on.saveToken(ctx, t.newToken())
	if err != nil {
		return err
	}
	text := saved.AccessToken
	if err := present("GetAccessToken")(t.on.tokens.GetAccessToken(ctx, text)); err != nil {
		return err
	}
	if err := t.on.revoker.RevokeAccessToken(ctx, text); err != nil {
		return fmt.Errorf("RevokeAccessToken: %w", err)
	}
	if err := absent("GetAccessToken after RevokeAccessToken")(t.on.tokens.GetAccessToken(ctx, text)); err != nil {
		return err
	}
	if err := gone(t.on.revoker.RevokeAccessToken(ctx, text), "RevokeAccessToken of what was revoked"); err != nil {
		return err
	}
	for _, wrong := range append(alike("token", text), near{"the empty string", ""}) {
		if err := gone(t.on.revoker.RevokeAccessToken(ctx, wrong.text), "RevokeAccessToken(%s)",
			wrong.name); err != nil {
			return err
		}
	}
	return nil
}
