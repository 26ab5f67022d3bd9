package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

func TestEverythingSurvivesARestart(t *testing.T) {
	uri := mongotest.DatabaseURI(t)
	// clientOf is the client, as it knows the command at base.
	clientOf := func(base string) *oauth2.Config {
		return &oauth2.Config{ClientID: clientID, ClientSecret: clientSecret, RedirectURL: base + callbackPath,
			Endpoint: oauth2.Endpoint{AuthURL: base + "/authorize", TokenURL: base + "/user/token"}}
	}
	status := func(t *testing.T, base string, token *oauth2.Token) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/user/authenticate", nil)
		require.NoError(t, err)
		token.SetAuthHeader(request)
		res, err := http.DefaultClient.Do(request)
		body(t, res, err)
		return res.StatusCode
	}
	var spent, current *oauth2.Token
	var signing []string
	t.Run("before", func(t *testing.T) {
		base := start(t, "-mongo", uri)
		var err error
		spent, err = clientOf(base).PasswordCredentialsToken(t.Context(), "andy", "123456")
		require.NoError(t, err)
		current, err = clientOf(base).TokenSource(t.Context(), &oauth2.Token{RefreshToken: spent.RefreshToken}).Token()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status(t, base, current))
		signing = keyIDs(t, base)
	})
	t.Run("after", func(t *testing.T) {
		base := start(t, "-mongo", uri)
		require.Equal(t, signing, keyIDs(t, base), "what was signed before is good")
		require.Equal(t, http.StatusOK, status(t, base, spent))
		require.Equal(t, http.StatusOK, status(t, base, current))
		again, err := clientOf(base).TokenSource(t.Context(), &oauth2.Token{RefreshToken: spent.RefreshToken}).Token()
		require.NoError(t, err)
		require.Equal(t, current.RefreshToken, again.RefreshToken,
			"who asks again gets the same, from another process too")
		_, err = clientOf(base).TokenSource(t.Context(), &oauth2.Token{RefreshToken: current.RefreshToken,
			Expiry: time.Now()}).Token()
		require.NoError(t, err)

		// The client is at another port now, and what is called what is in the database.
		b := newBrowser(t, base)
		b.connect()
		b.open("/apps")
		require.Contains(t, b.last.page, ">Demo Web App<")
		require.Contains(t, b.last.page, "Sign out <bdi>Andy</bdi>")
		b.submit("/apps")
		b.says("connected.ended")
		require.Equal(t, http.StatusUnauthorized, status(t, base, current))
		b.post("/client/connect")
		b.says("scope.read") // asked again
	})
}

func TestDatabaseName(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://127.0.0.1:27017":             "oauth2server",
		"mongodb://127.0.0.1:27017/":            "oauth2server",
		"mongodb://a:1,b:2/?replicaSet=r":       "oauth2server",
		"mongodb://a:1,b:2/auth?replicaSet=r":   "auth",
		"mongodb+srv://user:pass@cluster/auth":  "auth",
		"mongodb://u:p%2F@a:1/auth?timeoutMS=9": "auth",
	} {
		require.Equal(t, want, databaseName(uri), uri)
	}
}
