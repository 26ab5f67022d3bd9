package modeltest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server"
)

// forged keeps entries outside of the model, for models whose log is broken in
// ways that the one in memory cannot be.
type forged struct {
	mu      sync.Mutex
	entries map[string]*entry
}

func (s *forged) put(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[key(e)] = cloneOf(e)
}

func (s *forged) at(e *entry) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := s.entries[key(e)]; there != nil {
		return cloneOf(there)
	}
	return nil
}

func (s *forged) read(ctx context.Context, id string, from int) (all []*entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.GrantID == id && e.Seq >= from {
			all = append(all, cloneOf(e))
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return a.Seq - b.Seq })
	return all, ctx.Err()
}

func key(e *entry) string { return e.GrantID + "\x00" + strconv.Itoa(e.Seq) }

func cloneOf(e *entry) *entry {
	own := *e
	own.Sealed, own.Scope = slices.Clone(e.Sealed), slices.Clone(e.Scope)
	return &own
}

// looksThenPuts is an append without a lock.
func (s *forged) looksThenPuts(ctx context.Context, e *entry) (*entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if there := s.at(e); there != nil {
		return there, oauth2server.ErrExists
	}
	hesitate()
	s.put(e)
	return e, nil
}

func forge(a *altered) *forged {
	s := &forged{entries: map[string]*entry{}}
	a.grantEntries = s.read
	return s
}

// editEntries changes what GrantEntries returns.
func editEntries(a *altered, change func([]*entry) []*entry) {
	a.grantEntries = func(ctx context.Context, id string, from int) ([]*entry, error) {
		entries, err := a.Model.GrantEntries(ctx, id, from)
		return change(entries), err
	}
}

var logDefects = []defect{
	{"RevokeUser that ends the grants there are", "revoke-user", func(f *Fixture, a *altered) {
		a.revokeUser = func(ctx context.Context, userID string) error {
			grants, err := a.UserGrants(ctx, userID)
			for _, g := range grants {
				err = errors.Join(err, oauth2server.RevokeGrant(ctx, a, g.ID))
			}
			return err
		}
	}},
	{"RevokeUser that is for ever", "revoke-user", func(f *Fixture, a *altered) {
		var closed sync.Map
		a.revokeUser = func(ctx context.Context, userID string) error {
			closed.Store(userID, true)
			return a.Model.RevokeUser(ctx, userID)
		}
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			if _, over := closed.Load(c.User.ID); over {
				return nil, errFault
			}
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
	}},
	{"entries that lose what is sealed", "log-comes-back", func(f *Fixture, a *altered) {
		editEntries(a, func(entries []*entry) []*entry {
			for _, e := range entries {
				e.Sealed = nil
			}
			return entries
		})
	}},
	{"what is sealed as text", "log-comes-back", func(f *Fixture, a *altered) {
		editEntries(a, func(entries []*entry) []*entry {
			for _, e := range entries {
				if len(e.Sealed) < 100 {
					e.Sealed = []byte(strings.ToValidUTF8(string(e.Sealed), "\ufffd"))
				}
			}
			return entries
		})
	}},
	{"an append that overwrites", "log-never-overwrites", func(f *Fixture, a *altered) {
		s := forge(a)
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s.put(e)
			return e, nil
		}
	}},
	{"ErrExists without what is there", "log-never-overwrites", func(f *Fixture, a *altered) {
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			_, err := a.Model.AppendGrant(ctx, e)
			return nil, err
		}
	}},
	{"ErrExists with what was to be put there", "log-never-overwrites", func(f *Fixture, a *altered) {
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			_, err := a.Model.AppendGrant(ctx, e)
			return e, err
		}
	}},
	{"an existing entry that is a fault", "log-never-overwrites", func(f *Fixture, a *altered) {
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			there, err := a.Model.AppendGrant(ctx, e)
			if errors.Is(err, oauth2server.ErrExists) && there.Nonce != e.Nonce {
				err = errFault
			}
			return there, err
		}
	}},
	{"a repeated append that is a fault", "log-repeat", func(f *Fixture, a *altered) {
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			there, err := a.Model.AppendGrant(ctx, e)
			if errors.Is(err, oauth2server.ErrExists) && there.Nonce == e.Nonce {
				err = errFault
			}
			return there, err
		}
	}},
	{"an append that looks and then puts", "log-race", func(f *Fixture,
		a *altered) {
		a.appendGrant = forge(a).looksThenPuts
	}},
	{"an append with a lock in one process", "log-race", func(f *Fixture, a *altered) {
		s := &forged{entries: map[string]*entry{}}
		f.Peer = twoProcesses(a, func(a *altered, lock *sync.Mutex) {
			a.grantEntries = s.read
			a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
				lock.Lock()
				defer lock.Unlock()
				return s.looksThenPuts(ctx, e)
			}
		})
	}},
	{"entries in the order of text", "log-order", func(f *Fixture, a *altered) {
		editEntries(a, func(entries []*entry) []*entry {
			slices.SortFunc(entries, func(a, b *entry) int {
				return strings.Compare(strconv.Itoa(a.Seq),
					strconv.Itoa(b.Seq))
			})
			return entries
		})
	}},
	{"less than a page of the entries", "log-order", func(f *Fixture, a *altered) {
		editEntries(a, func(entries []*entry) []*entry { return entries[:min(len(entries), oauth2server.GrantPage-1)] })
	}},
	{"GrantSeq of the grant's newest token", "log-used-stays-found", func(f *Fixture, a *altered) {
		var newest sync.Map
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			if t.RefreshToken != "" {
				newest.Store(t.GrantID, t.GrantSeq)
			}
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			found, err := a.Model.GetRefreshToken(ctx, text)
			if err == nil {
				if seq, ok := newest.Load(found.GrantID); ok {
					found.GrantSeq = seq.(int)
				}
			}
			return found, err
		}
	}},
	{"the last page of the entries", "log-order", func(f *Fixture, a *altered) {
		a.grantEntries = func(ctx context.Context, id string, from int) ([]*entry, error) {
			for {
				page, err := a.Model.GrantEntries(ctx, id, from)
				if err != nil || len(page) < oauth2server.GrantPage {
					return page, err
				}
				from += len(page)
			}
		}
	}},
	{"a unique key that has the client in it", "log-never-overwrites", func(f *Fixture, a *altered) {
		var mu sync.Mutex
		s := forge(a)
		nobody := &forged{entries: map[string]*entry{}}
		both := func(e *entry) *forged {
			if e.ClientID == "" {
				return nobody
			}
			return s
		}
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			mu.Lock()
			defer mu.Unlock()
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if there := both(e).at(e); there != nil {
				return there, oauth2server.ErrExists
			}
			both(e).put(e)
			return e, nil
		}
		a.grantEntries = func(ctx context.Context, id string, from int) ([]*entry, error) {
			x, err := s.read(ctx, id, from)
			y, _ := nobody.read(ctx, id, from)
			x = append(x, y...)
			slices.SortFunc(x, func(a, b *entry) int { return a.Seq - b.Seq })
			return x, err
		}
	}},
	{"places of one byte", "log-order", func(f *Fixture, a *altered) {
		wrap := func(e *entry) *entry { own := *e; own.Seq &= 0xFF; return &own }
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) { return a.Model.AppendGrant(ctx, wrap(e)) }
	}},
	{"the same presented digest is the same attempt", "log-never-overwrites", func(f *Fixture, a *altered) {
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			there, err := a.Model.AppendGrant(ctx, e)
			if errors.Is(err, oauth2server.ErrExists) && there.Presented == e.Presented &&
				there.Kind == e.Kind && e.Kind == "rotate" {
				return there, nil
			}
			return there, err
		}
	}},
	{"ErrExists with the last entry of the grant", "log-never-overwrites", func(f *Fixture, a *altered) {
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			there, err := a.Model.AppendGrant(ctx, e)
			if errors.Is(err, oauth2server.ErrExists) {
				all, _ := a.Model.GrantEntries(ctx, e.GrantID, e.Seq)
				return all[len(all)-1], err
			}
			return there, err
		}
	}},
	{"entries up to the first gap", "log-gaps", func(f *Fixture, a *altered) {
		a.grantEntries = func(ctx context.Context, grantID string, from int) ([]*entry, error) {
			entries, err := a.Model.GrantEntries(ctx, grantID, from)
			for i, e := range entries {
				if e.Seq != from+i {
					return entries[:i], err
				}
			}
			return entries, err
		}
	}},
	{"all entries, wherever they are asked from", "log-order", func(f *Fixture, a *altered) {
		a.grantEntries = func(ctx context.Context, id string, _ int) ([]*entry,
			error) {
			return a.Model.GrantEntries(ctx, id, 1)
		}
	}},
	{"an empty log that is not found", "log-none", func(f *Fixture, a *altered) {
		a.grantEntries = func(ctx context.Context, id string, from int) ([]*entry, error) {
			if all, err := a.Model.GrantEntries(ctx, id, 1); err == nil && len(all) == 0 {
				return nil, oauth2server.ErrNotFound
			}
			return a.Model.GrantEntries(ctx, id, from)
		}
	}},
	{"grant and place in one string", "log-apart", func(f *Fixture, a *altered) {
		var taken sync.Map
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			id, had := taken.LoadOrStore(e.GrantID+strconv.Itoa(e.Seq), e.GrantID)
			if had && id != e.GrantID {
				return &entry{}, oauth2server.ErrExists
			}
			return a.Model.AppendGrant(ctx, e)
		}
	}},
	{"the entries of every grant with the prefix", "log-apart", func(f *Fixture, a *altered) {
		var longer sync.Map
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			longer.Store(e.GrantID, true)
			return a.Model.AppendGrant(ctx, e)
		}
		a.grantEntries = func(ctx context.Context, id string, from int) (all []*entry, err error) {
			all, err = a.Model.GrantEntries(ctx, id, from)
			longer.Range(func(other, _ any) bool {
				if other != id && strings.HasPrefix(other.(string), id) {
					more, _ := a.Model.GrantEntries(ctx, other.(string), from)
					all = append(all, more...)
				}
				return true
			})
			return all, err
		}
	}},
	{"entries that readers share", "log-copies", func(f *Fixture, a *altered) {
		var shared sync.Map
		editEntries(a, func(entries []*entry) []*entry {
			for i, e := range entries {
				first, _ := shared.LoadOrStore(key(e), e)
				entries[i] = first.(*entry)
			}
			return entries
		})
	}},
	{"an existing entry that its tellers share", "log-copies", func(f *Fixture, a *altered) {
		var shared sync.Map
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			there, err := a.Model.AppendGrant(ctx, e)
			if errors.Is(err, oauth2server.ErrExists) {
				first, _ := shared.LoadOrStore(key(e), there)
				return first.(*entry), err
			}
			return there, err
		}
	}},
	{"255 bytes of what is sealed", "log-wide", func(f *Fixture, a *altered) {
		editEntries(a, func(entries []*entry) []*entry {
			for _, e := range entries {
				e.Sealed = e.Sealed[:min(len(e.Sealed), 255)]
			}
			return entries
		})
	}},
	{"an entry that goes with its access token", "log-outlives", func(f *Fixture, a *altered) {
		editEntries(a, func(entries []*entry) []*entry {
			return slices.DeleteFunc(entries, func(e *entry) bool {
				return !e.AccessTokenExpiresAt.IsZero() && e.AccessTokenExpiresAt.Before(time.Now())
			})
		})
	}},
	{"one refresh token for each grant", "log-used-stays-found", func(f *Fixture, a *altered) {
		var current sync.Map
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			if before, had := current.Swap(t.GrantID, t.RefreshToken); had && t.RefreshToken != "" {
				a.Model.RevokeToken(ctx, &token{RefreshToken: before.(string)})
			}
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	}},
	{"a code that is deleted when it is redeemed", "log-used-stays-found", func(f *Fixture, a *altered) {
		var codes sync.Map // by grant
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			codes.Store(c.GrantID, c.Code)
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
		a.appendGrant = func(ctx context.Context, e *entry) (*entry, error) {
			if text, ok := codes.Load(e.GrantID); ok {
				a.Model.RevokeAuthorizationCode(ctx, &code{Code: text.(string)})
			}
			return a.Model.AppendGrant(ctx, e)
		}
	}},
	{"one access token is revoked of many", "log-revokes-access", func(f *Fixture, a *altered) {
		a.revokeAccessTokens = func(ctx context.Context, digests []string) error {
			return a.Model.RevokeAccessTokens(ctx, digests[:min(len(digests), 1)]...)
		}
	}},
	{"a list of digests that is too long", "log-revokes-access", func(f *Fixture, a *altered) {
		a.revokeAccessTokens = func(ctx context.Context, digests []string) error {
			if len(digests) > 1000 {
				return errFault
			}
			return a.Model.RevokeAccessTokens(ctx, digests...)
		}
	}},
	{"access tokens are revoked by another digest", "log-revokes-access", func(f *Fixture, a *altered) {
		a.revokeAccessTokens = func(ctx context.Context, digests []string) error { return ctx.Err() }
	}},

	{"a replica that lags behind", "peer-sees-writes", func(f *Fixture, a *altered) {
		var unseen sync.Map
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			unseen.Store(c.Code, true)
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
		peer := &altered{Model: a.Model, users: a.users}
		peer.getCode = func(ctx context.Context, text string) (*code, error) {
			if _, ok := unseen.LoadAndDelete(text); ok {
				return nil, oauth2server.ErrNotFound
			}
			return a.Model.GetAuthorizationCode(ctx, text)
		}
		f.Peer = peer
	}},
	{"a token cache in each process", "peer-sees-revocation", func(f *Fixture, a *altered) {
		cached := func(a *altered) *altered {
			var cache sync.Map
			a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
				found, err := a.Model.GetAccessToken(ctx, text)
				if err == nil {
					cache.Store(oauth2server.Digest(text), *found)
				}
				if remembered, ok := cache.Load(oauth2server.Digest(text)); ok &&
					errors.Is(err, oauth2server.ErrNotFound) {
					own := remembered.(token)
					return &own, nil
				}
				return found, err
			}
			a.revokeAccessToken = func(ctx context.Context, text string) error {
				if ctx.Err() == nil {
					cache.Delete(oauth2server.Digest(text))
				}
				return a.Model.RevokeAccessToken(ctx, text)
			}
			a.revokeAccessTokens = func(ctx context.Context, digests []string) error {
				for _, d := range digests {
					cache.Delete(d)
				}
				return a.Model.RevokeAccessTokens(ctx, digests...)
			}
			return a
		}
		cached(a)
		f.Peer = cached(&altered{Model: a.Model, users: a.users})
	}},
	{"a storage that is locked while another writes", "parallel-saves", func(f *Fixture, a *altered) {
		var writers atomic.Int32
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			defer writers.Add(-1)
			if writers.Add(1) > 1 {
				return nil, errFault
			}
			hesitate()
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
	}},
	{"a write that is lost in a crowd", "parallel-saves", func(f *Fixture, a *altered) {
		var writers atomic.Int32
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			defer writers.Add(-1)
			if writers.Add(1) > 1 {
				hesitate()
				own := *c
				return &own, ctx.Err()
			}
			hesitate()
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
	}},
	{"ErrNotFound for a cancelled context", "cancelled", func(f *Fixture, a *altered) {
		a.getRefreshToken = func(ctx context.Context, text string) (*token, error) {
			found, err := a.Model.GetRefreshToken(ctx, text)
			if err != nil {
				err = oauth2server.ErrNotFound
			}
			return found, err
		}
	}},
	{"a save that goes on when it is cancelled", "cancelled", func(f *Fixture, a *altered) {
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			saved, err := a.Model.SaveToken(context.WithoutCancel(ctx), t, t.Client, t.User)
			return saved, errors.Join(err, ctx.Err())
		}
	}},
	{"a sign-in that does not look at its context", "cancelled", func(f *Fixture, a *altered) {
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			return a.signIn(context.WithoutCancel(ctx), name, password)
		}
	}},
	{"a user of a client that is not found when cancelled", "cancelled", func(f *Fixture, a *altered) {
		a.getUserFromClient = func(ctx context.Context, c *client) (*user, error) {
			u, err := a.Model.GetUserFromClient(ctx, c)
			if err != nil {
				err = oauth2server.ErrNotFound
			}
			return u, err
		}
	}},

	{"a name with a wildcard", "hostile", func(f *Fixture, a *altered) {
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			if most, wild := strings.CutSuffix(name, "%"); wild && len(most) > 1 &&
				strings.HasPrefix(f.Users[1].Username, most) {
				name = f.Users[1].Username
			}
			return a.signIn(ctx, name, password)
		}
	}},
	{"a NUL that is a fault", "hostile", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			if strings.Contains(id, "\x00") {
				return nil, errFault
			}
			return a.Model.GetClient(ctx, id, secret)
		}
	}},
	{"a long password that is a fault", "hostile", func(f *Fixture, a *altered) {
		a.getUser = func(ctx context.Context, name, password string) (*user, error) {
			if len(password) > 256 {
				return nil, errFault
			}
			return a.signIn(ctx, name, password)
		}
	}},
	{"a long token that is a fault", "hostile", func(f *Fixture, a *altered) {
		a.getAccessToken = func(ctx context.Context, text string) (*token, error) {
			if len(text) > 2048 {
				return nil, errFault
			}
			return a.Model.GetAccessToken(ctx, text)
		}
	}},
	{"a code that is revoked as a pattern", "hostile", func(f *Fixture, a *altered) {
		a.revokeCode = func(ctx context.Context, c *code) error {
			if c.Code == "%" {
				return nil
			}
			return a.Model.RevokeAuthorizationCode(ctx, c)
		}
	}},
	{"a secret that is a fault when it is no text", "hostile", func(f *Fixture, a *altered) {
		a.getClient = func(ctx context.Context, id, secret string) (*client, error) {
			if !utf8.ValidString(secret) {
				return nil, errFault
			}
			return a.Model.GetClient(ctx, id, secret)
		}
	}},
	{"codes that are deleted by SQL in a code", "hostile", func(f *Fixture, a *altered) {
		var saved sync.Map
		a.saveCode = func(ctx context.Context, c *code) (*code, error) {
			saved.Store(c.Code, true)
			return a.Model.SaveAuthorizationCode(ctx, c, c.Client, c.User)
		}
		a.getCode = func(ctx context.Context, text string) (*code, error) {
			if strings.Contains(text, "DELETE FROM") {
				saved.Range(func(text, _ any) bool {
					a.Model.RevokeAuthorizationCode(ctx, &code{Code: text.(string)})
					return true
				})
			}
			return a.Model.GetAuthorizationCode(ctx, text)
		}
	}},

	{"an access token in clear", "clear-text",
		leak(func(f *Fixture, t *token) string { return "token=" + t.AccessToken })},
	{"a refresh token in base64", "clear-text", leak(func(f *Fixture, t *token) string {
		return base64.URLEncoding.EncodeToString([]byte(`{"refresh":"` + t.RefreshToken + `"}`))
	})},
	{"a client secret in hexadecimal", "clear-text", leak(func(f *Fixture, t *token) string {
		return strings.ToUpper(hex.EncodeToString([]byte(f.Clients[1].Secret)))
	})},
	{"a password as the numbers of its bytes", "clear-text",
		leak(func(f *Fixture, t *token) string { return fmt.Sprint([]byte(f.Users[1].Password)) })},
	{"a password in JSON", "clear-text",
		leak(func(f *Fixture, t *token) string { return fmt.Sprintf("%+q", f.Users[0].Password) })},
	{"a dump of another storage", "clear-text", func(f *Fixture, a *altered) {
		f.Users[0].Password = "" // the same is true for password-digest, which is not looked at then
		f.Dump = func(context.Context) ([]byte, error) { return []byte("nothing"), nil }
	}},
	{"a password's SHA-256", "password-digest", leak(func(f *Fixture, t *token) string {
		digest := sha256.Sum256([]byte(f.Users[0].Password))
		return base64.StdEncoding.EncodeToString(digest[:])
	})},
	{"a generator that counts", "generated", func(f *Fixture, a *altered) {
		generatorOf(f, a, "1")
	}},
	{"a generator that says one thing", "generated", func(f *Fixture, a *altered) {
		generatorOf(f, a, "the-same-token-for-everybody")
	}},
	{"a generator of what cannot be sent", "generated", func(f *Fixture, a *altered) {
		generatorOf(f, a, "a token with spaces and \n a new line")
	}},
	{"a validator that lets nobody through", "flow", func(f *Fixture, a *altered) { f.Model = &closed{a} }},
}

// leak adds what a function makes of each token to the dump.
func leak(text func(*Fixture, *token) string) func(*Fixture, *altered) {
	return func(f *Fixture, a *altered) {
		var leaked atomic.Value
		a.saveToken = func(ctx context.Context, t *token) (*token, error) {
			leaked.Store(text(f, t))
			return a.Model.SaveToken(ctx, t, t.Client, t.User)
		}
		f.Dump = func(context.Context) ([]byte, error) { return fmt.Append(nil, leaked.Load()), nil }
	}
}

// generating makes every access token the same.
type generating struct {
	*altered
	text string
}

func (g *generating) GenerateAccessToken(context.Context, *client, *user, oauth2server.Scope) (string, error) {
	return g.text, nil
}

func generatorOf(f *Fixture, a *altered, text string) {
	f.Model = &generating{a, text}
	f.Peer = f.Model
}

// closed refuses every redirection URI.
type closed struct{ *altered }

func (closed) ValidateRedirectURI(context.Context, string, *client) (bool, error) { return false, nil }
