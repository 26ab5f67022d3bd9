package modeltest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/filled"
)

// unique is a string that nobody used before, of the length and alphabet of the server's own tokens.
func unique() string { return oauth2server.Digest(rand.Text()) }

// past is a time at which something expired.
func past() time.Time {
	return time.Now().UTC().Truncate(time.Second).Add(-48*time.Hour + 123*time.Millisecond)
}

// client and user are what a stored value names, by their place in the fixture.
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

// newToken returns a token of the first client in which no field is zero, as far as the server would fill it for this
// model.
func (t *trial) newToken() *oauth2server.Token {
	token := &oauth2server.Token{}
	filled.Struct(token)
	token.AccessToken, token.RefreshToken, token.GrantID, token.Client, token.User = unique(), unique(), unique(), t.client(0), t.user(0)
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

// same compares the exported fields of two structs, and names those that differ. Of a client and a user only the ID
// counts, a nil list is as good as an empty one, and numbers may change their type in a map.
func same(call string, want, got any, except ...string) error {
	var differ []string
	w, g := reflect.ValueOf(want).Elem(), reflect.ValueOf(got).Elem()
	for i := range w.NumField() {
		field := w.Type().Field(i)
		if !field.IsExported() || slices.Contains(except, field.Name) {
			continue
		}
		want, got := plain(w.Field(i).Interface()), plain(g.Field(i).Interface())
		if want != got {
			differ = append(differ, fmt.Sprintf("%s is %s, want %s", field.Name, short(got), short(want)))
		}
	}
	if differ != nil {
		return fmt.Errorf("%s: %s", call, strings.Join(differ, "; "))
	}
	return nil
}

// plain writes a field in the form that it is compared in.
func plain(v any) string {
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
	case []byte:
		return fmt.Sprintf("%x", v)
	case oauth2server.Scope:
		return strings.Join(v, " ")
	case []string:
		return strings.Join(v, " ")
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
		text, err := json.Marshal(v) // with its members in order
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	return fmt.Sprint(v)
}

func short(s string) string {
	if len(s) > 100 {
		return fmt.Sprintf("%.100q and more, %d bytes in all", s, len(s))
	}
	return fmt.Sprintf("%q", s)
}
