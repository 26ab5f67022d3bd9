package oauth2server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/everything"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// doors is a site whose server has an extension that uses every door.
type doors struct {
	*site
	ext    *everything.Extension
	events *eventLog
}

// eventLog keeps the events of a server.
type eventLog struct {
	mu  sync.Mutex
	all []oauth2server.Event
}

func (l *eventLog) add(_ *http.Request, e oauth2server.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

func (l *eventLog) last(t testing.TB) oauth2server.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NotEmpty(t, l.all)
	return l.all[len(l.all)-1]
}

// openModel registers the clients keyed, which authenticates by an assertion,
// and phone, which is public, with every grant of the extension.
func openModel(t testing.TB) *spy {
	model := newSpy(t)
	grants := append([]string{everything.GrantType}, allGrants...)
	for _, c := range []oauth2server.Client{
		{ID: "keyed", AuthMethod: everything.AuthMethod, RedirectURIs: []string{callback}, Grants: grants},
		{ID: "strange", AuthMethod: "tls_client_auth", RedirectURIs: []string{callback}, Grants: grants},
		{ID: "phone", Public: true, RedirectURIs: []string{callback}, Grants: publicGrants},
	} {
		if c.Public {
			c.Grants = []string{"authorization_code", "refresh_token"}
		}
		require.NoError(t, model.AddClient(&c, ""))
	}
	require.NoError(t, model.UpdateClient(t.Context(),
		&oauth2server.Client{ID: "web", RedirectURIs: []string{callback}, Grants: grants}))
	return model
}

func openDoors(t *testing.T, ext *everything.Extension, edit func(*oauth2server.Options)) *doors {
	return openDoorsOf(t, openModel(t), ext, edit)
}

func openDoorsOf(
	t *testing.T, model oauth2server.Model, ext *everything.Extension, edit func(*oauth2server.Options),
) *doors {
	if ext == nil {
		ext = &everything.Extension{}
	}
	log := &eventLog{}
	options := &oauth2server.Options{
		Grants:                       allGrants,
		Issuer:                       "https://as.example",
		Endpoints:                    oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
		Extensions:                   []oauth2server.Extension{ext},
		OnEvent:                      log.add,
		InsecureApprovePublicClients: true,
		MayIntrospect: func(context.Context, *oauth2server.Client, *oauth2server.Token) (bool, error) {
			return true, nil
		},
	}
	if edit != nil {
		edit(options)
	}
	handler := mount(t, model, options, nil)
	mux := http.NewServeMux()
	mux.Handle("/toy", ext.Endpoint())
	mux.Handle("/", handler)
	return &doors{listen(t, mux), ext, log}
}

// key is the header that proves a key.
func key(name string) []string { return []string{everything.KeyHeader, name} }

// redeemWith redeems a code as web, with more headers.
func (d *doors) redeemWith(code string, headers ...string) reply {
	return d.post("/token", form("grant_type", "authorization_code", "code", code, "redirect_uri", callback),
		append([]string{"Authorization", as("web")}, headers...)...)
}

func (d *doors) refreshWith(token string, headers ...string) reply {
	return d.post("/token", form("grant_type", "refresh_token", "refresh_token", token),
		append([]string{"Authorization", as("web")}, headers...)...)
}

// assertion proves to be a client, once for each serial.
func assertion(client, serial string) []string {
	return []string{"client_assertion", client + "!key of " + client + "#" + serial}
}

// Every door is used at once, by many clients at the same time.
func TestEveryDoorAtOnce(t *testing.T) {
	pushed, _ := url.ParseQuery(form(authorization("client_id", "keyed", "scope", "read", "note", "key:k1")...))
	ext := &everything.Extension{Format: true, Requests: map[string]url.Values{}}
	for i := range 8 {
		ext.Requests[fmt.Sprint("urn:", i)] = pushed
	}
	d := openDoors(t, ext, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := d.post("/authorize", form("client_id", "keyed", "request_uri", fmt.Sprint("urn:", i),
				"username", "andy", "password", "andys-password"))
			code := r.at("code")
			require.NotEmpty(t, code, r.Header)
			serial := fmt.Sprint("a", i)
			r = d.post("/token", form(append(assertion("keyed", serial), "grant_type", "authorization_code",
				"code", code, "redirect_uri", callback)...), key("k1")...)
			require.Equal(t, 200, r.StatusCode, r.text)
			require.Equal(t, everything.TokenType, r.str("token_type"))
			require.Equal(t, "key:k1", r.str("note"))
			access := r.str("access_token")
			require.True(t, strings.HasPrefix(access, "toy.keyed."), access)
			for range 2 {
				r = d.post("/token", form(append(assertion("keyed", serial+r.str("refresh_token")),
					"grant_type", "refresh_token", "refresh_token", r.str("refresh_token"))...), key("k1")...)
				require.Equal(t, 200, r.StatusCode, r.text)
				require.Equal(t, "key:k1", r.str("note"), "Details go on")
				access = r.str("access_token")
			}
			require.Equal(t, 200, d.get("/api", append(key("k1"), "Authorization", "Toy "+access)...).StatusCode)
			r = d.introspect("web", access)
			require.Equal(t, true, r.body["active"])
			require.Equal(t, map[string]any{"toy": "k1"}, r.body["cnf"])
			require.Equal(t, everything.TokenType, r.body["token_type"])
			require.NotNil(t, r.body["toy"])
		})
	}
	wg.Wait()
	for _, method := range []string{"Attach", "ClaimedClient", "ProveClient", "BindToken", "VerifyToken",
		"ResolveRequest", "Spend", "CheckAuthorization", "ApproveAuthorization", "FormatToken",
		"ExtendToken", "ExtendIntrospection"} {
		require.NotZero(t, ext.Calls(method), method)
	}
}

// Rule 1: a client has one authentication method, the registered one.
func TestRule_OneMethodForEachClient(t *testing.T) {
	d := openDoors(t, nil, func(o *oauth2server.Options) {
		o.InsecureSkipClientAuthentication = []string{everything.GrantType}
	})
	const machine = "client_credentials"
	right := func(serial string) []string { return assertion("keyed", serial) }
	for _, row := range []struct {
		name          string
		authorization string
		body          []string
		status        int
		code, reason  string
	}{
		{"its own method", "", right("1"), 200, "", ""},
		{"and its client_id", "", append(right("2"), "client_id", "keyed"), 200, "", ""},
		{"another key", "", []string{"client_assertion", "keyed!key of web#3"}, 400, "invalid_client",
			"client_unproven"},
		{"no key", "", []string{"client_assertion", "keyed!"}, 400, "invalid_client", "client_unproven"},
		{"malformed", "", []string{"client_assertion", "keyed"}, 400, "invalid_client", "client_unproven"},
		{"no client", "", []string{"client_assertion", "!key of "}, 400, "invalid_client", "client_id_missing"},
		{"unknown client", "", assertion("nobody", "4"), 400, "invalid_client", "client_unknown"},
		{"control characters", "", []string{"client_assertion", "k\nx!key"}, 400, "invalid_client", "client_unproven"},
		{"a client that has a secret", "", assertion("web", "5"), 400, "invalid_client", "client_auth_method"},
		{"a public client", "", assertion("phone", "6"), 400, "invalid_client", "client_auth_method"},
		{"a method that nobody has", "", assertion("strange", "7"), 400, "invalid_client", "client_auth_method"},
		{"beside Basic", as("web"), right("8"), 400, "invalid_request", "client_auth_twice"},
		{"beside Basic of its own", basic("keyed:x"), right("9"), 400, "invalid_request", "client_auth_twice"},
		{"beside a secret", "", append(right("10"), "client_secret", "x"), 400, "invalid_request", "client_auth_twice"},
		{"beside another client_id", "", append(right("11"), "client_id", "web"), 400, "invalid_request",
			"client_auth_twice"},
		{"a secret", basic("keyed:" + secret + "keyed"), nil, 401, "invalid_client", "client_auth_method"},
		{"a secret in the body", "", []string{"client_id", "keyed", "client_secret", "x"}, 400, "invalid_client",
			"client_auth_method"},
		{"an empty secret", basic("keyed:"), nil, 401, "invalid_client", "client_unproven"},
		{"as if it were public", "", []string{"client_id", "keyed"}, 400, "invalid_client", "client_unproven"},
		{"a strange one as public", "", []string{"client_id", "strange"}, 400, "invalid_client", "client_auth_method"},
		{"assertion twice", "", append(right("12"), right("13")...), 400, "invalid_request", "parameter_repeated"},
	} {
		for _, grant := range []string{machine, everything.GrantType} {
			var headers []string
			if row.authorization != "" {
				headers = []string{"Authorization", row.authorization}
			}
			body := append([]string{"grant_type", grant}, row.body...)
			if row.code == "" { // each grant has assertions of its own
				body = append([]string{"grant_type", grant}, slices.Clone(row.body)...)
				body[3] += grant
			}
			r := d.post("/token", form(body...), headers...)
			require.Equal(t, row.status, r.StatusCode, "%s, %s: %s", row.name, grant, r.text)
			require.Equal(t, row.code, r.str("error"), row.name)
			if row.code != "" {
				require.Equal(t, row.reason, d.events.last(t).Reason, "%s, %s", row.name, grant)
			}
		}
	}
	used := form(append(right("once"), "grant_type", machine)...)
	require.Equal(t, 200, d.post("/token", used).StatusCode)
	requireError(t, d.post("/token", used), 400, "invalid_client")
	require.Equal(t, "toy_replayed", d.events.last(t).Reason)

	// At the other endpoints, too, and never in a URL.
	require.Equal(t, 200, d.post("/revoke", form(append(right("20"), "token", "x")...)).StatusCode)
	require.Equal(t, 200, d.post("/introspect", form(append(right("21"), "token", "x")...)).StatusCode)
	requireError(t, d.post("/introspect", form("token", "x", "client_id", "keyed")), 401, "invalid_client")
	requireError(t, d.post("/introspect", form("token", "x", "client_id", "phone")), 401, "invalid_client")
	requireError(t, d.post("/token?"+form(right("22")...), form(append(right("23"), "grant_type", machine)...)),
		400, "invalid_request")
	require.Equal(t, "secret_in_query", d.events.last(t).Reason)
	requireError(t, d.post("/token?"+form(right("24")...), form("grant_type", machine)), 400, "invalid_client")
}

// Rule 2: a bound token opens an API with its key alone, and only where somebody
// can check that.
func TestRule_ABoundTokenNeedsItsKey(t *testing.T) {
	model := openModel(t)
	d := openDoorsOf(t, model, nil, nil)
	bound := d.redeemWith(d.code("scope", "read"), key("k1")...)
	require.Equal(t, everything.TokenType, bound.str("token_type"), bound.text)
	unbound := d.redeemWith(d.code("scope", "read"))
	require.Equal(t, "Bearer", unbound.str("token_type"))

	without := newSite(t, model, nil, nil) // the same storage
	resource := func(options *oauth2server.ResourceOptions) *site {
		srv, err := oauth2server.NewResourceServer(model, sharedRecorder.resourceOptions(t.Name(), options))
		require.NoError(t, err)
		mux := http.NewServeMux()
		mux.Handle("/api", srv.Authenticate()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		return listen(t, mux)
	}
	apart := resource(&oauth2server.ResourceOptions{Extensions: []oauth2server.Extension{&everything.Extension{}}})
	for _, row := range []struct {
		name   string
		site   *site
		scheme string
		token  reply
		key    string
		status int
		reason string
	}{
		{"bound, with its key", d.site, "Toy", bound, "k1", 200, ""},
		{"the scheme in another case", d.site, "tOY", bound, "k1", 200, ""},
		{"another key", d.site, "Toy", bound, "k2", 401, "token_key"},
		{"no key", d.site, "Toy", bound, "", 401, "token_key"},
		{"as Bearer", d.site, "Bearer", bound, "k1", 401, "token_scheme"},
		{"unbound", d.site, "Bearer", unbound, "", 200, ""},
		{"unbound, by the other scheme", d.site, "Toy", unbound, "k1", 401, "token_scheme"},
		{"a server without the extension", without, "Bearer", bound, "k1", 401, ""},
		{"the scheme is unknown there", without, "Toy", bound, "k1", 401, ""},
		{"an API without it", resource(nil), "Bearer", bound, "k1", 401, ""},
		{"an API with it", apart, "Toy", bound, "k1", 200, ""},
		{"an API with it, another key", apart, "Toy", bound, "k2", 401, ""},
		{"an API with it, as Bearer", apart, "Bearer", bound, "k1", 401, ""},
		{"no token", d.site, "Toy", reply{}, "k1", 401, "token_missing"},
	} {
		r := row.site.get("/api", "Authorization", row.scheme+" "+row.token.str("access_token"),
			everything.KeyHeader, row.key)
		require.Equal(t, row.status, r.StatusCode, "%s: %s", row.name, r.text)
		if row.reason != "" {
			require.Equal(t, row.reason, d.events.last(t).Reason, row.name)
		}
	}

	// In the body and in the URL a token is a bearer token.
	r := d.post("/api", form("access_token", bound.str("access_token")), key("k1")...)
	require.Equal(t, 401, r.StatusCode)

	// Each scheme has its challenge, and the error is told by the one that was
	// used.
	r = d.get("/api", append(key("k2"), "Authorization", "Toy "+bound.str("access_token"))...)
	require.Equal(t, []string{`Bearer realm="Service"`, `Toy realm="Service", error="invalid_token", ` +
		`error_description="Invalid token: access token is invalid", algs="toy"`}, r.Header.Values("WWW-Authenticate"))
	r = d.get("/api")
	require.Equal(t, []string{`Bearer realm="Service"`, `Toy realm="Service", algs="toy"`},
		r.Header.Values("WWW-Authenticate"))
}

// Rule 3: a code that is bound to a key needs it, and so does a refresh.
func TestRule_ACodeAndARefreshKeepTheirKey(t *testing.T) {
	d := openDoors(t, nil, nil)
	code := d.code("note", "key:k1")
	requireError(t, d.redeemWith(code, key("k2")...), 400, "invalid_grant")
	require.Equal(t, "key_mismatch", d.events.last(t).Reason)
	requireError(t, d.redeemWith(code, key("k1")...), 400, "invalid_grant")
	require.Equal(t, "code_spent", d.events.last(t).Reason, "the attempt costs the code")
	requireError(t, d.redeemWith(d.code("note", "key:k1")), 400, "invalid_grant")

	confidential := d.redeemWith(d.code("note", "key:k1"), key("k1")...)
	require.Equal(t, 200, confidential.StatusCode, confidential.text)
	requireError(t, d.refreshWith(confidential.str("refresh_token")), 400, "invalid_grant")
	require.Equal(t, "key_mismatch", d.events.last(t).Reason)
	changed := d.refreshWith(confidential.str("refresh_token"), key("k2")...)
	require.Equal(t, 200, changed.StatusCode, "a client that has proven itself may change its key: %s", changed.text)
	require.Equal(t, 200, d.get("/api", append(key("k2"), "Authorization",
		"Toy "+changed.str("access_token"))...).StatusCode)
	require.Equal(t, 401, d.get("/api", append(key("k1"), "Authorization",
		"Toy "+changed.str("access_token"))...).StatusCode)

	public := func(params []string, headers ...string) reply {
		return d.post("/token", form(append([]string{"client_id", "phone"}, params...)...), headers...)
	}
	grant := []string{"grant_type", "authorization_code", "redirect_uri", callback, "code_verifier", verifier}
	withPKCE := []string{"client_id", "phone", "code_challenge", challenge, "code_challenge_method", "S256"}
	first := public(append(grant, "code", d.code(withPKCE...)), key("k1")...)
	require.Equal(t, 200, first.StatusCode, first.text)
	refresh := []string{"grant_type", "refresh_token", "refresh_token", first.str("refresh_token")}
	for _, other := range []string{"", "k2"} {
		requireError(t, public(refresh, key(other)...), 400, "invalid_grant")
		require.Equal(t, "key_mismatch", d.events.last(t).Reason)
	}
	require.Equal(t, 200, public(refresh, key("k1")...).StatusCode, "and nothing was spent")

	// A grant that began without a key may get one.
	unbound := d.redeemWith(d.code())
	now := d.refreshWith(unbound.str("refresh_token"), key("k1")...)
	require.Equal(t, everything.TokenType, now.str("token_type"))
	requireError(t, d.refreshWith(now.str("refresh_token")), 400, "invalid_grant")
}

// Rule 4: resolved parameters take the place of all that was sent. The request
// is spent at its answer, once.
func TestRule_AResolvedRequestIsTheRequest(t *testing.T) {
	pushed, _ := url.ParseQuery(form(authorization("scope", "read", "state", "the pushed one")...))
	other, _ := url.ParseQuery(form(authorization("client_id", "other")...))
	bad, _ := url.ParseQuery(form(authorization("redirect_uri", "https://evil.example/cb")...))
	twice := url.Values{"client_id": {"web", "web"}}
	ext := &everything.Extension{Requests: map[string]url.Values{
		"urn:1": pushed, "urn:2": pushed, "urn:3": pushed, "urn:other": other, "urn:bad": bad, "urn:twice": twice,
	}}
	var hidden url.Values
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := oauth2server.AuthorizationRequestFromContext(r.Context())
		hidden = q.Parameters()
		switch r.PostForm.Get("verdict") {
		case "allow":
			q.Approve(w, r, oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true})
		case "deny":
			q.Deny(w, r, "")
		}
	})
	srv := newSite(t, openModel(t), &oauth2server.Options{Extensions: []oauth2server.Extension{ext}}, page)
	ask := func(name string, more ...string) string {
		return form(append([]string{"client_id", "web", "request_uri", name}, more...)...)
	}
	evil := []string{"redirect_uri", "https://evil.example/cb", "scope", "admin", "state", "another",
		"response_type", "token", "allowed", "true"}
	for range 2 { // people reload
		r := srv.get("/authorize?" + ask("urn:1", evil...))
		require.Equal(t, 200, r.StatusCode, r.text)
	}
	require.Equal(t, url.Values{"client_id": {"web"}, "request_uri": {"urn:1"}}, hidden)
	r := srv.post("/authorize?"+ask("urn:1", evil...), form("verdict", "allow"))
	require.True(t, strings.HasPrefix(r.Header.Get("Location"), callback+"?code="), r.Header)
	require.Equal(t, "the pushed one", r.at("state"))
	require.Equal(t, "read", srv.redeem("web", r.at("code")).str("scope"))
	r = srv.post("/authorize?"+ask("urn:1"), form("verdict", "allow"))
	require.Equal(t, "invalid_request", r.at("error"))
	require.Empty(t, r.at("code"))

	r = srv.post("/authorize?"+ask("urn:2"), form("verdict", "deny"))
	require.Equal(t, "access_denied", r.at("error"))
	r = srv.post("/authorize?"+ask("urn:2"), form("verdict", "allow"))
	require.Empty(t, r.at("code"), "it was answered")

	codes := 0
	for _, r := range atOnce(6, func() reply {
		return srv.post("/authorize?"+ask("urn:3"),
			form("verdict", "allow"))
	}) {
		if r.at("code") != "" {
			codes++
		}
	}
	require.Equal(t, 1, codes)

	for name, code := range map[string]string{"urn:none": "invalid_request", "urn:other": "invalid_request",
		"urn:bad": "invalid_request", "urn:twice": "invalid_request"} {
		requireNoRedirect(t, srv.get("/authorize?"+ask(name)), 400, code)
	}
	requireNoRedirect(t, srv.get("/authorize?"+ask("urn:1", "request_uri", "urn:2")), 400, "invalid_request")

	// What is resolved is checked like what is sent.
	model := openModel(t)
	require.NoError(t, model.UpdateClient(t.Context(), &oauth2server.Client{ID: "web", Grants: allGrants,
		RedirectURIs: []string{callback, "http://web.example/cb"}}))
	inClear, _ := url.ParseQuery(form(authorization("redirect_uri", "http://web.example/cb")...))
	two, _ := url.ParseQuery(form(authorization()...) + "&redirect_uri=https%3A%2F%2Fevil.example")
	d := openDoorsOf(t, model, &everything.Extension{Requests: map[string]url.Values{
		"urn:clear": inClear, "urn:two": two, "urn:1": pushed, "urn:2": pushed}}, nil)
	for name, reason := range map[string]string{"urn:clear": "redirect_uri_in_clear", "urn:two": "parameter_repeated"} {
		requireNoRedirect(t, d.get("/authorize?"+ask(name)), 400, "invalid_request")
		require.Equal(t, reason, d.events.last(t).Reason)
	}

	// What the owner fills in is in what was sent.
	signedIn := []string{"username", "andy", "password", "andys-password"}
	r = d.post("/authorize", ask("urn:1", append(signedIn, "allowed", "false")...))
	require.Equal(t, "access_denied", r.at("error"))
	require.Empty(t, d.post("/authorize", ask("urn:1", signedIn...)).at("code"), "it was answered")
	require.NotEmpty(t, d.post("/authorize", ask("urn:2", signedIn...)).at("code"))
}

// Rule 5: a signer that fails costs neither a code nor a refresh token.
func TestRule_AFailedSignerCostsNothing(t *testing.T) {
	ext := &everything.Extension{Fail: map[string]bool{"ExtendToken": true}}
	d := openDoors(t, ext, nil)
	code := d.code()
	r := d.redeemWith(code)
	requireError(t, r, 503, "server_error")
	ext.Fail["ExtendToken"] = false
	first := d.redeemWith(code)
	require.Equal(t, 200, first.StatusCode, "the code still works: %s", first.text)

	for _, method := range []string{"ExtendToken", "FormatToken", "BindToken"} {
		ext.Fail[method] = true
		requireError(t, d.refreshWith(first.str("refresh_token")), 503, "server_error")
		ext.Fail[method] = false
		first = d.refreshWith(first.str("refresh_token"))
		require.Equal(t, 200, first.StatusCode, "%s: %s", method, first.text)
	}
}

// Rule 6: standard members of answers and of the metadata cannot be replaced.
func TestRule_NothingOfTheServersIsReplaced(t *testing.T) {
	d := openDoors(t, &everything.Extension{Bad: map[string]bool{"ExtendToken": true,
		"ExtendIntrospection": true}}, nil)
	r := d.redeemWith(d.code("scope", "read", "note", "n1"))
	require.Equal(t, "Bearer", r.str("token_type"))
	require.Equal(t, "read", r.str("scope"))
	require.NotContains(t, r.body, "Token_Type")
	require.Equal(t, "n1", r.str("note"))
	require.Equal(t, 200, d.apiStatus(r.str("access_token")))
	require.Equal(t, 403, d.get("/api/write", "Authorization", "Bearer "+r.str("access_token")).StatusCode)
	shown := d.introspect("web", r.str("access_token"))
	require.Equal(t, true, shown.body["active"])
	require.Equal(t, "u1", shown.str("sub"))
	require.NotContains(t, shown.body, "cnf")
	require.Contains(t, shown.body, "toy")

	d = openDoors(t, &everything.Extension{Bad: map[string]bool{"FormatToken": true}}, nil)
	requireError(t, d.redeemWith(d.code()), 500, "server_error")
	require.Equal(t, "extension_contract", d.events.last(t).Reason)

	for _, bad := range []string{"ExtendMetadata", "ExtendMetadata list"} {
		_, err := oauth2server.New(openModel(t), &oauth2server.Options{
			Issuer:     "https://as.example",
			Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
			Extensions: []oauth2server.Extension{&everything.Extension{Bad: map[string]bool{bad: true}}},
		})
		require.ErrorContains(t, err, "ExtendMetadata replaced the member", bad)
	}
}

// Rule 7: what an extension refuses is logged, counted and challenged like the
// server's own refusals.
func TestRule_RefusalsOfExtensions(t *testing.T) {
	d := openDoors(t, nil, nil)
	r := d.redeemWith(d.code(), key("malformed")...)
	requireError(t, r, 400, "invalid_toy_proof")
	require.Equal(t, "the key is malformed", r.str("error_description"))
	require.Equal(t, "n1", r.Header.Get("Toy-Nonce"))
	require.Equal(t, "7", r.Header.Get("Retry-After"))
	require.Equal(t, []string{"no-store"}, r.Header.Values("Cache-Control"))
	event := d.events.last(t)
	require.Equal(t, oauth2server.Event{Kind: oauth2server.EventRefused, Endpoint: oauth2server.EndpointToken,
		GrantType: "authorization_code", ClientID: "web", Error: "invalid_toy_proof", Reason: "toy_proof"}, event)

	r = d.redeemWith(d.code(), key("fault")...)
	requireError(t, r, 503, "server_error")
	require.Empty(t, r.Header.Get("Toy-Nonce"), "a fault says nothing more")

	bound := d.redeemWith(d.code(), key("k1")...)
	r = d.get("/api", append(key("k1"), "Authorization", "Toy "+bound.str("access_token"), "Toy-Step", "up")...)
	require.Equal(t, 401, r.StatusCode)
	require.Equal(t, `Toy realm="Service", error="insufficient_user_authentication", acr_values="gold", algs="toy"`,
		r.Header.Values("WWW-Authenticate")[1])
	require.Equal(t, "toy_step", d.events.last(t).Reason)
	require.Equal(t, "u1", d.events.last(t).UserID)

	r = d.authorize("note", "refuse")
	require.Equal(t, "login_required", r.at("error"))
	require.Equal(t, "xyz", r.at("state"))
	require.Equal(t, "toy_refused", d.events.last(t).Reason)
}

// Rule 8: the parameters of extensions are known: not twice.
func TestRule_ParametersOfExtensionsAreKnown(t *testing.T) {
	d := openDoors(t, nil, nil)
	r := d.get("/authorize?" + form(authorization("note", "a")...) + "&note=b")
	require.Equal(t, "invalid_request", r.at("error"))
	require.Equal(t, "parameter_repeated", d.events.last(t).Reason)
	for _, name := range []string{"assertion", "device_code", "subject_token", "actor_token", "client_assertion"} {
		r := d.post("/token?"+name+"=x", form("grant_type", "client_credentials"), "Authorization", as("web"))
		requireError(t, r, 400, "invalid_request")
		require.Equal(t, "secret_in_query", d.events.last(t).Reason, name)
		r = d.post("/token", form("grant_type", "client_credentials", name, "a", name, "b"), "Authorization", as("web"))
		requireError(t, r, 400, "invalid_request")
	}
	requireError(t, d.post("/toy?secret_word=sesame&client_secret=x", form("secret_word", "x"),
		"Authorization", as("web")),
		400, "invalid_request")
}

// No fault of an extension reaches a client, and the log names the method.
func TestFaultsOfExtensionsStayInside(t *testing.T) {
	pushed, _ := url.ParseQuery(form(authorization()...))
	for _, method := range []string{"Grant", "ClaimedClient", "ProveClient", "FindClient", "BindToken",
		"VerifyToken", "ResolveRequest", "Spend", "CheckAuthorization", "ApproveAuthorization", "FormatToken",
		"ExtendToken", "ExtendIntrospection"} {
		t.Run(method, func(t *testing.T) {
			var log bytes.Buffer
			ext := &everything.Extension{Fail: map[string]bool{}, Requests: map[string]url.Values{"urn:1": pushed}}
			d := openDoors(t, ext, func(o *oauth2server.Options) {
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			bound := d.redeemWith(d.code(), key("k1")...)
			code := d.code()
			ext.Fail[method] = true
			answers := []reply{
				d.redeemWith(code),
				d.post("/token", form(append(assertion("keyed", "1"), "grant_type", everything.GrantType)...)),
				d.get("/authorize?" + form(authorization("client_id", "toy:1", "redirect_uri",
					"https://toy.example/cb")...)),
				d.get("/api", append(key("k1"), "Authorization", "Toy "+bound.str("access_token"))...),
				d.post("/authorize", form("client_id", "web", "request_uri", "urn:1", "username", "andy",
					"password", "andys-password")),
				d.introspect("web", bound.str("access_token")),
			}
			require.NotZero(t, ext.Calls(method))
			faults := 0
			for _, r := range answers {
				require.NotContains(t, r.text+fmt.Sprint(r.Header), everything.Fault)
				if r.str("error") == "server_error" || r.at("error") == "server_error" {
					faults++
				}
			}
			require.NotZero(t, faults)
			require.Contains(t, log.String(), everything.Fault)
			if method != "Grant" { // the log names the grant type
				require.Contains(t, log.String(), "reason=extension_fault")
				require.Contains(t, log.String(), "extension everything: "+method)
			}
		})
	}
}

// A client that is in no model is found by an extension. A client that is in the
// model is never the extension's.
func TestClientsThatAreInNoModel(t *testing.T) {
	ext := &everything.Extension{Bad: map[string]bool{"FindClient": true}} // it knows every ID
	d := openDoors(t, ext, nil)
	toy := []string{"client_id", "toy:1", "redirect_uri", "https://toy.example/cb",
		"code_challenge", challenge, "code_challenge_method", "S256"}
	code := d.code(toy...)
	r := d.post("/token", form("grant_type", "authorization_code", "client_id", "toy:1", "code", code,
		"redirect_uri", "https://toy.example/cb", "code_verifier", verifier))
	require.Equal(t, 200, r.StatusCode, r.text)

	before := ext.Calls("FindClient")
	requireError(t, d.post("/token", form("grant_type", "client_credentials"), "Authorization", basic("web:wrong")),
		401, "invalid_client")
	require.Equal(t, before, ext.Calls("FindClient"), "the model has this client")
	r = d.post("/token", form("grant_type", "client_credentials"), "Authorization", basic("toy:x"))
	requireError(t, r, 401, "invalid_client")

	before = ext.Calls("FindClient")
	faulty := openModel(t)
	faulty.fails["GetClient"] = errors.New("the database is away")
	d = openDoorsOf(t, faulty, ext, nil)
	requireNoRedirect(t, d.get("/authorize?"+form(authorization()...)), 503, "server_error")
	require.Equal(t, before, ext.Calls("FindClient"), "a fault is not an unknown client")
}

// An extension's own endpoint has clients authenticated like the token endpoint.
func TestAnEndpointOfAnExtension(t *testing.T) {
	program := &attempts{}
	d := openDoors(t, nil, func(o *oauth2server.Options) { o.LimitAttempts = program.options().LimitAttempts })
	r := d.post("/toy", "x=1", append(key("k1"), "Authorization", as("web"))...)
	require.Equal(t, 200, r.StatusCode, r.text)
	require.Equal(t, map[string]any{"client": "web", "bound": map[string]any{"toy": "k1"}}, r.body)
	require.Equal(t, oauth2server.EventKind("toy"), d.events.last(t).Kind)
	require.Equal(t, 200, d.post("/toy", form(assertion("keyed", "1")...)).StatusCode)
	require.Equal(t, 200, d.post("/toy", form("client_id", "phone")).StatusCode)

	requireError(t, d.post("/toy", "x=1"), 400, "invalid_client")
	requireError(t, d.post("/toy", "x=1", "Authorization", basic("web:wrong")), 401, "invalid_client")
	require.Equal(t, oauth2server.Endpoint("toy"), d.events.last(t).Endpoint)
	require.Equal(t, 405, d.get("/toy").StatusCode)

	word := func(word string) reply { return d.post("/toy", form("secret_word", word), "Authorization", as("web")) }
	require.Equal(t, 200, word("sesame").StatusCode)
	requireError(t, word("wrong"), 400, "invalid_grant")
	require.Contains(t, program.failed, oauth2server.Attempt{ClientID: "web", Username: "word"})

	pushed := func(params ...string) reply {
		return d.post("/toy", form("pushed", form(authorization(params...)...)), "Authorization", as("web"))
	}
	require.Equal(t, 200, pushed().StatusCode)
	for code, params := range map[string][]string{
		"invalid_request":           {"redirect_uri", "https://evil.example/cb"},
		"invalid_scope":             {"scope", "\""},
		"unsupported_response_type": {"response_type", "none"},
		"login_required":            {"note", "refuse"},
		"server_error":              nil,
	} {
		if params != nil {
			requireError(t, pushed(params...), 400, code)
		}
	}
	requireError(t, pushed("client_id", "other"), 400, "invalid_request")
	requireError(t, pushed("request_uri", "urn:1"), 400, "invalid_request")
	requireError(t, pushed("state", ""), 400, "invalid_request")
}

func TestAResponseModeOfAnExtension(t *testing.T) {
	d := openDoors(t, nil, nil)
	state := `"><script>alert(1)</script>`
	r := d.authorize("response_mode", everything.ResponseMode, "state", state)
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	require.Empty(t, r.Header.Get("Location"))
	require.Contains(t, r.text, `<input name="code"`)
	require.Contains(t, r.text, `<input name="iss" value="https://as.example">`)
	require.NotContains(t, r.text, state)
	r = d.authorize("response_mode", everything.ResponseMode, "scope", "\"")
	require.Contains(t, r.text, "invalid_scope")
	r = d.authorize("response_mode", "another")
	require.Equal(t, "invalid_request", r.at("error"))
	r = d.get("/.well-known/oauth-authorization-server")
	require.Equal(t, []any{"query", "fragment", everything.ResponseMode}, r.body["response_modes_supported"])
}

func TestMetadataOfExtensions(t *testing.T) {
	d := openDoors(t, nil, func(o *oauth2server.Options) {
		o.ScopesSupported = oauth2server.Scope{"read", "write"}
		o.ServiceDocumentation, o.PolicyURI, o.TermsURI = "https://docs.example/", "/policy", "/terms?lang=en"
		o.Resources = []oauth2server.Resource{{URL: "/mcp"}}
	})
	r := d.get("/.well-known/oauth-authorization-server")
	require.Equal(t, true, r.body["toy_supported"])
	require.Equal(t, []any{"read", "write", "toy"}, r.body["scopes_supported"])
	require.Equal(t, "https://docs.example/", r.body["service_documentation"])
	require.Equal(t, "https://as.example/policy", r.body["op_policy_uri"])
	require.Equal(t, "https://as.example/terms?lang=en", r.body["op_tos_uri"])
	require.Equal(t, []any{"https://as.example/mcp"}, r.body["protected_resources"])
	require.Contains(t, r.body["token_endpoint_auth_methods_supported"], everything.AuthMethod)
	require.Contains(t, r.body["grant_types_supported"], everything.GrantType)
	for _, o := range []oauth2server.Options{
		{ServiceDocumentation: "http://docs.example"}, {PolicyURI: "javascript:alert(1)"},
		{TermsURI: "https://u@terms.example"}, {ScopesSupported: oauth2server.Scope{"a b"}},
	} {
		o.Issuer = "https://as.example"
		_, err := oauth2server.New(openModel(t), &o)
		require.ErrorContains(t, err, "option ")
	}
}

// A page tells how the owner signed in, and may grant access only as long as the
// owner is there.
func TestHowTheOwnerSignedIn(t *testing.T) {
	model := openModel(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))
	approval := oauth2server.Approval{User: &oauth2server.User{ID: "u1"}, All: true,
		Authentication: &oauth2server.Authentication{Time: at, Context: "gold", Methods: []string{"pwd", "otp"},
			Session: "s1"}}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		oauth2server.AuthorizationRequestFromContext(r.Context()).Approve(w, r, approval)
	})
	s := newSite(t, model, nil, page)
	authorized := func() reply {
		r := s.get("/authorize?" + form(authorization()...))
		return s.redeem("web", r.at("code"))
	}
	r := authorized()
	require.NotEmpty(t, r.str("refresh_token"))
	for range 2 { // and after a refresh
		token, err := model.GetAccessToken(t.Context(), r.str("access_token"))
		require.NoError(t, err)
		require.Equal(t, &oauth2server.Authentication{Time: at.UTC().Truncate(time.Millisecond), Context: "gold",
			Methods: []string{"pwd", "otp"}, Session: "s1"}, token.Details.Authentication)
		r = s.mustRefresh(r.str("refresh_token"))
	}
	approval.Online = true
	require.Empty(t, authorized().str("refresh_token"))

	approval.Authentication = &oauth2server.Authentication{Session: "\xff"}
	require.Equal(t, "server_error", s.get("/authorize?"+form(authorization()...)).at("error"))
}

// A model that drops what binds a token would make it a bearer token.
func TestAModelThatDropsDetails(t *testing.T) {
	for name, drop := range map[string]func(*oauth2server.Token){
		"Details":  func(t *oauth2server.Token) { t.Details = nil },
		"the key":  func(t *oauth2server.Token) { t.Details.Confirmation = nil },
		"Resource": func(t *oauth2server.Token) { t.Resource = "" },
	} {
		d := openDoorsOf(t, droppingDetails{openModel(t), drop}, nil, func(o *oauth2server.Options) {
			o.Resources = []oauth2server.Resource{{URL: "/mcp"}}
		})
		r := d.redeemWith(d.code("resource", "https://as.example/mcp"), key("k1")...)
		requireError(t, r, 500, "server_error")
		require.Equal(t, "model_contract", d.events.last(t).Reason, name)
	}
}

type droppingDetails struct {
	*spy
	drop func(*oauth2server.Token)
}

func (m droppingDetails) Unwrap() oauth2server.Model { return m.spy }

func (m droppingDetails) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	saved, err := m.spy.SaveToken(ctx, t, c, u)
	if err == nil {
		own := *saved
		own.Details = own.Details.Clone()
		m.drop(&own)
		saved = &own
	}
	return saved, err
}

// bareName is an extension with a name and nothing else.
type bareName string

func (n bareName) ExtensionName() string { return string(n) }

// second is another extension with the same doors.
type second struct{ *everything.Extension }

func (second) ExtensionName() string { return "second" }

func TestNewRefusesExtensions(t *testing.T) {
	ext := &everything.Extension{}
	for want, all := range map[string][]oauth2server.Extension{
		"number 1 is nil":                 {ext, nil},
		"number 0 is nil":                 {(*everything.Extension)(nil)},
		`extension "": the name must`:     {bareName("")},
		`extension "a b": the name must`:  {bareName("a b")},
		`another extension has that name`: {bareName("a"), bareName("a")},
		"has none of the interfaces":      {bareName("a")},
		"is FormatTokens meant to be":     {misspeltHook{}},
		"ExtendToken has type":            {typedHook{}},
		"AuthorizationExtender is incomplete: it has [AuthorizationParameters CheckAuthorization], but " +
			"not [ApproveAuthorization]": {halfHook{}},
		`method "toy_assertion" belongs to the extension "everything"`: {ext, second{ext}},
		`the confirmation "toy" belongs to the extension`:              {ext, second{ext}},
		`the response mode "toy_post" belongs to the extension`:        {ext, second{ext}},
		`the parameter "note" belongs to the extension "everything"`:   {ext, second{ext}},
		`are both a TokenFormatter`:                                    {ext, second{ext}},
		`the response mode "query" belongs to the server`:              {modes{"m", "query"}},
		`the parameter "client_id" belongs to the server`:              {reads{bareName("r"), "client_id"}},
		`the parameter "resource" belongs to the server`:               {reads{bareName("r"), "resource"}},
		`the parameter "password" belongs to the server`:               {reads{bareName("r"), "password"}},
		`extension "everything": the inner text`:                       {&everything.Extension{Fail: map[string]bool{"Attach": true}}},
		`method "none" belongs to the server`:                          {method{bareName("m"), "none"}},
		`method "" belongs to nobody`:                                  {method{bareName("m"), ""}},
		`AuthMethod is "a\"b"`:                                         {method{bareName("m"), `a"b`}},
	} {
		_, err := oauth2server.New(openModel(t), &oauth2server.Options{Extensions: all,
			Logger: slog.New(slog.DiscardHandler)})
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, oauth2server.InvalidArgument)
	}
	_, err := oauth2server.New(openModel(t), &oauth2server.Options{
		Extensions:      []oauth2server.Extension{ext},
		ExtensionGrants: map[string]oauth2server.GrantFunc{everything.GrantType: nil, "echo": nil},
		Logger:          slog.New(slog.DiscardHandler),
	})
	require.Error(t, err)
	_, err = oauth2server.NewResourceServer(openModel(t),
		&oauth2server.ResourceOptions{Extensions: []oauth2server.Extension{bareName("a b")}})
	require.ErrorContains(t, err, "the name")

	// What Attach refuses is told before the extension is asked for more.
	none := &everything.Extension{}
	_, err = oauth2server.New(minimalModel{}, &oauth2server.Options{
		Extensions: []oauth2server.Extension{none, unattached{}}, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "the model keeps no records")
}

type modes struct{ name, mode string }

func (m modes) ExtensionName() string   { return m.name }
func (m modes) ResponseModes() []string { return []string{m.mode} }
func (m modes) Respond(http.ResponseWriter, *http.Request, *oauth2server.AuthorizationResponse) {
}

type reads struct {
	bareName
	parameter string
}

func (r reads) RequestParameters() []string { return []string{r.parameter} }
func (r reads) ResolveRequest(
	context.Context, *oauth2server.Client, func(string) string,
) (*oauth2server.ResolvedRequest, error) {
	return nil, nil
}

type method struct {
	bareName
	is string
}

func (m method) AuthMethod() string { return m.is }
func (m method) ClaimedClient(*oauth2server.ClientRequest) (string, error) {
	return "", nil
}
func (m method) ProveClient(context.Context, *oauth2server.ClientRequest, *oauth2server.Client) error {
	return nil
}

// Records are kept in the log of grants: put once, on all machines, and found
// until they expire.
func TestLogRecords(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		records, ctx := oauth2server.LogRecords(model), t.Context()
		until := time.Now().Add(time.Hour)
		record := []byte("bytes \x00\xff")
		won := 0
		for _, err := range atOnce(16, func() error { return records.SaveRecord(ctx, "a key", record, until) }) {
			if err == nil {
				won++
			} else {
				require.ErrorIs(t, err, oauth2server.ErrExists)
			}
		}
		require.Equal(t, 1, won)
		got, err := records.GetRecord(ctx, "a key")
		require.NoError(t, err)
		require.Equal(t, record, got)
		_, err = records.GetRecord(ctx, "a key ")
		require.ErrorIs(t, err, oauth2server.ErrNotFound)

		require.NoError(t, records.SaveRecord(ctx, "past", record, time.Now().Add(-time.Second)))
		_, err = records.GetRecord(ctx, "past")
		require.ErrorIs(t, err, oauth2server.ErrNotFound)

		// A record is no grant: nobody can join or revoke it, and no user has it.
		grants, err := model.UserGrants(ctx, "")
		require.NoError(t, err)
		require.Empty(t, grants)
	})
}

// Records of the version before extensions are still read.
func TestRecordsOfBefore(t *testing.T) {
	var token oauth2server.Token
	require.NoError(t, token.UnmarshalBinary([]byte(`{"v":1,"access_expires_at":1700000000000,"scope":["read"],`+
		`"client_id":"web","user_id":"u1","grant_id":"g","grant_seq":2,"grant_expires_at":1800000000000}`)))
	require.Empty(t, token.Resource)
	require.Nil(t, token.Details)
	var code oauth2server.AuthorizationCode
	require.NoError(t, code.UnmarshalBinary([]byte(`{"v":1,"expires_at":1700000000000,"client_id":"web",`+
		`"user_id":"u1","code_challenge":"c","code_challenge_method":"S256","grant_id":"g"}`)))
	require.Nil(t, code.Details)
	var entry oauth2server.GrantEntry
	require.NoError(t, entry.UnmarshalBinary([]byte(`{"v":1,"grant_id":"g","seq":1,"kind":"grant","nonce":"n",`+
		`"time":1700000000000,"expires_at":1700000000000}`)))
	require.Empty(t, entry.Resource)

	// And what a later version adds inside Details is kept.
	later := `{"v":1,"client_id":"web","user_id":"u1","details":{"cnf":{"jkt":"x"},"later":[1,2]}}`
	require.NoError(t, token.UnmarshalBinary([]byte(later)))
	require.Equal(t, map[string]string{"jkt": "x"}, token.Details.Confirmation)
	data, err := token.MarshalBinary()
	require.NoError(t, err)
	require.JSONEq(t, later, string(data))
	require.JSONEq(t, later, string(mustMarshal(t, cloned(token))))
}

func cloned(t oauth2server.Token) oauth2server.Token { t.Details = t.Details.Clone(); return t }

func mustMarshal(t *testing.T, token oauth2server.Token) []byte {
	data, err := token.MarshalBinary()
	require.NoError(t, err)
	return data
}

// What a stranger sends to the hooks ends in an answer of the server's, and in
// no fault.
func FuzzDoors(f *testing.F) {
	f.Add("keyed!key of keyed#1", "k1", "Toy abc", "urn:1", "note", "toy_post", "https://as.example/mcp")
	f.Add("!", "malformed", "Bearer toy.", "", "refuse", "fragment", "/mcp")
	f.Add("web!x", "", "Toy", "x", "key:", "\x00", "https://AS.example:443/mcp/?a#b")
	model := memorymodel.New(&memorymodel.Options{PasswordCost: bcrypt.MinCost})
	register(f, model.AddClient, model.AddUser)
	pushed, _ := url.ParseQuery(form(authorization()...))
	ext := &everything.Extension{Requests: map[string]url.Values{"urn:1": pushed}}
	handler := mountFor(f, nil, model, &oauth2server.Options{
		Issuer:     "https://as.example",
		Resources:  []oauth2server.Resource{{URL: "/mcp"}, {URL: "/other"}},
		Extensions: []oauth2server.Extension{ext},
	}, nil)
	mux := http.NewServeMux()
	mux.Handle("/toy", ext.Endpoint())
	mux.Handle("/", handler)
	f.Fuzz(func(t *testing.T, assertion, key, authorization, requestURI, note, mode, resource string) {
		send := func(method, target, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, target, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header[everything.KeyHeader] = []string{key}
			if authorization != "" {
				r.Header["Authorization"] = []string{authorization}
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			require.Less(t, w.Code, 500, "%s", w.Body)
			return w
		}
		params := form("client_id", "web", "response_type", "code", "state", "1", "redirect_uri", callback,
			"request_uri", requestURI, "note", note, "response_mode", mode, "resource", resource,
			"username", "andy", "password", "andys-password")
		w := send("POST", "/authorize", params)
		if location := w.Header().Get("Location"); location != "" {
			require.True(t, strings.HasPrefix(location, callback), location)
		}
		send("POST", "/token", form("grant_type", "client_credentials", "client_assertion", assertion,
			"resource", resource))
		send("POST", "/toy", form("client_assertion", assertion, "pushed", note))
		send("GET", "/mcp", "")
	})
}

// minimalModel has no log, so it keeps no records.
type minimalModel struct{}

func (minimalModel) GetClient(context.Context, string, string) (*oauth2server.Client, error) {
	return nil, oauth2server.ErrNotFound
}

func (minimalModel) SaveToken(
	_ context.Context, t *oauth2server.Token, _ *oauth2server.Client, _ *oauth2server.User,
) (*oauth2server.Token, error) {
	return t, nil
}

func (minimalModel) GetUserFromClient(context.Context, *oauth2server.Client) (*oauth2server.User, error) {
	return nil, oauth2server.ErrNotFound
}

// unattached must not be asked for its metadata if Attach failed elsewhere.
type unattached struct{}

func (unattached) ExtensionName() string         { return "unattached" }
func (unattached) ExtendMetadata(map[string]any) { panic("it was asked, though New fails") }

// Extensions with a mistake that the compiler does not see.
type (
	misspeltHook struct{}
	typedHook    struct{}
	halfHook     struct{}
)

func (misspeltHook) ExtensionName() string { return "misspelt" }
func (misspeltHook) FormatTokens(context.Context, *oauth2server.Client, *oauth2server.Token) (string, error) {
	return "", nil
}
func (typedHook) ExtensionName() string                               { return "typed" }
func (typedHook) ExtendToken(context.Context) (map[string]any, error) { return nil, nil }
func (halfHook) ExtensionName() string                                { return "half" }
func (halfHook) AuthorizationParameters() []string                    { return nil }
func (halfHook) CheckAuthorization(context.Context, *oauth2server.AuthorizationRequest) error {
	return nil
}
