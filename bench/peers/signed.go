// This file has the peers that sign: OpenID providers, and libraries that check
// a JSON Web Token.

package peers

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/ory/fosite"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	fositejwt "github.com/ory/fosite/token/jwt"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/ext/jwtaccess"
	"github.com/seed-11d18166/oauth2server/ext/keys"
	"github.com/seed-11d18166/oauth2server/ext/oidc"
)

// Issuer is the issuer of all that sign, and Audience the API that checks.
const (
	Issuer   = "https://as.example"
	Audience = "https://api.example"
)

// Key signs for all peers.
type Key struct {
	Algorithm, ID string
	Signer        crypto.Signer
}

// NewKey makes a key: ES256, or RS256 with 2048 bits.
func NewKey(algorithm string) (Key, error) {
	var signer crypto.Signer
	var err error
	switch algorithm {
	case "ES256":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("no algorithm %q", algorithm)
	}
	return Key{algorithm, "k1", signer}, err
}

func (k Key) ring() (*keys.Ring, error) {
	return keys.New(context.Background(), keys.Static(keys.Key{ID: k.ID, Algorithm: k.Algorithm, Signer: k.Signer}))
}

// AccessToken returns an access token (RFC 9068) with these changes.
func (k Key) AccessToken(typ string, changes map[string]any) (string, error) {
	ring, err := k.ring()
	if err != nil {
		return "", err
	}
	now := time.Now()
	claims := map[string]any{"iss": Issuer, "sub": User, "aud": Audience, "client_id": app.ID, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": Scope}
	for name, value := range changes {
		claims[name] = value
	}
	return ring.Sign(context.Background(), typ, claims)
}

// Providers returns the peers that give ID tokens, which key signs.
func Providers(key Key) []Peer {
	provider := func(name, scope, authorize, token string, handler func(base string) (http.Handler, error)) Peer {
		return Peer{Name: name, New: handler, Authorize: authorize, Token: token, App: app, Machine: machine,
			Other: other, Scope: scope, Nonce: "a-nonce-of-some-length"}
	}
	return []Peer{
		provider("oauth2server", "openid", "/authorize", "/token", func(string) (http.Handler, error) {
			return ourProvider(key)
		}),
		provider("fosite 0.49.0", "openid offline", "/authorize", "/token", func(string) (http.Handler, error) {
			return fositeHandler(Issuer, key.Signer, func() fosite.Session {
				return &openid.DefaultSession{
					Subject: User,
					Claims:  &fositejwt.IDTokenClaims{Subject: User, AuthTime: time.Now().UTC(), RequestedAt: time.Now().UTC()},
					Headers: &fositejwt.Headers{Extra: map[string]any{"kid": key.ID}},
				}
			})
		}),
		provider("zitadel/oidc 3.52", "openid offline_access", "/authorize", "/oauth/token",
			func(base string) (http.Handler, error) { return zitadelHandler(base, &key) }),
	}
}

func ourProvider(key Key) (http.Handler, error) {
	ring, err := key.ring()
	if err != nil {
		return nil, err
	}
	m, err := memory()
	if err != nil {
		return nil, err
	}
	return approving(m, true, oauth2server.Options{
		Extensions: []oauth2server.Extension{oidc.New(ring, oidc.Options{JWKS: "/jwks"})},
	})
}

// approving has a page that signs the user in, and approves everything. If
// timed, it says when.
func approving(m oauth2server.Model, timed bool, options oauth2server.Options) (http.Handler, error) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		approval := oauth2server.Approval{User: &oauth2server.User{ID: User}, All: true}
		if timed {
			approval.Authentication = &oauth2server.Authentication{Time: time.Now()}
		}
		oauth2server.AuthorizationRequestFromContext(r.Context()).Approve(w, r, approval)
	})
	options.Issuer = Issuer
	return handlerOf(m, page, options)
}

// Checker checks access tokens that are JSON Web Tokens: signature, iss, aud and
// exp, with the key at hand.
type Checker struct {
	Name string
	New  func(key Key) (func(token string) error, error)

	// AnyType reports whether it takes a token of another type, such as an ID
	// token, for an access token.
	AnyType bool
}

// Checkers are what can check a token. The first checks its signature alone.
var Checkers = []Checker{
	{"the signature alone", checkSignature, true},
	{"oauth2server", ourCheck, false},
	{"oauth2server, the whole request", ourRequest, false},
	{"golang-jwt 5.3.1", golangJWT, true},
	{"go-jose 4.1.9", goJose, true},
	{"fosite 0.49.0", fositeCheck, true},
	{"zitadel/oidc 3.52", zitadelCheck, true},
}

var errToken = errors.New("the token is refused")

// checkSignature is the floor: the standard library on the token's bytes.
func checkSignature(key Key) (func(string) error, error) {
	public := key.Signer.Public()
	return func(token string) error {
		end := strings.LastIndexByte(token, '.')
		signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
		if err != nil {
			return err
		}
		digest := sha256.Sum256([]byte(token[:end]))
		switch public := public.(type) {
		case *rsa.PublicKey:
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
		case *ecdsa.PublicKey:
			if len(signature) == 64 && ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]),
				new(big.Int).SetBytes(signature[32:])) {
				return nil
			}
		}
		return errToken
	}, nil
}

func ourVerifier(key Key) (*jwtaccess.Verifier, error) {
	ring, err := key.ring()
	if err != nil {
		return nil, err
	}
	return jwtaccess.NewVerifier(Issuer, Audience, ring, nil)
}

func ourCheck(key Key) (func(string) error, error) {
	v, err := ourVerifier(key)
	if err != nil {
		return nil, err
	}
	return func(token string) error {
		found, err := v.GetAccessToken(context.Background(), token)
		if err == nil && time.Now().After(found.AccessTokenExpiresAt) { // the middleware's work
			err = errToken
		}
		return err
	}, nil
}

// ourRequest checks a token with its scope in a middleware.
func ourRequest(key Key) (func(string) error, error) {
	v, err := ourVerifier(key)
	if err != nil {
		return nil, err
	}
	srv, err := oauth2server.NewResourceServer(v, &oauth2server.ResourceOptions{
		Resources: []oauth2server.Resource{{URL: Audience}},
	})
	if err != nil {
		return nil, err
	}
	handler := srv.For(Audience).Authenticate(Scope)(http.HandlerFunc(api))
	r, err := http.NewRequest(http.MethodGet, Audience+"/", nil)
	if err != nil {
		return nil, err
	}
	w, last := &discard{header: http.Header{}}, ""
	return func(token string) error {
		if token != last {
			r.Header["Authorization"], last = []string{"Bearer " + token}, token
		}
		clear(w.header)
		w.refused = false
		if handler.ServeHTTP(w, r); w.refused {
			return errToken
		}
		return nil
	}, nil
}

// discard is an answer of which only the status counts.
type discard struct {
	header  http.Header
	refused bool
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.refused = status != http.StatusOK }

func golangJWT(key Key) (func(string) error, error) {
	parser := golangjwt.NewParser(golangjwt.WithValidMethods([]string{key.Algorithm}),
		golangjwt.WithIssuer(Issuer), golangjwt.WithAudience(Audience), golangjwt.WithExpirationRequired())
	public := key.Signer.Public()
	return func(token string) error {
		_, err := parser.ParseWithClaims(token, &golangjwt.RegisteredClaims{},
			func(*golangjwt.Token) (any, error) { return public, nil })
		return err
	}, nil
}

func goJose(key Key) (func(string) error, error) {
	public, algorithms := key.Signer.Public(), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Algorithm)}
	return func(token string) error {
		parsed, err := josejwt.ParseSigned(token, algorithms)
		if err != nil {
			return err
		}
		var claims josejwt.Claims
		if err := parsed.Claims(public, &claims); err != nil {
			return err
		}
		return claims.Validate(josejwt.Expected{Issuer: Issuer, AnyAudience: josejwt.Audience{Audience},
			Time: time.Now()})
	}, nil
}

// fositeCheck compares iss and aud itself: fosite's validator leaves that to the
// program.
func fositeCheck(key Key) (func(string) error, error) {
	v := &fositeoauth2.StatelessJWTValidator{
		Signer: &fositejwt.DefaultSigner{
			GetPrivateKey: func(context.Context) (any, error) { return key.Signer, nil },
		},
		Config: &fosite.Config{},
	}
	return func(token string) error {
		ctx := context.Background()
		request := fosite.NewAccessRequest(new(fositeoauth2.JWTSession))
		if _, err := v.IntrospectToken(ctx, token, fosite.AccessToken, request, []string{Scope}); err != nil {
			return err
		}
		session, ok := request.Session.(*fositeoauth2.JWTSession)
		if !ok || session.JWTClaims.Issuer != Issuer || !slices.Contains(session.JWTClaims.Audience, Audience) {
			return errToken
		}
		return nil
	}, nil
}

// zitadelCheck checks the audience by another function of the library:
// VerifyAccessToken leaves it out.
func zitadelCheck(key Key) (func(string) error, error) {
	v := op.NewAccessTokenVerifier(Issuer, zitadelKeys{{Key: key.Signer.Public(), KeyID: key.ID, Use: "sig"}},
		op.WithSupportedAccessTokenSigningAlgorithms(key.Algorithm))
	return func(token string) error {
		claims, err := op.VerifyAccessToken[*zitadel.AccessTokenClaims](context.Background(), token, v)
		if err != nil {
			return err
		}
		return zitadel.CheckAudience(claims, Audience)
	}, nil
}

// zitadelKeys is a key set that was fetched before.
type zitadelKeys []jose.JSONWebKey

func (k zitadelKeys) VerifySignature(_ context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	id, algorithm := zitadel.GetKeyIDAndAlg(jws)
	key, err := zitadel.FindMatchingKey(id, zitadel.KeyUseSignature, algorithm, k...)
	if err != nil {
		return nil, err
	}
	return jws.Verify(&key)
}

// CheckIDToken returns nil if a token endpoint's answer has an ID token that key
// signed, with the nonce of the request, and an access and a refresh token.
func CheckIDToken(key Key, p Peer, answer []byte) error {
	var document struct {
		ID      string `json:"id_token"`
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(answer, &document); err != nil {
		return err
	}
	parsed, err := josejwt.ParseSigned(document.ID, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Algorithm)})
	if err != nil {
		return err
	}
	var claims struct {
		josejwt.Claims
		Nonce    string `json:"nonce"`
		AuthTime int64  `json:"auth_time"`
		Hash     string `json:"at_hash"`
	}
	if err := parsed.Claims(key.Signer.Public(), &claims); err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(document.Access))
	switch {
	case claims.Nonce != p.Nonce, claims.AuthTime == 0, claims.Subject == "", document.Refresh == "",
		claims.Hash != base64.RawURLEncoding.EncodeToString(digest[:16]):
		return fmt.Errorf("%s: an incomplete ID token: %s", p.Name, answer)
	}
	return claims.Validate(josejwt.Expected{Issuer: Issuer, AnyAudience: josejwt.Audience{p.App.ID}, Time: time.Now()})
}
