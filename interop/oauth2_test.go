package interop

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// golang.org/x/oauth2 alone, in each of its styles to authenticate. By default
// it finds out which one the server takes.
func TestOAuth2(t *testing.T) {
	for _, test := range []struct {
		name   string
		client client
		style  oauth2.AuthStyle
	}{
		{"confidential, detected", web, oauth2.AuthStyleAutoDetect},
		{"confidential, in the header", web, oauth2.AuthStyleInHeader},
		{"confidential, in the form", web, oauth2.AuthStyleInParams},
		{"public, detected", native, oauth2.AuthStyleAutoDetect},
		{"public, in the form", native, oauth2.AuthStyleInParams},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c := newSite(t, atRoot), test.client
			ctx := s.context()
			config := &oauth2.Config{ClientID: c.ID, ClientSecret: c.Secret, RedirectURL: c.RedirectURI,
				Scopes: []string{"read", "write"},
				Endpoint: oauth2.Endpoint{AuthURL: s.URL + "/authorize", TokenURL: s.URL + "/token",
					AuthStyle: test.style}}

			verifier := oauth2.GenerateVerifier()
			callback := s.browse(config.AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier)))
			answer := callback.Query()
			callback.RawQuery = ""
			require.Equal(t, c.RedirectURI, callback.String())
			require.Equal(t, "state-1", answer.Get("state"))
			require.Equal(t, s.issuer, answer.Get("iss"))
			token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
			require.NoError(t, err)
			require.Equal(t, "Bearer", token.Type())
			require.Equal(t, "read write", token.Extra("scope"))

			refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
			require.NoError(t, err)
			require.NotEqual(t, token.AccessToken, refreshed.AccessToken)
			require.NotEqual(t, token.RefreshToken, refreshed.RefreshToken)
			res, err := config.Client(ctx, refreshed).Get(s.URL + "/api")
			require.NoError(t, err)
			requireUser(t, "andy", res)

			told := []string{"authorize issued", "token issued authorization_code",
				"token refreshed refresh_token", "api"}
			if c.Secret != "" {
				own := &clientcredentials.Config{ClientID: c.ID, ClientSecret: c.Secret,
					TokenURL: config.Endpoint.TokenURL, Scopes: []string{"read"},
					AuthStyle: test.style}
				res, err := own.Client(ctx).Get(s.URL + "/api")
				require.NoError(t, err)
				requireUser(t, "client:"+c.ID, res)
				told = append(told, "token issued client_credentials", "api")
			}
			require.Equal(t, told, s.seen())
		})
	}
}
