// This file turns tokens, codes and log entries into records that a model can
// store, and back.

package oauth2server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server/internal/extra"
	"github.com/seed-11d18166/oauth2server/internal/millis"
	"github.com/seed-11d18166/oauth2server/internal/plainjson"
)

// recordVersion is the member "v" of all records. Within a version, members are
// added, never renamed.
const recordVersion = 1

// tokenRecord is the binary form of a Token. Times are milliseconds since 1970;
// 0 is the zero time.
//
// Attributes is Extra as internal/extra writes it. Older records have
// PlainExtra instead, which is only read: plain JSON, in which a string that
// begins with "@" has no special meaning. The two have different names, so that
// neither form is taken for the other.
type tokenRecord struct {
	Version          int             `json:"v"`
	AccessExpiresAt  int64           `json:"access_expires_at,omitempty"`
	RefreshExpiresAt int64           `json:"refresh_expires_at,omitempty"`
	Scope            Scope           `json:"scope,omitempty"`
	ClientID         string          `json:"client_id,omitempty"`
	UserID           string          `json:"user_id,omitempty"`
	GrantID          string          `json:"grant_id,omitempty"`
	GrantSeq         int             `json:"grant_seq,omitempty"`
	GrantScope       Scope           `json:"grant_scope,omitempty"`
	GrantExpiresAt   int64           `json:"grant_expires_at,omitempty"`
	GrantPace        int64           `json:"grant_pace,omitempty"`
	Resource         string          `json:"resource,omitempty"`
	Details          *Details        `json:"details,omitempty"`
	Attributes       json.RawMessage `json:"attributes,omitempty"`
	PlainExtra       json.RawMessage `json:"extra,omitempty"`
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
	Resource            string `json:"resource,omitempty"`

	Details *Details `json:"details,omitempty"`
}

// entryRecord is the binary form of a GrantEntry.
type entryRecord struct {
	Version            int       `json:"v"`
	GrantID            string    `json:"grant_id,omitempty"`
	Seq                int       `json:"seq,omitempty"`
	Kind               EntryKind `json:"kind,omitempty"`
	Nonce              string    `json:"nonce,omitempty"`
	Time               int64     `json:"time,omitempty"`
	ExpiresAt          int64     `json:"expires_at,omitempty"`
	Pace               int64     `json:"pace,omitempty"`
	Presented          string    `json:"presented,omitempty"`
	AccessToken        string    `json:"access_token,omitempty"`
	AccessExpiresAt    int64     `json:"access_expires_at,omitempty"`
	Successor          string    `json:"successor,omitempty"`
	SuccessorExpiresAt int64     `json:"successor_expires_at,omitempty"`
	Sealed             []byte    `json:"sealed,omitempty"`
	ClientID           string    `json:"client_id,omitempty"`
	UserID             string    `json:"user_id,omitempty"`
	Scope              Scope     `json:"scope,omitempty"`
	Resource           string    `json:"resource,omitempty"`
	GrantExpiresAt     int64     `json:"grant_expires_at,omitempty"`
}

// MarshalBinary returns a record of everything but the token strings and the
// Data of client and user, for a model that stores it beside the columns that
// it searches. The record is a JSON object. Members that a later version of
// this package added are kept.
//
// If [Token.Extra] holds something that it may not, the error has its path. A
// model returns this error unchanged: the server then logs a program_mistake.
func (t Token) MarshalBinary() ([]byte, error) {
	if err := checkText(t.Client.id(), t.User.id(), t.GrantID, t.Resource); err != nil {
		return nil, err
	}
	attributes, err := extra.Encode(t.Extra)
	if err != nil {
		return nil, misuse("%w", err)
	}
	r := tokenRecord{
		Version:          recordVersion,
		AccessExpiresAt:  millis.Of(t.AccessTokenExpiresAt),
		RefreshExpiresAt: millis.Of(t.RefreshTokenExpiresAt),
		Scope:            t.Scope,
		ClientID:         t.Client.id(),
		UserID:           t.User.id(),
		GrantID:          t.GrantID,
		GrantSeq:         t.GrantSeq,
		GrantScope:       t.GrantScope,
		GrantExpiresAt:   millis.Of(t.GrantExpiresAt),
		GrantPace:        millis.Of(t.GrantPace),
		Resource:         t.Resource,
		Details:          t.Details,
		Attributes:       attributes,
	}
	fields := plainjson.Writer()
	r.plain(&fields)
	if data, ok := fields.Text(); ok && t.unknown == nil {
		return data, nil
	}
	return marshalRecord(t.unknown, r)
}

// UnmarshalBinary reads what [Token.MarshalBinary] wrote, and leaves the token
// strings as they are.
func (t *Token) UnmarshalBinary(data []byte) error {
	var simple tokenRecord
	fields := plainjson.Reader(string(data))
	if simple.plain(&fields); fields.Done() {
		return t.take(&simple, nil)
	}
	var r tokenRecord
	unknown, err := unmarshalRecord(data, &r, &r.Version)
	if err != nil {
		return err
	}
	return t.take(&r, unknown)
}

func (t *Token) take(r *tokenRecord, unknown map[string]json.RawMessage) error {
	attributes, err := r.extra()
	if err != nil {
		return fmt.Errorf("oauth2server: Extra of a stored record: %w", err)
	}
	*t = Token{
		AccessToken:           t.AccessToken,
		AccessTokenExpiresAt:  millis.Time(r.AccessExpiresAt),
		RefreshToken:          t.RefreshToken,
		RefreshTokenExpiresAt: millis.Time(r.RefreshExpiresAt),
		Scope:                 r.Scope,
		Client:                clientOf(r.ClientID),
		User:                  userOf(r.UserID),
		GrantID:               r.GrantID,
		GrantSeq:              r.GrantSeq,
		GrantScope:            r.GrantScope,
		GrantExpiresAt:        millis.Time(r.GrantExpiresAt),
		GrantPace:             millis.Time(r.GrantPace),
		Resource:              r.Resource,
		Details:               r.Details,
		Extra:                 attributes,
		unknown:               unknown,
	}
	return nil
}

func (r *tokenRecord) extra() (map[string]any, error) {
	if r.Attributes == nil {
		return extra.DecodePlain(r.PlainExtra)
	}
	return extra.Decode(r.Attributes)
}

// MarshalBinary returns a record of everything but the code and the Data of
// client and user; see [Token.MarshalBinary].
func (c AuthorizationCode) MarshalBinary() ([]byte, error) {
	err := checkText(c.Client.id(), c.User.id(), c.GrantID, c.RedirectURI,
		c.CodeChallenge, c.CodeChallengeMethod, c.Resource)
	if err != nil {
		return nil, err
	}
	r := codeRecord{
		Version:             recordVersion,
		ExpiresAt:           millis.Of(c.ExpiresAt),
		RedirectURI:         c.RedirectURI,
		Scope:               c.Scope,
		ClientID:            c.Client.id(),
		UserID:              c.User.id(),
		CodeChallenge:       c.CodeChallenge,
		CodeChallengeMethod: c.CodeChallengeMethod,
		GrantID:             c.GrantID,
		Resource:            c.Resource,
		Details:             c.Details,
	}
	fields := plainjson.Writer()
	r.plain(&fields)
	if data, ok := fields.Text(); ok && c.unknown == nil {
		return data, nil
	}
	return marshalRecord(c.unknown, r)
}

// UnmarshalBinary reads what [AuthorizationCode.MarshalBinary] wrote, and
// leaves Code as it is.
func (c *AuthorizationCode) UnmarshalBinary(data []byte) error {
	var simple codeRecord
	fields := plainjson.Reader(string(data))
	if simple.plain(&fields); fields.Done() {
		c.take(&simple, nil)
		return nil
	}
	var r codeRecord
	unknown, err := unmarshalRecord(data, &r, &r.Version)
	if err == nil {
		c.take(&r, unknown)
	}
	return err
}

func (c *AuthorizationCode) take(r *codeRecord, unknown map[string]json.RawMessage) {
	*c = AuthorizationCode{
		Code:                c.Code,
		ExpiresAt:           millis.Time(r.ExpiresAt),
		RedirectURI:         r.RedirectURI,
		Scope:               r.Scope,
		Client:              clientOf(r.ClientID),
		User:                userOf(r.UserID),
		CodeChallenge:       r.CodeChallenge,
		CodeChallengeMethod: r.CodeChallengeMethod,
		GrantID:             r.GrantID,
		Resource:            r.Resource,
		Details:             r.Details,
		unknown:             unknown,
	}
}

// MarshalBinary returns a record of the whole entry; see [Token.MarshalBinary].
// It contains digests, and no token that could be used.
func (e GrantEntry) MarshalBinary() ([]byte, error) {
	if err := checkText(e.GrantID, string(e.Kind), e.Nonce, e.ClientID, e.UserID, e.Resource); err != nil {
		return nil, err
	}
	r := entryRecord{
		Version:            recordVersion,
		GrantID:            e.GrantID,
		Seq:                e.Seq,
		Kind:               e.Kind,
		Nonce:              e.Nonce,
		Time:               millis.Of(e.Time),
		ExpiresAt:          millis.Of(e.ExpiresAt),
		Pace:               millis.Of(e.Pace),
		Presented:          e.Presented,
		AccessToken:        e.AccessToken,
		AccessExpiresAt:    millis.Of(e.AccessTokenExpiresAt),
		Successor:          e.Successor,
		SuccessorExpiresAt: millis.Of(e.SuccessorExpiresAt),
		Sealed:             e.Sealed,
		ClientID:           e.ClientID,
		UserID:             e.UserID,
		Scope:              e.Scope,
		Resource:           e.Resource,
		GrantExpiresAt:     millis.Of(e.GrantExpiresAt),
	}
	fields := plainjson.Writer()
	r.plain(&fields)
	if data, ok := fields.Text(); ok && e.unknown == nil {
		return data, nil
	}
	return marshalRecord(e.unknown, r)
}

// UnmarshalBinary reads what [GrantEntry.MarshalBinary] wrote.
func (e *GrantEntry) UnmarshalBinary(data []byte) error {
	var simple entryRecord
	fields := plainjson.Reader(string(data))
	if simple.plain(&fields); fields.Done() {
		e.take(&simple, nil)
		return nil
	}
	var r entryRecord
	unknown, err := unmarshalRecord(data, &r, &r.Version)
	if err == nil {
		e.take(&r, unknown)
	}
	return err
}

func (e *GrantEntry) take(r *entryRecord, unknown map[string]json.RawMessage) {
	*e = GrantEntry{
		GrantID:              r.GrantID,
		Seq:                  r.Seq,
		Kind:                 r.Kind,
		Nonce:                r.Nonce,
		Time:                 millis.Time(r.Time),
		ExpiresAt:            millis.Time(r.ExpiresAt),
		Pace:                 millis.Time(r.Pace),
		Presented:            r.Presented,
		AccessToken:          r.AccessToken,
		AccessTokenExpiresAt: millis.Time(r.AccessExpiresAt),
		Successor:            r.Successor,
		SuccessorExpiresAt:   millis.Time(r.SuccessorExpiresAt),
		Sealed:               r.Sealed,
		ClientID:             r.ClientID,
		UserID:               r.UserID,
		Scope:                r.Scope,
		Resource:             r.Resource,
		GrantExpiresAt:       millis.Time(r.GrantExpiresAt),
		unknown:              unknown,
	}
}

// plain reads or writes what needs no more than package plainjson, in the order
// of the fields. Otherwise it fails, and encoding/json does it.
func (r *tokenRecord) plain(f *plainjson.Fields) {
	f.Int("v", &r.Version)
	f.Int64("access_expires_at", &r.AccessExpiresAt)
	f.Int64("refresh_expires_at", &r.RefreshExpiresAt)
	f.Strings("scope", (*[]string)(&r.Scope))
	f.String("client_id", &r.ClientID)
	f.String("user_id", &r.UserID)
	f.String("grant_id", &r.GrantID)
	f.Int("grant_seq", &r.GrantSeq)
	f.Strings("grant_scope", (*[]string)(&r.GrantScope))
	f.Int64("grant_expires_at", &r.GrantExpiresAt)
	f.Int64("grant_pace", &r.GrantPace)
	f.String("resource", &r.Resource)
	if r.Details != nil || r.Attributes != nil || r.Version != recordVersion {
		f.Fail()
	}
}

func (r *codeRecord) plain(f *plainjson.Fields) {
	f.Int("v", &r.Version)
	f.Int64("expires_at", &r.ExpiresAt)
	f.String("redirect_uri", &r.RedirectURI)
	f.Strings("scope", (*[]string)(&r.Scope))
	f.String("client_id", &r.ClientID)
	f.String("user_id", &r.UserID)
	f.String("code_challenge", &r.CodeChallenge)
	f.String("code_challenge_method", &r.CodeChallengeMethod)
	f.String("grant_id", &r.GrantID)
	f.String("resource", &r.Resource)
	if r.Details != nil || r.Version != recordVersion {
		f.Fail()
	}
}

func (r *entryRecord) plain(f *plainjson.Fields) {
	f.Int("v", &r.Version)
	f.String("grant_id", &r.GrantID)
	f.Int("seq", &r.Seq)
	f.String("kind", (*string)(&r.Kind))
	f.String("nonce", &r.Nonce)
	f.Int64("time", &r.Time)
	f.Int64("expires_at", &r.ExpiresAt)
	f.Int64("pace", &r.Pace)
	f.String("presented", &r.Presented)
	f.String("access_token", &r.AccessToken)
	f.Int64("access_expires_at", &r.AccessExpiresAt)
	f.String("successor", &r.Successor)
	f.Int64("successor_expires_at", &r.SuccessorExpiresAt)
	f.Bytes("sealed", &r.Sealed)
	f.String("client_id", &r.ClientID)
	f.String("user_id", &r.UserID)
	f.Strings("scope", (*[]string)(&r.Scope))
	f.String("resource", &r.Resource)
	f.Int64("grant_expires_at", &r.GrantExpiresAt)
	if r.Version != recordVersion {
		f.Fail()
	}
}

// checkText refuses text that is not UTF-8: JSON would change it, so that two
// IDs could become the same.
func checkText(texts ...string) error {
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("oauth2server: a record with %q, which is no UTF-8", text)
		}
	}
	return nil
}

// marshalRecord returns record as JSON, followed by the members in unknown.
func marshalRecord(unknown map[string]json.RawMessage, record any) ([]byte, error) {
	data, err := json.Marshal(record)
	if err != nil || len(unknown) == 0 {
		return data, err
	}
	members, err := json.Marshal(unknown)
	if err != nil {
		return nil, err
	}
	data[len(data)-1] = ',' // in place of the closing brace
	return append(data, members[1:]...), nil
}

// unmarshalRecord reads data into record and returns the members that record
// has no field for.
func unmarshalRecord[T any](data []byte, record *T, version *int) (map[string]json.RawMessage, error) {
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if strict.Decode(record) == nil && strict.InputOffset() == int64(len(data)) && *version == recordVersion {
		return nil, nil // the common case: no member is unknown
	}
	if err := json.Unmarshal(data, record); err != nil {
		return nil, fmt.Errorf("oauth2server: a stored record: %w", err)
	}
	if *version != recordVersion {
		return nil, fmt.Errorf("oauth2server: a stored record has version %d, want %d",
			*version, recordVersion)
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
