// This file copies clients, so that callers own what they get.

package memorymodel

import "github.com/seed-11d18166/oauth2server"

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
