package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

const secret = "a-secret-that-nobody-guesses"

// A client signs a user in and learns who they are.
func TestOIDC(t *testing.T) {
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer server.Close()
	var err error
	handler, err = newHandler(server.URL, secret)
	require.NoError(t, err)
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	config := oauth2.Config{ClientID: "app", ClientSecret: secret, RedirectURL: "http://127.0.0.1:8080/callback",
		Scopes:   []string{"openid", "email"},
		Endpoint: oauth2.Endpoint{AuthURL: server.URL + "/authorize", TokenURL: server.URL + "/token"}}
	signIn := func(password string, more ...oauth2.AuthCodeOption) *http.Response {
		res, err := browser.PostForm(config.AuthCodeURL("1", more...),
			url.Values{"username": {"andy"}, "password": {password}})
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res
	}
	require.Equal(t, 200, signIn("wrong").StatusCode)
	silent, err := signIn("123456", oauth2.SetAuthURLParam("prompt", "none")).Location()
	require.NoError(t, err)
	require.Equal(t, "login_required", silent.Query().Get("error"))

	location, err := signIn("123456", oauth2.SetAuthURLParam("max_age", "60")).Location()
	require.NoError(t, err)
	token, err := config.Exchange(t.Context(), location.Query().Get("code"))
	require.NoError(t, err)
	parts := strings.Split(token.Extra("id_token").(string), ".")
	require.Len(t, parts, 3)
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	require.Contains(t, string(text), `"sub":"1"`)

	res, err := config.Client(t.Context(), token).Get(server.URL + "/userinfo")
	require.NoError(t, err)
	defer res.Body.Close()
	var claims map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&claims))
	require.Equal(t, map[string]any{"sub": "1", "email": "andy@example.com", "email_verified": true}, claims)
}
