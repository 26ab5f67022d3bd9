// Package extratest makes values for Token.Extra from the bytes of a fuzzer.
package extratest

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Seeds returns bytes that make each kind of value, alone and inside others.
func Seeds() (all [][]byte) {
	for kind := range byte(kinds) {
		one := append([]byte{2, 'a', '@'}, kind, 5)
		one = append(one, "@t2031-02-03T04:05:06Z and more"...)
		all = append(all, one, append([]byte{1, 'm', mapKind, 2, 1, 'l', listKind, 2, kind, 3}, one...))
	}
	return all
}

const (
	listKind = 7
	mapKind  = 8
	good     = 9  // kinds below it are allowed and canonical
	kinds    = 14 // kinds from good to here are not allowed
)

// Make returns attributes. ok reports whether Extra may hold them.
func Make(data []byte) (attributes map[string]any, ok bool) {
	m := &maker{data: data, ok: true}
	attributes = m.members(0)
	if len(attributes) == 0 {
		attributes = nil
	}
	return attributes, m.ok
}

// maker takes values from data, and then zeros without end.
type maker struct {
	data []byte
	ok   bool
}

func (m *maker) take(n int) []byte {
	taken := make([]byte, n)
	m.data = m.data[copy(taken, m.data):]
	return taken
}

func (m *maker) next(below int) int { return int(m.take(1)[0]) % below }

func (m *maker) number() uint64 { return binary.LittleEndian.Uint64(m.take(8)) }

func (m *maker) text() string { return strings.ToValidUTF8(string(m.take(m.next(40))), "\ufffd") }

func (m *maker) members(depth int) map[string]any {
	members := map[string]any{}
	for range m.next(5) {
		name := m.text()
		if _, twice := members[name]; !twice { // do not overwrite a bad value
			members[name] = m.value(depth)
		}
	}
	return members
}

func (m *maker) value(depth int) any {
	kind := m.next(kinds)
	if depth > 5 && (kind == listKind || kind == mapKind) {
		return nil
	}
	switch kind {
	case 0:
		return m.next(2) == 1
	case 1:
		return m.text()
	case 2:
		return int64(m.number())
	case 3:
		return m.number() | 1<<63
	case 4:
		return m.float()
	case 5:
		return time.Unix(int64(m.number()%253402300800), int64(m.number()%1e9)).UTC()
	case 6:
		return m.take(m.next(40))
	case listKind:
		list := []any{}
		for range m.next(5) {
			list = append(list, m.value(depth+1))
		}
		return list
	case mapKind:
		return m.members(depth + 1)
	}
	return m.bad(kind)
}

func (m *maker) float() float64 {
	f := math.Float64frombits(m.number())
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return float64(m.next(256)) // without a fraction
	}
	return f
}

func (m *maker) bad(kind int) any {
	m.ok = false
	switch kind {
	case good:
		return make(chan int)
	case good + 1:
		return math.Inf(1)
	case good + 2:
		return struct{ A string }{m.text()}
	case good + 3:
		if s := string(m.take(3)); !utf8.ValidString(s) {
			return s
		}
		return "\xff"
	}
	return new(int)
}
