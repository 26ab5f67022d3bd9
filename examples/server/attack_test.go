package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const hostile = `"><script>alert(1)</script>`

// startWith serves the application with one more client, which has a hostile name.
func startWith(t *testing.T) (base string) {
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	base = "http://" + server.Listener.Addr().String()
	model, err := openMemory(base)
	require.NoError(t, err)
	require.NoError(t, model.(*memorymodel.Model).AddClient(&oauth2server.Client{ID: hostile, Grants: []string{"authorization_code"},
		RedirectURIs: []string{"https://client.example/'onclick=alert(1)//"}}, "a-secret-that-nobody-guesses"))
	server.Config.Handler, err = newApp(base, model, templates, nil)
	require.NoError(t, err)
	server.Start()
	return base
}

func requestOf(client string) url.Values {
	return url.Values{"response_type": {"code"}, "client_id": {client}, "state": {hostile}, "scope": {"read <script>alert(2)</script>"}}
}

// A page runs a script that is in the name of a client or in what was typed, or shows a secret (CVE-2018-1000088,
// CVE-2020-10187).
func TestAttack_HostileClientNames(t *testing.T) {
	base, b := startWith(t), browser(t)
	query := requestOf(hostile)
	res, err := b.Get(base + "/authorize?" + query.Encode())
	page := read(t, res, err)
	require.Contains(t, page, "&lt;script&gt;alert(1)", "the page has the name, as text")
	require.Contains(t, page, "&lt;script&gt;alert(2)")
	wrong := fields(page, "username", hostile, "password", hostile)
	require.Equal(t, hostile, wrong.Get("state"), "and it comes back as it went")
	res, err = b.PostForm(base+"/user/authorize", wrong)
	pages := []string{page, read(t, res, err)}
	for _, path := range []string{"/?" + url.Values{"error": {hostile}, "error_description": {hostile}}.Encode(),
		"/?" + url.Values{"code": {hostile}, "state": {hostile}}.Encode(), "/authorize?client_id=" + url.QueryEscape(hostile+"x")} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept", "text/html")
		res, err := b.Do(r)
		pages = append(pages, read(t, res, err))
	}
	res, err = b.Get(base + "/connect") // the whole story, with its answer at the client
	res, err = b.PostForm(base+"/user/authorize", fields(read(t, res, err), "username", "andy", "password", "123456"))
	page = read(t, res, err)
	require.Contains(t, page, "and goes on")
	for _, page := range append(pages, page) {
		require.NotContains(t, page, "<script")
		for _, secret := range []string{clientSecret, "a-secret-that-nobody-guesses"} {
			require.NotContains(t, page, secret)
		}
	}
}

// The owner's browser is made to send the form of somebody else (CVE-2014-8144).
func TestAttack_CrossOriginPost(t *testing.T) {
	base := start(t)
	send := func(name, value string) *http.Response {
		form := url.Values{"response_type": {"code"}, "client_id": {clientID}, "state": {"1"}, "username": {"andy"}, "password": {"123456"}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/user/authorize", strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		res, err := http.DefaultTransport.RoundTrip(r)
		read(t, res, err)
		return res
	}
	require.Equal(t, http.StatusForbidden, send("Sec-Fetch-Site", "cross-site").StatusCode)
	require.Equal(t, http.StatusForbidden, send("Sec-Fetch-Site", "same-site").StatusCode)
	require.Equal(t, http.StatusForbidden, send("Origin", "https://evil.example").StatusCode)
	require.Contains(t, send("Origin", base).Header.Get("Location"), "code=")
}

// The owner clicks on a page that he does not see (RFC 9700, section 4.16).
func TestAttack_Clickjacking(t *testing.T) {
	base, b := start(t), browser(t)
	pages := map[string]*http.Response{}
	for _, path := range []string{"/", "/?error=x", "/?code=x", "/connect", "/authorize?client_id=nobody"} {
		res, err := b.Get(base + path)
		read(t, res, err)
		pages[path] = res
	}
	res, err := b.PostForm(base+"/user/authorize", url.Values{"response_type": {"code"}, "client_id": {clientID}, "state": {"1"}})
	require.Contains(t, read(t, res, err), "is wrong")
	pages["wrong password"] = res
	for name, res := range pages {
		require.Equal(t, "frame-ancestors 'none'", res.Header.Get("Content-Security-Policy"), name)
		require.Equal(t, "DENY", res.Header.Get("X-Frame-Options"), name)
	}
}
