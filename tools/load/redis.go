// This file has the storage of package redismodel.

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/seed-11d18166/oauth2server/internal/servers"
	"github.com/seed-11d18166/oauth2server/redismodel"
)

func openRedis(ctx context.Context, clients int) (*storage, error) {
	connect := func(source string) *redis.Client {
		return redis.NewClient(&redis.Options{Network: "unix", Addr: source, PoolSize: clients, ContextTimeoutEnabled: true})
	}
	s, err := servers.Redis(ctx, func(ctx context.Context, source string) error {
		client := connect(source)
		defer client.Close()
		return client.Ping(ctx).Err()
	})
	if err != nil {
		return nil, err
	}
	measured, recorded, alone := connect(s.Source), connect(s.Source), connect(s.Source)
	var sent trips
	recorded.AddHook(&sent)
	m := redismodel.New(measured, nil)
	return &storage{
		model: m, filling: m, addClient: m.AddClient, recorded: redismodel.New(recorded, nil), sent: sent.take,
		bare: func(_ context.Context, trips []trip, p *place) (func(context.Context) error, error) {
			return bareRedis(alone, trips, p)
		},
		close: func() error {
			return errors.Join(measured.Close(), recorded.Close(), alone.Close(), s.Stop())
		},
	}, nil
}

// bareRedis sends the commands of a trip in a pipeline, unless there is only one.
func bareRedis(client *redis.Client, trips []trip, p *place) (func(context.Context) error, error) {
	makesGrant := true
	var renewing [][]func() []any
	for _, t := range trips {
		var renews []func() []any
		for _, c := range t {
			renew, err := renewRedis(c.args, p)
			if err != nil {
				return nil, err
			}
			renews = append(renews, renew)
			if len(c.args) > 4 && strings.Contains(key(c.args), ":log:") && c.args[0] == "evalsha" {
				makesGrant = c.args[4] == 1
			}
		}
		renewing = append(renewing, renews)
	}
	return func(ctx context.Context) error {
		p.next(makesGrant)
		for _, renews := range renewing {
			if len(renews) == 1 {
				if err := client.Do(ctx, renews[0]()...).Err(); err != nil && !errors.Is(err, redis.Nil) {
					return err
				}
				continue
			}
			pipe := client.Pipeline()
			for _, renew := range renews {
				pipe.Do(ctx, renew()...)
			}
			if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
		}
		return nil
	}, nil
}

// key is the key of a command, or the first one of a script.
func key(args []any) string {
	at := 1
	if args[0] == "evalsha" {
		at = 3
	}
	text, _ := args[at].(string)
	return text
}

// renewRedis returns a function that returns the arguments for the next round.
func renewRedis(args []any, p *place) (func() []any, error) {
	name, _ := args[0].(string)
	name = strings.ToLower(name)
	_, rest, _ := strings.Cut(key(args), ":")
	kind, _, _ := strings.Cut(rest, ":")
	var change func([]any)
	switch name + " " + kind {
	case "get client":
		change = func([]any) {}
	case "get access":
		change = func(a []any) { a[1] = "oauth2:access:" + p.anyStored() }
	case "get refresh":
		change = func(a []any) { a[1] = "oauth2:refresh:" + p.refresh }
	case "get code":
		change = func(a []any) { a[1] = "oauth2:code:" + p.code }
	case "set access":
		change = func(a []any) { a[1] = "oauth2:access:" + fresh() }
	case "set refresh":
		change = func(a []any) { p.refresh = fresh(); a[1] = "oauth2:refresh:" + p.refresh }
	case "set code":
		change = func(a []any) { p.code = fresh(); a[1] = "oauth2:code:" + p.code }
	case "zrange log":
		from := args[2].(int)
		change = func(a []any) { a[1], a[2] = "oauth2:log:"+p.grant, from+p.seq }
	case "evalsha log":
		seq, record := args[4].(int), args[5].([]byte)
		change = func(a []any) {
			// A sorted set would take the same record for the same member.
			a[3], a[4], a[5] = "oauth2:log:"+p.grant, seq+p.seq, string(record)+fmt.Sprint(p.seq)
		}
	case "evalsha grants-of-client":
		change = func(a []any) { a[4] = p.grant }
	case "evalsha grants-of-user":
		member := args[4].(string)
		change = func(a []any) {
			a[3] = "oauth2:grants-of-user:" + anyUser().ID
			a[4] = member[:len(`{"log":"`)] + p.grant + member[len(`{"log":"`)+len(p.grant):]
		}
	default:
		return nil, fmt.Errorf("no rule for the bare form of: %v", args)
	}
	return func() []any {
		own := slices.Clone(args)
		change(own)
		return own
	}, nil
}

// trips records what a client sends.
type trips struct {
	mu  sync.Mutex
	all []trip
}

func (r *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.add(cmd)
		return next(ctx, cmd)
	}
}

func (r *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		r.add(commands...)
		return next(ctx, commands)
	}
}

func (r *trips) add(commands ...redis.Cmder) {
	var t trip
	for _, cmd := range commands {
		t = append(t, command{args: slices.Clone(cmd.Args())})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, t)
}

func (r *trips) take() []trip {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}
