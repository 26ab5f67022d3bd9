package oauth2server_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/modeltest"
)

// hooked is the model of a program that narrows scopes and removes write.
type hooked struct{ target }

func (m hooked) Unwrap() oauth2server.Model { return m.target }

func (hooked) ValidateScope(
	_ context.Context, _ *oauth2server.User, _ *oauth2server.Client, scope oauth2server.Scope,
) (oauth2server.Scope, error) {
	return readByDefault(nil, scope)
}

func (hooked) VerifyScope(_ context.Context, _ *oauth2server.Token, scope oauth2server.Scope) (bool, error) {
	return !scope.Contains("write"), nil
}

// decorated has its own GetClient, and the rest from a field.
type decorated struct {
	oauth2server.AccessTokenModel
	inner oauth2server.Model
}

func (m decorated) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	return m.inner.GetClient(ctx, id, secret)
}

func (m decorated) SaveToken(
	ctx context.Context, t *oauth2server.Token, c *oauth2server.Client, u *oauth2server.User,
) (*oauth2server.Token, error) {
	return m.inner.SaveToken(ctx, t, c, u)
}

type transparent struct{ oauth2server.Model }

func (m transparent) Unwrap() oauth2server.Model { return m.Model }

// A decorator hides the scope check of the model inside it (lost interfaces).
func TestAttack_LostInterfaces(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		inner := hooked{model}
		type layer struct{ oauth2server.Model }
		for name, model := range map[string]oauth2server.Model{
			"an embedded interface":           layer{inner},
			"a pointer to one":                &layer{inner},
			"an embedded wider interface":     struct{ target }{inner},
			"one embedded in what is":         struct{ layer }{layer{inner}},
			"a field":                         decorated{inner: inner},
			"an embedded model for resources": decorated{AccessTokenModel: inner, inner: inner},
			"under one that shows it":         transparent{layer{inner}},
		} {
			_, err := oauth2server.New(model, nil)
			require.ErrorIs(t, err, oauth2server.InvalidArgument, name)
			require.ErrorContains(t, err, "add a method Unwrap() oauth2server.Model", name)
		}
		_, err := oauth2server.NewResourceServer(struct{ oauth2server.AccessTokenModel }{inner}, nil)
		require.ErrorIs(t, err, oauth2server.InvalidArgument)
		_, err = oauth2server.NewResourceServer(layerOfTokens{inner}, nil)
		require.ErrorIs(t, err, oauth2server.InvalidArgument)

		s := newSite(t, transparent{transparent{inner}}, nil, nil)
		token := s.token("machine", "grant_type", "client_credentials")
		require.Equal(t, "read", token.str("scope"), "ValidateScope is found through Unwrap")
		token = s.token("machine", "grant_type", "client_credentials", "scope", "read write")
		require.Equal(t, 403, s.get("/api/write", "Authorization", "Bearer "+
			token.str("access_token")).StatusCode, "and so is VerifyScope")
	})
}

type layerOfTokens struct{ tokens oauth2server.AccessTokenModel }

func (m layerOfTokens) GetAccessToken(ctx context.Context, token string) (*oauth2server.Token, error) {
	return m.tokens.GetAccessToken(ctx, token)
}

// caching caches clients by their ID.
type caching struct {
	target
	clients *sync.Map
}

func (m caching) Unwrap() oauth2server.Model { return m.target }

func (m caching) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if c, ok := m.clients.Load(id); ok {
		known := c.(oauth2server.Client)
		return &known, nil
	}
	c, err := m.target.GetClient(ctx, id, secret)
	if err == nil {
		m.clients.Store(id, *c)
	}
	return c, err
}

// A client that was looked up is taken for one that authenticated (caching
// decorator). The server always passes the secret, and modeltest reports the
// broken cache.
func TestAttack_CachingDecorator(t *testing.T) {
	onEachModel(t, func(t *testing.T, model target) {
		// The server cannot prevent this: it is what happens with a model that
		// is not tested.
		s := newSite(t, caching{model, &sync.Map{}}, nil, nil)
		wrong := form("grant_type", "client_credentials", "client_id", "web", "client_secret", "made-up")
		requireError(t, s.post("/token", wrong), 400, "invalid_client")
		s.authorize()
		require.Equal(t, 200, s.post("/token", wrong).StatusCode)

		enough, fixtures := errors.New("the rules about clients come first"), 0
		err := modeltest.Check(t.Context(), func(ctx context.Context) (*modeltest.Fixture, error) {
			if fixtures++; fixtures > 7 {
				return nil, enough
			}
			f := modeltest.Sample()
			f.Model = caching{model, &sync.Map{}}
			for _, c := range f.Clients {
				if err := addClient(t, model, *c.Client, c.Secret); err != nil {
					return nil, err
				}
			}
			return f, addClient(t, model, *f.Public, "")
		})
		require.ErrorIs(t, err, enough)
		var violation *modeltest.Violation
		require.ErrorAs(t, err, &violation)
		require.Equal(t, "client-cache", violation.Rule)
	})
}
