package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The owner's browser is made to send the form of somebody else
// (CVE-2014-8144), or its owner clicks on a page that he does not see (RFC
// 9700, section 4.16).
func TestAttack_CrossOriginPost(t *testing.T) {
	server := start(t)
	send := func(method, name, value string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method,
			server.URL+"/authorize?response_type=code&client_id=app&state=1",
			strings.NewReader("username=andy&password=123456"))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		res, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res
	}
	page := send(http.MethodGet, "Sec-Fetch-Site", "cross-site")
	refused := send(http.MethodPost, "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
	require.Equal(t, http.StatusForbidden, send(http.MethodPost, "Origin", "https://evil.example").StatusCode)
	for _, r := range []*http.Response{page, refused} {
		require.Equal(t, "frame-ancestors 'none'", r.Header.Get("Content-Security-Policy"))
		require.Equal(t, "DENY", r.Header.Get("X-Frame-Options"))
	}
	require.Contains(t, send(http.MethodPost, "Origin", server.URL).Header.Get("Location"), "code=")
}
