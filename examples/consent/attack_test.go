package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// A consent page that was shown for one request, or in one browser, approves
// another (CVE-2014-8144, CVE-2026-27124).
func TestAttack_ConsentOfAnotherRequest(t *testing.T) {
	model := memorymodel.New(nil)
	server := start(t, model)
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: "evil", RedirectURIs: []string{server + "/callback"},
		Grants: []string{"authorization_code"}}, "a-secret-that-nobody-guesses"))
	victim, attacker := newBrowser(t, server), newBrowser(t, server)
	usual, theirs := victim.address, attacker.signIn().page
	victim.signIn()
	refused := func(name string, r answer) {
		t.Helper()
		require.Empty(t, r.at("code"), name)
		require.Equal(t, http.StatusOK, r.StatusCode, name)
		require.Contains(t, r.page, "wants to", "it is asked again: %s", name)
	}
	for name, address := range map[string]string{
		"client":    strings.Replace(usual, "=app", "=evil", 1),
		"scope":     usual + "+admin",
		"state":     strings.Replace(usual, "state=1", "state=2", 1),
		"challenge": usual + "&code_challenge=" + strings.Repeat("c", 43) + "&code_challenge_method=S256",
		"URI":       usual + "&redirect_uri=" + url.QueryEscape(server+"/callback"),
	} {
		victim.address = usual
		page := victim.open().page
		victim.address = address
		refused(name, victim.decide(page, "allow", "read", "admin"))
	}
	victim.address = usual
	older := victim.open().page
	sent := victim.open().page
	require.NotEmpty(t, victim.decide(sent, "allow", "read").at("code"))
	refused("sent twice", victim.decide(sent, "allow", "read"))
	for name, page := range map[string]string{"another browser's": theirs, "an older page's": older,
		"made up": `name="ticket" value=" "`} {
		refused(name, victim.decide(page, "allow", "read"))
	}
	shown := victim.open().page
	victim.address += "&verdict=allow&granted=read&ticket=" + ticketField.FindStringSubmatch(shown)[1]
	refused("in the URL", victim.submit(url.Values{"x": {"y"}}))
	refused("no ticket", victim.submit(url.Values{"verdict": {"allow"}, "granted": {"read"}}))
	require.Contains(t, newBrowser(t, server).decide(theirs, "allow", "read").page, `name="password"`)
	require.NotEmpty(t, attacker.decide(theirs, "allow", "read").at("code"), "unharmed")
}

// The owner's browser is made to send a form of somebody else's (CVE-2014-8144).
func TestAttack_CrossOriginPost(t *testing.T) {
	server := start(t, memorymodel.New(nil))
	b := newBrowser(t, server)
	send := func(fields url.Values, name, value string) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.address,
			strings.NewReader(fields.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		return b.read(b.Do(r))
	}
	signIn := url.Values{"username": {"andy"}, "password": {"123456"}}
	require.Equal(t, http.StatusForbidden, send(signIn, "Sec-Fetch-Site", "cross-site").StatusCode)
	require.Equal(t, http.StatusForbidden, send(signIn, "Origin", "https://evil.example").StatusCode)
	page := b.signIn().page
	consent := url.Values{"ticket": ticketField.FindStringSubmatch(page)[1:], "verdict": {"allow"}, "granted": {"read"}}
	require.Equal(t, http.StatusForbidden, send(consent, "Sec-Fetch-Site", "cross-site").StatusCode)
	require.Equal(t, http.StatusForbidden, send(consent, "Origin", "null").StatusCode)
	require.NotEmpty(t, send(consent, "Origin", server).at("code"))
}

// The consent page runs a script that is in the name or the scope of a client
// (CVE-2018-1000088, CVE-2020-10187).
func TestAttack_HostileClientNames(t *testing.T) {
	const hostile, secret = `"><script>alert(1)</script>`, "a-secret-that-nobody-guesses"
	model := memorymodel.New(nil)
	b := newBrowser(t, start(t, model))
	require.NoError(t, model.AddClient(&oauth2server.Client{ID: hostile,
		RedirectURIs: []string{"https://client.example/'onclick=alert(1)//"},
		Grants:       []string{"authorization_code"}}, secret))
	b.address = strings.Replace(b.address, "=app", "="+url.QueryEscape(hostile),
		1) + url.QueryEscape(" <script>alert(2)</script>")
	pages := []string{b.open().page, b.submit(url.Values{"username": {hostile},
		"password": {hostile}}).page, b.signIn().page}
	require.Contains(t, pages[2], "&lt;script&gt;alert(1)", "the page has the name, as text")
	require.Contains(t, pages[2], "&lt;script&gt;alert(2)")
	for _, page := range pages {
		require.NotContains(t, page, "<script")
		require.NotContains(t, page, secret)
	}
}

// The owner clicks on a page that he does not see (RFC 9700, section 4.16).
func TestAttack_Clickjacking(t *testing.T) {
	b := newBrowser(t, start(t, memorymodel.New(nil)))
	for name, r := range map[string]answer{
		"sign-in": b.open(), "wrong password": b.submit(url.Values{"username": {"andy"}}), "consent": b.signIn(),
		"consent again": b.submit(url.Values{"verdict": {"allow"}}),
		"error":         b.read(b.Get(strings.Replace(b.address, "=app", "=nobody", 1))),
	} {
		require.Equal(t, "frame-ancestors 'none'", r.Header.Get("Content-Security-Policy"), name)
		require.Equal(t, "DENY", r.Header.Get("X-Frame-Options"), name)
	}
}

// Every box is unticked (empty consent).
func TestAttack_EmptyConsent(t *testing.T) {
	b := newBrowser(t, start(t, memorymodel.New(nil)))
	b.signIn()
	b.address += "&granted=read"
	for _, granted := range [][]string{nil, {""}, {"admin"}} {
		r := b.decide(b.open().page, "allow", granted...)
		require.Equal(t, "access_denied", r.at("error"))
		require.Empty(t, r.at("code"))
	}
}
