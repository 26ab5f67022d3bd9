package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "",
		"Demo Web App":                           "Demo Web App",
		"示例应用":                                   "示例应用",
		"برنامج":                                 "برنامج",
		"👩\u200d💻 می\u200cخواهم":                 "👩\u200d💻 می\u200cخواهم", // joiners
		"\u202eppA":                              "ppA",
		"a\u202ab\u202bc\u202cd\u202de":          "abcde",
		"a\u2066b\u2067c\u2068d\u2069e":          "abcde",
		"a\u200eb\u200fc\u061cd":                 "abcd",
		"a\u200bb\ufeffc\u00add":                 "abcd",
		"a\x00b\x1bc\x7fd\u0085e":                "abcd e",
		"  a\r\n\tb\u2028c\u2029d\u00a0\u3000e ": "a b c d e",
		"a\xffb\xe2\x80":                         "ab",
		"\u202e\u200b\n":                         "",
		strings.Repeat("é", 80):                  strings.Repeat("é", 80),
		strings.Repeat("é", 81):                  strings.Repeat("é", 79) + "…",
	} {
		require.Equal(t, want, clean(text), "%q", text)
	}
}

// Pages show hosts as ASCII, as a browser goes there .
func TestHostOf(t *testing.T) {
	for uri, want := range map[string]string{
		"https://app.example/cb": "app.example", "https://app.example:8443/cb": "app.example:8443",
		"HTTPS://App.Example/": "app.example",
		"http://127.0.0.1:80/": "http://127.0.0.1:80", "http://[::1]:80/": "http://[::1]:80", "https://[::1]": "[::1]",
		"com.app:/cb": "com.app:", "com.app:cb": "com.app:", "com.app:///cb": "com.app:",
		"com.evil://accounts.bank.example/cb": "com.evil://accounts.bank.example",
		"com.evil://%D0%B0pple.com":           "com.evil://%D0%B0pple.com",
		"%":                                   "%", "no colon": "no%20colon", "": "",
		// Letters that look like others, written or percent-encoded.
		"https://%D0%B0pple.com/cb": "xn--pple-43d.com", "https://аpple.com/cb": "xn--pple-43d.com",
		"http://%D0%B0pple.com:1/":  "http://xn--pple-43d.com:1",
		"https://xn--pple-43d.com/": "xn--pple-43d.com", "https://bank%E3%80%82example/": "bank.example",
		"https://ｂａｎｋ.example/": "bank.example",
		// What no browser goes to.
		"https://%E2%80%AEmoc.knab/":                   "%E2%80%AEmoc.knab",
		"https://bank.example%E2%88%95a.evil.example/": "bank.xn--examplea-4f7d.evil.example",
		"https://\u202emoc.knab/":                      "%E2%80%AEmoc.knab", "https://%zz/": "%zz",
		"https://a%2Fb.example/": "a%2Fb.example",
		// Nothing hides behind a user, a query, a fragment or a backslash.
		"https://bank.example@evil.example/": "evil.example", "https://evil.example?bank.example": "evil.example",
		"https://evil.example#@bank.example": "evil.example", `https://evil.example\@bank.example`: "evil.example",
	} {
		require.Equal(t, want, hostOf(uri), "%q", uri)
		require.Regexp(t, "^[!-~]*$", hostOf(uri))
	}
}

// A name turns the direction of the words around it, or hides what follows.
func TestAttack_NamesThatTurnTheirDirection(t *testing.T) {
	const turned, shown = "\u202eppA \u2066beW\n\u200f<b>", "ppA beW &lt;b&gt;"
	base := site(t, func(m *memorymodel.Model) storage {
		require.NoError(t, m.AddClient(&oauth2server.Client{ID: "turned", Data: profile{Name: turned},
			Grants:       []string{"authorization_code"},
			RedirectURIs: []string{"https://turned.example/cb"}}, otherSecret))
		require.NoError(t, m.AddUser(&oauth2server.User{ID: "2", Data: profile{Name: turned}}, "beth", "abcdef"))
		return m
	})
	b := newBrowser(t, base)
	request := base + "/authorize?response_type=code&client_id=turned&state=1&scope=read"
	var pages []answer
	pages = append(pages, b.open(request))
	pages = append(pages, b.submit("/signin", "username", "beth", "password", "abcdef"))
	require.Contains(t, b.last.page, "Allow <bdi>"+shown+"</bdi> to access")
	require.Contains(t, b.last.page, "signed in as <bdi>"+shown+"</bdi>.")
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	code := b.submit("/authorize", "verdict", "allow").parameters().Get("code")
	res, err := http.PostForm(base+"/user/token", values("grant_type", "authorization_code", "code", code,
		"client_id", "turned", "client_secret", otherSecret))
	require.Contains(t, body(t, res, err), "access_token")
	pages = append(pages, b.open("/apps"))
	require.Contains(t, b.last.page, "<bdi>"+shown+"</bdi></h2>")
	require.Contains(t, b.last.page, `aria-label="Disconnect `+shown+`"`)
	for _, page := range pages {
		require.NotRegexp(t, "[\u200e\u200f\u202a-\u202e\u2066-\u2069]", page.page, page.Request.URL.Path)
	}
}

// What the demo client shows of others' texts has no such marks either.
func TestShownExchangesHaveNoHiddenMarks(t *testing.T) {
	require.Equal(t, "a\uFFFDb\n\tc\uFFFD", cut("a\u202eb\n\tc\x1b"))
	require.Len(t, cut(strings.Repeat("a", 5000)), 4096+len("…"))
}

// What is put between words is clean, whoever forgot it before.
func TestWordsAroundNames(t *testing.T) {
	p := page{words: map[string]string{"a": "x <%s> y"}}
	seen, err := p.With("a", "\u202e<b>")
	require.NoError(t, err)
	require.Equal(t, "x &lt;<bdi>&lt;b&gt;</bdi>&gt; y", string(seen))
	heard, err := p.Label("a", "\u202e<b>")
	require.NoError(t, err)
	require.Equal(t, "x <<b>> y", heard, "html/template escapes it")
	_, err = p.With("b", "")
	require.Error(t, err)
	_, err = p.Label("b", "")
	require.Error(t, err)
}
