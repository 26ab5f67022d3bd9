// This file has the rules about access and refresh tokens.

package modeltest

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

var tokenRules = []rule{
	{
		name:  "token-comes-back",
		check: tokenComesBack,
		reason: "of what a token stands for, the server knows no more than GetAccessToken and " +
			"GetRefreshToken return",
		harm: "a lost expiry lets a token live for ever, or kills it at once; a lost scope, " +
			"owner or grant takes it out of the rules that bound it, revocation among them",
	},
	{
		name:  "token-alone",
		check: tokenAlone,
		reason: "tokens without a refresh token and without a grant are what the client " +
			"credentials grant issues, any number of them",
		harm: "the second token of its kind is refused by a unique index on an empty column; or " +
			"an empty string is a refresh token",
	},
	{
		name:  "token-exact",
		check: tokenExact,
		reason: "a token is found by exactly the string that was given out, and not by what is " +
			"stored of it",
		harm: "tokens can be guessed with fewer tries, or read from a backup; or an unknown " +
			"token is answered as a fault of the server",
	},
	{
		name:  "token-kinds",
		needs: []need{tokens, refresh},
		check: tokenKinds,
		reason: "an access token goes to every API that is called; only a refresh token may be " +
			"exchanged for others (RFC 6749, section 1.5)",
		harm: "an API that is given an access token can renew it for ever; or a refresh token, " +
			"which lives for weeks, opens APIs",
	},
	{name: "token-apart", check: tokenApart,
		reason: "each token has its own client and owner, and ending one says nothing about the others",
		harm:   "somebody reads another person's data; or one sign-out signs out others"},
	{
		name:   "token-copies",
		check:  tokenCopies,
		reason: "what is given to the model and what it returns belongs to nobody else",
		harm: "a handler that changes a token's scope or attributes in one request changes " +
			"what another request may do",
	},
	{
		name:   "token-wide",
		check:  tokenWide,
		reason: "scopes and grant ids may be long, and need not be ASCII",
		harm: "the tokens of the one client with the long scope cannot be issued, or grant " +
			"what is left of a scope that was cut",
	},
	{
		name:  "refresh-single-use",
		needs: []need{refresh},
		check: refreshSingleUse,
		reason: "RevokeToken is the gate that lets a refresh token through once, whatever " +
			"happens at the same time and on other machines (RFC 9700, section 4.14.2)",
		harm: "a refresh token that was stolen works beside the owner's, unseen; or nobody can use one",
	},
	{name: "access-revoked", needs: []need{tokens, revoker}, check: accessRevoked,
		reason: "RevokeAccessToken ends a token at once: it is how a program signs somebody out",
		harm:   "a device that was lost, and signed out, still reads"},
}

// kind is one of the two ways to look up a token.
type kind struct {
	name string // of the method
	text func(*oauth2server.Token) string
	get  func(ctx context.Context, text string) (*oauth2server.Token, error)
	// The other token's expiry, which may be missing.
	others func(*oauth2server.Token) (expiry string, at time.Time)
}

// kinds returns the lookups that the model has.
func (h *handle) kinds() (all []kind) {
	if h.tokens != nil {
		all = append(all,
			kind{"GetAccessToken", func(t *oauth2server.Token) string { return t.AccessToken },
				h.tokens.GetAccessToken,
				func(t *oauth2server.Token) (string, time.Time) {
					return "RefreshTokenExpiresAt", t.RefreshTokenExpiresAt
				}})
	}
	if h.refresh != nil {
		all = append(all,
			kind{"GetRefreshToken", func(t *oauth2server.Token) string { return t.RefreshToken },
				h.refresh.GetRefreshToken,
				func(t *oauth2server.Token) (string, time.Time) {
					return "AccessTokenExpiresAt",
						t.AccessTokenExpiresAt
				}})
	}
	return all
}

func tokenComesBack(ctx context.Context, t *trial) error {
	full, expired, lasting := t.newToken(), t.newToken(), t.newToken()
	expired.AccessTokenExpiresAt, expired.RefreshTokenExpiresAt, expired.GrantExpiresAt = past(),
		past(), past()
	if expired.RefreshToken == "" {
		expired.RefreshTokenExpiresAt = time.Time{}
	}
	lasting.RefreshTokenExpiresAt, lasting.GrantExpiresAt, lasting.GrantScope, lasting.Extra = time.Time{},
		time.Time{}, nil, nil
	for _, row := range []struct {
		name  string
		token *oauth2server.Token
	}{{"a token", full}, {"a token whose grant never ends", lasting}, {"an expired token", expired}} {
		if err := t.tokenComesBack(ctx, row.name, row.token, row.token == expired); err != nil {
			return err
		}
	}
	return nil
}

// tokenComesBack saves a token and compares what comes back. An expired one may
// be gone.
func (t *trial) tokenComesBack(
	ctx context.Context, name string, token *oauth2server.Token, expired bool,
) error {
	want := pictureOf(token)
	saved, err := t.on.saveToken(ctx, token)
	if err != nil {
		return err
	}
	if err := same("what SaveToken returned for "+name, want, saved, "AccessToken", "RefreshToken"); err != nil {
		return err
	}
	given := *saved
	for _, k := range t.on.kinds() {
		call := k.name + " of " + name
		if k.text(&given) == "" {
			continue
		}
		found, err := k.get(ctx, k.text(&given))
		if expired && absent("")(found, err) == nil {
			continue
		}
		if err := present("%s", call)(found, err); err != nil {
			return err
		}
		if found.AccessToken != "" && found.AccessToken != given.AccessToken ||
			found.RefreshToken != "" && found.RefreshToken != given.RefreshToken {
			return fmt.Errorf("%s returned another token than was asked for", call)
		}
		except := []string{"AccessToken", "RefreshToken"}
		if expiry, at := k.others(found); at.IsZero() {
			except = append(except, expiry)
		}
		if err := same(call, want, found, except...); err != nil {
			return err
		}
	}
	return nil
}

func tokenAlone(ctx context.Context, t *trial) error {
	if tokenComesBack(ctx, t) != nil {
		return nil // that needs no tokens of this kind: token-comes-back reports it
	}
	for _, which := range []string{"the first", "the second"} {
		token := t.newToken()
		*token = oauth2server.Token{
			AccessToken:          token.AccessToken,
			AccessTokenExpiresAt: token.AccessTokenExpiresAt,
			Client:               token.Client,
			User:                 token.User,
		}
		if t.on.clientUsers != nil {
			own, err := t.on.clientUsers.GetUserFromClient(ctx, t.Clients[0].Client)
			if present("")(own, err) == nil {
				token.User = &oauth2server.User{ID: own.ID}
			}
		}
		if err := t.tokenComesBack(ctx, which+" token that has no refresh token and no grant",
			token, false); err != nil {
			return err
		}
	}
	for _, k := range t.on.kinds() {
		if err := absent("%s of the empty string", k.name)(k.get(ctx, "")); err != nil {
			return err
		}
	}
	return nil
}

func tokenExact(ctx context.Context, t *trial) error {
	saved, err := t.on.saveToken(ctx, t.newToken())
	if err != nil {
		return err
	}
	for _, k := range t.on.kinds() {
		text := k.text(saved)
		if text == "" {
			continue
		}
		for _, wrong := range alike("token", text) {
			if err := absent("%s(%s)", k.name, wrong.name)(k.get(ctx, wrong.text)); err != nil {
				return err
			}
			if err := t.revokeAbsent(ctx, wrong); err != nil {
				return err
			}
		}
		if err := present("%s, after others were tried", k.name)(k.get(ctx, text)); err != nil {
			return err
		}
	}
	return nil
}

func tokenKinds(ctx context.Context, t *trial) error {
	saved, err := t.on.saveToken(ctx, t.newToken())
	if err != nil {
		return err
	}
	access, refresh := near{"an access token", saved.AccessToken},
		near{"a refresh token", saved.RefreshToken}
	if err := absent("GetAccessToken of a refresh token")(t.on.tokens.GetAccessToken(ctx, refresh.text)); err != nil {
		return err
	}
	if err := absent("GetRefreshToken of an access token")(t.on.refresh.GetRefreshToken(ctx, access.text)); err != nil {
		return err
	}
	if err := gone(t.on.refresh.RevokeToken(ctx, presentedToken(t.newToken(), access.text)),
		"RevokeToken of an access token"); err != nil {
		return err
	}
	if t.on.codes == nil {
		return nil
	}
	for _, token := range []near{access, refresh} {
		if err := absent("GetAuthorizationCode of %s",
			token.name)(t.on.codes.GetAuthorizationCode(ctx, token.text)); err != nil {
			return err
		}
	}
	code, err := t.on.saveCode(ctx, t.newCode())
	if err != nil {
		return err
	}
	for _, k := range t.on.kinds() {
		if err := absent("%s of an authorization code", k.name)(k.get(ctx, code.Code)); err != nil {
			return err
		}
	}
	return nil
}

func tokenCopies(ctx context.Context, t *trial) error {
	for i := range t.on.kinds() {
		given := t.newToken()
		given.Extra = nested()
		saved, err := t.on.saveToken(ctx, given)
		if err != nil {
			return err
		}
		k := t.on.kinds()[i]
		text := k.text(saved)
		if text == "" {
			continue
		}
		get := func(ctx context.Context) (*oauth2server.Token, error) { return k.get(ctx, text) }
		if err := copies(ctx, k.name, given, saved, get); err != nil {
			return err
		}
	}
	return nil
}

func tokenWide(ctx context.Context, t *trial) error {
	if tokenComesBack(ctx, t) != nil {
		return nil // short values do not come back either: token-comes-back reports it
	}
	token := t.newToken()
	token.Scope, token.GrantScope, token.GrantID = wideScope(), wideScope(), wideID()
	return t.tokenComesBack(ctx, "a token with long values", token, false)
}
