// Package peers has OAuth servers that do the same work over HTTP: this
// project, others, and a floor for comparison. All keep everything in memory,
// ask for no consent, and refuse the same requests; see the gate in package
// main. [Peer.Unequal] lists the other differences.
package peers

import (
	"io"
	"net/http"
)

// Peer is a server to measure.
type Peer struct {
	Name string

	// New returns the whole server, for base. It is nil if the peer is not a Go
	// program.
	New func(base string) (http.Handler, error)

	// Authorize, Token and API are its paths. API returns [Answer] for a token
	// with the scope read.
	Authorize, Token, API string

	// App uses the code flow, Machine client credentials. Other is a second
	// App, for the gate.
	App, Machine, Other Client

	// Scope is what App asks for.
	Scope string

	// Nonce is that of an authorization request, if the peer gives ID tokens.
	Nonce string

	// Resource is that of both requests of the code flow. "": they name none.
	Resource string

	// AnybodyRefreshes reports whether any client can use a refresh token. The
	// gate checks it.
	AnybodyRefreshes bool

	// Unequal lists what makes the comparison unfair, in either direction.
	Unequal []string
}

// Client is a confidential client.
type Client struct{ ID, Secret string }

// Values that the servers have in common.
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

// All has the peers, the floor first.
var All = []Peer{Floor, HandWritten, Ours, OursWithoutLog, GoOAuth2, GoOAuth2Maps, Fosite, Osin, Zitadel, Node}

// Find returns the peer of that name.
func Find(name string) (Peer, bool) {
	for _, p := range All {
		if p.Name == name {
			return p, true
		}
	}
	return Peer{}, false
}

// api is the API that a token opens.
func api(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, Answer) }
