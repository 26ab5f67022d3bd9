package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/memorymodel"
)

// logged is what is logged until the test ends.
func logged(t *testing.T) *bytes.Buffer {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

var shownReference = regexp.MustCompile(`<code>([A-Z0-9]{8})</code>`)

// Whoever asks for help with a page names a line of the log.
func TestProblemsHaveAReferenceThatIsLogged(t *testing.T) {
	log := logged(t)
	model := &broken{}
	b := newBrowser(t, site(t, func(m *memorymodel.Model) storage { model.Model = m; return model }))
	elsewhere := func(path string) func() {
		return func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+path,
				strings.NewReader("username=andy"))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", "https://evil.example")
			b.saw(b.Do(r))
		}
	}
	for _, c := range []struct {
		name    string
		do      func()
		status  int
		advice  string
		because string
	}{
		{"unknown client", func() { b.open("/authorize?client_id=nobody") }, 400, "problem.client", "client_unknown"},
		{"no such page", func() { b.open("/nothing") }, 404, "problem.missing", "/nothing"},
		{"form of another site", elsewhere("/signin"), 403, "problem.origin", "Origin"},
		{"and at the endpoint", elsewhere("/authorize?client_id=" + clientID), 403, "problem.origin", "cross_origin"},
		{"form that is none", func() { b.post("/signin", "username", strings.Repeat("a", maxForm)) }, 400,
			"problem.form", "too large"},
		{"storage", func() { b.post("/signin", "username", "andy", "password", "123456") }, 503,
			"problem.fault", "secret details"},
		{"another host", func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+"/signin", nil)
			require.NoError(t, err)
			r.Host = "evil.example"
			b.saw(b.Do(r))
		}, 421, "problem.host", "evil.example"},
	} {
		log.Reset()
		model.methods = "GetUser"
		c.do()
		require.Equal(t, c.status, b.last.StatusCode, c.name)
		b.says(c.advice, c.advice+".title", "problem.reference")
		reference := shownReference.FindStringSubmatch(b.last.page)
		require.NotNil(t, reference, c.name)
		require.NotContains(t, b.last.page, "secret details")
		lines := ""
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "reference="+reference[1]) {
				lines += line
			}
		}
		require.Contains(t, lines, c.because, "%s: %s", c.name, log.String())
	}
}

// A store of sessions that fails has its page, too.
func TestSessionFaults(t *testing.T) {
	log := logged(t)
	base := site(t, nil)
	b := newBrowser(t, base)
	b.connect()
	a := applications[base]
	a.sessions.Store, a.client.sessions.Store = brokenStore{}, brokenStore{}
	for _, path := range []string{"/apps", "/client/", "/authorize?client_id=" + clientID} {
		require.Equal(t, http.StatusServiceUnavailable, b.open(path).StatusCode, path)
		b.says("problem.fault")
		require.Contains(t, log.String(), "reference="+shownReference.FindStringSubmatch(b.last.page)[1])
	}
}

type brokenStore struct{}

func (brokenStore) Delete(string) error                    { return errors.New("no store") }
func (brokenStore) Find(string) ([]byte, bool, error)      { return nil, false, errors.New("no store") }
func (brokenStore) Commit(string, []byte, time.Time) error { return errors.New("no store") }

func TestAPageThatFailsHasAReference(t *testing.T) {
	log := logged(t)
	p, err := parsePages(files)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	p.show(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), http.StatusOK,
		page{Name: "consent", Data: errors.New("not what it wants")})
	require.Equal(t, http.StatusInternalServerError, w.Code)
	reference := regexp.MustCompile(`Reference: (\w+)`).FindStringSubmatch(w.Body.String())
	require.NotNil(t, reference)
	require.Contains(t, log.String(), "reference="+reference[1])
}
