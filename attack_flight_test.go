package oauth2server_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// pausingSite is a site that can hold one request at a time at its storage
// operations.
type pausingSite struct {
	*site
	stepped *stepped
	held    *actor
}

func newPausingSite(t *testing.T, model target) *pausingSite {
	h := &pausingSite{stepped: &stepped{store: model, arrived: make(chan *actor, 100)}}
	handler := mount(t, h.stepped, nil, nil)
	h.site = listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Held") != "" {
			r = r.WithContext(context.WithValue(r.Context(), actorKey{}, h.held))
		}
		handler.ServeHTTP(w, r)
	}))
	return h
}

// tokenRequest returns a function for hold that posts params to the token
// endpoint as web.
func (h *pausingSite) tokenRequest(answer *reply, params ...string) func(context.Context) {
	return func(context.Context) {
		*answer = h.do(h.request("POST", "/token", form(params...), "Authorization", as("web"), "Held", "yes"))
	}
}

// hold runs run and stops it at operation number place, counted from 0. There
// it calls meanwhile, and then the operation ends as f tells. If run has fewer
// operations, meanwhile is called at the end and reached is false.
func (h *pausingSite) hold(place int, meanwhile func(), f opResult, run func(ctx context.Context)) (reached bool) {
	h.held = &actor{goOn: make(chan opResult)}
	defer close(h.held.goOn) // if meanwhile ends the test, run continues
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(context.WithValue(context.Background(), actorKey{}, h.held))
	}()
	for at := 0; ; at++ {
		select {
		case <-h.stepped.arrived:
			if at == place {
				reached = true
				meanwhile()
				h.held.goOn <- f
			} else {
				h.held.goOn <- done
			}
		case <-ended:
			if !reached {
				meanwhile()
			}
			return reached
		}
	}
}

// A request that passed its checks before the grant was revoked still issues a
// token (revocation against requests in flight). One of the two requests is
// held before each of its storage operations, and after the last, while the
// other runs.
func TestAttack_RevocationInFlight(t *testing.T) {
	t.Parallel()
	type grant struct {
		id, code  string
		user      string
		delivered []reply
	}
	onEachModel(t, func(t *testing.T, model target) {
		h := newPausingSite(t, model)
		redemption := func(g *grant) []string {
			return []string{"grant_type", "authorization_code", "code", g.code, "redirect_uri", callback}
		}
		requests := map[string]func(g *grant) []string{
			"redemption": redemption,
			"refresh": func(g *grant) []string {
				first := h.redeem("web", g.code)
				g.delivered = append(g.delivered, first)
				return []string{"grant_type", "refresh_token", "refresh_token", first.str("refresh_token")}
			},
		}
		revocations := map[string]func(ctx context.Context, g *grant) error{
			"RevokeGrant": func(ctx context.Context, g *grant) error {
				return oauth2server.RevokeGrant(ctx, h.stepped, g.id)
			},
			"RevokeUser": func(ctx context.Context, g *grant) error {
				if len(g.delivered) > 0 { // a redeemed code may have been swept
					if err := model.RevokeAuthorizationCode(ctx,
						&oauth2server.AuthorizationCode{Code: g.code}); err != nil {
						return err
					}
				}
				return model.RevokeUser(ctx, g.user)
			},
			"RevokeUserClient": func(ctx context.Context, g *grant) error {
				return model.RevokeUserClient(ctx, g.user, "web")
			},
			"replay of the code": func(ctx context.Context, g *grant) error {
				var replay reply
				if ctx.Value(actorKey{}) == nil {
					replay = h.redeem("web", g.code)
				} else {
					h.tokenRequest(&replay, redemption(g)...)(ctx)
				}
				g.delivered = append(g.delivered, replay)
				return nil
			},
		}
		orders := map[string]func(place int, revoke func(context.Context), answer *reply, params []string) bool{
			"held": func(place int, revoke func(context.Context), answer *reply, params []string) bool {
				reached := h.hold(place, func() { revoke(t.Context()) }, done, h.tokenRequest(answer, params...))
				require.True(t, reached || place > 2, "it has three operations or more")
				return reached
			},
			"in the midst": func(place int, revoke func(context.Context), answer *reply, params []string) bool {
				return h.hold(place, func() { *answer = h.token("web", params...) }, done, revoke)
			},
		}
		for what, request := range requests {
			for how, revoke := range revocations {
				for order, run := range orders {
					// Few grants for each user: a revocation visits them all.
					user := fmt.Sprintf("%s %s, %s", what, order, how)
					require.NoError(t, addUser(t, model, user, user, "a password"))
					for place, reached := 0, true; reached; place++ {
						reached = false // even if this row is not run, with -run or -failfast
						t.Run(fmt.Sprintf("%s %s, %s, %d", what, order, how, place), func(t *testing.T) {
							g := &grant{code: h.code("username", user, "password", "a password"), user: user}
							code, err := model.GetAuthorizationCode(t.Context(), g.code)
							require.NoError(t, err)
							g.id = code.GrantID
							params := request(g)
							var answer reply
							reached = run(place, func(ctx context.Context) { err = revoke(ctx, g) }, &answer, params)
							require.NoError(t, err)
							refused := 0
							for _, r := range append(g.delivered, answer) {
								if r.StatusCode != 200 {
									requireError(t, r, 400, "invalid_grant")
									refused++
									continue
								}
								require.Equal(t, 401, h.apiStatus(r.str("access_token")))
								requireError(t, h.refresh("web", r.str("refresh_token")), 400, "invalid_grant")
							}
							require.True(t, refused > 0 || how != "replay of the code",
								"the replay is acknowledged to one of the two")
						})
					}
				}
			}
		}
	})
}

// An append whose reply was lost is taken for replay or theft (our own lost
// reply). Here the server gets an error for the append, and the client asks
// again.
func TestAttack_OurOwnLostReply(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		h := newPausingSite(t, model)
		const atAppend = 2 // after the look-up and SaveToken
		first := h.redeem("web", h.code())
		refresh := []string{"grant_type", "refresh_token", "refresh_token", first.str("refresh_token")}
		for _, f := range []opResult{failsBefore, failsAfter} {
			var answer reply
			require.True(t, h.hold(atAppend, func() {}, f, h.tokenRequest(&answer, refresh...)))
			requireError(t, answer, 503, "server_error")
			first = h.requireAlive(h.mustRefresh(refresh[3]))
			refresh[3] = first.str("refresh_token")
		}
		// A code cannot be redeemed again, as nobody knows whether its tokens
		// were delivered. The client has to start over, and nothing is left of
		// the tokens it did not get.
		redemption := []string{"grant_type", "authorization_code", "code", h.code(), "redirect_uri", callback}
		code, err := model.GetAuthorizationCode(t.Context(), redemption[3])
		require.NoError(t, err)
		var answer reply
		h.hold(atAppend, func() {}, failsAfter, h.tokenRequest(&answer, redemption...))
		requireError(t, answer, 503, "server_error")
		requireError(t, h.token("web", redemption...), 400, "invalid_grant")
		entries, err := model.GrantEntries(t.Context(), code.GrantID, 1)
		require.NoError(t, err)
		require.Equal(t, oauth2server.EntryRevoked, entries[len(entries)-1].Kind)
		redemption[3] = h.code()
		h.hold(atAppend, func() {}, failsBefore, h.tokenRequest(&answer, redemption...))
		requireError(t, answer, 503, "server_error")
		h.requireAlive(h.token("web", redemption...))

		// The driver repeats the insert and finds its own entry.
		for _, rotation := range []oauth2server.RefreshRotation{oauth2server.RotateWithRetry,
			oauth2server.RotateStrictly} {
			s := newSite(t, repeating{model}, &oauth2server.Options{RefreshRotation: rotation}, nil)
			s.requireAlive(s.requireAlive(s.redeem("web", s.code())))
		}
	})
}
