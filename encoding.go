package oauth2server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// Digest returns what a model stores in place of a token or a code: its SHA-256 in base64url, 43 characters. Tokens are
// random, so no salt is needed, and the digest can be a key. It is not for passwords.
func Digest(token string) string {
	digest := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(digest[:])
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

// recordVersion is member "v" of the binary forms. Within a version members are added, never renamed.
const recordVersion = 1

// tokenRecord is the binary form of a Token. Times are milliseconds since 1970, 0 for none.
type tokenRecord struct {
	Version          int            `json:"v"`
	AccessExpiresAt  int64          `json:"access_expires_at,omitempty"`
	RefreshExpiresAt int64          `json:"refresh_expires_at,omitempty"`
	Scope            Scope          `json:"scope,omitempty"`
	ClientID         string         `json:"client_id,omitempty"`
	UserID           string         `json:"user_id,omitempty"`
	GrantID          string         `json:"grant_id,omitempty"`
	GrantScope       Scope          `json:"grant_scope,omitempty"`
	Extra            map[string]any `json:"extra,omitempty"`
}

// codeRecord is the binary form of an AuthorizationCode.
type codeRecord struct {
	Version             int    `json:"v"`
	ExpiresAt           int64  `json:"expires_at,omitempty"`
	RedirectURI         string `json:"redirect_uri,omitempty"`
	Scope               Scope  `json:"scope,omitempty"`
	ClientID            string `json:"client_id,omitempty"`
	UserID              string `json:"user_id,omitempty"`
	CodeChallenge       string `json:"code_challenge,omitempty"`
	CodeChallengeMethod string `json:"code_challenge_method,omitempty"`
	GrantID             string `json:"grant_id,omitempty"`
}

// MarshalBinary writes everything but the token strings and the Data of client and user: for a model that keeps a record
// beside the columns it looks things up by. The record is a JSON object. What a later version of this package added to
// it is kept.
func (t Token) MarshalBinary() ([]byte, error) {
	if err := checkText(t.Client.id(), t.User.id(), t.GrantID); err != nil {
		return nil, err
	}
	return marshalRecord(t.unknown, tokenRecord{recordVersion, milliseconds(t.AccessTokenExpiresAt),
		milliseconds(t.RefreshTokenExpiresAt), t.Scope, t.Client.id(), t.User.id(), t.GrantID, t.GrantScope, t.Extra})
}

// UnmarshalBinary reads what [Token.MarshalBinary] wrote, and leaves the token strings as they are. Numbers in Extra
// become float64.
func (t *Token) UnmarshalBinary(data []byte) error {
	var r tokenRecord
	unknown, err := unmarshalRecord(data, &r, &r.Version)
	if err != nil {
		return err
	}
	*t = Token{t.AccessToken, fromMilliseconds(r.AccessExpiresAt), t.RefreshToken, fromMilliseconds(r.RefreshExpiresAt),
		r.Scope, clientOf(r.ClientID), userOf(r.UserID), r.GrantID, r.GrantScope, r.Extra, unknown}
	return nil
}

// MarshalBinary writes everything but the code and the Data of client and user; see [Token.MarshalBinary].
func (c AuthorizationCode) MarshalBinary() ([]byte, error) {
	if err := checkText(c.Client.id(), c.User.id(), c.GrantID, c.RedirectURI, c.CodeChallenge, c.CodeChallengeMethod); err != nil {
		return nil, err
	}
	return marshalRecord(c.unknown, codeRecord{recordVersion, milliseconds(c.ExpiresAt), c.RedirectURI, c.Scope,
		c.Client.id(), c.User.id(), c.CodeChallenge, c.CodeChallengeMethod, c.GrantID})
}

// UnmarshalBinary reads what [AuthorizationCode.MarshalBinary] wrote, and leaves Code as it is.
func (c *AuthorizationCode) UnmarshalBinary(data []byte) error {
	var r codeRecord
	unknown, err := unmarshalRecord(data, &r, &r.Version)
	if err != nil {
		return err
	}
	*c = AuthorizationCode{c.Code, fromMilliseconds(r.ExpiresAt), r.RedirectURI, r.Scope, clientOf(r.ClientID),
		userOf(r.UserID), r.CodeChallenge, r.CodeChallengeMethod, r.GrantID, unknown}
	return nil
}

// checkText refuses what JSON would change: two ids that are no UTF-8 could become the same.
func checkText(texts ...string) error {
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("oauth2server: a record with %q, which is no UTF-8", text)
		}
	}
	return nil
}

func marshalRecord(unknown map[string]json.RawMessage, record any) ([]byte, error) {
	data, err := json.Marshal(record)
	if err != nil || len(unknown) == 0 {
		return data, err
	}
	members, err := json.Marshal(unknown)
	if err != nil {
		return nil, err
	}
	data[len(data)-1] = ','
	return append(data, members[1:]...), nil
}

// unmarshalRecord reads data into record and returns the members that record has no field for.
func unmarshalRecord[T any](data []byte, record *T, version *int) (map[string]json.RawMessage, error) {
	if err := json.Unmarshal(data, record); err != nil {
		return nil, fmt.Errorf("oauth2server: a stored record: %w", err)
	}
	if *version != recordVersion {
		return nil, fmt.Errorf("oauth2server: a stored record has version %d, want %d", *version, recordVersion)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("oauth2server: a stored record: %w", err)
	}
	fields := reflect.TypeFor[T]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		delete(members, name)
	}
	if len(members) == 0 {
		return nil, nil
	}
	return members, nil
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilliseconds(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func (c *Client) id() string {
	if c == nil {
		return ""
	}
	return c.ID
}

func (u *User) id() string {
	if u == nil {
		return ""
	}
	return u.ID
}

func clientOf(id string) *Client {
	if id == "" {
		return nil
	}
	return &Client{ID: id}
}

func userOf(id string) *User {
	if id == "" {
		return nil
	}
	return &User{ID: id}
}

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
