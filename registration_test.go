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

// requireUnfit checks that an error is one of registration and contains every
// wanted text.
func requireUnfit(t testing.TB, err error, want ...string) {
	t.Helper()
	require.ErrorIs(t, err, oauth2server.InvalidArgument)
	for _, text := range want {
		require.ErrorContains(t, err, text)
	}
}

// requireFit checks that CheckClient's error contains the wanted text and is
// about one mistake, not about its consequences too. With "", CheckClient must
// return nil.
func requireFit(t *testing.T, name, want string, client oauth2server.Client) {
	t.Helper()
	err := oauth2server.CheckClient(&client, "otp", "ot p")
	if want == "" {
		require.NoError(t, err, name)
		return
	}
	requireUnfit(t, err, want)
	require.NotContains(t, err.Error(), "mistakes", name)
}

func TestCheckClient(t *testing.T) {
	requireUnfit(t, oauth2server.CheckClient(nil), "nil")
	for name, row := range map[string]struct{ id, want string }{
		"plain":                   {"web", ""},
		"any printable character": {` !"#$%&'()*+,-./:;<=>?@[\]^_{|}~` + "`", ""},
		"none":                    {"", "no ID"},
		"outside ASCII":           {"\u5e94\u7528", "printable ASCII"},
		"a line break":            {"web\n", "printable ASCII"},
		"long":                    {strings.Repeat("x", 2048), ""},
		"too long":                {strings.Repeat("x", 2049), "2049 bytes"},
	} {
		requireFit(t, name, row.want, oauth2server.Client{ID: row.id})
	}
	requireUnfit(t, oauth2server.CheckClient(&oauth2server.Client{ID: "web", Grants: []string{"otp"}}), "unknown")
	err := oauth2server.CheckClient(&oauth2server.Client{
		ID:                   "web",
		Grants:               []string{"code", "implicit"},
		RedirectURIs:         []string{"/cb", "data:,"},
		Scope:                oauth2server.Scope{"a b", "\u00e9"},
		AccessTokenLifetime:  1,
		RefreshTokenLifetime: -1,
	})
	requireUnfit(t, err, `client "web": 7 mistakes:`, "\n\tgrant \"code\"",
		"\n\tredirection URI \"/cb\"", "\n\tredirection URI \"data:,\"", "\n\tscope \"a b\"",
		"\n\tscope \"\u00e9\"", "\n\tAccessTokenLifetime", "\n\tRefreshTokenLifetime")
}

func TestCheckClient_Grants(t *testing.T) {
	const apart, unknown = "element of its own", "it is unknown; a grant of your own"
	meant := func(name string) string { return `"` + name + `" was probably meant` }
	for name, row := range map[string]struct {
		grant, want string
	}{
		"of a URN":                   {"urn:ietf:params:oauth:grant-type:device_code", ""},
		"of a URL":                   {"https://a.example/grant,1?x=2", ""},
		"of one's own":               {"otp", ""},
		"empty":                      {"", "empty"},
		"another spelling":           {"authorisation_code", meant("authorization_code")},
		"a letter too few":           {"client_credential", meant("client_credentials")},
		"a part":                     {"refresh", meant("refresh_token")},
		"the response type":          {"code", meant("authorization_code")},
		"camel case":                 {"authorizationCode", meant("authorization_code")},
		"upper case":                 {"PASSWORD", meant("password")},
		"the long name":              {"resource_owner_password_credentials", meant("password")},
		"a space at its end":         {"client_credentials ", meant("client_credentials")},
		"of one's own, misspelt":     {"O-T-P", meant("otp")},
		"of one's own, but no grant": {"ot p", "appendix A.10"},
		"like nothing":               {"x", unknown},
		"two":                        {"client_credentials, password", `["client_credentials" "password"]`},
		"two, by spaces":             {"client_credentials password", apart},
		"two, by lines":              {"client_credentials\npassword", apart},
		"two URNs":                   {"urn:a:b,urn:c:d", apart},
		"a URN and another":          {"urn:a:b,password", apart},
		"a URI with a fragment":      {"urn:a:b#c", unknown},
		"a relative URI":             {"//a.example/grant", unknown},
		"a scheme":                   {"urn:", unknown},
		"a bad scheme":               {"1a:b", unknown},
		"a long URI":                 {"urn:" + strings.Repeat("x", 2045), "2049 bytes"},
	} {
		requireFit(t, name, row.want, oauth2server.Client{ID: "web", Grants: []string{row.grant}})
	}

	const noURI = "needs a redirection URI"
	for name, row := range map[string]struct {
		grants []string
		public bool
		uri    string
		want   string
	}{
		"none: it introspects":      {nil, false, "", ""},
		"all":                       {allGrants, false, callback, ""},
		"all that a public one can": {publicGrants, true, callback, ""},
		"twice":                     {[]string{"password", "password"}, false, "", ""},
		"a code without a URI":      {[]string{"authorization_code"}, false, "", noURI},
		"a token without a URI":     {[]string{"implicit"}, true, "", noURI},
		"a public machine":          {[]string{"client_credentials"}, true, "", "confidential"},
	} {
		client := oauth2server.Client{ID: "web", Grants: row.grants, Public: row.public}
		if row.uri != "" {
			client.RedirectURIs = []string{row.uri}
		}
		requireFit(t, name, row.want, client)
	}
}

// The errors of CheckRedirectURI have their own tests.
func TestCheckClient_RedirectURIs(t *testing.T) {
	for name, row := range map[string]struct {
		public bool
		uris   []string
		want   string
	}{
		"several":                {false, []string{callback, callback + "2"}, ""},
		"by port":                {false, []string{"http://127.0.0.1:1/", "http://127.0.0.1:2/"}, ""},
		"a private scheme":       {true, []string{"com.example.app:/cb"}, ""},
		"no slash":               {true, []string{"com.example.app:cb"}, ""},
		"no slash, confidential": {false, []string{"com.example.app:cb"}, "public clients only"},
		"twice":                  {false, []string{callback, callback}, "twice"},
		"code":                   {false, []string{"javascript:alert(1)"}, `redirection URI "javascript:alert(1)"`},
		"a wildcard":             {false, []string{"https://*.app.example/"}, "wildcard"},
		"a look-alike":           {false, []string{"https://%D0%B0pple.com/cb"}, "punycode"},
		"a URN":                  {true, []string{"urn:ietf:wg:oauth:2.0:oob"}, "URN"},
		"too long":               {false, []string{callback + "?" + strings.Repeat("x", 2048)}, "may have 2048"},
	} {
		requireFit(t, name, row.want, oauth2server.Client{ID: "web", Public: row.public, RedirectURIs: row.uris})
	}
}

func TestCheckClient_Scope(t *testing.T) {
	for name, row := range map[string]struct {
		scope oauth2server.Scope
		want  string
	}{
		"twice":                 {oauth2server.Scope{"read", "read"}, ""},
		"all that can be asked": {many(256), ""},
		"more":                  {many(257), "at most 256 tokens"},
		"longer":                {oauth2server.Scope{strings.Repeat("x", 4097)}, "4096 bytes"},
		"two in one":            {oauth2server.Scope{"read write"}, `["read" "write"]`},
		"outside ASCII":         {oauth2server.Scope{"l\u00e9ser"}, "not a scope token"},
		"empty":                 {oauth2server.Scope{""}, "not a scope token"},
		"a space":               {oauth2server.Scope{" "}, "not a scope token"},
		"a quote":               {oauth2server.Scope{`"`}, "not a scope token"},
	} {
		requireFit(t, name, row.want, oauth2server.Client{ID: "web", Scope: row.scope})
	}
}

func TestCheckClient_Lifetimes(t *testing.T) {
	none, refreshes := []string(nil), []string{"password", "refresh_token"}
	for name, row := range map[string]struct {
		grants          []string
		access, refresh time.Duration
		want            string
	}{
		"a second":                   {refreshes, time.Second, time.Second, ""},
		"access first":               {refreshes, time.Hour, 2 * time.Hour, ""},
		"access later, the server's": {refreshes, 1000 * time.Hour, 0, ""},
		"access later, no refresh":   {none, 2 * time.Hour, time.Hour, ""},
		"access later":               {refreshes, 2 * time.Hour, time.Hour, "would expire after 1h0m0s"},
		"nanoseconds":                {none, 3600, 0, "AccessTokenLifetime: 3.6\u00b5s"},
		"nanoseconds, refresh":       {none, 0, 3600, "RefreshTokenLifetime: 3.6\u00b5s"},
		"negative":                   {none, -time.Hour, 0, "less than a second"},
	} {
		requireFit(t, name, row.want, oauth2server.Client{ID: "web", Grants: row.grants,
			AccessTokenLifetime: row.access, RefreshTokenLifetime: row.refresh})
	}
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
		"": "needs a password", "two\nlines": "line break", "\xff": "not UTF-8", "x\x00": "line break",
		strings.Repeat("x", 4097): "4097 bytes",
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
