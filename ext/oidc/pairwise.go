// This file makes subjects that two clients cannot compare.

package oidc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/seed-11d18166/oauth2server"
)

// Pairwise returns a function for [Options.Subject]: clients of different hosts
// see different subjects for the same user (OpenID Connect Core 1.0, section
// 8.1). Clients whose redirection URIs are all https on one host share its
// subjects; any other client has its own. If sector is not nil, those clients
// share for which it returns the same text. secret is 32 bytes at least, or
// every sign-in fails. Neither it nor a client's sector may change: users would
// become strangers. So name the sectors if clients will get other redirection
// URIs. Package jwtaccess has an option Subject, too: without it, its tokens
// show the user's ID to clients.
func Pairwise(
	secret []byte, sector func(*oauth2server.Client) string,
) func(*oauth2server.User, *oauth2server.Client) (string, error) {
	if sector == nil {
		sector = sectorOf
	}
	return func(user *oauth2server.User, client *oauth2server.Client) (string, error) {
		if len(secret) < 32 {
			return "", errors.New("oidc: the secret of Pairwise needs 32 bytes")
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(sector(client)))
		mac.Write([]byte{0})
		mac.Write([]byte(user.ID))
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
	}
}

// sectorOf returns the host of a client's redirection URIs if they have one in
// common, and otherwise the client itself.
func sectorOf(client *oauth2server.Client) string {
	host := ""
	for _, uri := range client.RedirectURIs {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			return "client " + client.ID
		}
		name := strings.ToLower(u.Hostname())
		if host != "" && name != host {
			return "client " + client.ID
		}
		host = name
	}
	if host == "" {
		return "client " + client.ID
	}
	return "host " + host
}
