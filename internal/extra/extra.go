// Package extra defines what Token.Extra may hold: it brings each value into
// one canonical form, copies it, and writes and reads it in records. The server
// and memorymodel share it.
package extra

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The bounds of Extra. They also stop a value that contains itself. A name and
// a string count their bytes, and each value counts valueSize more.
const (
	MaxDepth  = 32       // maps and slices inside each other, Extra being the first
	MaxSize   = 64 << 10 // bytes in all
	valueSize = 8
)

// Canonical returns a copy of attributes in which each value has the form that
// every model returns: nil, bool, string, int64, uint64 above the range of
// int64, float64, time.Time in UTC without a monotonic clock, []byte, []any and
// map[string]any. Slices and maps inside are never nil. The copy shares no
// memory with attributes. It is nil if attributes is empty.
//
// The error names the path of a value that Extra may not hold.
func Canonical(attributes map[string]any) (map[string]any, error) {
	if len(attributes) == 0 {
		return nil, nil
	}
	var c converter
	own, wrong := c.members(reflect.ValueOf(attributes), 1)
	if wrong != nil {
		return nil, fmt.Errorf("%s %s", "Extra"+wrong.path, wrong.what)
	}
	return own, nil
}

// Copy returns a deep copy of attributes, which must be canonical.
func Copy(attributes map[string]any) map[string]any {
	if attributes == nil {
		return nil
	}
	return copyValue(attributes).(map[string]any)
}

func copyValue(v any) any {
	switch v := v.(type) {
	case []byte:
		return append([]byte{}, v...)
	case []any:
		own := make([]any, len(v))
		for i := range v {
			own[i] = copyValue(v[i])
		}
		return own
	case map[string]any:
		own := make(map[string]any, len(v))
		for name := range v {
			own[name] = copyValue(v[name])
		}
		return own
	}
	return v
}

// mistake is a value that Extra may not hold, and its path.
type mistake struct{ path, what string }

func refuse(format string, args ...any) *mistake { return &mistake{what: fmt.Sprintf(format, args...)} }

// in returns the mistake with step before its path.
func (m *mistake) in(step string) *mistake { return &mistake{"[" + step + "]" + m.path, m.what} }

// converter makes canonical values and counts their size.
type converter struct{ size int }

// grow counts bytes, and returns a mistake once there are too many.
func (c *converter) grow(bytes int) *mistake {
	if c.size += bytes; c.size > MaxSize {
		return refuse("makes it larger than %d bytes, which is the most that it may hold", MaxSize)
	}
	return nil
}

// value returns the canonical form of v, which is inside depth maps and slices.
func (c *converter) value(v any, depth int) (any, *mistake) {
	if wrong := c.grow(valueSize); wrong != nil {
		return nil, wrong
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case time.Time:
		return instant(v)
	case json.Number:
		return number(v)
	case json.Marshaler, encoding.TextMarshaler:
		return nil, refuse("is a %T, which has a JSON form of its own: store that form", v)
	}
	return c.byKind(reflect.ValueOf(v), depth)
}

// byKind also accepts types derived from those that Extra may hold.
func (c *converter) byKind(v reflect.Value, depth int) (any, *mistake) {
	switch {
	case v.Kind() == reflect.Bool:
		return v.Bool(), nil
	case v.CanInt():
		return v.Int(), nil
	case v.CanUint() && v.Kind() != reflect.Uintptr:
		return unsigned(v.Uint()), nil
	case v.CanFloat():
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
		return nil, refuse("is %v, which JSON cannot have", v.Float())
	case v.Kind() == reflect.String:
		return c.text(v.String())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return append([]byte{}, v.Bytes()...), c.grow(v.Len())
	case v.Kind() == reflect.Slice:
		return c.elements(v, depth+1)
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		return c.members(v, depth+1)
	}
	return nil, refuse("is a %s: it may hold nil, bool, string, numbers, time.Time, []byte, and "+
		"slices and maps of these", v.Type())
}

func (c *converter) text(s string) (string, *mistake) {
	if !utf8.ValidString(s) {
		return "", refuse("is a string that is not UTF-8: use []byte")
	}
	return strings.Clone(s), c.grow(len(s))
}

func (c *converter) elements(v reflect.Value, depth int) ([]any, *mistake) {
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	own := []any{}
	for i := range v.Len() {
		element, wrong := c.value(v.Index(i).Interface(), depth)
		if wrong != nil {
			return nil, wrong.in(strconv.Itoa(i))
		}
		own = append(own, element)
	}
	return own, nil
}

func (c *converter) members(v reflect.Value, depth int) (map[string]any, *mistake) {
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	own := map[string]any{}
	for entries := v.MapRange(); entries.Next(); {
		name := entries.Key().String()
		if !utf8.ValidString(name) {
			return nil, refuse("has the name %.40q, which is not UTF-8", name)
		}
		member, wrong := c.value(entries.Value().Interface(), depth)
		if wrong == nil {
			wrong = c.grow(len(name))
		}
		if wrong != nil {
			return nil, wrong.in(fmt.Sprintf("%.40q", name))
		}
		own[strings.Clone(name)] = member
	}
	return own, nil
}

func tooDeep() *mistake {
	return refuse("is a map or slice inside %d others, which is the most, or holds itself", MaxDepth)
}

func unsigned(n uint64) any {
	if n <= math.MaxInt64 {
		return int64(n)
	}
	return n
}

// instant keeps the nanosecond, but not the zone nor the monotonic clock. Years
// outside RFC 3339 are refused.
func instant(t time.Time) (any, *mistake) {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return nil, refuse("is a time in the year %d: RFC 3339 has the years 0 to 9999", year)
	}
	return t, nil
}

// number returns an integer for a json.Number that is written as one, and
// otherwise the nearest float64, as every JSON reader does.
func number(n json.Number) (any, *mistake) {
	if !json.Valid([]byte(n)) || strings.ContainsAny(string(n), "\"[{tfn \t\r\n") {
		return nil, refuse("is a json.Number that is no number")
	}
	read, err := parseNumber(string(n))
	if _, isFloat := read.(float64); err != nil || isFloat && isInteger(string(n)) {
		return nil, refuse("is a json.Number beyond 64 bits")
	}
	return read, nil
}

// isInteger reports whether a JSON number is written without fraction and
// exponent.
func isInteger(literal string) bool { return !strings.ContainsAny(literal, ".eE") }

// parseNumber reads a JSON number. An integer beyond 64 bits becomes a float64.
func parseNumber(literal string) (any, error) {
	if isInteger(literal) {
		if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(literal, 10, 64); err == nil {
			return n, nil
		}
	}
	return strconv.ParseFloat(literal, 64)
}
