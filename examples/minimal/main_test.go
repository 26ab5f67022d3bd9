package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server/examples/internal/demotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const secret = "a-secret-that-nobody-guesses"

// start serves the program's handler.
func start(t *testing.T) *httptest.Server {
	t.Helper()
	handler, err := newHandler(memorymodel.New(nil), secret)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestMinimal(t *testing.T) {
	server := start(t)
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}

	config := oauth2.Config{ClientID: "app", ClientSecret: secret, RedirectURL: "http://127.0.0.1:8080/callback",
		Endpoint: oauth2.Endpoint{AuthURL: server.URL + "/authorize", TokenURL: server.URL + "/token"}}
	address := config.AuthCodeURL("1")
	res, err := browser.Get(address)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	res, err = browser.Post(address, "application/x-www-form-urlencoded",
		strings.NewReader("username=andy&password=123456"))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	answer, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	token, err := config.Exchange(t.Context(), answer.Query().Get("code"))
	require.NoError(t, err)
	res, err = config.Client(t.Context(), token).Get(server.URL + "/api")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 200, res.StatusCode)
}

func TestFaultIsNoWrongPassword(t *testing.T) {
	demotest.FaultIsNoWrongPassword(t, page)
}
