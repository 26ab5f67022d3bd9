// This file has the rule about refresh tokens that are stored without an access
// token.

package modeltest

import (
	"context"
	"time"
)

var aloneRules = []rule{
	{
		name:  "refresh-alone",
		needs: []need{refresh},
		check: refreshAlone,
		reason: "a program that moves to another storage has refresh tokens whose access tokens " +
			"expired long ago, any number of them",
		harm: "nobody stays signed in over the move, as the second refresh token is refused by a " +
			"unique index on an empty column; or an empty string is an access token",
	},
}

func refreshAlone(ctx context.Context, t *trial) error {
	if tokenComesBack(ctx, t) != nil {
		return nil // tokens with both do not come back either: token-comes-back reports it
	}
	for _, which := range []string{"the first", "the second"} {
		token := t.newToken()
		token.AccessToken, token.AccessTokenExpiresAt = "", time.Time{}
		if err := t.tokenComesBack(ctx, which+" refresh token that has no access token", token, false); err != nil {
			return err
		}
	}
	if t.on.tokens == nil {
		return nil
	}
	found, err := t.on.tokens.GetAccessToken(ctx, "")
	return absent("GetAccessToken of the empty string, after refresh tokens alone were stored")(found, err)
}
