package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const hostile = `"><script>alert(1)</script>`

func requestOf(client string) url.Values {
	return url.Values{"response_type": {"code"}, "client_id": {client}, "state": {hostile},
		"scope": {"read <script>alert(2)</script>"}}
}

// A page runs a script that is in the name of a client or in what was typed, or
// shows a secret (CVE-2018-1000088, CVE-2020-10187).
func TestAttack_HostileClientNames(t *testing.T) {
	base := site(t, withClient(t, &oauth2server.Client{ID: hostile, Data: profile{Name: hostile + "name"},
		Grants:       []string{"authorization_code", "password"},
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
	res, err := http.PostForm(base+"/user/token", url.Values{"grant_type": {"authorization_code"},
		"code":      granted["code"],
		"client_id": {hostile}, "client_secret": {otherSecret}})
	require.Contains(t, body(t, res, err), "access_token")
	apps := see(b.open("/apps"))
	require.Contains(t, apps.page, "&lt;script&gt;alert(1)&lt;/script&gt;name")
	for _, path := range []string{"/signin?" + url.Values{"next": {hostile}}.Encode(),
		"/authorize?client_id=" + url.QueryEscape(hostile+"x"),
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
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+path,
			strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		return b.saw(b.Do(r))
	}
	credentials := values("next", "/apps", "username", "andy", "password", "123456")
	refused := func(path string, form url.Values) {
		t.Helper()
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
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

// The owner clicks on a page that he does not see (RFC 9700, section 4.16), or
// it loads something from elsewhere.
func TestAttack_Clickjacking(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	pages := map[string]answer{}
	for _, path := range []string{"/", "/signin", "/signout", "/client/", "/client/callback?code=x&state=x",
		"/spa/", "/authorize?client_id=nobody"} {
		pages[path] = b.open(path)
	}
	b.post("/client/connect")
	pages["wrong password"] = b.submit("/signin", "username", "andy", "password", "wrong")
	pages["consent"] = b.signIn()
	pages["consent again"] = b.post("/authorize", "verdict", "allow", "response_type", "code", "client_id",
		clientID, "state", "1")
	pages["connected"] = b.open("/apps")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+"/signout", nil)
	require.NoError(t, err)
	r.Header.Set("Origin", "https://evil.example")
	pages["refused"] = b.saw(b.Do(r))
	elsewhere := regexp.MustCompile(`(?:src|href)="(?:[a-z]+:)?//`)
	for name, a := range pages {
		policy := a.Header.Get("Content-Security-Policy")
		want, referrer := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'", "same-origin"
		if name == "/spa/" {
			want, referrer = want+"; script-src 'self'; connect-src 'self'", "no-referrer"
		}
		require.Equal(t, want, policy, name)
		require.Equal(t, referrer, a.Header.Get("Referrer-Policy"), name)
		require.Equal(t, "DENY", a.Header.Get("X-Frame-Options"), name)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"), name)
		require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"), name)
		require.NotRegexp(t, elsewhere, a.page, name)
	}
}

// A consent page that was shown for one request, or in one browser, approves
// another (CVE-2014-8144, CVE-2026-27124).
func TestAttack_ConsentOfAnotherRequest(t *testing.T) {
	base := site(t, withClient(t, &oauth2server.Client{ID: "evil", Grants: []string{"authorization_code"},
		RedirectURIs: []string{"https://evil.example/cb"}}))
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
		"URI":       {"redirect_uri", base + callbackPath}, "another ticket": {"ticket", "x"},
		"no ticket":     {"ticket", ""},
		"what is shown": {"shown", "write"},
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
	request := []string{"response_type", "code", "client_id", clientID, "state", "1", "scope", "read"}
	for name, send := range map[string]func(){
		"both in the URL": func() { victim.open(usual + "&verdict=allow&ticket=" + ticket) },
		"the verdict in the URL": func() {
			victim.post("/authorize?verdict=allow",
				append(request, "ticket", ticket)...)
		},
		"the ticket in the URL": func() {
			victim.post("/authorize?ticket="+ticket,
				append(request, "verdict", "allow")...)
		},
	} {
		send()
		require.Equal(t, http.StatusOK, victim.last.StatusCode, name)
		victim.says("scope.read")
	}
	victim.open(usual)
	require.Equal(t, "access_denied", victim.submit("/authorize", "verdict", "perhaps").parameters().Get("error"))
	anonymous := newBrowser(t, base)
	anonymous.submitOf(theirs, "/authorize", "verdict", "allow")
	require.Equal(t, "/signin", anonymous.last.Request.URL.Path)
	attacker.CheckRedirect = victim.CheckRedirect
	require.NotEmpty(t, attacker.submitOf(theirs, "/authorize", "verdict",
		"allow").parameters().Get("code"), "unharmed")
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
	require.Contains(t, b.last.page, "signed in as <bdi>2</bdi>")
}

// The client's answer is another browser's (RFC 6749, section 10.12), or
// another server's (RFC 9700, section 4.4).
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
	for _, iss := range []string{"iss=https%3A%2F%2Fevil.example&x=", "x="} {
		victim.open(strings.Replace(victims, "iss=", iss, 1))
		victim.says("client.mixup")
	}
	victim.open(victims)
	victim.says("client.connected") // nothing of that disturbed it
	victim.open(victims)
	victim.says("client.unasked", "client.connected")
}

// Who signs in is sent to a page of somebody else's (RFC 9700, section 4.11.2).
func TestAttack_OpenRedirectorAfterSignIn(t *testing.T) {
	for next, want := range map[string]string{
		"/apps": "/apps", "/authorize?client_id=a&state=%2F": "/authorize?client_id=a&state=%2F",
		"": "/", "/": "/", "/signin": "/", "/client/": "/", "apps": "/", "//evil.example/apps": "/",
		"///apps": "/", `/\evil.example/apps`: "/",
		"https://evil.example/apps": "/", "javascript:alert(1)": "/", "https:/apps": "/",
		"//evil.example": "/", "/apps#x": "/apps",
		"/authorize/../\\evil.example": "/", "/%61pps": "/apps", "/apps\r\nX: y": "/", "http:///apps": "/",
		"?client_id=a": "/", "//@/apps": "/apps",
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
	base := site(t, func(m *memorymodel.Model) storage {
		require.NoError(t, m.AddUser(&oauth2server.User{ID: "2"}, "mallory", "abcdef"))
		return m
	})
	attacker, victim := newBrowser(t, base), newBrowser(t, base)
	attacker.post("/signin", "username", "mallory", "password", "abcdef")
	attacker.post("/client/connect")
	site, err := url.Parse(base)
	require.NoError(t, err)
	planted := attacker.Jar.Cookies(site)
	require.Len(t, planted, 2, "of the server and of the client")
	victim.Jar.SetCookies(site, planted)
	victim.post("/signin", "next", "/apps", "username", "andy", "password", "123456")
	require.Contains(t, victim.last.page, "Sign out <bdi>Andy</bdi>")
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
	res, err := http.PostForm(b.base+"/user/token", values("grant_type", "password", "username", "andy",
		"password", "123456",
		"client_id", clientID, "client_secret", clientSecret))
	body(t, res, err)
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
}

// Whoever knows the password is no attacker, and neither is the storage.
func TestWhatIsNoGuess(t *testing.T) {
	model := &broken{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model }))
	for range 11 {
		b.open("/signin?next=/apps")
		require.Equal(t, "/apps", b.signIn().Request.URL.Path)
		b.post("/signout")
	}
	form := b.open("/signin?next=/apps")
	model.methods = "GetUser"
	for range 11 {
		require.Equal(t, http.StatusServiceUnavailable, b.submitOf(form, "/signin", "username", "andy",
			"password", "123456").StatusCode)
	}
	model.methods = ""
	require.Equal(t, "/apps", b.submitOf(form, "/signin", "username", "andy", "password", "123456").Request.URL.Path)
	b.post("/signout")
	for _, query := range []string{"username=andy&password=123456", "password=123456", "username=andy"} { // where logs keep it
		b.post("/signin?next=/apps&"+query, map[bool]string{true: "password",
			false: "username"}[strings.Contains(query, "user")],
			map[bool]string{true: "123456", false: "andy"}[strings.Contains(query, "user")])
		if query != "username=andy&password=123456" {
			b.says("signin.wrong")
		}
		require.Equal(t, "/signin", b.open("/apps").Request.URL.Path)
	}
}

// Many people come through one proxy, and a stranger poses as many.
func TestAttack_ForwardedAddresses(t *testing.T) {
	try := func(a http.Handler, header, from, password string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/signin",
			strings.NewReader(values("username", "andy", "password", password).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header, from)
		r.RemoteAddr = "10.0.0.1:1"
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Code
	}
	ours := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, row := range map[string]struct {
		proxies []netip.Prefix
		header  string
		guesser string // with the number of the guess
		owner   string
		status  int
	}{
		"no proxy": {nil, "X-Forwarded-For", "198.51.100.%d", "192.0.2.1", http.StatusTooManyRequests},
		"our proxy": {ours, "X-Forwarded-For", "198.51.100.%d, 203.0.113.9", "192.0.2.1",
			http.StatusSeeOther},
		"our proxy, port": {ours, "X-Forwarded-For", "203.0.113.9:%d", "192.0.2.1:1", http.StatusSeeOther},
		"our proxy, IPv6": {ours, "X-Forwarded-For", "[2001:db8::%d]:1", "[2001:db8:1::1]:1",
			http.StatusSeeOther},
		"our proxy, standard": {ours, "Forwarded", `for="[2001:db8::%d]:1"`, "for=192.0.2.1;proto=https",
			http.StatusSeeOther},
		"our proxy, no address": {ours, "X-Forwarded-For", "198.51.100.%d, unknown", "192.0.2.1", http.StatusSeeOther},
	} {
		model, err := openMemory("http://127.0.0.1:8080")
		require.NoError(t, err)
		a, err := newApp("http://127.0.0.1:8080", row.proxies, model, files, nil)
		require.NoError(t, err)
		for i := range 10 {
			require.Equal(t, http.StatusOK, try(a, row.header, fmt.Sprintf(row.guesser, i), "wrong"), name)
		}
		require.Equal(t, http.StatusTooManyRequests, try(a, row.header, fmt.Sprintf(row.guesser, 10), "123456"), name)
		require.Equal(t, row.status, try(a, row.header, row.owner, "123456"), name)
	}
}

// A request that takes its time saves the session that somebody signed out of meanwhile.
func TestAttack_SessionThatComesBack(t *testing.T) {
	base := site(t, nil)
	a := applications[base]
	b := newBrowser(t, base)
	for name, leave := range map[string]func(){
		"sign-out":     func() { b.post("/signout") },
		"another user": func() { b.post("/signin", "username", "andy", "password", "123456") },
	} {
		b.open("/signin?next=/apps")
		b.signIn()
		address, err := url.Parse(base)
		require.NoError(t, err)
		old := b.Jar.Cookies(address)
		slow, err := a.sessions.Load(context.Background(), old[0].Value)
		require.NoError(t, err)
		leave()
		a.sessions.Put(slow, "x", "y")
		_, _, err = a.sessions.Commit(slow)
		require.NoError(t, err)
		thief := newBrowser(t, base)
		thief.Jar.SetCookies(address, old)
		require.Equal(t, "/signin", thief.open("/apps").Request.URL.Path, name)
		b.post("/signout")
	}
}

// An approval that nobody was asked for is on its way when its application is disconnected.
func TestAttack_RememberedApprovalInFlight(t *testing.T) {
	model := &meddling{}
	base := site(t, func(m *memorymodel.Model) storage { model.Model = m; return model })
	b := newBrowser(t, base)
	b.connect()
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	model.meanwhile = func() { require.NoError(t, model.RevokeUserClient(t.Context(), "1", clientID)) }
	code := b.open("/authorize?response_type=code&client_id=" + clientID +
		"&state=1&scope=read").parameters().Get("code")
	require.NotEmpty(t, code)
	res, err := http.PostForm(base+"/user/token", values("grant_type", "authorization_code", "code", code,
		"client_id", clientID, "client_secret", clientSecret))
	require.Contains(t, body(t, res, err), "invalid_grant")
	b.open("/apps")
	b.says("connected.none")
}

// meddling is a model to which something happens before a code is saved.
type meddling struct {
	*memorymodel.Model
	meanwhile func()
}

func (m *meddling) SaveAuthorizationCode(ctx context.Context, code *oauth2server.AuthorizationCode,
	c *oauth2server.Client, u *oauth2server.User) (*oauth2server.AuthorizationCode, error) {
	if m.meanwhile != nil {
		m.meanwhile()
	}
	return m.Model.SaveAuthorizationCode(ctx, code, c, u)
}

// The browser hangs up while its application is disconnected.
func TestAttack_HangingUpWhileDisconnecting(t *testing.T) {
	model := &hangingUp{}
	base := site(t, func(m *memorymodel.Model) storage { model.Model = m; return model })
	b := newBrowser(t, base)
	b.connect()
	ctx, hangUp := context.WithCancel(t.Context())
	model.hangUp = hangUp
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, base+"/apps",
		strings.NewReader(values("client_id", clientID).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, cookie := range b.Jar.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	applications[base].ServeHTTP(httptest.NewRecorder(), r)
	require.Error(t, ctx.Err())
	b.open("/apps")
	b.says("connected.none")
}

// hangingUp is a model whose browser is gone when it begins to revoke.
type hangingUp struct {
	*memorymodel.Model
	hangUp func()
}

func (m *hangingUp) RevokeUserClient(ctx context.Context, user, client string) error {
	m.hangUp()
	return m.Model.RevokeUserClient(ctx, user, client)
}

// Somebody fills the memory without signing in: nothing of it is kept.
func TestAttack_SessionsOfNobody(t *testing.T) {
	base := site(t, nil)
	a := applications[base]
	long := strings.Repeat("a", 25<<10)
	for range 3 {
		b := newBrowser(t, base)
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, path := range []string{"/", "/apps", "/signin", "/signin?next=/apps", "/signout", "/client/",
			"/client/callback", "/client/callback?state=x&code=y", "/logout", "/client/signed-out?state=x",
			"/authorize?client_id=" + clientID, asks("", "prompt", "login"), asks("", "pad", long),
			asks("", "prompt", "select_account")} {
			b.open(path)
			for _, cookie := range b.last.Header.Values("Set-Cookie") {
				require.Contains(t, cookie, "=;", path)
			}
		}
		for path, form := range map[string][]string{
			"/signin":            {"username", "andy", "password", "wrong", "next", "/authorize?pad=" + long},
			"/signout":           {"next", "/apps"},
			"/apps":              {"client_id", clientID},
			"/authorize":         append(pairsOf(t, asks(base)), "verdict", "allow", "ticket", "x", "pad", long),
			"/client/connect":    {"pad", long},
			"/client/signin":     {"pad", long},
			"/client/signout":    {"pad", long},
			"/logout":            {"state", long},
			"/client/api":        nil,
			"/client/refresh":    nil,
			"/client/disconnect": nil,
		} {
			b.post(path, form...)
		}
		asked := b.post("/client/connect").parameters()
		b.open("/client/callback?" + url.Values{"state": asked["state"], "iss": {base}, "error": {"x"},
			"pad": {long}}.Encode())
		b.says("client.failed", "step.refusal")
		asked = b.post("/client/connect").parameters()
		b.open("/client/callback?" + url.Values{"state": asked["state"], "iss": {base}, "code": {"guessed"},
			"pad": {long}}.Encode())
		b.says("client.failed", "step.token")
		require.Contains(t, b.last.page, "invalid_grant")
	}
	require.Empty(t, kept(t, a.sessions.Store, a.signIns.Store, a.client.sessions.Store))
}

// Somebody with an account signs in again and again, and has long requests shown.
func TestAttack_SessionsWithoutEnd(t *testing.T) {
	base := site(t, nil)
	a := applications[base]
	most := 0
	for range maxSignIns + 4 {
		b := newBrowser(t, base)
		b.open(asks(base))
		b.signIn()
		for range maxTickets + 2 {
			b.post("/authorize", append(pairsOf(t, asks(base)), "pad", strings.Repeat("a", maxAddress-300))...)
			require.Equal(t, "consent", b.shows())
			b.post("/authorize", append(pairsOf(t, asks(base)), "state", strings.Repeat("s", 60<<10))...)
		}
		for _, session := range kept(t, a.sessions.Store) {
			most = max(most, len(session))
		}
	}
	require.Less(t, most, 1<<10, "of one session")
	require.Len(t, kept(t, a.sessions.Store), maxSignIns)
	require.Len(t, kept(t, a.signIns.Store), maxSignIns+1, "and the list of them")
}

// Somebody connects again and again, and looks at long answers.
func TestAttack_ConnectionsWithoutEnd(t *testing.T) {
	base := site(t, nil)
	a := applications[base]
	a.client.sessions.Store.(*boundedStore).most = 3
	var browsers []*browser
	for range 5 {
		b := newBrowser(t, base)
		b.connect()
		browsers = append(browsers, b)
	}
	require.Len(t, kept(t, a.client.sessions.Store), 3)
	for i, b := range browsers {
		require.Equal(t, i >= 2, strings.Contains(b.open("/client/").page, `action="/client/api"`),
			"the last ones are there")
	}
	b := browsers[4]
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for range 30 {
		asked := b.post("/client/connect").parameters()
		b.open("/client/callback?" + url.Values{"state": asked["state"], "iss": {base},
			"error": {"x"}}.Encode() + strings.Repeat("&", 5<<10))
	}
	for _, session := range kept(t, a.client.sessions.Store) {
		require.Less(t, len(session), 2*maxHistory+4<<10)
	}
}

// kept is what stores keep.
func kept(t *testing.T, stores ...scs.Store) map[string][]byte {
	all := map[string][]byte{}
	for _, store := range stores {
		sessions, err := store.(scs.IterableStore).All()
		require.NoError(t, err)
		maps.Copy(all, sessions)
	}
	return all
}

// Another name, of somebody else's, leads to this machine.
func TestAttack_Rebinding(t *testing.T) {
	for base, get := range map[string]int{"http://127.0.0.1:8080": http.StatusFound,
		"https://auth.example": http.StatusMisdirectedRequest} {
		model, err := openMemory(base)
		require.NoError(t, err)
		a, err := newApp(base, nil, model, files, nil)
		require.NoError(t, err)
		for _, path := range []string{"/", "/signin", "/authorize", "/logout", "/client/connect", "/spa/"} {
			for method, want := range map[string]int{http.MethodGet: get,
				http.MethodPost: http.StatusMisdirectedRequest} {
				if path == "/spa/" && method == http.MethodPost {
					continue
				}
				r := httptest.NewRequestWithContext(t.Context(), method, "http://evil.example"+path,
					strings.NewReader("username=andy&password=123456"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Origin", "http://evil.example")
				w := httptest.NewRecorder()
				a.ServeHTTP(w, r)
				require.Equal(t, want, w.Code, "%s %s", method, path)
				require.Empty(t, w.Header().Values("Set-Cookie"))
				if want == http.StatusFound {
					require.Equal(t, base+path, w.Header().Get("Location"))
				}
			}
		}
	}
}

// A link, or a picture of another site, makes the client do something.
func TestAttack_StateChangedByGET(t *testing.T) {
	b := newBrowser(t, site(t, nil))
	b.connect()
	for _, path := range []string{"/client/connect", "/client/signin", "/client/signout", "/client/refresh",
		"/client/disconnect", "/client/api"} {
		require.NotEqual(t, http.StatusOK, b.open(path).StatusCode, path)
	}
	b.open("/signout")
	b.open("/apps?client_id=" + clientID)
	require.Contains(t, b.last.page, ">Demo Web App<")
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
	require.Equal(t, http.StatusBadRequest, b.last.StatusCode)
}
