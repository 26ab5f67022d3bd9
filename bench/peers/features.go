// This file has this project with features on that the default leaves off.

package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/jwtaccess"
	"github.com/seed-11d18166/oauth2server/ext/ratelimit"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// Feature is this project with one feature on.
type Feature struct {
	Peer

	// Used returns an error if the last code flow, which ended with answer, did
	// without it.
	Used func(answer []byte) error
}

var errUnused = errors.New("the feature is not used")

// Features returns the features, after a server that has none of them. The keys
// of what is signed are key.
func Features(key Key) ([]Feature, error) {
	ring, err := key.ring()
	if err != nil {
		return nil, err
	}
	checkJWT, err := ourCheck(key)
	if err != nil {
		return nil, err
	}
	used := false // by a hook, since the last look
	look := func(string, *memorymodel.Model) error {
		if !used {
			return errUnused
		}
		used = false
		return nil
	}
	limit := ratelimit.New().LimitAttempts
	var all []Feature
	for _, f := range []struct {
		name, resource string
		timed          bool
		options        oauth2server.Options
		used           func(accessToken string, m *memorymodel.Model) error
	}{
		{name: "plain", used: func(string, *memorymodel.Model) error { return nil }},
		{name: "OnEvent", used: look, options: oauth2server.Options{
			OnEvent: func(*http.Request, oauth2server.Event) { used = true },
		}},
		{name: "LimitAttempts", used: look, options: oauth2server.Options{
			LimitAttempts: func(*http.Request, oauth2server.Attempt) (func(bool), time.Duration) {
				used = true
				return nil, 0
			},
		}},
		{name: "LimitAttempts, ext/ratelimit", used: look, options: oauth2server.Options{
			LimitAttempts: func(r *http.Request, a oauth2server.Attempt) (func(bool), time.Duration) {
				used = true
				return limit(r, a)
			},
		}},
		{
			name:  "Approval.Authentication",
			timed: true,
			used: func(accessToken string, m *memorymodel.Model) error {
				token, err := m.GetAccessToken(context.Background(), accessToken)
				if err == nil && (token.Details == nil || token.Details.Authentication == nil) {
					err = errUnused
				}
				return err
			},
		},
		{
			name:     "Resources",
			resource: Audience,
			options:  oauth2server.Options{Resources: []oauth2server.Resource{{URL: Audience}}},
			used: func(accessToken string, m *memorymodel.Model) error {
				token, err := m.GetAccessToken(context.Background(), accessToken)
				if err == nil && token.Resource != Audience {
					err = errUnused
				}
				return err
			},
		},
		{
			name: "ext/jwtaccess, " + key.Algorithm,
			options: oauth2server.Options{Extensions: []oauth2server.Extension{
				jwtaccess.New(ring, &jwtaccess.Options{Audience: Audience}),
			}},
			used: func(accessToken string, _ *memorymodel.Model) error { return checkJWT(accessToken) },
		},
	} {
		m, err := memory()
		if err != nil {
			return nil, err
		}
		all = append(all, Feature{
			Peer: Peer{Name: f.name, New: func(string) (http.Handler, error) { return approving(m, f.timed, f.options) },
				Authorize: "/authorize", Token: "/token", App: app, Machine: machine, Scope: Scope, Resource: f.resource},
			Used: func(answer []byte) error {
				var document struct {
					Access string `json:"access_token"`
				}
				if err := json.Unmarshal(answer, &document); err != nil {
					return err
				}
				if err := f.used(document.Access, m); err != nil {
					return fmt.Errorf("%s: %w", f.name, err)
				}
				return nil
			},
		})
	}
	provider := Providers(key)[0]
	provider.Name = "Approval.Authentication and ext/oidc, " + key.Algorithm
	return append(all, Feature{provider, func(answer []byte) error { return CheckIDToken(key, provider, answer) }}), nil
}
