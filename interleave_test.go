package oauth2server_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// Requests run at once over one storage. At each storage operation the test
// decides which of them goes on, and whether the operation fails, so it tries
// all orders or a sample of them. Only one request runs at a time.

// actor is a request under way.
type actor struct {
	action
	goOn  chan opResult
	alone bool // the next operation conflicts with no other, so its order makes no difference
	gone  bool // crashed: its operations have no effect, and its answer is lost
	ended bool
	got   outcome

	began, until int // the numbers of its first and its last operation
}

// action is a request. ends is the status that acknowledges the end of the
// grant, or 0 if the request does not end it.
type action struct {
	run  func(ctx context.Context) outcome
	ends int
}

// outcome is the answer to a request.
type outcome struct {
	status          int // 0: no answer
	access, refresh string
}

// opResult is how a storage operation ends.
type opResult int

const (
	done        opResult = iota
	failsBefore          // it has no effect, and returns an error
	failsAfter           // it takes effect, and returns an error
	crashBefore          // the process ends
	crashAfter
	opResults
)

var errFault = errors.New("the storage does not answer")

type actorKey struct{}

// stepped is a model whose operations wait for the actor's turn.
type stepped struct {
	store
	arrived chan *actor
	wrong   bool            // for claimFirst: saved tokens may be known already
	named   map[string]bool // the logs with entries of the user
}

// store is the model under stepped: memorymodel's, perhaps with operations in a
// wrong order.
type store interface {
	oauth2server.Model
	oauth2server.AccessTokenModel
	oauth2server.AuthorizationCodeModel
	oauth2server.RefreshTokenModel
	oauth2server.GrantLog
}

func (s *stepped) Unwrap() oauth2server.Model { return s.store }

// at waits for the actor's turn and then carries op out. alone means that op
// reads what never changes, or writes what no other request knows yet.
func at[T any](s *stepped, ctx context.Context, alone bool, op func() (T, error)) (result T, err error) {
	a, staged := ctx.Value(actorKey{}).(*actor)
	if !staged {
		return op()
	}
	if a.gone {
		return result, errFault
	}
	a.alone = alone && !s.wrong
	s.arrived <- a
	f := <-a.goOn
	if f == crashBefore || f == crashAfter {
		a.gone = true
	}
	if f != failsBefore && f != crashBefore {
		result, err = op()
	}
	if f != done {
		var nothing T
		return nothing, errFault
	}
	return result, err
}

func (s *stepped) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	return at(s, ctx, true, func() (*oauth2server.Token, error) { return s.store.SaveToken(ctx, t, c, u) })
}

func (s *stepped) GetAuthorizationCode(ctx context.Context, code string) (*oauth2server.AuthorizationCode, error) {
	return at(s, ctx, true, func() (*oauth2server.AuthorizationCode, error) {
		return s.store.GetAuthorizationCode(ctx, code)
	})
}

func (s *stepped) GetRefreshToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	return at(s, ctx, true, func() (*oauth2server.Token, error) { return s.store.GetRefreshToken(ctx, token) })
}

func (s *stepped) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	return at(s, ctx, false, func() (*oauth2server.GrantEntry, error) {
		there, err := s.store.AppendGrant(ctx, e)
		if err == nil && e.UserID != "" && s.named != nil {
			s.named[e.GrantID] = true
		}
		return there, err
	})
}

func (s *stepped) GrantEntries(ctx context.Context, id string, from int) ([]*oauth2server.GrantEntry, error) {
	return at(s, ctx, false, func() ([]*oauth2server.GrantEntry, error) { return s.store.GrantEntries(ctx, id, from) })
}

func (s *stepped) RevokeAccessTokens(ctx context.Context, digests ...string) error {
	_, err := at(s, ctx, false, func() (struct{}, error) {
		return struct{}{}, s.store.RevokeAccessTokens(ctx, digests...)
	})
	return err
}

// claimFirst is the obvious but wrong order: it takes the place in the log
// first, and saves the token afterwards.
type claimFirst struct {
	store
	mu    sync.Mutex
	saves map[string]func() error // by the digest of the access token
}

func (c *claimFirst) Unwrap() oauth2server.Model { return c.store }

func (c *claimFirst) SaveToken(
	ctx context.Context, t *oauth2server.Token, client *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	if _, staged := ctx.Value(actorKey{}).(*actor); !staged {
		return c.store.SaveToken(ctx, t, client, u)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saves[oauth2server.Digest(t.AccessToken)] = func() error {
		_, err := c.store.SaveToken(ctx, t, client, u)
		return err
	}
	return t, nil
}

func (c *claimFirst) AppendGrant(ctx context.Context, e *oauth2server.GrantEntry) (*oauth2server.GrantEntry, error) {
	there, err := c.store.AppendGrant(ctx, e)
	c.mu.Lock()
	save := c.saves[e.AccessToken]
	c.mu.Unlock()
	if err != nil || save == nil {
		return there, err
	}
	return there, save()
}

// trial runs requests on a grant with its code and, if it was redeemed before,
// its first tokens.
type trial struct {
	t       *testing.T
	stepped *stepped
	handler http.Handler
	strict  http.Handler // without a retry window
	signOut http.Handler
	first   outcome

	constant  http.Handler // without rotation
	authorize http.Handler // without a page
}

const trialGrant = "the grant"

// newTrial makes the servers. wrong puts claimFirst between them and the
// stepped model.
func newTrial(t *testing.T, wrong bool) *trial {
	p := &trial{t: t, stepped: &stepped{store: memorymodel.New(nil), arrived: make(chan *actor), wrong: wrong}}
	var model oauth2server.Model = &steppedUser{p.stepped}
	if wrong {
		model = &claimFirst{store: p.stepped, saves: map[string]func() error{}}
	}
	serve := func(options oauth2server.Options) *oauth2server.Server {
		options.Logger, options.Grants = slog.New(slog.DiscardHandler),
			[]string{"authorization_code", "refresh_token", "password"}
		options.ExtensionGrants = map[string]oauth2server.GrantFunc{"urn:join": p.joinGrant}
		srv, err := oauth2server.New(model, &options)
		require.NoError(t, err)
		return srv
	}
	p.handler, p.signOut = serve(oauth2server.Options{}).Token(nil), serve(oauth2server.Options{}).Revoke()
	p.authorize = serve(oauth2server.Options{}).Authorize(nil)
	p.strict = serve(oauth2server.Options{RefreshRotation: oauth2server.RotateStrictly}).Token(nil)
	p.constant = serve(oauth2server.Options{RefreshRotation: oauth2server.RotateNever}).Token(nil)
	return p
}

// joinGrant issues an access token that joins the grant.
func (p *trial) joinGrant(ctx context.Context, g *oauth2server.GrantRequest) (*oauth2server.Token, error) {
	return g.Issue(ctx, oauth2server.Issuance{User: &oauth2server.User{ID: "u1"}, GrantID: trialGrant})
}

// begin resets the storage and prepares a grant.
func (p *trial) begin(redeemed bool) {
	memory := memorymodel.New(nil)
	require.NoError(p.t, memory.AddClient(&oauth2server.Client{ID: "web",
		Grants:       append([]string{"urn:join"}, allGrants...),
		RedirectURIs: []string{callback}}, secret+"web"))
	_, err := memory.SaveAuthorizationCode(context.Background(),
		&oauth2server.AuthorizationCode{Code: "code", GrantID: trialGrant,
			ExpiresAt: time.Now().Add(time.Minute), Client: &oauth2server.Client{ID: "web"},
			User: &oauth2server.User{ID: "u1"}}, nil, nil)
	require.NoError(p.t, err)
	p.stepped.store, p.stepped.named, p.first = memory, map[string]bool{}, outcome{}
	if redeemed {
		p.first = p.redeem(context.Background())
		require.Equal(p.t, 200, p.first.status)
	}
}

func (p *trial) post(ctx context.Context, handler http.Handler, params ...string) outcome {
	r := httptest.NewRequestWithContext(ctx, "POST", "/token", strings.NewReader(form(params...)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", as("web"))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	answer := reply{body: map[string]any{}}
	if w.Body.Len() > 0 {
		require.NoError(p.t, json.Unmarshal(w.Body.Bytes(), &answer.body))
	}
	return outcome{w.Code, answer.str("access_token"), answer.str("refresh_token")}
}

func (p *trial) redeem(ctx context.Context) outcome {
	return p.post(ctx, p.handler, "grant_type", "authorization_code", "code", "code")
}

func (p *trial) refresh(ctx context.Context) outcome {
	return p.post(ctx, p.handler, "grant_type", "refresh_token", "refresh_token", p.first.refresh)
}

// use refreshes without rotation.
func (p *trial) use(ctx context.Context) outcome {
	return p.post(ctx, p.constant, "grant_type", "refresh_token", "refresh_token", p.first.refresh)
}

// join uses an extension grant whose token is to end with the grant.
func (p *trial) join(ctx context.Context) outcome {
	return p.post(ctx, p.handler, "grant_type", "urn:join")
}

// loop refreshes the given number of times, each time with the latest token,
// and returns the last answer with tokens.
func (p *trial) loop(times int) func(ctx context.Context) outcome {
	return func(ctx context.Context) (last outcome) {
		token := p.first.refresh
		for range times {
			got := p.post(ctx, p.handler, "grant_type", "refresh_token", "refresh_token", token)
			if got.access == "" {
				break
			}
			last, token = got, got.refresh
		}
		return last
	}
}

// abuse presents a token that was spent long before.
func (p *trial) abuse(ctx context.Context) outcome {
	return p.post(ctx, p.strict, "grant_type", "refresh_token", "refresh_token", p.first.refresh)
}

// leave signs out with a token that may be spent by then.
func (p *trial) leave(ctx context.Context) outcome {
	return p.post(ctx, p.signOut, "token", p.first.refresh)
}

func (p *trial) revoke(ctx context.Context) outcome {
	if err := oauth2server.RevokeGrant(ctx, p.stepped, trialGrant); err != nil {
		return outcome{status: 503}
	}
	return outcome{status: 200}
}

// anyNumber lets the turn change between requests without limit.
const anyNumber = 1 << 30

// interleave runs the requests. At each operation choose picks one of n ways to
// go on. The turn passes from a request that could go on to another one at most
// switches times.
func (p *trial) interleave(choose func(n int) int, faults, switches int, requests ...action) []*actor {
	actors := make([]*actor, len(requests))
	var waiting []*actor
	for i, request := range requests {
		a := &actor{action: request, goOn: make(chan opResult)}
		actors[i] = a
		go func() {
			<-a.goOn
			a.got = a.run(context.WithValue(context.Background(), actorKey{}, a))
			a.ended = true
			p.stepped.arrived <- a
		}()
		waiting = append(waiting, a)
	}
	operation := 0
	at := -1        // whose turn it is, if no other actor's can be
	var last *actor // whose turn it was before the turn could change
	for len(waiting) > 0 {
		kinds, ways := 1, len(waiting)
		if faults > 0 {
			kinds = int(opResults)
		}
		if at >= 0 {
			ways = 1
		}
		operation++
		choice := choose(ways * kinds)
		if f := opResult(choice / ways); f != done {
			faults--
		}
		if at < 0 {
			if at = choice % ways; last != nil && !last.ended && waiting[at] != last {
				switches--
			}
		}
		a := waiting[at]
		if a.began == 0 {
			a.began = operation
		}
		a.goOn <- opResult(choice / ways)
		if <-p.stepped.arrived; a.ended { // one runs at a time, so it is a that arrives
			waiting = append(waiting[:at:at], waiting[at+1:]...)
			a.until = operation
		}
		switch {
		case a.ended, !a.alone && switches > 0:
			last, at = a, -1
		case !a.alone:
			at = slices.Index(waiting, a)
		}
		if a.gone {
			a.got = outcome{}
		}
	}
	return actors
}

// everyOrder calls run with choosers that together make every sequence of
// choices, and returns the number of runs.
func everyOrder(run func(choose func(n int) int)) (runs int) {
	var path, width []int
	for {
		depth := 0
		run(func(n int) int {
			if depth == len(path) {
				path, width = append(path, 0), append(width, n)
			}
			depth++
			return path[depth-1]
		})
		runs++
		last := len(path) - 1
		for last >= 0 && path[last] == width[last]-1 {
			last--
		}
		if last < 0 {
			return runs
		}
		path, width = path[:last+1], width[:last+1]
		path[last]++
	}
}

// orders is everyOrder, or a sample with -short and under the race detector,
// which takes minutes and sees little where one request runs at a time.
func orders(run func(choose func(n int) int)) (runs int) {
	if !underRace && !testing.Short() {
		return everyOrder(run)
	}
	return someOrders(200, run)
}

// someOrders calls run with choosers that choose at random, the same way in
// each test run.
func someOrders(runs int, run func(choose func(n int) int)) int {
	random := rand.New(rand.NewSource(1))
	for range runs {
		run(random.Intn)
	}
	return runs
}

// review checks what must hold in every order, and returns the violations.
func (p *trial) review(actors []*actor, revokes bool) (faults []string) {
	ctx := context.Background()
	entries, err := p.stepped.GrantEntries(ctx, trialGrant, 1)
	require.NoError(p.t, err)
	uses, err := p.stepped.GrantEntries(ctx, "uses:"+trialGrant, 0)
	require.NoError(p.t, err)
	issued, line := map[string]bool{}, map[string]bool{}
	for _, e := range uses {
		issued[e.AccessToken] = true
	}
	next, end := 1, 0 // the place after the line, and the first one that ends it
	for _, e := range entries {
		switch {
		case e.Kind == "revoked" && end == 0:
			end = e.Seq
		case e.Kind == "revoked":
		case e.Seq != next || end > 0 || e.Kind == "rotate" && !line[e.Presented]:
			faults = append(faults, "I1: the log is no line")
		default:
			next++
		}
		issued[e.AccessToken], line[e.Successor] = true, true
	}
	over, blocked := end == next, end > 0 // a revocation may have stopped between the two
	acknowledged := false
	delivered := []outcome{p.first}
	for _, a := range actors {
		switch {
		case a.got.access != "":
			delivered = append(delivered, a.got)
			if !issued[oauth2server.Digest(a.got.access)] {
				faults = append(faults, "I5: a token without an entry was delivered")
			}
		case a.got.status == a.ends && a.ends != 0, blocked && a.got.status == 400 && p.first.access != "":
			acknowledged = true // a refused refresh acknowledges it, too
		case a.got.status == 400 && !blocked:
			faults = append(faults, "I3: a request was refused, and nothing was revoked")
		}
	}
	if acknowledged && !over {
		faults = append(faults, "I5: a log goes on after the revocation was acknowledged")
	}
	if blocked && !revokes {
		faults = append(faults, "I6: a grant was revoked, and nobody gave a reason")
	}
	for _, tokens := range delivered {
		if acknowledged && tokens.access != "" {
			if _, err := p.stepped.GetAccessToken(ctx, tokens.access); err == nil {
				faults = append(faults, "I5: an access token works after the revocation was acknowledged")
			}
		}
	}
	for _, tokens := range delivered { // after the others, as presenting one may finish a revocation
		if tokens.refresh == "" {
			continue
		}
		works := p.post(ctx, p.handler, "grant_type", "refresh_token", "refresh_token", tokens.refresh).status == 200
		if works && over {
			faults = append(faults, "I5: a refresh token works after the revocation")
		}
		if !works && !blocked && !revokes {
			faults = append(faults, "I3: the owner is signed out")
		}
	}
	return faults
}

// scenario is a set of requests to run at once.
type scenario struct {
	name     string
	redeemed bool // before they begin
	revokes  bool // one of them is a reason to end the grant
	switches int  // how often the turn may change; 0: any number of times
	actions  func(p *trial) []action
}

func TestRequestsInEveryOrder(t *testing.T) {
	for _, s := range []scenario{
		{"refresh, refresh", true, false, 0, func(p *trial) []action {
			return []action{{p.refresh, 0}, {p.refresh, 0}}
		}},
		{"refresh, revoke", true, true, 0, func(p *trial) []action {
			return []action{{p.refresh, 0}, {p.revoke, 200}}
		}},
		{"refresh, sign out", true, true, 0, func(p *trial) []action {
			return []action{{p.refresh, 0}, {p.leave, 200}}
		}},
		{"sign out, theft", true, true, 0, func(p *trial) []action { return []action{{p.leave, 200}, {p.abuse, 400}} }},
		{"redeem, revoke", false, true, 0, func(p *trial) []action { return []action{{p.redeem, 0}, {p.revoke, 200}} }},
		{"redeem, redeem", false, true, 0, func(p *trial) []action {
			return []action{{p.redeem, 400}, {p.redeem, 400}}
		}},
		{"refresh, replay of the code", true, true, 5, func(p *trial) []action {
			return []action{{p.refresh, 0}, {p.redeem, 400}}
		}},
		{"refresh, theft", true, true, 0, func(p *trial) []action { return []action{{p.refresh, 0}, {p.abuse, 400}} }},
		{"revoke, revoke", true, true, 3, func(p *trial) []action {
			return []action{{p.revoke, 200}, {p.revoke, 200}}
		}},
		{"use, use", true, false, 0, func(p *trial) []action { return []action{{p.use, 0}, {p.use, 0}} }},
		{"use, revoke", true, true, 3, func(p *trial) []action { return []action{{p.use, 0}, {p.revoke, 200}} }},
		{"use, refresh", true, false, 3, func(p *trial) []action { return []action{{p.use, 0}, {p.refresh, 0}} }},
		{"join, join", true, false, 0, func(p *trial) []action { return []action{{p.join, 0}, {p.join, 0}} }},
		{"join, revoke", true, true, 3, func(p *trial) []action { return []action{{p.join, 0}, {p.revoke, 200}} }},
		{"join, theft", true, true, 3, func(p *trial) []action { return []action{{p.join, 0}, {p.abuse, 400}} }},
		{"two refreshes, revoke", true, true, 4, func(p *trial) []action {
			return []action{{p.loop(2), 0}, {p.revoke, 200}}
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newTrial(t, false)
			runs := orders(func(choose func(int) int) {
				p.begin(s.redeemed)
				actors := p.interleave(choose, 1, cmp.Or(s.switches, anyNumber), s.actions(p)...)
				require.Empty(t, p.review(actors, s.revokes), "%s", statuses(actors))
			})
			t.Logf("%d runs", runs)
		})
	}
}

func statuses(actors []*actor) (text string) {
	for _, a := range actors {
		text += fmt.Sprint(a.got.status, " ")
	}
	return text
}

func TestThreeRequestsInManyOrders(t *testing.T) {
	three := []scenario{
		{"refresh, refresh, revoke", true, true, 0, func(p *trial) []action {
			return []action{{p.refresh, 0}, {p.refresh, 0}, {p.revoke, 200}}
		}},
		{"redeem, redeem, revoke", false, true, 0, func(p *trial) []action {
			return []action{{p.redeem, 400}, {p.redeem, 400}, {p.revoke, 200}}
		}},
		{"refresh, refresh, refresh", true, false, 0, func(p *trial) []action {
			return []action{{p.refresh, 0}, {p.refresh, 0}, {p.refresh, 0}}
		}},
		{"refresh, refresh, sign out", true, true, 0, func(p *trial) []action {
			return []action{{p.refresh, 0}, {p.refresh, 0}, {p.leave, 200}}
		}},
		{"refreshes, sign out, revoke", true, true, 0, func(p *trial) []action {
			return []action{{p.loop(3), 0}, {p.leave, 200}, {p.revoke, 200}}
		}},
		{"refreshes up to the block, revoke", true, true, 0, func(p *trial) []action {
			return []action{{p.loop(2 * 4), 0}, {p.revoke, 200}}
		}},
		{"refreshes, refreshes, revoke", true, true, 0, func(p *trial) []action {
			return []action{{p.loop(5), 0}, {p.loop(5), 0}, {p.revoke, 200}}
		}},
		{"refresh, theft, replay of the code", true, true, 0, func(p *trial) []action {
			return []action{{p.refresh, 0}, {p.abuse, 0}, {p.redeem, 400}}
		}},
	}
	runs := 2000
	if underRace || testing.Short() {
		runs = 200
	}
	for _, s := range three {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newTrial(t, false)
			someOrders(runs, func(choose func(int) int) {
				p.begin(s.redeemed)
				actors := p.interleave(choose, 1, anyNumber, s.actions(p)...)
				require.Empty(t, p.review(actors, s.revokes), "%s", statuses(actors))
			})
		})
	}
}

// A wrong order must be found, or the other two tests prove nothing.
func TestClaimingBeforeSavingIsFound(t *testing.T) {
	t.Parallel()
	found := map[string]int{}
	p := newTrial(t, true)
	runs := orders(func(choose func(int) int) {
		p.begin(true)
		for _, fault := range p.review(p.interleave(choose, 0, anyNumber, action{p.refresh, 0},
			action{p.revoke, 200}), true) {
			found[fault]++
		}
	})
	t.Logf("%d runs: %v", runs, found)
	require.NotZero(t, found["I5: an access token works after the revocation was acknowledged"])
}
