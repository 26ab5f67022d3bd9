package memorymodel

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// What ends early leaves nothing behind, in whichever order.
func TestMemoryIsUsedAgain(t *testing.T) {
	m := newModel()
	expires := time.Now().Add(time.Hour)
	var open []string
	for i := range 60_000 {
		token := &oauth2server.Token{
			AccessToken:          fmt.Sprint(i),
			AccessTokenExpiresAt: expires.Add(time.Duration(i%7) * time.Hour),
			Extra:                map[string]any{"i": i},
			Scope:                oauth2server.Scope{strings.Repeat("s", i%200+1)},
		}
		_, err := m.SaveToken(t.Context(), token, nil, nil)
		require.NoError(t, err)
		open = append(open, token.AccessToken)
		if len(open) > 5000 {
			at := i * 7919 % len(open)
			found, err := m.GetAccessToken(t.Context(), open[at])
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(found.Extra["i"]), open[at])
			require.NoError(t, m.RevokeAccessToken(t.Context(), open[at]))
			open[at] = open[len(open)-1]
			open = open[:len(open)-1]
		}
	}
	slots, attached := 0, 0
	for i := range m.access.parts {
		s := &m.access.parts[i]
		slots, attached = slots+int(s.slots.used), attached+len(s.attached)
	}
	require.Equal(t, len(open), attached)
	require.Less(t, slots, 4*len(open))
	require.Less(t, m.texts.size(), 500*len(open))
}

type nothing struct{}

func (nothing) release(*texts) {}

// Keys whose hashes belong to the same few places are found, whatever came and
// went between them.
func TestIndex(t *testing.T) {
	var s shard[nothing]
	random := rand.New(rand.NewPCG(1, 2))
	there := map[key]place{}
	for range 20_000 {
		var k key
		k[8] = byte(random.IntN(100)) // of the 8 bytes that are hashed
		k[0] = byte(random.IntN(10))
		switch p := s.find(&k); {
		case there[k] != p:
			require.Equal(t, there[k], p)
		case p == 0:
			there[k] = s.add(nil, &k, 0)
		case len(there) > 500 || random.IntN(3) == 0:
			s.drop(p)
			delete(there, k)
		}
	}
	require.Equal(t, len(there), s.index.taken)
	require.Less(t, len(s.index.elements), 4096)
}
