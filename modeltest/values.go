// This file makes the values that the rules store, and compares them.

package modeltest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/filled"
)

// unique returns a new random string with the length and alphabet of the
// server's own tokens.
func unique() string { return oauth2server.Digest(rand.Text()) }

// past returns a time before now.
func past() time.Time {
	return time.Now().UTC().Truncate(time.Second).Add(-48*time.Hour + 123*time.Millisecond)
}

// client and user return what a stored value names: the ID of the i-th in the
// fixture.
func (t *trial) client(i int) *oauth2server.Client { return &oauth2server.Client{ID: t.Clients[i].ID} }
func (t *trial) user(i int) *oauth2server.User     { return &oauth2server.User{ID: t.Users[i].ID} }

// newCode returns a code of the first client in which no field is zero.
func (t *trial) newCode() *oauth2server.AuthorizationCode {
	code := &oauth2server.AuthorizationCode{}
	filled.Struct(code)
	code.Code, code.GrantID, code.Client, code.User = unique(), unique(), t.client(0), t.user(0)
	code.CodeChallenge, code.CodeChallengeMethod = unique(), "S256"
	return code
}

// newToken returns a token of the first client in which no field is zero, as
// far as the server would set it for this model.
func (t *trial) newToken() *oauth2server.Token {
	token := &oauth2server.Token{}
	filled.Struct(token)
	token.AccessToken, token.RefreshToken, token.GrantID, token.Client, token.User = unique(),
		unique(), unique(), t.client(0), t.user(0)
	if t.on.refresh == nil {
		token.RefreshToken, token.RefreshTokenExpiresAt = "", time.Time{}
	}
	if t.on.log == nil || t.on.refresh == nil {
		token.GrantSeq = 0
	}
	return token
}

// newEntry returns an entry in which no field is zero.
func (t *trial) newEntry(grantID string, seq int) *oauth2server.GrantEntry {
	entry := &oauth2server.GrantEntry{}
	filled.Struct(entry)
	entry.GrantID, entry.Seq, entry.Kind, entry.Nonce = grantID, seq, "grant", unique()
	entry.Presented, entry.AccessToken, entry.Successor = unique(), unique(), unique()
	entry.ClientID, entry.UserID = t.Clients[0].ID, t.Users[0].ID
	return entry
}

// picture is the names and values of the exported fields of a struct, as text.
type picture [][2]string

// pictureOf takes only the ID of a client and a user. It does not distinguish
// an empty list from nil, nor values in maps that have the same JSON: the rule
// token-extra does.
func pictureOf(structure any) (p picture) {
	v := reflect.ValueOf(structure).Elem()
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() {
			p = append(p, [2]string{field.Name, inWords(v.Field(i).Interface())})
		}
	}
	return p
}

func inWords(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return "no time"
		}
		return v.Format("2006-01-02T15:04:05.999999999Z07:00")
	case *oauth2server.Client:
		if v == nil {
			return "nil"
		}
		return v.ID
	case *oauth2server.User:
		if v == nil {
			return "nil"
		}
		return v.ID
	case *oauth2server.Details:
		if text, err := json.Marshal(v); err == nil {
			return string(text)
		}
	case []byte:
		return hex.EncodeToString(v)
	case oauth2server.Scope:
		return v.String()
	case []string:
		return strings.Join(v, " ")
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
		if text, err := json.Marshal(v); err == nil { // JSON sorts the members
			return string(text)
		}
	}
	return fmt.Sprint(v)
}

// same returns an error that names the fields of got that differ from want.
func same(call string, want picture, got any, except ...string) error {
	var differ []string
	for i, is := range pictureOf(got) {
		if name := want[i][0]; want[i] != is && !slices.Contains(except, name) {
			differ = append(differ,
				fmt.Sprintf("%s is %s, want %s", name, short(is[1]), short(want[i][1])))
		}
	}
	if differ != nil {
		return fmt.Errorf("%s: %s", call, strings.Join(differ, "; "))
	}
	return nil
}

// spoil changes everything that is reachable through a pointer to a struct, as
// a careless caller might.
func spoil(structure any) {
	v := reflect.ValueOf(structure).Elem()
	for i := range v.NumField() {
		if !v.Field(i).CanSet() {
			continue
		}
		spoilValue(v.Field(i).Interface())
		v.Field(i).SetZero()
	}
}

func spoilValue(v any) {
	switch v := v.(type) {
	case *oauth2server.Client:
		if v != nil {
			v.ID = "spoilt"
		}
	case *oauth2server.User:
		if v != nil {
			v.ID = "spoilt"
		}
	case *oauth2server.Details:
		if v != nil {
			spoil(v)
		}
	case *oauth2server.Authentication:
		if v != nil {
			spoil(v)
		}
	case map[string]string:
		for name := range v {
			v[name] = "spoilt"
		}
	case map[string]json.RawMessage:
		for name := range v {
			spoilValue([]byte(v[name]))
		}
	case oauth2server.Scope:
		spoilValue([]string(v))
	case []string:
		for i := range v {
			v[i] = "spoilt"
		}
	case []byte:
		for i := range v {
			v[i] ^= 0xFF
		}
	case []any:
		for i := range v {
			spoilValue(v[i])
			v[i] = "spoilt"
		}
	case map[string]any:
		for name := range v {
			spoilValue(v[name])
			v[name] = "spoilt"
		}
	}
}

// copies checks that changing what was given to a model, and what it returned,
// changes nothing that is stored.
func copies[T any](
	ctx context.Context, call string, given, saved *T, get func(context.Context) (*T, error),
) error {
	found, err := get(ctx)
	if err := present("%s", call)(found, err); err != nil {
		return err
	}
	want := pictureOf(found)
	for _, row := range []struct {
		whose string
		value *T
	}{{"given to the model", given}, {"returned when it was saved", saved},
		{"returned by an earlier call", found}} {
		if row.value == nil {
			continue
		}
		spoil(row.value)
		again, err := get(ctx)
		call := fmt.Sprintf("%s, after a caller changed the value that was %s", call, row.whose)
		if err := present("%s", call)(again, err); err != nil {
			return err
		}
		if err := same(call, want, again); err != nil {
			return err
		}
	}
	return nil
}

// saveCode saves a code and returns what the model returned.
func (h *handle) saveCode(
	ctx context.Context, code *oauth2server.AuthorizationCode,
) (*oauth2server.AuthorizationCode, error) {
	saved, err := h.codes.SaveAuthorizationCode(ctx, code, code.Client, code.User)
	if err := present("SaveAuthorizationCode")(saved, err); err != nil {
		return nil, err
	}
	if saved.Code == "" {
		return nil, errors.New("SaveAuthorizationCode returned no Code for the client")
	}
	return saved, nil
}

// saveToken saves a token and returns what the model returned.
func (h *handle) saveToken(ctx context.Context, token *oauth2server.Token) (*oauth2server.Token, error) {
	hadAccess, hadRefresh := token.AccessToken != "", token.RefreshToken != ""
	saved, err := h.model.SaveToken(ctx, token, token.Client, token.User)
	if err := present("SaveToken")(saved, err); err != nil {
		return nil, err
	}
	if hadAccess && saved.AccessToken == "" || hadRefresh && saved.RefreshToken == "" {
		return nil, errors.New("SaveToken returned a token without the AccessToken, or without " +
			"the RefreshToken, that it was given")
	}
	return saved, nil
}

func short(s string) string {
	if len(s) > 100 {
		return fmt.Sprintf("%.100q and more, %d bytes in all", s, len(s))
	}
	return fmt.Sprintf("%q", s)
}
