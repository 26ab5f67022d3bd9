package modeltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// missing says which rules are skipped for a fixture, and for want of what.
func missing(t *testing.T, newFixture FixtureFunc) map[string]string {
	all := map[string]string{}
	synctest.Test(t, func(t *testing.T) {
		for _, r := range rules {
			lacks, err := r.try(t.Context(), newFixture)
			require.NoError(t, err, r.name)
			if lacks != "" {
				all[r.name] = lacks
			}
		}
	})
	return all
}

// Interfaces of one method each: New takes a model in a field for one that is hidden.
type (
	clientGetter interface {
		GetClient(ctx context.Context, id, secret string) (*client, error)
	}
	tokenSaver interface {
		SaveToken(ctx context.Context, t *token, c *client, u *user) (*token, error)
	}
)

// bare is a Model and nothing else.
type bare struct {
	clientGetter
	tokenSaver
}

// nodes has the methods that node-oauth2-server has, and no more.
type nodes struct {
	bare
	oauth2server.AuthorizationCodeModel
	oauth2server.RefreshTokenModel
	get func(ctx context.Context, text string) (*token, error)
}

func (n nodes) GetAccessToken(ctx context.Context, text string) (*token, error) {
	return n.get(ctx, text)
}

// layer shows what it wraps and hides nothing.
type layer struct{ inner oauth2server.Model }

func (l layer) GetClient(ctx context.Context, id, secret string) (*client, error) {
	return l.inner.GetClient(ctx, id, secret)
}
func (l layer) SaveToken(ctx context.Context, t *token, c *client, u *user) (*token, error) {
	return l.inner.SaveToken(ctx, t, c, u)
}
func (l layer) Unwrap() oauth2server.Model { return l.inner }

// guard is a layer that knows about access tokens only.
type guard struct {
	clientGetter
	tokenSaver
	inner oauth2server.AccessTokenModel
}

func (g guard) Unwrap() oauth2server.AccessTokenModel { return g.inner }

// whole is the model in memory with users who sign in fast.
var whole = newBroken(defect{breakIt: func(*Fixture, *altered) {}})

// over puts a model made of the whole one in its place.
func over(wrap func(m *altered) oauth2server.Model) FixtureFunc {
	return newBroken(defect{breakIt: func(f *Fixture, a *altered) {
		f.Model = wrap(a)
		f.Peer = f.Model
	}})
}

func TestWhatIsMissingIsSkippedByName(t *testing.T) {
	one := map[string]string{"record-comes-back": "RecordModel", "record-once": "RecordModel",
		"generated": generators.name}
	require.Equal(t, one, missing(t, whole))

	for name, wrap := range map[string]func(m *altered) oauth2server.Model{
		"a layer":                 func(m *altered) oauth2server.Model { return layer{m} },
		"layers":                  func(m *altered) oauth2server.Model { return layer{layer{m}} },
		"a layer of another kind": func(m *altered) oauth2server.Model { return guard{m, m, m} },
	} {
		require.Equal(t, one, missing(t, over(wrap)), name)
	}

	least := missing(t, func(ctx context.Context) (*Fixture, error) {
		f, m, err := memoryOf()
		f.Model, f.Peer, f.Dump, f.Public = bare{m, m}, nil, nil, nil
		return f, err
	})
	for rule, lacks := range map[string]string{
		"client-public-secret": "Fixture.Public", "peer-sees-writes": "Fixture.Peer", "clear-text": "Fixture.Dump",
		"user-signs-in": passwords.name, "user-of-client": "ClientCredentialsModel",
		"code-single-use":    "AuthorizationCodeModel",
		"refresh-single-use": "RefreshTokenModel", "access-revoked": "AccessTokenModel",
		"log-race": "GrantLog", "flow": "AuthorizationCodeModel",
	} {
		require.Equal(t, lacks, least[rule], rule)
	}
	require.NotContains(t, least, "client-cache")
	require.NotContains(t, least, "hostile")

	nodes := missing(t, over(func(m *altered) oauth2server.Model {
		return nodes{bare{m, m}, m, m, m.GetAccessToken}
	}))
	require.Equal(t, "GrantLog", nodes["log-race"])
	require.NotContains(t, nodes, "flow")
	require.NotContains(t, nodes, "token-comes-back")
	require.NotContains(t, nodes, "peer-sees-revocation")

	noPasswords := missing(t, func(ctx context.Context) (*Fixture, error) {
		f, err := whole(ctx)
		f.Users[1].Password = ""
		return f, err
	})
	require.Equal(t, passwords.name, noPasswords["user-signs-in"])
	require.NotContains(t, noPasswords, "clear-text")
}

// A layer that wraps itself does not end.
func TestLayersEnd(t *testing.T) {
	m := &endless{}
	require.Nil(t, outermost[oauth2server.GrantLog](m))
}

type endless struct{ bare }

func (e *endless) Unwrap() oauth2server.Model { return e }

func TestFixtures(t *testing.T) {
	for name, spoil := range map[string]func(f *Fixture) *Fixture{
		"it is nil":    func(*Fixture) *Fixture { return nil },
		"Model is nil": func(f *Fixture) *Fixture { f.Model = nil; return f },
		"Users must be two, each with an ID": func(f *Fixture) *Fixture {
			f.Users[1].ID = f.Users[0].ID
			return f
		},
		"Clients[1] must be a confidential client with an ID and a Secret": func(f *Fixture) *Fixture {
			f.Clients[1].Client = f.Public
			return f
		},
		"Clients must be two": func(f *Fixture) *Fixture {
			f.Clients[1] = f.Clients[0]
			return f
		},
		"Public must be a public client": func(f *Fixture) *Fixture {
			f.Public = f.Clients[0].Client
			return f
		},
		"Peer has other methods than Model": func(f *Fixture) *Fixture {
			f.Peer = bare{f.Model, f.Model}
			return f
		},
		"Close of the fixture: driver": func(f *Fixture) *Fixture {
			f.Close = func() error { return errFault }
			return f
		},
	} {
		err := check(t, func(context.Context) (*Fixture, error) {
			f, _, err := memoryOf()
			return spoil(f), err
		})
		require.ErrorContains(t, err, "modeltest: ")
		require.ErrorContains(t, err, name)
		require.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), 1, "a fixture is tried once")
	}

	require.ErrorIs(t, Check(t.Context(), func(context.Context) (*Fixture, error) { return nil, errFault }), errFault)

	var open atomic.Int32
	require.NoError(t, check(t, func(ctx context.Context) (*Fixture, error) {
		f, err := whole(ctx)
		open.Add(1)
		f.Close = func() error { open.Add(-1); return nil }
		return f, err
	}))
	require.Zero(t, open.Load())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Check(ctx, memory), context.Canceled)
}

func TestSamplesShareNothing(t *testing.T) {
	a, b := Sample(), Sample()
	require.NotEqual(t, a.Clients[0].ID, b.Clients[0].ID)
	require.NotEqual(t, a.Clients[0].Secret, b.Clients[0].Secret)
	require.NotEqual(t, a.Public.ID, b.Public.ID)
	for i := range a.Users {
		require.NotEqual(t, a.Users[i].ID, b.Users[i].ID)
		require.NotEqual(t, a.Users[i].Username, b.Users[i].Username)
		require.NotEqual(t, a.Users[i].Password, b.Users[i].Password)
	}
}

// A storage that fails when many want the same thing is slow, not wrong: nobody
// is told that he won who did not.
func TestFaultsUnderLoadAreNoViolation(t *testing.T) {
	var busy sync.Map
	alone := func(what string) (ok bool, leave func()) {
		callers, _ := busy.LoadOrStore(what, new(atomic.Int32))
		ok = callers.(*atomic.Int32).Add(1) == 1
		hesitate()
		return ok && callers.(*atomic.Int32).Load() == 1, func() { callers.(*atomic.Int32).Add(-1) }
	}
	require.NoError(t, check(t, newBroken(defect{breakIt: func(f *Fixture, a *altered) {
		a.revokeCode = func(ctx context.Context, c *code) error {
			ok, leave := alone(c.Code)
			defer leave()
			if !ok {
				return errFault
			}
			return a.Model.RevokeAuthorizationCode(ctx, c)
		}
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			ok, leave := alone(e.GrantID)
			defer leave()
			if !ok {
				return nil, errFault
			}
			return a.Model.AppendGrant(ctx, e)
		}
	}})))
}

// What a model may do as well: forget what has expired, leave out the strings
// it does not store, generate nothing.
func TestWhatAModelMayDo(t *testing.T) {
	require.NoError(t, check(t, newBroken(defect{breakIt: func(f *Fixture, a *altered) {
		generatorOf(f, a, "")
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			found, err := edit(a.Model.GetAuthorizationCode(ctx, text))(func(c *code) { c.Code = "" })
			if err == nil && found.ExpiresAt.Before(time.Now()) {
				return nil, nil
			}
			return found, err
		}
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			found, err := edit(a.Model.GetAccessToken(ctx, text))(func(t *token) {
				t.AccessToken,
					t.RefreshTokenExpiresAt = "", time.Time{}
			})
			if err == nil && found.AccessTokenExpiresAt.Before(time.Now()) {
				return nil, fmt.Errorf("tokens: %w", oauth2server.ErrNotFound)
			}
			return found, err
		}
		a.getUserFromClient = func(context.Context, *client) (*user, error) { return nil, oauth2server.ErrNotFound }
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			there, err := a.Model.AppendGrant(ctx, e)
			if errors.Is(err, oauth2server.ErrExists) && there.Nonce == e.Nonce {
				return nil, nil
			}
			return there, err
		}
	}})))
}

const asked = "MODELTEST_RUN"

// TestRunOfABrokenModel fails, when it is asked to by TestRun.
func TestRunOfABrokenModel(t *testing.T) {
	if os.Getenv(asked) == "" {
		t.Skip("it is for TestRun")
	}
	Run(t, newBroken(defect{breakIt: func(f *Fixture, a *altered) {
		f.Peer = nil
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			return edit(a.Model.GetAuthorizationCode(ctx, text))(func(c *code) { c.CodeChallengeMethod = "" })
		}
	}}))
	Run(t, func(context.Context) (*Fixture, error) { return nil, errors.New("no storage today") })
}

func TestRun(t *testing.T) {
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunOfABrokenModel$", "-test.v")
	command.Env = append(os.Environ(), asked+"=1")
	out, err := command.CombinedOutput()
	require.Error(t, err)
	text := string(out)
	require.Contains(t, text, "--- FAIL: TestRunOfABrokenModel/code-comes-back ")
	require.Contains(t, text, `rule code-comes-back is broken: GetAuthorizationCode of a code: CodeChallengeMethod is "", want "S256"`)
	require.Contains(t, text, "why it is a rule: what the owner granted")
	require.Contains(t, text, "what it does:     a lost challenge")
	require.Contains(t, text, "needs Fixture.Peer")
	require.Contains(t, text, "--- SKIP: TestRunOfABrokenModel/flow ")
	require.Contains(t, text, "other rules are broken")
	require.Contains(t, text, "--- PASS: TestRunOfABrokenModel/log-race ")
	require.Equal(t, 1, strings.Count(text, "no storage today"))
	require.Contains(t, text, "there is no fixture")
}
