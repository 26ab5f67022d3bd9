// This file stores codes and tokens under their digests.

package redismodel

import (
	"context"
	"encoding"
	"fmt"
	"slices"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

func (s *store) accessKey(digest string) string  { return s.prefix + "access:" + digest }
func (s *store) refreshKey(digest string) string { return s.prefix + "refresh:" + digest }
func (s *store) codeKey(digest string) string    { return s.prefix + "code:" + digest }

// keep returns the command that stores a record where there is none, and returns
// the one that is there.
func keep(key string, record []byte, expiresAt time.Time) command {
	if at := until(expiresAt); at != "" {
		return plain("SET", key, record, "NX", "GET", "PXAT", at)
	}
	return plain("SET", key, record, "NX", "GET")
}

// kept returns an error if another record is there, or was there and is erased. The
// same record is there if the reply to an earlier command was lost.
func kept(reply any, record []byte) error {
	if there, ok := reply.(string); ok && there != string(record) {
		return fmt.Errorf("redismodel: another one has this digest: %w", oauth2server.ErrExists)
	}
	return nil
}

// SaveToken implements [oauth2server.Model], in one round trip. Saving the same
// token again is no error; another one with the same string is. Either string may
// be empty: then only the other token is stored.
func (g *Grants) SaveToken(
	ctx context.Context, token *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User,
) (*oauth2server.Token, error) {
	record, err := token.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var commands []command
	if token.AccessToken != "" {
		key := g.accessKey(oauth2server.Digest(token.AccessToken))
		commands = append(commands, keep(key, record, token.AccessTokenExpiresAt))
	}
	if token.RefreshToken != "" {
		key := g.refreshKey(oauth2server.Digest(token.RefreshToken))
		commands = append(commands, keep(key, record, token.RefreshTokenExpiresAt))
	}
	there, err := g.send(ctx, "save a token", commands...)
	if err != nil {
		return nil, err
	}
	for _, reply := range there {
		if err := kept(reply, record); err != nil {
			return nil, err
		}
	}
	saved := *token
	return &saved, nil
}

// find fills found with the record of a key.
func (s *store) find(ctx context.Context, what string, found encoding.BinaryUnmarshaler, key string) error {
	record, err := text(s.send(ctx, what, plain("GET", key)))
	if err != nil {
		return err
	}
	if err := found.UnmarshalBinary([]byte(record)); err != nil {
		return fmt.Errorf("redismodel: %s: %w", what, err)
	}
	return nil
}

// GetAccessToken implements [oauth2server.AccessTokenModel].
func (g *Grants) GetAccessToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	found := &oauth2server.Token{AccessToken: token}
	return found, g.find(ctx, "find a token", found, g.accessKey(oauth2server.Digest(token)))
}

// GetRefreshToken implements [oauth2server.RefreshTokenModel].
func (g *Grants) GetRefreshToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	found := &oauth2server.Token{RefreshToken: token}
	return found, g.find(ctx, "find a token", found, g.refreshKey(oauth2server.Digest(token)))
}

// RevokeAccessToken implements [oauth2server.AccessTokenRevoker].
func (g *Grants) RevokeAccessToken(ctx context.Context, token string) error {
	return g.erase(ctx, "revoke a token", g.accessKey(oauth2server.Digest(token)))
}

// RevokeToken implements [oauth2server.RefreshTokenModel]. The server calls it
// only for tokens that it did not hand out; otherwise the log decides.
func (g *Grants) RevokeToken(ctx context.Context, token *oauth2server.Token) error {
	return g.erase(ctx, "revoke a token", g.refreshKey(oauth2server.Digest(token.RefreshToken)))
}

// atOnce is how many keys one round trip is about.
const atOnce = 100

// RevokeAccessTokens implements [oauth2server.GrantLog]. After an error, some of
// the tokens may be left.
func (g *Grants) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	for some := range slices.Chunk(digests, atOnce) {
		var commands []command
		for _, digest := range some {
			commands = append(commands, erasing(g.accessKey(digest)))
		}
		if _, err := g.write(ctx, "revoke tokens", commands...); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// SaveAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, _ *oauth2server.Client, _ *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	record, err := code.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var commands []command
	if code.Client != nil && code.GrantID != "" { // for RevokeClient
		commands = append(commands, g.indexed(g.clientIndex(code.Client.ID), code.GrantID, code.ExpiresAt))
	}
	commands = append(commands, keep(g.codeKey(oauth2server.Digest(code.Code)), record, code.ExpiresAt))
	there, err := g.write(ctx, "save a code", commands...)
	if err == nil {
		err = kept(there[len(there)-1], record)
	}
	if err != nil {
		return nil, err
	}
	saved := *code
	return &saved, nil
}

// GetAuthorizationCode implements [oauth2server.AuthorizationCodeModel].
func (g *Grants) GetAuthorizationCode(
	ctx context.Context, code string,
) (*oauth2server.AuthorizationCode, error) {
	found := &oauth2server.AuthorizationCode{Code: code}
	return found, g.find(ctx, "find a code", found, g.codeKey(oauth2server.Digest(code)))
}

// RevokeAuthorizationCode implements [oauth2server.AuthorizationCodeModel]. The
// server does not call it, as the model has a log.
func (g *Grants) RevokeAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode) error {
	return g.erase(ctx, "revoke a code", g.codeKey(oauth2server.Digest(code.Code)))
}
