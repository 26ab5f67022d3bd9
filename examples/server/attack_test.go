package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const hostile = `"><script>alert(1)</script>`

func requestOf(client string) url.Values {
	return url.Values{"response_type": {"code"}, "client_id": {client}, "state": {hostile}, "scope": {"read <script>alert(2)</script>"}}
}

// A page runs a script that is in the name of a client or in what was typed, or shows a secret (CVE-2018-1000088,
// CVE-2020-10187).
func TestAttack_HostileClientNames(t *testing.T) {
	base := site(t, withClient(t, &oauth2server.Client{ID: hostile, Data: profile{hostile + "name"}, Grants: []string{"authorization_code", "password"},
		RedirectURIs: []string{"https://client.example/'onclick=alert(1)//"}}))
	b := newBrowser(t, base)
	var pages []string
	see := func(a answer) answer { pages = append(pages, a.page); return a }
	request := base + "/authorize?" + requestOf(hostile).Encode()
	see(b.open(request))
	see(b.submit("/signin", "username", hostile, "password", hostile))
	consent := see(b.signIn())
	require.Contains(t, consent.page, "&lt;script&gt;alert(1)&lt;/script&gt;name", "the page has the name, as text")
	require.Contains(t, consent.page, "&lt;script&gt;alert(2)")
	granted := b.submit("/authorize", "verdict", "allow").parameters()
	require.Equal(t, hostile, granted.Get("state"), "and it comes back as it went")
	res, err := http.PostForm(base+"/user/token", url.Values{"grant_type": {"authorization_code"}, "code": granted["code"],
		"client_id": {hostile}, "client_secret": {otherSecret}})
	require.Contains(t, body(t, res, err), "access_token")
	apps := see(b.open("/apps"))
	require.Contains(t, apps.page, "&lt;script&gt;alert(1)&lt;/script&gt;name")
	for _, path := range []string{"/signin?" + url.Values{"next": {hostile}}.Encode(), "/authorize?client_id=" + url.QueryEscape(hostile+"x"),
		"/client/callback?" + url.Values{"error": {hostile}, "error_description": {hostile}}.Encode(),
		"/client/callback?" + url.Values{"code": {hostile}, "state": {hostile}}.Encode()} {
		see(b.open(path))
	}
	see(b.connect()) // the whole story, with its answer at the client
	for _, page := range pages {
		require.NotContains(t, page, "<script")
		for _, secret := range []string{clientSecret, otherSecret, "123456\"&"} {
			require.NotContains(t, page, secret)
		}
	}
}

// The owner's browser is made to send the form of somebody else (CVE-2014-8144).
func TestAttack_CrossOriginPost(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	send := func(path string, form url.Values, name, value string) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		return b.saw(b.Do(r))
	}
	credentials := values("next", "/apps", "username", "andy", "password", "123456")
	refused := func(path string, form url.Values) {
		t.Helper()
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			require.Equal(t, http.StatusForbidden, send(path, form, header[0], header[1]).StatusCode)
			b.says("problem.origin")
		}
	}
	refused("/signin", credentials)
	require.Equal(t, "/signin", b.open("/apps").Request.URL.Path)
	require.Equal(t, "/apps", send("/signin", credentials, "Origin", b.base).Request.URL.Path)

	refused("/client/connect", nil)
	b.post("/client/connect")
	consent := values("verdict", "allow")
	for _, hidden := range hiddenField.FindAllStringSubmatch(b.last.page, -1) {
		consent.Set(hidden[1], hidden[2])
	}
	refused("/authorize", consent)
	require.Equal(t, "/client/", send("/authorize", consent, "Origin", b.base).Request.URL.Path)
	b.says("client.connected")
	for _, path := range []string{"/client/refresh", "/client/disconnect", "/client/api"} {
		refused(path, nil)
	}
	refused("/apps", values("client_id", clientID))
	refused("/signout", nil)
	require.Contains(t, b.open("/apps").page, "Demo Web App", "signed in and connected still")
}

// The owner clicks on a page that he does not see (RFC 9700, section 4.16), or it loads something from elsewhere.
func TestAttack_Clickjacking(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	pages := map[string]answer{}
	for _, path := range []string{"/", "/signin", "/signout", "/client/", "/client/callback?code=x&state=x", "/spa/", "/authorize?client_id=nobody"} {
		pages[path] = b.open(path)
	}
	b.post("/client/connect")
	pages["wrong password"] = b.submit("/signin", "username", "andy", "password", "wrong")
	pages["consent"] = b.signIn()
	pages["consent again"] = b.post("/authorize", "verdict", "allow", "response_type", "code", "client_id", clientID, "state", "1")
	pages["connected"] = b.open("/apps")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+"/signout", nil)
	require.NoError(t, err)
	r.Header.Set("Origin", "https://evil.example")
	pages["refused"] = b.saw(b.Do(r))
	elsewhere := regexp.MustCompile(`(?:src|href)="(?:[a-z]+:)?//`)
	for name, a := range pages {
		policy := a.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", name)
		require.Contains(t, policy, "frame-ancestors 'none'", name)
		require.Equal(t, name == "/spa/", strings.Contains(policy, "script-src"), name)
		require.NotContains(t, policy, "unsafe", name)
		require.Equal(t, "DENY", a.Header.Get("X-Frame-Options"), name)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"), name)
		require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"), name)
		require.NotRegexp(t, elsewhere, a.page, name)
	}
}

// A consent page that was shown for one request, or in one browser, approves another (CVE-2014-8144, CVE-2026-27124).
func TestAttack_ConsentOfAnotherRequest(t *testing.T) {
	base := site(t, withClient(t, &oauth2server.Client{ID: "evil", Grants: []string{"authorization_code"}, RedirectURIs: []string{"https://evil.example/cb"}}))
	usual := base + "/authorize?response_type=code&client_id=" + clientID + "&state=1&scope=read"
	victim, attacker := newBrowser(t, base), newBrowser(t, base)
	for _, b := range []*browser{victim, attacker} {
		b.open(usual)
		b.signIn()
		b.says("scope.read")
	}
	theirs := attacker.last
	refused := func(name string, shown answer, pairs ...string) {
		t.Helper()
		victim.submitOf(shown, "/authorize", append(pairs, "verdict", "allow")...)
		require.Equal(t, http.StatusOK, victim.last.StatusCode, name)
		require.Equal(t, "/authorize", victim.last.Request.URL.Path, name)
		victim.says("consent.again")
	}
	for name, changed := range map[string][]string{
		"client": {"client_id", "evil"}, "scope": {"scope", "read write"}, "state": {"state", "2"},
		"challenge": {"code_challenge", strings.Repeat("c", 43), "code_challenge_method", "S256"},
		"URI":       {"redirect_uri", base + callbackPath}, "another ticket": {"ticket", "x"}, "no ticket": {"ticket", ""},
	} {
		refused(name, victim.open(usual), changed...)
	}
	sent := victim.open(usual)
	victim.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	require.NotEmpty(t, victim.submitOf(sent, "/authorize", "verdict", "allow").parameters().Get("code"))
	refused("sent twice", sent)
	victim.open(usual)
	refused("another browser's", theirs)
	victim.open(usual)
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(victim.last.page)[1]
	victim.open(usual + "&verdict=allow&ticket=" + ticket)
	require.Equal(t, http.StatusOK, victim.last.StatusCode, "in the URL")
	victim.says("scope.read")
	anonymous := newBrowser(t, base)
	anonymous.submitOf(theirs, "/authorize", "verdict", "allow")
	require.Equal(t, "/signin", anonymous.last.Request.URL.Path)
	attacker.CheckRedirect = victim.CheckRedirect
	require.NotEmpty(t, attacker.submitOf(theirs, "/authorize", "verdict", "allow").parameters().Get("code"), "unharmed")
}

// What the next user of a browser approves is what he has read, not what the last one was shown.
func TestAttack_TicketOfTheLastUser(t *testing.T) {
	base := site(t, func(m *memorymodel.Model) storage {
		require.NoError(t, m.AddUser(&oauth2server.User{ID: "2"}, "beth", "abcdef"))
		return m
	})
	b := newBrowser(t, base)
	b.open(base + "/authorize?response_type=code&client_id=" + clientID + "&state=1&scope=read")
	consent := b.signIn()
	b.post("/signin", "next", "/apps", "username", "beth", "password", "abcdef")
	b.submitOf(consent, "/authorize", "verdict", "allow")
	b.says("consent.again")
	require.Contains(t, b.last.page, "signed in as 2")
}

// The client's answer is another browser's (RFC 6749, section 10.12), or another server's (RFC 9700, section 4.4).
func TestAttack_InjectedAnswer(t *testing.T) {
	base := site(t, nil)
	answerOf := func(b *browser) string {
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		b.post("/client/connect")
		address, err := b.last.Location()
		require.NoError(t, err)
		b.CheckRedirect = newBrowser(t, base).CheckRedirect
		b.allow(address.String())
		location, err := b.last.Location()
		require.NoError(t, err)
		return location.String()
	}
	attackers := answerOf(newBrowser(t, base))
	victim := newBrowser(t, base)
	victim.open(attackers)
	victim.says("client.unasked")
	require.NotContains(t, victim.last.page, `action="/client/api"`)

	victims := answerOf(victim)
	victim.open(attackers)
	victim.says("client.unasked")
	victim.open(strings.Replace(victims, "iss=", "iss=https%3A%2F%2Fevil.example&x=", 1))
	victim.says("client.mixup")
	victim.open(victims)
	victim.says("client.connected") // nothing of that disturbed it
	victim.open(victims)
	victim.says("client.unasked", "client.connected")
}

// Who signs in is sent to a page of somebody else's (RFC 9700, section 4.11.2).
func TestAttack_OpenRedirectorAfterSignIn(t *testing.T) {
	for next, want := range map[string]string{
		"/apps": "/apps", "/authorize?client_id=a&state=%2F": "/authorize?client_id=a&state=%2F",
		"": "/", "/": "/", "/signin": "/", "/client/": "/", "apps": "/", "//evil.example/apps": "/", "///apps": "/", `/\evil.example/apps`: "/",
		"https://evil.example/apps": "/", "javascript:alert(1)": "/", "https:/apps": "/", "//evil.example": "/", "/apps#x": "/apps",
		"/authorize/../\\evil.example": "/", "/%61pps": "/apps", "/apps\r\nX: y": "/", "http:///apps": "/", "?client_id=a": "/", "//@/apps": "/apps",
	} {
		require.Equal(t, want, ownPath(next), next)
	}
	b := newBrowser(t, site(t, nil))
	b.open("/signin?next=https%3A%2F%2Fevil.example%2Fapps")
	require.Equal(t, "/", b.signIn().Request.URL.Path)
	b.open("/signin?next=%2F%2Fevil.example%2Fapps")
	require.Equal(t, "/", b.last.Request.URL.Path, "also who is signed in")
}

// Somebody prepares a session, and the owner signs in on it.
func TestAttack_SessionFixation(t *testing.T) {
	base := site(t, nil)
	attacker, victim := newBrowser(t, base), newBrowser(t, base)
	attacker.open(base + "/authorize?response_type=code&client_id=" + clientID + "&state=1&scope=read")
	attacker.post("/client/connect")
	site, err := url.Parse(base)
	require.NoError(t, err)
	planted := attacker.Jar.Cookies(site)
	require.NotEmpty(t, planted)
	victim.Jar.SetCookies(site, planted)
	victim.open("/signin?next=/apps")
	victim.signIn()
	require.Equal(t, "/apps", victim.last.Request.URL.Path)
	require.Equal(t, "/signin", attacker.open("/apps").Request.URL.Path)

	victim.open(attacker.open("/").Request.URL.String())
	victim.connect()
	attacker.open("/client/")
	require.NotContains(t, attacker.last.page, `action="/client/api"`, "the client's session is another one too")
}

// Passwords are guessed at the page, or at the token endpoint instead.
func TestAttack_GuessingPasswords(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.open("/signin?next=/apps")
	form := b.last
	for range 10 {
		b.submitOf(form, "/signin", "username", "andy", "password", "wrong")
		b.says("signin.wrong")
	}
	b.submitOf(form, "/signin", "username", "andy", "password", "123456")
	require.Equal(t, http.StatusTooManyRequests, b.last.StatusCode)
	require.NotEmpty(t, b.last.Header.Get("Retry-After"))
	b.says("signin.wait")
	require.Equal(t, "/signin", b.open("/apps").Request.URL.Path)
	res, err := http.PostForm(b.base+"/user/token", values("grant_type", "password", "username", "andy", "password", "123456",
		"client_id", clientID, "client_secret", clientSecret))
	body(t, res, err)
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
}

// Forms that are broken or have no end.
func TestAttack_HugeForms(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	for _, path := range []string{"/signin", "/client/connect", "/signout"} {
		b.post(path, "username", strings.Repeat("a", maxForm))
		require.Equal(t, http.StatusBadRequest, b.last.StatusCode, path)
		b.says("problem.form")
		res, err := b.Post(b.base+path, "application/x-www-form-urlencoded", strings.NewReader("username=%zz"))
		require.Equal(t, http.StatusBadRequest, b.saw(res, err).StatusCode, path)
	}
	b.post("/authorize", "client_id", strings.Repeat("a", maxForm))
	require.Equal(t, http.StatusRequestEntityTooLarge, b.last.StatusCode)
}
