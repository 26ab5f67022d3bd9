// This file makes a name that is safe to show.

package clientdata

import (
	"strings"
	"unicode"
)

// maxNameRunes bounds the name of a client.
const maxNameRunes = 64

// cleanName returns a name as one line of visible characters: without controls,
// direction marks, private-use and zero-width characters, by which a name could
// pose as another or as text of the page. The page must still escape it.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == 0x2028, r == 0x2029, r == 0x2800: // a Braille pattern without dots
			return ' '
		case !unicode.IsGraphic(r), r == unicode.ReplacementChar,
			unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return -1
		}
		return r
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > maxNameRunes {
		name = strings.TrimSpace(string(runes[:maxNameRunes]))
	}
	return name
}
