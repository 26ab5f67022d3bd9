package modeltest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// failing are ways to make one method fail: when fails says so, it does nothing
// and answers nil and err.
var failing = map[string]func(a *altered, fails func() bool, err error){
	"GetClient": func(a *altered, fails func() bool, err error) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			if fails() {
				return nil, err
			}
			return a.Model.GetClient(ctx, id, secret)
		}
	},
	"SaveToken": func(a *altered, fails func() bool, err error) {
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			if fails() {
				return nil, err
			}
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	},
	"GetAccessToken": func(a *altered, fails func() bool, err error) {
		a.getAccessToken = failGet(a.Model.GetAccessToken, fails, err)
	},
	"GetRefreshToken": func(a *altered, fails func() bool, err error) {
		a.getRefreshToken = failGet(a.Model.GetRefreshToken, fails, err)
	},
	"GetAuthorizationCode": func(a *altered, fails func() bool, err error) {
		a.getCode = failGet(a.Model.GetAuthorizationCode, fails, err)
	},
	"GetUserFromClient": func(a *altered, fails func() bool, err error) {
		a.getUserFromClient = failGet(a.Model.GetUserFromClient, fails, err)
	},
	"AppendGrant": func(a *altered, fails func() bool, err error) {
		a.appendGrant = failGet(a.Model.AppendGrant, fails, err)
	},
	"RevokeAccessToken": func(a *altered, fails func() bool, err error) {
		a.revokeAccessToken = failDo(a.Model.RevokeAccessToken, fails, err)
	},
	"RevokeToken": func(a *altered, fails func() bool, err error) {
		a.revokeToken = failDo(a.Model.RevokeToken, fails, err)
	},
	"RevokeAuthorizationCode": func(a *altered, fails func() bool, err error) {
		a.revokeCode = failDo(a.Model.RevokeAuthorizationCode, fails, err)
	},
	"RevokeAccessTokens": func(a *altered, fails func() bool, err error) {
		a.revokeAccessTokens = failDo(func(ctx context.Context, digests []string) error {
			return a.Model.RevokeAccessTokens(ctx, digests...)
		}, fails, err)
	},
	"SaveAuthorizationCode": func(a *altered, fails func() bool, err error) {
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			if fails() {
				return nil, err
			}
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
	},
	"GetUser": func(a *altered, fails func() bool, err error) {
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			if fails() {
				return nil, err
			}
			return a.signIn(ctx, name, password)
		}
	},
	"GrantEntries": func(a *altered, fails func() bool, err error) {
		a.grantEntries = func(ctx context.Context, id string, from int) ([]*entry, error) {
			if fails() {
				return []*entry{nil}, err
			}
			return a.Model.GrantEntries(ctx, id, from)
		}
	},
}

func failGet[K, T any](get func(context.Context, K) (*T, error), fails func() bool,
	err error) func(context.Context, K) (*T, error) {
	return func(ctx context.Context, key K) (*T, error) {
		if fails() {
			return nil, err
		}
		return get(ctx, key)
	}
}

func failDo[K any](do func(context.Context, K) error, fails func() bool, err error) func(context.Context, K) error {
	return func(ctx context.Context, key K) error {
		if fails() {
			return err
		}
		return do(ctx, key)
	}
}

// tryAlone tries a rule without the time that it waits.
func tryAlone(t *testing.T, r rule, newFixture FixtureFunc) (err error) {
	synctest.Test(t, func(t *testing.T) { _, err = r.try(t.Context(), newFixture) })
	return err
}

// A method that fails, or answers nil without an error, for good or from some
// call on, is reported, and nothing panics.
func TestMethodsThatFail(t *testing.T) {
	for name, fail := range failing {
		for _, answer := range []error{errFault, nil} {
			t.Run(fmt.Sprintf("%s, %v", name, answer), func(t *testing.T) {
				t.Parallel()
				reported := 0
				for _, from := range []int32{1, 2, 4} {
					for i, r := range rules {
						if testing.Short() && i%4 != int(from)%4 { // a sample, another one for each call
							continue
						}
						if r.last { // it is not tried on models that break others
							continue
						}
						err := tryAlone(t, r, newBroken(defect{breakIt: func(f *Fixture, a *altered) {
							var calls atomic.Int32
							fail(a, func() bool { return calls.Add(1) >= from }, answer)
						}}))
						if err != nil {
							require.ErrorAs(t, err, new(*Violation))
							requireReadable(t, err)
							reported++
						}
					}
				}
				if name != "GetUserFromClient" || answer != nil { // a client may have no user
					require.NotZero(t, reported)
				}
			})
		}
	}
}
