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
		blocks := &t.parts[i].blocks
		for at := range blocks.used {
			bytes += len(blocks.at(at + 1).data)
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
			if len(kept) <= 2000 {
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
	for p, h := range kept {
		for range h.holders {
			all.drop(p)
		}
	}
	open := 0
	for i := range all.parts {
		c := &all.parts[i]
		for n, at := range c.open {
			if at != 0 {
				open += perBlock * n * unit
				require.Zero(t, c.blocks.at(at).after, "one block of each length is kept")
			}
		}
	}
	require.Equal(t, open, all.size())
}

// Memory follows what is there, also if texts come in other lengths than those
// that go: closely if they go in their order, as what expires does.
func TestMemoryOfTexts(t *testing.T) {
	const many = 5000
	random := rand.New(rand.NewPCG(1, 2))
	for name, sizeOf := range map[string]func(i int) int{
		"of any length":           func(int) int { return random.IntN(300) },
		"getting shorter":         func(i int) int { return 499 - i/many*20 },
		"getting longer":          func(i int) int { return i / many * 20 },
		"long or short, by turns": func(i int) int { return 50 + i/many%2*450 },
		"too long for a piece":    func(i int) int { return 500 + i%500 },
	} {
		for order, take := range map[string]func(n int) (at int){
			"in order":  func(int) int { return 0 },
			"at random": random.IntN,
		} {
			var all texts
			var kept []text
			live, most := 0, 0
			for i := range 25 * many {
				size := sizeOf(i)
				kept, live = append(kept, all.put(&key{}, make([]byte, size), 1)), live+size
				if len(kept) > many {
					at := take(len(kept))
					live -= int(kept[at].size)
					all.drop(kept[at])
					kept[at] = kept[0]
					kept = kept[1:]
				}
				most = max(most, live)
			}
			bound := map[string]int{"in order": most * 5 / 4, "at random": most * 3}[order]
			require.Less(t, all.size(), bound, "%s, %s", name, order)
		}
	}
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
		r := reader{string(appendIDs(nil, id, "after"))}
		require.Equal(t, id, r.id())
		require.Equal(t, "after", r.id())
		require.Empty(t, r.rest)
	}
}
