package interop

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/ext/keys"
)

// What this library signs, golang-jwt and jwx accept, and the other way round.
// What they refuse, it refuses too.
func TestTokensOfOtherLibraries(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			key := newKey(t, algorithm)
			key.ID = "k1"
			ring, err := keys.New(t.Context(), keys.Static(key))
			require.NoError(t, err)
			now := time.Now()
			claims := map[string]any{"iss": "https://as.example", "sub": "andy", "aud": "web", "iat": now.Unix(),
				"exp": now.Add(time.Minute).Unix()}

			public := key.Signer.Public()
			byGolangJWT := func(token string) error {
				_, err := golangjwt.Parse(token, func(*golangjwt.Token) (any, error) { return public, nil },
					golangjwt.WithValidMethods([]string{algorithm}))
				return err
			}
			chosen, ok := jwa.LookupSignatureAlgorithm(algorithm)
			require.True(t, ok)
			byJWX := func(token string) error {
				_, err := jwt.Parse([]byte(token), jwt.WithKey(chosen, public))
				return err
			}
			ours := func(token string) error { return ring.Verify(t.Context(), token, "", new(map[string]any)) }

			token, err := ring.Sign(t.Context(), "JWT", claims)
			require.NoError(t, err)
			signed := map[string]string{"ours": token}

			theirs := golangjwt.NewWithClaims(golangjwt.GetSigningMethod(algorithm), golangjwt.MapClaims(claims))
			theirs.Header["kid"] = "k1"
			signed["golang-jwt"], err = theirs.SignedString(key.Signer)
			require.NoError(t, err)

			imported, err := jwk.Import(key.Signer)
			require.NoError(t, err)
			require.NoError(t, imported.Set(jwk.KeyIDKey, "k1"))
			built := jwt.New()
			for name, value := range claims {
				require.NoError(t, built.Set(name, value))
			}
			text, err := jwt.Sign(built, jwt.WithKey(chosen, imported))
			require.NoError(t, err)
			signed["jwx"] = string(text)

			for who, token := range signed {
				for by, verify := range map[string]func(string) error{"golang-jwt": byGolangJWT, "jwx": byJWX, "us": ours} {
					require.NoError(t, verify(token), "%s, checked by %s", who, by)
				}
				// One character in another place of the signature, the claims or the
				// header: what somebody refuses, we refuse.
				for _, at := range []int{3, strings.Index(token, ".") + 5, len(token) - 10, len(token) - 1} {
					changed := []byte(token)
					changed[at] = map[bool]byte{true: 'A', false: 'B'}[changed[at] != 'A']
					refusedByOthers := byGolangJWT(string(changed)) != nil || byJWX(string(changed)) != nil
					if refusedByOthers {
						require.Error(t, ours(string(changed)), "%s at %d", who, at)
					}
					require.Error(t, ours(string(changed)), "%s at %d: another spelling", who, at)
				}
			}

			// The key set is one that jwx reads, and finds the key in.
			document, err := json.Marshal(map[string]any{"keys": []any{mustPublic(t, ring)}})
			require.NoError(t, err)
			set, err := jwk.Parse(document)
			require.NoError(t, err)
			_, err = jwt.Parse([]byte(token), jwt.WithKeySet(set))
			require.NoError(t, err)
			thumbprint, err := imported.Thumbprint(crypto.SHA256)
			require.NoError(t, err)
			own := key
			own.ID = ""
			unnamed, err := keys.New(t.Context(), keys.Static(own))
			require.NoError(t, err)
			require.Equal(t, base64.RawURLEncoding.EncodeToString(thumbprint), mustPublic(t, unnamed)["kid"])
		})
	}
}

// mustPublic returns the only key that a ring publishes.
func mustPublic(t *testing.T, ring *keys.Ring) map[string]any {
	text := published(t, ring)
	var set struct{ Keys []map[string]any }
	require.NoError(t, json.Unmarshal(text, &set))
	require.Len(t, set.Keys, 1)
	return set.Keys[0]
}
