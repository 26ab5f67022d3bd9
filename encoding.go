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

// Digest returns what a model stores in place of a token or a code: its SHA-256 in base64url, 43 characters. Tokens are
// random, so no salt is needed, and the digest can be a key. It is not for passwords.
func Digest(token string) string {
	sum := digest.Of(token)
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return string(text[:])
}

// javaScriptTime is how JavaScript's Date writes itself in JSON.
const javaScriptTime = "2006-01-02T15:04:05.000Z"

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

// MarshalJSON writes the form that node-oauth2-server's apps know: accessToken, accessTokenExpiresAt, scope, client.id
// and user.id. It contains the access token, and never the refresh token.
func (t Token) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		AccessToken string      `json:"accessToken,omitempty"`
		ExpiresAt   string      `json:"accessTokenExpiresAt,omitempty"`
		Scope       string      `json:"scope,omitempty"`
		Client      *idDocument `json:"client,omitempty"`
		User        *idDocument `json:"user,omitempty"`
	}{t.AccessToken, javaScriptDate(t.AccessTokenExpiresAt), t.Scope.String(), documentOf(t.Client.id()), documentOf(t.User.id())})
}

// MarshalJSON writes the form that node-oauth2-server's apps know: authorizationCode, expiresAt, redirectUri, scope,
// client.id and user.id. It contains the code.
func (c AuthorizationCode) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code        string      `json:"authorizationCode,omitempty"`
		ExpiresAt   string      `json:"expiresAt,omitempty"`
		RedirectURI string      `json:"redirectUri,omitempty"`
		Scope       string      `json:"scope,omitempty"`
		Client      *idDocument `json:"client,omitempty"`
		User        *idDocument `json:"user,omitempty"`
	}{c.Code, javaScriptDate(c.ExpiresAt), c.RedirectURI, c.Scope.String(), documentOf(c.Client.id()), documentOf(c.User.id())})
}

var errOneWay = errors.New("oauth2server: the JSON form lacks fields and cannot be read back; store MarshalBinary and read with UnmarshalBinary")

// UnmarshalJSON always fails: the JSON form is for people and browsers. Use [Token.UnmarshalBinary].
func (t *Token) UnmarshalJSON([]byte) error { return errOneWay }

// UnmarshalJSON always fails. Use [AuthorizationCode.UnmarshalBinary].
func (c *AuthorizationCode) UnmarshalJSON([]byte) error { return errOneWay }

// LogValue shows ids, scope and expiry, and no token.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client", t.Client.id()), slog.String("user", t.User.id()),
		slog.String("scope", t.Scope.String()), slog.String("grant", t.GrantID), slog.Time("expires", t.AccessTokenExpiresAt))
}

// LogValue shows ids, scope and expiry, and no code.
func (c AuthorizationCode) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client", c.Client.id()), slog.String("user", c.User.id()),
		slog.String("scope", c.Scope.String()), slog.String("grant", c.GrantID), slog.Time("expires", c.ExpiresAt))
}

// String is the text of LogValue.
func (t Token) String() string { return "oauth2server.Token" + t.LogValue().String() }

// Format writes String for every verb: not even %d shows a token. An unexported field of another struct is out of its
// reach, as fmt calls no methods there.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// String is the text of LogValue.
func (c AuthorizationCode) String() string {
	return "oauth2server.AuthorizationCode" + c.LogValue().String()
}

// Format writes String for every verb; see [Token.Format].
func (c AuthorizationCode) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }
