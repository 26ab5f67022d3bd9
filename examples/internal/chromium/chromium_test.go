//go:build browser

package chromium_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/examples/internal/chromium"
)

func TestFaults(t *testing.T) {
	browser, stop, err := chromium.Start(context.Background())
	require.NoError(t, err)
	defer stop()
	for _, c := range []struct{ name, page, fault string }{
		{"none", "", ""},
		{"the focus is elsewhere before the browser comes to autofocus",
			"<input id=a><input autofocus><script>a.focus()</script>", ""},
		{"console", "<script>console.error('no')</script>", "console: error"},
		{"exception", "<script>throw new Error('no')</script>", "exception: Uncaught"},
		{"warning", "<script>document.domain = document.domain</script>", "warning: "},
		{"missing file", "<img src=/missing>", "status 404"},
		{"another host", "<img src='http://127.0.0.1:1/'>", "request to another host"},
		{"policy", "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\"><script>0</script>", "error: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				io.WriteString(w, "<!doctype html><html lang=en><title>page</title><link rel=icon href=data:,>"+c.page)
			}))
			defer server.Close()
			tab, shut, err := browser.Open(server.URL, chromium.Look{})
			require.NoError(t, err)
			defer shut()
			require.NoError(t, tab.Visit(server.URL))
			faults := tab.Faults()
			t.Log(faults)
			if c.fault == "" {
				require.Empty(t, faults)
			} else {
				require.NotEmpty(t, faults)
				require.Contains(t, faults[0], c.fault)
			}
		})
	}
}
