//go:build browser

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/examples/internal/chromium"
)

// These tests need Chromium, and npm, which installs what testdata/npm pins:
// axe-core and Bootstrap.

var theBrowser *chromium.Browser

func TestMain(m *testing.M) {
	browser, stop, err := chromium.Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	theBrowser = browser
	status := m.Run()
	stop()
	os.Exit(status)
}

// person is somebody at a browser.
type person struct {
	*testing.T
	*chromium.Tab
	base    string
	forget  func()   // ends all sessions
	allowed []string // faults that this test is about
}

// sit opens the application, as it has those files, in a tab.
func sit(t *testing.T, look chromium.Look, files fs.FS) *person {
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	model, err := openMemory(base)
	require.NoError(t, err)
	a, err := newApp(base, nil, model, files, nil)
	require.NoError(t, err)
	server.Config.Handler = a
	server.Start()
	tab, shut, err := theBrowser.Open(base, look)
	require.NoError(t, err)
	p := &person{T: t, Tab: tab, base: base}
	p.forget = func() { destroyAll(t, a.sessions) }
	t.Cleanup(func() {
		shut()
		server.Close()
		for _, fault := range tab.Faults() {
			require.Contains(t, p.allowed, fault)
		}
	})
	return p
}

func destroyAll(t *testing.T, sessions *scs.SessionManager) {
	store := sessions.Store.(*memstore.MemStore)
	all, err := store.All()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for token := range all {
		require.NoError(t, store.Delete(token))
	}
}

func (p *person) do(err error) {
	p.Helper()
	require.NoError(p, err)
}

func (p *person) open(path string)             { p.Helper(); p.do(p.Visit(p.base + path)) }
func (p *person) typeIn(selector, text string) { p.Helper(); p.do(p.Type(selector, text)) }
func (p *person) follow(selector string)       { p.Helper(); p.do(p.Follow(selector)) }
func (p *person) click(selector string)        { p.Helper(); p.do(p.Click(selector)) }
func (p *person) until(expression string)      { p.Helper(); p.do(p.Until(expression)) }
func (p *person) path() string                 { p.Helper(); return eval[string](p, "location.pathname") }
func (p *person) text() string                 { p.Helper(); return eval[string](p, "document.body.innerText") }
func (p *person) steps(n int) {
	p.Helper()
	p.until(fmt.Sprintf("document.querySelectorAll('li h2').length >= %d", n))
}
func eval[T any](p *person, expression string) T {
	p.Helper()
	value, err := chromium.Eval[T](p.Tab, expression)
	require.NoError(p, err)
	return value
}

const (
	connectButton = `form[action="/client/connect"] button`
	allowButton   = `button[value=allow]`
	denyButton    = `button[value=deny]`
	signInButton  = `form[action="/signin"] button`

	clientSignInButton  = `form[action="/client/signin"] button`
	clientSignOutButton = `form[action="/client/signout"] button`
)

// sees requires words of words/en.json.
func (p *person) sees(names ...string) {
	p.Helper()
	known, err := parsePages(files)
	require.NoError(p, err)
	for _, name := range names {
		require.Contains(p, p.text(), known.words[0][name], name)
	}
}

func (p *person) signIn() {
	p.Helper()
	p.typeIn("#username", "andy")
	p.typeIn("#password", "123456")
	p.follow(signInButton)
}

func (p *person) connect() {
	p.Helper()
	p.open("/")
	p.follow(connectButton)
	p.signIn()
	p.follow(allowButton)
	require.Equal(p, "/client/", p.path())
	p.sees("client.connected")
}

func TestBrowserSignsInAndAllows(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.open("/")
	p.follow(connectButton)
	require.Equal(t, "/signin", p.path())

	p.typeIn("#username", "andy")
	p.typeIn("#password", "wrong")
	p.follow(signInButton)
	p.sees("signin.wrong")
	require.Equal(t, "andy", eval[string](p, "document.querySelector('#username').value"), "the name is kept")
	require.Empty(t, eval[string](p, "document.querySelector('#password').value"))
	p.until("document.activeElement.id === 'password'")

	p.typeIn("#password", "123456")
	p.follow(signInButton)
	p.sees("consent.remembered", "scope.read")
	p.follow(denyButton)
	require.Equal(t, "/client/callback", p.path(), "nothing is kept of it")
	p.sees("client.denied", "step.refusal")

	p.follow(connectButton)
	p.follow(allowButton)
	p.sees("client.connected", "step.redirect", "step.answer", "step.token", "step.api")
	require.Empty(t, eval[string](p, "location.search"), "the code is not left in the address")

	p.open("/")
	p.follow(connectButton)
	require.Equal(t, "/client/", p.path(), "consent is remembered")
}

// With the keyboard alone.
func TestBrowserWithoutAMouse(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.open("/signin?next=/apps")
	p.until("document.activeElement.id === 'username'") // one may type at once
	p.do(p.Keys("andy\t"))
	p.do(p.Keys("123456"))
	p.do(p.Enter())
	require.Equal(t, "/apps", p.path())

	p.open("/")
	for eval[string](p, "document.activeElement.innerText") != "Connect" {
		p.do(p.Keys("\t"))
		require.NotEqual(t, "none", eval[string](p,
			"getComputedStyle(document.activeElement).outlineStyle"), "the focus is seen")
	}
	p.do(p.Enter())
	for eval[string](p, "document.activeElement.value ?? ''") != "allow" {
		p.do(p.Keys("\t"))
	}
	p.do(p.Enter())
	p.sees("client.connected")
}

// With OpenID Connect: sign in to the client, as somebody else, again, and out.
func TestBrowserSignsInToTheClient(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.open("/")
	p.follow(clientSignInButton)
	p.signIn()
	p.sees("scope.openid", "scope.profile", "scope.read")
	p.follow(allowButton)
	require.Equal(t, "/client/", p.path())
	p.sees("client.signedin", "step.identity", "step.userinfo")
	require.Contains(t, p.text(), "Signed in as Andy.")

	p.open(asksWho("", "prompt", "select_account"))
	p.sees("select.title")
	require.Contains(t, p.text(), "Continue as Andy")
	p.follow(`main a`)
	require.Equal(t, "/client/", p.path())
	p.sees("client.unasked") // it was this test that asked

	p.open(asksWho("", "max_age", "0"))
	p.sees("signin.again")
	require.Equal(t, "andy", eval[string](p, "document.querySelector('#username').value"))
	p.until("document.activeElement.id === 'password'")
	p.do(p.Keys("123456"))
	p.do(p.Enter())
	require.Equal(t, "/client/", p.path())

	p.open("/logout?client_id=123456")
	p.sees("signout.question", "signout.story")
	require.Contains(t, p.text(), "Demo Web App asks to sign you out")
	p.follow(`main a`)
	require.Equal(t, "/", p.path(), "they stay")
	p.open("/client/")
	p.follow(clientSignOutButton)
	require.Equal(t, "/client/", p.path(), "the server need not ask")
	p.sees("client.signedout", "step.signout", "step.signedout")

	p.follow(clientSignInButton)
	require.Equal(t, "/signin", p.path())
	p.signIn()
	require.Equal(t, "/client/", p.path(), "consent is remembered")
	p.open(asksWho("", "prompt", "select_account"))
	p.follow(`form[action="/signout"] button`)
	require.Equal(t, "/signin", p.path(), "another account")
	p.signIn()
	require.Equal(t, "/client/", p.path())
	p.open("/logout?client_id=123456")
	p.follow(`form[action="/logout"] button`)
	p.sees("signout.done")
}

func TestBrowserDisconnects(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.connect()
	p.open("/apps")
	require.Contains(t, p.text(), "Demo Web App")
	p.follow(`form[action="/apps"] button`)
	p.sees("connected.ended", "connected.none")
	p.open("/client/")
	p.follow(`form[action="/client/api"] button`)
	p.sees("client.unauthorized")
	require.Contains(t, p.text(), "401 Unauthorized")
	p.follow(`form[action="/client/refresh"] button`)
	p.sees("client.ended")
	p.follow(connectButton)
	p.sees("consent.remembered") // and so asked again
	p.follow(allowButton)
	p.follow(`form[action="/client/disconnect"] button`)
	p.sees("client.disconnected", "step.revoke")
	require.Contains(t, p.text(), "401 Unauthorized")
	p.follow(connectButton)
	p.sees("consent.remembered")
}

func TestBrowserGoesBack(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.connect()
	for range 3 { // consent, sign-in, start page, by which ever of them the browser stops
		p.do(p.Back())
		require.NotContains(t, p.text(), "invalid")
	}
	p.open("/client/")
	p.follow(`form[action="/client/api"] button`)
	require.NotContains(t, p.text(), "401 Unauthorized", "the connection lives")
	p.follow(`form[action="/client/refresh"] button`)
	p.sees("client.connected")
}

func TestBrowserSubmitsTwice(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.open("/")
	p.follow(connectButton)
	p.typeIn("#username", "andy")
	p.typeIn("#password", "123456")
	p.do(p.FollowTwice(signInButton))
	p.open("/apps")
	require.Equal(t, "/apps", p.path(), "signed in")

	p.open("/")
	p.follow(connectButton)
	p.do(p.FollowTwice(allowButton))
	if p.open("/client/"); !strings.Contains(p.text(), "Call the API") { // the second form came too late
		p.follow(connectButton)
		p.follow(allowButton)
	}
	p.sees("client.connected")
	p.follow(`form[action="/client/api"] button`)
	require.NotContains(t, p.text(), "401 Unauthorized")
}

func TestBrowserWhoseSessionExpired(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.open("/")
	p.follow(connectButton)
	p.signIn()
	p.sees("scope.read")
	p.forget()
	p.follow(allowButton)
	require.Equal(t, "/signin", p.path(), "nothing is granted")
	p.signIn()
	p.sees("scope.read")
	p.follow(allowButton)
	p.sees("client.connected") // what the client asked is not lost

	p.open("/apps")
	p.forget()
	p.follow(`form[action="/apps"] button`)
	require.Equal(t, "/signin", p.path())
	p.signIn()
	require.Equal(t, "/apps", p.path())
	require.Contains(t, p.text(), "Demo Web App", "it has to be said again")

	p.follow(`a[href="/signout"]`)
	p.follow(`form[action="/signout"] button`)
	p.sees("signout.done")
}

func TestBrowserApp(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.open("/spa/")
	for round := range 2 {
		p.until("!document.querySelector('#connect').hidden")
		p.follow("#connect")
		if round == 0 {
			p.signIn()
		}
		p.sees("consent.public", "consent.asked") // each time
		if round == 0 {
			p.follow(denyButton)
			p.steps(2)
			p.sees("client.denied")
			p.until("!document.querySelector('#connect').hidden")
			p.follow("#connect")
		}
		p.follow(allowButton)
		p.steps(4)
		p.until("!document.querySelector('#refresh').hidden")
		require.Empty(t, eval[string](p, "location.search"), "the code is not left in the address")
		require.Contains(t, p.text(), `"user": {`)
		p.click("#refresh")
		p.steps(5)
		p.until("!document.querySelector('#api').disabled")
		p.click("#api")
		p.steps(6)
		p.until("!document.querySelector('#api').disabled")
		if round == 0 {
			p.click("#disconnect")
			p.steps(7)
			p.until("!document.querySelector('#connect').hidden")
			p.sees("client.disconnected", "step.revoke")
		}
	}
	stored := eval[string](p, "JSON.stringify(sessionStorage) + JSON.stringify(localStorage) + document.cookie")
	require.Equal(t, "{}{}", stored, "nothing is kept where a script could find it later")
	p.allowed = []string{"status 401: " + p.base + "/user/authenticate", "status 400: " + p.base + "/user/token"}

	token := eval[string](p, "[...document.querySelectorAll('pre')].map(e => e.textContent).find(e => e.startsWith('GET /user')).split(' ').pop()")
	res, err := http.PostForm(p.base+"/user/introspect", values("token", token, "client_id", clientID,
		"client_secret", clientSecret))
	require.JSONEq(t, `{"active":false}`, body(t, res, err), "another client's")
	// The owner ends it in the other window.
	other, shut, err := theBrowser.Open(p.base, chromium.Look{})
	require.NoError(t, err)
	defer shut()
	elsewhere := &person{T: t, Tab: other, base: p.base}
	elsewhere.open("/signin?next=/apps")
	elsewhere.signIn()
	elsewhere.follow(`form[action="/apps"] button`)
	require.Empty(t, other.Faults())
	p.click("#api")
	p.steps(7)
	p.until("!document.querySelector('#api').disabled")
	p.sees("client.unauthorized")
	p.click("#refresh")
	p.steps(8)
	p.until("!document.querySelector('#connect').hidden")
	p.sees("client.ended")
}

// An answer that this tab did not ask for, or another server's, is refused by the browser app.
func TestBrowserAppIsGivenAnotherAnswer(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.open("/spa/?code=stolen&state=guessed&iss=" + p.base)
	p.until("!document.querySelector('#connect').hidden")
	p.sees("client.unasked")
	for query, want := range map[string]string{
		"code=other&state=s&iss=https://evil.example": "client.mixup",
		"code=other&state=s":                          "client.mixup", // without iss
		"code=other&state=t&iss=" + p.base:            "client.unasked",
		"code=other&iss=" + p.base:                    "client.unasked",
		"error=other":                                 "client.unasked",
		"error=x&state=s&iss=" + p.base:               "client.failed",
	} {
		eval[bool](p, `sessionStorage.setItem("request", JSON.stringify({state: "s", verifier: "v", url: "u"})) ?? true`)
		p.open("/spa/?" + query)
		p.until("!document.querySelector('#connect').hidden")
		p.sees(want)
		require.Empty(t, eval[string](p, "location.search"), query)
	}
}

// What a server answers is shown as text, whatever it is, and what it refuses is no token.
func TestBrowserAppIsAnsweredWithHTML(t *testing.T) {
	p := sit(t, chromium.Look{}, files)
	p.open("/spa/")
	p.until("!document.querySelector('#connect').hidden")
	p.follow("#connect")
	p.signIn()
	p.follow(allowButton)
	p.steps(4)
	p.until("!document.querySelector('#refresh').disabled")
	answer := func(status int, text string) {
		eval[bool](p, fmt.Sprintf(`(window.fetch = async () => new Response(%q, {status: %d, headers: {"Content-Type": "text/html"}})) !== null`, text, status))
	}
	const hostile = `<img src=x onerror="document.title='run'"><b>`
	answer(400, `{"error": "invalid_request", "error_description": "`+strings.ReplaceAll(hostile, `"`, `'`)+`"}`)
	p.click("#refresh")
	p.steps(5)
	p.until("!document.querySelector('#refresh').disabled")
	p.sees("client.failed")
	require.False(t, eval[bool](p, "document.querySelector('#api').hidden"), "it has its token still")
	answer(500, hostile)
	p.click("#api")
	p.steps(6)
	p.until("!document.querySelector('#api').disabled")
	p.sees("client.failed")
	require.Contains(t, p.text(), hostile)
	require.Zero(t, eval[int](p, "document.querySelectorAll('#steps img, #steps b').length"))
}

// A telephone in the network, by plain http: the app on a server works, and the
// one in the browser says why it does not.
func TestBrowserOfAnotherMachine(t *testing.T) {
	base := start(t, "-addr", "0.0.0.0:0")
	u, err := url.Parse(base)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	there := elsewhere(port)
	if len(there) == 0 {
		t.Skip("this machine is in no network")
	}
	tab, shut, err := theBrowser.Open(there[0], chromium.Look{Width: 360, Height: 740})
	require.NoError(t, err)
	defer shut()
	p := &person{T: t, Tab: tab, base: there[0]}
	p.connect()
	p.open("/spa/")
	p.until("!document.querySelector('#notice').hidden")
	p.sees("spa.insecure")
	require.True(t, eval[bool](p, "document.querySelector('#connect').hidden"))
	p.picture("spa")
	require.Empty(t, tab.Faults())
}

// A page elsewhere sends the browser here in the middle of a double click, or
// has somebody press keys: what comes then must find no button, though it is
// seen where it will be.
func TestAttack_DoubleClickFromElsewhere(t *testing.T) {
	axe := installed(t, "axe-core", "axe.min.js")
	for _, dark := range []bool{false, true} {
		p := sit(t, chromium.Look{Dark: dark, Width: 360, Height: 740}, files)
		p.open("/")
		p.follow(connectButton)
		p.signIn()
		arrive := func() {
			eval[bool](p, `(() => { // as if the page had just come
				const form = document.querySelector('form[action="/authorize"]');
				form.hidden = true; document.body.offsetWidth; form.hidden = false; return true; })()`)
		}
		arrive()
		at := func(milliseconds int) {
			found := eval[int](p, fmt.Sprintf(`(() => { const all = document.getAnimations();
				for (const a of all) { a.pause(); a.currentTime = %d; } return all.length; })()`, milliseconds))
			require.Equal(t, 6, found, "of two buttons, with their labels and outlines")
		}
		for _, milliseconds := range []int{0, 690} {
			at(milliseconds)
			for _, button := range []string{allowButton, denyButton} {
				seen := eval[struct {
					Visibility, Label, Outline string
					X, Y                       float64
					Focus, Hit                 bool
				}](p, fmt.Sprintf(`(() => {
					const button = document.querySelector(%q), box = button.getBoundingClientRect(), label = button.firstElementChild;
					const x = box.x + box.width / 2, y = box.y + box.height / 2;
					button.focus();
					return {visibility: getComputedStyle(button).visibility, label: getComputedStyle(label).visibility,
						outline: getComputedStyle(label, "::before").visibility + " " + getComputedStyle(label, "::before").borderTopWidth,
						focus: document.activeElement === button, x, y, hit: button.contains(document.elementFromPoint(x, y))}; })()`, button))
				require.Equal(t, "hidden", seen.Visibility)
				require.False(t, seen.Focus, "it has no focus")
				require.False(t, seen.Hit, "and no clicks")
				require.Equal(t, "visible", seen.Label, "but it is seen")
				require.Equal(t, "visible 1px", seen.Outline)
				for range 2 {
					p.do(p.ClickAt(seen.X, seen.Y))
				}
			}
			for range 6 {
				p.do(p.Keys("\t"))
				require.NotEqual(t, "verdict", eval[string](p, "document.activeElement.name ?? ''"),
					"keys do not come there")
			}
			p.accessible("waiting", axe)
			p.picture(fmt.Sprintf("waiting %d dark=%t", milliseconds, dark))
			require.Equal(t, "/authorize", p.path(), "nothing was decided")
		}
		at(700)
		require.Equal(t, "visible", eval[string](p,
			fmt.Sprintf("getComputedStyle(document.querySelector(%q)).visibility", allowButton)))
		require.Equal(t, "hidden", eval[string](p,
			fmt.Sprintf(`getComputedStyle(document.querySelector(%q).firstElementChild, "::before").visibility`, allowButton)))
		p.picture(fmt.Sprintf("ready dark=%t", dark))
		arrive()
		p.until("document.getAnimations().length === 0") // by themselves
		for eval[string](p, "document.activeElement.value ?? ''") != "allow" {
			p.do(p.Keys("\t"))
		}
		p.do(p.Enter())
		p.sees("client.connected")
	}
}

// state is a page in a certain state, and how one gets there from the one before.
type state struct {
	name string
	open func(p *person)
}

// states are all that the pages can show. They are gone through in this order.
var states = []state{
	{"home", func(p *person) { p.open("/") }},
	{"client", func(p *person) { p.open("/client/") }},
	{"spa", func(p *person) { p.open("/spa/"); p.until("!document.querySelector('#connect').hidden") }},
	{"signed out", func(p *person) { p.open("/signout") }},
	{"broken request", func(p *person) {
		p.open("/authorize?client_id=" + strings.Repeat("nobody", 40))
		p.allowed = append(p.allowed, "status 400: "+eval[string](p, "location.href"))
	}},
	{"no such page", func(p *person) {
		p.open("/nothing")
		p.allowed = append(p.allowed, "status 404: "+p.base+"/nothing")
	}},
	{"sign-in", func(p *person) { p.open("/client/"); p.follow(connectButton) }},
	{"wrong password", func(p *person) {
		p.typeIn("#username", "andy")
		p.typeIn("#password", "wrong")
		p.follow(signInButton)
	}},
	{"consent", func(p *person) { p.signIn() }},
	{"consent again", func(p *person) {
		eval[bool](p, `(document.querySelector("[name=ticket]").value = "x") !== ""`)
		p.follow(allowButton)
	}},
	{"denied", func(p *person) { p.follow(denyButton) }},
	{"connected", func(p *person) { p.follow(connectButton); p.follow(allowButton) }},
	{"refreshed", func(p *person) { p.follow(`form[action="/client/refresh"] button`) }},
	{"select account in a popup", func(p *person) {
		p.open(asksWho("", "prompt", "select_account", "display", "popup"))
	}},
	{"sign-in again in a popup", func(p *person) { p.open(asksWho("", "max_age", "0", "display", "popup")) }},
	{"apps", func(p *person) { p.open("/apps") }},
	{"consent for a public client", func(p *person) {
		p.open("/spa/")
		p.until("!document.querySelector('#connect').hidden")
		p.follow("#connect")
	}},
	{"spa connected", func(p *person) {
		p.follow(allowButton)
		p.steps(4)
		p.until("!document.querySelector('#refresh').hidden")
	}},
	{"two apps", func(p *person) { p.open("/apps") }},
	{"disconnected", func(p *person) { p.follow(`form[action="/apps"] button`) }},
	{"home signed in", func(p *person) { p.open("/") }},
	{"no apps", func(p *person) { p.open("/apps"); p.follow(`form[action="/apps"] button`); p.open("/apps") }},
	{"unauthorized", func(p *person) { p.open("/client/"); p.follow(`form[action="/client/api"] button`) }},
	{"consent to a sign-in", func(p *person) { p.open("/client/"); p.follow(clientSignInButton) }},
	{"signed in to the client", func(p *person) { p.follow(allowButton) }},
	{"sign-out for the client", func(p *person) { p.open("/logout?client_id=123456") }},
	{"signed out of the client", func(p *person) { p.open("/client/"); p.follow(clientSignOutButton) }},
	{"too many passwords", func(p *person) {
		p.open("/signin")
		for range 10 {
			p.typeIn("#username", "andy")
			p.typeIn("#password", "wrong")
			p.follow(signInButton)
		}
		p.allowed = append(p.allowed, "status 429: "+p.base+"/signin")
	}},
}

// Each state in both languages, on a phone and a desk, by day and night: it
// fits, what it says can be read, and people who do not see find their way, as
// far as axe-core can tell.
func TestBrowserLooks(t *testing.T) {
	axe := installed(t, "axe-core", "axe.min.js")
	for _, language := range []string{"en", "zh-CN"} {
		for _, width := range []int64{360, 1280} {
			for _, dark := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d dark=%t", language, width, dark), func(t *testing.T) {
					t.Parallel()
					p := sit(t, chromium.Look{Language: language, Width: width, Height: 740, Dark: dark}, files)
					for _, s := range states {
						s.open(p)
						p.fits(s.name)
						p.accessible(s.name, axe)
						require.Equal(t, strings.HasPrefix(language, "zh"),
							eval[string](p, "document.documentElement.lang") == "zh-Hans", s.name)
						require.Equal(t, strings.HasPrefix(language, "zh"),
							strings.ContainsAny(p.text(), "的，。"), s.name)
						require.Equal(t, map[bool]string{false: "rgb(255, 255, 255)", true: "rgb(22, 26, 33)"}[dark],
							eval[string](p, "getComputedStyle(document.body).backgroundColor"))
						p.picture(s.name)
					}
				})
			}
		}
	}
}

// Bootstrap's stylesheet in the place of ours.
func TestBrowserWithBootstrap(t *testing.T) {
	bootstrap := installed(t, "bootstrap", "dist/css/bootstrap.min.css")
	for class := range classes(t) {
		if class != "client" && class != "spa" && class != "navbar-brand" {
			require.Regexp(t, `\.`+class+`[^a-z0-9-]`, bootstrap, "Bootstrap has no class %s", class)
		}
	}
	dressed := fstest.MapFS{"static/style.css": {Data: []byte(bootstrap)}}
	require.NoError(t, fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && dressed[path] == nil {
			data, err := fs.ReadFile(files, path)
			require.NoError(t, err)
			dressed[path] = &fstest.MapFile{Data: data}
		}
		return err
	}))
	p := sit(t, chromium.Look{Width: 360, Height: 740}, dressed)
	for _, s := range states {
		s.open(p)
		p.fits(s.name)
		require.NotEmpty(t, eval[string](p,
			`getComputedStyle(document.documentElement).getPropertyValue("--bs-primary")`), s.name)
		p.picture("bootstrap " + s.name)
	}
}

// installed is a file of a package in testdata/npm.
func installed(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{npm(t), "node_modules"}, parts...)...))
	require.NoError(t, err)
	return string(text)
}

var npmOnce = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "npm"); err != nil {
		return dir, err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "npm"))); err != nil {
		return dir, err
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("npm: %w: %s", err, output)
	}
	return dir, nil
})

func npm(t *testing.T) string {
	t.Helper()
	dir, err := npmOnce()
	require.NoError(t, err)
	return dir
}

// fits says that nobody has to scroll sideways.
func (p *person) fits(name string) {
	p.Helper()
	require.LessOrEqual(p, eval[int](p, "document.documentElement.scrollWidth"), eval[int](p, "innerWidth"), name)
}

// accessible lets axe-core look for what keeps people out: contrast, labels,
// names, landmarks, headings.
func (p *person) accessible(name, axe string) {
	p.Helper()
	eval[bool](p, axe+"; true")
	found := eval[string](p, `axe.run({resultTypes: ["violations", "incomplete"]}).then(r => JSON.stringify({passes: r.passes.length,
		faults: [...r.violations, ...r.incomplete].map(v => v.id + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("; "))}))`)
	var result struct {
		Passes int
		Faults []string
	}
	require.NoError(p, json.Unmarshal([]byte(found), &result))
	require.Greater(p, result.Passes, 10, name)
	require.Empty(p, result.Faults, name)
}

// picture leaves one in the directory that the environment variable PICTURES
// names, to be looked at.
func (p *person) picture(name string) {
	dir := os.Getenv("PICTURES")
	if dir == "" {
		return
	}
	png, err := p.PNG()
	require.NoError(p, err)
	name = strings.NewReplacer("/", "-", " ", "-").Replace(p.Name() + "-" + name)
	require.NoError(p, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}
