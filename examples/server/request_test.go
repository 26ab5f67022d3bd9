package main

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// asks is an authorization request of the demo client, with more parameters.
func asks(base string, pairs ...string) string {
	query := values(append([]string{"response_type", "code", "client_id", clientID, "state", "s", "scope",
		"read"}, pairs...)...)
	return base + "/authorize?" + query.Encode()
}

// stay has a browser show redirects to the demo client and not follow them.
func (b *browser) stay() *browser {
	follow := b.CheckRedirect
	b.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if r.URL.Path == callbackPath || r.URL.Path == "/spa/" {
			return http.ErrUseLastResponse
		}
		return follow(r, via)
	}
	return b
}

// shows is the page that a browser shows, or what the client is told.
func (b *browser) shows() string {
	b.t.Helper()
	told := b.last.parameters()
	switch {
	case told.Has("code"):
		require.Equal(b.t, []string{"s"}, told["state"])
		return "code"
	case told.Has("error"):
		require.Equal(b.t, []string{"s", b.base}, []string{told.Get("state"), told.Get("iss")})
		return told.Get("error")
	}
	require.Equal(b.t, http.StatusOK, b.last.StatusCode, b.last.page)
	for page, mark := range map[string]string{"sign-in": `name="password"`, "select": ">Choose an account<",
		"consent": `name="verdict"`} {
		if strings.Contains(b.last.page, mark) {
			return page
		}
	}
	return b.last.page
}

// A client asks for another account, for a fresh sign-in, to be asked about
// again, or for no page at all (OpenID Connect Core, section 3.1.2.1).
func TestPrompt(t *testing.T) {
	for _, c := range []struct{ prompt, stranger, signedIn, connected string }{
		{"", "sign-in, consent, code", "consent, code", "code"},
		{"login", "sign-in, consent, code", "sign-in, consent, code", "sign-in, code"},
		{"consent", "sign-in, consent, code", "consent, code", "consent, code"},
		{"select_account", "sign-in, consent, code", "select, consent, code", "select, code"},
		{"none", "login_required", "consent_required", "code"},
		{"login consent", "sign-in, consent, code", "sign-in, consent, code", "sign-in, consent, code"},
		{"consent login select_account", "sign-in, consent, code", "sign-in, consent, code", "sign-in, consent, code"},
		{"login select_account", "sign-in, consent, code", "sign-in, consent, code", "sign-in, code"},
		{"select_account consent", "sign-in, consent, code", "select, consent, code", "select, consent, code"},
		{"none login", "invalid_request", "invalid_request", "invalid_request"},
		{"create", "sign-in, consent, code", "consent, code", "code"},
		{"create  login LOGIN", "sign-in, consent, code", "sign-in, consent, code", "sign-in, code"},
	} {
		for who, want := range map[string]string{"stranger": c.stranger, "signed in": c.signedIn,
			"connected": c.connected} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				b := newBrowser(t, site(t, nil))
				switch who {
				case "signed in":
					b.open("/signin?next=/apps")
					b.signIn()
				case "connected":
					b.connect()
				}
				address := asks(b.base, "prompt", c.prompt)
				if b.stay(); method == http.MethodPost {
					b.post("/authorize", pairsOf(t, address)...)
				} else {
					b.open(address)
				}
				seen := []string{b.shows()}
				for len(seen) < 5 && seen[len(seen)-1] != "code" &&
					!strings.Contains(seen[len(seen)-1], "require") && seen[len(seen)-1] != "invalid_request" {
					switch seen[len(seen)-1] {
					case "sign-in":
						require.Equal(t, who != "stranger", strings.Contains(b.last.page,
							"sign in once more"), "%s %q", who, c.prompt)
						b.signIn()
					case "select":
						b.open(linkTo(t, b.last.page, "/authorize"))
					case "consent":
						b.submit("/authorize", "verdict", "allow")
					}
					seen = append(seen, b.shows())
				}
				require.Equal(t, want, strings.Join(seen, ", "), "%s %s %q", who, method, c.prompt)
			}
		}
	}
}

// linkTo is the address of a link of a page to that path.
func linkTo(t *testing.T, page, path string) string {
	link := regexp.MustCompile(`<a [^>]*href="(` + path + `[^"]*)"`).FindStringSubmatch(page)
	require.NotNil(t, link, page)
	return html.UnescapeString(link[1])
}

// The page for that has a way to another account, who is asked then.
func TestSelectAnotherAccount(t *testing.T) {
	b := newBrowser(t, site(t, withBeth(t)))
	b.connect()
	b.stay().open(asks(b.base, "prompt", "select_account", "resource", "https://api.example"))
	require.Contains(t, b.last.page, "to continue to <bdi>Demo Web App</bdi>")
	require.Contains(t, b.last.page, "Continue as <bdi>Andy</bdi>")
	b.submit("/signout")
	require.Equal(t, "sign-in", b.shows())
	b.submit("/signin", "username", "beth", "password", "abcdef")
	require.Equal(t, "consent", b.shows(), "what Andy allowed is not what Beth does")
	require.Contains(t, b.last.page, "signed in as <bdi>2</bdi>")
	require.Contains(t, b.last.page, `name="resource" value="https://api.example"`)
}

// Whoever signs in again may be somebody else.
func TestSignInAgainAsAnother(t *testing.T) {
	b := newBrowser(t, site(t, withBeth(t)))
	b.connect()
	b.stay().open(asks(b.base, "prompt", "login"))
	b.submit("/signin", "username", "andy", "password", "wrong")
	b.says("signin.wrong")
	b.submit("/signin", "username", "beth", "password", "abcdef")
	require.Equal(t, "consent", b.shows())
	require.Contains(t, b.last.page, "signed in as <bdi>2</bdi>")
}

func withBeth(t *testing.T) func(*memorymodel.Model) storage {
	return func(m *memorymodel.Model) storage {
		require.NoError(t, m.AddUser(&oauth2server.User{ID: "2"}, "beth", "abcdef"))
		return m
	}
}

// A client that wants no page gets none, whatever happens.
func TestPromptNoneShowsNoPage(t *testing.T) {
	model := &broken{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model }))
	quiet := func(pairs ...string) string {
		b.open(asks(b.base, append(pairs, "prompt", "none")...))
		return b.shows()
	}
	b.connect()
	b.stay()
	require.Equal(t, "code", quiet())
	b.open(strings.Replace(asks(b.base, "prompt", "none"), "scope=read", "scope=read+write", 1))
	require.Equal(t, "consent_required", b.shows())
	b.open(b.base + "/authorize?" + values("response_type", "code", "client_id", "spa", "state", "s", "scope", "read",
		"code_challenge", strings.Repeat("c", 43), "code_challenge_method", "S256", "prompt", "none").Encode())
	require.Equal(t, "consent_required", b.last.parameters().Get("error"), "a public client's users are always asked")
	b.post("/authorize", append(pairsOf(t, asks(b.base, "prompt", "none")), "verdict", "allow", "ticket", "x")...)
	require.Equal(t, "consent_required", b.shows(), "no form was shown")
	for _, method := range []string{"UserByID", "UserGrants"} {
		model.methods = method
		require.Equal(t, "server_error", quiet(), method)
	}
	model.methods = ""
	b.open("/apps")
	b.submit("/apps")
	require.Equal(t, "consent_required", quiet(), "disconnected")
	b.post("/signout")
	require.Equal(t, "login_required", quiet())
	require.Equal(t, "Login required: nobody is signed in", b.last.parameters().Get("error_description"))
}

// What a client adds to its request is there still when its user has signed in,
// and in the form that asks .
func TestTheRequestSurvivesTheSignIn(t *testing.T) {
	added := []string{"resource", "https://a.example", "resource", "https://b.example", "login_hint",
		"andy", "ui_locales", "en", "prompt", "login consent",
		"nonce", `"<n>&=;%`, "Ünknown", "ü"}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		b := newBrowser(t, site(t, nil))
		address := asks(b.base, append(added, "ticket", "x", "verdict", "allow", "allowed", "false", "empty", "")...)
		if b.stay(); method == http.MethodPost {
			u, err := url.Parse(address)
			require.NoError(t, err)
			b.saw(b.PostForm(b.base+"/authorize", u.Query()))
		} else {
			b.open(address)
		}
		want := values(added...)
		for name, values := range values("response_type", "code", "client_id", clientID, "state", "s",
			"scope", "read") {
			want[name] = values
		}
		require.Equal(t, "sign-in", b.shows())
		require.Equal(t, want, requestIn(b.last.Request.URL.Query().Get("next")))
		b.signIn()
		require.Equal(t, "consent", b.shows())
		require.Equal(t, want, b.last.Request.URL.Query())
		_, form, _ := strings.Cut(b.last.page, `action="/authorize"`)
		sent := url.Values{}
		for _, field := range hiddenField.FindAllStringSubmatch(form, -1) {
			sent.Add(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
		}
		sent.Del("ticket")
		require.Equal(t, "read", sent.Get("shown"))
		sent.Del("shown")
		require.Equal(t, want, sent)
		shown := b.last
		b.submit("/authorize", "verdict", "allow", "nonce", "another")
		require.Equal(t, "sign-in", b.shows(), "they are part of what people signed in for, and allow")
		b.submitOf(shown, "/authorize", "verdict", "allow")
		require.Equal(t, "code", b.shows())
	}
}

// What is in the query and in the body is one request, and comes back once.
func TestTheRequestInQueryAndBody(t *testing.T) {
	b := newBrowser(t, site(t, nil)).stay()
	b.post("/authorize?resource=a&client_id="+clientID, append(pairsOf(t, asks(b.base)), "resource", "a",
		"resource", "b")...)
	require.Equal(t, "sign-in", b.shows())
	asked := requestIn(b.last.Request.URL.Query().Get("next"))
	require.Equal(t, []string{"a", "b"}, asked["resource"])
	require.Equal(t, []string{clientID}, asked["client_id"])
	b.signIn()
	b.submit("/authorize", "verdict", "allow")
	require.Equal(t, "code", b.shows())
}

// A query that browsers take is taken: a semicolon is data, as is a lone
// percent sign in what the server does not know.
func TestQueriesThatAreUnusual(t *testing.T) {
	b := newBrowser(t, site(t, nil)).stay()
	b.open(asks(b.base) + "&x=1;y=2")
	require.Equal(t, "1;y=2", requestIn(b.last.Request.URL.Query().Get("next")).Get("x"))
	require.Equal(t, "consent", func() string { b.signIn(); return b.shows() }())
	require.Equal(t, http.StatusOK, b.open("/apps?x=%zz;").StatusCode)
	b.open("/authorize?client_id=" + clientID + "&state=%zz")
	require.Equal(t, http.StatusBadRequest, b.last.StatusCode)
	b.says("problem.client", "problem.tell") // with what the developer needs, and not "this form"
}

// A request must fit into an address, twice encoded: a longer one is refused at
// once and not by the browser's or the server's limit, behind the sign-in page.
func TestLongRequests(t *testing.T) {
	for _, c := range []struct {
		pad  int
		want string
	}{{1000, "sign-in"}, {2500, "sign-in"}, {2700, "invalid_request"}, {20000, "invalid_request"}} {
		b := newBrowser(t, site(t, nil)).stay()
		b.post("/authorize", append(pairsOf(t, asks(b.base)), "pad", strings.Repeat("%", c.pad))...)
		require.Equal(t, c.want, b.shows(), c.pad)
		if c.want == "sign-in" {
			require.Less(t, len(b.last.Request.URL.RequestURI()), 30<<10, "the server reads headers of 32 KiB")
			b.signIn()
			require.Equal(t, "consent", b.shows())
		}
	}
}

func TestTheSignInPageSaysWhichAppAsks(t *testing.T) {
	model := &broken{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model }))
	const asks = "to continue to"
	b.post("/client/connect")
	require.Contains(t, b.last.page, asks+" <bdi>Demo Web App</bdi>")
	b.submit("/signin", "username", "andy", "password", "wrong")
	require.Contains(t, b.last.page, asks+" <bdi>Demo Web App</bdi>", "also then")
	for _, path := range []string{"/signin", "/apps", "/signin?next=/apps%3Fclient_id%3D123456",
		"/signin?next=/authorize%3Fclient_id%3Dnobody",
		"/signin?next=/authorize", "/signin?next=https%3A%2F%2Fevil.example%2Fauthorize%3Fclient_id%3D123456"} {
		require.NotContains(t, b.open(path).page, asks, path)
	}
	log := logged(t)
	model.methods = "GetClientFault"
	b.open("/signin?next=/authorize%3Fclient_id%3D123456")
	require.Equal(t, http.StatusOK, b.last.StatusCode)
	require.NotContains(t, b.last.page, asks)
	require.Contains(t, log.String(), "secret details")
}

func TestLoginHint(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for hint, want := range map[string]string{"andy": "andy", "": "",
		`"><script>`: "&#34;&gt;&lt;script&gt;", "an\u202edy\n": "andy",
		strings.Repeat("a", 100): strings.Repeat("a", 79) + "…"} {
		b.open(asks(b.base, "login_hint", hint))
		field := regexp.MustCompile(`name="username" value="([^"]*)"[^>]*>`).FindStringSubmatch(b.last.page)
		require.Equal(t, want, field[1])
		require.Equal(t, hint == "", strings.Contains(field[0], "autofocus"))
	}
	b.open(asks(b.base, "login_hint", "beth"))
	b.submit("/signin", "username", "andy", "password", "wrong")
	require.Contains(t, b.last.page, `name="username" value="andy"`, "what was typed")
}

// The client has the user's language from them, so it goes before the browser's.
func TestUILocales(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for _, c := range []struct{ locales, accept, want string }{
		{"zh-CN", "en", "zh-Hans"}, {"en", "zh", "en"}, {"zh", "", "zh-Hans"},
		{"de zh en", "en", "zh-Hans"}, {"en-GB zh", "zh", "en"},
		{"de fr", "zh", "zh-Hans"}, {"de", "en", "en"}, {"", "zh", "zh-Hans"},
		{"??? zh_CN", "en", "zh-Hans"}, {"zh-TW", "en", "zh-Hans"},
		{strings.Repeat("zh ", 200), "en", "en"}, {"nonsense", "", "en"},
	} {
		get := func(address string) string {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			require.NoError(t, err)
			r.Header.Set("Accept-Language", c.accept)
			return b.saw(b.Do(r)).Header.Get("Content-Language")
		}
		require.Equal(t, c.want, get(asks(b.base, "ui_locales", c.locales)), "%.20s", c.locales)
		require.Equal(t, "/signin", b.last.Request.URL.Path)
		require.Equal(t, c.want, get(b.base+"/authorize?client_id=nobody&ui_locales="+
			url.QueryEscape(c.locales)), "the page of an error")
	}
	b.open(asks(b.base, "ui_locales", "zh-CN", "prompt", "login"))
	for range 2 {
		b.submit("/signin", "username", "andy", "password", "wrong")
		require.Contains(t, b.last.page, `<html lang="zh-Hans">`)
	}
	b.signIn()
	require.Contains(t, b.last.page, `<html lang="zh-Hans">`)
	b.submit("/authorize", "verdict", "allow", "ticket", "x")
	require.Contains(t, b.last.page, `<html lang="zh-Hans">`)
	b.submit("/signout")
	require.Contains(t, b.last.page, `<html lang="zh-Hans">`)
	require.Equal(t, "/signin", b.last.Request.URL.Path)
}
