package memorymodel

import (
	"maps"
	"slices"

	"github.com/seed-11d18166/oauth2server"
)

// copyToken copies what a caller could change. The struct is copied whole, so that a field added later is not lost.
func copyToken(t *oauth2server.Token) *oauth2server.Token {
	own := *t
	own.Scope = slices.Clone(t.Scope)
	own.GrantScope = slices.Clone(t.GrantScope)
	own.Extra, _ = copyValue(t.Extra).(map[string]any)
	own.Client = clientID(t.Client)
	own.User = userID(t.User)
	return &own
}

func copyCode(c *oauth2server.AuthorizationCode) *oauth2server.AuthorizationCode {
	own := *c
	own.Scope = slices.Clone(c.Scope)
	own.Client = clientID(c.Client)
	own.User = userID(c.User)
	return &own
}

// copyValue copies the containers that JSON has.
func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		own := maps.Clone(v)
		for name, member := range own {
			own[name] = copyValue(member)
		}
		return own
	case []any:
		own := slices.Clone(v)
		for i, element := range own {
			own[i] = copyValue(element)
		}
		return own
	case []string:
		return slices.Clone(v)
	}
	return v
}

func clientID(c *oauth2server.Client) *oauth2server.Client {
	if c == nil {
		return nil
	}
	return &oauth2server.Client{ID: c.ID}
}

func userID(u *oauth2server.User) *oauth2server.User {
	if u == nil {
		return nil
	}
	return &oauth2server.User{ID: u.ID}
}
