package oauth2server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// Verifiers that can be guessed (CVE-2026-41213): those with a length or
// alphabet outside RFC 7636 are refused, even if they match. One failed try,
// for whatever reason, spends the code.
func TestAttack_ShortVerifier(t *testing.T) {
	v := strings.Repeat("v", 42)
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		for _, good := range []string{v + "v", "AZaz09-._~" + v, strings.Repeat("v", 128)} {
			r := s.redeem("web", s.code(withChallenge(s256(good))...), "code_verifier", good)
			require.Equal(t, 200, r.StatusCode, "%q: %s", good, r.text)
		}
		for _, bad := range []string{"v", v, strings.Repeat("v", 129), v + "+", v + "/", v + "=",
			v + " ", v + "v\n", v + "\x00", v + "ж"} {
			r := s.redeem("web", s.code(withChallenge(s256(bad))...), "code_verifier", bad)
			requireError(t, r, 400, "invalid_request")
		}
		for _, bad := range []string{"v", v, strings.Repeat("v", 129), v + "+", v + "=", v + " ", v + "ж"} {
			requireRedirect(t, s.authorize(withChallenge(bad)...), "invalid_request", "xyz")
		}
		for name, try := range map[string][]string{
			"no verifier":            {"redirect_uri", callback},
			"one character":          {"redirect_uri", callback, "code_verifier", "v"},
			"a wrong verifier":       {"redirect_uri", callback, "code_verifier", v + "v"},
			"another alphabet":       {"redirect_uri", callback, "code_verifier", v + "+"},
			"another redirect_uri":   {"redirect_uri", callback + "2", "code_verifier", verifier},
			"none, where one was in": {"code_verifier", verifier},
		} {
			code := s.code(withChallenge(challenge)...)
			r := s.token("web", append(try, "grant_type", "authorization_code", "code", code)...)
			require.Equal(t, 400, r.StatusCode, "%s: %s", name, r.text)
			requireError(t, s.redeem("web", code, "code_verifier", verifier), 400, "invalid_grant")
		}
	})
}

// A redemption leaves out a parameter of the authorization request, or adds
// one: the redirection URI (CVE-2017-18924), the verifier (CVE-2025-4143,
// CVE-2025-4144).
func TestAttack_RedemptionUnlikeTheRequest(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		for _, uri := range []string{"https://evil.example/cb", "https://other.example/cb",
			callback + "2", callback + "/", "https://client.example"} {
			requireNoRedirect(t, s.authorize("redirect_uri", uri), 400, "invalid_request")
		}
		two := []string{"client_id", "two"}
		for _, row := range []struct {
			name, client   string
			request, proof []string
			status         int
		}{
			{"PKCE", "web", withChallenge(challenge),
				[]string{"redirect_uri", callback, "code_verifier", verifier}, 200},
			{"no verifier", "web", withChallenge(challenge), []string{"redirect_uri", callback}, 400},
			{"an empty verifier", "web", withChallenge(challenge),
				[]string{"redirect_uri", callback, "code_verifier", ""}, 400},
			{"another verifier", "web", withChallenge(challenge),
				[]string{"redirect_uri", callback, "code_verifier", challenge}, 400},
			{"no PKCE", "web", nil, []string{"redirect_uri", callback}, 200},
			{"a verifier without a challenge", "web", nil,
				[]string{"redirect_uri", callback, "code_verifier", verifier}, 400},
			{"no redirect_uri", "web", nil, nil, 400},
			{"another redirect_uri", "web", nil, []string{"redirect_uri", "https://evil.example/cb"}, 400},
			{"another that is registered", "two", two, []string{"redirect_uri", callback + "2"}, 400},
			{"none in the request", "web", []string{"redirect_uri", ""}, nil, 200},
			{"none in the request, a foreign one", "web", []string{"redirect_uri", ""},
				[]string{"redirect_uri", "https://evil.example/cb"}, 400},
		} {
			r := s.token(row.client, append(row.proof, "grant_type", "authorization_code",
				"code", s.code(row.request...))...)
			require.Equal(t, row.status, r.StatusCode, "%s: %s", row.name, r.text)
			if row.status != 200 {
				requireError(t, r, 400, "invalid_grant")
			}
		}
	})
}

// A wrong verifier is refused but makes the server forget the challenge, so
// that a second try without one passes (PKCE replay, fosite#883). Here both are
// refused, and so is the right verifier afterwards.
func TestAttack_WrongVerifierThenNone(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newSite(t, model, nil, nil)
		code := s.code(withChallenge(challenge)...)
		requireError(t, s.redeem("web", code, "code_verifier", strings.Repeat("w", 43)), 400, "invalid_grant")
		requireError(t, s.redeem("web", code), 400, "invalid_grant")
		requireError(t, s.redeem("web", code, "code_verifier", verifier), 400, "invalid_grant")
	})
}

// PKCE is removed on the way, or a junk secret counts as "PKCE or secret"
// (CVE-2024-22258, CVE-2026-92289). A confidential client always needs its
// secret; a public one needs a challenge, its verifier and no secret.
func TestAttack_PKCEDowngrade(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		s := newConsentSite(t, model, nil)
		const local = "http://127.0.0.1/cb"
		for name, downgraded := range map[string][]string{
			"no challenge": nil,
			"plain":        {"code_challenge", verifier, "code_challenge_method", "plain"},
			"no method":    {"code_challenge", challenge},
			"a method":     {"code_challenge_method", "S256"},
		} {
			for client, uri := range map[string]string{"app": local, "web": callback} {
				if client == "web" && name == "no challenge" {
					continue // no downgrade: this client has its secret
				}
				query := "/authorize?" +
					form(authorization(append([]string{"client_id", client, "redirect_uri", uri}, downgraded...)...)...)
				require.Equal(t, "invalid_request", s.get(query).at("error"), "%s, %s", client, name)
				require.Equal(t, "invalid_request",
					s.post(query, form("username", "u1", "all", "1")).at("error"), "%s, %s", client, name)
			}
		}
		for client, secrets := range map[string]map[string]string{
			"web": {"right": secret + "web", "wrong": "junk", "none": ""},
			"app": {"junk": "junk", "another's": secret + "web", "none": ""},
		} {
			for _, stored := range []string{challenge, ""} {
				for _, proof := range []string{verifier, strings.Repeat("w", 43), ""} {
					for kind, sent := range secrets {
						good := client == "web" && kind == "right" &&
							(proof == verifier && stored != "" || proof == "" && stored == "") ||
							client == "app" && kind == "none" && proof == verifier && stored != ""
						row := client + ", challenge " + stored + ", verifier " + proof + ", secret " + kind
						code := oauth2server.AuthorizationCode{Code: row,
							Client: &oauth2server.Client{ID: client}, CodeChallenge: stored}
						if stored != "" {
							code.CodeChallengeMethod = "S256"
						}
						saveCode(t, model, code)
						r := s.post("/token", form("grant_type", "authorization_code", "code", row,
							"client_id", client, "client_secret", sent,
							"code_verifier", proof))
						require.Equal(t, good, r.StatusCode == 200, "%s: %s", row, r.text)
					}
				}
			}
		}
	})
}

// A challenge whose method was not stored, and so not checked (CVE-2026-26247).
// The method comes back from the model. A code whose method is lost or unknown
// is refused with the verifier, with the challenge and with neither.
func TestAttack_LostMethod(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		// If plain is allowed, a lost method would show: the challenge would be
		// the verifier.
		s := newSite(t, model, &oauth2server.Options{InsecureAllowPlainPKCE: true}, nil)
		requireError(t, s.redeem("web", s.code(withChallenge(challenge)...), "code_verifier", challenge),
			400, "invalid_grant")
		require.Equal(t, 200, s.redeem("web", s.code(withChallenge(challenge)...),
			"code_verifier", verifier).StatusCode)
		plain := []string{"code_challenge", verifier, "code_challenge_method", "plain"}
		require.Equal(t, 200, s.redeem("web", s.code(plain...), "code_verifier", verifier).StatusCode)

		for i, row := range []struct {
			allowed bool // plain is allowed; a lost method counts as plain
			methods []string
		}{
			{false, []string{"", "plain", "s256", "S256 ", "S512", "none"}},
			{true, []string{"s256", "S256 ", "S512", "none"}},
		} {
			s = newSite(t, model, &oauth2server.Options{InsecureAllowPlainPKCE: row.allowed}, nil)
			for _, method := range row.methods {
				for _, proof := range []string{verifier, challenge, ""} {
					code := fmt.Sprintf("%d %q %q", i, method, proof)
					saveCode(t, model, oauth2server.AuthorizationCode{Code: code,
						CodeChallenge: challenge, CodeChallengeMethod: method})
					r := s.token("web", "grant_type", "authorization_code", "code", code, "code_verifier", proof)
					require.GreaterOrEqual(t, r.StatusCode, 400, code)
					require.NotContains(t, r.body, "access_token")
				}
			}
		}
		saveCode(t, model, oauth2server.AuthorizationCode{Code: "lost challenge", CodeChallengeMethod: "S256"})
		requireError(t, s.token("web", "grant_type", "authorization_code", "code", "lost challenge"),
			500, "server_error")
	})
}

// A code is used twice, or too late (CVE-2026-26232, CVE-2026-68079,
// CVE-2026-47386). One of several parallel redemptions is answered, and the
// others show that two parties have the code. A replay ends the grant, and an
// expired code is refused. A caller that has the verifier too and is fast is
// the client itself: that redemption is only refused.
func TestAttack_CodeUsedTwice(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		clock := &shiftedClock{target: model}
		s := newSite(t, clock, nil, nil)
		code := s.code()
		replies := atOnce(8, func() reply { return s.redeem("web", code) })
		answered := withStatus(200, replies)
		require.Len(t, answered, 1)
		require.Len(t, withStatus(400, replies), 7)
		s.requireDead(answered[0])

		code = s.code(withChallenge(challenge)...)
		replies = atOnce(8, func() reply { return s.redeem("web", code, "code_verifier", verifier) })
		answered = withStatus(200, replies)
		require.Len(t, answered, 1)
		require.Len(t, withStatus(400, replies), 7)
		first := answered[0]
		second := s.mustRefresh(first.str("refresh_token"))
		require.Equal(t, 200, s.apiStatus(first.str("access_token")))
		require.Equal(t, 200, s.apiStatus(second.str("access_token")))
		clock.by += time.Minute + time.Second
		requireError(t, s.redeem("web", code, "code_verifier", verifier), 400, "invalid_grant")
		s.requireDead(first, second)

		clock.by = 0
		for name, late := range map[string]time.Duration{"late": -time.Millisecond,
			"very late": -time.Hour, "in time": time.Minute} {
			saveCode(t, model, oauth2server.AuthorizationCode{Code: name, ExpiresAt: time.Now().Add(late)})
			r := s.token("web", "grant_type", "authorization_code", "code", name)
			require.Equal(t, late > 0, r.StatusCode == 200, "%s: %s", name, r.text)
		}
	})
}
