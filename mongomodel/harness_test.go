package mongomodel_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/crypto/bcrypt"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/mongotest"
	"github.com/seed-11d18166/oauth2server/mongomodel"
)

const (
	secret    = "a-client-secret-of-good-length"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	callback  = "https://client.example/cb"
)

// newModel returns a model on db with the client web and the user andy.
func newModel(t testing.TB, db *mongo.Database) *mongomodel.Model {
	t.Helper()
	m := mongomodel.New(db, &mongomodel.Options{PasswordCost: bcrypt.MinCost})
	register(t, m)
	return m
}

// register makes the indexes, the client web and the user andy.
func register(t testing.TB, m *mongomodel.Model) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, m.EnsureIndexes(ctx))
	require.NoError(t, m.AddClient(ctx, &oauth2server.Client{ID: "web", RedirectURIs: []string{callback},
		Grants: []string{"authorization_code", "refresh_token", "client_credentials", "password"}}, secret))
	require.NoError(t, m.AddUser(ctx, &oauth2server.User{ID: "u1"}, "andy", "a password"))
}

// recorder keeps the commands that a client sent to its server.
type recorder struct {
	mu       sync.Mutex
	commands []*event.CommandStartedEvent
}

func (r *recorder) options() *options.ClientOptions {
	return options.Client().SetMonitor(&event.CommandMonitor{Started: func(_ context.Context,
		e *event.CommandStartedEvent) {
		own := *e
		own.Command = slices.Clone(e.Command)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.commands = append(r.commands, &own)
	}})
}

// take returns the commands since the last time.
func (r *recorder) take() (taken []*event.CommandStartedEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken, r.commands = r.commands, nil
	return taken
}

// prefix stands before the names of collections in these tests.
const prefix = mongomodel.DefaultPrefix

// names is what was done to which collection, in order, without the prefix.
func names(commands []*event.CommandStartedEvent) (names []string) {
	for _, e := range commands {
		names = append(names, e.CommandName+" "+collectionOf(e))
	}
	return names
}

func collectionOf(e *event.CommandStartedEvent) string {
	return strings.TrimPrefix(e.Command.Lookup(e.CommandName).StringValue(), prefix)
}

// site is an authorization server over a model, which is asked as over HTTP.
type site struct {
	server *oauth2server.Server
}

func newSite(t testing.TB, m *mongomodel.Model) *site {
	t.Helper()
	server, err := oauth2server.New(m, &oauth2server.Options{
		Grants: []string{"authorization_code", "refresh_token", "client_credentials", "password"},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	require.NoError(t, err)
	return &site{server}
}

// authorize signs andy in and returns the code.
func (s *site) authorize(t testing.TB) string {
	t.Helper()
	query := url.Values{"response_type": {"code"}, "client_id": {"web"}, "state": {"s"}, "scope": {"read"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	request := httptest.NewRequest(http.MethodPost, "/authorize?"+query.Encode(),
		strings.NewReader(url.Values{"username": {"andy"}, "password": {"a password"}}.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	s.server.Authorize(nil).ServeHTTP(answer, request)
	location, err := url.Parse(answer.Header().Get("Location"))
	require.NoError(t, err)
	require.NotEmpty(t, location.Query().Get("code"), "%d %s", answer.Code, location)
	return location.Query().Get("code")
}

// answer is what the token endpoint said.
type answer struct {
	status int
	Access string `json:"access_token"`
	Token  string `json:"refresh_token"`
	Error  string `json:"error"`
}

func (s *site) token(ctx context.Context, form ...string) answer {
	return s.post(ctx, s.server.Token(nil), form...)
}

// post is a request of the client web.
func (s *site) post(ctx context.Context, endpoint http.Handler, form ...string) (a answer) {
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/token", strings.NewReader(values.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("web", secret)
	recorder := httptest.NewRecorder()
	endpoint.ServeHTTP(recorder, request)
	json.Unmarshal(recorder.Body.Bytes(), &a)
	a.status = recorder.Code
	return a
}

func (s *site) exchange(ctx context.Context, code string) answer {
	return s.token(ctx, "grant_type", "authorization_code", "code", code, "code_verifier", verifier)
}

func (s *site) refresh(ctx context.Context, token string) answer {
	return s.token(ctx, "grant_type", "refresh_token", "refresh_token", token)
}

// works reports whether the API lets an access token in.
func (s *site) works(token string) bool {
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	s.server.Authenticate()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(answer, request)
	return answer.Code == http.StatusOK
}

// signIn is a whole authorization, which must succeed.
func (s *site) signIn(t testing.TB) answer {
	t.Helper()
	got := s.exchange(t.Context(), s.authorize(t))
	require.Equal(t, http.StatusOK, got.status, got.Error)
	return got
}

// documents returns everything in a collection, named without its prefix.
func documents(t testing.TB, db *mongo.Database, collection string) (all []bson.M) {
	t.Helper()
	cursor, err := db.Collection(prefix+collection).Find(context.Background(), bson.D{},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	require.NoError(t, err)
	require.NoError(t, cursor.All(context.Background(), &all))
	return all
}

// dump is what somebody sees who has the whole database.
func dump(ctx context.Context, db *mongo.Database) (string, error) {
	var all strings.Builder
	names, err := db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return "", err
	}
	for _, name := range names {
		cursor, err := db.Collection(name).Find(ctx, bson.D{})
		if err != nil {
			return "", err
		}
		for cursor.Next(ctx) {
			all.WriteString(name + ": " + cursor.Current.String() + "\n")
		}
		if err := cursor.Err(); err != nil {
			return "", err
		}
	}
	return all.String(), nil
}

func start(t testing.TB) (*mongo.Database, *mongomodel.Model) {
	t.Helper()
	db := mongotest.Database(t)
	return db, newModel(t, db)
}
