package oauth2server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server/internal/millis"
)

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
	GrantSeq         int            `json:"grant_seq,omitempty"`
	GrantScope       Scope          `json:"grant_scope,omitempty"`
	GrantExpiresAt   int64          `json:"grant_expires_at,omitempty"`
	GrantPace        int64          `json:"grant_pace,omitempty"`
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

// entryRecord is the binary form of a GrantEntry.
type entryRecord struct {
	Version            int    `json:"v"`
	GrantID            string `json:"grant_id,omitempty"`
	Seq                int    `json:"seq,omitempty"`
	Kind               string `json:"kind,omitempty"`
	Nonce              string `json:"nonce,omitempty"`
	Time               int64  `json:"time,omitempty"`
	ExpiresAt          int64  `json:"expires_at,omitempty"`
	Pace               int64  `json:"pace,omitempty"`
	Presented          string `json:"presented,omitempty"`
	AccessToken        string `json:"access_token,omitempty"`
	AccessExpiresAt    int64  `json:"access_expires_at,omitempty"`
	Successor          string `json:"successor,omitempty"`
	SuccessorExpiresAt int64  `json:"successor_expires_at,omitempty"`
	Sealed             []byte `json:"sealed,omitempty"`
	ClientID           string `json:"client_id,omitempty"`
	UserID             string `json:"user_id,omitempty"`
	Scope              Scope  `json:"scope,omitempty"`
	GrantExpiresAt     int64  `json:"grant_expires_at,omitempty"`
}

// MarshalBinary writes everything but the token strings and the Data of client and user: for a model that keeps a record
// beside the columns it looks things up by. The record is a JSON object. What a later version of this package added to
// it is kept.
func (t Token) MarshalBinary() ([]byte, error) {
	if err := checkText(t.Client.id(), t.User.id(), t.GrantID); err != nil {
		return nil, err
	}
	return marshalRecord(t.unknown, tokenRecord{recordVersion, millis.Of(t.AccessTokenExpiresAt),
		millis.Of(t.RefreshTokenExpiresAt), t.Scope, t.Client.id(), t.User.id(), t.GrantID, t.GrantSeq, t.GrantScope,
		millis.Of(t.GrantExpiresAt), millis.Of(t.GrantPace), t.Extra})
}

// UnmarshalBinary reads what [Token.MarshalBinary] wrote, and leaves the token strings as they are. Numbers in Extra
// become float64.
func (t *Token) UnmarshalBinary(data []byte) error {
	var r tokenRecord
	unknown, err := unmarshalRecord(data, &r, &r.Version)
	if err != nil {
		return err
	}
	*t = Token{t.AccessToken, millis.Time(r.AccessExpiresAt), t.RefreshToken, millis.Time(r.RefreshExpiresAt),
		r.Scope, clientOf(r.ClientID), userOf(r.UserID), r.GrantID, r.GrantSeq, r.GrantScope,
		millis.Time(r.GrantExpiresAt), millis.Time(r.GrantPace), r.Extra, unknown}
	return nil
}

// MarshalBinary writes everything but the code and the Data of client and user; see [Token.MarshalBinary].
func (c AuthorizationCode) MarshalBinary() ([]byte, error) {
	if err := checkText(c.Client.id(), c.User.id(), c.GrantID, c.RedirectURI, c.CodeChallenge, c.CodeChallengeMethod); err != nil {
		return nil, err
	}
	return marshalRecord(c.unknown, codeRecord{recordVersion, millis.Of(c.ExpiresAt), c.RedirectURI, c.Scope,
		c.Client.id(), c.User.id(), c.CodeChallenge, c.CodeChallengeMethod, c.GrantID})
}

// UnmarshalBinary reads what [AuthorizationCode.MarshalBinary] wrote, and leaves Code as it is.
func (c *AuthorizationCode) UnmarshalBinary(data []byte) error {
	var r codeRecord
	unknown, err := unmarshalRecord(data, &r, &r.Version)
	if err != nil {
		return err
	}
	*c = AuthorizationCode{c.Code, millis.Time(r.ExpiresAt), r.RedirectURI, r.Scope, clientOf(r.ClientID),
		userOf(r.UserID), r.CodeChallenge, r.CodeChallengeMethod, r.GrantID, unknown}
	return nil
}

// MarshalBinary writes the whole entry; see [Token.MarshalBinary]. It holds digests, and no token that could be used.
func (e GrantEntry) MarshalBinary() ([]byte, error) {
	if err := checkText(e.GrantID, e.Kind, e.Nonce, e.ClientID, e.UserID); err != nil {
		return nil, err
	}
	return marshalRecord(e.unknown, entryRecord{recordVersion, e.GrantID, e.Seq, e.Kind, e.Nonce, millis.Of(e.Time),
		millis.Of(e.ExpiresAt), millis.Of(e.Pace), e.Presented, e.AccessToken, millis.Of(e.AccessTokenExpiresAt), e.Successor,
		millis.Of(e.SuccessorExpiresAt), e.Sealed, e.ClientID, e.UserID, e.Scope, millis.Of(e.GrantExpiresAt)})
}

// UnmarshalBinary reads what [GrantEntry.MarshalBinary] wrote.
func (e *GrantEntry) UnmarshalBinary(data []byte) error {
	var r entryRecord
	unknown, err := unmarshalRecord(data, &r, &r.Version)
	if err != nil {
		return err
	}
	*e = GrantEntry{r.GrantID, r.Seq, r.Kind, r.Nonce, millis.Time(r.Time), millis.Time(r.ExpiresAt), millis.Time(r.Pace), r.Presented,
		r.AccessToken, millis.Time(r.AccessExpiresAt), r.Successor, millis.Time(r.SuccessorExpiresAt), r.Sealed,
		r.ClientID, r.UserID, r.Scope, millis.Time(r.GrantExpiresAt), unknown}
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
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if strict.Decode(record) == nil && strict.InputOffset() == int64(len(data)) && *version == recordVersion {
		return nil, nil // as most do: no member is unknown
	}
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
