// This file sets up ory/fosite.

package peers

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"
)

// Fosite is github.com/ory/fosite with its own store in memory and HMAC tokens.
var Fosite = Peer{
	Name:      "fosite 0.49.0",
	New:       newFosite,
	Authorize: "/authorize",
	Token:     "/token",
	API:       "/api",
	App:       app,
	Machine:   machine,
	Other:     other,
	Scope:     "read offline",
	Unequal: []string{"client secrets are SHA-256 digests, not bcrypt as by default, which " +
		"would be all that is measured; a code or refresh token that is used again ends the " +
		"grant, for which its store keeps what was used, with the whole request; nothing ever " +
		"expires from memory; a refresh removes the old access token too; a scope must be one of " +
		"the client's"},
}

// sha256Hasher compares digests of secrets, as the other peers do.
type sha256Hasher struct{}

func (sha256Hasher) Hash(_ context.Context, data []byte) ([]byte, error) {
	digest := sha256.Sum256(data)
	return digest[:], nil
}

func (sha256Hasher) Compare(_ context.Context, hash, data []byte) error {
	digest := sha256.Sum256(data)
	if subtle.ConstantTimeCompare(digest[:], hash) != 1 {
		return errors.New("wrong secret")
	}
	return nil
}

func newFosite(string) (http.Handler, error) {
	return fositeHandler("", nil, func() fosite.Session { return &fosite.DefaultSession{Subject: User} })
}

// fositeHandler returns a server. With a key its ID tokens have that signature.
func fositeHandler(
	issuer string, key crypto.Signer, session func() fosite.Session,
) (http.Handler, error) {
	config := &fosite.Config{
		AccessTokenLifespan:   time.Hour,
		RefreshTokenLifespan:  14 * 24 * time.Hour,
		AuthorizeCodeLifespan: 5 * time.Minute,
		GlobalSecret:          []byte("0123456789abcdef0123456789abcdef"),
		ClientSecretsHasher:   sha256Hasher{},
		EnforcePKCE:           true,
		RefreshTokenScopes:    []string{"offline"},
		MinParameterEntropy:   fosite.MinParameterEntropy,
		RedirectSecureChecker: fosite.IsRedirectURISecureStrict,
		IDTokenIssuer:         issuer,
	}
	stored := storage.NewMemoryStore()
	for _, c := range []struct {
		Client
		grants []string
	}{{app, []string{"authorization_code", "refresh_token"}},
		{other, []string{"authorization_code", "refresh_token"}},
		{machine, []string{"client_credentials"}}} {
		digest := sha256.Sum256([]byte(c.Secret))
		stored.Clients[c.ID] = &fosite.DefaultClient{
			ID:            c.ID,
			Secret:        digest[:],
			RedirectURIs:  []string{Callback},
			ResponseTypes: []string{"code"},
			GrantTypes:    c.grants,
			Scopes:        []string{"read", "offline", "openid"},
		}
	}
	factories := []compose.Factory{compose.OAuth2AuthorizeExplicitFactory,
		compose.OAuth2ClientCredentialsGrantFactory, compose.OAuth2RefreshTokenGrantFactory,
		compose.OAuth2TokenIntrospectionFactory, compose.OAuth2PKCEFactory}
	strategy := any(compose.NewOAuth2HMACStrategy(config))
	if key != nil {
		getKey := func(context.Context) (any, error) { return key, nil }
		factories = append(factories, compose.OpenIDConnectExplicitFactory)
		strategy = &compose.CommonStrategy{
			CoreStrategy:               compose.NewOAuth2HMACStrategy(config),
			OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(getKey, config),
			Signer:                     &jwt.DefaultSigner{GetPrivateKey: getKey},
		}
	}
	provider := compose.Compose(config, stored, strategy, factories...)
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		request, err := provider.NewAuthorizeRequest(ctx, r)
		if err != nil {
			provider.WriteAuthorizeError(ctx, w, request, err)
			return
		}
		for _, scope := range request.GetRequestedScopes() {
			request.GrantScope(scope)
		}
		response, err := provider.NewAuthorizeResponse(ctx, request, session())
		if err != nil {
			provider.WriteAuthorizeError(ctx, w, request, err)
			return
		}
		provider.WriteAuthorizeResponse(ctx, w, request, response)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		request, err := provider.NewAccessRequest(ctx, r, session())
		if err != nil {
			provider.WriteAccessError(ctx, w, request, err)
			return
		}
		if request.GetGrantTypes().ExactOne("client_credentials") {
			for _, scope := range request.GetRequestedScopes() {
				request.GrantScope(scope)
			}
		}
		response, err := provider.NewAccessResponse(ctx, request)
		if err != nil {
			provider.WriteAccessError(ctx, w, request, err)
			return
		}
		provider.WriteAccessResponse(ctx, w, request, response)
	})
	mux.HandleFunc("/api", func(w http.ResponseWriter, r *http.Request) {
		_, _, err := provider.IntrospectToken(r.Context(), fosite.AccessTokenFromRequest(r),
			fosite.AccessToken, &fosite.DefaultSession{}, Scope)
		switch {
		case errors.Is(err, fosite.ErrInvalidScope), errors.Is(err, fosite.ErrScopeNotGranted):
			w.WriteHeader(http.StatusForbidden)
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			api(w, r)
		}
	})
	return mux, nil
}
