package registration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/registration"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

func TestAttack_RedirectionURIsThatRunCode(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		for _, uri := range []string{"javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "vbscript:x",
			"file:///x"} {
			for _, uris := range [][]string{{uri}, {callback, uri}} {
				r := s.register(public(uris...))
				require.Equal(t, 400, r.Code, uri)
				require.Equal(t, "invalid_redirect_uri", r.str("error"))
			}
			members := public()
			for _, member := range []string{"client_uri", "logo_uri", "tos_uri", "policy_uri"} {
				members[member] = uri
			}
			r := s.registered(members)
			require.NotContains(t, r.Body.String(), uri)
		}
	})
}

func TestAttack_SchemesThatStartPrograms(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		for _, uri := range []string{"ms-msdt:/id", "search-ms:query=x", "intent://x", "smb://host/x", "tel:1",
			"jar:https://a.example!/x", "chrome://settings"} {
			r := s.register(public(uri))
			require.Equal(t, "invalid_redirect_uri", r.str("error"), uri)
			r = s.registered(public(callback, uri))
			require.Equal(t, []any{callback}, r.members["redirect_uris"])
			require.Equal(t, 400, s.authorize(r.str("client_id"), uri).Code)
		}
	})
}

func TestAttack_RedirectionURIsElsewhere(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		for _, uri := range []string{"http://evil.example/cb", "http://localhost.evil.example/",
			"http://localhost@evil.example/",
			"https://*.example/", "https://u:p@client.example/", "https://client.example/#f", "/cb", ""} {
			r := s.register(public(callback, uri))
			require.Equal(t, 400, r.Code, uri)
			require.Equal(t, "invalid_redirect_uri", r.str("error"))
		}
		var many []string
		for i := range 300 {
			many = append(many, fmt.Sprint(callback, i))
		}
		require.Equal(t, "invalid_redirect_uri", s.register(public(many...)).str("error"))
	})
}

// Only the port of a loopback URI is free.
func TestAttack_AnotherRedirectionURI(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		id := s.registered(public(callback, "http://127.0.0.1:1234/cb", "cursor://x/cb")).str("client_id")
		require.NotEmpty(t, s.authorize(id, "http://127.0.0.1:9/cb").sent("code"))
		for _, uri := range []string{callback + "/", callback + "?x=1", "https://client.example:444/cb",
			"https://CLIENT.example/cb",
			"https://client.example/CB", "https://evil.example/cb", "http://client.example/cb", "http://localhost:1234/cb",
			"http://127.0.0.1:1234/cb2", "http://127.0.0.1:1234/cb?x=1", "http://127.0.0.2:1234/cb", "cursor://y/cb",
			"cursor://x/CB"} {
			r := s.authorize(id, uri)
			require.Equal(t, 400, r.Code, uri)
			require.Empty(t, r.Header().Get("Location"))
		}
	})
}

func TestAttack_NamesThatPose(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		for name, shown := range map[string]string{
			"<script>alert(1)</script>": "&lt;script&gt;alert(1)&lt;/script&gt; asks",
			"Cl\u200baude \u202e":       "Claude asks",
			"Claude\r\n\r\nby the bank": "Claude by the bank asks",
			strings.Repeat("x", 3000):   strings.Repeat("x", 64) + " asks",
		} {
			members := public()
			members["client_name"] = name
			id := s.registered(members).str("client_id")
			r := s.do("GET", "/authorize?"+ask(id, callback), "", "")
			require.Equal(t, shown, r.Body.String())
		}
	})
}

// A flood from one address stores nothing, or is stopped, whatever its headers
// say.
func TestAttack_FloodOfRegistrations(t *testing.T) {
	sealing := memorymodel.New(nil)
	storing := memorymodel.New(nil)
	testFlood(t, sealing, registration.Sealed([]byte(key), nil), map[int]int{201: 300})
	testFlood(t, storing, registration.Stored(inMemory(storing), nil), map[int]int{201: 29, 429: 271})
	for model, stored := range map[*memorymodel.Model]int{sealing: 0, storing: 30} {
		clients, err := model.ListClients(t.Context(), "", 1000)
		require.NoError(t, err)
		clients = slices.DeleteFunc(clients, func(c *oauth2server.Client) bool { return !c.SelfAsserted })
		require.Len(t, clients, stored)
	}
}

func testFlood(t *testing.T, model *memorymodel.Model, endpoint *registration.Endpoint, want map[int]int) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, model, endpoint)
		mine := s.registered(public())
		statuses := make([]int, 300)
		var wg sync.WaitGroup
		for i := range statuses {
			wg.Go(func() {
				statuses[i] = s.do("POST", "/register", "application/json", `{"redirect_uris":["`+callback+`"]}`,
					"X-Forwarded-For", fmt.Sprint("192.0.2.", i), "Forwarded", fmt.Sprint("for=192.0.2.", i)).Code
			})
		}
		wg.Wait()
		count := map[int]int{}
		for _, status := range statuses {
			count[status]++
		}
		require.Equal(t, want, count)
		require.Equal(t, 200, s.opens("/mcp", s.signIn(mine, callback)))
	})
}

// A form of another site cannot register a client; see
// TestMalformedRegistrations for more.
func TestAttack_RegistrationFromAPage(t *testing.T) {
	s := newSite(t, memorymodel.New(nil), sealed())
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		r := s.do("POST", "/register", kind, `{"redirect_uris":["`+callback+`"]}`, "Origin", "https://evil.example")
		require.Equal(t, 400, r.Code, kind)
		require.Empty(t, r.Header().Get("Access-Control-Allow-Origin"))
	}
	r := s.do("OPTIONS", "/register", "", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, 405, r.Code)
	require.Empty(t, r.Header().Get("Access-Control-Allow-Origin"))
}

// A client gets what everybody gets, whatever it registers.
func TestAttack_ClientsThatGiveThemselvesMore(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		r := s.registered(map[string]any{
			"redirect_uris": []string{callback}, "scope": "admin", "client_id": "admin", "client_secret": "known",
			"grant_types":    []string{"authorization_code", "client_credentials", "password", "implicit", "refresh_token"},
			"response_types": []string{"token", "code"}, "trusted": true, "self_asserted": false, "SelfAsserted": false,
			"public": true, "first_party": true, "access_token_lifetime": 1e9})
		id, secret := r.str("client_id"), r.str("client_secret")
		require.NotEqual(t, "known", secret)
		require.Equal(t, []any{"authorization_code", "refresh_token"}, r.members["grant_types"])
		for _, grant := range []string{"client_credentials", "password"} {
			refused := s.token(id, secret, "grant_type", grant, "username", "u1", "password", "x",
				"resource", "https://as.example/mcp")
			require.NotEqual(t, 200, refused.Code)
		}
		require.NotEmpty(t, s.authorize(id, callback, "response_type", "token").sent("error"))
		asked := s.authorize(id, callback, "scope", "admin")
		tokens := s.token(id, secret, redeem(asked.sent("code"), callback)...)
		require.Equal(t, "read", tokens.str("scope"))
		require.InDelta(t, 3600, tokens.members["expires_in"], 5)
		require.Equal(t, 401, s.opens("/api", tokens))
	})
}

// An ID that was changed in any way is unknown.
func TestAttack_TamperedIDs(t *testing.T) {
	s := newSite(t, memorymodel.New(nil), sealed())
	r := s.registered(withSecret())
	id, secret := r.str("client_id"), r.str("client_secret")
	known := func(id string) bool {
		_, err := s.srv.Client(t.Context(), id)
		if err != nil {
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
		}
		return err == nil
	}
	require.True(t, known(id))
	for i := range id {
		for _, c := range []byte("A_.") {
			if id[i] != c {
				require.False(t, known(id[:i]+string(c)+id[i+1:]), i)
			}
		}
		require.False(t, known(id[:i]))
	}
	for _, other := range []string{id[len("dcr.1."):], id + ".", id + "=", id + "A", " " + id, strings.ToUpper(id),
		"dcr.1.", "dcr.1..", "dcr.",
		"dcr.2." + id[len("dcr.1."):], strings.Repeat(id, 50)} {
		require.False(t, known(other), other)
		require.Equal(t, 400, s.authorize(other, callback).Code)
		require.Equal(t, 401, s.token(other, secret, redeem("x", callback)...).Code, other)
	}
}

func TestAttack_SecretsOfRegisteredClients(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		r, other, open := s.registered(withSecret()), s.registered(withSecret()), s.registered(public())
		id, secret := r.str("client_id"), r.str("client_secret")
		code := s.authorize(id, callback).sent("code")
		for _, wrong := range []string{"", "x", secret[1:], secret + "x", strings.ToLower(secret),
			other.str("client_secret"), id} {
			refused := s.token(id, wrong, redeem(code, callback)...)
			require.Equal(t, 401, refused.Code, refused.Body)
			require.Equal(t, "invalid_client", refused.str("error"))
		}
		require.Equal(t, 200, s.token(id, secret, redeem(code, callback)...).Code, "nothing was spent")

		id = open.str("client_id")
		code = s.authorize(id, callback).sent("code")
		require.Equal(t, "invalid_client", s.token(id, secret, redeem(code, callback)...).str("error"))
		require.Equal(t, 200, s.token(id, "", redeem(code, callback)...).Code)
	})
}

func TestAttack_CodesOfOtherRegisteredClients(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site) {
		mine, thief := s.registered(withSecret()), s.registered(public(callback, callback+"2"))
		code := s.authorize(mine.str("client_id"), callback).sent("code")
		refused := s.token(thief.str("client_id"), "", redeem(code, callback)...)
		require.Equal(t, "invalid_grant", refused.str("error"), refused.Body)
		tokens := s.token(mine.str("client_id"), mine.str("client_secret"), redeem(code, callback)...)
		require.Equal(t, 200, tokens.Code, tokens.Body)
		refresh := []string{"grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token")}
		require.Equal(t, "invalid_grant", s.token(thief.str("client_id"), "", refresh...).str("error"))
		require.Equal(t, 200, s.token(mine.str("client_id"), mine.str("client_secret"), refresh...).Code)
	})
}

// Banning a client is of no use, as the package documentation says: it
// registers again under another ID. It cannot use its old tokens then.
func TestAttack_RegisteringAgainAfterABan(t *testing.T) {
	model := memorymodel.New(nil)
	s := newSite(t, model, stored(inMemory(model)))
	first := s.registered(public())
	tokens := s.signIn(first, callback)
	require.NoError(t, model.DeleteClient(t.Context(), first.str("client_id")))
	require.Equal(t, 400, s.authorize(first.str("client_id"), callback).Code)
	again := s.registered(public())
	require.NotEqual(t, first.str("client_id"), again.str("client_id"))
	refresh := []string{"grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token")}
	require.Equal(t, "invalid_grant", s.token(again.str("client_id"), "", refresh...).str("error"))
}

// A store that forgets SelfAsserted, and keeps more than it is given, makes no
// client trusted.
func TestAttack_AForgetfulStore(t *testing.T) {
	model := memorymodel.New(nil)
	s := newSite(t, model, stored(registration.StoreFunc(
		func(_ context.Context, client *oauth2server.Client, secret string) error {
			require.True(t, client.SelfAsserted)
			own := *client
			own.SelfAsserted = false
			own.Grants = append(own.Grants, "client_credentials", "implicit")
			return model.AddClient(&own, secret)
		})))
	r := s.registered(withSecret())
	id, secret := r.str("client_id"), r.str("client_secret")
	require.NotEqual(t, 200, s.token(id, secret, "grant_type", "client_credentials").Code)
	for _, params := range [][]string{{"response_type", "token"}, {"code_challenge", "", "code_challenge_method", ""},
		{"code_challenge", verifier, "code_challenge_method", "plain"}} {
		asked := s.authorize(id, callback, params...)
		require.Empty(t, asked.sent("code"), params)
	}
	require.Equal(t, 401, s.opens("/api", s.signIn(r, callback)))
}

// A thief of the key can make no client that could not register, and a new key
// ends those that they made.
func TestAttack_AKeyThatLeaked(t *testing.T) {
	model := memorymodel.New(nil)
	thief := newSite(t, model, sealed(func(o *registration.Options) { o.RedirectSchemes = []string{"evil"} }))
	mixed, alone := thief.registered(public(callback, "evil://x")), thief.registered(public("evil://x"))
	s := newSite(t, model, sealed())
	require.Equal(t, 400, s.authorize(mixed.str("client_id"), "evil://x").Code)
	require.NotEmpty(t, s.authorize(mixed.str("client_id"), callback).sent("code"))
	require.Equal(t, 400, s.authorize(alone.str("client_id"), "evil://x").Code)
	s = newSite(t, model, registration.Sealed([]byte(strings.Repeat("new key ", 4)), nil))
	require.Equal(t, 400, s.authorize(mixed.str("client_id"), callback).Code)
}

// The ID and the secret of a client that was made once. Programs keep both for
// years, so they must stay valid.
const (
	madeID = "dcr.1.eyJ1IjpbImh0dHBzOi8vY2xpZW50LmV4YW1wbGUvY2IiXSwiciI6dHJ1ZSwicyI6InN1dFRIejRRTkkyN2c0b1hwbituK1" +
		"E9PSJ9.SPkL0ym3zv1Iubh71KQmZA"
	madeSecret = "mCV5DY6dD47gOtRtRKZB43KD1SrO9cx2mKnz6HQq-1Mu"
)

// Only IDs that the key has made are found, and no ID causes a panic.
func FuzzFindClient(f *testing.F) {
	ext := sealed()
	open := newSite(f, memorymodel.New(nil), ext).registered(public("cursor://x")).str("client_id")
	made := map[string]string{madeID: madeSecret, open: ""}
	for id, secret := range made {
		f.Add(id, secret)
		f.Add(id, "x")
		f.Add(id[1:], "")
	}
	f.Add("dcr.1.e30.AAAAAAAAAAAAAAAAAAAAAA", "")
	f.Fuzz(func(t *testing.T, id, secret string) {
		client, err := ext.FindClient(t.Context(), id, secret)
		own, known := made[id]
		if known && (secret == "" || secret == own) {
			require.NoError(t, err)
			require.NoError(t, oauth2server.CheckClient(client))
			require.True(t, client.SelfAsserted)
			return
		}
		require.Nil(t, client)
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
	})
}
