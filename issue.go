package oauth2server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"
)

// issue gives token its strings and lifetimes and saves it.
func (s *Server) issue(ctx context.Context, client *Client, token *Token, refresh bool) (*Token, *Error) {
	if !client.allows(token.Scope) {
		return nil, invalidScope("scope_beyond_client")
	}
	for _, lifetime := range []time.Duration{client.AccessTokenLifetime, client.RefreshTokenLifetime} {
		if err := checkLifetime(lifetime); err != nil {
			return nil, breach("client %q: a lifetime of %w", client.ID, err)
		}
	}
	issued := *token
	issued.Client = client
	if len(issued.GrantScope) == 0 {
		issued.GrantScope = issued.Scope
	}
	var refused *Error
	issued.AccessToken, refused = generate(ctx, s.can.newAccessToken, client, issued.User, issued.Scope, isB64Token)
	if refused != nil {
		return nil, refused
	}
	issued.AccessTokenExpiresAt = expiry(client.AccessTokenLifetime, s.options.AccessTokenLifetime)
	issued.RefreshToken, issued.RefreshTokenExpiresAt = "", time.Time{}
	if refresh {
		if issued.GrantID == "" {
			issued.GrantID = newID()
		}
		issued.RefreshToken, refused = generate(ctx, s.can.newRefreshToken, client, issued.User, issued.Scope, isVSCHAR)
		if refused != nil {
			return nil, refused
		}
		issued.RefreshTokenExpiresAt = expiry(client.RefreshTokenLifetime, s.options.RefreshTokenLifetime)
	}
	saved, err := s.can.model.SaveToken(ctx, &issued, client, issued.User)
	switch {
	case err != nil:
		return nil, modelFailure(err, breach("SaveToken: %w", err))
	case saved == nil || saved.AccessToken == "" || saved.Client.id() != client.ID || saved.User.id() != issued.User.ID:
		return nil, breach("SaveToken did not return a token with its client and user")
	case !issued.Scope.Contains(saved.Scope...) || saved.RefreshToken != "" && !refresh:
		return nil, breach("SaveToken returned a token that grants more than it was given")
	}
	return saved, nil
}

// known says whether the model named somebody.
func (u *User) known() bool { return u != nil && u.ID != "" }

// minToken is how many printable characters 128 bits take at the least.
const minToken = 20

// generator is a model's own way to make a token or a code.
type generator func(ctx context.Context, client *Client, user *User, scope Scope) (string, error)

func generate(ctx context.Context, own generator, client *Client, user *User, scope Scope, wellFormed func(string) bool) (string, *Error) {
	if own == nil {
		return newID(), nil
	}
	generated, err := own(ctx, client, user, scope)
	switch {
	case err != nil:
		return "", modelFailure(err, breach("a generator returned %w", err))
	case generated == "":
		return newID(), nil
	case !wellFormed(generated) || len(generated) < minToken:
		return "", breach("a generator returned characters that may not be sent, or fewer than %d", minToken)
	}
	return generated, nil
}

// newID returns 32 random bytes in base64url: 43 characters that nobody can guess.
func newID() string {
	var random [32]byte
	rand.Read(random[:]) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// expiry is when something that lives so long ends, in UTC and whole milliseconds, which every storage can keep.
func expiry(clients, servers time.Duration) time.Time {
	lifetime := servers
	if clients != 0 {
		lifetime = clients
	}
	return time.Now().Add(lifetime).UTC().Truncate(time.Millisecond)
}

func expired(at time.Time) bool { return !at.After(time.Now()) }

// orNil keeps a nil *Error from becoming an error that is not nil.
func orNil[T any](value T, refused *Error) (T, error) {
	if refused != nil {
		return value, refused
	}
	return value, nil
}
