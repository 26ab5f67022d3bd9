package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/jwtaccess"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

const (
	issuer   = "https://as.example/op"
	callback = "https://web.example/cb"
	secret   = "a-secret-that-nobody-guesses"
)

// site is an OpenID provider, with one browser whose user is signed in.
type site struct {
	t        testing.TB
	srv      *oauth2server.Server
	provider *oidc.Provider
	ring     *keys.Ring
	model    *memorymodel.Model
	mux      *http.ServeMux

	user     string // who approves
	signedIn time.Time
	session  string         // the browser's; empty: signed out
	asked    *oidc.Request  // what the page saw last
	claims   map[string]any // what the program knows
	fault    error          // of Claims
}

func newSite(t testing.TB, edit func(*oidc.Options), extensions ...oauth2server.Extension) *site {
	ring, err := keys.New(context.Background(), keys.Static(signingKey))
	require.NoError(t, err)
	s := &site{t: t, ring: ring, model: memorymodel.New(nil), user: "u1", session: "s1", signedIn: time.Now(),
		mux: http.NewServeMux()}
	for _, id := range []string{"web", "other"} {
		require.NoError(t, s.model.AddClient(&oauth2server.Client{ID: id, RedirectURIs: []string{callback},
			Grants: []string{"authorization_code", "refresh_token", "client_credentials"}}, secret))
	}
	s.claims = map[string]any{"name": "Andy Ash", "email": "andy@example.com", "email_verified": true,
		"phone_number": "+49", "updated_at": 1_700_000_000, "plan": "gold", "sub": "somebody else", "iss": "evil",
		"nickname": nil}
	options := oidc.Options{
		Claims: func(_ context.Context, user *oauth2server.User, _ *oauth2server.Client) (map[string]any, error) {
			return s.claims, s.fault
		},
		UserInfo: "/userinfo", JWKS: "/jwks", EndSession: "/logout",
		Session: func(*http.Request) string { return s.session },
		PostLogoutRedirectURIs: func(c *oauth2server.Client) []string {
			return []string{"https://" + c.ID + ".example/bye", "https://" + c.ID + ".example/bye?x=1"}
		},
		Scopes: map[string][]string{"plan": {"plan"}},
	}
	if edit != nil {
		edit(&options)
	}
	s.provider = oidc.New(ring, options)
	s.srv, err = oauth2server.New(s.model, &oauth2server.Options{
		Issuer:     issuer,
		Endpoints:  oauth2server.Endpoints{Authorization: "/authorize", Token: "/token"},
		Resources:  []oauth2server.Resource{{URL: "/mcp"}},
		Extensions: append([]oauth2server.Extension{s.provider}, extensions...),
		Logger:     slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	s.mux.Handle("/authorize", s.srv.Authorize(http.HandlerFunc(s.page)))
	s.mux.Handle("/token", s.srv.Token(nil))
	s.mux.Handle("/jwks", ring)
	s.mux.Handle("/userinfo", s.provider.UserInfo())
	s.mux.Handle("/logout", s.provider.EndSession(http.HandlerFunc(s.logout)))
	s.mux.Handle("/api", s.srv.Authenticate()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	s.mux.Handle(s.provider.DiscoveryPath(), s.srv.Metadata())
	s.mux.Handle(s.srv.MetadataPath(), s.srv.Metadata())
	return s
}

// page approves at once. It is as careless as it can be: what the server does
// not refuse, it allows.
func (s *site) page(w http.ResponseWriter, r *http.Request) {
	q := oauth2server.AuthorizationRequestFromContext(r.Context())
	asked, err := s.provider.Request(r.Context(), q)
	require.NoError(s.t, err)
	s.asked = asked
	if s.session == "" {
		if asked.Silent {
			q.Fail(w, r, oidc.LoginRequired)
		}
		return
	}
	approval := oauth2server.Approval{User: &oauth2server.User{ID: s.user}, All: true}
	if !s.signedIn.IsZero() {
		approval.Authentication = &oauth2server.Authentication{Time: s.signedIn, Context: "gold",
			Methods: []string{"pwd"}, Session: s.session}
	}
	q.Approve(w, r, approval)
}

// logout ends the session if the user has confirmed, and asks otherwise.
func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	request := oidc.LogoutRequestFromContext(r.Context())
	if !request.Confirmed {
		w.Write([]byte("do you want to sign out?"))
		return
	}
	s.session = ""
	if !request.Done(w, r) {
		w.Write([]byte("you are signed out"))
	}
}

func (s *site) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return w
}

func (s *site) authorize(params ...string) url.Values {
	query := url.Values{"client_id": {"web"}, "response_type": {"code"}, "state": {"1"}, "scope": {"openid"}}
	for i := 0; i < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	w := s.do(httptest.NewRequest("GET", "/authorize?"+query.Encode(), nil))
	location, err := url.Parse(w.Header().Get("Location"))
	require.NoError(s.t, err)
	return location.Query()
}

func (s *site) post(client string, params ...string) (int, map[string]any) {
	form := url.Values{}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	r := httptest.NewRequest("POST", "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, secret)
	w := s.do(r)
	answer := map[string]any{}
	require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &answer))
	return w.Code, answer
}

func (s *site) signIn(params ...string) map[string]any {
	answer := s.authorize(params...)
	require.NotEmpty(s.t, answer.Get("code"), answer)
	status, tokens := s.post("web", "grant_type", "authorization_code", "code", answer.Get("code"))
	require.Equal(s.t, 200, status, tokens)
	return tokens
}

func (s *site) claimsOf(tokens map[string]any) map[string]any {
	claims := map[string]any{}
	require.IsType(s.t, "", tokens["id_token"], tokens)
	require.NoError(s.t, s.ring.Verify(s.t.(*testing.T).Context(), tokens["id_token"].(string), "", &claims))
	return claims
}

func (s *site) userInfo(token any, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token.(string))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.do(r)
}

func (s *site) userInfoOf(tokens map[string]any) map[string]any {
	w := s.userInfo(tokens["access_token"])
	require.Equal(s.t, 200, w.Code, w.Body)
	claims := map[string]any{}
	require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &claims))
	return claims
}

func TestWhatAnIDTokenSays(t *testing.T) {
	s := newSite(t, nil)
	tokens := s.signIn("nonce", "n-0S6", "scope", "openid email")
	claims := s.claimsOf(tokens)
	require.InDelta(t, time.Now().Unix(), claims["iat"], 2)
	require.InDelta(t, time.Now().Add(10*time.Minute).Unix(), claims["exp"], 2)
	sum := sha256.Sum256([]byte(tokens["access_token"].(string)))
	require.Equal(t, base64.RawURLEncoding.EncodeToString(sum[:16]), claims["at_hash"])
	for _, changes := range []string{"iat", "exp", "at_hash"} {
		delete(claims, changes)
	}
	want := map[string]any{"iss": issuer, "sub": "u1", "aud": "web", "azp": "web", "nonce": "n-0S6",
		"auth_time": float64(s.signedIn.Unix()), "acr": "gold", "amr": []any{"pwd"}, "sid": claims["sid"]}
	require.Equal(t, want, claims)
	require.Len(t, claims["sid"], 43, "not the session itself, which may be in the cookie")

	// A refresh is no sign-in: nonce and auth_time are those of before.
	s.signedIn = s.signedIn.Add(time.Hour)
	for range 3 {
		_, tokens = s.post("web", "grant_type", "refresh_token", "refresh_token", tokens["refresh_token"].(string))
		claims = s.claimsOf(tokens)
		require.Equal(t, want["auth_time"], claims["auth_time"])
		require.Equal(t, "n-0S6", claims["nonce"])
	}
	require.NotContains(t, s.claimsOf(s.signIn()), "nonce", "none is invented")
}

// Only an owner's approval of openid gives an ID token.
func TestAttack_WhoGetsAnIDToken(t *testing.T) {
	s := newSite(t, nil)
	require.NotContains(t, s.signIn("scope", "email"), "id_token")
	_, machine := s.post("web", "grant_type", "client_credentials", "scope", "openid")
	require.NotEmpty(t, machine["access_token"])
	require.NotContains(t, machine, "id_token")
	require.Equal(t, 403, s.userInfo(machine["access_token"]).Code)

	tokens := s.signIn("scope", "openid email")
	_, narrow := s.post("web", "grant_type", "refresh_token", "refresh_token", tokens["refresh_token"].(string),
		"scope", "email")
	require.NotContains(t, narrow, "id_token")
}

func TestUserInfo(t *testing.T) {
	s := newSite(t, nil)
	for scope, want := range map[string]map[string]any{
		"openid":         {"sub": "u1"},
		"openid email":   {"sub": "u1", "email": "andy@example.com", "email_verified": true},
		"openid profile": {"sub": "u1", "name": "Andy Ash", "updated_at": 1.7e9},
		"openid phone":   {"sub": "u1", "phone_number": "+49"},
		"openid plan":    {"sub": "u1", "plan": "gold"},
	} {
		require.Equal(t, want, s.userInfoOf(s.signIn("scope", scope)), scope)
	}
	asked := `{"userinfo":{"name":null,"email":{"essential":true},"plan":{"value":"gold"},"phone_number":{"value":"+1"}},` +
		`"id_token":{"email":null,"plan":{"values":["free","gold"]},"updated_at":{"value":1700000000},"sub":{"value":"u1"},"iss":null}}`
	few := s.signIn("claims", asked, "scope", "openid email")
	require.Equal(t, map[string]any{"sub": "u1", "email": "andy@example.com", "email_verified": true},
		s.userInfoOf(few), "a claim of a scope that was not granted cannot be named")
	require.NotContains(t, s.claimsOf(few), "plan")
	require.Equal(t, "andy@example.com", s.claimsOf(few)["email"])

	s = newSite(t, func(o *oidc.Options) { o.ClaimsByName = true })
	tokens := s.signIn("claims", asked)
	require.Equal(t, []string{"email", "iss", "name", "phone_number", "plan", "sub", "updated_at"}, s.asked.Claims)
	require.Equal(t, map[string]any{"sub": "u1", "name": "Andy Ash", "email": "andy@example.com", "plan": "gold"},
		s.userInfoOf(tokens))
	claims := s.claimsOf(tokens)
	require.Equal(t, "andy@example.com", claims["email"])
	require.Equal(t, "gold", claims["plan"])
	require.EqualValues(t, 1_700_000_000, claims["updated_at"])
	require.Equal(t, issuer, claims["iss"])
	require.Equal(t, "u1", claims["sub"])

	r := httptest.NewRequest("POST", "/userinfo",
		strings.NewReader(url.Values{"access_token": {tokens["access_token"].(string)}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 200, s.do(r).Code)
	require.Equal(t, 405, s.do(httptest.NewRequest("PUT", "/userinfo", nil)).Code)

	signed := s.userInfo(tokens["access_token"], "Accept", "application/jwt, application/json;q=0.5")
	for _, accept := range []string{"", "*/*", "application/json, application/jwt;q=0",
		"application/jwt;q=0.1, application/json",
		"application/json, application/jwt"} {
		plain := s.userInfo(tokens["access_token"], "Accept", accept)
		require.Equal(t, "application/json", plain.Header().Get("Content-Type"), accept)
	}
	require.Equal(t, "application/jwt", signed.Header().Get("Content-Type"))
	var inside map[string]any
	require.NoError(t, s.ring.Verify(t.Context(), signed.Body.String(), "userinfo+jwt", &inside))
	require.Equal(t, "web", inside["aud"])
	require.Error(t, s.ring.Verify(t.Context(), signed.Body.String(), "", &inside), "it is no ID token")
}

// A client may sign in at a resource, and still learn who the user is.
func TestUserInfoForATokenOfAResource(t *testing.T) {
	s := newSite(t, nil)
	tokens := s.signIn("resource", "https://as.example/mcp", "scope", "openid email")
	require.Equal(t, "andy@example.com", s.userInfoOf(tokens)["email"])
	r := httptest.NewRequest("GET", "/api", nil)
	r.Header.Set("Authorization", "Bearer "+tokens["access_token"].(string))
	require.Equal(t, 401, s.do(r).Code)
}

// Tokens that were revoked, that lack openid, or that are no access tokens.
func TestAttack_UserInfo(t *testing.T) {
	s := newSite(t, nil)
	tokens := s.signIn("scope", "openid email")
	require.Equal(t, 401, s.userInfo(tokens["id_token"]).Code)
	r := httptest.NewRequest("GET", "/api", nil)
	r.Header.Set("Authorization", "Bearer "+tokens["id_token"].(string))
	require.Equal(t, 401, s.do(r).Code)
	require.Equal(t, 403, s.userInfo(s.signIn("scope", "email")["access_token"]).Code)
	require.Equal(t, 401, s.do(httptest.NewRequest("GET", "/userinfo", nil)).Code)

	s.fault = errors.New("the database is away")
	w := s.userInfo(tokens["access_token"])
	require.Equal(t, 503, w.Code)
	require.NotContains(t, w.Body.String(), "database")
	s.fault = oauth2server.ErrNotFound
	require.Equal(t, 401, s.userInfo(tokens["access_token"]).Code, "the user is gone")
	s.fault = nil
	s.claims = map[string]any{"email": make(chan int)}
	require.Equal(t, 503, s.userInfo(tokens["access_token"]).Code)

	require.NoError(t, s.model.RevokeUser(t.Context(), "u1"))
	require.Equal(t, 401, s.userInfo(tokens["access_token"]).Code)
}

// A program that cannot say who the user is costs no code.
func TestAFaultCostsNoCode(t *testing.T) {
	s := newSite(t, nil)
	code := s.authorize("claims", `{"id_token":{"email":null}}`, "scope", "openid email").Get("code")
	s.fault = errors.New("the database is away")
	status, answer := s.post("web", "grant_type", "authorization_code", "code", code)
	require.Equal(t, 503, status, answer)
	s.fault = nil
	status, answer = s.post("web", "grant_type", "authorization_code", "code", code)
	require.Equal(t, 200, status, answer)
}

func TestWhatThePageIsAsked(t *testing.T) {
	s := newSite(t, nil)
	s.session = ""
	hint := func() string {
		s.session = "s1"
		defer func() { s.session = "" }()
		return s.signIn()["id_token"].(string)
	}()
	for _, row := range []struct {
		params []string
		want   oidc.Request
	}{
		{nil, oidc.Request{MaxAge: -1}},
		{[]string{"prompt", "login"}, oidc.Request{SignInAgain: true, MaxAge: -1}},
		{[]string{"prompt", "consent select_account"}, oidc.Request{AskConsent: true, SelectAccount: true, MaxAge: -1}},
		{[]string{"prompt", "none"}, oidc.Request{Silent: true, MaxAge: -1}},
		{[]string{"max_age", "60"}, oidc.Request{MaxAge: time.Minute}},
		{[]string{"max_age", "0"}, oidc.Request{SignInAgain: true}},
		{[]string{"login_hint", "andy", "ui_locales", "de en", "acr_values", "gold silver", "display", "popup"},
			oidc.Request{MaxAge: -1, LoginHint: "andy", UILocales: []string{"de", "en"},
				ACRValues: []string{"gold", "silver"}, Display: "popup"}},
		{[]string{"display", "hologram"}, oidc.Request{MaxAge: -1}},
		{[]string{"id_token_hint", hint}, oidc.Request{MaxAge: -1, HintSubject: "u1"}},
	} {
		s.authorize(row.params...)
		row.want.OpenID = true
		require.Equal(t, row.want.OpenID, s.asked.OpenID)
		got := *s.asked
		if len(row.want.UILocales) == 0 {
			got.UILocales, got.ACRValues = nil, nil
		}
		got.Claims = nil
		require.Equal(t, row.want, got, row.params)
	}
	s.authorize("scope", "email", "prompt", "nonsense", "max_age", "x")
	require.Equal(t, oidc.Request{MaxAge: -1}, *s.asked, "it is no OpenID request")
}

// Malformed parameters are refused, and nobody is asked.
func TestMalformedRequests(t *testing.T) {
	s := newSite(t, nil)
	s.asked = nil
	other, err := keys.New(t.Context(), keys.Static(newKey()))
	require.NoError(t, err)
	sign := func(ring *keys.Ring, typ string, claims map[string]any) string {
		token, err := ring.Sign(t.Context(), typ, claims)
		require.NoError(t, err)
		return token
	}
	good := map[string]any{"iss": issuer, "sub": "u1", "aud": "web"}
	for code, rows := range map[string][][]string{
		"invalid_request": {
			{"prompt", "none login"}, {"prompt", "create"}, {"prompt", "NONE"}, {"max_age", "-1"}, {"max_age", "1.5"},
			{"max_age", "99999999999"}, {"max_age", "1 "}, {"nonce", strings.Repeat("n", 1025)},
			{"nonce", "a\xffb"}, {"claims", `{"id_token":{"sub":{"value":1}}}`},
			{"claims", `{"id_token":{"sub":{"values":["u1","u2"]}}}`}, {"claims", `{"id_token":{"acr":{"value":1}}}`},
			{"claims", "{"}, {"claims", `[]`}, {"claims", `{"userinfo":[]}`}, {"claims", `{"id_token":{"a":1}}`},
			{"claims", `{"x":"` + strings.Repeat("x", 8192) + `"}`},
			{"id_token_hint", "x"}, {"id_token_hint", "a.b.c"},
			{"id_token_hint", sign(other, "JWT", good)},
			{"id_token_hint", sign(s.ring, "at+jwt", good)},
			{"id_token_hint", sign(s.ring, "JWT", map[string]any{"iss": "https://evil.example", "sub": "u1",
				"aud": "web"})},
			{"id_token_hint", sign(s.ring, "JWT", map[string]any{"iss": issuer, "aud": "web"})},
		},
		"request_not_supported":      {{"request", "a.b.c"}},
		"request_uri_not_supported":  {{"request_uri", "https://web.example/request"}},
		"registration_not_supported": {{"registration", "{}"}},
	} {
		for _, params := range rows {
			require.Equal(t, code, s.authorize(params...).Get("error"), params)
		}
	}
	require.Nil(t, s.asked, "the page was not called")
}

// A page that ignores what the client asks cannot let the wrong user in, or one
// who signed in long ago.
func TestAttack_ACarelessPage(t *testing.T) {
	s := newSite(t, nil)
	hint := s.signIn()["id_token"].(string)
	s.user = "u2"
	require.Equal(t, "login_required", s.authorize("id_token_hint", hint).Get("error"))
	s.user = "u1"
	require.NotEmpty(t, s.authorize("id_token_hint", hint).Get("code"))

	s.signedIn = time.Now().Add(-time.Hour)
	for _, params := range [][]string{{"prompt", "login"}, {"max_age", "0"}, {"max_age", "60"}, {"max_age", "1800"}} {
		require.Equal(t, "login_required", s.authorize(params...).Get("error"), params)
	}
	require.NotEmpty(t, s.authorize("max_age", "7200").Get("code"))
	s.signedIn = time.Now()
	for _, params := range [][]string{{"prompt", "login"}, {"max_age", "0"}, {"max_age", "60"}} {
		require.NotEmpty(t, s.authorize(params...).Get("code"), params)
	}
	s.signedIn = time.Now().Add(-9 * time.Minute)
	require.Equal(t, "login_required", s.authorize("prompt", "none", "max_age", "60").Get("error"),
		"nobody has read a page")

	// The parameter claims can demand a user and a class of authentication.
	named := func(sub string) string { return `{"id_token":{"sub":{"value":"` + sub + `"}}}` }
	require.NotEmpty(t, s.authorize("claims", named("u1")).Get("code"))
	require.Equal(t, "login_required", s.authorize("claims", named("u2")).Get("error"))
	acr := func(essential, value string) string {
		return `{"id_token":{"acr":{"essential":` + essential + `,"values":["` + value + `"]}}}`
	}
	require.NotEmpty(t, s.authorize("claims", acr("true", "gold")).Get("code"))
	require.NotEmpty(t, s.authorize("claims", acr("false", "platinum")).Get("code"))
	require.Equal(t, "unmet_authentication_requirements", s.authorize("claims", acr("true", "platinum")).Get("error"))

	s.signedIn = time.Time{}
	require.Equal(t, "server_error", s.authorize("max_age", "60").Get("error"), "the page must say when")
	s.session = ""
	require.Equal(t, "login_required", s.authorize("prompt", "none").Get("error"))
}

func TestRequireOfflineAccess(t *testing.T) {
	s := newSite(t, func(o *oidc.Options) { o.RequireOfflineAccess = true })
	require.NotContains(t, s.signIn(), "refresh_token")
	require.Contains(t, s.signIn("scope", "openid offline_access"), "refresh_token")
	require.Contains(t, s.signIn("scope", "email"), "refresh_token", "OAuth clients are not concerned")
}

func TestPairwiseSubjects(t *testing.T) {
	pairwise := oidc.Pairwise([]byte("32 bytes of a secret, and a bit more"), nil)
	client := func(id string, uris ...string) *oauth2server.Client {
		return &oauth2server.Client{ID: id, RedirectURIs: uris}
	}
	subject := func(user string, c *oauth2server.Client) string {
		subject, err := pairwise(&oauth2server.User{ID: user}, c)
		require.NoError(t, err)
		return subject
	}
	a := client("a", "https://a.example/cb", "https://a.example/cb2")
	require.Equal(t, subject("u1", a), subject("u1", client("a2", "https://a.example/other")), "one sector")
	seen := map[string]bool{}
	for _, c := range []*oauth2server.Client{a, client("b", "https://b.example/cb"), client("c", "https://a.example/cb",
		"https://b.example/cb"), client("d", "http://127.0.0.1/cb"), client("e", "http://127.0.0.1/cb"), client("f")} {
		for _, user := range []string{"u1", "u2"} {
			require.False(t, seen[subject(user, c)])
			seen[subject(user, c)] = true
		}
	}
	require.Equal(t, subject("u1", a), subject("u1", client("a3", "https://A.example:443/cb")), "the host alone counts")
	named := oidc.Pairwise([]byte("32 bytes of a secret, and a bit more"),
		func(*oauth2server.Client) string { return "ours" })
	before, err := named(&oauth2server.User{ID: "u1"}, a)
	require.NoError(t, err)
	after, err := named(&oauth2server.User{ID: "u1"}, client("a", "https://a.example/cb", "http://127.0.0.1/cb"))
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = oidc.Pairwise([]byte("short"), nil)(&oauth2server.User{ID: "u1"}, a)
	require.Error(t, err)

	s := newSite(t, func(o *oidc.Options) { o.Subject = pairwise })
	tokens := s.signIn()
	require.Equal(t, s.claimsOf(tokens)["sub"], s.userInfoOf(tokens)["sub"])
	require.NotEqual(t, "u1", s.claimsOf(tokens)["sub"])
	require.NotEmpty(t, s.authorize("id_token_hint", tokens["id_token"].(string)).Get("code"))
	s = newSite(t, func(o *oidc.Options) {
		o.Subject = func(*oauth2server.User, *oauth2server.Client) (string,
			error) {
			return strings.Repeat("x", 256), nil
		}
	})
	status, _ := s.post("web", "grant_type", "authorization_code", "code", s.authorize().Get("code"))
	require.Equal(t, 503, status)
}

func TestDiscovery(t *testing.T) {
	s := newSite(t, func(o *oidc.Options) { o.ACRValues = []string{"gold"} })
	require.Equal(t, "/op/.well-known/openid-configuration", s.provider.DiscoveryPath())
	w := s.do(httptest.NewRequest("GET", s.provider.DiscoveryPath(), nil))
	require.Equal(t, w.Body.String(), s.do(httptest.NewRequest("GET", s.srv.MetadataPath(), nil)).Body.String())
	document := map[string]any{}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &document))
	for member, want := range map[string]any{
		"issuer": issuer, "jwks_uri": "https://as.example/jwks", "userinfo_endpoint": "https://as.example/userinfo",
		"end_session_endpoint": "https://as.example/logout", "subject_types_supported": []any{"public"},
		"id_token_signing_alg_values_supported": []any{"ES256"}, "response_types_supported": []any{"code"},
		"request_parameter_supported": false, "request_uri_parameter_supported": false,
		"claims_parameter_supported": true, "acr_values_supported": []any{"gold"},
		"scopes_supported": []any{"openid", "address", "email", "phone", "plan", "profile"},
	} {
		require.Equal(t, want, document[member], member)
	}
	require.Contains(t, document["claims_supported"], "plan")
	for name, value := range document {
		require.NotNil(t, value, name)
	}
}

func TestLogout(t *testing.T) {
	s := newSite(t, nil)
	hint := s.signIn()["id_token"].(string)
	logout := func(params ...string) *httptest.ResponseRecorder {
		query := url.Values{}
		for i := 0; i < len(params); i += 2 {
			query.Set(params[i], params[i+1])
		}
		return s.do(httptest.NewRequest("GET", "/logout?"+query.Encode(), nil))
	}
	w := logout("id_token_hint", hint, "post_logout_redirect_uri", "https://web.example/bye?x=1", "state", "a&b")
	require.Equal(t, 303, w.Code)
	require.Equal(t, "https://web.example/bye?x=1&state=a%26b", w.Header().Get("Location"))
	require.Empty(t, s.session)

	s.session = "s1"
	w = logout("id_token_hint", hint)
	require.Contains(t, w.Body.String(), "you are signed out")

	s.session = "s1"
	w = logout("client_id", "web", "post_logout_redirect_uri", "https://web.example/bye")
	require.Contains(t, w.Body.String(), "do you want")
	r := httptest.NewRequest("POST", "/logout",
		strings.NewReader(url.Values{oidc.Confirm: {"yes"}, "client_id": {"web"},
			"post_logout_redirect_uri": {"https://web.example/bye"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w = s.do(r)
	require.Equal(t, "https://web.example/bye", w.Header().Get("Location"))
	require.Empty(t, s.session)
}

// A link or a form of another site signs nobody out, and sends nobody away.
func TestAttack_Logout(t *testing.T) {
	s := newSite(t, nil)
	hint := s.signIn()["id_token"].(string)
	s.session = "s3" // the user has signed in anew since
	post := func(origin string, form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/logout", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if origin != "" {
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}
		return s.do(r)
	}
	get := func(query url.Values) *httptest.ResponseRecorder {
		return s.do(httptest.NewRequest("GET", "/logout?"+query.Encode(), nil))
	}
	bye := "https://web.example/bye"
	for name, w := range map[string]*httptest.ResponseRecorder{
		"a link":                    get(url.Values{}),
		"a link that confirms":      get(url.Values{oidc.Confirm: {"yes"}}),
		"a hint of another session": get(url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}}),
		"a hint that is none":       get(url.Values{"id_token_hint": {"x"}, "post_logout_redirect_uri": {bye}}),
		"a hint and another client": get(url.Values{"id_token_hint": {hint}, "client_id": {"other"}}),
		"an unknown client":         get(url.Values{"client_id": {"nobody"}}),
		"a form of another site":    post("https://evil.example", url.Values{oidc.Confirm: {"yes"}}),
		"a hint in a form from abroad": post("https://evil.example",
			url.Values{"id_token_hint": {hint}, oidc.Confirm: {"1"}}),
	} {
		require.Equal(t, 200, w.Code, name)
		require.Contains(t, w.Body.String(), "do you want to sign out?", name)
		require.Equal(t, "s3", s.session, name)
		require.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
	}

	current := s.signIn()["id_token"].(string)
	for _, target := range []string{"https://evil.example/", bye + "/", bye + "?y=1", "HTTPS://web.example/bye",
		"https://web.example/bye#x", "https://other.example/bye", "//web.example/bye", ""} {
		s.session = "s3"
		w := get(url.Values{"id_token_hint": {current}, "post_logout_redirect_uri": {target}})
		require.Empty(t, w.Header().Get("Location"), target)
		require.Contains(t, w.Body.String(), "you are signed out", "the session ends all the same")
	}
	s.session = "s3"
	w := get(url.Values{"id_token_hint": {current}, "post_logout_redirect_uri": {bye, "https://evil.example"}})
	require.Empty(t, w.Header().Get("Location"))
	require.Equal(t, 405, s.do(httptest.NewRequest("PUT", "/logout", nil)).Code)
	huge := url.Values{"state": {strings.Repeat("x", 100<<10)}}
	require.Equal(t, 400, post("", huge).Code)
}

// ID tokens and access tokens that are both JSON Web Tokens are never taken for
// each other.
func TestAttack_TokensOfBothKinds(t *testing.T) {
	ring, err := keys.New(t.Context(), keys.Static(newKey()))
	require.NoError(t, err)
	s := newSite(t, nil, jwtaccess.New(ring, nil))
	tokens := s.signIn("scope", "openid")
	access := tokens["access_token"].(string)
	require.Len(t, strings.Split(access, "."), 3)
	require.Equal(t, 200, s.userInfo(access).Code)
	require.Equal(t, "invalid_request", s.authorize("id_token_hint", access).Get("error"))
	verifier, err := jwtaccess.NewVerifier(issuer, issuer, s.ring, nil)
	require.NoError(t, err)
	_, err = verifier.GetAccessToken(t.Context(), tokens["id_token"].(string))
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
}

func TestWhatCannotWork(t *testing.T) {
	ring, err := keys.New(t.Context(), keys.Static(newKey()))
	require.NoError(t, err)
	for want, provider := range map[string]*oidc.Provider{
		"there are no keys":        oidc.New(nil, oidc.Options{JWKS: "/jwks"}),
		"JWKS":                     oidc.New(ring, oidc.Options{}),
		"needs the option Session": oidc.New(ring, oidc.Options{JWKS: "/jwks", EndSession: "/logout"}),
		"IDTokenLifetime":          oidc.New(ring, oidc.Options{JWKS: "/jwks", IDTokenLifetime: 1}),
		`cannot have the claim "sub"`: oidc.New(ring, oidc.Options{JWKS: "/jwks",
			Scopes: map[string][]string{"a": {"sub"}}}),
		"it needs the option Issuer": oidc.New(ring, oidc.Options{JWKS: "/jwks"}),
	} {
		options := &oauth2server.Options{Extensions: []oauth2server.Extension{provider},
			Logger: slog.New(slog.DiscardHandler)}
		if want != "it needs the option Issuer" {
			options.Issuer = issuer
		}
		_, err := oauth2server.New(memorymodel.New(nil), options)
		require.ErrorContains(t, err, want)
	}
}

// signingKey is fast to make and to use.
var signingKey = newKey()

func newKey() keys.Key {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return keys.Key{Signer: signer}
}
