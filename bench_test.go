package oauth2server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// flows are measured with all defaults and a grant log.
var flows = []struct {
	name string
	run  func(*caller) error

	// At most: by default, and for tokens of one of [oauth2server.Options.Resources].
	// docs/performance.md lists them.
	allocs, atResource float64
}{
	{"client credentials", (*caller).clientCredentials, 9, 13},
	{"authenticate", (*caller).authenticate, 3, 3},
	{"code flow", (*caller).codeFlow, 25, 30},
	{"refresh", (*caller).refresh, 11, 12},
}

func BenchmarkFlows(b *testing.B) {
	for _, flow := range flows {
		b.Run(flow.name, func(b *testing.B) {
			c := newCaller(b, benchServer(b, ""))
			before := heap()
			b.ReportAllocs()
			for b.Loop() {
				if err := flow.run(c); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(heap()-before)/float64(b.N), "kept-B/op")
			runtime.KeepAlive(c)
		})
	}
}

// heap returns the bytes in use on the heap.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkParallel is for -cpu 1,2: work that shares nothing takes half the
// time on twice the processors, as far as the machine has them. The first flow
// shares nothing and shows how far that is.
func BenchmarkParallel(b *testing.B) {
	b.Run("nothing shared", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			var sum [sha256.Size]byte
			for pb.Next() {
				for range 10 {
					sum = sha256.Sum256(sum[:])
				}
			}
		})
	})
	for _, flow := range flows {
		b.Run(flow.name, func(b *testing.B) {
			server := benchServer(b, "")
			b.RunParallel(func(pb *testing.PB) {
				for c := newCaller(b, server); pb.Next(); {
					if err := flow.run(c); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// The allocations of a request must not creep up.
func TestAllocations(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates, and pools drop things at random")
	}
	for _, resource := range []string{"", "https://as.example/mcp"} {
		server := benchServer(t, resource)
		for _, flow := range flows {
			t.Run(strings.TrimSpace(flow.name+" "+resource), func(t *testing.T) {
				allocs := allocations(t, server, flow.run)
				most := flow.allocs
				if resource != "" {
					most = flow.atResource
				}
				require.LessOrEqual(t, allocs, most)
			})
		}
	}
}

// allocations returns how often a flow allocates.
func allocations(t *testing.T, server endpoints, run func(*caller) error) float64 {
	c := newCaller(t, server)
	var err error
	allocs := testing.AllocsPerRun(2000, func() {
		if err == nil {
			err = run(c)
		}
	})
	require.NoError(t, err)
	t.Logf("%v allocations", allocs)
	return allocs
}

// Hooks and features that a request does not use cost it nothing.
func TestWhatIsNotUsedAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates, and pools drop things at random")
	}
	for name, turnOn := range map[string]func(*oauth2server.Options){
		"OnEvent": func(o *oauth2server.Options) { o.OnEvent = func(*http.Request, oauth2server.Event) {} },
		"LimitAttempts": func(o *oauth2server.Options) {
			o.LimitAttempts = func(*http.Request, oauth2server.Attempt) (func(bool), time.Duration) {
				return func(bool) {}, 0
			}
		},
		"MayIntrospect": func(o *oauth2server.Options) {
			o.MayIntrospect = func(context.Context, *oauth2server.Client, *oauth2server.Token) (bool, error) {
				return true, nil
			}
		},
		"Issuer": func(o *oauth2server.Options) { o.Issuer = "https://as.example" },
		"Resources": func(o *oauth2server.Options) {
			o.Issuer = "https://as.example"
			o.Resources = []oauth2server.Resource{{URL: "https://as.example/mcp", Scopes: oauth2server.Scope{"read"}}}
		},
	} {
		server := benchServer(t, "", turnOn)
		for _, flow := range flows {
			t.Run(name+" "+flow.name, func(t *testing.T) {
				allocs := allocations(t, server, flow.run)
				most := flow.allocs
				if flow.name == "code flow" && (name == "Issuer" || name == "Resources") {
					most++ // the answer has the issuer
				}
				require.LessOrEqual(t, allocs, most)
			})
		}
	}
}

// The page lists the bounds that the test enforces.
func TestThePageHasTheBounds(t *testing.T) {
	page, err := os.ReadFile("docs/performance.md")
	require.NoError(t, err)
	for _, flow := range flows {
		require.Contains(t, string(page), fmt.Sprintf("\n| %s | %v | %v |\n",
			flow.name, flow.allocs, flow.atResource))
	}
}

// stored is the number of tokens stored beforehand.
const stored = 100_000

// endpoints are called without a mux, whose lock all requests share.
type endpoints struct {
	authorize, token, api http.Handler
	resource              string // of all tokens; empty: they have none
}

func benchServer(tb testing.TB, resource string, more ...func(*oauth2server.Options)) endpoints {
	model := newMemory(tb)
	for i := range stored {
		_, err := model.SaveToken(tb.Context(), &oauth2server.Token{AccessToken: "token" + strconv.Itoa(i),
			AccessTokenExpiresAt: time.Now().Add(time.Hour), Scope: oauth2server.Scope{"read"}, Resource: resource,
			Client: &oauth2server.Client{ID: "web"}, User: &oauth2server.User{ID: "u1"}}, nil, nil)
		require.NoError(tb, err)
	}
	options := &oauth2server.Options{Logger: slog.New(slog.DiscardHandler),
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) { return &oauth2server.User{ID: "u1"}, nil }}
	if resource != "" {
		options.Issuer = "https://as.example"
		options.Resources = []oauth2server.Resource{{URL: resource, Scopes: oauth2server.Scope{"read"}}}
	}
	for _, set := range more {
		set(options)
	}
	srv, err := oauth2server.New(model, options)
	require.NoError(tb, err)
	guard := srv.Authenticate("read")
	if resource != "" {
		guard = srv.For(resource).Authenticate("read")
	}
	api := guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return endpoints{srv.Authorize(nil), srv.Token(nil), api, resource}
}

// caller calls a server in this process repeatedly, and allocates nothing by
// itself.
type caller struct {
	server                    endpoints
	token, api, authorization http.Request
	form                      bytes.Reader
	machine                   []byte // a form
	redemption, refreshing    []byte // forms; a code or a refresh token follows
	refreshToken              []byte
	refreshed                 int
	tokens                    [][]string // headers
	next                      int

	header http.Header
	status int
	body   []byte
}

const (
	redemptionForm = "grant_type=authorization_code&code_verifier=" + verifier +
		"&redirect_uri=https%3A%2F%2Fclient.example%2Fcb&code="
	refreshForm = "grant_type=refresh_token&refresh_token="
)

func newCaller(tb testing.TB, server endpoints) *caller {
	c := &caller{server: server, redemption: append(make([]byte, 0, 512), redemptionForm...),
		refreshing: append(make([]byte, 0, 512), refreshForm...), header: http.Header{}}
	c.token = *httptest.NewRequest("POST", "/token", nil)
	c.token.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c.token.Header.Set("Authorization", as("web"))
	c.api = *httptest.NewRequest("GET", "/api", nil)
	for i := range 1000 {
		c.tokens = append(c.tokens, []string{"Bearer token" + strconv.Itoa(i*stored/1000)})
	}
	asks := authorization("scope", "read", "code_challenge", challenge, "code_challenge_method", "S256")
	machine := []string{"grant_type", "client_credentials", "scope", "read"}
	if server.resource != "" {
		asks, machine = append(asks, "resource", server.resource), append(machine, "resource", server.resource)
	}
	c.authorization = *httptest.NewRequest("GET", "/authorize?"+form(asks...), nil)
	c.machine = []byte(form(machine...))
	require.NoError(tb, c.codeFlow())
	return c
}

func (c *caller) Header() http.Header         { return c.header }
func (c *caller) WriteHeader(status int)      { c.status = status }
func (c *caller) Write(b []byte) (int, error) { c.body = append(c.body, b...); return len(b), nil }

// Close makes caller its own request body, which needs no memory.
func (c *caller) Close() error               { return nil }
func (c *caller) Read(b []byte) (int, error) { return c.form.Read(b) }

func (c *caller) send(to http.Handler, r *http.Request, wanted int) error {
	clear(c.header)
	c.status, c.body = http.StatusOK, c.body[:0]
	to.ServeHTTP(c, r)
	if c.status != wanted {
		return fmt.Errorf("%s: status %d: %s", r.URL, c.status, c.body)
	}
	return nil
}

func (c *caller) post(form []byte) error {
	c.form.Reset(form)
	c.token.Body = c
	return c.send(c.server.token, &c.token, http.StatusOK)
}

func (c *caller) clientCredentials() error { return c.post(c.machine) }

func (c *caller) authenticate() error {
	c.next++
	c.api.Header["Authorization"] = c.tokens[c.next%len(c.tokens)]
	return c.send(c.server.api, &c.api, http.StatusOK)
}

func (c *caller) codeFlow() error {
	if err := c.send(c.server.authorize, &c.authorization, http.StatusFound); err != nil {
		return err
	}
	_, code, _ := strings.Cut(c.header["Location"][0], "?code=")
	code, _, _ = strings.Cut(code, "&")
	if err := c.post(append(c.redemption[:len(redemptionForm)], code...)); err != nil {
		return err
	}
	return c.keepRefreshToken()
}

// refresh continues with the last refresh token. It starts a new grant before
// the old one has been refreshed too often.
func (c *caller) refresh() error {
	if c.refreshed++; c.refreshed%5000 == 0 {
		if err := c.codeFlow(); err != nil {
			return err
		}
	}
	if err := c.post(append(c.refreshing[:len(refreshForm)], c.refreshToken...)); err != nil {
		return err
	}
	return c.keepRefreshToken()
}

func (c *caller) keepRefreshToken() error {
	_, token, found := bytes.Cut(c.body, []byte(`"refresh_token":"`))
	token, _, ended := bytes.Cut(token, []byte(`"`))
	if !found || !ended {
		return fmt.Errorf("no refresh token: %s", c.body)
	}
	c.refreshToken = append(c.refreshToken[:0], token...)
	return nil
}

var (
	_ io.ReadCloser       = (*caller)(nil)
	_ http.ResponseWriter = (*caller)(nil)
)
