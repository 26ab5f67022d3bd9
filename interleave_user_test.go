package oauth2server_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// steppedUser is a stepped model in which the user also starts grants. Their
// password is always right.
type steppedUser struct{ *stepped }

func (s *steppedUser) SaveAuthorizationCode(
	ctx context.Context, code *oauth2server.AuthorizationCode, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.AuthorizationCode, error) {
	return at(s.stepped, ctx, false, func() (*oauth2server.AuthorizationCode, error) {
		return s.store.SaveAuthorizationCode(ctx, code, c, u)
	})
}

func (s *steppedUser) GetUser(ctx context.Context, _, _ string, _ *oauth2server.Client) (*oauth2server.User, error) {
	return at(s.stepped, ctx, false, func() (*oauth2server.User, error) { return &oauth2server.User{ID: "u1"}, nil })
}

// grants lists the grants of the user, as a model does.
func (s *stepped) grants(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ids, err := at(s, ctx, false, func() ([]string, error) { return slices.Sorted(maps.Keys(s.named)), nil })
		if err != nil {
			yield("", err)
		}
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// signIn gets a token for the user's password.
func (p *trial) signIn(ctx context.Context) outcome {
	return p.post(ctx, p.handler, "grant_type", "password", "username", "andy", "password", "andys-password")
}

// connect signs in for a code and redeems it.
func (p *trial) connect(ctx context.Context) outcome {
	body := strings.NewReader(form(authorization("username", "andy", "password", "andys-password")...))
	r := httptest.NewRequestWithContext(ctx, "POST", "/authorize", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	p.authorize.ServeHTTP(w, r)
	code := reply{Response: w.Result()}.at("code")
	if code == "" {
		return outcome{}
	}
	return p.post(ctx, p.handler, "grant_type", "authorization_code", "code", code, "redirect_uri", callback)
}

func (p *trial) revokeUser(ctx context.Context) outcome {
	if err := oauth2server.RevokeUser(ctx, p.stepped, "u1", "", p.stepped.grants(ctx)); err != nil {
		return outcome{status: 503}
	}
	return outcome{status: 200}
}

// reviewUser checks that grants which began before the last actor revoked
// everything are dead, if that was acknowledged, and that grants which began
// afterwards live.
func (p *trial) reviewUser(actors []*actor) (faults []string) {
	ctx, revoking := context.Background(), actors[len(actors)-1]
	delivered := map[*actor]outcome{{}: p.first}
	for _, a := range actors {
		delivered[a] = a.got
	}
	for a, tokens := range delivered {
		if tokens.access == "" {
			continue
		}
		_, err := p.stepped.GetAccessToken(ctx, tokens.access)
		refreshed := p.post(ctx, p.handler, "grant_type", "refresh_token", "refresh_token",
			tokens.refresh).status == 200
		switch lives := err == nil || refreshed; {
		case lives && revoking.got.status == 200 && (a.began == 0 || a.began < revoking.began):
			faults = append(faults, fmt.Sprint("U1: something lives that began before everything was revoked: ",
				err == nil, refreshed))
		case !lives && revoking.until > 0 && a.began > revoking.until:
			faults = append(faults, "U2: something is dead that began after everything was revoked")
		}
	}
	return faults
}

func TestRevokeUserInEveryOrder(t *testing.T) {
	for _, s := range []scenario{
		{"refresh", true, true, 4, func(p *trial) []action { return []action{{p.refresh, 0}, {p.revokeUser, 200}} }},
		{"redeem", false, true, 4, func(p *trial) []action { return []action{{p.redeem, 0}, {p.revokeUser, 200}} }},
		{"sign in", false, true, 4, func(p *trial) []action { return []action{{p.signIn, 0}, {p.revokeUser, 200}} }},
		{"connect", false, true, 4, func(p *trial) []action { return []action{{p.connect, 0}, {p.revokeUser, 200}} }},
		{"join", true, true, 3, func(p *trial) []action { return []action{{p.join, 0}, {p.revokeUser, 200}} }},
		{"join a grant that is not in the log", false, true, 3, func(p *trial) []action {
			return []action{{p.join, 0}, {p.revokeUser, 200}}
		}},
		{"revoke, too", true, true, 2, func(p *trial) []action {
			return []action{{p.revokeUser, 0}, {p.revokeUser, 200}}
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newTrial(t, false)
			runs := orders(func(choose func(int) int) {
				p.begin(s.redeemed)
				actors := p.interleave(choose, 1, s.switches, s.actions(p)...)
				require.Empty(t, p.reviewUser(actors), "%s", statuses(actors))
			})
			t.Logf("%d runs", runs)
		})
	}
}
