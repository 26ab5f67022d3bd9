package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

func TestCustomModel(t *testing.T) {
	s := newShop()
	handler, err := newHandler(s)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	defer server.Close()
	config := oauth2.Config{ClientID: "till", ClientSecret: "a-secret-that-nobody-guesses", RedirectURL: "https://till.example/callback",
		Endpoint: oauth2.Endpoint{AuthURL: server.URL + "/authorize", TokenURL: server.URL + "/token"}}

	// The code flow, with the shop's own sign-in form standing elsewhere.
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	verifier := oauth2.GenerateVerifier()
	res, err := browser.PostForm(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)),
		url.Values{"username": {"andy@example.com"}, "password": {"123456"}})
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	answer, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	token, err := config.Exchange(t.Context(), answer.Query().Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	require.Equal(t, "the orders of customer K-17\n", get(t, config.Client(t.Context(), token), server.URL+"/orders"))

	refreshed, err := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	require.NoError(t, err)
	require.Equal(t, "the orders of customer K-17\n", get(t, config.Client(t.Context(), refreshed), server.URL+"/orders"))
	_, err = config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	require.ErrorContains(t, err, "invalid_grant", "a refresh token is used once")

	_, err = config.PasswordCredentialsToken(t.Context(), "andy@example.com", "wrong")
	require.ErrorContains(t, err, "invalid_grant")
	_, err = config.PasswordCredentialsToken(t.Context(), "nobody@example.com", "123456")
	require.ErrorContains(t, err, "invalid_grant")
	_, err = config.PasswordCredentialsToken(t.Context(), "andy@example.com", "123456")
	require.NoError(t, err)
	config.ClientSecret = "wrong"
	_, err = config.PasswordCredentialsToken(t.Context(), "andy@example.com", "123456")
	require.ErrorContains(t, err, "invalid_client")
	for key, row := range s.rows {
		require.NotContains(t, key+string(row), token.AccessToken)
		require.NotContains(t, key+string(row), token.RefreshToken)
	}
}

func get(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	res, err := client.Get(address)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}
