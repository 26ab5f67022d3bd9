package interop

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

// Sign-in and exchange are golang.org/x/oauth2's, the rest is zitadel/oidc's: a
// relying party that refreshes and revokes (RFC 7009), and a resource server
// that introspects (RFC 7662). Neither insists on OpenID Connect for that.
func TestZitadel(t *testing.T) {
	for _, test := range everyKind {
		t.Run(test.name, func(t *testing.T) {
			s, c := newSite(t, test.path), test.client
			ctx := s.context()

			style := oauth2.AuthStyleInParams
			if c.Method == "client_secret_basic" {
				style = oauth2.AuthStyleInHeader
			}
			party, err := rp.NewRelyingPartyOIDC(ctx, s.issuer, c.ID, c.Secret, c.RedirectURI,
				[]string{"read", "write"},
				rp.WithCustomDiscoveryUrl(s.URL+"/.well-known/oauth-authorization-server"+test.path),
				rp.WithHTTPClient(s.Client()), rp.WithAuthStyle(style))
			require.NoError(t, err)
			config := party.OAuthConfig()

			verifier := oauth2.GenerateVerifier()
			answer := s.browse(config.AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier))).Query()
			require.Equal(t, "state-1", answer.Get("state"))
			require.Equal(t, s.issuer, answer.Get("iss"), "x/oauth2 leaves the check to its caller (RFC 9207)")
			token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
			require.NoError(t, err)

			resourceServer, err := rs.NewResourceServerClientCredentials(ctx, s.issuer, resources.ID,
				resources.Secret, rs.WithClient(s.Client()),
				rs.WithStaticEndpoints(config.Endpoint.TokenURL, s.issuer+"/introspect"))
			require.NoError(t, err)
			known, err := rs.Introspect[*oidc.IntrospectionResponse](ctx, resourceServer, token.AccessToken)
			require.NoError(t, err)
			require.WithinDuration(t, token.Expiry, known.Expiration.AsTime(), 10*time.Second)
			known.Expiration = 0
			require.Equal(t, &oidc.IntrospectionResponse{Active: true, Scope: []string{"read", "write"},
				ClientID: c.ID, TokenType: "Bearer",
				Subject: "andy", Issuer: s.issuer, Claims: known.Claims}, known)

			refreshed, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, token.RefreshToken, "", "")
			require.NoError(t, err)
			require.NotEqual(t, token.RefreshToken, refreshed.RefreshToken)
			res, err := config.Client(ctx, refreshed.Token).Get(s.URL + "/api")
			require.NoError(t, err)
			requireUser(t, "andy", res)

			require.NoError(t, rp.RevokeToken(ctx, party, refreshed.RefreshToken, "refresh_token"))
			known, err = rs.Introspect[*oidc.IntrospectionResponse](ctx, resourceServer, refreshed.AccessToken)
			require.NoError(t, err)
			require.Equal(t, &oidc.IntrospectionResponse{Claims: known.Claims}, known)
			_, err = rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, refreshed.RefreshToken, "", "")
			require.ErrorContains(t, err, "invalid_grant")

			if c.Secret != "" {
				own, err := rp.ClientCredentials(ctx, party, nil)
				require.NoError(t, err)
				require.Equal(t, "Bearer", own.Type())
			}
			require.Equal(t, story(c), s.seen())
		})
	}
}

// requireUser holds the API's answer against whose token it should have been.
func requireUser(t *testing.T, want string, res *http.Response) {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", body)
	require.Equal(t, want, string(body))
}
