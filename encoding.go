// This file writes tokens and codes as digests, as JSON and into logs.

package oauth2server

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/seed-11d18166/oauth2server/internal/digest"
)

// Digest returns what a model stores instead of a token or a code: its SHA-256
// in base64url, 43 characters. Tokens are random, so no salt is needed, and the
// digest can be a key. It must not be used for passwords.
func Digest(token string) string {
	var text [digestText]byte
	return string(appendDigest(text[:0], token))
}

const digestText = 43

func appendDigest(text []byte, token string) []byte {
	sum := digest.Of(token)
	return base64.RawURLEncoding.AppendEncode(text, sum[:])
}

// MarshalJSON writes the form that apps of node-oauth2-server know:
// accessToken, accessTokenExpiresAt, scope, client.id and user.id. It contains
// the access token, and never the refresh token.
func (t Token) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		AccessToken string      `json:"accessToken,omitempty"`
		ExpiresAt   string      `json:"accessTokenExpiresAt,omitempty"`
		Scope       string      `json:"scope,omitempty"`
		Client      *idDocument `json:"client,omitempty"`
		User        *idDocument `json:"user,omitempty"`
	}{
		AccessToken: t.AccessToken,
		ExpiresAt:   javaScriptDate(t.AccessTokenExpiresAt),
		Scope:       t.Scope.String(),
		Client:      documentOf(t.Client.id()),
		User:        documentOf(t.User.id()),
	})
}

// MarshalJSON writes the form that apps of node-oauth2-server know:
// authorizationCode, expiresAt, redirectUri, scope, client.id and user.id. It
// contains the code.
func (c AuthorizationCode) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code        string      `json:"authorizationCode,omitempty"`
		ExpiresAt   string      `json:"expiresAt,omitempty"`
		RedirectURI string      `json:"redirectUri,omitempty"`
		Scope       string      `json:"scope,omitempty"`
		Client      *idDocument `json:"client,omitempty"`
		User        *idDocument `json:"user,omitempty"`
	}{
		Code:        c.Code,
		ExpiresAt:   javaScriptDate(c.ExpiresAt),
		RedirectURI: c.RedirectURI,
		Scope:       c.Scope.String(),
		Client:      documentOf(c.Client.id()),
		User:        documentOf(c.User.id()),
	})
}

type idDocument struct {
	ID string `json:"id"`
}

func documentOf(id string) *idDocument {
	if id == "" {
		return nil
	}
	return &idDocument{id}
}

func javaScriptDate(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(javaScriptTime)
}

// javaScriptTime is the layout of JavaScript's Date in JSON.
const javaScriptTime = "2006-01-02T15:04:05.000Z"

var errOneWay = errors.New("oauth2server: the JSON form lacks fields and cannot be read back; " +
	"store MarshalBinary and read with UnmarshalBinary")

// UnmarshalJSON always fails: the JSON form is for people and browsers. Use
// [Token.UnmarshalBinary].
func (t *Token) UnmarshalJSON([]byte) error { return errOneWay }

// UnmarshalJSON always fails. Use [AuthorizationCode.UnmarshalBinary].
func (c *AuthorizationCode) UnmarshalJSON([]byte) error { return errOneWay }

// LogValue returns IDs, scope and expiry, and no token.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("client", t.Client.id()),
		slog.String("user", t.User.id()),
		slog.String("scope", t.Scope.String()),
		slog.String("grant", t.GrantID),
		slog.Time("expires", t.AccessTokenExpiresAt),
	)
}

// LogValue returns IDs, scope and expiry, and no code.
func (c AuthorizationCode) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("client", c.Client.id()),
		slog.String("user", c.User.id()),
		slog.String("scope", c.Scope.String()),
		slog.String("grant", c.GrantID),
		slog.Time("expires", c.ExpiresAt),
	)
}

// String returns the text of [Token.LogValue].
func (t Token) String() string { return "oauth2server.Token" + t.LogValue().String() }

// Format writes String for every verb, so not even %d shows a token. It cannot
// protect a token in an unexported field of another struct, as fmt calls no
// methods there.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// String returns the text of [AuthorizationCode.LogValue].
func (c AuthorizationCode) String() string {
	return "oauth2server.AuthorizationCode" + c.LogValue().String()
}

// Format writes String for every verb; see [Token.Format].
func (c AuthorizationCode) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }
