package interop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	coreos "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/jwtaccess"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// provider is an OpenID provider over HTTPS, whose user andy is signed in.
type provider struct {
	*httptest.Server
	t       *testing.T
	issuer  string
	oidc    *oidc.Provider
	ring    *keys.Ring
	session string

	// What a test may change before the provider begins. The keys may change
	// later, too: the ring reads them when it is told to reload.
	keys         []keys.Key
	model        *memorymodel.Model
	options      oauth2server.Options
	page, logout http.Handler
	sessionOf    func(*http.Request) string
	goodbyes     []string                        // the registered post_logout_redirect_uris
	forScripts   func(http.Handler) http.Handler // around what scripts of an app may call
}

// newProvider returns a provider that signs with this algorithm, and whose
// access tokens are JSON Web Tokens. After two seconds another key signs.
func newProvider(t *testing.T, path, algorithm string, change ...func(*provider)) *provider {
	p := &provider{t: t, session: "s1", model: memorymodel.New(nil), goodbyes: []string{"https://app.example/bye"}}
	p.page, p.logout = http.HandlerFunc(p.approve), http.HandlerFunc(p.signOut)
	p.sessionOf = func(*http.Request) string { return p.session }
	p.forScripts = func(next http.Handler) http.Handler { return next }
	next := newKey(t, algorithm)
	next.SignsFrom = time.Now().Add(2 * time.Second)
	p.keys = []keys.Key{newKey(t, algorithm), next}
	ring, err := keys.New(t.Context(), func(context.Context) ([]keys.Key, error) { return p.keys, nil })
	require.NoError(t, err)
	p.ring = ring
	mux := http.NewServeMux()
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	p.issuer = p.URL + path
	p.options = oauth2server.Options{
		Endpoints: oauth2server.Endpoints{Authorization: path + "/authorize", Token: path + "/token",
			Revocation: path + "/revoke", Introspection: path + "/introspect"},
		InsecureApprovePublicClients: true,
		MayIntrospect: func(_ context.Context, caller *oauth2server.Client, _ *oauth2server.Token) (bool, error) {
			return caller.ID == resources.ID, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(p)
	}
	p.oidc = oidc.New(ring, oidc.Options{
		Claims: func(context.Context, *oauth2server.User, *oauth2server.Client) (map[string]any, error) {
			return map[string]any{"name": "Andy Ash", "email": "andy@example.com", "email_verified": true,
				"updated_at": 1_700_000_000, "locale": "de"}, nil
		},
		ClaimsByName: true, UserInfo: path + "/userinfo", JWKS: path + "/jwks", EndSession: path + "/logout",
		Session:                p.sessionOf,
		PostLogoutRedirectURIs: func(*oauth2server.Client) []string { return p.goodbyes },
	})
	require.NoError(t, p.model.AddClient(&oauth2server.Client{ID: resources.ID}, resources.Secret))
	for _, c := range []client{web, native} {
		require.NoError(t, p.model.AddClient(&oauth2server.Client{ID: c.ID, RedirectURIs: []string{c.RedirectURI},
			Grants: []string{"authorization_code", "refresh_token"}, Public: c.Secret == ""}, c.Secret))
	}
	p.options.Issuer = p.issuer
	p.options.Extensions = []oauth2server.Extension{p.oidc, jwtaccess.New(ring, nil)}
	srv, err := oauth2server.New(p.model, &p.options)
	require.NoError(t, err)
	mux.Handle(path+"/authorize", srv.Authorize(p.page))
	mux.Handle(path+"/token", p.forScripts(srv.Token(nil)))
	mux.Handle(path+"/revoke", p.forScripts(srv.Revoke()))
	mux.Handle(path+"/introspect", srv.Introspect())
	mux.Handle(path+"/userinfo", p.forScripts(p.oidc.UserInfo()))
	mux.Handle(path+"/jwks", p.forScripts(ring))
	mux.Handle(path+"/logout", p.oidc.EndSession(p.logout))
	mux.Handle(p.oidc.DiscoveryPath(), p.forScripts(srv.Metadata()))
	return p
}

func newKey(t *testing.T, algorithm string) keys.Key {
	var signer crypto.Signer
	var err error
	switch algorithm {
	case "ES256":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	require.NoError(t, err)
	return keys.Key{Signer: signer, Algorithm: algorithm}
}

func (p *provider) approve(w http.ResponseWriter, r *http.Request) {
	oauth2server.AuthorizationRequestFromContext(r.Context()).Approve(w, r, oauth2server.Approval{
		User: &oauth2server.User{ID: "andy"}, All: true,
		Authentication: &oauth2server.Authentication{Time: time.Now(), Context: "gold", Methods: []string{"pwd"},
			Session: p.session},
	})
}

func (p *provider) signOut(w http.ResponseWriter, r *http.Request) {
	request := oidc.LogoutRequestFromContext(r.Context())
	if request.Confirmed {
		p.session = ""
		request.Done(w, r)
	}
}

// browse follows a link as a browser does, up to the client.
func (p *provider) browse(link string) url.Values {
	browser := *p.Client()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := browser.Get(link)
	require.NoError(p.t, err)
	defer res.Body.Close()
	location, err := res.Location()
	require.NoError(p.t, err, res.Status)
	return location.Query()
}

// github.com/coreos/go-oidc finds the provider, checks ID tokens, and goes on
// when the key changes.
func TestCoreOS(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			p := newProvider(t, withPath, algorithm)
			ctx := coreos.ClientContext(t.Context(), p.Client())
			found, err := coreos.NewProvider(ctx, p.issuer)
			require.NoError(t, err)
			config := oauth2.Config{ClientID: native.ID, RedirectURL: native.RedirectURI, Endpoint: found.Endpoint(),
				Scopes: []string{"openid", "email"}}
			verifier := found.VerifierContext(ctx, &coreos.Config{ClientID: native.ID,
				SupportedSigningAlgs: []string{algorithm}})
			signIn := func(nonce string) *oauth2.Token {
				proof := oauth2.GenerateVerifier()
				answer := p.browse(config.AuthCodeURL("state", oauth2.S256ChallengeOption(proof), coreos.Nonce(nonce)))
				token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(proof))
				require.NoError(t, err)
				return token
			}
			check := func(token *oauth2.Token, nonce string) {
				raw, ok := token.Extra("id_token").(string)
				require.True(t, ok)
				idToken, err := verifier.Verify(ctx, raw)
				require.NoError(t, err)
				require.Equal(t, "andy", idToken.Subject)
				require.Equal(t, nonce, idToken.Nonce)
				require.NoError(t, idToken.VerifyAccessToken(token.AccessToken), "at_hash")
			}
			token := signIn("nonce-1")
			check(token, "nonce-1")
			info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token))
			require.NoError(t, err)
			require.Equal(t, "andy@example.com", info.Email)
			require.True(t, info.EmailVerified)

			// Soon another key signs. Both are published.
			kid := func(token *oauth2.Token) string {
				signed, err := jose.ParseSignedCompact(token.Extra("id_token").(string),
					[]jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
				require.NoError(t, err)
				return signed.Signatures[0].Header.KeyID
			}
			require.Eventually(t, func() bool {
				next := signIn("nonce-2")
				check(next, "nonce-2")
				return kid(next) != kid(token)
			}, 20*time.Second, 50*time.Millisecond)
			check(token, "nonce-1")
		})
	}
}

// github.com/zitadel/oidc signs in, asks who the user is, refreshes and signs
// out; its resource server finds the provider too, and introspects JWT access
// tokens.
func TestZitadelSignsIn(t *testing.T) {
	for _, c := range []client{web, native} {
		for _, path := range []string{atRoot, withPath} {
			t.Run(c.Method+path, func(t *testing.T) {
				p := newProvider(t, path, "ES256")
				ctx := t.Context()
				style := oauth2.AuthStyleInParams
				if c.Method == "client_secret_basic" {
					style = oauth2.AuthStyleInHeader
				}
				party, err := rp.NewRelyingPartyOIDC(ctx, p.issuer, c.ID, c.Secret, c.RedirectURI,
					[]string{"openid", "profile", "email"}, rp.WithHTTPClient(p.Client()), rp.WithAuthStyle(style),
					rp.WithVerifierOpts(rp.WithNonce(func(context.Context) string { return "nonce-1" }),
						rp.WithSupportedSigningAlgorithms("ES256"), rp.WithAuthTimeMaxAge(time.Hour)))
				require.NoError(t, err)
				proof := oauth2.GenerateVerifier()
				link := rp.AuthURL("state", party, rp.WithCodeChallenge(oauth2.S256ChallengeFromVerifier(proof)),
					rp.AuthURLOpt(rp.WithURLParam("nonce", "nonce-1")))
				answer := p.browse(link)
				require.Equal(t, p.issuer, answer.Get("iss"))
				tokens, err := rp.CodeExchange[*zitadel.IDTokenClaims](ctx, answer.Get("code"), party,
					rp.WithCodeVerifier(proof))
				require.NoError(t, err)
				require.Equal(t, "andy", tokens.IDTokenClaims.Subject)
				require.Equal(t, "gold", tokens.IDTokenClaims.AuthenticationContextClassReference)

				info, err := rp.Userinfo[*zitadel.UserInfo](ctx, tokens.AccessToken, tokens.TokenType, "andy", party)
				require.NoError(t, err)
				require.Equal(t, "Andy Ash", info.Name)
				require.Equal(t, "andy@example.com", info.Email)

				api, err := rs.NewResourceServerClientCredentials(ctx, p.issuer, resources.ID, resources.Secret,
					rs.WithClient(p.Client()))
				require.NoError(t, err)
				known, err := rs.Introspect[*zitadel.IntrospectionResponse](ctx, api, tokens.AccessToken)
				require.NoError(t, err)
				require.True(t, known.Active)
				require.Equal(t, "andy", known.Subject)
				require.Equal(t, c.ID, known.ClientID)
				require.Equal(t, zitadel.SpaceDelimitedArray{"openid", "profile", "email"}, known.Scope)

				again, err := rp.RefreshTokens[*zitadel.IDTokenClaims](ctx, party, tokens.RefreshToken, "", "")
				require.NoError(t, err)
				require.Equal(t, tokens.IDTokenClaims.AuthTime, again.IDTokenClaims.AuthTime)

				target, err := rp.EndSession(ctx, party, again.IDToken, "https://app.example/bye", "state-2", "", nil)
				require.NoError(t, err)
				require.Equal(t, "https://app.example/bye?state=state-2", target.String())
				require.Empty(t, p.session)
			})
		}
	}
}

// published returns the key set of a ring.
func published(t *testing.T, ring *keys.Ring) []byte {
	w := httptest.NewRecorder()
	ring.ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	require.Equal(t, 200, w.Code)
	return w.Body.Bytes()
}
