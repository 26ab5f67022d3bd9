package clientmetadata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/fetch"
	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// A client that nobody registered signs somebody in, refreshes and revokes, and
// its document is read once.
func TestAClientWithADocument(t *testing.T) {
	s := newSite(t, Options{})
	id := s.publisher.publish("/client.json", nil)
	require.Equal(t, "Fern of 127.0.0.1, to fern.example, local false, for read at https://as.example/mcp", s.opens(id))
	w, first := s.post("/token", redeeming(id, s.agree(id)))
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.Equal(t, "read", first["scope"])
	require.Equal(t, 200, s.call("/mcp", first["access_token"]))
	require.Equal(t, 401, s.call("/api", first["access_token"]))
	w, second := s.post("/token", refreshing(id, first["refresh_token"]))
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.Equal(t, 200, s.call("/mcp", second["access_token"]))
	w, _ = s.post("/revoke", url.Values{"client_id": {id}, "token": {second["refresh_token"].(string)}})
	require.Equal(t, 200, w.Code)
	require.Equal(t, 401, s.call("/mcp", second["access_token"]))
	require.Equal(t, 1, s.publisher.total())
	require.Empty(t, s.log.take())

	w = s.serve(httptest.NewRequest("GET", "/.well-known/oauth-authorization-server", nil))
	require.Contains(t, w.Body.String(), `"client_id_metadata_document_supported":true`)
	require.Regexp(t, `"token_endpoint_auth_methods_supported":\[[^]]*"none"`, w.Body.String(),
		"or clients register instead")
}

// With AllowLoopback, a document on this machine may be published by http.
func TestADocumentInClear(t *testing.T) {
	s := newSiteOf(t, newPublisher(t, true), Options{})
	id := s.publisher.publish("/client.json", nil)
	require.Regexp(t, "^http://127.0.0.1:", id)
	require.Contains(t, s.opens(id), "Fern of 127.0.0.1, to fern.example")
	w, answer := s.post("/token", redeeming(id, s.agree(id)))
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.Equal(t, 200, s.call("/mcp", answer["access_token"]))
	require.Equal(t, 401, s.call("/api", answer["access_token"]), "it is a stranger too")
}

// A client that has not asked for refresh tokens gets none.
func TestGrantsOfADocument(t *testing.T) {
	s := newSite(t, Options{})
	id := s.publisher.publish("/client.json", members{"grant_types": nil})
	w, answer := s.post("/token", redeeming(id, s.agree(id)))
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.NotContains(t, answer, "refresh_token")
}

// The model is asked first, and what it knows is trusted as before.
func TestTheModelsClientWins(t *testing.T) {
	s := newSite(t, Options{})
	id := s.publisher.publish("/client.json", nil)
	require.NoError(t, s.model.AddClient(&oauth2server.Client{ID: id, Name: "Known",
		RedirectURIs: []string{"https://fern.example/callback"}, Grants: []string{"client_credentials"}},
		"a-secret-that-nobody-guesses"))
	w, answer := s.post("/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id},
		"client_secret": {"a-secret-that-nobody-guesses"}})
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.NotEqual(t, 401, s.call("/api", answer["access_token"]), "it is no stranger")
	w, _ = s.post("/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id},
		"client_secret": {"wrong"}})
	require.Equal(t, 401, w.Code)
	require.Zero(t, s.publisher.total())
}

// Twenty requests at once are one request to the publisher. One that goes away
// takes nothing from the others.
func TestAttack_Stampede(t *testing.T) {
	s := newSite(t, Options{})
	text := documentOf(s.publisher.URL+"/client.json", nil)
	asked, release := make(chan bool, 20), make(chan bool)
	s.publisher.answer("/client.json", func(w http.ResponseWriter, _ *http.Request) {
		asked <- true
		<-release
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, text)
	})
	id := s.publisher.URL + "/client.json"
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := s.clients.FindClient(ctx, id, "")
		gone <- err
	}()
	<-asked
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	var all sync.WaitGroup
	codes := make(chan int, 20)
	for range 20 {
		all.Go(func() { codes <- s.authorize(id).Code })
	}
	close(release)
	all.Wait()
	for range 20 {
		require.Equal(t, 200, <-codes)
	}
	require.Equal(t, 1, s.publisher.total())
}

// Within bounds, a publisher decides how long its document is used.
func TestHowLongADocumentIsUsed(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, row := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{}, 0},
		{http.Header{"Cache-Control": {"max-age=600"}}, 10 * time.Minute},
		{http.Header{"Cache-Control": {`public, MAX-AGE="600", immutable`}}, 10 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=600", "max-age=60"}}, time.Minute},
		{http.Header{"Cache-Control": {"max-age=600, no-store"}}, 0},
		{http.Header{"Cache-Control": {"no-cache, max-age=600"}}, 0},
		{http.Header{"Cache-Control": {"max-age=-1"}}, 0},
		{http.Header{"Cache-Control": {"max-age=soon"}}, 0},
		{http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, 365 * 24 * time.Hour},
		{http.Header{"Cache-Control": {"s-maxage=600"}}, 0},
		{http.Header{"Cache-Control": {"max-age=600"}, "Age": {"60"}}, 9 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=600"}, "Age": {"6000"}}, 0},
		{http.Header{"Cache-Control": {"max-age=60"}, "Expires": {at(time.Hour)}}, time.Minute},
		{http.Header{"Expires": {at(time.Hour)}}, time.Hour},
		{http.Header{"Expires": {at(time.Hour)}, "Date": {at(time.Minute)}}, 59 * time.Minute},
		{http.Header{"Expires": {at(-time.Hour)}}, 0},
		{http.Header{"Expires": {"0"}}, 0},
	} {
		require.Equal(t, row.want, lifetime(row.header, now), "%v", row.header)
	}

	for _, row := range []struct {
		control string
		used    time.Duration
	}{
		{"no-store", 5 * time.Minute}, {"max-age=60", 5 * time.Minute}, {"max-age=3600", time.Hour},
		{"max-age=31536000", 24 * time.Hour},
	} {
		s := newSite(t, Options{})
		text := documentOf(s.publisher.URL+"/client.json", nil)
		s.publisher.answer("/client.json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/oauth-client+json; charset=utf-8")
			w.Header().Set("Cache-Control", row.control)
			io.WriteString(w, text)
		})
		id := s.publisher.URL + "/client.json"
		s.opens(id)
		s.wait(row.used - time.Second)
		s.opens(id)
		require.Equal(t, 1, s.publisher.total(), row.control)
		s.wait(time.Second)
		s.opens(id)
		require.Equal(t, 2, s.publisher.total(), row.control)
	}
}

// An outage of a publisher signs nobody out, for a while. Its own answer does, at
// once.
func TestAnOutageOfAPublisher(t *testing.T) {
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		stale  bool
	}{
		"500":         {status(500), true},
		"503":         {status(503), true},
		"429":         {status(429), true},
		"hangs up":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		"404":         {status(404), false},
		"410":         {status(410), false},
		"403":         {status(403), false},
		"201":         {status(201), false},
		"302":         {status(302), false},
		"no JSON":     {typed("application/json", "gone"), false},
		"another's":   {typed("application/json", documentOf("https://other.example/client.json", nil)), false},
		"with secret": {typed("application/json", documentOf("", members{"client_secret": "x"})), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, Options{})
			id := s.publisher.publish("/client.json", nil)
			_, first := s.post("/token", redeeming(id, s.agree(id)))
			s.publisher.answer("/client.json", row.answer)
			s.wait(6 * time.Minute)
			w, second := s.post("/token", refreshing(id, first["refresh_token"]))
			require.Equal(t, 2, s.publisher.total())
			if !row.stale {
				require.Equal(t, 401, w.Code, "%s", w.Body)
				require.Equal(t, "invalid_client", second["error"])
				s.publisher.answer("/client.json", status(500))
				s.refuses(id) // what its publisher took back stays away in an outage
				return
			}
			require.Equal(t, 200, w.Code, "%s", w.Body)
			require.Contains(t, s.log.take(), "an old document is used")

			// Nobody waits for the publisher again, for a minute.
			s.opens(id)
			require.Equal(t, 2, s.publisher.total())
			s.wait(time.Minute)
			s.opens(id)
			require.Equal(t, 3, s.publisher.total())

			s.wait(7 * 24 * time.Hour)
			s.refuses(id)
			s.publisher.publish("/client.json", nil)
			s.opens(id)
		})
	}
}

// The documents that are kept are bounded, and those that are needed stay.
func TestKeptDocumentsAreBounded(t *testing.T) {
	c, asked := offline(nil)
	now := time.Now()
	c.now = func() time.Time { now = now.Add(time.Millisecond); return now }
	first := "https://first.example/client.json"
	for i := range 1001 {
		for _, id := range []string{first, fmt.Sprintf("https://h%d.example/client.json", i)} {
			client, err := c.FindClient(t.Context(), id, "")
			require.NoError(t, err)
			require.Equal(t, id, client.ID)
		}
	}
	require.Len(t, c.known, 1000)
	require.Empty(t, c.flights)
	require.Equal(t, 1002, asked(""))
	require.Equal(t, 1, asked(first))
	_, err := c.FindClient(t.Context(), "https://h0.example/client.json", "")
	require.NoError(t, err)
	require.Equal(t, 2, asked("https://h0.example/client.json"), "it was forgotten, and is read again")
}

// offline returns a Clients whose publishers answer from memory, and a count of
// the requests: for an ID, or all.
func offline(opts *Options) (*Clients, func(id string) int) {
	c := New(opts)
	var mu sync.Mutex
	times := map[string]int{}
	c.get = func(_ context.Context, id, _ string) ([]byte, http.Header, error) {
		mu.Lock()
		defer mu.Unlock()
		times[id]++
		times[""]++
		return []byte(documentOf(id, nil)), http.Header{"Content-Type": {"application/json"}}, nil
	}
	return c, func(id string) int {
		mu.Lock()
		defer mu.Unlock()
		return times[id]
	}
}

// A program that changes a client changes no other request's.
func TestClientsAreCopies(t *testing.T) {
	c, _ := offline(nil)
	for range 3 {
		client, err := c.FindClient(t.Context(), "https://fern.example/client.json", "")
		require.NoError(t, err)
		require.Equal(t, &oauth2server.Client{
			ID: "https://fern.example/client.json", Name: "Fern", Public: true, SelfAsserted: true,
			RedirectURIs: []string{"https://fern.example/callback", "http://127.0.0.1/callback"},
			Grants:       []string{"authorization_code", "refresh_token"},
		}, client)
		client.RedirectURIs[0], client.Grants[0], client.Name = "https://evil.example/", "password", "Evil"
		client.RedirectURIs = append(client.RedirectURIs, "https://evil.example/")
	}
	_, err := c.FindClient(t.Context(), "https://fern.example/client.json", "a secret")
	require.ErrorIs(t, err, oauth2server.ErrNotFound, "it has none")
}

// The program decides who may publish clients, each time, and before anything is
// read.
func TestAllow(t *testing.T) {
	var verdict error
	c, asked := offline(&Options{Allow: func(_ context.Context, id *url.URL) error {
		if id.Host == "fern.example" && id.Path == "/client.json" {
			return verdict
		}
		return oauth2server.ErrNotFound
	}})
	find := func(id string) error { _, err := c.FindClient(t.Context(), id, ""); return err }
	fault := errors.New("the list cannot be read")
	verdict = fault
	require.ErrorIs(t, find("https://fern.example/client.json"), fault)
	verdict = oauth2server.ErrNotFound
	require.ErrorIs(t, find("https://fern.example/client.json"), oauth2server.ErrNotFound)
	require.ErrorIs(t, find("https://other.example/client.json"), oauth2server.ErrNotFound)
	require.Zero(t, asked(""))
	verdict = nil
	require.NoError(t, find("https://fern.example/client.json"))
	verdict = oauth2server.ErrNotFound
	require.ErrorIs(t, find("https://fern.example/client.json"), oauth2server.ErrNotFound, "though it is kept")
	require.Equal(t, 1, asked(""))
}

func TestOptionsAreChecked(t *testing.T) {
	for _, row := range []struct {
		opts   Options
		server func(*oauth2server.Options)
		want   string
	}{
		{server: func(o *oauth2server.Options) { o.Resources = nil }, want: "Resources"},
		{server: func(o *oauth2server.Options) { o.Issuer = "" }, want: "Issuer"},
		{server: func(o *oauth2server.Options) { o.InsecureApprovePublicClients = true },
			want: "InsecureApprovePublicClients"},
		{server: func(o *oauth2server.Options) { o.PublicClientGrants = []string{} }, want: "public clients"},
		{opts: Options{PerHost: -1}, want: "negative"},
		{opts: Options{Timeout: -1}, want: "negative"},
		{opts: Options{MinAge: time.Hour, MaxAge: time.Minute}, want: "MinAge"},
		{opts: Options{RedirectSchemes: []string{"javascript"}}, want: "javascript"},
	} {
		o := options(New(&row.opts))
		if row.server != nil {
			row.server(o)
		}
		_, err := oauth2server.New(memorymodel.New(nil), o)
		require.ErrorIs(t, err, oauth2server.InvalidArgument, row.want)
		require.ErrorContains(t, err, row.want)
	}
	_, err := oauth2server.New(memorymodel.New(nil), options(New(nil)))
	require.NoError(t, err)
}

// When a limit is reached, a client is not told that it is unknown: then it
// would drop what it has.
func TestALimitIsNoAnswer(t *testing.T) {
	c, asked := offline(&Options{MaxDocuments: 1})
	c.get = func(context.Context, string, string) ([]byte, http.Header, error) { return nil, nil, fetch.ErrBusy }
	_, err := c.FindClient(t.Context(), "https://fern.example/client.json", "")
	require.ErrorIs(t, err, fetch.ErrBusy)
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
	release := make(chan bool)
	entered := make(chan bool)
	c.get = func(context.Context, string, string) ([]byte, http.Header, error) {
		entered <- true
		<-release
		return nil, nil, errors.New("an outage")
	}
	var slow sync.WaitGroup
	slow.Go(func() { c.FindClient(t.Context(), "https://slow.example/client.json", "") })
	<-entered
	_, err = c.FindClient(t.Context(), "https://fern.example/client.json", "")
	require.ErrorIs(t, err, errTooMany, "one more would be waited for")
	close(release)
	slow.Wait()
	require.Zero(t, asked(""))
}

// A host gets a burst of a minute's requests, and then as many as the time allows.
func TestHosts(t *testing.T) {
	c := New(&Options{PerHost: 3})
	now := time.Now()
	take := func(n int) (taken int) {
		for range n {
			if c.hosts.take("fern.example", now) {
				taken++
			}
		}
		return taken
	}
	require.Equal(t, 3, take(10))
	now = now.Add(20 * time.Second)
	require.Equal(t, 1, take(10))
	now = now.Add(time.Hour)
	require.Equal(t, 3, take(10))
}
