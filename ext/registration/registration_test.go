package registration_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/ratelimit"
	"github.com/seed-11d18166/oauth2server/ext/registration"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// bothKinds runs a test with clients that are sealed, and with stored ones.
func bothKinds(t *testing.T, test func(t *testing.T, s *site)) {
	t.Run("sealed", func(t *testing.T) { test(t, newSite(t, memorymodel.New(nil), sealed())) })
	t.Run("stored", func(t *testing.T) {
		model := memorymodel.New(nil)
		test(t, newSite(t, model, stored(inMemory(model))))
	})
}

// A client registers, signs in, calls the API and refreshes.
func TestRegisteredClient(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		metadata := s.do("GET", "/.well-known/oauth-authorization-server", "", "")
		require.Equal(t, "https://as.example/register", metadata.str("registration_endpoint"))
		for _, method := range []any{nil, "client_secret_basic", "client_secret_post", "none", "private_key_jwt"} {
			members := withSecret()
			members["token_endpoint_auth_method"] = method
			r := s.registered(members)
			id, secret := r.str("client_id"), r.str("client_secret")
			require.True(t, strings.HasPrefix(id, "dcr."), id)
			require.Equal(t, method == "none" || method == "private_key_jwt", secret == "")
			require.Equal(t, oauth2server.Event{Kind: oauth2server.EventRegistered, Endpoint: "registration",
				ClientID: id}, s.events[len(s.events)-1])
			tokens := s.signIn(r, callback)
			require.Equal(t, "read", tokens.str("scope"))
			require.Equal(t, 200, s.opens("/mcp", tokens))
			tokens = s.token(id, secret, "grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token"))
			require.Equal(t, 200, s.opens("/mcp", tokens), tokens.Body)
			require.Equal(t, 401, s.opens("/api", tokens))
			if secret == "" {
				continue
			}
			// Not form-encoded, as many clients send it.
			asked := s.authorize(id, callback)
			basic := base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
			tokens = s.do("POST", "/token", "application/x-www-form-urlencoded",
				form(redeem(asked.sent("code"), callback)...), "Authorization", "Basic "+basic)
			require.Equal(t, 200, s.opens("/mcp", tokens), tokens.Body)
		}
	})
}

func TestAnswer(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		before := time.Now().Unix()
		r := s.registered(map[string]any{
			"client_name": "Notes\u202e", "client_uri": "https://client.example", "redirect_uris": []string{callback, "zed://x"},
			"token_endpoint_auth_method": "client_secret_post", "application_type": "web", "scope": "read",
			"response_types": []string{"token"}, "grant_types": []string{"authorization_code", "device_code"},
			"logo_uri": "https://client.example/logo", "tos_uri": "javascript:alert(1)", "policy_uri": "x",
			"jwks": map[string]any{}, "contacts": nil, "client_id": "admin"})
		require.Equal(t, "application/json", r.Header().Get("Content-Type"))
		require.Equal(t, "no-store", r.Header().Get("Cache-Control"))
		require.InDelta(t, before, r.members["client_id_issued_at"], 60)
		require.NotEqual(t, "admin", r.str("client_id"))
		for _, member := range []string{"client_id", "client_id_issued_at", "client_secret"} {
			require.NotEmpty(t, r.members[member], member)
			delete(r.members, member)
		}
		require.Equal(t, map[string]any{
			"client_secret_expires_at": 0.0, "client_name": "Notes", "client_uri": "https://client.example",
			"redirect_uris": []any{callback}, "grant_types": []any{"authorization_code"}, "response_types": []any{"code"},
			"token_endpoint_auth_method": "client_secret_post", "application_type": "web"}, r.members)

		r = s.registered(map[string]any{"redirect_uris": []string{callback}, "token_endpoint_auth_method": "magic"})
		delete(r.members, "client_id")
		delete(r.members, "client_id_issued_at")
		require.Equal(t, map[string]any{"redirect_uris": []any{callback}, "grant_types": []any{"authorization_code"},
			"response_types": []any{"code"}, "token_endpoint_auth_method": "none"}, r.members)

		r = s.registered(map[string]any{"redirect_uris": []string{callback}})
		require.Equal(t, "client_secret_basic", r.str("token_endpoint_auth_method"))
	})
}

// These are registrations as popular clients send them.
func TestRegistrationsOfRealClients(t *testing.T) {
	list := func(texts ...string) []string { return texts }
	grants := list("authorization_code", "refresh_token")
	for _, row := range []struct {
		name      string
		members   map[string]any
		kept      int    // redirection URIs
		asksFor   string // the redirection URI; empty: the first one
		secret    bool
		noRefresh bool
	}{
		{"Claude", map[string]any{"client_name": "Claude", "grant_types": grants, "response_types": list("code"),
			"redirect_uris": list("https://claude.ai/api/mcp/auth_callback",
				"https://claude.com/api/mcp/auth_callback"),
			"token_endpoint_auth_method": "client_secret_post", "scope": " offline_access"}, 2, "", true, false},
		{"Claude, public", map[string]any{"client_name": "Claude", "grant_types": grants,
			"redirect_uris":              list("https://claude.ai/api/mcp/auth_callback"),
			"token_endpoint_auth_method": "none", "scope": "claudeai"}, 1, "", false, false},
		{"Claude Code", map[string]any{"client_name": "Claude Code (notes)", "grant_types": grants,
			"redirect_uris":              list("http://localhost:54212/callback"),
			"token_endpoint_auth_method": "none"}, 1, "http://localhost:61999/callback", false, false},
		{"ChatGPT", map[string]any{"client_name": "ChatGPT", "grant_types": grants,
			"redirect_uris":              list("https://chatgpt.com/connector/oauth/Xk3_aB7dQz"),
			"token_endpoint_auth_method": "none"}, 1, "", false, false},
		{"VS Code", map[string]any{"client_name": "Visual Studio Code", "client_uri": "https://code.visualstudio.com",
			"grant_types": list("authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"),
			"redirect_uris": list("https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect",
				"http://127.0.0.1/", "http://127.0.0.1:33418/"),
			"token_endpoint_auth_method": "none", "application_type": "native"}, 4, "http://127.0.0.1:50123/", false, false},
		{"Cursor", map[string]any{"client_name": "Cursor", "grant_types": grants, "response_types": list("code"),
			"redirect_uris": list("cursor://anysphere.cursor-mcp/oauth/callback",
				"https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"),
			"token_endpoint_auth_method": "none"}, 3, "", false, false},
		{"Copilot CLI", map[string]any{"client_name": "GitHub Copilot CLI", "grant_types": grants,
			"redirect_uris":              list("http://127.0.0.1:33418/"),
			"token_endpoint_auth_method": "none"}, 1, "http://127.0.0.1:40000/", false, false},
		{"Codex", map[string]any{"client_name": "Codex", "grant_types": grants, "response_types": list("code"),
			"redirect_uris":              list("http://127.0.0.1:43121/callback/b2c9"),
			"token_endpoint_auth_method": "none"}, 1, "", false, false},
		{"Gemini CLI", map[string]any{"client_name": "Gemini CLI MCP Client", "grant_types": grants,
			"redirect_uris": list("http://localhost:7777/oauth/callback"), "response_types": list("code"),
			"token_endpoint_auth_method": "none", "scope": ""}, 1, "", false, false},
		{"opencode", map[string]any{"client_name": "OpenCode", "client_uri": "https://opencode.ai", "grant_types": grants,
			"redirect_uris":              list("http://127.0.0.1:19876/mcp/oauth/callback"),
			"token_endpoint_auth_method": "none"}, 1, "", false, false},
		{"Inspector", map[string]any{"client_name": "MCP Inspector", "grant_types": grants,
			"redirect_uris": list("http://localhost:6274/oauth/callback"), "response_types": list("code"),
			"client_uri":                 "https://github.com/modelcontextprotocol/inspector",
			"token_endpoint_auth_method": "none", "scope": "read write"}, 1, "", false, false},
		{"one that says nothing", map[string]any{"redirect_uris": list("http://localhost:3334/oauth/callback")},
			1, "", true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, s *site) {
				r := s.registered(row.members)
				require.Len(t, r.members["redirect_uris"], row.kept)
				require.Equal(t, row.secret, r.str("client_secret") != "")
				uri := row.asksFor
				if uri == "" {
					uri = row.members["redirect_uris"].([]string)[0]
				}
				tokens := s.signIn(r, uri)
				require.Equal(t, 200, s.opens("/mcp", tokens))
				require.Equal(t, row.noRefresh, tokens.str("refresh_token") == "")
				t.Logf("the ID has %d characters", len(r.str("client_id")))
				require.Less(t, len(r.str("client_id")), 300)
			})
		})
	}
}

func TestMalformedRegistrations(t *testing.T) {
	const good = `{"redirect_uris":["` + callback + `"]}`
	const json = "application/json"
	s := newSite(t, memorymodel.New(nil), sealed())
	require.Equal(t, 201, s.do("POST", "/register", json+"; charset=utf-8", good).Code)
	long := `{"x":"` + strings.Repeat("x", 16<<10) + `"}`
	for _, row := range []struct {
		method, contentType, body string
		status                    int
		code, reason              string
	}{
		{"POST", json, `[` + good + `]`, 400, "invalid_client_metadata", "client_metadata"},
		{"POST", json, good + good, 400, "invalid_client_metadata", "client_metadata"},
		{"POST", json, `{"client_name":"a","client_name":"b"}`, 400, "invalid_client_metadata", "client_metadata"},
		{"POST", json, ``, 400, "invalid_client_metadata", "client_metadata"},
		{"POST", json, `{}`, 400, "invalid_redirect_uri", "client_redirect_uri"},
		{"POST", "application/x-www-form-urlencoded", "redirect_uris=x", 400, "invalid_client_metadata", "content_type"},
		{"POST", "text/plain", good, 400, "invalid_client_metadata", "content_type"},
		{"POST", "application/json-seq", good, 400, "invalid_client_metadata", "content_type"},
		{"POST", "", good, 400, "invalid_client_metadata", "content_type"},
		{"POST", json, long, 413, "invalid_client_metadata", "registration_too_large"},
		{"GET", "", "", 405, "invalid_request", "method"},
		{"PUT", json, good, 405, "invalid_request", "method"},
		{"OPTIONS", "", "", 405, "invalid_request", "method"},
	} {
		r := s.do(row.method, "/register", row.contentType, row.body)
		require.Equal(t, row.status, r.Code, row)
		require.Equal(t, row.code, r.str("error"))
		require.NotEmpty(t, r.str("error_description"))
		require.Equal(t, "no-store", r.Header().Get("Cache-Control"))
		require.Equal(t, row.status == 405, r.Header().Get("Allow") == "POST")
		last := s.events[len(s.events)-1]
		require.Equal(t, oauth2server.Event{Kind: oauth2server.EventRefused, Endpoint: "registration",
			Error: oauth2server.ErrorCode(row.code), Reason: row.reason}, last)
	}
	r := httptest.NewRequest("POST", "/register", iotest.ErrReader(errors.New("the line broke")))
	r.Header.Set("Content-Type", json)
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	require.Equal(t, 400, w.Code)
	require.NotContains(t, w.Body.String(), "the line broke")
	require.Equal(t, "registration_unreadable", s.events[len(s.events)-1].Reason)
}

// An ID that no request could carry is refused when it is made.
func TestTooLongAnID(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		long := callback + "/" + strings.Repeat("x", 900)
		r := s.register(public(long, long+"y"))
		if _, isSealed := strings.CutPrefix(t.Name(), "TestTooLongAnID/sealed"); isSealed {
			require.Equal(t, 400, r.Code)
			require.Equal(t, "invalid_client_metadata", r.str("error"))
			return
		}
		require.Equal(t, 200, s.opens("/mcp", s.signIn(r, long)))
	})
}

func TestScriptsOfOtherOrigins(t *testing.T) {
	s := newSite(t, memorymodel.New(nil), sealed())
	const origin = "https://inspector.example"
	r := s.do("OPTIONS", "/register", "", "", "Origin", origin, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "content-type")
	require.Equal(t, 204, r.Code)
	require.Equal(t, origin, r.Header().Get("Access-Control-Allow-Origin"))
	r = s.do("POST", "/register", "application/json", `{"redirect_uris":["`+callback+`"]}`, "Origin", origin)
	require.Equal(t, 201, r.Code)
	require.Equal(t, origin, r.Header().Get("Access-Control-Allow-Origin"))
	require.Empty(t, r.Header().Get("Access-Control-Allow-Credentials"))
}

func TestMayRegister(t *testing.T) {
	var seen string
	var answer error
	s := newSite(t, memorymodel.New(nil), sealed(func(o *registration.Options) {
		o.MayRegister = func(r *http.Request, client *oauth2server.Client) error {
			body, err := io.ReadAll(r.Body)
			seen = client.Name + string(body)
			return errors.Join(err, answer)
		}
	}))
	for _, row := range []struct {
		answer error
		status int
		code   string
	}{
		{nil, 201, ""},
		{&oauth2server.Error{Code: oauth2server.AccessDenied, Status: 403}, 403, "access_denied"},
		{oauth2server.AccessDenied, 400, "access_denied"},
		{fmt.Errorf("wrapped: %w", &oauth2server.Error{Code: "invalid_software_statement",
			Err: oauth2server.ErrNotFound}), 400, "invalid_software_statement"},
		{oauth2server.ErrNotFound, 503, "server_error"},
		{errors.New("the database is down"), 503, "server_error"},
	} {
		answer = row.answer
		r := s.do("POST", "/register", "application/json", `{"client_name":"Notes","redirect_uris":["`+callback+`"]}`)
		require.Equal(t, row.status, r.Code, row.answer)
		require.Equal(t, row.code, r.str("error"))
		require.NotContains(t, r.Body.String(), "database")
		require.Equal(t, `Notes{"client_name":"Notes","redirect_uris":["`+callback+`"]}`, seen)
	}
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := memorymodel.New(nil)
		s := newSite(t, model, registration.Stored(inMemory(model), nil))
		for range 30 {
			s.registered(public())
		}
		r := s.register(public())
		require.Equal(t, 429, r.Code)
		require.Equal(t, "2", r.Header().Get("Retry-After"))
		require.Equal(t, "registration_limited", s.events[len(s.events)-1].Reason)
		time.Sleep(2 * time.Second)
		s.registered(public())
		require.Equal(t, 429, s.register(public()).Code)
	})
	limited := func(o *registration.Options) {
		o.Limit = ratelimit.Limit{Burst: 1, Every: time.Hour}
		o.Address = func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("Test-Address")) }
	}
	s := newSite(t, memorymodel.New(nil), sealed(limited))
	for from, status := range map[string]int{"192.0.2.1": 201, "192.0.2.2": 201} {
		for range 2 {
			r := s.do("POST", "/register", "application/json", `{"redirect_uris":["`+callback+`"]}`, "Test-Address", from)
			require.Equal(t, status, r.Code)
			status = 429
		}
	}
}

// New clients get the new key; those of an old key work until it is removed.
func TestOldKeys(t *testing.T) {
	model := memorymodel.New(nil)
	old := newSite(t, model, sealed()).registered(withSecret())
	const fresh = "another key of the test, as long as the first"
	s := newSite(t, model, registration.Sealed([]byte(fresh), &registration.Options{OldKeys: [][]byte{[]byte(key)}}))
	require.Equal(t, 200, s.opens("/mcp", s.signIn(old, callback)))
	made := s.registered(withSecret())
	require.Equal(t, 200, s.opens("/mcp", s.signIn(made, callback)))
	s = newSite(t, model, registration.Sealed([]byte(fresh), nil))
	require.Equal(t, 200, s.opens("/mcp", s.signIn(made, callback)))
	require.Equal(t, 400, s.authorize(old.str("client_id"), callback).Code)
	require.Equal(t, 401, s.token(old.str("client_id"), old.str("client_secret"), redeem("x", callback)...).Code)
}

// Public clients that register the same data share an ID; clients with a secret
// do not.
func TestTheSameRegistration(t *testing.T) {
	s := newSite(t, memorymodel.New(nil), sealed())
	id := s.registered(public()).str("client_id")
	require.Equal(t, id, s.registered(public()).str("client_id"))
	require.NotEqual(t, id, s.registered(public("https://client.example/other")).str("client_id"))
	one, other := s.registered(withSecret()), s.registered(withSecret())
	require.NotEqual(t, one.str("client_id"), other.str("client_id"))
	require.NotEqual(t, one.str("client_secret"), other.str("client_secret"))
	require.Len(t, one.str("client_secret"), 44)
}

// A model is asked first, so it can bar a client that is stored nowhere.
func TestABarredClient(t *testing.T) {
	model := &barring{Model: memorymodel.New(nil)}
	s := newSite(t, model, sealed())
	r := s.registered(public())
	tokens := s.signIn(r, callback)
	model.id = r.str("client_id")
	require.Equal(t, 400, s.authorize(model.id, callback).Code)
	refreshed := s.token(model.id, "", "grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token"))
	require.Equal(t, "invalid_client", refreshed.str("error"))
}

type barring struct {
	*memorymodel.Model
	id string
}

func (b *barring) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if id == b.id {
		return nil, oauth2server.InvalidClient
	}
	return b.Model.GetClient(ctx, id, secret)
}

func TestFaultsOfAStore(t *testing.T) {
	var fault error
	s := newSite(t, memorymodel.New(nil), stored(registration.StoreFunc(
		func(context.Context, *oauth2server.Client, string) error { return fault })))
	for _, row := range []struct {
		fault  error
		status int
	}{
		{errors.New("the database is down"), 503},
		{oauth2server.ErrNotFound, 503},
		{oauth2server.ErrExists, 503},
		{&oauth2server.Error{Code: oauth2server.AccessDenied, Status: 403}, 403},
	} {
		fault = row.fault
		r := s.register(public())
		require.Equal(t, row.status, r.Code)
		require.Empty(t, r.str("client_id"))
	}
}

// used keeps when clients were registered and used, as a table does.
type used struct {
	model         *memorymodel.Model
	created, used map[string]time.Time
}

func (u *used) SaveClient(_ context.Context, client *oauth2server.Client, secret string) error {
	u.created[client.ID] = time.Now()
	return u.model.AddClient(client, secret)
}

func (u *used) saw(e oauth2server.Event) {
	switch e.Kind {
	case oauth2server.EventIssued, oauth2server.EventRefreshed, oauth2server.EventRetried:
		u.used[e.ClientID] = time.Now()
	}
}

// clean deletes what the documentation of Store says.
func (u *used) clean(ctx context.Context) error {
	var errs []error
	for id, created := range u.created {
		last, isUsed := u.used[id]
		if !isUsed && time.Since(created) > 24*time.Hour || isUsed && time.Since(last) > 90*24*time.Hour {
			errs = append(errs, u.model.DeleteClient(ctx, id))
			delete(u.created, id)
		}
	}
	return errors.Join(errs...)
}

func TestCleaningUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &used{memorymodel.New(nil), map[string]time.Time{}, map[string]time.Time{}}
		s := newSite(t, store.model, stored(store))
		never, once := s.registered(public()), s.registered(public())
		tokens := s.signIn(once, callback)
		for _, e := range s.events {
			store.saw(e)
		}
		time.Sleep(25 * time.Hour)
		require.NoError(t, store.clean(t.Context()))
		require.Equal(t, 400, s.authorize(never.str("client_id"), callback).Code)
		r := s.token(once.str("client_id"), "", "grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token"))
		require.Equal(t, 200, r.Code)
		store.saw(s.events[len(s.events)-1])
		time.Sleep(89 * 24 * time.Hour)
		require.NoError(t, store.clean(t.Context()))
		require.NotEmpty(t, s.authorize(once.str("client_id"), callback).sent("code"))
		time.Sleep(2 * 24 * time.Hour)
		require.NoError(t, store.clean(t.Context()))
		r = s.token(once.str("client_id"), "", "grant_type", "refresh_token", "refresh_token", r.str("refresh_token"))
		require.Equal(t, 401, r.Code, "so that it registers again")
		require.Equal(t, "invalid_client", r.str("error"))
	})
}

func TestWhatCannotWork(t *testing.T) {
	with := func(edit func(*registration.Options)) *registration.Endpoint { return sealed(edit) }
	for want, ext := range map[string]*registration.Endpoint{
		"key 0 has 31 bytes": registration.Sealed(make([]byte, 31), nil),
		"key 1 has 5 bytes":  with(func(o *registration.Options) { o.OldKeys = [][]byte{[]byte("short")} }),
		"needs a Store":      registration.Stored(nil, nil),
		"are for Sealed": stored(inMemory(memorymodel.New(nil)), func(o *registration.Options) {
			o.OldKeys = [][]byte{[]byte(key)}
		}),
		"no scheme of an app": with(func(o *registration.Options) {
			o.RedirectSchemes = []string{"javascript"}
		}),
		`the Path "register"`:                with(func(o *registration.Options) { o.Path = "register" }),
		`the Path "//evil.example/register"`: with(func(o *registration.Options) { o.Path = "//evil.example/register" }),
	} {
		_, err := oauth2server.New(memorymodel.New(nil), serverOptions(ext))
		require.ErrorContains(t, err, want)
	}
	for want, edit := range map[string]func(*oauth2server.Options){
		"Resources":                    func(o *oauth2server.Options) { o.Resources = nil },
		"InsecureAllowPlainPKCE":       func(o *oauth2server.Options) { o.InsecureAllowPlainPKCE = true },
		"InsecureApprovePublicClients": func(o *oauth2server.Options) { o.InsecureApprovePublicClients = true },
		"InsecureAllowHTTPRedirects":   func(o *oauth2server.Options) { o.InsecureAllowHTTPRedirects = true },
	} {
		opts := serverOptions(sealed())
		edit(opts)
		_, err := oauth2server.New(memorymodel.New(nil), opts)
		require.ErrorContains(t, err, want)
	}
	s := newSite(t, memorymodel.New(nil), with(func(o *registration.Options) { o.Path = "/oauth/register" }))
	require.Equal(t, 404, s.register(public()).Code)
	r := s.do("POST", "/oauth/register", "application/json", `{"redirect_uris":["`+callback+`"]}`)
	require.Equal(t, 201, r.Code)
}
