// This file tests registration, listing and revocation.

package redismodel_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/modeltest"
	"github.com/seed-11d18166/oauth2server/redismodel"
)

// hashed is a bcrypt hash of "a long password".
const hashed = "$2a$04$fLsDG7eHqGibMKJdo77Kzu.PjipyapReydnjZjnL1UxVyzwBZwj0K"

func clientNamed(id string) *oauth2server.Client {
	return &oauth2server.Client{ID: id, RedirectURIs: []string{callback}, Scope: oauth2server.Scope{"read"},
		Grants: []string{"authorization_code", "refresh_token"}}
}

func TestClients(t *testing.T) {
	s := start(t, 0)
	ctx := t.Context()
	m := redismodel.New(s.client(t, nil), options())
	secret, other := rand.Text(), rand.Text()
	c := clientNamed("b{}b")
	c.Data, c.AccessTokenLifetime, c.SelfAsserted, c.Name = map[string]int{"a": 1}, time.Minute, true, "B"
	require.NoError(t, m.AddClient(ctx, c, secret))
	require.ErrorIs(t, m.AddClient(ctx, c, other), oauth2server.ErrExists)
	require.Error(t, m.AddClient(ctx, clientNamed("weak"), "short"))
	found, err := m.GetClient(ctx, c.ID, secret)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":1}`, fmt.Sprintf("%s", found.Data))
	found.Data = c.Data
	require.Equal(t, c, found)

	require.NoError(t, m.RotateClientSecret(ctx, c.ID, other, time.Hour))
	for _, works := range []string{secret, other} {
		_, err = m.GetClient(ctx, c.ID, works)
		require.NoError(t, err)
	}
	require.NoError(t, m.SetClientSecret(ctx, c.ID, other))
	_, err = m.GetClient(ctx, c.ID, secret)
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	c.Name = "C"
	require.NoError(t, m.UpdateClient(ctx, c))
	found, err = m.GetClient(ctx, c.ID, other)
	require.NoError(t, err)
	require.Equal(t, "C", found.Name)
	public := clientNamed(c.ID)
	public.Public = true
	require.Error(t, m.UpdateClient(ctx, public))
	require.ErrorIs(t, m.UpdateClient(ctx, clientNamed("none")), oauth2server.ErrNotFound)
	require.ErrorIs(t, m.SetClientSecret(ctx, "none", secret), oauth2server.ErrNotFound)
	require.ErrorIs(t, m.DeleteClient(ctx, "none"), oauth2server.ErrNotFound)

	for _, id := range []string{"a", "c", "d"} {
		require.NoError(t, m.AddClient(ctx, clientNamed(id), secret))
	}
	require.NoError(t, m.DeleteClient(ctx, "c"))
	require.NoError(t, m.DeleteClient(ctx, "c"), "again")
	var listed []string
	for after := ""; ; after = listed[len(listed)-1] {
		page, err := m.ListClients(ctx, after, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			listed = append(listed, c.ID)
		}
	}
	require.Equal(t, []string{"a", c.ID, "d"}, listed)
}

// What was granted to a deleted client does not work for one that gets its ID,
// even if the deletion is forgotten.
func TestClientAgain(t *testing.T) {
	server := start(t, 0).client(t, nil)
	ctx := t.Context()
	for _, forgotten := range []bool{false, true} {
		o := options()
		m := redismodel.New(server, o)
		c := clientNamed("client")
		require.NoError(t, m.AddClient(ctx, c, rand.Text()))
		require.NoError(t, m.DeleteClient(ctx, "client"))
		// A request was in flight.
		_, err := m.SaveAuthorizationCode(ctx, &oauth2server.AuthorizationCode{Code: "code", GrantID: "code's",
			Client: c, ExpiresAt: now().Add(time.Minute)}, nil, nil)
		require.NoError(t, err)
		e := newEntry("grant", 1)
		e.ClientID, e.UserID = "client", "user"
		_, err = m.AppendGrant(ctx, e)
		require.NoError(t, err)
		if forgotten {
			require.EqualValues(t, 1, server.Del(ctx, o.Prefix+"client:client").Val())
		}
		require.NoError(t, m.AddClient(ctx, c, rand.Text()))
		for _, id := range []string{"code's", "grant"} {
			_, err := m.AppendGrant(ctx, newEntry("end:"+id, 1))
			require.ErrorIs(t, err, oauth2server.ErrExists, "%s has not ended", id)
		}
	}
}

func TestUsers(t *testing.T) {
	s := start(t, 0)
	ctx := t.Context()
	m := redismodel.New(s.client(t, nil), options())
	const password = "a long password"
	add := func(id, name string) error {
		return m.AddUser(ctx, &oauth2server.User{ID: id, Data: id}, name, password)
	}
	signsIn := func(name, password string) string {
		u, err := m.GetUser(ctx, name, password, nil)
		if err != nil {
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
			return ""
		}
		return u.ID
	}
	require.NoError(t, add("1", "ann"))
	require.NoError(t, add("2", "bob"))
	require.ErrorIs(t, add("1", "other"), oauth2server.ErrExists)
	require.ErrorIs(t, add("3", "ann"), oauth2server.ErrExists)
	require.Equal(t, "1", signsIn("ann", password))
	require.Empty(t, signsIn("ann", "another password"))
	require.ErrorIs(t, m.UpdateUser(ctx, &oauth2server.User{ID: "2"}, "ann"), oauth2server.ErrExists)
	require.NoError(t, m.UpdateUser(ctx, &oauth2server.User{ID: "1"}, "Ann Lee"))
	require.Empty(t, signsIn("ann", password), "the name before")
	require.Equal(t, "1", signsIn("Ann Lee", password))
	require.NoError(t, add("3", "ann"), "the name is free")
	require.NoError(t, m.SetPassword(ctx, "1", "another password"))
	require.Equal(t, "1", signsIn("Ann Lee", "another password"))
	require.NoError(t, m.AddUserHash(ctx, &oauth2server.User{ID: "4"}, "eve",
		hashed))
	require.Equal(t, "4", signsIn("eve", password))
	u, err := m.UserByID(ctx, "3")
	require.NoError(t, err)
	require.Equal(t, `"3"`, fmt.Sprintf("%s", u.Data))

	require.NoError(t, m.DeleteUser(ctx, "2"))
	require.NoError(t, m.DeleteUser(ctx, "2"), "again")
	require.Empty(t, signsIn("bob", password))
	_, err = m.UserByID(ctx, "2")
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	for _, err := range []error{m.SetPassword(ctx, "2", password), m.UpdateUser(ctx, &oauth2server.User{ID: "2"}, "x")} {
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
	}
	var listed []string
	for after := ""; ; {
		page, err := m.ListUsers(ctx, after, 1)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		after = page[0].ID
		listed = append(listed, page[0].ID+" "+page[0].Username)
	}
	require.Equal(t, []string{"1 Ann Lee", "3 ann", "4 eve"}, listed)
	require.NoError(t, add("2", "bob"), "ID and name are free")
}

// Of many who want a name or an ID at once, one gets it.
func TestRaces(t *testing.T) {
	s := start(t, 0)
	m := redismodel.New(s.client(t, nil), options())
	for i := range 20 {
		var users, clients atomic.Int64
		var wg sync.WaitGroup
		for j := range 8 {
			wg.Go(func() {
				u := &oauth2server.User{ID: fmt.Sprint(i, "-", j)}
				if m.AddUserHash(t.Context(), u, fmt.Sprint("name", i),
					hashed) == nil {
					users.Add(1)
				}
				if m.AddClient(t.Context(), clientNamed(fmt.Sprint(i)), rand.Text()) == nil {
					clients.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, users.Load())
		require.EqualValues(t, 1, clients.Load())
	}
}

// ownModel is a program with users and clients of its own.
type ownModel struct {
	*redismodel.Grants
	client *oauth2server.Client
}

func (m *ownModel) GetClient(_ context.Context, id, secret string) (*oauth2server.Client, error) {
	if id != m.client.ID || secret != "" && secret != "secret" {
		return nil, oauth2server.ErrNotFound
	}
	c := *m.client
	return &c, nil
}

// Grants alone carry a program with clients of its own through a code flow, and
// list and end what its users granted.
func TestGrantsAlone(t *testing.T) {
	s := start(t, 0)
	ctx := t.Context()
	m := &ownModel{redismodel.NewGrants(s.client(t, nil), options()), clientNamed("app")}
	userID := "user {1}"
	server, err := oauth2server.New(m, &oauth2server.Options{
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) { return &oauth2server.User{ID: userID}, nil },
		Logger:           slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	require.NoError(t, err)
	app := &site{server, "secret"}
	for name, end := range map[string]func() error{
		"RevokeUser":       func() error { return m.RevokeUser(ctx, userID) },
		"RevokeUserClient": func() error { return m.RevokeUserClient(ctx, userID, "app") },
		"RevokeClient":     func() error { return m.RevokeClient(ctx, "app") },
	} {
		userID = "user of " + name
		var last answer
		for range 3 {
			last, err = app.codeFlow()
			require.NoError(t, err)
		}
		last, err = app.token("grant_type", "refresh_token", "refresh_token", last.Token)
		require.NoError(t, err)
		grants, err := m.UserGrants(ctx, userID)
		require.NoError(t, err)
		require.Len(t, grants, 3)
		require.Equal(t, "app", grants[0].ClientID)
		require.NoError(t, m.RevokeUserClient(ctx, userID, "another"))
		_, err = m.GetAccessToken(ctx, last.Access)
		require.NoError(t, err, "another client's revocation ended it")

		require.NoError(t, end(), name)
		grants, err = m.UserGrants(ctx, userID)
		require.NoError(t, err)
		require.Empty(t, grants, name)
		_, err = m.GetAccessToken(ctx, last.Access)
		require.ErrorIs(t, err, oauth2server.ErrNotFound, name)
		_, err = app.token("grant_type", "refresh_token", "refresh_token", last.Token)
		require.Error(t, err, name)
	}
	for _, id := range []string{"", "unknown", "\xff"} {
		require.NoError(t, m.RevokeUser(ctx, id))
	}
}

// The rules for models hold for the part of a model that a program takes.
func TestGrantsAloneRules(t *testing.T) {
	s := start(t, 0)
	client, peer := s.client(t, nil), s.client(t, nil)
	modeltest.Run(t, func(context.Context) (*modeltest.Fixture, error) {
		o := options()
		f := modeltest.Sample()
		f.Model = &sampleModel{redismodel.NewGrants(client, o), f}
		f.Peer = &sampleModel{redismodel.NewGrants(peer, o), f}
		return f, nil
	})
}

// sampleModel has the clients of a fixture.
type sampleModel struct {
	*redismodel.Grants
	f *modeltest.Fixture
}

func (m *sampleModel) GetClient(ctx context.Context, id, secret string) (*oauth2server.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found *oauth2server.Client
	if id == m.f.Public.ID && secret == "" {
		found = m.f.Public
	}
	for _, known := range m.f.Clients {
		if id == known.ID && (secret == "" || secret == known.Secret) {
			found = known.Client
		}
	}
	if found == nil {
		return nil, oauth2server.ErrNotFound
	}
	c := *found
	c.RedirectURIs, c.Grants, c.Scope = slices.Clone(c.RedirectURIs), slices.Clone(c.Grants), slices.Clone(c.Scope)
	return &c, nil
}

// An append or a deletion that finds its work done still writes, as WAIT covers
// only the writes of its own connection.
func TestRepeatsWrite(t *testing.T) {
	client := start(t, 0).client(t, nil)
	ctx := t.Context()
	m := redismodel.New(client, options())
	entry := newEntry("grant", 1)
	for name, do := range map[string]func(){
		"append": func() { m.AppendGrant(ctx, entry) },
		"other":  func() { m.AppendGrant(ctx, newEntry("grant", 1)) },
		"revoke": func() { m.RevokeAccessTokens(ctx, "none") },
	} {
		do()
		before := writes(t, client)
		do()
		require.Greater(t, writes(t, client), before, name)
	}
}

// writes returns how often the server has written.
func writes(t *testing.T, client *redis.Client) (n int) {
	info, err := client.InfoMap(t.Context(), "persistence").Result()
	require.NoError(t, err)
	_, err = fmt.Sscan(info["Persistence"]["rdb_changes_since_last_save"], &n)
	require.NoError(t, err)
	return n
}
