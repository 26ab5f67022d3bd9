// This file measures the model beside the commands that it sends.

package redismodel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/redismodel"
)

// trips records what a client sends: the commands of each round trip.
type trips struct {
	mu   sync.Mutex
	sent [][][]any
}

func (r *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.add(cmd)
		return next(ctx, cmd)
	}
}

func (r *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		r.add(commands...)
		return next(ctx, commands)
	}
}

func (r *trips) add(commands ...redis.Cmder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var trip [][]any
	for _, cmd := range commands {
		trip = append(trip, slices.Clone(cmd.Args()))
	}
	r.sent = append(r.sent, trip)
}

func (r *trips) take() (sent [][][]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent, r.sent = r.sent, nil
	return sent
}

// replay returns a function that sends these commands again through the driver
// alone. What they store is new each time: other keys, and the next places of a
// log that grows as the flow's does.
func replay(client *redis.Client, sent [][][]any) func(context.Context) error {
	round, place := 0, 1
	renew := func(args []any) []any {
		own := slices.Clone(args)
		number := fmt.Sprintf("%08d", round)
		switch name := strings.ToLower(own[0].(string)); {
		case name == "set":
			own[1] = own[1].(string) + number
		case name == "zrange" && strings.Contains(own[1].(string), ":log:") && own[2] != 1:
			own[1], own[2] = "bare:log", place+1
		case name == "evalsha" && strings.Contains(own[3].(string), ":log:") && own[4] == 1:
			own[3] = own[3].(string) + number
		case name == "evalsha" && strings.Contains(own[3].(string), ":log:"):
			place++
			// A sorted set would take the same record for the same member.
			own[3], own[4], own[5] = "bare:log", place, string(own[5].([]byte))+number
		case name == "evalsha":
			own[4] = own[4].(string) + number
		}
		return own
	}
	return func(ctx context.Context) error {
		round++
		for _, trip := range sent {
			if len(trip) == 1 {
				if err := client.Do(ctx, renew(trip[0])...).Err(); err != nil && err != redis.Nil {
					return fmt.Errorf("%v: %w", trip[0], err)
				}
				continue
			}
			pipe := client.Pipeline()
			for _, args := range trip {
				pipe.Do(ctx, renew(args)...)
			}
			if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
				return fmt.Errorf("%v: %w", trip, err)
			}
		}
		return nil
	}
}

// site is a server with one client, called without a network.
type site struct {
	*oauth2server.Server
	secret string
}

type answer struct {
	Access string `json:"access_token"`
	Token  string `json:"refresh_token"`
}

func (s *site) token(form ...string) (a answer, err error) {
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	request := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(values.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("app", s.secret)
	recorder := httptest.NewRecorder()
	s.Token(nil).ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		return a, fmt.Errorf("status %d: %s", recorder.Code, recorder.Body)
	}
	return a, json.Unmarshal(recorder.Body.Bytes(), &a)
}

const (
	callback  = "https://app.example/callback"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
)

func (s *site) codeFlow() (answer, error) {
	request := httptest.NewRequest(http.MethodGet, "/authorize?"+url.Values{"response_type": {"code"},
		"client_id": {"app"}, "state": {"state"}, "scope": {"read"}, "redirect_uri": {callback},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}.Encode(), nil)
	recorder := httptest.NewRecorder()
	s.Authorize(nil).ServeHTTP(recorder, request)
	location, err := url.Parse(recorder.Header().Get("Location"))
	if err != nil {
		return answer{}, err
	}
	return s.token("grant_type", "authorization_code", "code", location.Query().Get("code"),
		"redirect_uri", callback, "code_verifier", verifier)
}

// BenchmarkFlows lets each flow and its commands, sent by the driver alone, take
// turns. ratio is the commands' part of the flow's time: the median of the turns.
func BenchmarkFlows(b *testing.B) {
	b.Run("no persistence", func(b *testing.B) { benchmark(b, start(b, 0)) })
	b.Run("fsync always", func(b *testing.B) {
		benchmark(b, start(b, 0, "--appendonly", "yes", "--appendfsync", "always"))
	})
}

// perGrant is how often a grant is refreshed in a row. It is below the server's
// bound.
const perGrant = 5000

func benchmark(b *testing.B, s *server) {
	var sent trips
	recorded, alone := s.client(b, nil), s.client(b, nil)
	recorded.AddHook(&sent)
	m := redismodel.New(recorded, options())
	app := &site{secret: "a secret that is long enough to be one"}
	require.NoError(b, m.AddClient(b.Context(), &oauth2server.Client{ID: "app", RedirectURIs: []string{callback},
		Grants: []string{"authorization_code", "refresh_token"}, Scope: oauth2server.Scope{"read"}}, app.secret))
	var err error
	app.Server, err = oauth2server.New(m, &oauth2server.Options{
		Logger:           slog.New(slog.NewTextHandler(io.Discard, nil)),
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) { return &oauth2server.User{ID: "user"}, nil },
	})
	require.NoError(b, err)
	last, err := app.codeFlow()
	require.NoError(b, err)
	last, err = app.token("grant_type", "refresh_token", "refresh_token", last.Token)
	require.NoError(b, err)
	passed, refreshes := false, 0
	api := app.Authenticate()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }))
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+last.Access)
	for _, flow := range []struct {
		name string
		run  func() error
	}{
		{"authenticate", func() error {
			passed = false
			api.ServeHTTP(httptest.NewRecorder(), request)
			if !passed {
				return fmt.Errorf("the token does not work")
			}
			return nil
		}},
		{"code flow", func() error {
			_, err := app.codeFlow()
			return err
		}},
		{"refresh", func() (err error) {
			if refreshes++; refreshes%perGrant == 0 {
				last, err = app.codeFlow()
				return err
			}
			last, err = app.token("grant_type", "refresh_token", "refresh_token", last.Token)
			return err
		}},
	} {
		b.Run(flow.name, func(b *testing.B) {
			last, err = app.codeFlow()
			require.NoError(b, err)
			last, err = app.token("grant_type", "refresh_token", "refresh_token", last.Token)
			require.NoError(b, err)
			sent.take()
			refreshes = 0
			require.NoError(b, flow.run())
			commands := sent.take()
			bare := replay(alone, commands)
			var whole, without []time.Duration
			for b.Loop() {
				begin := time.Now()
				err := flow.run()
				middle := time.Now()
				bareErr := bare(b.Context())
				whole, without = append(whole, middle.Sub(begin)), append(without, time.Since(middle))
				require.NoError(b, err)
				require.NoError(b, bareErr)
				sent.take()
			}
			slices.Sort(whole)
			slices.Sort(without)
			median, bareMedian := whole[len(whole)/2], without[len(without)/2]
			b.ReportMetric(float64(len(commands)), "trips")
			b.ReportMetric(float64(median.Microseconds()), "µs/flow")
			b.ReportMetric(float64(whole[len(whole)*99/100].Microseconds()), "p99-µs/flow")
			b.ReportMetric(float64(bareMedian.Microseconds()), "µs/commands")
			b.ReportMetric(float64(bareMedian)/float64(median), "ratio")
		})
	}
}
