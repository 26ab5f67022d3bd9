// This file tests users.

package registrytest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// foreignHash is PHP's bcrypt hash of "pass word".
const foreignHash = "$2y$05$WMmKbhSYxUnEth3XcvFr2u21QwqdDhSgxlpuvdmM59a05DmkL/Gwq"

// Users are registered and changed; their names and passwords are prepared by
// RFC 8265.
func Users(t *testing.T, m Fixture) {
	ctx := t.Context()
	signsIn := func(name, password string) string {
		u, err := m.Peer.GetUser(ctx, name, password, nil)
		if err != nil {
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
			return ""
		}
		return u.ID
	}
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u1"}, "andy", "a password"))
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u2"}, "zoe\u0308 lee", "pa\u0308ss\u00a0word"))
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u3"}, "Andy", "a password"), "case is kept and significant")
	for _, name := range []string{"zoe\u0308 lee", "zo\u00eb lee", "zo\u00eb \uff4cee"} {
		for _, password := range []string{"pa\u0308ss\u00a0word", "p\u00e4ss word"} {
			require.Equal(t, "u2", signsIn(name, password), name)
		}
		require.Empty(t, signsIn(name, "pass word"))
	}
	require.Equal(t, "u1", signsIn("\uff41ndy", "a password"))
	require.Equal(t, "u3", signsIn("Andy", "a password"))
	require.Empty(t, signsIn("an\ndy", "a password"))
	require.Empty(t, signsIn("\xff", "\xff"))

	u1, u9 := &oauth2server.User{ID: "u1"}, &oauth2server.User{ID: "u9"}
	aClients := &oauth2server.User{ID: "client:web"}
	for name, act := range map[string]func() error{
		"ID":                    func() error { return m.AddUser(u1, "bert", "p") },
		"name":                  func() error { return m.AddUser(u9, "andy", "p") },
		"name, typed wide":      func() error { return m.AddUser(u9, "\uff41ndy", "p") },
		"name, composed":        func() error { return m.AddUser(u9, "zo\u00eb lee", "p") },
		"hash, name":            func() error { return m.AddUserHash(ctx, u9, "andy", foreignHash) },
		"hash, ID":              func() error { return m.AddUserHash(ctx, u1, "bert", foreignHash) },
		"name, by which update": func() error { return m.taken(t, m.UpdateUser(ctx, u1, "zo\u00eb lee")) },
	} {
		require.ErrorIs(t, act(), oauth2server.ErrExists, name)
	}
	for name, act := range map[string]func() error{
		"add, nil":          func() error { return m.AddUser(nil, "bert", "p") },
		"add, no password":  func() error { return m.AddUser(u9, "bert", "") },
		"add, two lines":    func() error { return m.AddUser(u9, "bert", "two\nlines") },
		"add, emoji":        func() error { return m.AddUser(u9, "\U0001F98A", "p") },
		"add, of a client":  func() error { return m.AddUser(aClients, "bert", "p") },
		"hash, nil":         func() error { return m.AddUserHash(ctx, nil, "bert", foreignHash) },
		"hash, unknown":     func() error { return m.AddUserHash(ctx, u9, "bert", "5f4dcc3b5aa765d6") },
		"hash, of a client": func() error { return m.AddUserHash(ctx, aClients, "bert", foreignHash) },
		"update, nil":       func() error { return m.UpdateUser(ctx, nil, "bert") },
		"update, no name":   func() error { return m.UpdateUser(ctx, u1, "") },
		"update, emoji":     func() error { return m.UpdateUser(ctx, u1, "\U0001F98A") },
		"password, none":    func() error { return m.SetPassword(ctx, "u1", "") },
		"password, bad":     func() error { return m.SetPassword(ctx, "u1", "\xff") },
	} {
		require.ErrorIs(t, act(), oauth2server.InvalidArgument, name)
	}
	for name, act := range map[string]func() error{
		"update":   func() error { return m.UpdateUser(ctx, u9, "bert") },
		"password": func() error { return m.SetPassword(ctx, "u9", "p") },
		"by ID":    func() error { _, err := m.UserByID(ctx, "u9"); return err },
	} {
		require.ErrorIs(t, act(), oauth2server.ErrNotFound, name)
	}

	require.NoError(t, m.UpdateUser(ctx, u1, "andrew"))
	require.Empty(t, signsIn("andy", "a password"))
	require.Equal(t, "u1", signsIn("andrew", "a password"))
	require.NoError(t, m.UpdateUser(ctx, u1, "andrew"), "the same name")
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u4"}, "andy", "p"), "the name is free")
	require.NoError(t, m.SetPassword(ctx, "u1", "another"))
	require.Empty(t, signsIn("andrew", "a password"))
	require.Equal(t, "u1", signsIn("andrew", "another"))

	require.NoError(t, m.DeleteUser(ctx, "u1"))
	require.Empty(t, signsIn("andrew", "another"))
	_, err := m.Peer.UserByID(ctx, "u1")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	require.NoError(t, m.DeleteUser(ctx, "u1"), "deleting a missing user is no error")
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u1"}, "andrew", "p"))
	require.Equal(t, "u1", signsIn("andrew", "p"))
}

// Hashes: users imported with a hash sign in over HTTP, and then have a hash of
// the model's own.
func Hashes(t *testing.T, m Fixture) {
	hashes := map[string]string{
		"php":    foreignHash,
		"python": "$2b$05$dRyBfYlZ5XCivfXuROxQIeEwrhjyoHyWOyN1JMXOoggg5SddCrAUy",
		"older":  "$2a$05$3PE/BewGTeXwEPpVylcHbemDQcNS8XJZz6NQEEVsCvvOjaCPCh2j6",
		"argon":  "$argon2id$v=19$m=256,t=2,p=2$tyn4Rg7hTx/ObGeLHfUMPA$6T1O3Somw8wS/h+81d138w",
		"scrypt": "$scrypt$ln=4,r=8,p=1$U0FMVFNBTFRTQUxUU0FMVA$2AuX2iG4qfh8yqhCzcsdB/6ILLCjOF8DtM2wh1v5PNk",
	}
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "web", Grants: []string{"password"}}, secret+"web"))
	endpoint := tokenEndpoint(t, m.Peer)
	for name, hash := range hashes {
		require.NoError(t, m.AddUserHash(t.Context(), &oauth2server.User{ID: name}, name, hash))
		signIn := func(password string) int {
			return endpoint(secret+"web", "grant_type", "password", "username", name, "password", password)
		}
		require.Equal(t, 400, signIn("another"), name)
		require.Equal(t, 200, signIn("pass word"), name)
		require.Equal(t, 200, signIn("pass word"), "%s, with the hash that is there now", name)
		require.Equal(t, 400, signIn("another"), name)
		require.Equal(t, 400, signIn(hash), name)
	}
}

// RehashAtOnce: several first sign-ins at once all succeed.
func RehashAtOnce(t *testing.T, m Fixture) {
	require.NoError(t, m.AddUserHash(t.Context(), &oauth2server.User{ID: "u1"}, "andy", foreignHash))
	var wg sync.WaitGroup
	var in atomic.Int32
	for range 8 {
		wg.Go(func() {
			if _, err := m.GetUser(t.Context(), "andy", "pass word", nil); err == nil {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 8, in.Load())
}
