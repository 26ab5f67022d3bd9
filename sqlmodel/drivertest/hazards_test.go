// This file tests what databases do to values, and what happens at the same time.

package drivertest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/registrytest"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

const secret = "a-secret-that-nobody-guesses"

// testHazards runs the tests of this file on one database.
func testHazards(t *testing.T, s server) {
	newModel := func(t *testing.T) *sqlmodel.Model {
		m := sqlmodel.New(s.open(t), s.dialect, options())
		require.NoError(t, m.Migrate(t.Context()))
		return m
	}

	// Case-insensitive and space-padding collations.
	t.Run("texts are compared byte by byte", func(t *testing.T) {
		m, ctx := newModel(t), t.Context()
		for i, id := range []string{"app", "APP", "app ", "äpp", "a\u0308pp", "\U0001F98A"} {
			token := &oauth2server.Token{AccessToken: id, Scope: oauth2server.Scope{fmt.Sprint(i)},
				AccessTokenExpiresAt: time.Now().Add(time.Hour), User: &oauth2server.User{ID: id}}
			_, err := m.SaveToken(ctx, token, nil, nil)
			require.NoError(t, err)
			entry := &oauth2server.GrantEntry{GrantID: id, Seq: 1, UserID: id, Nonce: id,
				ExpiresAt: time.Now().Add(time.Hour)}
			_, err = m.AppendGrant(ctx, entry)
			require.NoError(t, err, id)
			if i < 2 {
				require.NoError(t, m.AddClient(ctx, &oauth2server.Client{ID: id}, secret))
				require.NoError(t, m.AddUser(ctx, &oauth2server.User{ID: id}, id, "123456"))
			}
			got, err := m.GetAccessToken(ctx, id)
			require.NoError(t, err)
			require.Equal(t, id, got.User.ID)
			entries, err := m.GrantEntries(ctx, id, 0)
			require.NoError(t, err)
			require.Len(t, entries, 1)
		}
		_, err := m.GetClient(ctx, "App", "")
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
		_, err = m.GetClient(ctx, "app ", "")
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
		_, err = m.GetUser(ctx, "App", "123456", nil)
		require.ErrorIs(t, err, oauth2server.ErrNotFound)
		page, err := m.ListClients(ctx, "", 0)
		require.NoError(t, err)
		require.Equal(t, "APP", page[0].ID)
	})

	// PostgreSQL refuses to store them, so they are not found.
	t.Run("texts that no column holds", func(t *testing.T) {
		m, ctx := newModel(t), t.Context()
		for _, text := range []string{"a\x00b", "\xff", strings.Repeat("x", 5000)} {
			_, err := m.GetClient(ctx, text, "x")
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
			_, err = m.GetUser(ctx, text, "x", nil)
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
			_, err = m.UserByID(ctx, text)
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
			require.ErrorIs(t, m.DeleteClient(ctx, text), oauth2server.ErrNotFound)
			require.ErrorIs(t, m.SetPassword(ctx, text, "123456"), oauth2server.ErrNotFound)
			require.NoError(t, m.DeleteUser(ctx, text))
			require.NoError(t, m.RevokeUser(ctx, text))
			require.NoError(t, m.RevokeUserClient(ctx, "u1", text))
			_, err = m.SaveToken(ctx, &oauth2server.Token{AccessToken: "a", User: &oauth2server.User{ID: text}}, nil, nil)
			require.ErrorContains(t, err, "2048 bytes", "it could not be revoked")
			_, err = m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g", Seq: 1, UserID: text})
			require.ErrorContains(t, err, "2048 bytes")
		}
	})

	// MySQL does not count a row that an update leaves as it is, unless
	// clientFoundRows is set.
	t.Run("the same again", func(t *testing.T) {
		m, ctx := newModel(t), t.Context()
		c := &oauth2server.Client{ID: "web", RedirectURIs: []string{"https://a.example/", "https://b.example/"},
			Grants: []string{"authorization_code"}, Scope: oauth2server.Scope{"read", "write"}, Name: "Näme",
			AccessTokenLifetime: time.Hour + time.Nanosecond, Data: map[string]any{"a": 1}}
		require.NoError(t, m.AddClient(ctx, c, secret))
		require.ErrorIs(t, m.AddClient(ctx, c, secret), oauth2server.ErrExists)
		for range 2 {
			require.NoError(t, m.UpdateClient(ctx, c))
			require.NoError(t, m.SetClientSecret(ctx, "web", secret))
		}
		got, err := m.GetClient(ctx, "web", secret)
		require.NoError(t, err)
		require.JSONEq(t, `{"a":1}`, string(got.Data.(json.RawMessage)))
		got.Data = c.Data
		require.Equal(t, c, got)

		u := &oauth2server.User{ID: "u1", Data: map[string]any{"a": 1}}
		require.NoError(t, m.AddUser(ctx, u, "andy", "123456"))
		require.ErrorIs(t, m.AddUser(ctx, &oauth2server.User{ID: "u2"}, "andy", "123456"), oauth2server.ErrExists)
		require.ErrorIs(t, m.AddUser(ctx, u, "else", "123456"), oauth2server.ErrExists)
		require.NoError(t, m.AddUser(ctx, &oauth2server.User{ID: "u2"}, "zoe", "123456"))
		for range 2 {
			require.NoError(t, m.UpdateUser(ctx, u, "andy"))
			require.NoError(t, m.SetPassword(ctx, "u1", "123456"))
		}
		require.ErrorIs(t, m.UpdateUser(ctx, u, "zoe"), oauth2server.ErrExists)
		require.ErrorIs(t, m.UpdateUser(ctx, &oauth2server.User{ID: "u3"}, "bob"), oauth2server.ErrNotFound)
		_, err = m.GetUser(ctx, "andy", "123456", nil)
		require.NoError(t, err)
	})

	// The reply to an insert was lost: the request comes again.
	t.Run("saved twice", func(t *testing.T) {
		m, ctx := newModel(t), t.Context()
		token := &oauth2server.Token{AccessToken: "a", RefreshToken: "r", AccessTokenExpiresAt: time.Now().Add(time.Hour)}
		code := &oauth2server.AuthorizationCode{Code: "c", ExpiresAt: time.Now().Add(time.Hour)}
		entry := &oauth2server.GrantEntry{GrantID: "g", Seq: 1, Nonce: "mine", ExpiresAt: time.Now().Add(time.Hour)}
		for range 3 {
			_, err := m.SaveToken(ctx, token, nil, nil)
			require.NoError(t, err)
			_, err = m.SaveAuthorizationCode(ctx, code, nil, nil)
			require.NoError(t, err)
			_, err = m.AppendGrant(ctx, entry)
			require.NoError(t, err)
		}
		other := *token
		other.Scope = oauth2server.Scope{"more"}
		_, err := m.SaveToken(ctx, &other, nil, nil)
		require.ErrorIs(t, err, oauth2server.ErrExists)
		other.AccessToken = "b" // the refresh token is there
		_, err = m.SaveToken(ctx, &other, nil, nil)
		require.ErrorIs(t, err, oauth2server.ErrExists)
		there, err := m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g", Seq: 1, Nonce: "other",
			ExpiresAt: time.Now().Add(time.Hour)})
		require.ErrorIs(t, err, oauth2server.ErrExists)
		require.Equal(t, "mine", there.Nonce)
	})

	t.Run("one of many", func(t *testing.T) {
		m, ctx := newModel(t), t.Context()
		for seq := 1; seq <= 20; seq++ {
			var all sync.WaitGroup
			won := make(chan string, 16)
			for i := range 16 {
				all.Go(func() {
					nonce := fmt.Sprint(i)
					there, err := m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "g", Seq: seq, Nonce: nonce,
						ExpiresAt: time.Now().Add(time.Hour)})
					switch {
					case errors.Is(err, oauth2server.ErrExists):
						won <- there.Nonce
					case err == nil:
						won <- nonce
					default:
						won <- err.Error()
					}
				})
			}
			all.Wait()
			first := <-won
			for range 15 {
				require.Equal(t, first, <-won)
			}
		}
	})

	// That transaction may still roll back.
	t.Run("somebody else's transaction has the place", func(t *testing.T) {
		o, db := options(), s.open(t)
		m := sqlmodel.NewGrants(s.open(t), s.dialect, o)
		require.NoError(t, m.Migrate(t.Context()))
		insert := "INSERT INTO " + o.Prefix + "grants (grant_id, seq, client_id, user_id, record) VALUES ($1, 1, '', '', $2)"
		if s.dialect == sqlmodel.MySQL {
			insert = strings.NewReplacer("$1", "?", "$2", "?").Replace(insert)
		}
		for _, end := range []struct {
			name   string
			end    func(*sql.Tx) error
			giveUp bool
			want   []error
		}{
			{"it commits", (*sql.Tx).Commit, false, []error{oauth2server.ErrExists}},
			{"it rolls back", (*sql.Tx).Rollback, false, []error{nil}},
			{"we give up", (*sql.Tx).Rollback, true, []error{context.Canceled, nil}}, // nil: too late
		} {
			record, err := (&oauth2server.GrantEntry{GrantID: end.name, Seq: 1, Nonce: "theirs"}).MarshalBinary()
			require.NoError(t, err)
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), insert, end.name, string(record))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			answer := make(chan error, 1)
			go func() {
				there, err := m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: end.name, Seq: 1, Nonce: "ours"})
				if errors.Is(err, oauth2server.ErrExists) && there.Nonce != "theirs" {
					err = errors.New("the entry that is there was not returned")
				}
				answer <- err
			}()
			if end.giveUp {
				cancel()
			}
			require.NoError(t, end.end(tx))
			err = <-answer
			if errors.Is(err, context.Canceled) {
				err = context.Canceled
			}
			require.Contains(t, end.want, err, end.name)
			cancel()
		}
	})

	t.Run("expired rows go in batches", func(t *testing.T) {
		m, ctx := newModel(t), t.Context()
		const many = 2500
		var all sync.WaitGroup
		for part := range 8 {
			all.Go(func() {
				for i := part; i < many; i += 8 {
					at := time.Now().Add(-2 * time.Hour)
					if i%5 == 0 {
						at = time.Now().Add(-time.Minute) // it stays for an hour
					}
					_, err := m.SaveToken(ctx, &oauth2server.Token{AccessToken: fmt.Sprint(i), AccessTokenExpiresAt: at}, nil, nil)
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		_, err := m.SaveToken(ctx, &oauth2server.Token{AccessToken: "eternal"}, nil, nil)
		require.NoError(t, err)
		deleted := make(chan int64, 3)
		for range 3 {
			all.Go(func() {
				n, err := m.DeleteExpired(ctx)
				if err != nil {
					t.Error(err)
				}
				deleted <- n
			})
		}
		all.Wait()
		require.EqualValues(t, many*4/5, <-deleted+<-deleted+<-deleted)
		_, err = m.GetAccessToken(ctx, "0")
		require.NoError(t, err)
		_, err = m.GetAccessToken(ctx, "eternal")
		require.NoError(t, err)
	})

	for name, test := range registrytest.Tests {
		t.Run(name, func(t *testing.T) {
			o, ctx := options(), t.Context()
			o.ExtensionGrants = []string{registrytest.ExtensionGrant}
			m := sqlmodel.New(s.open(t), s.dialect, o)
			require.NoError(t, m.Migrate(ctx))
			test(t, registrytest.Fixture{
				Model:     m,
				Peer:      sqlmodel.New(s.open(t), s.dialect, o),
				AddClient: func(c *oauth2server.Client, secret string) error { return m.AddClient(ctx, c, secret) },
				AddUser: func(u *oauth2server.User, username, password string) error {
					return m.AddUser(ctx, u, username, password)
				},
			})
		})
	}

	t.Run("deleted clients are forgotten after a day", func(t *testing.T) {
		o, db, ctx := options(), s.open(t), t.Context()
		m := sqlmodel.New(db, s.dialect, o)
		require.NoError(t, m.Migrate(ctx))
		add := func(id string) { require.NoError(t, m.AddClient(ctx, &oauth2server.Client{ID: id, Public: true}, "")) }
		for _, id := range []string{"again", "gone", "late", "there"} {
			add(id)
			require.NoError(t, m.DeleteClient(ctx, id))
			// By a request that was in flight.
			_, err := m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: id, Seq: 1, Kind: oauth2server.EntryGrant,
				ClientID: id, UserID: "u1", Nonce: id, Time: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
				Successor: id, SuccessorExpiresAt: time.Now().Add(time.Hour)})
			require.NoError(t, err)
		}
		_, err := db.ExecContext(ctx, fmt.Sprintf("UPDATE %sformer_clients SET deleted_at = %d WHERE id <> 'late'",
			o.Prefix, time.Now().Add(-25*time.Hour).UnixMilli()))
		require.NoError(t, err)
		add("again")
		require.NoError(t, m.DeleteClient(ctx, "again")) // a day from now on
		add("there")
		_, err = m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: "of the next", Seq: 1, ClientID: "there", UserID: "u1",
			Kind: oauth2server.EntryGrant, Nonce: "1", Time: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
			Successor: "1", SuccessorExpiresAt: time.Now().Add(time.Hour)})
		require.NoError(t, err)

		deleted, err := m.DeleteExpired(ctx)

		require.NoError(t, err)
		require.EqualValues(t, 2, deleted, `"gone" and "there"`)
		add("gone")
		grants, err := m.UserGrants(ctx, "u1")
		require.NoError(t, err)
		var live []string
		for _, grant := range grants {
			live = append(live, grant.ID)
		}
		require.ElementsMatch(t, []string{"late", "of the next"}, live)
		require.NoError(t, m.DeleteClient(ctx, "again"), "still known")
		require.NoError(t, m.DeleteClient(ctx, "late"), "still known")
		require.NoError(t, m.DeleteClient(ctx, "gone"))
		require.NoError(t, m.DeleteClient(ctx, "there"))
	})

	t.Run("a context ends", func(t *testing.T) {
		m := newModel(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := m.GetAccessToken(ctx, "a")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, m.RevokeUser(ctx, "u1"), context.Canceled)
		_, err = m.UserGrants(ctx, "u1")
		require.ErrorIs(t, err, context.Canceled)
		_, err = m.DeleteExpired(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})

	t.Run("processes migrate at once", func(t *testing.T) {
		o := options()
		var all sync.WaitGroup
		for range 8 {
			m := sqlmodel.New(s.open(t), s.dialect, o)
			all.Go(func() {
				if err := m.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})

	t.Run("by one's own tool", func(t *testing.T) {
		for _, grants := range []bool{true, false} {
			o, db := options(), s.open(t)
			own := sqlmodel.NewGrants(db, s.dialect, o)
			if !grants {
				own = sqlmodel.New(db, s.dialect, o).Grants
			}
			schema, err := own.Schema(0)
			require.NoError(t, err)
			require.Equal(t, grants, !strings.Contains(schema, o.Prefix+"clients"))
			for statement := range strings.SplitSeq(schema, ";\n\n") {
				if statement != "" {
					_, err := db.ExecContext(t.Context(), statement)
					require.NoError(t, err, statement)
				}
			}
			_, err = own.SaveToken(t.Context(), &oauth2server.Token{AccessToken: "a"}, nil, nil)
			require.NoError(t, err)
			require.NoError(t, own.Migrate(t.Context()), "what is there is left as it is")
			_, err = own.GetAccessToken(t.Context(), "a")
			require.NoError(t, err)
		}
	})

	// Also where another program has Grants alone, and is upgraded first.
	t.Run("clients and users come later", func(t *testing.T) {
		o, db, ctx := options(), s.open(t), t.Context()
		require.NoError(t, sqlmodel.NewGrants(db, s.dialect, o).Migrate(ctx))
		for range 2 {
			require.NoError(t, sqlmodel.New(db, s.dialect, o).Migrate(ctx))
		}
		require.NoError(t, sqlmodel.New(db, s.dialect, o).AddClient(ctx, &oauth2server.Client{ID: "web"}, secret))
		require.NoError(t, sqlmodel.NewGrants(db, s.dialect, o).Migrate(ctx))
	})

	t.Run("tables of another program", func(t *testing.T) {
		for _, table := range tables {
			o, db := options(), s.open(t)
			_, err := db.ExecContext(t.Context(), "CREATE TABLE "+o.Prefix+table+
				" (id INTEGER, expires_at INTEGER, user_id INTEGER, client_id INTEGER)")
			require.NoError(t, err)
			require.ErrorContains(t, sqlmodel.New(db, s.dialect, o).Migrate(t.Context()), "set Options.Prefix", table)
			ours := slices.Contains([]string{"codes", "tokens", "grants"}, table)
			require.Equal(t, ours, sqlmodel.NewGrants(db, s.dialect, o).Migrate(t.Context()) != nil, table)
		}
	})

	t.Run("a missing table is told from a foreign one", func(t *testing.T) {
		o, db, ctx := options(), s.open(t), t.Context()
		run := func(statement string) {
			_, err := db.ExecContext(ctx, statement)
			require.NoError(t, err)
		}
		m := sqlmodel.New(db, s.dialect, o)
		require.ErrorContains(t, m.Check(ctx), "is missing")
		run("CREATE TABLE " + o.Prefix + "tokens (id INTEGER)")
		require.ErrorContains(t, m.Migrate(ctx), "not of this package")
		require.ErrorContains(t, sqlmodel.NewGrants(db, s.dialect, o).Migrate(ctx), "not of this package")
		run("DROP TABLE " + o.Prefix + "tokens")
		require.NoError(t, m.Migrate(ctx), "nothing was noted")
		require.NoError(t, m.Check(ctx))
		run("DROP TABLE " + o.Prefix + "former_clients")
		require.NoError(t, sqlmodel.NewGrants(db, s.dialect, o).Check(ctx))
		for _, err := range []error{m.Check(ctx), m.Migrate(ctx)} {
			require.ErrorContains(t, err, o.Prefix+"former_clients is missing")
		}
		run("DELETE FROM " + o.Prefix + "people_versions")
		require.NoError(t, m.Migrate(ctx))
		other := options()
		run("CREATE TABLE " + other.Prefix + "versions (id INTEGER)")
		require.ErrorContains(t, sqlmodel.New(db, s.dialect, other).Migrate(ctx), other.Prefix+"versions is not of this package")
	})

	t.Run("the wrong dialect is named", func(t *testing.T) {
		for _, wrong := range []sqlmodel.Dialect{sqlmodel.PostgreSQL, sqlmodel.SQLite, sqlmodel.MySQL} {
			if wrong != s.dialect {
				err := sqlmodel.New(s.open(t), wrong, options()).Migrate(t.Context())
				require.ErrorContains(t, err, "is this database "+wrong.String())
			}
		}
	})

	t.Run("without preparing", func(t *testing.T) {
		o := options()
		o.NoPrepare = true
		m, ctx := sqlmodel.New(s.open(t), s.dialect, o), t.Context()
		require.NoError(t, m.Migrate(ctx))
		require.NoError(t, m.AddClient(ctx, &oauth2server.Client{ID: "web"}, secret))
		_, err := m.GetClient(ctx, "web", secret)
		require.NoError(t, err)
	})

	t.Run("wrong arguments", func(t *testing.T) {
		for _, prefix := range []string{"a-b", "a.b", "1a", `a"`, strings.Repeat("a", 33)} {
			m := sqlmodel.New(s.open(t), s.dialect, &sqlmodel.Options{Prefix: prefix})
			_, ofRequest := m.GetAccessToken(t.Context(), "a")
			for _, err := range []error{m.Migrate(t.Context()), m.Check(t.Context()), ofRequest} {
				require.ErrorContains(t, err, "no digit first")
			}
		}
		require.ErrorContains(t, sqlmodel.New(nil, s.dialect, nil).Migrate(t.Context()), "nil")
		_, err := sqlmodel.New(s.open(t), s.dialect, nil).Schema(sqlmodel.SchemaVersion() + 1)
		require.ErrorContains(t, err, "no version")
		require.ErrorContains(t, sqlmodel.New(s.open(t), 0, nil).Migrate(t.Context()), "dialect")
	})

	t.Run("grants of a user", func(t *testing.T) {
		m, ctx := newModel(t), t.Context()
		var ids []string
		for i := range 130 {
			id := fmt.Sprintf("grant%03d", i)
			ids = append(ids, id)
			_, err := m.AppendGrant(ctx, &oauth2server.GrantEntry{GrantID: id, Seq: 1, Kind: oauth2server.EntryGrant,
				ClientID: "web", UserID: "u1", Nonce: id, Time: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
				AccessToken: oauth2server.Digest(id), AccessTokenExpiresAt: time.Now().Add(time.Hour)})
			require.NoError(t, err)
		}
		grants, err := m.UserGrants(ctx, "u1")
		require.NoError(t, err)
		var got []string
		for _, grant := range grants {
			got = append(got, grant.ID)
		}
		slices.Sort(got)
		require.Equal(t, ids, got)
		require.NoError(t, m.RevokeUserClient(ctx, "u1", "web"))
		grants, err = m.UserGrants(ctx, "u1")
		require.NoError(t, err)
		require.Empty(t, grants)
	})
}

func TestHazardsOfSQLite(t *testing.T) { testHazards(t, sqlite(t)) }
