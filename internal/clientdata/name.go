// This file makes a name that is safe to show.

package clientdata

import (
	"strings"
	"unicode"
)

const (
	// maxNameRunes bounds the name of a client.
	maxNameRunes = 64

	// maxMarks bounds the marks on one letter. Vietnamese, Hindi and Hebrew need
	// up to three; a pile of them covers the lines above and below.
	maxMarks = 4
)

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
	name = strings.Join(strings.Fields(withoutPiles(name)), " ")
	if runes := []rune(name); len(runes) > maxNameRunes {
		name = strings.TrimSpace(string(runes[:maxNameRunes]))
	}
	return name
}

// withoutPiles drops marks that have no letter, or too many beside them there.
func withoutPiles(name string) string {
	room := 0
	return strings.Map(func(r rune) rune {
		switch {
		case !unicode.In(r, unicode.Mn, unicode.Me):
			if room = maxMarks; r == ' ' {
				room = 0
			}
			return r
		case room == 0:
			return -1
		}
		room--
		return r
	}, name)
}
