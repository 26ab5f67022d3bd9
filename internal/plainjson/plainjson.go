// Package plainjson reads and writes JSON objects of the plainest form without
// reflection, as most records in a database have it: no spaces, members in the
// order of the record, strings without escapes, numbers of digits alone, true,
// lists of one or more strings. On anything else it fails, and its caller turns
// to encoding/json.
package plainjson

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Fields reads or writes the members of an object. A record calls one method for
// each member, in a fixed order, for both. A member with the zero value is left
// out. It is not safe for concurrent use.
type Fields struct {
	writing bool
	rest    string // reading: what is left
	text    []byte // writing: what there is
	before  byte   // what comes before the next member
	failed  bool
}

// Reader returns Fields that read text. Strings become parts of it. After a
// failure, what was read is of no use.
func Reader(text string) Fields { return Fields{rest: text, before: '{'} }

// Writer returns Fields that write.
func Writer() Fields { return Fields{writing: true, text: make([]byte, 0, 384), before: '{'} }

// Fail makes it fail, such as for a member that it cannot write.
func (f *Fields) Fail() { f.failed = true }

// Done reports whether the whole text has been read.
func (f *Fields) Done() bool { return !f.failed && f.rest == "}" }

// Text returns what was written. ok is false after a failure.
func (f *Fields) Text() (text []byte, ok bool) {
	return append(f.text, '}'), !f.failed && f.before == ','
}

// begins reports whether there is a member of this name: in the text, or to be
// written because it is not zero.
func (f *Fields) begins(name string, zero bool) bool {
	if f.writing {
		if !zero {
			f.text = append(append(append(f.text, f.before, '"'), name...), '"', ':')
			f.before = ','
		}
		return !zero
	}
	value := 4 + len(name) // behind the byte before it, two quotation marks and a colon
	if len(f.rest) < value || f.rest[0] != f.before || f.rest[1] != '"' ||
		f.rest[2:2+len(name)] != name || f.rest[value-2:value] != `":` {
		return false
	}
	f.rest, f.before = f.rest[value:], ','
	return true
}

// String is a member with a string.
func (f *Fields) String(name string, s *string) {
	if !f.begins(name, *s == "") {
		return
	}
	if f.writing {
		f.writeString(*s)
		return
	}
	*s = f.readString()
}

func (f *Fields) writeString(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			f.Fail()
		}
	}
	if !utf8.ValidString(s) {
		f.Fail() // encoding/json puts U+FFFD in its place
	}
	f.text = append(append(append(f.text, '"'), s...), '"')
}

func (f *Fields) readString() string {
	if rest, ok := strings.CutPrefix(f.rest, `"`); ok {
		ascii := true
		for i := range len(rest) {
			switch c := rest[i]; {
			case c == '"':
				f.rest = rest[i+1:]
				if !ascii && !utf8.ValidString(rest[:i]) {
					f.Fail()
				}
				return rest[:i]
			case c < ' ' || c == '\\':
				f.Fail()
				return ""
			case c >= utf8.RuneSelf:
				ascii = false
			}
		}
	}
	f.Fail()
	return ""
}

// Bytes is a member with bytes, in base64 as encoding/json has them.
func (f *Fields) Bytes(name string, b *[]byte) {
	if !f.begins(name, len(*b) == 0) {
		return
	}
	if f.writing {
		f.text = append(base64.StdEncoding.AppendEncode(append(f.text, '"'), *b), '"')
		return
	}
	var err error
	if *b, err = base64.StdEncoding.DecodeString(f.readString()); err != nil {
		f.Fail()
	}
}

// Strings is a member with a list.
func (f *Fields) Strings(name string, list *[]string) {
	if !f.begins(name, len(*list) == 0) {
		return
	}
	if f.writing {
		before := byte('[')
		for _, s := range *list {
			f.text = append(f.text, before)
			f.writeString(s)
			before = ','
		}
		f.text = append(f.text, ']')
		return
	}
	end := max(0, strings.IndexByte(f.rest, ']'))
	read := make([]string, 0, 1+strings.Count(f.rest[:end], ","))
	for before := "["; ; before = "," {
		rest, more := strings.CutPrefix(f.rest, before)
		if !more || f.failed {
			break
		}
		f.rest = rest
		read = append(read, f.readString())
	}
	rest, ended := strings.CutPrefix(f.rest, "]")
	if !ended || len(read) == 0 {
		f.Fail()
	}
	f.rest, *list = rest, read
}

// digits is how many digits always fit into an int64.
const digits = 18

// Int64 is a member with a number of at most 18 digits, without a sign.
func (f *Fields) Int64(name string, n *int64) {
	if !f.begins(name, *n == 0) {
		return
	}
	if f.writing {
		f.text = strconv.AppendInt(f.text, *n, 10) // read by encoding/json if it has a sign
		return
	}
	i, read := 0, int64(0)
	for i < min(len(f.rest), digits) && '0' <= f.rest[i] && f.rest[i] <= '9' {
		read = read*10 + int64(f.rest[i]-'0')
		i++
	}
	// If more digits follow, Done fails.
	if i == 0 || f.rest[0] == '0' && i > 1 {
		f.Fail()
	}
	f.rest, *n = f.rest[i:], read
}

// Int is [Fields.Int64] for an int, which may be shorter.
func (f *Fields) Int(name string, n *int) {
	wide := int64(*n)
	f.Int64(name, &wide)
	if *n = int(wide); int64(*n) != wide {
		f.Fail()
	}
}

// Bool is a member that is true.
func (f *Fields) Bool(name string, b *bool) {
	if !f.begins(name, !*b) {
		return
	}
	if f.writing {
		f.text = append(f.text, "true"...)
		return
	}
	rest, yes := strings.CutPrefix(f.rest, "true")
	if !yes {
		f.Fail()
	}
	f.rest, *b = rest, yes
}
