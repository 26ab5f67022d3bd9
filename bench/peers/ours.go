// This file sets up this project.

package peers

import (
	"io"
	"log/slog"
	"net/http"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// Ours is this project with memorymodel and the default options.
var Ours = Peer{
	Name:      "oauth2server",
	New:       func(string) (http.Handler, error) { return newOurs(memory()) },
	Authorize: "/authorize",
	Token:     "/token",
	API:       "/api",
	App:       app,
	Machine:   machine,
	Other:     other,
	Scope:     Scope,
	Unequal: []string{"each refresh has a log entry and a sealed successor, by which a lost " +
		"reply is made good and a thief is seen; answers with tokens have three headers more " +
		"than the floor's, against caches and guesses of browsers; what has expired leaves memory; " +
		"a client that names no scopes has any"},
}

// OursWithoutLog has a model without GrantLog, as other libraries: refresh
// tokens are used once.
var OursWithoutLog = Peer{
	Name: "oauth2server without a log",
	New: func(string) (http.Handler, error) {
		m, err := memory()
		return newOurs(withoutLog{Model: m}, err)
	},
	Authorize: "/authorize",
	Token:     "/token",
	API:       "/api",
	App:       app,
	Machine:   machine,
	Other:     other,
	Scope:     Scope,
	Unequal:   []string{"as above, but a refresh token is used once, and nobody sees a thief"},
}

func memory() (*memorymodel.Model, error) {
	m := memorymodel.New(nil)
	for _, c := range []struct {
		Client
		grants []string
	}{{app, []string{"authorization_code", "refresh_token"}},
		{other, []string{"authorization_code", "refresh_token"}},
		{machine, []string{"client_credentials"}}} {
		if err := m.AddClient(&oauth2server.Client{
			ID:           c.ID,
			RedirectURIs: []string{Callback},
			Grants:       c.grants,
		}, c.Secret); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func newOurs(m oauth2server.Model, err error) (http.Handler, error) {
	if err != nil {
		return nil, err
	}
	return handlerOf(m, nil, oauth2server.Options{
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) {
			return &oauth2server.User{ID: User}, nil
		},
	})
}

func handlerOf(m oauth2server.Model, page http.Handler, options oauth2server.Options) (http.Handler, error) {
	options.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	srv, err := oauth2server.New(m, &options)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize(page))
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/api", srv.Authenticate(Scope)(http.HandlerFunc(api)))
	return mux, nil
}

// withoutLog hides GrantLog: methods that two fields promote are ambiguous, and
// so missing.
type withoutLog struct {
	*memorymodel.Model
	oauth2server.GrantLog
	SecondLog
}

// SecondLog has the methods of a GrantLog a second time.
type SecondLog interface{ oauth2server.GrantLog }
