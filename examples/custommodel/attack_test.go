// This file tests a forged sign-in.

package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The owner's browser is made to sign in by somebody else's form (CVE-2014-8144).
func TestAttack_CrossOriginPost(t *testing.T) {
	server, _ := serve(t, sqlite(t)(t))
	send := func(name, value string) *http.Response {
		form := url.Values{"response_type": {"code"}, "client_id": {"till"}, "state": {"1"},
			"username": {"andy@example.com"}, "password": {"123456"}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/authorize",
			strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		res, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res
	}
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		r := send(name, value)
		require.Equal(t, http.StatusForbidden, r.StatusCode)
		require.Empty(t, r.Header.Get("Location"))
		require.Equal(t, "DENY", r.Header.Get("X-Frame-Options"))
	}
	require.Contains(t, send("Origin", server.URL).Header.Get("Location"), "code=")
}
