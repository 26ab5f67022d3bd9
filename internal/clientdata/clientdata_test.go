package clientdata

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// read reads metadata with these redirection URIs.
func read(t *testing.T, schemes []string, uris ...string) (*Data, error) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"redirect_uris": uris})
	require.NoError(t, err)
	return Read(body, schemes)
}

func TestRead(t *testing.T) {
	d, err := Read([]byte(` {
		"client_name": "Notes", "client_uri": "https://notes.example/about", "client_id": "me",
		"redirect_uris": ["https://notes.example/cb", "https://notes.example/cb", "com.example.notes:/cb"],
		"grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token", "authorization_code"],
		"token_endpoint_auth_method": "none", "scope": "admin", "x": {"y": [1, null]}, "client_secret": null
	} `), nil)
	require.NoError(t, err)
	require.Equal(t, &oauth2server.Client{
		RedirectURIs: []string{"https://notes.example/cb", "com.example.notes:/cb"},
		Grants:       []string{"authorization_code", "refresh_token"},
		Name:         "Notes",
		URI:          "https://notes.example/about",
		Public:       true,
		SelfAsserted: true,
	}, d.Client)
	require.Equal(t, "none", d.AuthMethod)
	require.Equal(t, "me", d.Text("client_id"))
	require.Empty(t, d.Text("x"))
	require.NotNil(t, d.Members["client_secret"])
	require.Nil(t, d.Members["client_secret_expires_at"])
}

// Members that are absent have the defaults of RFC 7591, section 2.
func TestReadDefaults(t *testing.T) {
	for _, rest := range []string{``, `,"grant_types":null,"token_endpoint_auth_method":null,"client_name":null,"client_uri":null`} {
		d, err := Read([]byte(`{"redirect_uris":["https://a.example/"]`+rest+`}`), nil)
		require.NoError(t, err)
		require.Equal(t, &oauth2server.Client{
			RedirectURIs: []string{"https://a.example/"}, Grants: []string{"authorization_code"}, SelfAsserted: true,
		}, d.Client)
		require.Empty(t, d.AuthMethod)
	}
}

func TestAuthMethodTellsWhetherThereIsASecret(t *testing.T) {
	for method, public := range map[string]bool{
		"client_secret_basic": false, "client_secret_post": false, "": false,
		"none": true, "private_key_jwt": true, "client_secret_jwt": true, "tls_client_auth": true, "x": true,
	} {
		d, err := Read([]byte(`{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"`+method+`"}`), nil)
		require.NoError(t, err)
		require.Equal(t, public, d.Client.Public, method)
	}
}

func TestMalformedMetadata(t *testing.T) {
	const good = `"redirect_uris":["https://a.example/"]`
	for body, code := range map[string]oauth2server.ErrorCode{
		``:                                    InvalidClientMetadata,
		`null`:                                InvalidClientMetadata,
		`"x"`:                                 InvalidClientMetadata,
		`[{` + good + `}]`:                    InvalidClientMetadata,
		`{` + good:                            InvalidClientMetadata,
		`{` + good + `}{}`:                    InvalidClientMetadata,
		`{` + good + `} x`:                    InvalidClientMetadata,
		`{` + good + `,}`:                     InvalidClientMetadata,
		`{` + good + `,` + good + `}`:         InvalidClientMetadata,
		`{` + good + `,"x":1,"\u0078":2}`:     InvalidClientMetadata,
		`{` + good + `,"client_name":5}`:      InvalidClientMetadata,
		`{` + good + `,"client_name":["x"]}`:  InvalidClientMetadata,
		`{` + good + `,"client_uri":{}}`:      InvalidClientMetadata,
		`{` + good + `,"grant_types":"x"}`:    InvalidClientMetadata,
		`{` + good + `,"grant_types":[1]}`:    InvalidClientMetadata,
		`{` + good + `,"grant_types":["x"]}`:  InvalidClientMetadata,
		`{` + good + `,"grant_types":[null]}`: InvalidClientMetadata,
		`{` + good + `,"token_endpoint_auth_method":true}`: InvalidClientMetadata,
		`{` + good + `,"x":` + strings.Repeat("[", 20_000): InvalidClientMetadata,
		`{}`: InvalidRedirectURI,
		`{"Redirect_URIs":["https://a.example/"]}`: InvalidRedirectURI,
		`{"redirect_uris":null}`:                   InvalidRedirectURI,
		`{"redirect_uris":[]}`:                     InvalidRedirectURI,
		`{"redirect_uris":[null]}`:                 InvalidRedirectURI,
		`{"redirect_uris":"https://a.example/"}`:   InvalidRedirectURI,
		`{"redirect_uris":{"0":"x"}}`:              InvalidRedirectURI,
		`{"redirect_uris":[["x"]]}`:                InvalidRedirectURI,
		`{"redirect_uris":7}`:                      InvalidRedirectURI,
	} {
		_, err := Read([]byte(body), nil)
		require.ErrorIs(t, err, code, body)
	}
}

func TestRedirectURIs(t *testing.T) {
	const stays = "https://a.example/cb"
	long := "https://a.example/" + strings.Repeat("x", maxURILength)
	for _, uri := range []string{
		"https://claude.ai/api/mcp/auth_callback", "https://a.example", "https://a.example:8443/cb?x=1",
		"http://127.0.0.1:33418", "http://127.0.0.1:33418/", "http://[::1]/cb", "http://localhost:8787/callback",
		"cursor://anysphere.cursor-mcp/oauth/callback", "vscode://x/cb", "claude://x", "com.example.app:/cb",
		"com.example.app://cb", "com.example.app:cb", long[:maxURILength],
	} {
		d, err := read(t, nil, uri)
		require.NoError(t, err, uri)
		require.Equal(t, []string{uri}, d.Client.RedirectURIs)
	}
	for _, unknown := range []string{
		"ms-msdt:/id PCWDiagnostic", "search-ms:query=x", "intent://x#Intent;end", "smb://host/x", "tel:1",
		"jar:https://a.example!/x", "chrome://settings", "ftp://a.example/", "urn:x:y", "mailto:a@b.example", "x:y",
	} {
		_, err := read(t, nil, unknown)
		require.ErrorIs(t, err, InvalidRedirectURI, unknown)
		d, err := read(t, nil, unknown, stays)
		require.NoError(t, err, unknown)
		require.Equal(t, []string{stays}, d.Client.RedirectURIs)
	}
	for _, harmful := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)", "data:text/html,x",
		"vbscript:x", "file:///etc/passwd", "blob:https://a.example/1", "about:blank", "view-source:https://a.example",
		"http://a.example/cb", "HTTP://a.example/cb", "http://localhost.evil.example/", "http://x.localhost/",
		"http://127.0.0.2/", "http://127.1/", "http://0.0.0.0/", "http://LOCALHOST/", "http://[::2]/",
		"https://*.a.example/", "https://*/", "https://user@a.example/", "https://user:pw@a.example/",
		"http://localhost@evil.example/", "https://a.example\\@evil.example/", "https://a.example/#f", "https://a.example/#",
		"https:///cb", "https:a.example", "//a.example/cb", "/cb", "", "cb", "https://a.example/?code=x",
		"https://ex\u0430mple.com/", "https://a.example/\u202e", "https://%61.example/", "cursor://x#f", "com.example.app:/x#",
		long,
	} {
		for _, uris := range [][]string{{harmful}, {stays, harmful}, {harmful, stays}} {
			_, err := read(t, nil, uris...)
			require.ErrorIs(t, err, InvalidRedirectURI, harmful)
			require.Less(t, len(err.Error()), 300)
		}
	}
}

// A URI without a slash behind its scheme belongs to an app on a device, which
// keeps no secret.
func TestRootlessRedirectURI(t *testing.T) {
	d, err := read(t, nil, "https://a.example/", "com.example.app:cb")
	require.NoError(t, err)
	require.True(t, d.Client.Public)
	d.Client.ID = "x"
	require.NoError(t, oauth2server.CheckClient(d.Client))
	d, err = read(t, nil, "https://a.example/", "tel:1") // which is left out
	require.NoError(t, err)
	require.False(t, d.Client.Public)
}

// Clients that were read under older rules have to obey those of today.
func TestClean(t *testing.T) {
	c := &oauth2server.Client{RedirectURIs: []string{"zed://x", "https://a.example/"}, Name: " x\u200b ", URI: "http://x"}
	require.NoError(t, Clean(c, nil))
	require.Equal(t, &oauth2server.Client{RedirectURIs: []string{"https://a.example/"}, Name: "x"}, c)
	c.RedirectURIs = []string{"https://a.example/", "http://a.example/"}
	require.ErrorIs(t, Clean(c, nil), InvalidRedirectURI)
}

func TestNumberOfRedirectURIs(t *testing.T) {
	var uris []string
	for i := range 11 {
		uris = append(uris, fmt.Sprintf("https://a.example/%d", i))
	}
	d, err := read(t, nil, uris[:10]...)
	require.NoError(t, err)
	require.Len(t, d.Client.RedirectURIs, 10)
	_, err = read(t, nil, uris...)
	require.ErrorIs(t, err, InvalidRedirectURI)
}

func TestSchemes(t *testing.T) {
	_, err := read(t, []string{}, "cursor://x")
	require.ErrorIs(t, err, InvalidRedirectURI)
	_, err = read(t, []string{"zed"}, "zed://x")
	require.NoError(t, err)
	require.NoError(t, CheckSchemes(DefaultSchemes))
	require.NoError(t, CheckSchemes([]string{"com.example"}))
	for _, scheme := range []string{"", "http", "https", "javascript", "data", "file", "blob", "Zed", "a b", "zed:", "zed://x", "1"} {
		require.Error(t, CheckSchemes([]string{"zed", scheme}), scheme)
	}
}

func TestNames(t *testing.T) {
	for name, clean := range map[string]string{
		"Claude":                                 "Claude",
		"  Claude \u00a0":                        "Claude",
		"Claude\r\nby the bank":                  "Claude by the bank",
		"a\u2028b\u2029c\td\u0085e":              "a b c d e",
		"a\u202eb\u2066c\u200fd\u061ce\u200ef":   "abcdef",
		"Cl\u200bau\u200dde\ufeff\u00ad":         "Claude",
		"x\ue000\U000f0000\ufff0\u3164\u2800y":   "x y",
		"x\ufe0f\u034f\U000e0041":                "x",
		"\x00\x1b[31mred":                        "[31mred",
		"<b>Fern & Ivy</b>":                      "<b>Fern & Ivy</b>", // the page escapes
		"Żółw 亀 تطبيق":                           "Żółw 亀 تطبيق",
		"Vie\u0302\u0323t \u05e9\u05c1\u05b8":    "Vie\u0302\u0323t \u05e9\u05c1\u05b8",
		"\u0301x" + strings.Repeat("\u0301", 60): "x" + strings.Repeat("\u0301", 4),
		"a \u20dd\u0301 b":                       "a b",
		"\u200b\n":                               "",
		"bad \xff\xfe":                           "bad",
		strings.Repeat("é", 3000):                strings.Repeat("é", 64),
		strings.Repeat("x", 63) + " y":           strings.Repeat("x", 63),
	} {
		require.Equal(t, clean, cleanName(name), "%q", name)
	}
}

func TestClientURI(t *testing.T) {
	for uri, clean := range map[string]string{
		"https://a.example/x?y=1": "https://a.example/x?y=1",
		"HTTPS://a.example":       "HTTPS://a.example",
		"http://a.example":        "",
		"http://localhost":        "",
		"javascript:alert(1)":     "",
		"data:text/html,x":        "",
		"https://u:p@a.example":   "",
		"https://":                "",
		"https://ex\u0430mple":    "",
		"com.example:/x":          "",
		"x":                       "",
		"https://a.example/" + strings.Repeat("x", maxURILength): "",
	} {
		body, err := json.Marshal(map[string]any{"redirect_uris": []string{"https://a.example/"}, "client_uri": uri})
		require.NoError(t, err)
		d, err := Read(body, nil)
		require.NoError(t, err)
		require.Equal(t, clean, d.Client.URI, uri)
	}
}

// Whatever strangers write: a client that passes is one that can be registered,
// and what does not pass is refused with one of two codes.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"redirect_uris":["https://a.example/","cursor://x","intent://x"],"client_name":"x\u202ey",` +
		`"client_uri":"https://a.example","grant_types":["authorization_code"],"token_endpoint_auth_method":"none"}`))
	f.Add([]byte(`{"redirect_uris":["com.example.app:cb"],"redirect_uris":null}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := Read(body, nil)
		if err != nil {
			var told *oauth2server.Error
			require.True(t, errors.As(err, &told))
			require.Contains(t, []oauth2server.ErrorCode{InvalidRedirectURI, InvalidClientMetadata}, told.Code)
			require.NotEmpty(t, told.Description)
			return
		}
		c := d.Client
		require.True(t, c.SelfAsserted)
		require.LessOrEqual(t, utf8.RuneCountInString(c.Name), maxNameRunes)
		require.Equal(t, c.Name, cleanName(c.Name))
		for _, uri := range c.RedirectURIs {
			require.LessOrEqual(t, len(uri), maxURILength)
			require.NotContains(t, uri, "#")
		}
		c.ID = "dcr.x"
		require.NoError(t, oauth2server.CheckClient(c))
	})
}
