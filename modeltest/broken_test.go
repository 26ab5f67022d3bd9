package modeltest

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// defect is a model that is broken on purpose, and the one rule that must say
// so. f.Model and f.Peer are the same altered model when breakIt is called;
// here is the way around the alterations.
type defect struct {
	name    string
	rule    string
	breakIt func(f *Fixture, a *altered)
}

var errFault = errors.New("driver: something is wrong")

var defects = []defect{
	{"a method in node's spelling", "server-accepts", func(f *Fixture, a *altered) {
		f.Model = struct {
			*altered
			misspelt
		}{a, misspelt{}}
	}},

	{"a client that loses Public", "client-comes-back", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			c, err := a.Model.GetClient(ctx, id, secret)
			if c != nil {
				c.Public = false
			}
			return c, err
		}
	}},
	{"a client that loses its lifetimes", "client-comes-back", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			c, err := a.Model.GetClient(ctx, id, secret)
			if c != nil {
				c.RefreshTokenLifetime = 0
			}
			return c, err
		}
	}},
	{"secrets that are not looked at", "client-wrong-secret", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, _ string) (*client, error) { return a.Model.GetClient(ctx, id, "") }
	}},
	{"secrets that are trimmed", "client-wrong-secret", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			return a.Model.GetClient(ctx, id, strings.TrimSpace(secret))
		}
	}},
	{"a wrong secret that is a fault", "client-wrong-secret", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			c, err := a.Model.GetClient(ctx, id, secret)
			if known, _ := a.Model.GetClient(ctx, id, ""); known != nil && !known.Public && c == nil {
				return nil, errFault
			}
			return c, err
		}
	}},
	{"ids that are trimmed", "client-unknown", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			return a.Model.GetClient(ctx, strings.TrimSpace(id), secret)
		}
	}},
	{"an unknown client that is a fault", "client-unknown", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			c, err := a.Model.GetClient(ctx, id, secret)
			if secret == "" && errors.Is(err, oauth2server.ErrNotFound) {
				return nil, errFault
			}
			return c, err
		}
	}},
	{"a public client with any secret", "client-public-secret", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			if c, err := a.Model.GetClient(ctx, id, ""); err == nil && c.Public {
				return c, nil
			}
			return a.Model.GetClient(ctx, id, secret)
		}
	}},
	{"a client cache with the id as its key", "client-cache", func(f *Fixture, a *altered) {
		var cache sync.Map
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			if c, ok := cache.Load(id); ok && ctx.Err() == nil {
				own := *c.(*client)
				own.RedirectURIs, own.Grants, own.Scope = slices.Clone(own.RedirectURIs),
					slices.Clone(own.Grants), slices.Clone(own.Scope)
				return &own, nil
			}
			c, err := a.Model.GetClient(ctx, id, secret)
			if err == nil {
				kept, _ := a.Model.GetClient(ctx, id, secret)
				cache.Store(id, kept)
			}
			return c, err
		}
	}},
	{"a client cache that remembers failures by id", "client-cache", func(f *Fixture, a *altered) {
		var failed sync.Map
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			if _, ok := failed.Load(id); ok && secret != "" && ctx.Err() == nil {
				return nil, oauth2server.ErrNotFound
			}
			c, err := a.Model.GetClient(ctx, id, secret)
			if errors.Is(err, oauth2server.ErrNotFound) && c == nil && id == f.Clients[1].ID {
				failed.Store(id, true)
			}
			return c, err
		}
	}},
	{"a client that all requests share", "client-copies", func(f *Fixture, a *altered) {
		shared, _ := a.Model.GetClient(context.Background(), f.Clients[0].ID, "")
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			c, err := a.Model.GetClient(ctx, id, secret)
			if err == nil && c.ID == f.Clients[0].ID {
				return shared, nil
			}
			return c, err
		}
	}},

	{"a user whose ID is the name", "user-signs-in", func(f *Fixture, a *altered) {
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			u, err := a.signIn(ctx, name, password)
			if u != nil {
				u.ID = name
			}
			return u, err
		}
	}},
	{"an empty password that signs in", "user-wrong-password", func(f *Fixture, a *altered) {
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			for _, u := range f.Users {
				if u.Username == name && password == "" {
					return &user{ID: u.ID}, nil
				}
			}
			return a.signIn(ctx, name, password)
		}
	}},
	{"a wrong password that is a fault", "user-wrong-password", func(f *Fixture, a *altered) {
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			u, err := a.signIn(ctx, name, password)
			if errors.Is(err, oauth2server.ErrNotFound) {
				return nil, errFault
			}
			return u, err
		}
	}},
	{"a password of which 72 bytes count", "user-long-password", func(f *Fixture, a *altered) {
		first := func(s string) string { return s[:min(len(s), 72)] }
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			for _, u := range f.Users {
				if u.Username == name && first(u.Password) == first(password) && ctx.Err() == nil {
					return &user{ID: u.ID}, nil
				}
			}
			return a.signIn(ctx, name, password)
		}
	}},
	{"a password that ends at a NUL", "user-long-password", func(f *Fixture, a *altered) {
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			until, _, _ := strings.Cut(password, "\x00")
			return a.signIn(ctx, name, until)
		}
	}},
	{"a client that acts as its owner", "user-of-client", func(f *Fixture, a *altered) {
		a.getUserFromClient = func(context.Context, *client) (*user, error) { return &user{ID: f.Users[1].ID}, nil }
	}},

	{"a lost PKCE method", "code-comes-back", func(f *Fixture, a *altered) {
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			return edit(a.Model.GetAuthorizationCode(ctx, text))(func(c *code) { c.CodeChallengeMethod = "" })
		}
	}},
	{"a redirection URI that is lost on the way in", "code-comes-back", func(f *Fixture, a *altered) {
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			c.RedirectURI = ""
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
	}},
	{"an expiry in whole seconds", "code-comes-back", func(f *Fixture, a *altered) {
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			return edit(a.Model.GetAuthorizationCode(ctx,
				text))(func(c *code) { c.ExpiresAt = c.ExpiresAt.Truncate(time.Second) })
		}
	}},
	{"an expired code that lives again", "code-comes-back", func(f *Fixture, a *altered) {
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			return edit(a.Model.GetAuthorizationCode(ctx, text))(func(c *code) {
				if c.ExpiresAt.Before(time.Now()) {
					c.ExpiresAt = time.Now().UTC().Add(time.Minute)
				}
			})
		}
	}},
	{"codes that are trimmed", "code-exact", func(f *Fixture, a *altered) {
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			return a.Model.GetAuthorizationCode(ctx, strings.TrimSpace(text))
		}
	}},
	{"an unknown code that can be revoked", "code-exact", func(f *Fixture, a *altered) {
		a.revokeCode = func(ctx context.Context, c *code) error {
			err := a.Model.RevokeAuthorizationCode(ctx, c)
			if c.Code == "" && ctx.Err() == nil {
				return nil
			}
			return err
		}
	}},
	{"codes that are revoked by client", "code-apart", func(f *Fixture, a *altered) {
		var saved sync.Map
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			saved.Store(c.Code, c.Client.ID)
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
		a.revokeCode = func(ctx context.Context, c *code) error {
			err := a.Model.RevokeAuthorizationCode(ctx, c)
			if err == nil && c.Client.ID == f.Clients[1].ID {
				saved.Range(func(text, client any) bool {
					if client == c.Client.ID {
						a.Model.RevokeAuthorizationCode(ctx, &code{Code: text.(string)})
					}
					return true
				})
			}
			return err
		}
	}},
	{"codes that are all the first client's", "code-apart", func(f *Fixture, a *altered) {
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			return edit(a.Model.GetAuthorizationCode(ctx, text))(func(c *code) { c.Client.ID = f.Clients[0].ID })
		}
	}},
	{"a code that shares its scope with the caller", "code-copies", func(f *Fixture, a *altered) {
		var shared sync.Map
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			shared.Store(c.Code, c.Scope)
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			return edit(a.Model.GetAuthorizationCode(ctx, text))(func(c *code) {
				scope, _ := shared.Load(text)
				c.Scope = scope.(oauth2server.Scope)
			})
		}
	}},
	{"a code gate that looks and then deletes", "code-single-use", func(f *Fixture, a *altered) {
		a.revokeCode = func(ctx context.Context, c *code) error {
			if _, err := a.Model.GetAuthorizationCode(ctx, c.Code); err != nil {
				return err
			}
			hesitate()
			a.Model.RevokeAuthorizationCode(ctx, c)
			return nil
		}
	}},
	{"a code gate with a lock in one process", "code-single-use", func(f *Fixture, a *altered) {
		f.Peer = twoProcesses(a, func(a *altered, lock *sync.Mutex) {
			a.revokeCode = func(ctx context.Context, c *code) error {
				lock.Lock()
				defer lock.Unlock()
				if _, err := a.Model.GetAuthorizationCode(ctx, c.Code); err != nil {
					return err
				}
				hesitate()
				a.Model.RevokeAuthorizationCode(ctx, c)
				return nil
			}
		})
	}},
	{"a code gate that nobody passes", "code-single-use", func(f *Fixture, a *altered) {
		var callers atomic.Int32 // two at once, and the storage rolls both back
		a.revokeCode = func(ctx context.Context, c *code) error {
			defer callers.Add(-1)
			if callers.Add(1) > 1 {
				hesitate()
				return oauth2server.ErrNotFound
			}
			hesitate()
			if callers.Load() > 1 {
				return oauth2server.ErrNotFound
			}
			return a.Model.RevokeAuthorizationCode(ctx, c)
		}
	}},
	{"a loser who is told of a fault", "code-single-use", func(f *Fixture, a *altered) {
		var revoked sync.Map
		a.revokeCode = func(ctx context.Context, c *code) error {
			err := a.Model.RevokeAuthorizationCode(ctx, c)
			if _, was := revoked.Load(c.Code); was {
				return errFault
			}
			if err == nil {
				revoked.Store(c.Code, true)
			}
			return err
		}
	}},
	{"a redirection URI of 255 bytes at most", "code-wide", func(f *Fixture, a *altered) {
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			c.RedirectURI = c.RedirectURI[:min(len(c.RedirectURI), 255)]
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
	}},

	{"an expiry that is dropped", "token-comes-back", func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) { t.AccessTokenExpiresAt = time.Time{} })
		}
	}},
	{"a GrantSeq that is lost on the way in", "token-comes-back", func(f *Fixture, a *altered) {
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			t.GrantSeq = 0
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	}},
	{"a refresh token that loses GrantScope", "token-comes-back", func(f *Fixture, a *altered) {
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetRefreshToken(ctx, text))(func(t *token) { t.GrantScope = nil })
		}
	}},
	{"an expiry in local time", "token-comes-back", func(f *Fixture, a *altered) {
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetRefreshToken(ctx, text))(func(t *token) {
				if !t.RefreshTokenExpiresAt.IsZero() {
					t.RefreshTokenExpiresAt = t.RefreshTokenExpiresAt.In(time.FixedZone("here", 3600))
				}
			})
		}
	}},
	{"another token than was asked for", "token-comes-back", func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) { t.AccessToken = oauth2server.Digest(text) })
		}
	}},
	{"a token without a client", "token-comes-back", func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) { t.Client = nil })
		}
	}},
	{"a unique index on an empty refresh token", "token-alone", func(f *Fixture, a *altered) {
		var empty atomic.Int32
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			if t.RefreshToken == "" && empty.Add(1) > 1 {
				return nil, errFault
			}
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	}},
	{"tokens that are trimmed", "token-exact", func(f *Fixture, a *altered) {
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			return a.Model.GetRefreshToken(ctx, strings.TrimSpace(text))
		}
	}},
	{"one table for both tokens", "token-kinds", func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			if t, err := a.Model.GetRefreshToken(ctx, text); err == nil {
				return t, nil
			}
			return a.Model.GetAccessToken(ctx, text)
		}
	}},
	{"one table for tokens and codes", "token-kinds", func(f *Fixture, a *altered) {
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			if c, err := a.Model.GetAuthorizationCode(ctx, text); err == nil {
				return &token{RefreshToken: text, Client: c.Client, User: c.User}, nil
			}
			return a.Model.GetRefreshToken(ctx, text)
		}
	}},
	{"an access token that RevokeToken revokes", "token-kinds", func(f *Fixture, a *altered) {
		a.revokeToken = func(ctx context.Context, t *token) error {
			if a.Model.RevokeAccessToken(ctx, t.RefreshToken) == nil {
				return nil
			}
			return a.Model.RevokeToken(ctx, t)
		}
	}},
	{"tokens that are all the first client's", "token-apart", func(f *Fixture, a *altered) {
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetRefreshToken(ctx, text))(func(t *token) { t.Client.ID = f.Clients[0].ID })
		}
	}},
	{"refresh tokens that are revoked by user", "token-apart", func(f *Fixture, a *altered) {
		var saved sync.Map
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			saved.Store(t.RefreshToken, t.User.ID)
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
		a.revokeToken = func(ctx context.Context, t *token) error {
			err := a.Model.RevokeToken(ctx, t)
			saved.Range(func(text, user any) bool {
				if err == nil && user == t.User.ID {
					a.Model.RevokeToken(ctx, &token{RefreshToken: text.(string)})
				}
				return true
			})
			return err
		}
	}},
	{"a token that shares its attributes with the caller", "token-copies", func(f *Fixture, a *altered) {
		var shared sync.Map
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) {
				extra, _ := shared.LoadOrStore(text, t.Extra)
				t.Extra = extra.(map[string]any)
			})
		}
	}},
	{"a scope of 255 bytes at most", "token-wide", func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			return edit(a.Model.GetAccessToken(ctx, text))(func(t *token) {
				if scope := t.Scope.String(); len(scope) > 255 {
					t.Scope = strings.Fields(scope[:255])
				}
			})
		}
	}},
	{"a refresh token gate that looks and then deletes", "refresh-single-use", func(f *Fixture, a *altered) {
		a.revokeToken = func(ctx context.Context, t *token) error {
			if _, err := a.Model.GetRefreshToken(ctx, t.RefreshToken); err != nil {
				return err
			}
			hesitate()
			a.Model.RevokeToken(ctx, t)
			return nil
		}
	}},
	{"a refresh token that can be revoked for ever", "refresh-single-use", func(f *Fixture, a *altered) {
		var revoked sync.Map
		a.revokeToken = func(ctx context.Context, t *token) error {
			err := a.Model.RevokeToken(ctx, t)
			if err == nil {
				revoked.Store(t.RefreshToken, true)
			}
			if _, was := revoked.Load(t.RefreshToken); was && ctx.Err() == nil {
				return nil
			}
			return err
		}
	}},
	{"an access token that outlives its revocation", "access-revoked", func(f *Fixture, a *altered) {
		var revoked sync.Map
		a.revokeAccessToken = func(ctx context.Context, text string) error {
			_, err := a.Model.GetAccessToken(ctx, text)
			if _, twice := revoked.LoadOrStore(text, true); err == nil && twice {
				return oauth2server.ErrNotFound
			}
			return err
		}
	}},
	{"an unknown access token that can be revoked", "access-revoked", func(f *Fixture, a *altered) {
		a.revokeAccessToken = func(ctx context.Context, text string) error {
			if err := a.Model.RevokeAccessToken(ctx, text); !errors.Is(err, oauth2server.ErrNotFound) {
				return err
			}
			return nil
		}
	}},
}

// misspelt has a method in node's spelling.
type misspelt struct{}

func (misspelt) ValidateRedirectUri(context.Context, string, *client) (bool, error) { return true, nil }

// edit changes what a lookup found.
func edit[T any](found *T, err error) func(func(*T)) (*T, error) {
	return func(change func(*T)) (*T, error) {
		if err == nil {
			change(found)
		}
		return found, err
	}
}

// hesitate lets others run between a look and a deed.
func hesitate() {
	for range 100 {
		runtime.Gosched()
	}
}

// twoProcesses alters a, and another model on the same storage, each with a
// lock of its own; it returns the other.
func twoProcesses(a *altered, alter func(a *altered, lock *sync.Mutex)) *altered {
	peer := &altered{Model: a.Model, users: a.users}
	alter(a, new(sync.Mutex))
	alter(peer, new(sync.Mutex))
	return peer
}

// newBroken makes the fixture of a defect.
func newBroken(d defect) FixtureFunc {
	return func(ctx context.Context) (*Fixture, error) {
		f, m, err := memoryOf()
		a := &altered{Model: m, users: f.Users}
		f.Model, f.Peer = a, a
		d.breakIt(f, a)
		return f, err
	}
}

// allDefects are those of all files.
var allDefects = slices.Concat(defects, extraDefects, logDefects, expiryDefects, recordDefects)

// check is Check without the time that a rule waits.
func check(t *testing.T, newFixture FixtureFunc) (err error) {
	synctest.Test(t, func(t *testing.T) { err = Check(t.Context(), newFixture) })
	return err
}

// garbled is what a message has whose arguments are not those of its format, or
// whose parts do not fit together.
var garbled = regexp.MustCompile(`%!|[,:;.] ?[,:;]|\.\.\.|^ |  `)

func requireReadable(t *testing.T, err error) {
	t.Helper()
	for seen := range strings.Lines(err.Error()) {
		_, seen, found := strings.Cut(seen, " is broken: ")
		require.False(t, found && garbled.MatchString(seen), seen)
	}
}

func TestEachDefectIsCaughtByItsRule(t *testing.T) {
	caught := map[string]bool{}
	for _, d := range allDefects {
		caught[d.rule] = true
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() { // whether other rules say it too is left out
				i := slices.IndexFunc(rules, func(r rule) bool { return r.name == d.rule })
				err := tryAlone(t, rules[i], newBroken(d))
				require.ErrorAs(t, err, new(*Violation))
				requireReadable(t, err)
				return
			}
			err := check(t, newBroken(d))
			require.Error(t, err)
			var rules []string
			for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
				var v *Violation
				require.ErrorAs(t, err, &v)
				rules = append(rules, v.Rule)
			}
			require.Equal(t, []string{d.rule}, rules, err)
			requireReadable(t, err)
			t.Log(err)
		})
	}
	for _, r := range rules {
		require.True(t, caught[r.name], "no model breaks %s", r.name)
	}
}
