// This file makes names and hosts that others chose fit for a page.

package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/net/idna"
)

// profile is the application's own record of a client or a user.
type profile struct {
	Name string `bson:"name"` // to show

	// Of a user.
	Username string `bson:"username,omitempty"`
	Email    string `bson:"email,omitempty"`

	// SignedOutURIs are where a client's users may be sent after they signed
	// out.
	SignedOutURIs []string `bson:"signed_out_uris,omitempty"`
}

// profileIn returns the profile in the Data of a client or a user. Data from
// MongoDB is BSON.
func profileIn(data any, id string) (known profile) {
	switch data := data.(type) {
	case profile:
		known = data
	case bson.Raw:
		if err := bson.Unmarshal(data, &known); err != nil {
			slog.Error("a profile", "id", id, "error", err)
		}
	}
	return known
}

// nameOf returns the cleaned name in the Data of a client or a user, or else
// the ID.
func (a *app) nameOf(data any, id string) string {
	return cmp.Or(clean(profileIn(data, id).Name), clean(id), "?")
}

// maxName bounds a name on a page, in characters.
const maxName = 80

// clean returns a foreign text on one line, without direction marks, controls
// and other invisible characters. The two joiners stay, as some scripts and
// emoji need them. Letters have a direction, too, so pages isolate names with
// <bdi>.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200c' || r == '\u200d':
			return r
		case r == utf8.RuneError || unicode.In(r, unicode.C):
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxName {
		text = string(runes[:maxName-1]) + "…"
	}
	return text
}

// hostOf returns where an answer goes: the host of an https website, or scheme
// and host of anything else. It is all ASCII, as a name in other letters may
// look like a familiar one.
func hostOf(redirectURI string) string {
	scheme, rest, found := strings.Cut(redirectURI, ":")
	if !found {
		return visible(redirectURI)
	}
	scheme = strings.ToLower(scheme)
	host, found := strings.CutPrefix(rest, "//")
	if end := strings.IndexAny(host, `/?#\`); end >= 0 {
		host = host[:end]
	}
	host = host[strings.LastIndex(host, "@")+1:]
	switch {
	case !found || host == "":
		return visible(scheme + ":")
	case scheme == "https":
		return asBrowsersDo(host)
	case scheme == "http":
		return "http://" + asBrowsersDo(host)
	}
	return visible(scheme + "://" + host)
}

// asBrowsersDo returns the host that a browser goes to: it decodes
// percent-encoding and writes other letters as xn--. A host that browsers
// refuse is returned unchanged.
func asBrowsersDo(host string) string {
	name, port := host, ""
	if at := strings.LastIndex(host, ":"); at > strings.LastIndex(host, "]") {
		name, port = host[:at], host[at:]
	}
	decoded, err := url.PathUnescape(name)
	if err == nil {
		decoded, err = idna.Lookup.ToASCII(decoded)
	}
	if err != nil {
		decoded = name
	}
	return visible(decoded + port)
}

// visible percent-encodes everything but printable ASCII.
func visible(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		if b <= ' ' || b > '~' {
			fmt.Fprintf(&out, "%%%02X", b)
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}
