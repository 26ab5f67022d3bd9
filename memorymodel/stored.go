// This file turns tokens, codes and log entries into texts and back.

package memorymodel

import (
	"encoding/base64"
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/extra"
	"github.com/seed-11d18166/oauth2server/internal/millis"
)

// enough is the room, in bytes, for most records.
const enough = 512

func appendToken(data []byte, t *oauth2server.Token) []byte {
	data = appendTexts(data, idOf(t.Client), userID(t.User), t.GrantID, t.Resource)
	data = appendTimes(data, t.AccessTokenExpiresAt, t.RefreshTokenExpiresAt, t.GrantExpiresAt, t.GrantPace)
	data = binary.AppendVarint(data, int64(t.GrantSeq))
	return appendScopes(data, t.Scope, t.GrantScope)
}

// loaded is a token and what it points to, in one allocation.
type loaded struct {
	token  oauth2server.Token
	client oauth2server.Client
	user   oauth2server.User
	scopes [2]string // enough for most
	text   [96]byte  // enough for most
}

// loadToken returns a token that belongs to the caller.
func loadToken(data []byte, more attached) *oauth2server.Token {
	l := new(loaded)
	r, t := reader{l.hold(data)}, &l.token
	if l.client.ID = r.text(); l.client.ID != "" {
		t.Client = &l.client
	}
	if l.user.ID = r.text(); l.user.ID != "" {
		t.User = &l.user
	}
	t.GrantID, t.Resource = r.text(), r.text()
	t.AccessTokenExpiresAt, t.RefreshTokenExpiresAt = r.time(), r.time()
	t.GrantExpiresAt, t.GrantPace = r.time(), r.time()
	t.GrantSeq = int(r.number())
	t.Scope, t.GrantScope = r.scopes(l.scopes[:0])
	t.Extra, t.Details = extra.Copy(more.extra), more.details.Clone()
	return t
}

// hold returns data as a string that is a part of l, if there is room for it.
// A string must never change, so nobody may write to text after that.
func (l *loaded) hold(data []byte) string {
	if len(data) > len(l.text) {
		return string(data)
	}
	return unsafe.String(&l.text[0], copy(l.text[:], data))
}

// appendCode begins with the names of its grant and client; see [names].
func appendCode(data []byte, c *oauth2server.AuthorizationCode) []byte {
	data = appendTexts(data, c.GrantID, idOf(c.Client), userID(c.User), c.RedirectURI, c.CodeChallenge,
		c.CodeChallengeMethod, c.Resource)
	return appendScopes(appendTimes(data, c.ExpiresAt), c.Scope, nil)
}

// loadedCode is a code and what it points to, in one allocation.
type loadedCode struct {
	code   oauth2server.AuthorizationCode
	client oauth2server.Client
	user   oauth2server.User
	scope  [2]string // enough for most
}

// loadCode returns a code that belongs to the caller.
func loadCode(text string, more attached) *oauth2server.AuthorizationCode {
	l, r := new(loadedCode), reader{text}
	c := &l.code
	c.GrantID = r.text()
	if l.client.ID = r.text(); l.client.ID != "" {
		c.Client = &l.client
	}
	if l.user.ID = r.text(); l.user.ID != "" {
		c.User = &l.user
	}
	c.RedirectURI, c.CodeChallenge, c.CodeChallengeMethod, c.Resource = r.text(), r.text(), r.text(), r.text()
	c.ExpiresAt = r.time()
	c.Scope, _ = r.scopes(l.scope[:0])
	c.Details = more.details.Clone()
	return c
}

// appendEntry begins with the names of its user and client; see [names]. The
// log has its grant's ID and its place.
func appendEntry(data []byte, e *oauth2server.GrantEntry) []byte {
	data = appendTexts(data, e.UserID, e.ClientID, string(e.Kind), e.Resource)
	data = appendIDs(data, e.Nonce, e.Presented, e.AccessToken, e.Successor)
	data = appendText(data, e.Sealed)
	data = appendTimes(data, e.Time, e.ExpiresAt, e.Pace, e.AccessTokenExpiresAt, e.SuccessorExpiresAt,
		e.GrantExpiresAt)
	return appendScopes(data, e.Scope, nil)
}

// loadEntry returns an entry that belongs to the caller.
func loadEntry(grantID string, seq int32, text string) *oauth2server.GrantEntry {
	e, r := &oauth2server.GrantEntry{GrantID: grantID, Seq: int(seq)}, reader{text}
	e.UserID, e.ClientID, e.Kind, e.Resource = r.text(), r.text(), oauth2server.EntryKind(r.text()), r.text()
	e.Nonce, e.Presented, e.AccessToken, e.Successor = r.id(), r.id(), r.id(), r.id()
	if sealed := r.text(); sealed != "" {
		e.Sealed = []byte(sealed)
	}
	e.Time, e.ExpiresAt, e.Pace = r.time(), r.time(), r.time()
	e.AccessTokenExpiresAt, e.SuccessorExpiresAt, e.GrantExpiresAt = r.time(), r.time(), r.time()
	e.Scope, _ = r.scopes(nil)
	return e
}

func appendTexts(data []byte, texts ...string) []byte {
	for _, text := range texts {
		data = appendText(data, text)
	}
	return data
}

// appendText writes a text after its length.
func appendText[T string | []byte](data []byte, text T) []byte {
	return append(binary.AppendUvarint(data, uint64(len(text))), text...)
}

// appendIDs writes each as bytes if it is base64url, as most are: that takes a
// quarter less. The last bit of the length tells.
func appendIDs(data []byte, ids ...string) []byte {
	for _, id := range ids {
		var buffer [maxID]byte
		if len(id) <= len(buffer) {
			n := base64URL.DecodedLen(len(id))
			decoded, err := base64URL.AppendDecode(append(data, byte(n)<<1|1), buffer[:copy(buffer[:], id)])
			size := len(decoded) - len(data) - 1
			if err == nil && base64URL.EncodedLen(size) == len(id) { // it has no line break, which is ignored
				data = decoded
				continue
			}
		}
		data = append(binary.AppendUvarint(data, uint64(len(id))<<1), id...)
	}
	return data
}

// maxID is the longest ID for which that is tried. The length of its bytes fits
// into one byte.
const maxID = 84

// base64URL decodes only what it would encode.
var base64URL = base64.RawURLEncoding.Strict()

func appendTimes(data []byte, times ...time.Time) []byte {
	for _, at := range times {
		data = binary.AppendVarint(data, millis.Of(at))
	}
	return data
}

// appendScopes writes how many scope tokens there are, and then the tokens.
func appendScopes(data []byte, a, b oauth2server.Scope) []byte {
	data = binary.AppendUvarint(data, uint64(len(a)))
	data = binary.AppendUvarint(data, uint64(len(b)))
	return appendTexts(appendTexts(data, a...), b...)
}

// reader reads what the functions above wrote.
type reader struct{ rest string }

func (r *reader) length() (n uint64) {
	for shift := 0; ; shift += 7 {
		c := r.rest[0]
		r.rest = r.rest[1:]
		n |= uint64(c&0x7F) << shift
		if c < 0x80 {
			return n
		}
	}
}

func (r *reader) text() string {
	n := r.length()
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

func (r *reader) id() string {
	n := r.length()
	id := r.rest[:n>>1]
	r.rest = r.rest[n>>1:]
	if n&1 == 1 {
		return base64URL.EncodeToString([]byte(id))
	}
	return id
}

// number reads what [binary.AppendVarint] wrote: the sign is the lowest bit.
func (r *reader) number() int64 {
	n := r.length()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *reader) time() time.Time { return millis.Time(r.number()) }

// scopes reads both scopes into one allocation, or into space if they fit.
func (r *reader) scopes(space []string) (_, _ oauth2server.Scope) {
	a, b := int(r.length()), int(r.length())
	if a+b > cap(space) {
		space = make([]string, 0, a+b)
	}
	for range a + b {
		space = append(space, r.text())
	}
	return part(space[:a]), part(space[a:])
}

// part returns s as a scope that append cannot grow into the next one, or nil
// if s is empty.
func part(s []string) oauth2server.Scope {
	if len(s) == 0 {
		return nil
	}
	return s[:len(s):len(s)]
}

// names returns the first two texts of a record: what a scan looks for.
func names(data []byte) (a, b []byte) {
	a, data = cut(data)
	b, _ = cut(data)
	return a, b
}

func cut(data []byte) (text, rest []byte) {
	n, size := binary.Uvarint(data)
	end := size + int(n)
	return data[size:end], data[end:]
}

func idOf(c *oauth2server.Client) string {
	if c == nil {
		return ""
	}
	return c.ID
}

func userID(u *oauth2server.User) string {
	if u == nil {
		return ""
	}
	return u.ID
}
