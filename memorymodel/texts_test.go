package memorymodel

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// size returns how many bytes the blocks have.
func (t *texts) size() (bytes int) {
	for i := range t.parts {
		for _, block := range t.parts[i].blocks {
			bytes += len(block)
		}
	}
	return bytes
}

// Texts are there until each of their holders has dropped them, and then their
// memory is used again.
func TestTexts(t *testing.T) {
	type holding struct {
		text    string
		holders int
	}
	var all texts
	random := rand.New(rand.NewPCG(1, 2))
	kept := map[text]holding{}
	for i := range 10_000 {
		k := key{byte(i % 3)}
		want := strings.Repeat(fmt.Sprint(i), 1000)[:random.IntN(150)]
		if random.IntN(10) == 0 {
			want = strings.Repeat(fmt.Sprint(i), 1000)[:random.IntN(1000)]
		}
		holders := 1 + random.IntN(2)
		kept[all.put(&k, []byte(want), uint8(holders))] = holding{want, holders}
		for p, h := range kept {
			require.Equal(t, h.text, all.get(p))
			require.Equal(t, "before "+h.text, string(all.appendTo([]byte("before "), p)))
			if len(kept) <= 20 {
				break
			}
			all.drop(p)
			if h.holders--; h.holders > 0 {
				kept[p] = h
			} else {
				delete(kept, p)
			}
		}
	}
	require.Less(t, all.size(), 20*blockUnits*unit)
}

// When lengths change, long pieces are cut into short ones. That ends: a load
// that was there before needs no more memory.
func TestTextsOfChangingLengths(t *testing.T) {
	var all texts
	load := func() {
		for size := range 600 {
			var kept []text
			for i := range 1000 {
				kept = append(kept, all.put(&key{byte(i)}, make([]byte, size*7%600), 1))
			}
			for _, one := range kept {
				all.drop(one)
			}
		}
	}
	load()
	before := all.size()
	for range 5 {
		load()
	}
	require.Equal(t, before, all.size())
}

// An ID that base64url could have made takes its bytes; another one is kept as
// it is. Both come back unchanged.
func TestIDs(t *testing.T) {
	digest := strings.Repeat("-_aZ09", 7) + "A"
	for id, size := range map[string]int{
		"":                          1,
		digest:                      1 + 32,
		digest[:24]:                 1 + 18,
		digest[:42] + "B":           1 + 43, // its last bits are not zero
		digest[:20] + "\n" + digest: 2 + 64,
		"\r\n":                      1 + 2,
		"\n":                        1 + 1,
		"AAAA\n":                    1 + 5,
		"AA\rAA":                    1 + 5,
		"a":                         1 + 1,
		"g+/=":                      1 + 4,
		"gr\xffnt":                  1 + 5,
		strings.Repeat("A", 84):     1 + 63,
		strings.Repeat("A", 85):     2 + 85,
		strings.Repeat("A", 400):    2 + 400,
	} {
		require.Len(t, appendIDs(nil, id), size, id)
		r := reader{rest: string(appendIDs(nil, id, "after"))}
		require.Equal(t, id, r.id())
		require.Equal(t, "after", r.id())
		require.Empty(t, r.rest)
	}
}
