package credential_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

const secret = "a-client-secret-of-good-length"

func TestRules(t *testing.T) {
	short := credential.Rules{AllowShortSecrets: true}
	named := credential.Rules{ExtensionGrants: []string{"otp"}}
	withOTP := &oauth2server.Client{ID: "a", Grants: []string{"otp"}}
	for name, row := range map[string]struct {
		rules  credential.Rules
		client *oauth2server.Client
		secret string
		want   string // "": it can be registered
	}{
		"confidential":                 {credential.Rules{}, &oauth2server.Client{ID: "a"}, secret, ""},
		"public":                       {credential.Rules{}, &oauth2server.Client{ID: "a", Public: true}, "", ""},
		"short secret":                 {credential.Rules{}, &oauth2server.Client{ID: "a"}, "qwerty", "fewer than 22"},
		"short secret, allowed":        {short, &oauth2server.Client{ID: "a"}, "qwerty", ""},
		"short and bad, though":        {short, &oauth2server.Client{ID: "a"}, "qwerty\n", "newline"},
		"no secret, though":            {short, &oauth2server.Client{ID: "a"}, "", "needs a secret"},
		"extension grant":              {credential.Rules{}, withOTP, secret, "unknown"},
		"extension grant, if named so": {named, withOTP, secret, ""},
		"nil":                          {short, nil, secret, "nil"},
	} {
		err := row.rules.CheckNew(row.client, row.secret)
		if row.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, row.want, name)
		require.ErrorIs(t, err, oauth2server.InvalidArgument, name)
	}
	err := credential.Rules{}.CheckNew(&oauth2server.Client{Grants: []string{"x"}}, "y")
	for _, want := range []string{"no ID", "unknown", "fewer than 22"} {
		require.ErrorContains(t, err, want, "all of it")
	}
}

func TestUsers(t *testing.T) {
	for name, row := range map[string]struct {
		user     *oauth2server.User
		username string
		stored   string
		want     string
	}{
		"plain":               {&oauth2server.User{ID: "u1"}, "andy", "andy", ""},
		"nil":                 {nil, "andy", "", "nil"},
		"the ID of a client":  {credential.UserOf(&oauth2server.Client{ID: "web"}), "andy", "", "for clients"},
		"an address":          {&oauth2server.User{ID: "u1"}, "Andy+x@Example.com", "Andy+x@Example.com", ""},
		"decomposed":          {&oauth2server.User{ID: "u1"}, "zoe\u0308", "zo\u00eb", ""},
		"full width":          {&oauth2server.User{ID: "u1"}, "\uff41\uff4e\uff44\uff59", "andy", ""},
		"half width":          {&oauth2server.User{ID: "u1"}, "\uff76", "\u30ab", ""},
		"several parts":       {&oauth2server.User{ID: "u1"}, "Zoe\u0308  van de Beek", "Zo\u00eb  van de Beek", ""},
		"right to left":       {&oauth2server.User{ID: "u1"}, "\u05d0\u05d1\u05d2", "\u05d0\u05d1\u05d2", ""},
		"both directions":     {&oauth2server.User{ID: "u1"}, "a\u05d0b", "", "RFC 8265"},
		"a part of each":      {&oauth2server.User{ID: "u1"}, "andy \u05d0\u05d1\u05d2", "andy \u05d0\u05d1\u05d2", ""},
		"a space at its end":  {&oauth2server.User{ID: "u1"}, "andy ", "", "space"},
		"a space before it":   {&oauth2server.User{ID: "u1"}, " andy", "", "space"},
		"nothing but a space": {&oauth2server.User{ID: "u1"}, " ", "", "space"},
		"an unusual space":    {&oauth2server.User{ID: "u1"}, "an\u00a0dy", "", "U+00A0"},
		"a wide space":        {&oauth2server.User{ID: "u1"}, "an\u3000dy", "", "U+3000"},
		"an emoji":            {&oauth2server.User{ID: "u1"}, "andy\U0001F98A", "", "U+1F98A"},
		"a ligature":          {&oauth2server.User{ID: "u1"}, "o\ufb03ce", "", "U+FB03"},
		"a joiner":            {&oauth2server.User{ID: "u1"}, "a\u200db", "", "U+200D"},
		"a direction mark":    {&oauth2server.User{ID: "u1"}, "andy\u202e", "", "U+202E"},
		"a line break":        {&oauth2server.User{ID: "u1"}, "an\ndy", "", "line break"},
	} {
		stored, err := credential.CheckUser(row.user, row.username)
		if row.want == "" {
			require.NoError(t, err, name)
			require.Equal(t, row.stored, stored, name)
			again, err := credential.CheckUser(row.user, stored)
			require.NoError(t, err, name)
			require.Equal(t, stored, again, name)
			continue
		}
		require.ErrorContains(t, err, row.want, name)
		require.ErrorIs(t, err, oauth2server.InvalidArgument, name)
	}
}

func TestNames(t *testing.T) {
	for name, prepared := range map[string]string{
		"andy": "andy", "zoe\u0308": "zo\u00eb", "\U0001F98A": "\U0001F98A", "\xff": "\xff", "": "",
	} {
		raw, got := credential.Names(name)
		require.Equal(t, name, raw)
		require.Equal(t, prepared, got)
	}
}

func TestPage(t *testing.T) {
	for limit, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000} {
		require.Equal(t, want, credential.Page(limit))
	}
}

func TestCheckKeep(t *testing.T) {
	for keep, good := range map[time.Duration]bool{
		0: true, time.Second: true, time.Hour: true, -1: false, -time.Hour: false, 3600: false,
	} {
		require.Equal(t, good, credential.CheckKeep(keep) == nil, keep)
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	for _, secret := range []string{
		"short-secret", strings.Repeat("secret", 500), "secret\n", "secr\u00e9t-secret-secret-secret",
	} {
		err := credential.Rules{}.CheckNew(&oauth2server.Client{ID: "a"}, secret)
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
		require.NotContains(t, err.Error(), "short-secret")
	}
}
