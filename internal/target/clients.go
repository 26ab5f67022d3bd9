// This file reads the clients that a test tool wants.

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// client is a client in the file.
type client struct {
	ID                     string          `json:"id"`
	Secret                 string          `json:"secret"`
	Public                 bool            `json:"public"`
	AuthMethod             string          `json:"auth_method"`
	JWK                    json.RawMessage `json:"jwk"`
	Grants                 []string        `json:"grants"`
	RedirectURIs           []string        `json:"redirect_uris"`
	PostLogoutRedirectURIs []string        `json:"post_logout_redirect_uris"`
	MayIntrospect          bool            `json:"may_introspect"`

	// BackChannelLogoutURI is told that a user signed out, with the sid, so the
	// file's backchannel_logout_session_required changes nothing.
	BackChannelLogoutURI string `json:"backchannel_logout_uri"`
}

func readClients(file string) ([]client, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var clients []client
	if err := json.Unmarshal(text, &clients); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return clients, nil
}

// offered are the grants that the target has.
var offered = []string{"authorization_code", "refresh_token", "client_credentials"}

// register registers a client. Grants and methods that the target does not have
// are accepted, so that one file serves every version, and not offered.
func register(model *memorymodel.Model, c client) error {
	own := &oauth2server.Client{ID: c.ID, RedirectURIs: c.RedirectURIs, Public: c.Public, Data: c}
	for _, grant := range c.Grants {
		if slices.Contains(offered, grant) && !(c.Public && grant == "client_credentials") {
			own.Grants = append(own.Grants, grant)
		}
	}
	secret := c.Secret
	switch c.AuthMethod {
	case "", "client_secret_basic", "client_secret_post", "none":
	default:
		own.AuthMethod, secret = c.AuthMethod, ""
	}
	if own.Public {
		secret = ""
	}
	if err := model.AddClient(own, secret); err != nil {
		return fmt.Errorf("client %q: %w", c.ID, err)
	}
	return nil
}
