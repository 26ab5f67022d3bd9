// What registers works: clients and users with hostile texts are registered on
// a model. Either that is refused, or each of them can get a token by every
// grant that it names, and use it.

package oauth2server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/memorymodel"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// applicant is an attempt to register, as a form may hold it.
type applicant struct {
	id, secret, grant, uri, scope string
	userID, username, password    string
	access, refresh               int64  // lifetimes in nanoseconds
	flags                         uint16 // see client
}

// client returns the client to register. One bit stands for each built-in
// grant, one for a public client, and one for a second element of each list.
func (a applicant) client() *oauth2server.Client {
	c := &oauth2server.Client{
		ID:                   a.id,
		AccessTokenLifetime:  time.Duration(a.access),
		RefreshTokenLifetime: time.Duration(a.refresh),
	}
	has := func(bit int) bool { return a.flags>>bit&1 == 1 }
	for i, grant := range allGrants {
		if has(i) {
			c.Grants = append(c.Grants, grant)
		}
	}
	c.Public = has(5)
	for _, list := range []struct {
		of           *[]string
		text, second string
		bit          int
	}{
		{&c.Grants, a.grant, "password", 6},
		{&c.RedirectURIs, a.uri, "https://second.example/cb", 7},
		{(*[]string)(&c.Scope), a.scope, "second", 8},
	} {
		if has(list.bit) {
			*list.of = append(*list.of, list.second)
		}
		if list.text != "" {
			*list.of = append(*list.of, list.text)
		}
	}
	return c
}

// registrar registers clients and users on a model.
type registrar struct {
	oauth2server.Model
	addClient func(*oauth2server.Client, string) error
	addUser   func(*oauth2server.User, string, string) error
}

func memoryRegistrar() registrar {
	m := memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost})
	return registrar{m, m.AddClient, m.AddUser}
}

func mongoRegistrar(t testing.TB) registrar {
	m := mongomodel.New(mongotest.Database(t), &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	require.NoError(t, m.EnsureIndexes(t.Context()))
	return registrar{m,
		func(c *oauth2server.Client, secret string) error { return m.AddClient(t.Context(), c, secret) },
		func(u *oauth2server.User, name, password string) error {
			return m.AddUser(t.Context(), u, name, password)
		}}
}

// registrationCounts counts attempts and successes.
type registrationCounts struct{ clients, registeredClients, tokens, users, registeredUsers int }

// try registers an applicant and checks that what was accepted works. The user
// owner must exist with the password "a password".
func (o registrar) try(t testing.TB, a applicant, count *registrationCounts) {
	t.Helper()
	c := a.client()
	count.clients++
	if err := o.addClient(c, a.secret); err != nil {
		requireRegistrationError(t, err)
	} else {
		count.registeredClients++
		count.tokens += o.useClient(t, c, a.secret)
	}
	count.users++
	if err := o.addUser(&oauth2server.User{ID: a.userID}, a.username, a.password); err != nil {
		requireRegistrationError(t, err)
		return
	}
	count.registeredUsers++
	s := o.serve(t, signInClient)
	r := s.post("/token", form("grant_type", "password", "username", a.username, "password", a.password,
		"client_id", signInClient.ID, "client_secret", secret))
	require.Equal(t, 200, r.StatusCode, "user %q, %q with %q: %s", a.userID, a.username, a.password, r.text)
	require.Equal(t, a.userID, s.get("/api", "Authorization", "Bearer "+r.str("access_token")).str("user"))
}

// requireRegistrationError checks that an error is one of registration.
func requireRegistrationError(t testing.TB, err error) {
	t.Helper()
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
	if !errors.Is(err, oauth2server.ErrExists) {
		require.ErrorIs(t, err, oauth2server.InvalidArgument)
	}
}

// signInClient is the client by which users sign in, and owner the user who
// approves.
var (
	signInClient = &oauth2server.Client{ID: "sign-in client", Grants: []string{"password"}}
	owner        = &oauth2server.User{ID: "approving owner"}
)

func (o registrar) open(t testing.TB) registrar {
	t.Helper()
	require.NoError(t, o.addClient(signInClient, secret))
	require.NoError(t, o.addUser(owner, "owner", "a password"))
	return o
}

// serve starts a server with the grants that the client names, and with each
// option on that they allow.
func (o registrar) serve(t testing.TB, c *oauth2server.Client) *site {
	t.Helper()
	opts := &oauth2server.Options{Grants: allGrants, InsecureAllowHTTPRedirects: true, PublicClientGrants: publicGrants,
		ExtensionGrants: map[string]oauth2server.GrantFunc{}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, grant := range c.Grants {
		if !slices.Contains(allGrants, grant) {
			opts.ExtensionGrants[grant] = toOwner
			opts.PublicClientGrants = append(slices.Clip(opts.PublicClientGrants), grant)
		}
	}
	srv, err := oauth2server.New(o.Model, opts)
	require.NoError(t, err, "%q", c.Grants)
	mux := http.NewServeMux()
	mux.Handle("/token", srv.Token(nil))
	mux.Handle("/introspect", srv.Introspect())
	mux.Handle("/authorize", srv.Authorize(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := oauth2server.AuthorizationRequestFromContext(r.Context())
		request.Approve(w, r, oauth2server.Approval{User: owner, All: true})
	})))
	mux.Handle("/api", srv.Authenticate()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"user": oauth2server.UserFromContext(r.Context()).ID})
	})))
	return local(t, mux)
}

// toOwner is an extension grant.
func toOwner(ctx context.Context, request *oauth2server.GrantRequest) (*oauth2server.Token, error) {
	scope, err := request.Scope(ctx, owner)
	if err != nil {
		return nil, err
	}
	return request.Issue(ctx, oauth2server.Issuance{User: owner, Scope: scope})
}

// useClient gets a token by each grant that the client names, with each way to
// authenticate, and returns the number of tokens.
func (o registrar) useClient(t testing.TB, c *oauth2server.Client, secret string) (tokens int) {
	t.Helper()
	s, scope := o.serve(t, c), c.Scope.String()
	if c.Scope != nil {
		scope = dropRepeated(c.Scope).String()
	}
	for _, inHeader := range []bool{true, false} {
		// post sends a request of the client that must succeed.
		post := func(path string, params ...string) reply {
			t.Helper()
			var headers []string
			if inHeader {
				pair := url.QueryEscape(c.ID) + ":" + url.QueryEscape(secret)
				headers = []string{"Authorization", basic(pair)}
			} else {
				params = append(params, "client_id", c.ID, "client_secret", secret)
			}
			r := s.post(path, form(params...), headers...)
			require.Equal(t, 200, r.StatusCode, "%q %#v: %s", params, c, r.text)
			return r
		}
		uses := func(r reply) {
			t.Helper()
			require.Equal(t, scope, r.str("scope"))
			require.Equal(t, 200, s.get("/api", "Authorization", "Bearer "+r.str("access_token")).StatusCode)
			tokens++
			if refresh := r.str("refresh_token"); slices.Contains(c.Grants, "refresh_token") && refresh != "" {
				r := post("/token", "grant_type", "refresh_token", "refresh_token", refresh, "scope", scope)
				require.Equal(t, 200, s.get("/api", "Authorization", "Bearer "+r.str("access_token")).StatusCode)
				tokens++
			}
		}
		if !c.Public {
			require.Equal(t, false, post("/introspect", "token", "x").body["active"])
		}
		for _, grant := range c.Grants {
			switch grant {
			case "refresh_token":
			case "authorization_code", "implicit":
				require.NotEmpty(t, c.RedirectURIs, "%q leads nowhere", grant)
				for _, uri := range c.RedirectURIs {
					s.visit(c, uri, grant, scope, func(code string) {
						uses(post("/token", "grant_type", grant, "code", code,
							"redirect_uri", uri, "code_verifier", verifier))
					})
				}
			case "password":
				uses(post("/token", "grant_type", grant, "username", "owner", "password", "a password", "scope", scope))
			default:
				uses(post("/token", "grant_type", grant, "scope", scope))
			}
		}
	}
	return tokens
}

// visit authorizes the client at a redirection URI as the owner. A code is
// passed to redeem.
func (s *site) visit(c *oauth2server.Client, uri, grant, scope string, redeem func(code string)) {
	s.t.Helper()
	responseType := map[string]string{"authorization_code": "code", "implicit": "token"}[grant]
	query := form("response_type", responseType, "client_id", c.ID, "redirect_uri", uri, "state", "xyz", "scope", scope,
		"code_challenge", challenge, "code_challenge_method", "S256")
	r := s.post("/authorize?"+query, "allow=1")
	base, _, _ := strings.Cut(uri, "?")
	require.True(s.t, strings.HasPrefix(r.Header.Get("Location"), base), "%q: %d %s", uri, r.StatusCode, r.text)
	if grant == "implicit" {
		require.Equal(s.t, 200, s.apiStatus(r.at("access_token")), uri)
		return
	}
	require.NotEmpty(s.t, r.at("code"), "%q: %s", uri, r.Header.Get("Location"))
	redeem(r.at("code"))
}

func dropRepeated(scope oauth2server.Scope) (once oauth2server.Scope) {
	for _, token := range scope {
		if !once.Contains(token) {
			once = append(once, token)
		}
	}
	return once
}

// Texts that applicants enter: good ones, and parts that make them bad.
var (
	goodIDs     = []string{"web", "my app", "a:b", "100%", "a+b", "https://client.example/id", "\"'<&>\\", " ", "~"}
	goodSecrets = []string{secret, "aB3$%^&*()_+-=[]{}|;':\",./<>?`~ ",
		strings.Repeat("%41+", 8), strings.Repeat(":", 22), ""}
	goodGrants = []string{"", "", "", "urn:ietf:params:oauth:grant-type:jwt-bearer",
		"https://client.example/grant?x=1",
		"x:y", "password", "refresh_token"}
	goodURIs = []string{callback, "https://client.example", "https://client.example/cb?tenant=7&lang=de%20AT",
		"http://127.0.0.1:8080/cb", "http://[::1]/cb", "http://app.localhost", "com.example.app:/cb",
		"com.example.app:cb", "myapp://cb",
		"https://xn--bcher-kva.example:8443/", "http://intranet/cb", ""}
	goodScopes    = []string{"", "read", "https://client.example/scope", "a,b", "second", strings.Repeat("x", 4000)}
	goodUsernames = []string{"andy", "zo\u00eb", "name+1@example.com", "Zoe\u0308 van  de Beek",
		"\uff41\uff4e\uff44\uff59", "\u05d0\u05d1\u05d2", "\u7528\u6237"}
	goodPasswords = []string{"123456", "a&b=c%d+", "p\u00e4ss w\u00f6rd\\", "\U0001F511\U0001F98A", " ", "a\tb",
		strings.Repeat("x", 200), "pa\u0308ss\u00a0word"}
	goodLifetimes = []int64{0, 0, 0, int64(time.Minute), int64(time.Hour), int64(365 * 24 * time.Hour)}
	badLifetimes  = []int64{1, 3600, -1, -int64(time.Hour), 1 << 62, int64(time.Second) - 1}
	poison        = []string{" ", "\n", "\r\n", "\t", "\x00", "\x7f", "\u0085", "\u00a0", "\u2028", "\u202e", "\ufeff",
		"\ufffe", "\ufffd", "\xff", "\xc0\x80", "\xed\xa0\x80",
		"\u0301", "\u200d", "\U0001F98A", "\U000E0041", "\"", "\\", "%", "%00", "%zz", "+", "&", "=", ";", "#", "?",
		"?code=1", "&state=", "/", "//", "..", "@", "*", ":", ",", ", ", "'", "<", "$where", "javascript:",
		"\u0430", "\uff0e", "[", "]"}
)

// mutated returns a good text, or a variation of one.
func mutated(r *rand.Rand, good []string) string {
	text := good[r.IntN(len(good))]
	for r.IntN(5) == 0 {
		at := r.IntN(len(text) + 1)
		switch r.IntN(7) {
		case 0:
			text = text[:at] + text[min(len(text), at+1+r.IntN(3)):]
		case 1:
			text = text[:at]
		case 2:
			text = strings.Repeat(text, 1+r.IntN(3))
		case 3:
			text += strings.Repeat("x", r.IntN(6000))
		case 4:
			text = strings.ToUpper(text)
		default:
			text = text[:at] + poison[r.IntN(len(poison))] + text[at:]
		}
	}
	return text
}

func arbitrary(r *rand.Rand) applicant {
	lifetime := func() int64 {
		if r.IntN(12) == 0 {
			return badLifetimes[r.IntN(len(badLifetimes))]
		}
		return goodLifetimes[r.IntN(len(goodLifetimes))]
	}
	letter := func() string { return string(rune('a' + r.IntN(26))) }
	return applicant{
		id:       mutated(r, goodIDs) + letter(),
		secret:   mutated(r, goodSecrets),
		grant:    mutated(r, goodGrants),
		uri:      mutated(r, goodURIs),
		scope:    mutated(r, goodScopes),
		userID:   mutated(r, goodUsernames) + letter(),
		username: mutated(r, goodUsernames) + letter(),
		password: mutated(r, goodPasswords),
		access:   lifetime(),
		refresh:  lifetime(),
		flags:    uint16(r.IntN(1 << 9)),
	}
}

func TestWhatRegistersWorks(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, cases, each int, open func() registrar) {
		r := rand.New(rand.NewPCG(1, uint64(cases)))
		var count registrationCounts
		var o registrar
		for i := range cases {
			if i%each == 0 { // after a while all IDs are taken
				o = open().open(t)
			}
			o.try(t, arbitrary(r), &count)
		}
		t.Logf("%d clients, of which %d were registered and got %d tokens; "+
			"%d users, of which %d were registered and signed in",
			count.clients, count.registeredClients, count.tokens, count.users, count.registeredUsers)
		require.Greater(t, count.registeredClients, count.clients/10)
		require.Less(t, count.registeredClients, count.clients*9/10)
		require.Greater(t, count.registeredUsers, count.users/10)
		require.Less(t, count.registeredUsers, count.users*9/10)
	}
	t.Run("memorymodel", func(t *testing.T) {
		cases := 2000
		if testing.Short() {
			cases = 100
		} else if underRace {
			cases = 300
		}
		synctest.Test(t, func(t *testing.T) { run(t, cases, 50, memoryRegistrar) }) // where no lifetime is too short
	})
	t.Run("mongomodel", func(t *testing.T) {
		if testing.Short() {
			t.Skip("-short leaves out hundreds of requests to a database")
		}
		run(t, 100, 100, func() registrar { return mongoRegistrar(t) })
	})
}

func FuzzRegistration(f *testing.F) {
	r, seeds := rand.New(rand.NewPCG(1, 1)), 200
	if testing.Short() {
		seeds = 40
	}
	for range seeds {
		a := arbitrary(r)
		f.Add(a.id, a.secret, a.grant, a.uri, a.scope, a.userID, a.username, a.password, a.access, a.refresh, a.flags)
	}
	f.Fuzz(func(t *testing.T, id, secret, grant, uri, scope, userID, username, password string,
		access, refresh int64, flags uint16) {
		a := applicant{
			id: id, secret: secret, grant: grant, uri: uri, scope: scope,
			userID: userID, username: username, password: password,
			access: access, refresh: refresh, flags: flags,
		}
		synctest.Test(t, func(t *testing.T) { memoryRegistrar().open(t).try(t, a, new(registrationCounts)) })
	})
}
