// Package peers has OAuth servers that do the same work over HTTP: this
// project's, others', and a floor for comparison. All keep everything in
// memory, ask nobody whether he consents, and are alike in what they must
// refuse; see the gate in package main. What they do beyond that, or not, is in
// [Peer.Unequal].
package peers

import (
	"io"
	"net/http"
)

// Peer is a server to measure.
type Peer struct {
	Name string

	// New returns the whole server, which is reached at base. Nil: it is no Go
	// program.
	New func(base string) (http.Handler, error)

	// Authorize, Token and API are its paths. API answers [Answer] to who has a
	// token with the scope read.
	Authorize, Token, API string

	// App uses the code flow, Machine client credentials. Other is a second
	// App, for the gate.
	App, Machine, Other Client

	// Scope is what App asks for.
	Scope string

	// AnybodyRefreshes is whether it takes a refresh token from whoever has it.
	// The gate sees that what is said here is true.
	AnybodyRefreshes bool

	// Unequal is what makes a comparison unfair, to whom it may be.
	Unequal []string
}

// Client is a confidential client.
type Client struct{ ID, Secret string }

// What the servers have in common.
const (
	Callback = "https://app.example/callback"
	User     = "u1"
	Answer   = "ok\n"
	Scope    = "read"
)

var (
	app     = Client{"app", "a-secret-that-nobody-guesses"}
	machine = Client{"machine", "another-secret-that-nobody-guesses"}
	other   = Client{"other", "a-third-secret-that-nobody-guesses"}
)

// All are the peers, the floor first.
var All = []Peer{Floor, Ours, OursWithoutLog, GoOAuth2, GoOAuth2Maps, Fosite, Osin, Zitadel, Node}

// Find returns the peer of that name.
func Find(name string) (Peer, bool) {
	for _, p := range All {
		if p.Name == name {
			return p, true
		}
	}
	return Peer{}, false
}

// api is what a token is for.
func api(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, Answer) }
