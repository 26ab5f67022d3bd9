package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The modules of the plan oidcc-config-certification and of the two about
// logout, after their descriptions.

func (b *browser) discovery() map[string]any {
	text, _ := b.read(b.Get(b.base + "/.well-known/openid-configuration"))
	document := map[string]any{}
	require.NoError(b.t, json.Unmarshal([]byte(text), &document))
	return document
}

func TestPlan_config_discovery_endpoint_verification(t *testing.T) {
	b := start(t, "RS256")
	document := b.discovery()
	require.Equal(t, b.base, document["issuer"])
	for _, member := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
		"end_session_endpoint"} {
		require.True(t, strings.HasPrefix(document[member].(string), b.base), member)
	}
	for member, want := range map[string]any{"response_types_supported": "code", "subject_types_supported": "public",
		"id_token_signing_alg_values_supported": "RS256", "scopes_supported": "openid", "claims_supported": "sub",
		"grant_types_supported": "authorization_code", "code_challenge_methods_supported": "S256",
		"token_endpoint_auth_methods_supported": "client_secret_basic", "response_modes_supported": "form_post"} {
		require.Contains(t, document[member], want, member)
	}
	text, _ := b.read(b.Get(document["jwks_uri"].(string)))
	var set struct{ Keys []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(text), &set))
	kids := map[any]bool{}
	for _, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			require.NotContains(t, key, private)
		}
		require.False(t, kids[key["kid"]], "each key has a kid of its own")
		kids[key["kid"]] = true
	}
	require.NotEmpty(t, kids)
}

// logout asks to be signed out, and confirms if the page asks.
func (b *browser) logout(params ...string) (text string, answer url.Values) {
	query := url.Values{}
	for i := 0; i < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	link := b.base + "/logout?" + query.Encode()
	text, answer = b.read(b.Get(link))
	if strings.Contains(text, "Do you want to sign out?") {
		text, answer = b.read(b.PostForm(link, url.Values{"confirm_logout": {"yes"}}))
	}
	return text, answer
}

func (b *browser) requireSignedOut() {
	_, answer := b.read(b.Get(b.link("prompt", "none")))
	require.Equal(b.t, "login_required", answer.Get("error"))
}

const bye = "http://127.0.0.1:9199/bye"

func TestPlan_logout_rp_initiated_logout(t *testing.T) {
	b := start(t, "ES256")
	hint := b.redeem(b.signIn())["id_token"].(string)
	_, answer := b.logout("id_token_hint", hint, "post_logout_redirect_uri", bye, "state", "s")
	require.Equal(t, "s", answer.Get("state"))
	b.requireSignedOut()
}

func TestPlan_logout_no_state(t *testing.T) {
	b := start(t, "ES256")
	hint := b.redeem(b.signIn())["id_token"].(string)
	_, answer := b.logout("id_token_hint", hint, "post_logout_redirect_uri", bye)
	require.NotNil(t, answer)
	require.NotContains(t, answer, "state")
	b.requireSignedOut()
}

func TestPlan_logout_no_post_logout_redirect_uri(t *testing.T) {
	b := start(t, "ES256")
	hint := b.redeem(b.signIn())["id_token"].(string)
	text, answer := b.logout("id_token_hint", hint, "state", "s")
	require.Nil(t, answer)
	require.Contains(t, text, "You are signed out")
	b.requireSignedOut()
}

func TestPlan_logout_no_params(t *testing.T) {
	b := start(t, "ES256")
	b.signIn()
	text, answer := b.logout()
	require.Nil(t, answer)
	require.Contains(t, text, "You are signed out")
	b.requireSignedOut()
}

func TestPlan_logout_only_state(t *testing.T) {
	b := start(t, "ES256")
	b.signIn()
	text, answer := b.logout("state", "s")
	require.Nil(t, answer)
	require.Contains(t, text, "You are signed out")
}

func TestPlan_logout_no_id_token_hint(t *testing.T) {
	b := start(t, "ES256")
	b.signIn()
	text, _ := b.read(b.Get(b.base + "/logout?" + url.Values{"post_logout_redirect_uri": {bye}}.Encode()))
	require.Contains(t, text, "Do you want to sign out?")
	_, answer := b.logout("post_logout_redirect_uri", bye)
	require.Nil(t, answer, "nothing says whose URI it is")
	b.requireSignedOut()
}

func TestPlan_logout_bad_id_token_hint(t *testing.T)      { testBadHint(t, "x") }
func TestPlan_logout_modified_id_token_hint(t *testing.T) { testBadHint(t, "changed") }

func testBadHint(t *testing.T, how string) {
	b := start(t, "ES256")
	hint := b.redeem(b.signIn())["id_token"].(string)
	if how == "changed" {
		parts := strings.Split(hint, ".")
		parts[1] += "AA"
		hint = strings.Join(parts, ".")
	} else {
		hint = how
	}
	text, _ := b.read(b.Get(b.base + "/logout?" + url.Values{"id_token_hint": {hint},
		"post_logout_redirect_uri": {bye}}.Encode()))
	require.Contains(t, text, "Do you want to sign out?")
	_, answer := b.read(b.Get(b.link("prompt", "none")))
	require.NotEmpty(t, answer.Get("code"), "the user is still signed in")
}

func TestPlan_logout_bad_post_logout_redirect_uri(t *testing.T) {
	b := start(t, "ES256")
	hint := b.redeem(b.signIn())["id_token"].(string)
	_, answer := b.logout("id_token_hint", hint, "post_logout_redirect_uri", "http://127.0.0.1:9199/other")
	require.Nil(t, answer)
	b.requireSignedOut()
}

func TestPlan_logout_query_added_to_post_logout_redirect_uri(t *testing.T) {
	b := start(t, "ES256")
	hint := b.redeem(b.signIn())["id_token"].(string)
	_, answer := b.logout("id_token_hint", hint, "post_logout_redirect_uri", bye+"?extra=1")
	require.Nil(t, answer)
}

func TestPlan_logout_discovery_endpoint_verification(t *testing.T) {
	b := start(t, "ES256")
	require.Equal(t, b.base+"/logout", b.discovery()["end_session_endpoint"])
}
