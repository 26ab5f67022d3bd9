// This file sets up zitadel/oidc.

package peers

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Zitadel is github.com/zitadel/oidc with the storage of its example. It is an
// OpenID provider: people sign in on a page of the program, so the code flow
// has two redirects more, and there is an ID token, which is signed.
var Zitadel = Peer{
	Name:      "zitadel/oidc 3.52",
	New:       newZitadel,
	Authorize: "/authorize",
	Token:     "/oauth/token",
	API:       "/userinfo",
	App:       app,
	Machine:   Client{"sid1", "verysecret"},
	Other:     other,
	Scope:     "openid offline_access",
	Unequal: []string{"OpenID Connect: an RS256 signature for each ID token (code flow, " +
		"refresh), two redirects more in the code flow, and the API is its own userinfo " +
		"endpoint, which asks for no scope and takes the token of a user only; the storage is " +
		"that of its example, with one mutex, secrets in clear, any scope, and nothing that ever " +
		"expires from memory; a refresh removes the old access token too; a code is given " +
		"without a challenge too"},
}

func newZitadel(base string) (http.Handler, error) { return zitadelHandler(base, nil) }

// zitadelHandler returns a server. Without a key it signs with one of its own.
func zitadelHandler(base string, key *Key) (http.Handler, error) {
	users := storage.NewUserStore(base)
	stored := storage.NewStorageWithClients(users, map[string]*storage.Client{
		app.ID:   storage.WebClient(app.ID, app.Secret, Callback),
		other.ID: storage.WebClient(other.ID, other.Secret, Callback)})
	var all op.Storage = stored
	if key != nil {
		all = zitadelStorage{stored, zitadelKey{*key}}
	}
	provider, err := op.NewProvider(&op.Config{
		CryptoKey:             sha256.Sum256([]byte("key")),
		CryptoKeyId:           "key1",
		CodeMethodS256:        true,
		GrantTypeRefreshToken: true,
	},
		all, op.StaticIssuer(base), op.WithAllowInsecure(),
		op.WithLogger(
			slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))))
	if err != nil {
		return nil, err
	}
	back := op.AuthCallbackURL(provider)
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.Handle("/login/username",
		op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				id := r.URL.Query().Get("authRequestID")
				if err := stored.CheckUsernamePassword("test-user2", "verysecure", id); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				http.Redirect(w, r, back(r.Context(), id), http.StatusFound)
			})))
	return mux, nil
}

// zitadelStorage has another key than that of the example.
type zitadelStorage struct {
	*storage.Storage
	key zitadelKey
}

func (s zitadelStorage) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }
func (s zitadelStorage) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{zitadelPublic{s.key}}, nil
}

func (s zitadelStorage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.key.Algorithm()}, nil
}

type zitadelKey struct{ key Key }

func (k zitadelKey) ID() string { return k.key.ID }
func (k zitadelKey) Algorithm() jose.SignatureAlgorithm {
	return jose.SignatureAlgorithm(k.key.Algorithm)
}
func (k zitadelKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.Algorithm() }
func (k zitadelKey) Key() any                                    { return k.key.Signer }
func (zitadelKey) Use() string                                   { return "sig" }

type zitadelPublic struct{ zitadelKey }

func (k zitadelPublic) Key() any { return k.key.Signer.Public() }
