// This file looks for the names of tools in a JSON text.

package mcpscope

import (
	"encoding/json"
	"strings"
	"unicode"
)

// The keys of values: only params, and a name in params, matter.
const (
	other = iota
	params
	name
)

// container is an object or an array that is open.
type container struct {
	isObject bool
	called   int // its key; the elements of an array inherit it
}

// names calls use with each string that has the key name in something with the
// key params, at any depth. text is valid JSON. It reports whether all such
// keys and names could be read: half of a surrogate pair stands for no
// character, and readers make different things of it.
func names(text string, use func(string)) bool {
	var open []container
	top := func() container {
		if len(open) == 0 {
			return container{}
		}
		return open[len(open)-1]
	}
	called, isKey := other, false // of the value that comes next
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			isKey = text[i] == '{'
			open = append(open, container{isKey, called})
		case '}', ']':
			open = open[:len(open)-1]
		case ',':
			isKey, called = top().isObject, top().called
		case '"':
			end := closing(text, i)
			switch {
			case isKey:
				key, ok := decode(text[i : end+1])
				if !ok {
					return false
				}
				called, isKey = calledBy(key, top().called), false
			case called == name:
				value, ok := decode(text[i : end+1])
				if !ok {
					return false
				}
				use(value)
			}
			i = end
		}
	}
	return true
}

// closing returns where the string that begins at i ends.
func closing(text string, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// decode returns the string that is quoted in JSON. It is false for one that
// has, or stands for, the replacement character.
func decode(quoted string) (string, bool) {
	value := quoted[1 : len(quoted)-1]
	if strings.Contains(value, `\`) {
		var unescaped string
		if json.Unmarshal([]byte(quoted), &unescaped) != nil {
			return "", false
		}
		value = unescaped
	}
	return value, !strings.ContainsRune(value, unicode.ReplacementChar)
}

// calledBy returns what a key calls its value, in an object that is called
// inside.
func calledBy(key string, inside int) int {
	// Readers in Go ignore case, and those of encoding/json/v2 may ignore dashes
	// and underscores: letters and digits alone count.
	key = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, key)
	switch {
	case strings.EqualFold(key, "params"):
		return params
	case inside == params && strings.EqualFold(key, "name"):
		return name
	}
	return other
}
