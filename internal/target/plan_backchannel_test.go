package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/ext/keys"
)

// The modules of the plan oidcc-backchannel-rp-initiated-logout-certification,
// after their descriptions.

// told is a request to a backchannel_logout_uri.
type told struct {
	method, kind string
	query, form  url.Values
}

// receiver is a client's backchannel_logout_uri on loopback, and a file of
// clients in which the clients web and other have it.
func receiver(t *testing.T) (requests chan told, file string) {
	requests = make(chan told, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm() // a form that is malformed lacks what is looked for
		requests <- told{r.Method, r.Header.Get("Content-Type"), r.URL.Query(), r.PostForm}
		w.Header().Set("Cache-Control", "no-store")
	}))
	t.Cleanup(server.Close)
	var clients []map[string]any
	require.NoError(t, json.Unmarshal([]byte(clientsFile), &clients))
	clients[0]["backchannel_logout_uri"] = server.URL + "/backchannel_logout"
	clients[0]["backchannel_logout_session_required"] = true
	clients[0]["frontchannel_logout_uri"] = server.URL + "/frontchannel_logout"
	other := map[string]any{}
	for member, value := range clients[0] {
		other[member] = value
	}
	other["id"] = "other"
	text, err := json.Marshal(append(clients, other))
	require.NoError(t, err)
	return requests, string(text)
}

func TestPlan_backchannel_rp_initiated_logout(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		t.Run(algorithm, func(t *testing.T) {
			requests, file := receiver(t)
			b := startWith(t, algorithm, file)
			tokens := b.redeem(b.signIn("nonce", "n1"))
			require.Empty(t, requests)
			_, answer := b.logout("id_token_hint", tokens["id_token"].(string), "post_logout_redirect_uri", bye,
				"state", "s")
			require.Equal(t, url.Values{"state": {"s"}}, answer)

			require.Len(t, requests, 1, "the client other has no part in this session")
			request := <-requests
			require.Equal(t, "POST", request.method)
			require.Equal(t, "application/x-www-form-urlencoded", request.kind)
			require.Empty(t, request.query)
			require.Len(t, request.form, 1, "logout_token, and nothing unexpected")
			require.Len(t, request.form["logout_token"], 1)
			remote, err := keys.NewRemote(b.base+"/jwks", nil)
			require.NoError(t, err)
			logout := map[string]any{}
			require.NoError(t, remote.Verify(t.Context(), request.form.Get("logout_token"), "logout+jwt", &logout))
			signIn := b.claims(tokens)
			require.Equal(t, b.base, logout["iss"])
			require.Equal(t, "web", logout["aud"])
			require.InDelta(t, time.Now().Unix(), logout["iat"], 10)
			require.Greater(t, logout["exp"], logout["iat"])
			require.NotEmpty(t, logout["jti"])
			require.Equal(t, map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
				logout["events"])
			require.NotContains(t, logout, "nonce")
			require.NotEmpty(t, logout["sid"])
			require.Equal(t, signIn["sid"], logout["sid"])
			require.Equal(t, signIn["sub"], logout["sub"])
			b.requireSignedOut()
		})
	}
}

func TestPlan_backchannel_discovery_endpoint_verification(t *testing.T) {
	b := start(t, "ES256")
	document := b.discovery()
	require.Equal(t, true, document["backchannel_logout_supported"])
	require.Equal(t, true, document["backchannel_logout_session_supported"])
	require.Equal(t, b.base+"/logout", document["end_session_endpoint"])
}

// Signing in again goes on with a session: both clients of it are told once, and
// each by its own sid.
func TestTargetTellsAllClientsOfASession(t *testing.T) {
	requests, file := receiver(t)
	b := startWith(t, "ES256", file)
	sids := map[any]any{"web": b.claims(b.redeem(b.signIn()))["sid"]}
	require.Equal(t, sids["web"], b.claims(b.redeem(b.signIn("prompt", "login")))["sid"])
	link := b.link("client_id", "other", "prompt", "none")
	_, answer := b.read(b.Get(link))
	tokens := b.token("other", "s1", url.Values{"grant_type": {"authorization_code"},
		"code": {answer.Get("code")}, "redirect_uri": {"http://127.0.0.1:9199/cb"}})
	sids["other"] = b.claims(tokens)["sid"]
	require.Empty(t, requests)
	b.logout("id_token_hint", tokens["id_token"].(string))
	require.Len(t, requests, 2)
	heard := map[any]any{}
	for range 2 {
		claims := b.claims(map[string]any{"id_token": (<-requests).form.Get("logout_token")})
		heard[claims["aud"]] = claims["sid"]
	}
	require.Equal(t, sids, heard)
	require.NotEqual(t, sids["web"], sids["other"])
	b.logout()
	require.Empty(t, requests, "nobody was signed in")
}

// Without -loopback the command reaches no client on loopback.
func TestTheCommandReachesLoopbackIfTold(t *testing.T) {
	for _, args := range [][]string{nil, {"-loopback"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			requests, file := receiver(t)
			b := newBrowser(t, startCommand(t, file, args...))
			b.signIn()
			b.logout()
			require.Len(t, requests, len(args))
		})
	}
}
