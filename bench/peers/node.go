// This file describes node-oauth2-server; node/server.js sets it up.

package peers

// Node is @node-oauth/oauth2-server on node's own HTTP server, with a model of
// maps: node/server.js.
var Node = Peer{
	Name:      "node-oauth2-server 5.3.0",
	Authorize: "/authorize",
	Token:     "/token",
	API:       "/api",
	App:       app,
	Machine:   machine,
	Other:     other,
	Scope:     Scope,
	Unequal: []string{"another language, with threads of its own for garbage collection; " +
		"tokens are stored in clear; any scope is granted; the tokens that it holds came from " +
		"its model, not from requests; nothing ever expires from memory"},
}
