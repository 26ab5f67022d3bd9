// This file sends commands and scripts, and sorts their errors.

package redismodel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-11d18166/oauth2server"
)

// store is a client, with what every call needs.
type store struct {
	client   redis.UniversalClient
	cluster  *redis.ClusterClient // nil: one server has all keys
	prefix   string
	replicas int
	timeout  time.Duration

	// wrong is the error about the arguments of New, or nil.
	wrong error
}

// command is a script with its keys and arguments, or a plain command, whose args
// have the key too.
type command struct {
	script *redis.Script
	keys   []string
	args   []any
}

// plain returns a command that is no script, and whose first argument is its key.
func plain(name, key string, args ...any) command {
	return command{keys: []string{key}, args: append([]any{name, key}, args...)}
}

// sender is a client or a pipeline.
type sender interface {
	redis.Scripter
	Do(ctx context.Context, args ...any) *redis.Cmd
}

// to sends the command. A script goes by its digest, or in full.
func (c command) to(ctx context.Context, s sender, full bool) *redis.Cmd {
	switch {
	case c.script == nil:
		return s.Do(ctx, c.args...)
	case full:
		return c.script.Eval(ctx, s, c.keys, c.args...)
	}
	return c.script.EvalSha(ctx, s, c.keys, c.args...)
}

// Check returns why the arguments of [New] cannot be used, why the server does not
// answer, or what about it breaks the promises of the package: a replica, a
// maxmemory-policy that forgets, or fewer replicas than WaitReplicas. It asks a
// server about itself by INFO; if that is forbidden to the client's user, Check
// cannot see these faults.
func (s *store) Check(ctx context.Context) error {
	if _, err := s.send(ctx, "check", plain("EXISTS", s.prefix)); err != nil {
		return err
	}
	if s.cluster != nil { // it sends each command to the server that has the key
		return s.cluster.ForEachMaster(ctx, func(ctx context.Context, server *redis.Client) error {
			_, err := s.inspect(ctx, server, server.Options().Addr)
			return err
		})
	}
	role, err := s.inspect(ctx, s.client, "the server")
	if err == nil && role == "slave" {
		err = errors.New("redismodel: check: the client is connected to a replica, " +
			"which does not have every revocation yet")
	}
	return err
}

// inspect returns the role of a server, or an error if it evicts keys or is a
// master that lacks replicas. If the server refuses to tell, there is neither.
func (s *store) inspect(ctx context.Context, server redis.UniversalClient, name string) (role string, err error) {
	info, err := server.InfoMap(ctx, "memory", "replication").Result()
	switch {
	case redis.IsPermissionError(err), redis.HasErrorPrefix(err, "unknown command"):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("redismodel: check: %s: %w", name, err)
	}
	memory := info["Memory"]
	limit, policy := memory["maxmemory"], memory["maxmemory_policy"]
	if limit != "" && limit != "0" && policy != "" && policy != "noeviction" {
		return "", fmt.Errorf("redismodel: check: %s: maxmemory-policy is %q: set it to \"noeviction\", "+
			"as the others make room by forgetting revocations", name, policy)
	}
	replication := info["Replication"]
	connected, err := strconv.Atoi(replication["connected_slaves"])
	if err == nil && replication["role"] == "master" && connected < s.replicas {
		return "", fmt.Errorf("redismodel: check: %s: WaitReplicas is %d, but %d replicas are connected",
			name, s.replicas, connected)
	}
	return replication["role"], nil
}

// send sends commands that may be carried out in any order, in one round trip,
// and returns their replies. The reply nil means that nothing is there.
func (s *store) send(ctx context.Context, what string, commands ...command) ([]any, error) {
	if err := errors.Join(s.wrong, ctx.Err()); err != nil {
		return nil, err
	}
	return replies(what, pipeline(ctx, s.client, false, commands...)...)
}

// pipeline sends commands in one round trip, to a single server by one
// connection. Each returned one has its reply or error.
func pipeline(ctx context.Context, to redis.UniversalClient, full bool, commands ...command) (sent []*redis.Cmd) {
	if len(commands) == 1 {
		return []*redis.Cmd{commands[0].to(ctx, to, full)}
	}
	pipe := to.Pipeline()
	for _, c := range commands {
		sent = append(sent, c.to(ctx, pipe, full))
	}
	pipe.Exec(ctx)
	return sent
}

// replies returns what was answered to commands, or the first error.
func replies(what string, sent ...*redis.Cmd) (all []any, err error) {
	for _, cmd := range sent {
		reply, err := cmd.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("redismodel: %s: %w", what, err)
		}
		all = append(all, reply)
	}
	return all, nil
}

// write carries out commands in their order, and waits for the replicas. WAIT
// covers only writes of its own connection, so a command must write even if it
// finds that another process has done its work.
func (s *store) write(ctx context.Context, what string, commands ...command) (all []any, err error) {
	if err := errors.Join(s.wrong, ctx.Err()); err != nil {
		return nil, err
	}
	if s.cluster == nil {
		return s.try(ctx, what, s.client, commands...)
	}
	for _, c := range commands { // each may belong to another server
		reply, err := s.route(ctx, what, c)
		if err != nil {
			return nil, err
		}
		all = append(all, reply...)
	}
	return all, nil
}

// routes is how often route looks for the server that has a key.
const routes = 6

// route sends a command to the server that has its key. It does not leave that to
// the client, which would send WAIT to any server.
func (s *store) route(ctx context.Context, what string, c command) (reply []any, err error) {
	wait := 5 * time.Millisecond
	for range routes {
		var server *redis.Client
		server, err = s.cluster.MasterForKey(ctx, c.keys[0])
		if err != nil {
			return nil, fmt.Errorf("redismodel: %s: %w", what, err)
		}
		reply, err = s.try(ctx, what, server, c)
		if addr, ok := redis.IsAskError(err); ok {
			reply, err = s.ask(ctx, what, server, addr, c)
		}
		if !moved(err) {
			return reply, err
		}
		s.cluster.ReloadState(ctx)
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(wait):
			wait *= 2
		}
	}
	return nil, err
}

// ask sends a command to the server that gets the slot of its key. The client may
// not know that server yet, as a new one has no slots, so ask makes a connection.
func (s *store) ask(ctx context.Context, what string, from *redis.Client, addr string, c command) ([]any, error) {
	o := *from.Options()
	o.Addr = askAddr(o.Addr, addr)
	o.PoolSize, o.MinIdleConns = 1, 0
	server := s.cluster.Options().NewClient(&o)
	defer server.Close()
	reply, err := s.try(ctx, what, server, command{args: []any{"ASKING"}}, c)
	if err != nil {
		return nil, err
	}
	return reply[1:], nil
}

// askAddr returns the address that a server names. It puts no brackets around an
// IPv6 address, and leaves out the host if that is to be its own.
func askAddr(from, addr string) string {
	last := strings.LastIndexByte(addr, ':')
	if last < 0 {
		return addr // it cannot be reached, and the error says so
	}
	host := strings.Trim(addr[:last], "[]")
	if host == "" {
		if own, _, err := net.SplitHostPort(from); err == nil {
			host = own
		}
	}
	return net.JoinHostPort(host, addr[last+1:])
}

// moved reports whether another server has the key, or will have it soon.
func moved(err error) bool {
	for _, prefix := range []string{"MOVED ", "ASK ", "TRYAGAIN ", "READONLY ", "CLUSTERDOWN "} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// try sends commands to a server by one connection, again with the scripts in
// full if the server does not know one of them.
func (s *store) try(
	ctx context.Context, what string, server redis.UniversalClient, commands ...command,
) (all []any, err error) {
	for _, full := range []bool{false, true} {
		sent := pipeline(ctx, server, full, s.waiting(commands)...)
		all, err = replies(what, sent[:len(commands)]...)
		if err == nil && s.replicas > 0 {
			err = s.enough(what, sent[len(commands)])
		}
		if !redis.HasErrorPrefix(err, "NOSCRIPT") {
			break
		}
	}
	return all, err
}

// waiting returns commands followed by WAIT, if replicas are waited for.
func (s *store) waiting(commands []command) []command {
	if s.replicas == 0 {
		return commands
	}
	return append(slices.Clip(commands), command{args: []any{"WAIT", s.replicas, s.timeout.Milliseconds()}})
}

// enough returns an error unless enough replicas have what was written.
func (s *store) enough(what string, reached *redis.Cmd) error {
	n, err := reached.Int64()
	if err == nil && n < int64(s.replicas) {
		err = fmt.Errorf("after %v, %d of %d replicas have it", s.timeout, n, s.replicas)
	}
	if err != nil {
		return fmt.Errorf("redismodel: %s: wait for replicas: %w", what, err)
	}
	return nil
}

// erasing returns the command that erases a record.
func erasing(key string) command {
	return command{erase, []string{key}, []any{retention.Milliseconds()}}
}

// erase erases a record. The error is [oauth2server.ErrNotFound] if there is none:
// of concurrent callers, one finds it there.
func (s *store) erase(ctx context.Context, what, key string) error {
	erased, err := s.write(ctx, what, erasing(key))
	if err == nil && erased[0] == int64(0) {
		return oauth2server.ErrNotFound
	}
	return err
}

// text returns a reply that is a string, or [oauth2server.ErrNotFound] if it is nil
// or "", which stands for what was erased.
func text(all []any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if found, _ := all[0].(string); found != "" {
		return found, nil
	}
	return "", oauth2server.ErrNotFound
}

// texts returns a reply that is a list of strings. "" stands for a nil in it.
func texts(reply any) []string {
	list, _ := reply.([]any)
	found := make([]string, len(list))
	for i, one := range list {
		found[i], _ = one.(string)
	}
	return found
}

// retention is how long something stays after its expiry: a client that presents
// it late learns that it has expired, and clocks may differ.
const retention = time.Hour

// until returns when something that expires may be forgotten, in milliseconds
// since 1970; "" for never.
func until(expiresAt time.Time) string {
	if expiresAt.IsZero() {
		return ""
	}
	// 0 and below is no time to Redis.
	return strconv.FormatInt(max(expiresAt.Add(retention).UnixMilli(), 1), 10)
}

// keepDeleted is how long the ID of a deleted client or user stays known.
const keepDeleted = 24 * time.Hour

// past returns the time before which things have expired and may be forgotten.
func past() int64 { return time.Now().Add(-retention).UnixMilli() }
