//go:build browser

// These tests go through the example in Chromium. PICTURES=DIR leaves a picture of
// each page in a directory.

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/examples/internal/chromium"
)

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

// sit opens a tab for the program.
func sit(t *testing.T, look chromium.Look) (site, *chromium.Tab) {
	s := start(t)
	tab, shut, err := theBrowser.Open(s.base, look)
	require.NoError(t, err)
	t.Cleanup(shut)
	return s, tab
}

func picture(t *testing.T, tab *chromium.Tab, name string) {
	dir := os.Getenv("PICTURES")
	if dir == "" {
		return
	}
	png, err := tab.PNG()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "article-"+name+".png"), png, 0o600))
}

func text(t *testing.T, tab *chromium.Tab) string {
	t.Helper()
	text, err := chromium.Eval[string](tab, "document.body.innerText")
	require.NoError(t, err)
	return text
}

func fillIn(t *testing.T, tab *chromium.Tab, password string) {
	t.Helper()
	require.NoError(t, tab.Type("#username", "andy"))
	require.NoError(t, tab.Type("#password", password))
	require.NoError(t, tab.Follow("button"))
}

// The article's address, opened by hand, and what people do at the form.
func TestInABrowser(t *testing.T) {
	for name, look := range map[string]chromium.Look{
		"wide": {}, "narrow": {Width: 360, Height: 740}, "dark": {Width: 360, Height: 740, Dark: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, tab := sit(t, look)
			require.NoError(t, tab.Visit(s.address("/authorize")))
			require.Empty(t, tab.Faults())
			picture(t, tab, name+"-form")
			overflow, err := chromium.Eval[bool](tab, "document.documentElement.scrollWidth > innerWidth")
			require.NoError(t, err)
			require.False(t, overflow, "nothing sticks out to the right")
			at, err := chromium.Eval[string](tab, "document.activeElement.id")
			require.NoError(t, err)
			require.Equal(t, "username", at)

			fillIn(t, tab, "wrong")
			require.Contains(t, text(t, tab), "The username or the password is wrong.")
			picture(t, tab, name+"-wrong")
			require.NotEmpty(t, tab.Faults(), "the status 400")
			require.NoError(t, tab.Type("#password", "123456"))
			require.NoError(t, tab.Enter())
			tokenOf(t, text(t, tab))
			picture(t, tab, name+"-token")
			for _, fault := range tab.Faults() {
				require.Contains(t, fault, "/favicon.ico", "which JSON cannot do without")
			}

			require.NoError(t, tab.Visit(s.address("/authorize", "client_id", "nobody")))
			require.Contains(t, text(t, tab), "names no client")
			picture(t, tab, name+"-refused")
			require.NoError(t, tab.Follow("a"))
			fillIn(t, tab, "123456")
			tokenOf(t, text(t, tab))
		})
	}
}

// At localhost, where the article's address is, the form is the one of 127.0.0.1.
func TestLocalhostInABrowser(t *testing.T) {
	s, tab := sit(t, chromium.Look{})
	require.NoError(t, tab.Visit(strings.Replace(s.address("/authorize"), "127.0.0.1", "localhost", 1)))
	fillIn(t, tab, "123456")
	tokenOf(t, text(t, tab))
}

// A link on another site cannot have this browser use somebody else's code.
func TestAForeignLinkInABrowser(t *testing.T) {
	s, tab := sit(t, chromium.Look{})
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<a href="` + s.base + `/?state=xyz&amp;code=` + s.code() + `">Win</a>`))
	}))
	defer evil.Close()
	require.NoError(t, tab.Visit(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)))
	require.NoError(t, tab.Follow("a"))
	require.Contains(t, text(t, tab), "This browser did not ask for that code.")
}
