// This file writes canonical attributes as JSON that loses nothing, and reads
// them back.

package extra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Types that JSON lacks are strings with a tag in front. A string that begins
// with the mark gets another mark in front, so it is never read as a tag. A
// float64 always has a point or an exponent, an integer never.
const (
	mark     = "@"
	timeTag  = "@t"
	bytesTag = "@b"
)

// Encode returns the JSON form of attributes: nil if there are none, and the
// same bytes for equal attributes. It checks them as Canonical does.
func Encode(attributes map[string]any) ([]byte, error) {
	canonical, err := Canonical(attributes)
	if err != nil || canonical == nil {
		return nil, err
	}
	return appendValue(nil, canonical), nil
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case float64:
		return appendFloat(b, v)
	case string:
		if strings.HasPrefix(v, mark) {
			v = mark + v
		}
		return appendString(b, v)
	case time.Time:
		return appendString(b, timeTag+v.Format(time.RFC3339Nano))
	case []byte:
		return appendString(b, bytesTag+base64.RawStdEncoding.EncodeToString(v))
	case []any:
		return appendElements(b, v)
	case map[string]any:
		return appendMembers(b, v)
	}
	return append(b, "null"...)
}

func appendElements(b []byte, elements []any) []byte {
	b = append(b, '[')
	for i, element := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, element)
	}
	return append(b, ']')
}

func appendMembers(b []byte, members map[string]any) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(append(appendString(b, name), ':'), members[name])
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // strings always have a JSON form
	return append(b, text...)
}

// appendFloat uses the notation of encoding/json, so that a storage which
// rewrites numbers without exponents keeps the point that makes it a float.
func appendFloat(b []byte, f float64) []byte {
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if bytes.IndexByte(b[start:], '.') < 0 {
		b = append(b, ".0"...)
	}
	return b
}

// Decode reads what Encode wrote. Empty data becomes nil.
func Decode(data []byte) (map[string]any, error) { return decode(data, untag) }

// DecodePlain reads the plain JSON of records from before there was Encode. Its
// integers become int64, its times are strings.
func DecodePlain(data []byte) (map[string]any, error) {
	return decode(data, func(s string) (any, error) { return s, nil })
}

func decode(data []byte, text func(string) (any, error)) (map[string]any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil {
		return nil, err
	}
	if len(members) == 0 {
		return nil, nil
	}
	_, err := resolve(members, text)
	return members, err
}

// resolve replaces what the JSON decoder made of numbers and strings, in place.
func resolve(v any, text func(string) (any, error)) (resolved any, err error) {
	switch v := v.(type) {
	case json.Number:
		return parseNumber(string(v))
	case string:
		return text(v)
	case []any:
		for i := range v {
			if v[i], err = resolve(v[i], text); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = resolve(v[name], text); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// untag returns the value that a string in a record stands for.
func untag(s string) (any, error) {
	if !strings.HasPrefix(s, mark) {
		return s, nil
	}
	if own, ok := strings.CutPrefix(s, mark+mark); ok {
		return mark + own, nil
	}
	if text, ok := strings.CutPrefix(s, timeTag); ok {
		return time.Parse(time.RFC3339Nano, text)
	}
	if text, ok := strings.CutPrefix(s, bytesTag); ok {
		return base64.RawStdEncoding.DecodeString(text)
	}
	return nil, fmt.Errorf("a value with the tag %.2q, which this version does not know", s)
}
