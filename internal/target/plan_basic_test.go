package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/ext/keys"
)

// The modules of the OpenID Foundation's plan oidcc-basic-certification, after
// their descriptions. docs/conformance.md lists them.

// claims returns the claims of an ID token, without checking it.
func (b *browser) claims(tokens map[string]any) map[string]any {
	require.IsType(b.t, "", tokens["id_token"], tokens)
	parts := strings.Split(tokens["id_token"].(string), ".")
	require.Len(b.t, parts, 3)
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(b.t, err)
	claims := map[string]any{}
	require.NoError(b.t, json.Unmarshal(text, &claims))
	return claims
}

// header returns the header of a token.
func (b *browser) header(token string) map[string]any {
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	require.NoError(b.t, err)
	head := map[string]any{}
	require.NoError(b.t, json.Unmarshal(text, &head))
	return head
}

func (b *browser) userInfo(token any, method string) (int, map[string]any) {
	r, err := http.NewRequest(method, b.base+"/userinfo", nil)
	if method == "BODY" {
		r, err = http.NewRequest("POST", b.base+"/userinfo",
			strings.NewReader(url.Values{"access_token": {token.(string)}}.Encode()))
	}
	require.NoError(b.t, err)
	if method == "BODY" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r.Header.Set("Authorization", "Bearer "+token.(string))
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(b.t, err)
	defer res.Body.Close()
	claims := map[string]any{}
	json.NewDecoder(res.Body).Decode(&claims)
	return res.StatusCode, claims
}

func TestPlan_basic_server(t *testing.T) {
	b := start(t, "RS256")
	tokens := b.redeem(b.signIn("nonce", "n1"))
	claims := b.claims(tokens)
	require.Equal(t, b.base, claims["iss"])
	require.Equal(t, "web", claims["aud"])
	require.Equal(t, "n1", claims["nonce"])
	require.Equal(t, "Bearer", tokens["token_type"])
	require.NotEmpty(t, tokens["expires_in"])
	require.Greater(t, claims["exp"], claims["iat"])
	require.LessOrEqual(t, len(claims["sub"].(string)), 255)
}

func TestPlan_basic_response_type_missing(t *testing.T) {
	b := start(t, "ES256")
	_, answer := b.read(b.Get(strings.Replace(b.link(), "response_type=code", "", 1)))
	require.Equal(t, "invalid_request", answer.Get("error"))
	require.Equal(t, "1", answer.Get("state"))
}

func TestPlan_basic_idtoken_signature(t *testing.T) {
	for _, algorithm := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			b := start(t, algorithm)
			token := b.redeem(b.signIn())["id_token"].(string)
			head := b.header(token)
			require.Equal(t, algorithm, head["alg"])
			require.Contains(t, b.discovery()["id_token_signing_alg_values_supported"], algorithm)
			remote, err := keys.NewRemote(b.base+"/jwks", nil)
			require.NoError(t, err)
			claims := map[string]any{}
			require.NoError(t, remote.Verify(t.Context(), token, "", &claims))
			require.Equal(t, "web", claims["aud"])
			set, _ := b.read(b.Get(b.base + "/jwks"))
			require.Contains(t, set, `"kid":"`+head["kid"].(string)+`"`)
		})
	}
}

// The module is skipped at servers whose metadata lack the algorithm none.
func TestPlan_basic_idtoken_unsigned(t *testing.T) {
	b := start(t, "RS256")
	require.NotContains(t, b.discovery()["id_token_signing_alg_values_supported"], "none")
	require.NotEqual(t, "none", b.header(b.redeem(b.signIn())["id_token"].(string))["alg"])
}

func TestPlan_basic_userinfo_get(t *testing.T)         { testUserInfo(t, "GET") }
func TestPlan_basic_userinfo_post_header(t *testing.T) { testUserInfo(t, "POST") }
func TestPlan_basic_userinfo_post_body(t *testing.T)   { testUserInfo(t, "BODY") }

func testUserInfo(t *testing.T, method string) {
	b := start(t, "ES256")
	tokens := b.redeem(b.signIn())
	status, claims := b.userInfo(tokens["access_token"], method)
	require.Equal(t, 200, status)
	require.Equal(t, b.claims(tokens)["sub"], claims["sub"])
}

func TestPlan_basic_ensure_request_without_nonce_succeeds_for_code_flow(t *testing.T) {
	b := start(t, "ES256")
	require.NotContains(t, b.claims(b.redeem(b.signIn())), "nonce")
}

func TestPlan_basic_scope_profile(t *testing.T) {
	testScope(t, "profile", "name", "given_name", "family_name", "preferred_username", "locale", "zoneinfo",
		"updated_at")
}
func TestPlan_basic_scope_email(t *testing.T)   { testScope(t, "email", "email", "email_verified") }
func TestPlan_basic_scope_address(t *testing.T) { testScope(t, "address", "address") }
func TestPlan_basic_scope_phone(t *testing.T) {
	testScope(t, "phone", "phone_number", "phone_number_verified")
}
func TestPlan_basic_scope_all(t *testing.T) {
	testScope(t, "profile email address phone", "name", "email", "address", "phone_number")
}

func testScope(t *testing.T, scope string, names ...string) {
	b := start(t, "ES256")
	status, claims := b.userInfo(b.redeem(b.signIn("scope", "openid "+scope))["access_token"], "GET")
	require.Equal(t, 200, status)
	for _, name := range names {
		require.Contains(t, claims, name)
	}
	require.IsType(t, "", claims["sub"])
	if address, ok := claims["address"]; ok {
		require.IsType(t, map[string]any{}, address)
	}
	for _, name := range []string{"email_verified", "phone_number_verified"} {
		if verified, ok := claims[name]; ok {
			require.IsType(t, true, verified)
		}
	}
}

func TestPlan_basic_ensure_other_scope_order_succeeds(t *testing.T) {
	b := start(t, "ES256")
	status, claims := b.userInfo(b.redeem(b.signIn("scope", "email openid"))["access_token"], "GET")
	require.Equal(t, 200, status)
	require.Contains(t, claims, "email")
}

// As others sign in: with scopes in another order, and a nonce and a state that
// are long.
func TestPlan_basic_alternate_happy_flow(t *testing.T) {
	b := start(t, "ES256")
	nonce, state := strings.Repeat("n", 43), strings.Repeat("s", 128)
	answer := b.signIn("scope", "profile openid", "nonce", nonce, "state", state)
	require.Equal(t, state, answer.Get("state"))
	require.Equal(t, b.base, answer.Get("iss"))
	require.Equal(t, nonce, b.claims(b.redeem(answer))["nonce"])
}

func TestPlan_basic_display_page(t *testing.T) {
	b := start(t, "ES256")
	require.NotEmpty(t, b.signIn("display", "page").Get("code"))
}

func TestPlan_basic_display_popup(t *testing.T) {
	b := start(t, "ES256")
	require.NotEmpty(t, b.signIn("display", "popup").Get("code"))
}

func TestPlan_basic_prompt_login(t *testing.T) {
	b := start(t, "ES256")
	first := b.claims(b.redeem(b.signIn()))
	text, _ := b.read(b.Get(b.link("prompt", "login")))
	require.Contains(t, text, "<h1>Sign in</h1>")
	second := b.claims(b.redeem(b.signIn("prompt", "login")))
	require.Equal(t, first["sub"], second["sub"])
	require.GreaterOrEqual(t, second["auth_time"], first["auth_time"])
}

func TestPlan_basic_prompt_none_not_logged_in(t *testing.T) {
	b := start(t, "ES256")
	_, answer := b.read(b.Get(b.link("prompt", "none")))
	require.Equal(t, "login_required", answer.Get("error"))
	require.Equal(t, "1", answer.Get("state"))
}

func TestPlan_basic_prompt_none_logged_in(t *testing.T) {
	b := start(t, "ES256")
	first := b.claims(b.redeem(b.signIn()))
	_, answer := b.read(b.Get(b.link("prompt", "none")))
	second := b.claims(b.redeem(answer))
	require.Equal(t, first["sub"], second["sub"])
	require.Equal(t, first["auth_time"], second["auth_time"])
}

func TestPlan_basic_max_age_1(t *testing.T) {
	b := start(t, "ES256")
	b.signIn()
	text, _ := b.read(b.Get(b.link("max_age", "0"))) // the module waits a second; 0 needs no waiting
	require.Contains(t, text, "<h1>Sign in</h1>")
	claims := b.claims(b.redeem(b.signIn("max_age", "1")))
	require.InDelta(t, time.Now().Unix(), claims["auth_time"], 5)
}

func TestPlan_basic_max_age_10000(t *testing.T) {
	b := start(t, "ES256")
	first := b.claims(b.redeem(b.signIn()))
	second := b.claims(b.redeem(b.signIn("max_age", "10000")))
	require.Equal(t, first["auth_time"], second["auth_time"])
}

func TestPlan_basic_ensure_request_with_unknown_parameter_succeeds(t *testing.T) {
	b := start(t, "ES256")
	require.NotEmpty(t, b.redeem(b.signIn("extra", "foobar"))["id_token"])
}

func TestPlan_basic_id_token_hint(t *testing.T) {
	b := start(t, "ES256")
	tokens := b.redeem(b.signIn())
	_, answer := b.read(b.Get(b.link("prompt", "none", "id_token_hint", tokens["id_token"].(string))))
	require.Equal(t, b.claims(tokens)["sub"], b.claims(b.redeem(answer))["sub"])
}

func TestPlan_basic_login_hint(t *testing.T) {
	b := start(t, "ES256")
	require.NotEmpty(t, b.signIn("login_hint", "andy@example.com").Get("code"))
}

func TestPlan_basic_ui_locales(t *testing.T) {
	b := start(t, "ES256")
	require.NotEmpty(t, b.signIn("ui_locales", "se").Get("code"))
}

func TestPlan_basic_claims_locales(t *testing.T) {
	b := start(t, "ES256")
	require.NotEmpty(t, b.signIn("claims_locales", "se").Get("code"))
}

func TestPlan_basic_ensure_request_with_acr_values_succeeds(t *testing.T) {
	b := start(t, "ES256")
	require.Equal(t, "password", b.claims(b.redeem(b.signIn("acr_values", "password 2")))["acr"])
}

func TestPlan_basic_claims_essential(t *testing.T) {
	b := start(t, "ES256")
	tokens := b.redeem(b.signIn("claims", `{"userinfo":{"name":{"essential":true}}}`))
	status, claims := b.userInfo(tokens["access_token"], "GET")
	require.Equal(t, 200, status)
	require.Contains(t, claims, "name")
}

func TestPlan_basic_codereuse(t *testing.T) {
	b := start(t, "ES256")
	answer := b.signIn()
	require.Contains(t, b.redeem(answer), "access_token")
	require.Equal(t, "invalid_grant", b.redeem(answer)["error"])
}

func TestPlan_basic_codereuse_30seconds(t *testing.T) {
	b := start(t, "ES256")
	answer := b.signIn()
	tokens := b.redeem(answer)
	require.Equal(t, "invalid_grant", b.redeem(answer)["error"])
	status, _ := b.userInfo(tokens["access_token"], "GET")
	require.Equal(t, 401, status, "the tokens of a code that was used twice are revoked")
}

func TestPlan_basic_ensure_registered_redirect_uri(t *testing.T) {
	b := start(t, "ES256")
	text, answer := b.read(b.Get(b.link("redirect_uri", "http://127.0.0.1:9199/other")))
	require.Nil(t, answer, "an error page, and no redirect")
	require.Contains(t, text, "redirect_uri")
}

func TestPlan_basic_ensure_post_request_succeeds(t *testing.T) {
	b := start(t, "ES256")
	b.signIn()
	link, err := url.Parse(b.link("prompt", "none"))
	require.NoError(t, err)
	// The form is posted by another origin, as clients' pages do.
	r, err := http.NewRequest("POST", b.base+"/authorize", strings.NewReader(link.RawQuery))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, answer := b.read(b.Do(r))
	require.NotEmpty(t, answer.Get("code"))
}

func TestPlan_basic_server_client_secret_post(t *testing.T) {
	b := start(t, "ES256")
	answer := b.signIn()
	text, _ := b.read(http.PostForm(b.base+"/token", url.Values{"grant_type": {"authorization_code"},
		"code": {answer.Get("code")}, "redirect_uri": {"http://127.0.0.1:9199/cb"}, "client_id": {"web"},
		"client_secret": {"s1"}}))
	require.Contains(t, text, "id_token")
}

func TestPlan_basic_ensure_request_object_with_redirect_uri(t *testing.T) {
	b := start(t, "ES256")
	_, answer := b.read(b.Get(b.link("request", "eyJhbGciOiJub25lIn0.e30.")))
	require.Equal(t, "request_not_supported", answer.Get("error"))
}

func TestPlan_basic_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(t *testing.T) {
	b := start(t, "ES256")
	_, answer := b.read(b.Get(b.link("request", "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9.")))
	require.Equal(t, "request_not_supported", answer.Get("error"))
}

func TestPlan_basic_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(t *testing.T) {
	b := start(t, "ES256")
	require.Equal(t, false, b.discovery()["request_uri_parameter_supported"])
	_, answer := b.read(b.Get(b.link("request_uri", "https://client.example/request.jwt")))
	require.Equal(t, "request_uri_not_supported", answer.Get("error"))
	require.Equal(t, "1", answer.Get("state"))
}

func TestPlan_basic_ensure_request_with_valid_pkce_succeeds(t *testing.T) {
	b := start(t, "ES256")
	require.Contains(t, b.discovery()["code_challenge_methods_supported"], "S256")
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	redeem := func(answer url.Values, verifier string) map[string]any {
		return b.token("web", "s1", url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")},
			"redirect_uri": {"http://127.0.0.1:9199/cb"}, "code_verifier": {verifier}})
	}
	challenge := []string{"code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]),
		"code_challenge_method", "S256"}
	require.NotEmpty(t, redeem(b.signIn(challenge...), verifier)["id_token"])
	require.Equal(t, "invalid_grant", redeem(b.signIn(challenge...), verifier+"v")["error"])
}

func TestPlan_basic_refresh_token(t *testing.T) {
	b := start(t, "ES256")
	tokens := b.redeem(b.signIn("nonce", "n1"))
	again := b.token("web", "s1", url.Values{"grant_type": {"refresh_token"},
		"refresh_token": {tokens["refresh_token"].(string)}})
	first, second := b.claims(tokens), b.claims(again)
	for _, claim := range []string{"iss", "sub", "aud", "auth_time", "azp"} {
		require.Equal(t, first[claim], second[claim], claim)
	}
	foreign := b.token("api", "s2", url.Values{"grant_type": {"refresh_token"},
		"refresh_token": {again["refresh_token"].(string)}})
	require.Contains(t, []any{"invalid_grant", "unauthorized_client"}, foreign["error"])
}

func TestPlan_basic_server_rotate_keys(t *testing.T) {
	b := start(t, "RS256")
	keySet := func() string {
		text, _ := b.read(b.Get(b.base + "/jwks"))
		return text
	}
	before := keySet()
	res, err := b.Post(b.base+"/rotate", "", nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.NotEqual(t, before, keySet())
	require.NotEmpty(t, b.redeem(b.signIn())["id_token"])
}
