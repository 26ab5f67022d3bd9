package credential_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

func TestMatches(t *testing.T) {
	for name, row := range map[string]struct {
		stored    credential.Digest
		presented string
		want      bool
	}{
		"the secret":             {credential.DigestOf("s"), "s", true},
		"another":                {credential.DigestOf("s"), "t", false},
		"its digest":             {credential.DigestOf("s"), string(sliceOf(credential.DigestOf("s"))), false},
		"none, of a public one":  {credential.DigestOf(""), "", false},
		"some, of a public one":  {credential.DigestOf(""), "s", false},
		"of nobody":              {credential.Digest{}, "s", false},
		"nothing, and of nobody": {credential.Digest{}, "", false},
	} {
		require.Equal(t, row.want, row.stored.Matches(row.presented), name)
	}
}

func TestParseDigest(t *testing.T) {
	d := credential.DigestOf("s")
	require.Equal(t, oauth2server.Digest("s"), d.String())
	require.Equal(t, d, credential.ParseDigest(d.String()))
	for _, text := range []string{"", "x", d.String()[:42], d.String() + "A", d.String()[:42] + "="} {
		require.Zero(t, credential.ParseDigest(text), text)
	}
}

func sliceOf(d credential.Digest) []byte { return d[:] }

func TestPasswords(t *testing.T) {
	long := strings.Repeat("x", 100)
	hash, err := credential.HashPassword(long+"1", bcrypt.MinCost)
	require.NoError(t, err)
	require.NotContains(t, string(hash), "x1")
	require.NoError(t, credential.CheckPassword(hash, long+"1", bcrypt.MinCost))
	require.ErrorIs(t, credential.CheckPassword(hash, long+"2", bcrypt.MinCost), oauth2server.ErrNotFound, "all of it counts")
	require.ErrorIs(t, credential.CheckPassword(hash, "", bcrypt.MinCost), oauth2server.ErrNotFound)
	require.ErrorIs(t, credential.CheckPassword(nil, "x", bcrypt.MinCost), oauth2server.ErrNotFound)
	require.ErrorIs(t, credential.CheckPassword(nil, "", bcrypt.MinCost), oauth2server.ErrNotFound)
	_, err = credential.HashPassword("", bcrypt.MinCost)
	require.ErrorContains(t, err, "a password")

	hash, err = credential.HashPassword("x", 0)
	require.NoError(t, err)
	cost, err := bcrypt.Cost(hash)
	require.NoError(t, err)
	require.Equal(t, bcrypt.DefaultCost, cost)
}

// Only a hash made at the cost of the others takes as long as they do; this one cannot be made, so it was tried.
func TestUnknownUsersCostAHash(t *testing.T) {
	err := credential.CheckPassword(nil, "p", 99)
	require.Error(t, err)
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
	err = credential.CheckPassword([]byte("no hash"), "p", bcrypt.MinCost)
	require.Error(t, err)
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
}

func TestWhatMayBeRegistered(t *testing.T) {
	const secret = "a-client-secret-of-good-length"
	for name, row := range map[string]struct {
		client oauth2server.Client
		secret string
		want   string
	}{
		"confidential":             {oauth2server.Client{ID: "a"}, secret, ""},
		"public":                   {oauth2server.Client{ID: "a", Public: true}, "", ""},
		"no id":                    {oauth2server.Client{}, secret, "no ID"},
		"public with a secret":     {oauth2server.Client{ID: "a", Public: true}, secret, "public"},
		"confidential without one": {oauth2server.Client{ID: "a"}, "", "needs a secret"},
		"short secret":             {oauth2server.Client{ID: "a"}, "qwerty", "fewer than 22"},
		"bad redirection URI":      {oauth2server.Client{ID: "a", RedirectURIs: []string{"javascript:alert(1)"}}, secret, "redirection URI"},
	} {
		err := credential.CheckClient(&row.client, row.secret, false)
		if row.want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, row.want, name)
		}
	}
	require.NoError(t, credential.CheckClient(&oauth2server.Client{ID: "a"}, "qwerty", true))
	require.NoError(t, credential.CheckUser(&oauth2server.User{ID: "u1"}, "andy"))
	require.ErrorContains(t, credential.CheckUser(&oauth2server.User{}, "andy"), "needs an ID")
	require.ErrorContains(t, credential.CheckUser(&oauth2server.User{ID: "u1"}, ""), "needs an ID")
	require.ErrorContains(t, credential.CheckUser(credential.UserOf(&oauth2server.Client{ID: "web"}), "andy"), "for clients")
}
