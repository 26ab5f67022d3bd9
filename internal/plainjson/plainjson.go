// Package plainjson reads JSON objects of the plainest form without reflection,
// as most records in a database have it: no spaces, strings of ASCII without
// escapes, numbers of digits alone, true and false, lists of one or more
// strings. On anything else a [Reader] fails, and its caller turns to
// encoding/json.
package plainjson

import "strings"

// Reader reads an object member by member. After it has failed, its methods
// return zero values. Strings are parts of the text. It is not safe for
// concurrent use.
type Reader struct {
	rest   string
	opened bool
	failed bool
}

// New returns a Reader of an object, which is checked as it is read.
func New(text string) Reader { return Reader{rest: text} }

// Fail makes the reader fail, such as for a member that the caller does not know.
func (r *Reader) Fail() { r.failed, r.rest = true, "" }

// Next returns the name of the next member, whose value must be read next. ok is
// false at the end, and if the reader has failed.
func (r *Reader) Next() (name string, ok bool) {
	switch {
	case !r.opened:
		r.opened = true
		r.take('{')
	case strings.HasPrefix(r.rest, "}"):
		return "", false
	default:
		r.take(',')
	}
	name = r.String()
	r.take(':')
	return name, !r.failed
}

// Done reports whether the whole text has been read without a failure.
func (r *Reader) Done() bool { return !r.failed && r.opened && r.rest == "}" }

func (r *Reader) take(c byte) {
	if r.rest == "" || r.rest[0] != c {
		r.Fail()
		return
	}
	r.rest = r.rest[1:]
}

// String reads a string, which may be empty.
func (r *Reader) String() string {
	r.take('"')
	for i := range len(r.rest) {
		switch c := r.rest[i]; {
		case c == '"':
			text := r.rest[:i]
			r.rest = r.rest[i+1:]
			return text
		case c < ' ' || c == '\\' || c >= 0x80:
			r.Fail()
			return ""
		}
	}
	r.Fail()
	return ""
}

// digits is how many digits always fit into an int64.
const digits = 18

// Int reads a number of at most 18 digits, without a sign.
func (r *Reader) Int() (n int64) {
	i := 0
	for i < len(r.rest) && '0' <= r.rest[i] && r.rest[i] <= '9' {
		if i == digits {
			break
		}
		n = n*10 + int64(r.rest[i]-'0')
		i++
	}
	// If more digits follow, Next and Done fail.
	if i == 0 || r.rest[0] == '0' && i > 1 {
		r.Fail()
		return 0
	}
	r.rest = r.rest[i:]
	return n
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	rest, yes := strings.CutPrefix(r.rest, "true")
	if !yes {
		var no bool
		if rest, no = strings.CutPrefix(r.rest, "false"); !no {
			r.Fail()
			return false
		}
	}
	r.rest = rest
	return yes
}

// Strings reads a list of strings that is not empty.
func (r *Reader) Strings() []string {
	r.take('[')
	list := make([]string, 0, 1+strings.Count(r.rest[:max(0, strings.IndexByte(r.rest, ']'))], ","))
	for {
		list = append(list, r.String())
		if !strings.HasPrefix(r.rest, ",") {
			break
		}
		r.take(',')
	}
	r.take(']')
	if r.failed {
		return nil
	}
	return list
}
