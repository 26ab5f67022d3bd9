// This file has the two types of the package, and their options.

package redismodel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/credential"
)

// Options are deviations from the defaults. The zero value is the one for a
// server without replicas; nil means the zero value.
type Options struct {
	// Prefix begins all keys. It must not have braces. Empty: "oauth2:".
	Prefix string

	// WaitReplicas is how many replicas must have a write before it is
	// acknowledged: an entry of a log, a revocation, and what is stored about
	// clients and users. With fewer, the call fails, though the write may have
	// happened. Tokens are not waited for.
	WaitReplicas int

	// WaitTimeout is how long a call waits for the replicas. It must be shorter
	// than the client's ReadTimeout. 0: a second.
	WaitTimeout time.Duration

	// InsecureAllowShortSecrets lets clients have secrets of fewer than 22
	// characters. Such a secret can be guessed, most easily by anyone who sees
	// its digest in the database.
	InsecureAllowShortSecrets bool

	// PasswordCost is the cost of bcrypt: each step doubles the time that a
	// password takes. Below 4 it means 10; above 31, adding users and signing in
	// fail.
	PasswordCost int

	// ExtensionGrants names further grants that clients may have: those of
	// [oauth2server.Options.ExtensionGrants] that are not URIs. The five
	// built-in grants and absolute URIs are always allowed.
	ExtensionGrants []string
}

// Grants keeps codes, tokens and the log of each grant in Redis. A program with
// users and clients of its own embeds it in its model, and adds GetClient and
// what else it needs. It is safe for concurrent use. What it returns belongs to
// the caller. Of the client and the user of a code or a token it returns only the
// ID.
type Grants struct{ store }

// Model is [Grants] with clients and users.
type Model struct {
	*Grants
	options   Options
	passwords *credential.Passwords
}

var (
	_ oauth2server.AccessTokenModel       = (*Grants)(nil)
	_ oauth2server.AccessTokenRevoker     = (*Grants)(nil)
	_ oauth2server.AuthorizationCodeModel = (*Grants)(nil)
	_ oauth2server.RefreshTokenModel      = (*Grants)(nil)
	_ oauth2server.GrantLog               = (*Grants)(nil)
	_ oauth2server.Model                  = (*Model)(nil)
	_ oauth2server.PasswordModel          = (*Model)(nil)
	_ oauth2server.ClientCredentialsModel = (*Model)(nil)
)

// New returns a Model that stores through client, which must not be nil. New
// sends nothing. If the arguments cannot be used or the server does not answer,
// all calls fail: let [Grants.Check] tell you at the start.
func New(client redis.UniversalClient, opts *Options) *Model {
	m := &Model{Grants: NewGrants(client, opts)}
	if opts != nil {
		m.options = *opts
		m.options.ExtensionGrants = slices.Clone(opts.ExtensionGrants)
	}
	m.passwords = credential.NewPasswords(m.options.PasswordCost)
	return m
}

// NewGrants is [New] for a program with clients and users of its own. Of the
// options it takes Prefix, WaitReplicas and WaitTimeout.
func NewGrants(client redis.UniversalClient, opts *Options) *Grants {
	if opts == nil {
		opts = &Options{}
	}
	g := &Grants{store{client: client, prefix: opts.Prefix, replicas: opts.WaitReplicas, timeout: opts.WaitTimeout}}
	if g.prefix == "" {
		g.prefix = "oauth2:"
	}
	if g.timeout == 0 {
		g.timeout = time.Second
	}
	g.cluster, _ = client.(*redis.ClusterClient)
	g.wrong = unfit(client, g.cluster, g.prefix, g.replicas, g.timeout)
	return g
}

// unfit returns what is wrong with the arguments of New.
func unfit(
	client redis.UniversalClient, cluster *redis.ClusterClient, prefix string, replicas int, timeout time.Duration,
) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("redismodel: "+format, args...)) }
	if strings.ContainsAny(prefix, "{}") {
		wrong("Options.Prefix %q: no braces, they would choose the slots of a cluster", prefix)
	}
	if replicas < 0 {
		wrong("Options.WaitReplicas %d: it cannot be negative", replicas)
	}
	var readTimeout time.Duration
	switch client := client.(type) {
	case *redis.Client:
		readTimeout = client.Options().ReadTimeout
	case *redis.ClusterClient:
		readTimeout = cluster.Options().ReadTimeout
		if o := cluster.Options(); o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			wrong("the client reads from replicas, which do not have every revocation yet")
		}
	default:
		wrong("a %T cannot be used: use a redis.Client or a redis.ClusterClient", client)
	}
	if timeout < time.Millisecond || readTimeout > 0 && timeout >= readTimeout {
		wrong("Options.WaitTimeout %v: at least a millisecond, and less than the client's ReadTimeout, %v",
			timeout, readTimeout)
	}
	return errors.Join(errs...)
}
