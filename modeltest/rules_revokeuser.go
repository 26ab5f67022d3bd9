// This file has the rule that nothing outlives RevokeUser.

package modeltest

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/seed-11d18166/oauth2server"
)

var revokeUserRules = []rule{
	{
		name:  "revoke-user",
		needs: []need{codes, refresh, log, tokens, flows, userRevokers},
		check: revokeUser,
		last:  true,
		reason: "when RevokeUser returns nil, nothing works any more that the user began before, " +
			"on whatever machine: see oauth2server.RevokeUser, which does so",
		harm: "whoever took an account over stays in after its password was changed, or its " +
			"owner is kept out",
	},
}

// userRevoker is called by a program when an account is closed or its password
// changes.
type userRevoker interface {
	RevokeUser(ctx context.Context, userID string) error
}

var userRevokers = need{"a method RevokeUser(ctx, userID) error", func(t *trial) bool {
	return outermost[userRevoker](t.on.given) != nil && outermost[userRevoker](t.peer.given) != nil
}}

// meanwhile is a model that does something once, before a given method is
// called. That covers the time after each method, too: it is before the next.
type meanwhile struct {
	*handle
	method string
	act    func()
}

func (m *meanwhile) Unwrap() oauth2server.Model { return m.given }

func (m *meanwhile) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	return m.model.GetClient(ctx, id, secret)
}

func (m *meanwhile) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	m.before("SaveToken")
	return m.model.SaveToken(ctx, t, c, u)
}

func (m *meanwhile) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, c *oauth2server.Client,
	u *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	m.before("SaveAuthorizationCode")
	return m.codes.SaveAuthorizationCode(ctx, code, c, u)
}

func (m *meanwhile) GetAuthorizationCode(
	ctx context.Context, code string,
) (*oauth2server.AuthorizationCode, error) {
	m.before("GetAuthorizationCode")
	return m.codes.GetAuthorizationCode(ctx, code)
}

func (m *meanwhile) RevokeAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode,
) error {
	return m.codes.RevokeAuthorizationCode(ctx, code)
}

func (m *meanwhile) AppendGrant(
	ctx context.Context, e *oauth2server.GrantEntry,
) (*oauth2server.GrantEntry, error) {
	m.before("AppendGrant")
	return m.log.AppendGrant(ctx, e)
}

func (m *meanwhile) GrantEntries(
	ctx context.Context, id string, from int,
) ([]*oauth2server.GrantEntry, error) {
	m.before("GrantEntries")
	return m.log.GrantEntries(ctx, id, from)
}

func (m *meanwhile) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	return m.log.RevokeAccessTokens(ctx, digests...)
}

func (m *meanwhile) before(method string) {
	if act := m.act; act != nil && m.method == method {
		m.act = nil
		act()
	}
}

// flights are the requests in flight while a user is revoked, and the methods
// that each calls.
var flights = []struct {
	name    string
	do      func(ctx context.Context, t *trial, srv *oauth2server.Server, had begun) (answer, error)
	methods []string
}{
	{"an authorization", func(ctx context.Context, t *trial, srv *oauth2server.Server, _ begun) (a answer, err error) {
		redemption, err := t.code(ctx, srv)
		if err != nil {
			return a, err
		}
		return t.token(ctx, srv, redemption)
	}, []string{"SaveAuthorizationCode", "GetAuthorizationCode"}},
	{"the exchange of a code",
		func(ctx context.Context, t *trial, srv *oauth2server.Server, had begun) (answer, error) {
			return t.token(ctx, srv, had.redemption)
		}, []string{"SaveToken", "AppendGrant", "GrantEntries"}},
	{"a refresh", func(ctx context.Context, t *trial, srv *oauth2server.Server, had begun) (answer, error) {
		return t.refreshed(ctx, srv, had.tokens)
	}, []string{"SaveToken", "AppendGrant"}},
}

// begun is what a user has before the revocation.
type begun struct {
	tokens     answer
	redemption url.Values // of a code
}

func revokeUser(ctx context.Context, t *trial) error {
	model := &meanwhile{handle: t.on}
	srv, err := oauth2server.New(model, quiet())
	if err != nil {
		return err
	}
	revoke := outermost[userRevoker](t.peer.given).RevokeUser
	for _, flight := range flights {
		for _, method := range flight.methods {
			had, err := t.begin(ctx, srv)
			if err != nil {
				return err
			}
			failed := errors.New("nothing called " + method)
			model.method = method
			model.act = func() { failed = revoke(ctx, t.user(0).ID) }
			got, _ := flight.do(ctx, t, srv, had) // it may be refused
			if failed != nil {
				return fmt.Errorf("%s: RevokeUser, before %s in %s: %w", t.peer.name, method,
					flight.name, failed)
			}
			if works := t.outlives(ctx, srv, had, got); works != "" {
				return fmt.Errorf("%s: RevokeUser returned nil, before %s in %s, and %s works",
					t.peer.name, method, flight.name, works)
			}
		}
	}
	had, err := t.begin(ctx, srv)
	if err != nil || t.works(ctx, srv, had.tokens) == "" {
		return fmt.Errorf("a user who comes back after RevokeUser gets no token that works: %v", err)
	}
	return nil
}

// begin lets the first user connect the first client twice, the second time
// only up to the code.
func (t *trial) begin(ctx context.Context, srv *oauth2server.Server) (had begun, err error) {
	redemption, err := t.code(ctx, srv)
	if err == nil {
		had.tokens, err = t.token(ctx, srv, redemption)
	}
	if err == nil {
		had.redemption, err = t.code(ctx, srv)
	}
	return had, err
}

// outlives returns which of the things that a user had or got still works, or
// "".
func (t *trial) outlives(ctx context.Context, srv *oauth2server.Server, had begun, got answer) string {
	if what := t.works(ctx, srv, got); what != "" {
		return what + " that was on its way"
	}
	if what := t.works(ctx, srv, had.tokens); what != "" {
		return what + " of before"
	}
	if _, err := t.token(ctx, srv, had.redemption); err == nil {
		return "the code of before"
	}
	return ""
}

// works returns which of the tokens still works, or "".
func (t *trial) works(ctx context.Context, srv *oauth2server.Server, a answer) string {
	if accessWorks(ctx, srv, a.Access) == nil {
		return "an access token"
	}
	if _, err := t.refreshed(ctx, srv, a); err == nil {
		return "a refresh token"
	}
	return ""
}
