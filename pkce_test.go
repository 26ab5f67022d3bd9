package oauth2server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func s256(verifier string) string {
	digest := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// saveCode stores a code as a model may return it: web's and andy's, valid for
// a minute, unless code sets other values.
func saveCode(t *testing.T, model oauth2server.AuthorizationCodeModel, code oauth2server.AuthorizationCode) {
	t.Helper()
	if code.Client == nil {
		code.Client = &oauth2server.Client{ID: "web"}
	}
	if code.ExpiresAt.IsZero() {
		code.ExpiresAt = time.Now().Add(time.Minute)
	}
	code.User, code.GrantID = &oauth2server.User{ID: "u1"}, "grant of "+oauth2server.Digest(code.Code)
	_, err := model.SaveAuthorizationCode(context.Background(), &code, nil, nil)
	require.NoError(t, err)
}

func TestPKCE(t *testing.T) {
	t.Parallel()
	long, short := strings.Repeat("v", 128), strings.Repeat("v", 42)
	for _, row := range []struct {
		name, challenge, method, verifier string
		plain                             bool // plain is allowed
		status                            int
		code                              string
	}{
		{"S256", challenge, "S256", verifier, false, 200, ""},
		{"S256, 128 characters", s256(long), "S256", long, false, 200, ""},
		{"S256, where plain is allowed", challenge, "S256", verifier, true, 200, ""},
		{"plain, where it is allowed", verifier, "plain", verifier, true, 200, ""},
		{"no method means plain, where it is allowed", verifier, "", verifier, true, 200, ""},
		{"no PKCE", "", "", "", false, 200, ""},

		{"wrong verifier", challenge, "S256", strings.Repeat("w", 43), false, 400, "invalid_grant"},
		{"the challenge as verifier", challenge, "S256", challenge, false, 400, "invalid_grant"},
		{"no verifier", challenge, "S256", "", false, 400, "invalid_grant"},
		{"a verifier without a challenge", "", "", verifier, false, 400, "invalid_grant"},
		{"a method without a challenge", "", "S256", "", false, 500, "server_error"},
		{"one character", challenge, "S256", "v", false, 400, "invalid_request"},
		{"42 characters", s256(short), "S256", short, false, 400, "invalid_request"},
		{"129 characters", s256(long + "v"), "S256", long + "v", false, 400, "invalid_request"},
		{"a line break", challenge, "S256", verifier + "\n", false, 400, "invalid_request"},
		{"no ASCII", challenge, "S256", strings.Repeat("ж", 43), false, 400, "invalid_request"},
		{"plain", verifier, "plain", verifier, false, 400, "invalid_grant"},
		{"a method that got lost", challenge, "", verifier, false, 500, "server_error"},
		{"a method that got lost, where plain is allowed", challenge, "", verifier, true, 400, "invalid_grant"},
		{"an unknown method", challenge, "S512", verifier, false, 500, "server_error"},
	} {
		bothKinds(t, row.name, func(t *testing.T, model *spy, served oauth2server.Model) {
			s := newSite(t, served, &oauth2server.Options{InsecureAllowPlainPKCE: row.plain}, nil)
			saveCode(t, model, oauth2server.AuthorizationCode{Code: "code", CodeChallenge: row.challenge,
				CodeChallengeMethod: row.method})
			try := func(verifier string) reply {
				return s.token("web", "grant_type", "authorization_code", "code", "code", "code_verifier", verifier)
			}
			r := try(row.verifier)
			if row.code == "" {
				require.Equal(t, 200, r.StatusCode, r.text)
			} else {
				requireError(t, r, row.status, row.code)
			}
			for _, second := range []string{verifier, "", row.verifier} {
				require.GreaterOrEqual(t, try(second).StatusCode, 400, "one try, whatever its result")
			}
		})
	}
}

func TestPKCEThroughTheFlow(t *testing.T) {
	model := newSpy(t)
	s := newSite(t, model, nil, nil)
	code := s.code("code_challenge", challenge, "code_challenge_method", "S256")
	stored, err := model.Model.GetAuthorizationCode(t.Context(), code)
	require.NoError(t, err)
	require.Equal(t, challenge, stored.CodeChallenge)
	require.Equal(t, "S256", stored.CodeChallengeMethod)
	require.Equal(t, 200, s.redeem("web", code, "code_verifier", verifier).StatusCode)

	s = newSite(t, model, &oauth2server.Options{InsecureAllowPlainPKCE: true}, nil)
	for _, method := range []string{"plain", ""} {
		code = s.code("code_challenge", verifier, "code_challenge_method", method)
		require.Equal(t, 200, s.redeem("web", code, "code_verifier", verifier).StatusCode)
	}
}

func TestAVerifierWithoutAChallenge(t *testing.T) {
	options, log := logged(oauth2server.Options{Grants: allGrants})
	s := newSite(t, newMemory(t), options, nil)
	r := s.redeem("web", s.code(), "code_verifier", verifier)
	requireError(t, r, 400, "invalid_grant")
	require.Contains(t, r.str("error_description"), "code_challenge")
	require.Contains(t, log.String(), "reason=pkce_verifier_unexpected")
}

func TestTheFormOfAnS256Challenge(t *testing.T) {
	s := newSite(t, newMemory(t), &oauth2server.Options{InsecureAllowPlainPKCE: true}, nil)
	for name, wrong := range map[string]string{
		"hexadecimal":         strings.Repeat("a3f5", 16),
		"with padding":        challenge + "=",
		"too long":            challenge + "A",
		"too short":           challenge[1:],
		"another alphabet":    challenge[:42] + "~",
		"of no bytes":         challenge[:42] + "N", // its last bits are unused
		"the verifier, 44 on": verifier + "x",
	} {
		r := s.authorize("code_challenge", wrong, "code_challenge_method", "S256")
		requireRedirect(t, r, "invalid_request", "xyz")
		require.Contains(t, r.at("error_description"), "43 characters", name)
	}
	require.NotEmpty(t, s.authorize("code_challenge", challenge, "code_challenge_method", "S256").at("code"))
	require.NotEmpty(t, s.authorize("code_challenge", strings.Repeat("a~", 64),
		"code_challenge_method", "plain").at("code"))
}
