package mongomodel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// attempts are the methods that find or end something, on something that is not there.
func attempts(m *mongomodel.Model) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"GetClient": func(ctx context.Context) error { return second(m.GetClient(ctx, "x", "")) },
		"GetClient with a secret": func(ctx context.Context) error {
			return second(m.GetClient(ctx, "web",
				secret+"x"))
		},
		"GetUser":                 func(ctx context.Context) error { return second(m.GetUser(ctx, "x", "p", nil)) },
		"GetUser with a password": func(ctx context.Context) error { return second(m.GetUser(ctx, "andy", "p", nil)) },
		"UserByID":                func(ctx context.Context) error { return second(m.UserByID(ctx, "x")) },
		"GetAccessToken":          func(ctx context.Context) error { return second(m.GetAccessToken(ctx, "x")) },
		"GetRefreshToken":         func(ctx context.Context) error { return second(m.GetRefreshToken(ctx, "x")) },
		"GetAuthorizationCode":    func(ctx context.Context) error { return second(m.GetAuthorizationCode(ctx, "x")) },
		"RevokeAccessToken":       func(ctx context.Context) error { return m.RevokeAccessToken(ctx, "x") },
		"RevokeToken": func(ctx context.Context) error {
			return m.RevokeToken(ctx,
				&oauth2server.Token{RefreshToken: "x"})
		},
		"RevokeAuthorizationCode": func(ctx context.Context) error {
			return m.RevokeAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "x"})
		},
		"UpdateClient": func(ctx context.Context) error {
			return m.UpdateClient(ctx,
				&oauth2server.Client{ID: "x"})
		},
		"SetClientSecret": func(ctx context.Context) error { return m.SetClientSecret(ctx, "x", secret) },
		"RotateClientSecret": func(ctx context.Context) error {
			return m.RotateClientSecret(ctx, "x", secret, time.Hour)
		},
		"DeleteClient": func(ctx context.Context) error { return m.DeleteClient(ctx, "x") },
		"UpdateUser":   func(ctx context.Context) error { return m.UpdateUser(ctx, &oauth2server.User{ID: "x"}, "n") },
		"SetPassword":  func(ctx context.Context) error { return m.SetPassword(ctx, "x", "p") },
	}
}

// others are the methods that cannot answer that there is no such thing.
func others(m *mongomodel.Model) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"SaveToken": func(ctx context.Context) error {
			return second(m.SaveToken(ctx, &oauth2server.Token{AccessToken: "x"}, nil, nil))
		},
		"SaveAuthorizationCode": func(ctx context.Context) error {
			return second(m.SaveAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "x"}, nil, nil))
		},
		"AppendGrant": func(ctx context.Context) error {
			return second(m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "x", Seq: 1}))
		},
		"GrantEntries":       func(ctx context.Context) error { return second(m.GrantEntries(ctx, "x", 1)) },
		"RevokeAccessTokens": func(ctx context.Context) error { return m.RevokeAccessTokens(ctx, "x") },
		"RevokeUser":         func(ctx context.Context) error { return m.RevokeUser(ctx, "x") },
		"DeleteUser":         func(ctx context.Context) error { return m.DeleteUser(ctx, "x") },
		"AddClient": func(ctx context.Context) error {
			return m.AddClient(ctx,
				&oauth2server.Client{ID: "x"}, secret)
		},
		"AddUser": func(ctx context.Context) error {
			return m.AddUser(ctx,
				&oauth2server.User{ID: "x"}, "x", "p")
		},
		"AddUserHash": func(ctx context.Context) error {
			return m.AddUserHash(ctx, &oauth2server.User{ID: "y"}, "y", foreignHash)
		},
		"ListClients":   func(ctx context.Context) error { return second(m.ListClients(ctx, "", 0)) },
		"ListUsers":     func(ctx context.Context) error { return second(m.ListUsers(ctx, "", 0)) },
		"EnsureIndexes": func(ctx context.Context) error { return m.EnsureIndexes(ctx) },
		"DeleteExpired": func(ctx context.Context) error { return second(m.DeleteExpired(ctx)) },
	}
}

// foreignHash is bcrypt's of "pass word", by PHP.
const foreignHash = "$2y$05$WMmKbhSYxUnEth3XcvFr2u21QwqdDhSgxlpuvdmM59a05DmkL/Gwq"

func second[T any](_ T, err error) error { return err }

func TestNotFoundAndFaultsAreApart(t *testing.T) {
	_, m := start(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	down := mongomodel.New(mongotest.Connect(t, "mongodb://127.0.0.1:1/",
		options.Client().SetServerSelectionTimeout(50*time.Millisecond)).Database("d"), nil)
	faults := func(name string, attempt, toNobody func(context.Context) error) {
		require.ErrorIs(t, attempt(cancelled), context.Canceled, name)
		require.NotErrorIs(t, attempt(cancelled), oauth2server.ErrNotFound, name)
		require.ErrorIs(t, attempt(late), context.DeadlineExceeded, name)
		err := toNobody(t.Context())
		require.Error(t, err, name)
		require.NotErrorIs(t, err, oauth2server.ErrNotFound, name)
		require.ErrorContains(t, err, "mongomodel: ", name)
	}
	for name, attempt := range attempts(m) {
		require.ErrorIs(t, attempt(t.Context()), oauth2server.ErrNotFound, name)
		faults(name, attempt, attempts(down)[name])
	}
	for name, attempt := range others(m) {
		faults(name, attempt, others(down)[name])
		require.NoError(t, attempt(t.Context()), name)
	}
	_, err := m.GetUserFromClient(cancelled, &oauth2server.Client{})
	require.ErrorIs(t, err, context.Canceled)
}

// Who writes an operator into a parameter asks for something that has that name.
func TestValuesAreNoOperators(t *testing.T) {
	ctx := t.Context()
	var sent recorder
	m := newModel(t, mongotest.Database(t, sent.options()))
	for _, value := range []string{`{"$ne":""}`, `{"$gt":""}`, "$where", "web\x00", "\xff", "/./", ""} {
		for name, err := range map[string]error{
			"client":  second(m.GetClient(ctx, value, "")),
			"secret":  second(m.GetClient(ctx, "web", value)),
			"user":    second(m.GetUser(ctx, value, "a password", nil)),
			"access":  second(m.GetAccessToken(ctx, value)),
			"refresh": second(m.GetRefreshToken(ctx, value)),
			"code":    second(m.GetAuthorizationCode(ctx, value)),
		} {
			if name != "secret" || value != "" { // "" only looks the client up
				require.ErrorIs(t, err, oauth2server.ErrNotFound, "%s %q", name, value)
			}
		}
	}
	sent.take()
	require.ErrorIs(t, second(m.GetClient(ctx, "\xff", "")), oauth2server.ErrNotFound)
	require.Empty(t, sent.take(), "BSON cannot say it, so nobody is asked")
}

// The context may end while the answer is on its way.
func TestWhoGaveUpIsToldSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, direct := start(t)
	require.ErrorIs(t, second(direct.GetClient(ctx, "x", "")), oauth2server.ErrNotFound)
	client := options.Client().SetMonitor(&event.CommandMonitor{Succeeded: func(context.Context,
		*event.CommandSucceededEvent) {
		cancel()
	}})
	m := mongomodel.New(mongotest.Database(t, client), nil)
	err := second(m.GetClient(ctx, "x", ""))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
}
