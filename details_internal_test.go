package oauth2server

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Most Details are copied without JSON. The copy must be what JSON would make
// of it, as that is what a model returns.
func TestDetailsAreTheSameWithoutJSON(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for _, d := range []*Details{
		{Online: true},
		{Authentication: &Authentication{}},
		{Authentication: &Authentication{Methods: []string{}}},
		{Authentication: &Authentication{Time: time.Unix(0, 0), Context: "gold", Session: "s"}, Online: true},
		{Authentication: &Authentication{Time: time.Date(2026, 7, 1, 12, 0, 0, 123456789, zone), Methods: []string{"pwd", "<é>"}}},
	} {
		require.True(t, d.plain())
		text, err := json.Marshal(d)
		require.NoError(t, err)
		read := new(Details)
		require.NoError(t, json.Unmarshal(text, read))
		own, err := d.canonical()
		require.NoError(t, err)
		require.Equal(t, read, own, string(text))
	}
	for _, d := range []*Details{
		{Confirmation: map[string]string{"jkt": "x"}},
		{Extensions: map[string]json.RawMessage{"x": json.RawMessage("1")}},
		{unknown: map[string]json.RawMessage{"x": json.RawMessage("1")}},
		{Authentication: &Authentication{Session: strings.Repeat("s", maxDetails)}},
	} {
		require.False(t, d.plain())
	}
}
