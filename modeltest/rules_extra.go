// This file has the rule that each value of Token.Extra comes back exactly.

package modeltest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

var extraRules = []rule{
	{
		name:  "token-extra",
		check: tokenExtra,
		reason: "a program decides by what it put into Extra, so each value comes back with the " +
			"type and the value that it had; oauth2server.Token has what Extra may hold, and " +
			"MarshalBinary writes all of it",
		harm: "an id beyond 2^53 becomes the id of another tenant, a time becomes text, an empty " +
			"list becomes none: requests fail, or read what they must not",
	},
}

// exactValues are values of each kind that Extra may hold, in the form that the
// server gives them, with those that storages are known to change.
func exactValues() map[string]any {
	return map[string]any{
		"none": nil, "yes": true, "no": false,
		"id": int64(1<<53 + 1), "least": int64(math.MinInt64), "small": int64(3),
		"most":  uint64(math.MaxUint64),
		"whole": 3.0, "fraction": 0.1, "large": 1e300, "tiny": math.SmallestNonzeroFloat64,
		"since":  time.Date(2131, 2, 3, 4, 5, 6, 123_456_789, time.UTC),
		"second": time.Date(1969, 2, 3, 4, 5, 6, 0, time.UTC), "never": time.Time{},
		"text": "größe 🔑 it's \"quoted\" \\ <&> \u2028 \x00", "no text": "",
		"text like a time":   "2131-02-03T04:05:06Z",
		"text like a number": "3", "long": strings.Repeat("longer..", 1<<10),
		"bytes": []byte{0, 255, 'a'}, "no bytes": []byte{},
		"list":    []any{int64(1), "a", nil, 2.0, []any{map[string]any{"deep": []any{int64(1<<53 + 1)}}}},
		"no list": []any{},
		"map": map[string]any{"a": map[string]any{"b": map[string]any{"c": uint64(1 << 63)}},
			"none": nil},
		"no map":  map[string]any{},
		"":        "without a name",
		"a.b":     "a dot",
		"$d":      map[string]any{"$date": "an operator", "$numberLong": "3"},
		"@t":      "@t2131-02-03T04:05:06Z",
		"größe 🔑": "a name that is not ASCII",
	}
}

func tokenExtra(ctx context.Context, t *trial) error {
	if tokenComesBack(ctx, t) != nil {
		return nil // simple values do not come back either: token-comes-back reports it
	}
	token := t.newToken()
	token.Extra = exactValues()
	saved, err := t.on.saveToken(ctx, token)
	if err != nil {
		return fmt.Errorf("of a token with values of each kind in Extra: %w", err)
	}
	if err := sameExtra("what SaveToken returned", saved); err != nil {
		return err
	}
	for _, h := range t.both() {
		for _, k := range h.kinds() {
			text := k.text(saved)
			if text == "" {
				continue
			}
			call := fmt.Sprintf("%s: %s", h.name, k.name)
			found, err := k.get(ctx, text)
			if err := present("%s", call)(found, err); err != nil {
				return err
			}
			if err := sameExtra(call, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameExtra compares Extra with what was stored.
func sameExtra(call string, got *oauth2server.Token) error {
	if differ := difference("Extra", exactValues(), got.Extra); differ != "" {
		return fmt.Errorf("%s: %s", call, differ)
	}
	return nil
}

// difference returns the first place where got is not want, type by type; ""
// when there is none.
func difference(path string, want, got any) string {
	same := false
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok && got != nil {
			return differentMembers(path, want, got)
		}
	case []any:
		if got, ok := got.([]any); ok && got != nil && len(got) == len(want) {
			return differentElements(path, want, got)
		}
	case []byte:
		got, ok := got.([]byte)
		same = ok && got != nil && bytes.Equal(want, got)
	case time.Time:
		got, ok := got.(time.Time)
		same = ok && want.Format(time.RFC3339Nano) == got.Format(time.RFC3339Nano) // the zone too
	default: // types that == compares; got may have another type
		same = fmt.Sprintf("%T", want) == fmt.Sprintf("%T", got) && want == got
	}
	if same {
		return ""
	}
	return fmt.Sprintf("%s is %s, want %s", path, typed(got), typed(want))
}

func differentMembers(path string, want, got map[string]any) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		at := fmt.Sprintf("%s[%q]", path, name)
		if _, ok := got[name]; !ok {
			return at + " is lost"
		}
		if differ := difference(at, want[name], got[name]); differ != "" {
			return differ
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			return fmt.Sprintf("%s[%q] is there, but was not stored", path, name)
		}
	}
	return ""
}

func differentElements(path string, want, got []any) string {
	for i := range want {
		if differ := difference(fmt.Sprintf("%s[%d]", path, i), want[i], got[i]); differ != "" {
			return differ
		}
	}
	return ""
}

// typed is a value and its type, in words.
func typed(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return "the string " + short(v)
	case time.Time:
		return "the time " + v.Format(time.RFC3339Nano)
	case map[string]any:
		return fmt.Sprintf("a %T of %d", v, len(v))
	case []any:
		return fmt.Sprintf("a %T of %d", v, len(v))
	}
	return fmt.Sprintf("the %T %v", v, v)
}
