// Which names are one.

package ratelimit

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

func TestTheProgramKnowsItsUsernames(t *testing.T) {
	s := newSite(t)
	s.limiter.Username = func(name string) string { name, _, _ = strings.Cut(name, "@"); return name }
	for i := range 4 {
		require.Equal(t, 400, s.signIn(home, fmt.Sprintf("andy@%d.example", i), "wrong"))
	}
	require.Equal(t, 429, s.signIn(home, "andy", "123456"))
	require.Equal(t, 400, s.signIn(home, "Andy", "wrong"), "case counts now")
}

func TestSpellings(t *testing.T) {
	for _, row := range []struct {
		spellings []string
		others    []string
	}{
		{
			[]string{"andy", "Andy", "ANDY", " andy", "andy\t", "\u00a0andy\u3000", "ａｎｄｙ", "ＡＮＤＹ", "aｎdy"},
			[]string{"an dy", "andy1", "", "ändy"},
		},
		{[]string{"jörg", "jo\u0308rg", "JÖRG", "JO\u0308RG", "ｊörg", " Jo\u0308rg "}, []string{"jorg", "joerg"}},
		{[]string{"\u1e9b\u0323", "\u1e69", "s\u0323\u0307", "s\u0307\u0323"}, []string{"s"}},
		{[]string{"straße", "STRASSE", "STRAẞE"}, []string{"strase"}},
		{[]string{"σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"}, nil},
		{[]string{"ｶﾞ", "ガ", "カ\u3099"}, []string{"カ"}},
		{[]string{"a\u0130\u0324", "ai\u0324\u0307"}, []string{"ai\u0324"}},
		{[]string{"hans", "ℌans", "ℎANS"}, nil},
		{[]string{"한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"}, nil},
	} {
		for _, spelling := range row.spellings {
			require.Equal(t, fold(row.spellings[0]), fold(spelling), "%+q", spelling)
		}
		for _, other := range row.others {
			require.NotEqual(t, fold(row.spellings[0]), fold(other), "%+q", other)
		}
	}
}

// Names that RFC 8265 has as one have the same buckets, whatever characters
// they are of.
func TestSpellingsOfPRECIS(t *testing.T) {
	names := 0
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		name := "a" + string(r) + "b"
		if norm.NFKD.IsNormalString(name) && !unicode.IsUpper(r) && !unicode.IsLower(r) {
			continue // has one spelling
		}
		prepared, err := precis.UsernameCaseMapped.String(name)
		if err != nil {
			continue
		}
		names++
		require.Equal(t, fold(prepared), fold(name), "%+q", name)
	}
	require.Greater(t, names, 10_000)
}

// A name that nobody has is no work.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("\ufdfa", 20_000) // 18 characters each
	require.Len(t, fold(long), len(long))
	require.Equal(t, fold("ändy"), fold(strings.Repeat(" ", 20_000)+"Ändy"))
}
