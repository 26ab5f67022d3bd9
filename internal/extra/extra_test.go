// These tests hold what Extra may hold, the form that it gets, and that
// records lose nothing of it.
package extra_test

import (
	"encoding/json"
	"log/slog"
	"math"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/internal/extra"
)

type (
	level int
	role  string
	list  []role
	flags map[role]bool
)

var noon = time.Date(2031, 2, 3, 12, 0, 0, 123_456_789, time.FixedZone("here", 3600))

// canonical has each value in one form, and the value that it comes from.
var canonical = []struct {
	name        string
	given, want any
}{
	{"nil", nil, nil},
	{"a bool", true, true},
	{"a string", "größe 🔑 <b>&\u2028\x00", "größe 🔑 <b>&\u2028\x00"},
	{"the empty string", "", ""},
	{"what looks like a tag of a time", "@t2031-02-03T11:00:00Z", "@t2031-02-03T11:00:00Z"},
	{"what looks like a tag of bytes", "@bAA", "@bAA"},
	{"what looks like a tag that nobody knows", "@?", "@?"},
	{"the mark", "@", "@"},
	{"two marks", "@@t", "@@t"},
	{"a string of a type of the program", role("admin"), "admin"},

	{"an int", 3, int64(3)},
	{"an int8", int8(-3), int64(-3)},
	{"an int of a type of the program", level(3), int64(3)},
	{"a duration", time.Second, int64(1e9)},
	{"the least int64", int64(math.MinInt64), int64(math.MinInt64)},
	{"the greatest int64", int64(math.MaxInt64), int64(math.MaxInt64)},
	{"an integer that no float64 can be", int64(1<<53 + 1), int64(1<<53 + 1)},
	{"a small uint64", uint64(3), int64(3)},
	{"a uint8", byte(255), int64(255)},
	{"the least that is no int64", uint64(1 << 63), uint64(1 << 63)},
	{"the greatest uint64", uint64(math.MaxUint64), uint64(math.MaxUint64)},

	{"a float64 without a fraction", 3.0, 3.0},
	{"a fraction", 0.1, 0.1},
	{"a float32", float32(0.1), float64(float32(0.1))},
	{"zero", 0.0, 0.0},
	{"a float64 beyond 64 bits", 1e20, 1e20},
	{"a float64 that is written with an exponent", 1e21, 1e21},
	{"the greatest float64", math.MaxFloat64, math.MaxFloat64},
	{"the least float64", -math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64},

	{"a json.Number that is an integer", json.Number("9007199254740993"), int64(9007199254740993)},
	{"a json.Number that is a large integer", json.Number("18446744073709551615"), uint64(math.MaxUint64)},
	{"a json.Number with a fraction", json.Number("3.0"), 3.0},
	{"a json.Number with an exponent", json.Number("1E3"), 1e3},

	{"a time", noon, noon.UTC()},
	{"a time with a monotonic clock", time.Now(), nil}, // wanted below
	{"the zero time", time.Time{}, time.Time{}},
	{"the last time", time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)},
	{"bytes", []byte{0, 255, '@'}, []byte{0, 255, '@'}},
	{"no bytes", []byte(nil), []byte{}},

	{"a list", []any{1, nil, []any{"a"}}, []any{int64(1), nil, []any{"a"}}},
	{"no list", []any(nil), []any{}},
	{"an empty list", []any{}, []any{}},
	{"a list of strings", []string{"a", "b"}, []any{"a", "b"}},
	{"a list of maps", []map[string]any{{"a": 1}, nil}, []any{map[string]any{"a": int64(1)}, map[string]any{}}},
	{"a list of a type of the program", list{"a"}, []any{"a"}},
	{"a map", map[string]any{"a": map[string]any{"b": 1}}, map[string]any{"a": map[string]any{"b": int64(1)}}},
	{"no map", map[string]any(nil), map[string]any{}},
	{"a map of strings", map[string]string{"": "b", "a.b": "c", "$d": "e", "@t": "f"},
		map[string]any{"": "b", "a.b": "c", "$d": "e", "@t": "f"}},
	{"a map of types of the program", flags{"a": true}, map[string]any{"a": true}},
}

func TestEachValueHasOneForm(t *testing.T) {
	for _, row := range canonical {
		t.Run(row.name, func(t *testing.T) {
			if now, ok := row.given.(time.Time); ok && row.want == nil {
				row.want = now.Round(0).UTC()
			}
			want := map[string]any{"v": row.want}
			own, err := extra.Canonical(map[string]any{"v": row.given})
			require.NoError(t, err)
			require.Equal(t, want, own)

			again, err := extra.Canonical(own)
			require.NoError(t, err)
			require.Equal(t, want, again)
			require.Equal(t, want, extra.Copy(own))

			record, err := extra.Encode(map[string]any{"v": row.given})
			require.NoError(t, err)
			back, err := extra.Decode(record)
			require.NoError(t, err)
			require.Equal(t, want, back, "%s", record)
		})
	}
}

func TestTheSignOfZeroIsKept(t *testing.T) {
	record, err := extra.Encode(map[string]any{"v": math.Copysign(0, -1)})
	require.NoError(t, err)
	back, err := extra.Decode(record)
	require.NoError(t, err)
	require.True(t, math.Signbit(back["v"].(float64)))
}

func TestNothingIsNil(t *testing.T) {
	for _, nothing := range []map[string]any{nil, {}} {
		own, err := extra.Canonical(nothing)
		require.NoError(t, err)
		require.Nil(t, own)
		record, err := extra.Encode(nothing)
		require.NoError(t, err)
		require.Nil(t, record)
	}
	require.Nil(t, extra.Copy(nil))
	for _, record := range []string{"", "null", "{}"} {
		back, err := extra.Decode([]byte(record))
		require.NoError(t, err)
		require.Nil(t, back)
	}
}

func nested(levels int) any {
	if levels == 0 {
		return "deep"
	}
	return []any{nested(levels - 1)}
}

func TestWhatMayNotBeHeldIsNamed(t *testing.T) {
	loop := map[string]any{}
	loop["x"] = loop
	wide := map[string]any{} // 2 to the power of 31 values
	for range extra.MaxDepth - 2 {
		wide = map[string]any{"a": wide, "b": wide}
	}
	for _, row := range []struct {
		given any
		want  string
	}{
		{make(chan int), `Extra["v"] is a chan int: it may hold nil, bool, string, numbers, time.Time, []byte, and slices and maps of these`},
		{map[string]any{"a": []any{1, 2, 3, make(chan int)}}, `Extra["v"]["a"][3] is a chan int: `},
		{func() {}, `Extra["v"] is a func(): `},
		{struct{ A int }{}, `Extra["v"] is a struct { A int }: `},
		{new(string), `Extra["v"] is a *string: `},
		{[2]int{}, `Extra["v"] is a [2]int: `},
		{1i, `Extra["v"] is a complex128: `},
		{uintptr(1), `Extra["v"] is a uintptr: `},
		{map[int]string{}, `Extra["v"] is a map[int]string: `},
		{[]chan int{nil}, `Extra["v"][0] is a chan int: `},
		{math.NaN(), `Extra["v"] is NaN, which JSON cannot have`},
		{float32(math.Inf(-1)), `Extra["v"] is -Inf, which JSON cannot have`},
		{"a\xff", `Extra["v"] is a string that is not UTF-8: use []byte`},
		{map[string]string{"a\xff": ""}, `Extra["v"] has the name "a\xff", which is not UTF-8`},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
			`Extra["v"] is a time in the year 10000: RFC 3339 has the years 0 to 9999`},
		{time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), `Extra["v"] is a time in the year -1: `},
		{&time.Time{}, `Extra["v"] is a *time.Time, which has a JSON form of its own: store that form`},
		{net.IP{127, 0, 0, 1}, `Extra["v"] is a net.IP, which has a JSON form of its own: `},
		{slog.LevelInfo, `Extra["v"] is a slog.Level, which has a JSON form of its own: `},
		{json.RawMessage("1"), `Extra["v"] is a json.RawMessage, which has a JSON form of its own: `},
		{big.NewInt(1), `Extra["v"] is a *big.Int, which has a JSON form of its own: `},
		{json.Number("18446744073709551616"), `Extra["v"] is a json.Number beyond 64 bits`},
		{json.Number("-9223372036854775809"), `Extra["v"] is a json.Number beyond 64 bits`},
		{json.Number("1e999"), `Extra["v"] is a json.Number beyond 64 bits`},
		{json.Number("ten"), `Extra["v"] is a json.Number that is no number`},
		{json.Number(""), `Extra["v"] is a json.Number that is no number`},
		{json.Number("true"), `Extra["v"] is a json.Number that is no number`},
		{json.Number(" 1"), `Extra["v"] is a json.Number that is no number`},
		{nested(extra.MaxDepth), `[0] is a map or slice inside 32 others, which is the most, or holds itself`},
		{loop, `Extra["v"]["x"]["x"]["x"]`},
		{wide, ` makes it larger than 65536 bytes, which is the most that it may hold`},
		{strings.Repeat("x", extra.MaxSize), `Extra["v"] makes it larger than 65536 bytes`},
		{make([]byte, extra.MaxSize), `Extra["v"] makes it larger than 65536 bytes`},
		{make([]int, extra.MaxSize/8), ` makes it larger than 65536 bytes`},
		{map[string]any{strings.Repeat("n", 100): make(chan int)},
			`Extra["v"]["` + strings.Repeat("n", 40) + `"] is a chan int: `},
	} {
		own, err := extra.Canonical(map[string]any{"v": row.given, "w": 1})
		require.ErrorContains(t, err, row.want)
		require.NotContains(t, err.Error(), "%!")
		require.Nil(t, own)
		_, encoding := extra.Encode(map[string]any{"v": row.given})
		require.Error(t, encoding)
	}
	_, err := extra.Canonical(map[string]any{"a\xff": 1})
	require.EqualError(t, err, `Extra has the name "a\xff", which is not UTF-8`)
}

func TestWhatIsJustWithinTheBounds(t *testing.T) {
	for _, v := range []any{nested(extra.MaxDepth - 1), strings.Repeat("\x00", extra.MaxSize-8-1),
		make([]int, extra.MaxSize/8-2)} {
		record, err := extra.Encode(map[string]any{"v": v})
		require.NoError(t, err)
		_, err = extra.Decode(record)
		require.NoError(t, err)
	}
}

func TestACopySharesNothing(t *testing.T) {
	given := map[string]any{"list": []any{[]byte("b")}, "map": map[string]any{"a": "b"}}
	own, err := extra.Canonical(given)
	require.NoError(t, err)
	second := extra.Copy(own)
	want := map[string]any{"list": []any{[]byte("b")}, "map": map[string]any{"a": "b"}}
	for _, spoilt := range []map[string]any{given, own} {
		spoilt["list"].([]any)[0].([]byte)[0] = 'x'
		spoilt["list"].([]any)[0] = "x"
		spoilt["map"].(map[string]any)["a"] = "x"
		delete(spoilt, "list")
		require.Equal(t, want, second)
	}
}

// What is equal is written alike, so that a model can tell a repetition from another token.
func TestEqualAttributesAreWrittenAlike(t *testing.T) {
	attributes := map[string]any{}
	for _, name := range strings.Fields("k a z b y c x") {
		attributes[name] = map[string]any{name: 1, "m": 2}
	}
	want, err := extra.Encode(attributes)
	require.NoError(t, err)
	for range 20 {
		record, err := extra.Encode(extra.Copy(attributes))
		require.NoError(t, err)
		require.Equal(t, string(want), string(record))
	}
	require.True(t, json.Valid(want))
}

// A storage may rewrite the JSON that it keeps: jsonb of PostgreSQL has no exponents.
func TestNumbersWithoutExponentsAreReadAsTheyWere(t *testing.T) {
	back, err := extra.Decode([]byte(`{"a":1000000000000000000000,"b":0.00000001,"c":100000000000000000000.0}`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": 1e21, "b": 1e-8, "c": 1e20}, back)
}

func TestPlainJSONHasNoTags(t *testing.T) {
	back, err := extra.DecodePlain([]byte(`{"handle":"@t2031-02-03T11:00:00Z","id":9007199254740993,"level":3.5,"list":["@@",null,{"a":1e3}]}`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"handle": "@t2031-02-03T11:00:00Z", "id": int64(9007199254740993), "level": 3.5,
		"list": []any{"@@", nil, map[string]any{"a": 1e3}}}, back)
}

func TestRecordsThatNobodyWrote(t *testing.T) {
	for _, record := range []string{`[]`, `3`, `"a"`, `{"a":"@?"}`, `{"a":"@"}`, `{"a":"@tnoon"}`,
		`{"a":"@b!"}`, `{"a":["@?"]}`, `{"a":{"b":"@?"}}`, `{"a":1e999}`} {
		_, err := extra.Decode([]byte(record))
		require.Error(t, err, record)
	}
}
