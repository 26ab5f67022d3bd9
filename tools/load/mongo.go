// This file has the storage of package mongomodel.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

// variable names the server's URI, as in internal/mongotest.
const variable = "OAUTH2SERVER_MONGODB_URI"

// openMongoDB uses a database of its own, and drops it.
func openMongoDB(ctx context.Context, clients int) (_ *storage, err error) {
	uri := os.Getenv(variable)
	if uri == "" {
		return nil, fmt.Errorf("%s is empty: `go run -C tools ./ferretdb` prints a URI", variable)
	}
	var sent documents
	var open []*mongo.Client
	end := func() error {
		var errs []error
		for _, client := range open {
			errs = append(errs, client.Disconnect(context.WithoutCancel(ctx)))
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	var dbs []*mongo.Database
	name := "load" + strings.ToLower(fresh()[:10])
	name = strings.ReplaceAll(name, "-", "0")
	for _, monitor := range []*event.CommandMonitor{nil, {Started: sent.add}, nil} {
		client, err := mongo.Connect(options.Client().ApplyURI(uri).SetMaxPoolSize(uint64(clients)).SetMonitor(monitor))
		if err != nil {
			return nil, err
		}
		open = append(open, client)
		dbs = append(dbs, client.Database(name))
	}
	m := mongomodel.New(dbs[0], nil)
	return &storage{
		model: m, filling: m, addClient: m.AddClient, recorded: mongomodel.New(dbs[1], nil), sent: sent.take,
		bare: func(_ context.Context, trips []trip, p *place) (func(context.Context) error, error) {
			return bareMongoDB(dbs[2], trips, p)
		},
		close: func() error {
			return errors.Join(dbs[0].Drop(context.WithoutCancel(ctx)), end())
		},
	}, nil
}

// bareMongoDB sends each command with other IDs: a find is for what was inserted
// last, or for a stored token.
func bareMongoDB(db *mongo.Database, trips []trip, p *place) (func(context.Context) error, error) {
	journaled := true
	handle := options.Collection().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled})
	makesGrant := true
	var steps []func(context.Context) error
	last := map[string]string{}
	for _, t := range trips {
		raw, name := t[0].args[0].(bson.Raw), t[0].args[1].(string)
		c, isLog := db.Collection(name, handle), strings.HasSuffix(name, "_grants")
		switch {
		case t[0].text == "find" && isLog:
			from, _ := raw.Lookup("filter", "_id", "$gte").StringValueOK()
			find := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(oauth2server.GrantPage)
			steps = append(steps, func(ctx context.Context) error {
				cursor, err := c.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: p.entryID(from)},
					{Key: "$lt", Value: p.grant + ";"}}}, {Key: "grant_id", Value: p.grant}}, find)
				if err != nil {
					return err
				}
				var found []bson.Raw
				return cursor.All(ctx, &found)
			})
		case t[0].text == "find":
			recorded, _ := raw.Lookup("filter", "_id").StringValueOK()
			steps = append(steps, func(ctx context.Context) error {
				id := recorded
				if last[name] != "" {
					id = last[name]
				} else if strings.HasSuffix(name, "access_tokens") {
					id = p.anyStored()
				}
				_, err := c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Raw()
				return err
			})
		case t[0].text == "insert":
			var document bson.D
			if err := bson.Unmarshal(raw.Lookup("documents", "0").Document(), &document); err != nil {
				return nil, err
			}
			id, _ := document[0].Value.(string)
			if isLog {
				makesGrant = strings.HasSuffix(id, "01")
			}
			steps = append(steps, func(ctx context.Context) error {
				inserted := fresh()
				if isLog {
					inserted = p.entryID(id)
					for i := range document {
						if document[i].Key == "grant_id" {
							document[i].Value = p.grant
						}
					}
				}
				document[0].Value = inserted
				_, err := c.InsertOne(ctx, document)
				if err == nil {
					last[name] = inserted
				}
				return err
			})
		default:
			return nil, fmt.Errorf("no rule for the bare form of: %v", raw)
		}
	}
	return func(ctx context.Context) error {
		p.next(makesGrant)
		for _, step := range steps {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// entryID is the _id of an entry as far behind the recorded one as p is.
func (p *place) entryID(recorded string) string {
	_, digits, _ := strings.Cut(recorded, ":")
	seq, _ := strconv.Atoi(digits)
	return fmt.Sprintf("%s:%0*d", p.grant, len(digits), seq+p.seq)
}

// documents are the commands that were sent.
type documents struct {
	mu  sync.Mutex
	all []trip
}

func (d *documents) add(_ context.Context, e *event.CommandStartedEvent) {
	collection, _ := e.Command.Lookup(e.CommandName).StringValueOK()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, trip{{e.CommandName, []any{append(bson.Raw(nil), e.Command...), collection}}})
}

func (d *documents) take() []trip {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.all
	d.all = nil
	return all
}
