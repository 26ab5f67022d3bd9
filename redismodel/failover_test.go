// This file measures what a failover loses: a replica takes over from a server
// that dies while replication lags.

package redismodel_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/redismodel"
)

// link passes on what a server sends, until it is stopped.
type link struct {
	port    int
	stopped sync.RWMutex // locked: stopped
}

// linkTo returns a link to a server, with a port of its own.
func linkTo(t *testing.T, s *server) *link {
	l, err := net.Listen("tcp", address(0))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	k := &link{port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", s.addr)
			if err != nil {
				from.Close()
				continue
			}
			go func() {
				defer to.Close()
				io.Copy(to, from)
			}()
			go func() {
				defer from.Close()
				k.carry(from, to)
			}()
		}
	}()
	return k
}

func (k *link) carry(to io.Writer, from io.Reader) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		k.stopped.RLock()
		_, writeErr := to.Write(buffer[:n])
		k.stopped.RUnlock()
		if err != nil || writeErr != nil {
			return
		}
	}
}

// pair is a server and its replica.
type pair struct {
	primary, replica *server
	link             *link
}

func startPair(t *testing.T) *pair {
	free := ports(t, 2)
	p := &pair{primary: start(t, free[0], "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")}
	p.link = linkTo(t, p.primary)
	p.replica = start(t, free[1], "--replicaof", "127.0.0.1 "+strconv.Itoa(p.link.port))
	client := p.primary.client(t, nil)
	eventually(t, "the replica follows", func() error {
		return replicated(client.Info(t.Context(), "replication").Result())
	})
	return p
}

// caughtUp waits until the replica has everything.
func (p *pair) caughtUp(t *testing.T) {
	conn := p.primary.client(t, nil).Conn()
	defer conn.Close()
	require.NoError(t, conn.Set(t.Context(), "mark", rand.Text(), 0).Err())
	require.EqualValues(t, 1, conn.Do(t.Context(), "WAIT", 1, 10000).Val())
}

// failOver kills the primary and promotes the replica. What the link had not
// passed on when it stopped is lost.
func (p *pair) failOver(t *testing.T) *redis.Client {
	client := p.replica.client(t, nil)
	p.primary.Kill()
	require.NoError(t, client.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	p.link.stopped.Unlock()
	return client
}

// outcome is what was acknowledged.
type outcome struct {
	tokens, entries, revoked []string
}

// work stores tokens, ends grants and revokes tokens that are there, and returns
// what was acknowledged.
func work(ctx context.Context, m *redismodel.Model, old []string) (o outcome) {
	for _, token := range old {
		fresh := rand.Text()
		if _, err := m.SaveToken(ctx, lasting(fresh), nil, nil); err == nil {
			o.tokens = append(o.tokens, fresh)
		}
		e := newEntry(rand.Text(), 1)
		e.Kind = oauth2server.EntryRevoked
		if _, err := m.AppendGrant(ctx, e); err == nil {
			o.entries = append(o.entries, e.GrantID)
		}
		if err := m.RevokeAccessTokens(ctx, oauth2server.Digest(token)); err == nil {
			o.revoked = append(o.revoked, token)
		}
	}
	return o
}

func lasting(access string) *oauth2server.Token {
	return &oauth2server.Token{AccessToken: access, AccessTokenExpiresAt: now().Add(time.Hour)}
}

// lost counts the acknowledged tokens and revocations that are gone.
func (o *outcome) lost(t *testing.T, m *redismodel.Model) (tokens, revocations int) {
	ctx := t.Context()
	for _, token := range o.tokens {
		_, err := m.GetAccessToken(ctx, token)
		if errors.Is(err, oauth2server.ErrNotFound) {
			tokens++
		} else {
			require.NoError(t, err)
		}
	}
	for _, id := range o.entries {
		entries, err := m.GrantEntries(ctx, id, 1)
		require.NoError(t, err)
		if len(entries) == 0 {
			revocations++
		}
	}
	for _, token := range o.revoked {
		_, err := m.GetAccessToken(ctx, token)
		if err == nil {
			revocations++
		} else {
			require.ErrorIs(t, err, oauth2server.ErrNotFound)
		}
	}
	return tokens, revocations
}

func (o *outcome) add(other outcome) {
	o.tokens, o.entries = append(o.tokens, other.tokens...), append(o.entries, other.entries...)
	o.revoked = append(o.revoked, other.revoked...)
}

// seed stores tokens that are there before replication lags.
func seed(t *testing.T, m *redismodel.Model, many int) (tokens []string) {
	for range many {
		tokens = append(tokens, rand.Text())
		_, err := m.SaveToken(t.Context(), lasting(tokens[len(tokens)-1]), nil, nil)
		require.NoError(t, err)
	}
	return tokens
}

// Without WAIT, a failover loses what was acknowledged while replication lagged.
// The package documentation says so.
func TestFailoverWithoutWait(t *testing.T) {
	p := startPair(t)
	o := options()
	m := redismodel.New(p.primary.client(t, nil), o)
	const many = 100
	old := seed(t, m, many)
	p.caughtUp(t)
	p.link.stopped.Lock()
	done := work(t.Context(), m, old)
	require.Len(t, done.tokens, many)
	require.Len(t, done.entries, many)
	require.Len(t, done.revoked, many)
	tokens, revocations := done.lost(t, redismodel.New(p.failOver(t), o))
	t.Logf("lost of %d acknowledged tokens: %d; of %d acknowledged ends and revocations: %d",
		many, tokens, 2*many, revocations)
	require.Equal(t, many, tokens)
	require.Equal(t, 2*many, revocations)
}

// With WAIT, a failover loses no revocation that was acknowledged, whenever
// replication stopped.
func TestFailoverWithWait(t *testing.T) {
	p := startPair(t)
	o := options()
	o.WaitReplicas, o.WaitTimeout = 1, 50*time.Millisecond
	const workers, many = 8, 30
	model := func(s *server) *redismodel.Model { return redismodel.New(s.client(t, nil), o) }
	m := model(p.primary)
	old := seed(t, m, workers*many)
	p.caughtUp(t)
	var done outcome
	var lock sync.Mutex
	var wg sync.WaitGroup
	var rounds atomic.Int64
	stop := make(chan struct{})
	for w := range workers {
		mine := old[w*many : (w+1)*many]
		wg.Go(func() {
			m := model(p.primary)
			for i := range mine {
				some := work(t.Context(), m, mine[i:i+1])
				lock.Lock()
				done.add(some)
				lock.Unlock()
				if rounds.Add(1) == workers*many/2 {
					close(stop)
				}
			}
		})
	}
	<-stop // half of the work is done
	p.link.stopped.Lock()
	wg.Wait()
	all := workers * many
	require.Len(t, done.tokens, all)
	require.Less(t, len(done.entries), all, "appends were acknowledged that nobody has")
	require.Less(t, len(done.revoked), all, "revocations were acknowledged that nobody has")
	tokens, revocations := done.lost(t, redismodel.New(p.failOver(t), &redismodel.Options{Prefix: o.Prefix}))
	t.Logf("lost of %d acknowledged tokens: %d; of %d acknowledged ends and revocations: %d",
		all, tokens, len(done.entries)+len(done.revoked), revocations)
	require.Zero(t, revocations)
	require.NotZero(t, tokens, "nothing lagged")
}

// A process that finds an entry or a deletion of another process does not
// acknowledge it before the replicas have it.
func TestWaitForWhatIsThere(t *testing.T) {
	p := startPair(t)
	ctx := t.Context()
	o := options()
	o.WaitReplicas, o.WaitTimeout = 1, 50*time.Millisecond
	unsure := redismodel.New(p.primary.client(t, nil), &redismodel.Options{Prefix: o.Prefix})
	other := redismodel.New(p.primary.client(t, nil), o)
	_, err := unsure.SaveToken(ctx, lasting("token"), nil, nil)
	require.NoError(t, err)
	p.caughtUp(t)
	require.NoError(t, other.RevokeAccessTokens(ctx, "none")) // so its connection has written
	p.link.stopped.Lock()
	entry := newEntry("grant", 1)
	_, err = unsure.AppendGrant(ctx, entry)
	require.NoError(t, err)
	require.NoError(t, unsure.RevokeAccessToken(ctx, "token"))

	const shortfall = "0 of 1 replicas have it"
	again := *entry
	for name, do := range map[string]func() error{
		"the same append": func() error {
			_, err := other.AppendGrant(ctx, &again)
			return err
		},
		"another append": func() error {
			_, err := other.AppendGrant(ctx, newEntry("grant", 1))
			return err
		},
		"a revocation": func() error { return other.RevokeAccessToken(ctx, "token") },
		"revocations":  func() error { return other.RevokeAccessTokens(ctx, oauth2server.Digest("token")) },
	} {
		err := do()
		require.ErrorContains(t, err, shortfall, name)
		require.NotErrorIs(t, err, oauth2server.ErrExists, name)
		require.NotErrorIs(t, err, oauth2server.ErrNotFound, name)
	}
	p.link.stopped.Unlock()
	p.caughtUp(t)
	_, err = other.AppendGrant(ctx, newEntry("grant", 1))
	require.ErrorIs(t, err, oauth2server.ErrExists)
	require.ErrorIs(t, other.RevokeAccessToken(ctx, "token"), oauth2server.ErrNotFound)
}

// A server that restarts loses what the package documentation says.
func TestRestart(t *testing.T) {
	for fsync, want := range map[string]bool{"always": true, "none": false} {
		t.Run(fsync, func(t *testing.T) {
			dir := t.TempDir()
			settings := []string{"--dir", dir, "--appendonly", "no"}
			if fsync != "none" {
				settings = []string{"--dir", dir, "--appendonly", "yes", "--appendfsync", fsync}
			}
			o := options()
			s := start(t, 0, settings...)
			_, err := redismodel.New(s.client(t, nil), o).AppendGrant(t.Context(), newEntry("grant", 1))
			require.NoError(t, err)
			s.Kill()
			s = start(t, 0, settings...)
			entries, err := redismodel.New(s.client(t, nil), o).GrantEntries(t.Context(), "grant", 1)
			require.NoError(t, err)
			require.Equal(t, want, len(entries) == 1)
		})
	}
}

// Arguments that break the contract are refused by every call.
func TestUnfitArguments(t *testing.T) {
	s := start(t, 0)
	plain := s.client(t, nil)
	readers := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.addr}, ReadOnly: true})
	defer readers.Close()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": s.addr}})
	defer ring.Close()
	for want, m := range map[string]*redismodel.Model{
		"no braces":           redismodel.New(plain, &redismodel.Options{Prefix: "{a}"}),
		"cannot be negative":  redismodel.New(plain, &redismodel.Options{WaitReplicas: -1}),
		"ReadTimeout":         redismodel.New(plain, &redismodel.Options{WaitTimeout: time.Hour}),
		"reads from replicas": redismodel.New(readers, nil),
		"*redis.Ring":         redismodel.New(ring, nil),
	} {
		require.ErrorContains(t, m.Check(t.Context()), want)
		_, err := m.GetClient(t.Context(), "client", "")
		require.ErrorContains(t, err, want)
		_, err = m.AppendGrant(t.Context(), newEntry("grant", 1))
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, redismodel.New(plain, nil).Check(t.Context()))
	s.Kill()
	err := redismodel.New(plain, nil).Check(t.Context())
	require.True(t, err != nil && strings.HasPrefix(err.Error(), "redismodel: check: "), "%v", err)
}
