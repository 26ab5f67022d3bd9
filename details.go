// This file is what codes and tokens carry for extensions.

package oauth2server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server/internal/millis"
)

// Details are what else is known of an authorization. The server keeps them
// with the code, and with all tokens that come from it. A model stores them
// with the rest, as MarshalBinary does. An empty value and nil mean the same.
type Details struct {
	// Confirmation is the key that the access token is bound to: the members of
	// cnf (RFC 7800, section 3.1), such as "jkt" or "x5t#S256". A [TokenBinder]
	// sets and checks it. Empty: whoever has the token can use it.
	Confirmation map[string]string

	// Authentication is how the owner signed in; nil if that is not known.
	Authentication *Authentication

	// Online means that no refresh token is issued; see [Approval.Online].
	Online bool

	// Extensions has what extensions keep, by [Extension.ExtensionName]. Use
	// [Details.Set] and [Details.Get].
	Extensions map[string]json.RawMessage

	unknown map[string]json.RawMessage // members that a later version added
}

// Authentication is how and when the owner signed in (OpenID Connect Core 1.0,
// section 2). The program knows it, and tells it by [Approval.Authentication].
type Authentication struct {
	// Time is when the owner last proved who they are, to the millisecond.
	// Zero: not known.
	Time time.Time

	// Context is the class of the authentication: the claim acr. Empty: not
	// known.
	Context string

	// Methods are how the owner proved it: the claim amr (RFC 8176). Nil: not
	// known.
	Methods []string

	// Session is the program's session: the claim sid. Empty: not known.
	Session string
}

// maxDetails bounds the JSON form of Details, in bytes.
const maxDetails = 64 << 10

// Set keeps a value for an extension. It must have a JSON form. All Details
// together may have 64 KiB; more is refused when they are saved. Set is not safe
// for concurrent use.
func (d *Details) Set(extension string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("oauth2server: Details of %q: %w", extension, err)
	}
	if d.Extensions == nil {
		d.Extensions = map[string]json.RawMessage{}
	}
	d.Extensions[extension] = text
	return nil
}

// Get reads what [Details.Set] kept into the value that into points to, and
// reports whether there is any. d may be nil.
func (d *Details) Get(extension string, into any) (bool, error) {
	if d == nil || d.Extensions[extension] == nil {
		return false, nil
	}
	if err := json.Unmarshal(d.Extensions[extension], into); err != nil {
		return false, fmt.Errorf("oauth2server: Details of %q: %w", extension, err)
	}
	return true, nil
}

// Clone returns a copy that shares nothing with d; nil if d is nil.
func (d *Details) Clone() *Details {
	if d == nil {
		return nil
	}
	own := *d
	own.Confirmation = maps.Clone(d.Confirmation)
	own.Authentication = d.Authentication.clone()
	own.Extensions = cloneMembers(d.Extensions)
	own.unknown = cloneMembers(d.unknown)
	return &own
}

func (a *Authentication) clone() *Authentication {
	if a == nil {
		return nil
	}
	own := *a
	own.Methods = slices.Clone(a.Methods)
	return &own
}

func cloneMembers(members map[string]json.RawMessage) map[string]json.RawMessage {
	own := maps.Clone(members)
	for name, text := range own {
		own[name] = bytes.Clone(text)
	}
	return own
}

// detailsRecord is the JSON form of Details. Within a version of the records
// that contain it, members are added, never renamed.
type detailsRecord struct {
	Confirmation   map[string]string          `json:"cnf,omitempty"`
	Authentication *authenticationRecord      `json:"auth,omitempty"`
	Online         bool                       `json:"online,omitempty"`
	Extensions     map[string]json.RawMessage `json:"ext,omitempty"`
}

// authenticationRecord is the JSON form of Authentication. Time is in
// milliseconds since 1970; 0 is the zero time.
type authenticationRecord struct {
	Time    int64    `json:"time,omitempty"`
	Context string   `json:"acr,omitempty"`
	Methods []string `json:"amr,omitempty"`
	Session string   `json:"sid,omitempty"`
}

// MarshalJSON returns the form that [Token.MarshalBinary] stores, for a model
// that has a column of its own for Details. Members that a later version of
// this package added are kept.
func (d Details) MarshalJSON() ([]byte, error) {
	record := detailsRecord{Confirmation: d.Confirmation, Online: d.Online, Extensions: d.Extensions}
	if a := d.Authentication; a != nil {
		record.Authentication = &authenticationRecord{millis.Of(a.Time), a.Context, a.Methods, a.Session}
	}
	if len(d.unknown) == 0 {
		return json.Marshal(record)
	}
	known, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(d.unknown)
	if err := json.Unmarshal(known, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads what [Details.MarshalJSON] wrote.
func (d *Details) UnmarshalJSON(data []byte) error {
	var record detailsRecord
	var members map[string]json.RawMessage
	err := json.Unmarshal(data, &record)
	if err == nil {
		err = json.Unmarshal(data, &members)
	}
	if err != nil {
		return fmt.Errorf("oauth2server: stored Details: %w", err)
	}
	for _, known := range []string{"cnf", "auth", "online", "ext"} {
		delete(members, known)
	}
	*d = Details{Confirmation: record.Confirmation, Online: record.Online, Extensions: record.Extensions}
	if a := record.Authentication; a != nil {
		d.Authentication = &Authentication{millis.Time(a.Time), a.Context, a.Methods, a.Session}
	}
	if len(members) > 0 {
		d.unknown = members
	}
	return nil
}

// canonical returns a copy in the form that every model returns; nil if there
// is nothing in it.
func (d *Details) canonical() (*Details, error) {
	if d.empty() {
		return nil, nil
	}
	if err := d.checkText(); err != nil {
		return nil, err
	}
	if d.plain() {
		return d.withoutJSON(), nil
	}
	text, err := json.Marshal(d)
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxDetails:
		return nil, fmt.Errorf("Details have %d bytes of JSON, and may have %d", len(text), maxDetails)
	}
	own := new(Details)
	if err := json.Unmarshal(text, own); err != nil {
		return nil, err
	}
	if own.empty() {
		return nil, nil
	}
	return own, nil
}

// plain reports whether there is nothing but a short Authentication and Online.
// JSON would not change that, but for what withoutJSON does.
func (d *Details) plain() bool {
	size := 0
	if a := d.Authentication; a != nil {
		size = len(a.Context) + len(a.Session)
		for _, method := range a.Methods {
			size += len(method) + 3 // quotation marks and a comma
		}
	}
	escaped := len(`\u0000`) * size
	return len(d.Confirmation)+len(d.Extensions)+len(d.unknown) == 0 && escaped < maxDetails/2
}

// withoutJSON returns what a plain d would be after it was written and read.
func (d *Details) withoutJSON() *Details {
	own := &Details{Authentication: d.Authentication.clone(), Online: d.Online}
	if a := own.Authentication; a != nil {
		a.Time = millis.Time(millis.Of(a.Time))
		if len(a.Methods) == 0 {
			a.Methods = nil
		}
	}
	return own
}

// checkText refuses text that JSON would change.
func (d *Details) checkText() error {
	var texts []string
	for name, value := range d.Confirmation {
		if name == "" || value == "" {
			return errors.New("Details.Confirmation has an empty name or value")
		}
		texts = append(texts, name, value)
	}
	if a := d.Authentication; a != nil {
		texts = append(texts, a.Context, a.Session)
		texts = append(texts, a.Methods...)
	}
	for name, value := range d.Extensions {
		texts = append(texts, name, string(value))
	}
	if !utf8.ValidString(strings.Join(texts, " ")) {
		return errors.New("Details have text that is no UTF-8")
	}
	return nil
}

func (d *Details) empty() bool {
	return d == nil || len(d.Confirmation) == 0 && d.Authentication == nil && !d.Online &&
		len(d.Extensions) == 0 && len(d.unknown) == 0
}

// same reports whether a model returned d as it was given.
func (d *Details) same(given *Details) bool {
	if d.empty() || given.empty() {
		return d.empty() == given.empty()
	}
	return maps.Equal(d.Confirmation, given.Confirmation) &&
		d.Authentication.same(given.Authentication) &&
		d.Online == given.Online &&
		maps.EqualFunc(d.Extensions, given.Extensions, equalText) &&
		maps.EqualFunc(d.unknown, given.unknown, equalText)
}

func (a *Authentication) same(given *Authentication) bool {
	if a == nil || given == nil {
		return a == given
	}
	return a.Time.Equal(given.Time) && a.Context == given.Context &&
		slices.Equal(a.Methods, given.Methods) && a.Session == given.Session
}

// keeps reports whether everything of before is still in d, but for what the
// extension own keeps.
func (d *Details) keeps(before *Details, own string) bool {
	for name, text := range before.Extensions {
		if name != own && !bytes.Equal(text, d.Extensions[name]) {
			return false
		}
	}
	return holds(before.Confirmation, d.Confirmation) && d.Authentication.same(before.Authentication) &&
		(d.Online || !before.Online)
}

// holds reports whether what is presented has all that is demanded.
func holds(demanded, presented map[string]string) bool {
	for name, value := range demanded {
		if presented[name] != value {
			return false
		}
	}
	return true
}

// confirmation returns what a token is bound to; nil if it is bound to nothing.
func (d *Details) confirmation() map[string]string {
	if d == nil {
		return nil
	}
	return d.Confirmation
}

// online reports whether no refresh token is to be issued.
func (d *Details) online() bool { return d != nil && d.Online }

// bound returns d with another Confirmation.
func (d *Details) bound(confirmation map[string]string) *Details {
	if d == nil && len(confirmation) == 0 {
		return nil
	}
	own := Details{}
	if d != nil {
		own = *d
	}
	own.Confirmation = confirmation
	return &own
}

func equalText(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
