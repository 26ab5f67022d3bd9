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

// profile is the application's own record of a client or a user: what its pages
// call them.
type profile struct {
	Name string `bson:"name"`
}

// nameOf returns the name in the Data of a client or a user, which is BSON when
// it comes from MongoDB; the ID if there is none. It is clean.
func (a *app) nameOf(data any, id string) string {
	var known profile
	switch data := data.(type) {
	case profile:
		known = data
	case bson.Raw:
		if err := bson.Unmarshal(data, &known); err != nil {
			slog.Error("a profile", "id", id, "error", err)
		}
	}
	return cmp.Or(clean(known.Name), clean(id), "?")
}

// maxName bounds a name on a page, in characters.
const maxName = 80

// clean returns what a foreign text shows, on one line: without marks that turn
// its direction or that of what follows, controls, and other characters that
// are not seen. The two joiners stay, as some scripts and signs are written
// with them. Pages isolate the rest by <bdi>, as letters have a direction too.
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
// and host of anything else. All of it is ASCII: a name in other letters may
// look like one that people know.
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

// asBrowsersDo returns the host that a browser goes to, which decodes what is
// percent-encoded and writes other letters as xn--. What it would refuse stays
// as it is.
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

// visible percent-encodes all that is not printable ASCII.
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
