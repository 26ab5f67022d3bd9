package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// browser keeps cookies and follows redirects within the site.
type browser struct {
	t *testing.T
	http.Client
	address string
}

func (b *browser) read(res *http.Response, err error) (location *url.URL, page string) {
	b.t.Helper()
	require.NoError(b.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	location, _ = res.Location()
	return location, string(body)
}

func (b *browser) open() (*url.URL, string) { return b.read(b.Get(b.address)) }

func (b *browser) submit(fields url.Values) (*url.URL, string) {
	return b.read(b.PostForm(b.address, fields))
}

func TestConsent(t *testing.T) {
	handler, err := newHandler()
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	defer server.Close()
	newBrowser := func() *browser {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		return &browser{t, http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if r.URL.Host == strings.TrimPrefix(server.URL, "http://") {
				return nil
			}
			return http.ErrUseLastResponse
		}}, server.URL + "/authorize?response_type=code&client_id=app&state=1&scope=read+write"}
	}
	b := newBrowser()
	_, page := b.open()
	require.Contains(t, page, `name="password"`)
	location, page := b.submit(url.Values{"verdict": {"allow"}, "granted": {"read"}})
	require.Nil(t, location, "nobody is signed in")
	require.Contains(t, page, "wrong")
	_, page = b.submit(url.Values{"username": {"andy"}, "password": {"nope"}})
	require.Contains(t, page, "Name or password is wrong.")
	_, page = b.submit(url.Values{"username": {"andy"}, "password": {"123456"}})
	require.Contains(t, page, `name="granted" value="write"`)
	_, page = b.open()
	require.Contains(t, page, "app wants to", "the session remembers the user")

	location, _ = b.submit(url.Values{"verdict": {"deny"}})
	require.Equal(t, "access_denied", location.Query().Get("error"))
	location, _ = b.submit(url.Values{"verdict": {"allow"}})
	require.Equal(t, "access_denied", location.Query().Get("error"), "every box is unticked")
	location, _ = b.submit(url.Values{"verdict": {"allow"}, "granted": {"read"}})
	require.NotEmpty(t, location.Query().Get("code"))
	require.Equal(t, "1", location.Query().Get("state"))

	_, page = newBrowser().open()
	require.Contains(t, page, `name="password"`, "another browser, another session")
}
