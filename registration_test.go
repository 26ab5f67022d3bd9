package oauth2server_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// requireUnfit checks that an error is one of registration, with all that is wanted in it.
func requireUnfit(t testing.TB, err error, want ...string) {
	t.Helper()
	require.ErrorIs(t, err, oauth2server.InvalidArgument)
	for _, text := range want {
		require.ErrorContains(t, err, text)
	}
}

func TestCheckClient(t *testing.T) {
	code, machine := []string{"authorization_code"}, []string{"client_credentials"}
	uris := []string{callback}
	for name, row := range map[string]struct {
		client oauth2server.Client
		want   string // "": it can be registered
	}{
		"no grants: it introspects":             {oauth2server.Client{ID: "api"}, ""},
		"all grants":                            {oauth2server.Client{ID: "web", Grants: allGrants, RedirectURIs: uris}, ""},
		"all grants of a public one":            {oauth2server.Client{ID: "app", Public: true, Grants: publicGrants, RedirectURIs: uris}, ""},
		"grants twice":                          {oauth2server.Client{ID: "web", Grants: append(machine, machine...)}, ""},
		"any printable character in the ID":     {oauth2server.Client{ID: ` !"#$%&'()*+,-./:;<=>?@[\]^_{|}~` + "`"}, ""},
		"a grant of a URN":                      {oauth2server.Client{ID: "web", Grants: []string{"urn:ietf:params:oauth:grant-type:device_code"}}, ""},
		"a grant of a URL":                      {oauth2server.Client{ID: "web", Grants: []string{"https://a.example/grant,1?x=2"}}, ""},
		"a grant of another's":                  {oauth2server.Client{ID: "web", Grants: []string{"otp"}}, ""},
		"scope tokens twice":                    {oauth2server.Client{ID: "web", Scope: oauth2server.Scope{"read", "read"}}, ""},
		"lifetimes":                             {oauth2server.Client{ID: "web", AccessTokenLifetime: time.Second, RefreshTokenLifetime: time.Second}, ""},
		"access outlives refresh, which is off": {oauth2server.Client{ID: "web", AccessTokenLifetime: 2 * time.Hour, RefreshTokenLifetime: time.Hour}, ""},
		"access outlives what the server says":  {oauth2server.Client{ID: "web", Grants: []string{"refresh_token"}, AccessTokenLifetime: 1000 * time.Hour}, ""},
		"a private scheme":                      {oauth2server.Client{ID: "app", Public: true, Grants: code, RedirectURIs: []string{"com.example.app:/cb"}}, ""},
		"a private scheme, no slash":            {oauth2server.Client{ID: "app", Public: true, Grants: code, RedirectURIs: []string{"com.example.app:cb"}}, ""},
		"all the scope that can be asked":       {oauth2server.Client{ID: "web", Scope: many(256)}, ""},

		"no ID":                         {oauth2server.Client{}, "no ID"},
		"an ID outside ASCII":           {oauth2server.Client{ID: "\u5e94\u7528"}, "printable ASCII"},
		"an ID with a line break":       {oauth2server.Client{ID: "web\n"}, "printable ASCII"},
		"a long ID":                     {oauth2server.Client{ID: strings.Repeat("x", 2049)}, "2049 bytes"},
		"an empty grant":                {oauth2server.Client{ID: "web", Grants: []string{""}}, "empty"},
		"another spelling":              {oauth2server.Client{ID: "web", Grants: []string{"authorisation_code"}}, `"authorization_code" was probably meant`},
		"a letter too few":              {oauth2server.Client{ID: "web", Grants: []string{"client_credential"}}, `"client_credentials" was probably meant`},
		"a part":                        {oauth2server.Client{ID: "web", Grants: []string{"refresh"}}, `"refresh_token" was probably meant`},
		"the response type":             {oauth2server.Client{ID: "web", Grants: []string{"code"}}, `"authorization_code" was probably meant`},
		"camel case":                    {oauth2server.Client{ID: "web", Grants: []string{"authorizationCode"}}, `"authorization_code" was probably meant`},
		"upper case":                    {oauth2server.Client{ID: "web", Grants: []string{"PASSWORD"}}, `"password" was probably meant`},
		"the long name":                 {oauth2server.Client{ID: "web", Grants: []string{"resource_owner_password_credentials"}}, `"password" was probably meant`},
		"one of another's, misspelt":    {oauth2server.Client{ID: "web", Grants: []string{"O-T-P"}}, `"otp" was probably meant`},
		"an unknown grant":              {oauth2server.Client{ID: "web", Grants: []string{"x"}}, "absolute URI"},
		"two grants in one":             {oauth2server.Client{ID: "web", Grants: []string{"client_credentials, password"}}, `["client_credentials" "password"]`},
		"two grants in one, by spaces":  {oauth2server.Client{ID: "web", Grants: []string{"client_credentials password"}}, "element of its own"},
		"a grant with a space":          {oauth2server.Client{ID: "web", Grants: []string{"client_credentials "}}, `"client_credentials" was probably meant`},
		"two grants of URNs":            {oauth2server.Client{ID: "web", Grants: []string{"urn:a:b,urn:c:d"}}, "element of its own"},
		"a URN and another":             {oauth2server.Client{ID: "web", Grants: []string{"urn:a:b,password"}}, "element of its own"},
		"a grant of a URI, with a part": {oauth2server.Client{ID: "web", Grants: []string{"urn:a:b#c"}}, "unknown"},
		"a grant of a relative URI":     {oauth2server.Client{ID: "web", Grants: []string{"//a.example/grant"}}, "unknown"},
		"a grant of a scheme":           {oauth2server.Client{ID: "web", Grants: []string{"urn:"}}, "unknown"},
		"a grant of a bad scheme":       {oauth2server.Client{ID: "web", Grants: []string{"1a:b"}}, "unknown"},
		"a grant of a long URI":         {oauth2server.Client{ID: "web", Grants: []string{"urn:" + strings.Repeat("x", 2045)}}, "2049 bytes"},
		"another's that is no grant":    {oauth2server.Client{ID: "web", Grants: []string{"ot p"}}, "appendix A.10"},
		"a code without a URI":          {oauth2server.Client{ID: "web", Grants: code}, "needs a redirection URI"},
		"a token without a URI":         {oauth2server.Client{ID: "web", Grants: []string{"implicit"}}, "needs a redirection URI"},
		"a public machine":              {oauth2server.Client{ID: "app", Public: true, Grants: machine}, "confidential"},
		"a URI that runs code":          {oauth2server.Client{ID: "web", RedirectURIs: []string{"javascript:alert(1)"}}, `redirection URI "javascript:alert(1)"`},
		"a URI twice":                   {oauth2server.Client{ID: "web", RedirectURIs: append(uris, uris...)}, "twice"},
		"a long URI":                    {oauth2server.Client{ID: "web", RedirectURIs: []string{callback + "?" + strings.Repeat("x", 2048)}}, "may have 2048"},
		"two scope tokens in one":       {oauth2server.Client{ID: "web", Scope: oauth2server.Scope{"read write"}}, `["read" "write"]`},
		"a scope token outside ASCII":   {oauth2server.Client{ID: "web", Scope: oauth2server.Scope{"l\u00e9ser"}}, "not a scope token"},
		"an empty scope token":          {oauth2server.Client{ID: "web", Scope: oauth2server.Scope{""}}, "not a scope token"},
		"a scope token with a quote":    {oauth2server.Client{ID: "web", Scope: oauth2server.Scope{`"`}}, "not a scope token"},
		"more scope than can be asked":  {oauth2server.Client{ID: "web", Scope: many(257)}, "at most 256 tokens"},
		"longer than can be asked":      {oauth2server.Client{ID: "web", Scope: oauth2server.Scope{strings.Repeat("x", 4097)}}, "4096 bytes"},
		"a URI of a wildcard":           {oauth2server.Client{ID: "web", RedirectURIs: []string{"https://*.app.example/"}}, "wildcard"},
		"a URI of a look-alike":         {oauth2server.Client{ID: "web", RedirectURIs: []string{"https://%D0%B0pple.com/cb"}}, "punycode"},
		"a URN":                         {oauth2server.Client{ID: "app", Public: true, RedirectURIs: []string{"urn:ietf:wg:oauth:2.0:oob"}}, "URN"},
		"confidential, without a slash": {oauth2server.Client{ID: "web", RedirectURIs: []string{"com.example.app:cb"}}, "public clients only"},
		"nanoseconds":                   {oauth2server.Client{ID: "web", AccessTokenLifetime: 3600}, "AccessTokenLifetime: 3.6\u00b5s"},
		"nanoseconds, refresh":          {oauth2server.Client{ID: "web", RefreshTokenLifetime: 3600}, "RefreshTokenLifetime: 3.6\u00b5s"},
		"a negative lifetime":           {oauth2server.Client{ID: "web", AccessTokenLifetime: -time.Hour}, "less than a second"},
		"access outlives refresh": {oauth2server.Client{ID: "web", Grants: []string{"password", "refresh_token"},
			AccessTokenLifetime: 2 * time.Hour, RefreshTokenLifetime: time.Hour}, "a refresh token would expire after 1h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			err := oauth2server.CheckClient(&row.client, "otp", "ot p")
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			requireUnfit(t, err, row.want)
			require.NotContains(t, err.Error(), "mistakes", "one, and nothing that follows from it")
		})
	}
	requireUnfit(t, oauth2server.CheckClient(nil), "nil")
	requireUnfit(t, oauth2server.CheckClient(&oauth2server.Client{ID: "web", Grants: []string{"otp"}}), "unknown")
	err := oauth2server.CheckClient(&oauth2server.Client{ID: "web", Grants: []string{"code", "implicit"}, RedirectURIs: []string{"/cb", "data:,"},
		Scope: oauth2server.Scope{"a b", "\u00e9"}, AccessTokenLifetime: 1, RefreshTokenLifetime: -1})
	requireUnfit(t, err, `client "web": 7 mistakes:`, "\n\tgrant \"code\"", "\n\tredirection URI \"/cb\"", "\n\tredirection URI \"data:,\"",
		"\n\tscope \"a b\"", "\n\tscope \"\u00e9\"", "\n\tAccessTokenLifetime", "\n\tRefreshTokenLifetime")
}

func many(n int) (scope oauth2server.Scope) {
	for i := range n {
		scope = append(scope, fmt.Sprint("token", i))
	}
	return scope
}

func TestCheckClientSecret(t *testing.T) {
	for name, row := range map[string]struct {
		public bool
		secret string
		want   string
	}{
		"confidential":              {false, secret, ""},
		"public":                    {true, "", ""},
		"any printable character":   {false, ` !"#$%&'()*+,-./:;<=>?@[\]^_{|}~` + "`", ""},
		"22 characters":             {false, strings.Repeat("x", 22), ""},
		"21 characters":             {false, strings.Repeat("x", 21), "fewer than 22"},
		"2048 characters":           {false, strings.Repeat("x", 2048), ""},
		"2049 characters":           {false, strings.Repeat("x", 2049), "2049 bytes"},
		"public, with one":          {true, secret, "public"},
		"confidential, without":     {false, "", "needs a secret"},
		"a newline at its end":      {false, secret + "\n", "ends in a newline"},
		"a newline of another kind": {false, secret + "\r\n", "ends in a newline"},
		"a newline in it":           {false, secret + "\n" + secret, "printable ASCII"},
		"a return at its end":       {false, secret + "\r", "printable ASCII"},
		"outside ASCII":             {false, secret + "\u00e9", "printable ASCII"},
		"a short one with a tab":    {false, "\t", "printable ASCII"},
	} {
		err := oauth2server.CheckClientSecret(&oauth2server.Client{ID: "web", Public: row.public}, row.secret)
		if row.want == "" {
			require.NoError(t, err, name)
			continue
		}
		requireUnfit(t, err, row.want)
		require.Equal(t, row.want == "fewer than 22", errors.Is(err, oauth2server.ErrShortSecret), name)
		if row.secret != "" && row.secret != "\t" {
			require.NotContains(t, err.Error(), row.secret, name)
		}
	}
	requireUnfit(t, oauth2server.CheckClientSecret(nil, secret), "nil")
}

func TestCheckUser(t *testing.T) {
	for name, row := range map[string]struct{ id, username, want string }{
		"plain":                        {"u1", "andy", ""},
		"other alphabets, an emoji":    {"\u7528\u6237 1", "zo\u00eb \U0001F600\t", ""},
		"no ID":                        {"", "andy", "no ID"},
		"no name":                      {"u1", "", "needs a username"},
		"an ID that is not UTF-8":      {"u\xff", "andy", "the ID is not UTF-8"},
		"an ID with a line break":      {"u\n1", "andy", "control character"},
		"an ID with a C1 control":      {"u\u0085", "andy", "control character"},
		"a long ID":                    {strings.Repeat("x", 2049), "andy", "2049 bytes"},
		"a name that is not UTF-8":     {"u1", "\xff\xfe", "username is not UTF-8"},
		"a name with a line break":     {"u1", "an\ndy", "username has a line break"},
		"a name with a NUL":            {"u1", "an\x00dy", "username has a line break"},
		"a name of no character":       {"u1", "an\ufffe", "username has a line break"},
		"a long name":                  {"u1", strings.Repeat("x", 2049), "2049 bytes"},
		"nothing, and all of it is so": {"", "", "2 mistakes"},
	} {
		err := oauth2server.CheckUser(&oauth2server.User{ID: row.id}, row.username)
		if row.want == "" {
			require.NoError(t, err, name)
		} else {
			requireUnfit(t, err, row.want)
		}
	}
	requireUnfit(t, oauth2server.CheckUser(nil, "andy"), "nil")

	for password, want := range map[string]string{
		"123456": "", "a&b=c%d+": "", "\U0001F511\U0001F98A": "", " ": "", "a\tb": "", strings.Repeat("x", 4096): "",
		"": "needs a password", "two\nlines": "line break", "\xff": "not UTF-8", "x\x00": "line break", strings.Repeat("x", 4097): "4097 bytes",
	} {
		err := oauth2server.CheckUserPassword(password)
		if want == "" {
			require.NoError(t, err, password)
			continue
		}
		requireUnfit(t, err, want)
		if password != "" {
			require.NotContains(t, err.Error(), password)
		}
	}
}
