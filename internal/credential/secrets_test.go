package credential_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

func TestMatches(t *testing.T) {
	of := credential.DigestOf
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	digest := of("s")
	two := func(current, former string, until time.Time) credential.Secrets {
		return credential.Secrets{Current: of(current), Former: of(former), FormerUntil: until}
	}
	for name, row := range map[string]struct {
		stored    credential.Secrets
		presented string
		want      bool
	}{
		"the secret":              {credential.Secrets{Current: of("s")}, "s", true},
		"another":                 {credential.Secrets{Current: of("s")}, "t", false},
		"its digest":              {credential.Secrets{Current: of("s")}, string(digest[:]), false},
		"none, of the empty one":  {credential.Secrets{Current: of("")}, "", false},
		"some, of the empty one":  {credential.Secrets{Current: of("")}, "s", false},
		"of nobody":               {credential.Secrets{}, "s", false},
		"nothing, and of nobody":  {credential.Secrets{}, "", false},
		"the one before":          {two("t", "s", later), "s", true},
		"the one before, ended":   {two("t", "s", before), "s", false},
		"the one before, of none": {credential.Secrets{Current: of("t"), Former: of("s")}, "s", false},
		"the current one of two":  {two("t", "s", later), "t", true},
		"the current one after":   {two("t", "s", before), "t", true},
		"neither":                 {two("t", "s", later), "u", false},
		"nothing, of two":         {two("t", "", later), "", false},
	} {
		require.Equal(t, row.want, row.stored.Matches(row.presented), name)
	}
}

func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, third := credential.DigestOf("1"), credential.DigestOf("2"), credential.DigestOf("3")
		s := credential.Secrets{Current: first}
		two := s.Replaced(second, time.Hour)
		require.Equal(t, two, two.Replaced(second, time.Hour), "once more, as the answer was lost")
		time.Sleep(time.Hour - time.Second)
		require.True(t, two.Matches("1"))
		require.True(t, two.Matches("2"))
		time.Sleep(time.Second)
		require.False(t, two.Matches("1"))
		require.True(t, two.Matches("2"))

		require.Equal(t, credential.Secrets{Current: second}, s.Replaced(second, 0))
		require.Equal(t, credential.Secrets{Current: second}, two.Replaced(second, 0), "now it is to end at once")
		three := two.Replaced(third, time.Hour)
		require.False(t, three.Matches("1"))
		require.True(t, three.Matches("2"))
		require.True(t, three.Matches("3"))
	})
}

func TestParseDigest(t *testing.T) {
	d := credential.DigestOf("s")
	require.Equal(t, oauth2server.Digest("s"), d.String())
	sum := sha256.Sum256([]byte("s"))
	for _, text := range []string{d.String(), d.String() + "=", base64.StdEncoding.EncodeToString(sum[:]),
		base64.RawStdEncoding.EncodeToString(sum[:]),
		hex.EncodeToString(sum[:]), strings.ToUpper(hex.EncodeToString(sum[:]))} {
		got, ok := credential.ParseDigest(text)
		require.True(t, ok, text)
		require.Equal(t, d, got)
	}
	for _, text := range []string{"", "x", "a secret", d.String()[:42], d.String() + "A",
		d.String()[:42] + "=", d.String() + "==",
		strings.Repeat("g", 64), d.String()[:42] + "\n"} {
		got, ok := credential.ParseDigest(text)
		require.False(t, ok, text)
		require.Zero(t, got, text)
	}
}
