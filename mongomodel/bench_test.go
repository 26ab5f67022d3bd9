package mongomodel_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
)

// BenchmarkFlows runs each flow in turns with the commands that it sends, by
// nothing but the driver: ratio is how much longer the flow takes, in the
// median.
func BenchmarkFlows(b *testing.B) {
	var sent recorder
	db := mongotest.Database(b, sent.options())
	server, err := oauth2server.New(newModel(b, db), &oauth2server.Options{
		Logger:           slog.New(slog.NewTextHandler(io.Discard, nil)),
		AuthenticateUser: func(*http.Request) (*oauth2server.User, error) { return &oauth2server.User{ID: "u1"}, nil },
	})
	require.NoError(b, err)
	s, ctx := &site{server}, context.Background()
	codeFlow := func() answer {
		request := httptest.NewRequest(http.MethodGet,
			"/authorize?response_type=code&client_id=web&state=s&scope=read&code_challenge="+
				challenge+"&code_challenge_method=S256", nil)
		recorder := httptest.NewRecorder()
		server.Authorize(nil).ServeHTTP(recorder, request)
		location, err := url.Parse(recorder.Header().Get("Location"))
		require.NoError(b, err)
		return s.exchange(ctx, location.Query().Get("code"))
	}
	last := codeFlow()
	header := http.Header{}
	api := server.Authenticate()(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request) {
		w.Header()["X"] = []string{}
	}))
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+last.Access)
	for _, flow := range []struct {
		name string
		run  func() bool
	}{
		{"client credentials", func() bool {
			return s.token(ctx, "grant_type",
				"client_credentials").status == http.StatusOK
		}},
		{"authenticate", func() bool {
			clear(header)
			api.ServeHTTP(writer{header}, request)
			return header["X"] != nil
		}},
		{"code flow", func() bool { return codeFlow().status == http.StatusOK }},
		{"refresh", func() bool { last = s.refresh(ctx, last.Token); return last.status == http.StatusOK }},
	} {
		sent.take()
		require.True(b, flow.run())
		bare := replay(b, db, sent.take())
		b.Run(flow.name, func(b *testing.B) {
			var whole, alone []time.Duration
			for b.Loop() {
				begin := time.Now()
				ok := flow.run()
				middle := time.Now()
				err := bare(ctx)
				whole, alone = append(whole, middle.Sub(begin)), append(alone, time.Since(middle))
				if !ok || err != nil {
					b.Fatal("the flow failed, or the commands did:", err)
				}
				sent.take()
			}
			slices.Sort(whole)
			slices.Sort(alone)
			b.ReportMetric(float64(whole[len(whole)/2].Microseconds()), "µs/flow")
			b.ReportMetric(float64(alone[len(alone)/2].Microseconds()), "µs/commands")
			b.ReportMetric(float64(whole[len(whole)/2])/float64(alone[len(alone)/2]), "ratio")
		})
	}
}

// replay returns a function that sends these commands again. What is inserted
// has another _id each time, and a document that is looked for is the one
// inserted last: where a server searches from the first to the last, both
// search as far.
func replay(tb testing.TB, db *mongo.Database, commands []*event.CommandStartedEvent) func(context.Context) error {
	journaled := true
	handle := options.Collection().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled})
	var steps []func(context.Context) error
	last, inserted := map[string]string{}, 0
	for _, e := range commands {
		name := e.Command.Lookup(e.CommandName).StringValue()
		c := db.Collection(name, handle)
		switch e.CommandName {
		case "find":
			id := e.Command.Lookup("filter", "_id").StringValue()
			steps = append(steps, func(ctx context.Context) error {
				return c.FindOne(ctx, bson.D{{Key: "_id", Value: cmp.Or(last[name], id)}}).Err()
			})
		case "insert":
			var document bson.D
			require.NoError(tb, bson.Unmarshal(e.Command.Lookup("documents", "0").Document(), &document))
			require.Equal(tb, "_id", document[0].Key)
			id := document[0].Value.(string)
			steps = append(steps, func(ctx context.Context) error {
				inserted++
				last[name] = fmt.Sprintf("%010d", inserted) + id[10:]
				document[0].Value = last[name]
				_, err := c.InsertOne(ctx, document)
				return err
			})
		default:
			tb.Fatal(e.CommandName)
		}
	}
	return func(ctx context.Context) error {
		for _, step := range steps {
			if err := step(ctx); err != nil {
				return fmt.Errorf("a command alone: %w", err)
			}
		}
		return nil
	}
}

type writer struct{ h http.Header }

func (w writer) Header() http.Header         { return w.h }
func (w writer) WriteHeader(int)             {}
func (w writer) Write(b []byte) (int, error) { return len(b), nil }
