// This file copies scopes and clients, so that callers own what they get.

package memorymodel

import "github.com/seed-11d18166/oauth2server"

// copyScopes copies both scopes into one allocation, or into space if they fit.
func copyScopes(space []string, a, b oauth2server.Scope) (_, _ oauth2server.Scope) {
	if len(a)+len(b) > cap(space) {
		space = make([]string, 0, len(a)+len(b))
	}
	space = append(append(space, a...), b...)
	return part(space[:len(a)]), part(space[len(a):])
}

// part returns s as a scope that append cannot grow into the next one, or nil
// if s is empty.
func part(s []string) oauth2server.Scope {
	if len(s) == 0 {
		return nil
	}
	return s[:len(s):len(s)]
}

// copyClient returns a copy that belongs to the caller.
func copyClient(c *oauth2server.Client) *oauth2server.Client {
	own := &struct {
		client oauth2server.Client
		texts  [6]string // enough for most
	}{client: *c}
	texts := append(append(append(own.texts[:0], c.RedirectURIs...), c.Grants...), c.Scope...)
	own.client.RedirectURIs, texts = cutOff(texts, c.RedirectURIs)
	own.client.Grants, texts = cutOff(texts, c.Grants)
	own.client.Scope, _ = cutOff(texts, c.Scope)
	return &own.client
}

// cutOff splits texts after len(like) elements. If like is nil, own is nil.
func cutOff(texts []string, like []string) (own, rest []string) {
	if like == nil {
		return nil, texts
	}
	return texts[:len(like):len(like)], texts[len(like):]
}
