// This file has the storages by name, and what their bare commands have in
// common.

package main

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// command is what a model sends: a statement with its arguments, or arguments
// alone.
type command struct {
	text string
	args []any
}

// trip has the commands of one round trip.
type trip []command

// storage is a place where a model stores.
type storage struct {
	model   oauth2server.Model
	filling oauth2server.Model // need not wait for the disk

	addClient func(ctx context.Context, c *oauth2server.Client, secret string) error

	// filled is called after the last token was stored. nil: nothing to do.
	filled func(context.Context) error

	// recorded is a model whose trips are recorded; sent returns those since its
	// last call. nil: the storage has no bare commands.
	recorded oauth2server.Model
	sent     func() []trip

	// bare returns a function that sends trips again for one client, by nothing
	// but the driver. What they store is new each time.
	bare func(ctx context.Context, trips []trip, p *place) (func(context.Context) error, error)

	close func() error
}

// opener opens a storage with a connection for each client.
type opener func(ctx context.Context, clients int) (*storage, error)

var storages = []struct {
	name string
	open opener
}{
	{"memory", openMemory},
	{"sqlite", openSQLite},
	{"postgres", openPostgreSQL},
	{"mariadb", openMariaDB},
	{"redis", openRedis},
	{"mongodb", openMongoDB},
}

func openMemory(context.Context, int) (*storage, error) {
	m := memorymodel.New(nil)
	return &storage{model: m, filling: m, close: func() error { return nil },
		addClient: func(_ context.Context, c *oauth2server.Client, secret string) error {
			return m.AddClient(c, secret)
		}}, nil
}

// place is where one client is with its bare commands.
type place struct {
	stored []string // digests of access tokens

	grant         string
	seq           int // how far behind the recorded entry it is
	code, refresh string
}

// next begins a round. A flow that makes a grant gets another one in each round,
// the refresh flow one in perGrant rounds, as a caller does.
func (p *place) next(makesGrant bool) {
	p.seq++
	if makesGrant || p.grant == "" || p.seq == perGrant {
		// As the server's, IDs of grants rise with time.
		p.grant, p.seq = strconv.FormatInt(time.Now().UnixNano(), 36)+fresh()[12:], 0
	}
}

func (p *place) anyStored() string { return p.stored[rand.IntN(len(p.stored))] }

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// fresh returns a string that is as long and as random as a digest.
func fresh() string {
	var b [43]byte
	for i := 0; i < len(b); {
		for bits, n := rand.Uint64(), 0; n < 10 && i < len(b); n++ {
			b[i] = letters[bits&63]
			bits >>= 6
			i++
		}
	}
	return string(b[:])
}
